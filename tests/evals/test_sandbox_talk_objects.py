"""Functions, classes, errors and iterators of a program, used by its tests as if they were at home there."""

import pytest

from tests.evals.talk import ERRORS, LINKED, PASSED, POINT, STACK, cleaned

# Correct programs, whose tests must pass without the program's word being taken for anything.
HONEST = cleaned(
    {
        "decorator": (
            """
            import functools
            def twice(g):
                @functools.wraps(g)
                def inner(*a, **k): return [g(*a, **k), g(*a, **k)]
                return inner
            """,
            """
            @twice
            def f(x, *, y=1):
                'doc'
                return x + y
            assert f(1, y=2) == [3, 3] and f.__name__ == 'f' and f.__doc__ == 'doc'
            """,
        ),
        "decorator with arguments": (
            """
            def times(n):
                def wrap(g):
                    def inner(*a): return [g(*a) for _ in range(n)]
                    return inner
                return wrap
            """,
            """
            calls = []
            @times(3)
            def f(x):
                calls.append(x)
                return x
            assert f(2) == [2, 2, 2] and calls == [2, 2, 2]
            """,
        ),
        "closures": (
            "def adder(n): return lambda x: x + n",
            "assert adder(2)(3) == 5 and [adder(i)(1) for i in range(3)] == [1, 2, 3]",
        ),
        "function's attributes": (
            """
            import functools
            @functools.lru_cache(maxsize=None)
            def f(n):
                'Doc.'
                return n
            def g(a: int, b=2) -> str: return ''
            g.calls = 3
            """,
            """
            assert f(3) == 3
            assert f.cache_info().currsize == 1
            assert f.__doc__ == 'Doc.'
            assert g.__name__ == 'g'
            assert g.calls == 3
            assert g.__annotations__ == {'a': int, 'return': str} and callable(g) and g.__defaults__ == (2,)
            """,
        ),
        "signature": (
            "def f(a, b=2, *c, d): return 1",
            """
            import inspect
            assert list(inspect.signature(f).parameters) == ['a', 'b', 'c', 'd']
            """,
        ),
        "class": (
            POINT,
            """
            p = Point(1, y=2)
            assert p.x == 1
            assert p.y == 2
            assert p.size == 3
            assert repr(p) == 'Point(1, 2)'
            assert f'{p}' == 'Point(1, 2)'
            p.x = -5
            assert p.size == 7 and p.moved(1).x == -4 and Point.origin().x == 0 and Point.add(1, 2) == 3
            assert isinstance(p, Point)
            assert type(p) is Point
            assert Point.__name__ == 'Point'
            assert not isinstance(3, Point)
            assert hasattr(p, 'x') and not hasattr(p, 'z') and vars(p) == {'x': -5, 'y': 2} and Point.made >= 3
            Point.made = 0
            Point(1)
            assert Point.made == 1 and p != 3 and p != None and [p].index(p) == 0
            del p.x
            assert not hasattr(p, 'x') and Point.__doc__ == 'A point.' and getattr(p, 'q', 4) == 4
            """,
        ),
        "class as a container": (
            STACK.replace("        return self\n", ""),
            """
            s = Stack()
            s.push(1)
            s.items.append(9)
            s.push(2)
            assert len(s) == 2 and 1 in s and 3 not in s and s[0] == 1 and list(s) == [1, 2]
            assert s.pop() == 2 and s.items == [1]
            s.push(5)
            s.pop(), s.pop()
            try:
                s.pop()
                assert False
            except IndexError as e:
                assert str(e) == 'pop from empty stack'
            """,
        ),
        "linked list": (
            LINKED,
            """
            head, values = reverse(build([1, 2, 3])), []
            while head:
                values.append(head.value)
                head = head.next
            assert values == [3, 2, 1]
            n = Node(1, Node(2))
            assert n.next.value == 2 and n.next is n.next and reverse(n).value == 2 and n.next is None
            assert reverse(None) is None
            """,
        ),
        "inheritance": (
            """
            class A:
                def who(self): return 'A'
            class B(A):
                def who(self): return 'B' + super().who()
            def make(): return B()
            """,
            """
            assert issubclass(B, A)
            assert isinstance(make(), A)
            assert make().who() == 'BA'
            assert B.__mro__[1] is A
            assert A in B.__bases__
            assert make().__class__ is B and A.who(make()) == 'A'
            """,
        ),
        "abstract": (
            """
            from abc import ABC, abstractmethod
            class Shape(ABC):
                @abstractmethod
                def area(self): ...
                def twice(self): return 2 * self.area()
            class Square(Shape):
                def __init__(self, a): self.a = a
                def area(self): return self.a ** 2
            """,
            """
            assert Square(3).twice() == 18 and isinstance(Square(1), Shape)
            try:
                Shape()
                assert False
            except TypeError:
                pass
            """,
        ),
        "subclass in the tests": (
            """
            class Shape:
                count = 0
                def __init__(self, name='s'):
                    self.name = name
                    Shape.count += 1
                def area(self): raise NotImplementedError
                def told(self): return f'{self.name}: {self.area()}'
            """,
            """
            class Sq(Shape):
                def __init__(self, a):
                    super().__init__('square')
                    self.a = a
                def area(self):
                    return self.a ** 2
                def told(self):
                    return super().told() + '!'
                @property
                def side(self): return self.a
                @staticmethod
                def one(): return Sq(1)
            s = Sq(3)
            assert s.area() == 9
            assert s.told() == 'square: 9!'
            assert isinstance(s, Shape)
            assert isinstance(s, Sq)
            assert s.side == 3
            assert Sq.one().a == 1 and Shape.count == 2 and Shape('x').name == 'x'
            """,
        ),
        "abstract subclass in the tests": (
            """
            from abc import ABC, abstractmethod
            class Shape(ABC):
                @abstractmethod
                def area(self): ...
            def total(shapes): return sum(s.area() for s in shapes)
            """,
            """
            class Sq(Shape):
                def __init__(self, a): self.a = a
                def area(self): return self.a ** 2
            assert total([Sq(1), Sq(2)]) == 5
            class Bad(Shape): pass
            try:
                Bad()
                assert False
            except TypeError:
                pass
            """,
        ),
        "own errors": (
            ERRORS,
            """
            assert pay(1, 3) == 2
            for kind in (Poor, Base, ValueError, Exception):
                try:
                    pay(5, 3)
                except kind as error:
                    assert error.need == 5
                    assert str(error) == 'need 5, have 3'
                    assert isinstance(error, Poor)
                    assert type(error).__name__ == 'Poor'
                    assert error.args == ('need 5, have 3',)
                else:
                    assert False
            """,
        ),
        "built-in errors": (
            ERRORS,
            """
            for kind, args in ((ValueError, ('a', 1)), (KeyError, ('k',)), (OSError, (9999, 'no')), (IndexError, ()),
                               (TypeError, ('t',)),
                               (ZeroDivisionError, ('z',)), (StopAsyncIteration, ())):
                try:
                    fail(kind, *args)
                except (kind, RuntimeError) as error:
                    assert kind is StopAsyncIteration or error.args == args and type(error) is kind
                else:
                    assert False
            try:
                chained()
            except ValueError as error:
                assert error.__cause__.args == ('a',) and type(error.__cause__) is KeyError
            """,
        ),
        "library errors": (
            """
            import json
            f = lambda t: json.loads(t)
            """,
            """
            import json
            try:
                f('{')
                assert False
            except json.JSONDecodeError as error:
                assert error.pos == 1
            """,
        ),
        "group of errors": (
            "def f(): raise ExceptionGroup('g', [ValueError('a'), TypeError('b')])",
            """
            try:
                f()
            except ExceptionGroup as group:
                assert [type(e) for e in group.exceptions] == [ValueError, TypeError]
            else:
                assert False
            """,
        ),
        "generator": (
            """
            def count(n):
                for i in range(n):
                    yield i
            def echo():
                got = None
                while True:
                    got = yield got
            def fin():
                try:
                    yield 1
                except ValueError:
                    yield 'caught'
                return 7
            def forever():
                i = 0
                while True:
                    yield i
                    i += 1
            """,
            """
            assert list(count(4)) == [0, 1, 2, 3] and sum(count(5)) == 10
            g = echo()
            next(g)
            assert g.send(3) == 3
            g.close()
            try:
                next(g)
                assert False
            except StopIteration:
                pass
            f = fin()
            next(f)
            assert f.throw(ValueError('x')) == 'caught'
            try:
                next(f)
            except StopIteration as stop:
                assert stop.value == 7
            from itertools import islice
            assert list(islice(forever(), 4)) == [0, 1, 2, 3] and iter(g) is g
            assert [x for x, _ in zip(forever(), 'ab')] == [0, 1]
            """,
        ),
        "iterator class": (
            """
            class Down:
                def __init__(self, n): self.n = n
                def __iter__(self): return self
                def __next__(self):
                    if self.n == 0: raise StopIteration
                    self.n -= 1
                    return self.n
            """,
            """
            assert list(Down(3)) == [2, 1, 0]
            d = Down(1)
            assert next(d) == 0 and next(d, None) is None
            """,
        ),
        "context managers": (
            """
            import contextlib
            log = []
            class Timer:
                def __enter__(self):
                    log.append('in')
                    return self
                def __exit__(self, kind, error, trace):
                    log.append(kind.__name__ if kind else None)
                    return kind is KeyError
            @contextlib.contextmanager
            def tag(name):
                log.append(name)
                try:
                    yield name.upper()
                finally:
                    log.append('/' + name)
            """,
            """
            with Timer() as t:
                assert isinstance(t, Timer)
            with Timer():
                raise KeyError
            try:
                with Timer():
                    raise ValueError('v')
            except ValueError as e:
                assert e.args == ('v',)
            else:
                assert False
            assert log == ['in', None, 'in', 'KeyError', 'in', 'ValueError']
            with tag('b') as name:
                assert name == 'B'
            assert log[-2:] == ['b', '/b']
            try:
                with tag('c'):
                    raise IndexError(3)
            except IndexError as e:
                assert e.args == (3,)
            else:
                assert False
            assert log[-1] == '/c'
            """,
        ),
        "coroutines": (
            """
            import asyncio
            async def double(x):
                await asyncio.sleep(0)
                return 2 * x
            async def fail(): raise ValueError('v')
            async def count(n):
                for i in range(n):
                    yield i
            async def use(g): return await g(3)
            class Lock:
                async def __aenter__(self): return 'in'
                async def __aexit__(self, *a): return False
            """,
            """
            import asyncio, inspect
            assert asyncio.run(double(4)) == 8
            async def main():
                assert await double(1) == 2
                assert await asyncio.gather(double(1), double(2)) == [2, 4]
                assert [i async for i in count(3)] == [0, 1, 2]
                async with Lock() as lock:
                    assert lock == 'in'
                try:
                    await fail()
                except ValueError as e:
                    assert e.args == ('v',)
                else:
                    assert False
                async def plus(x): return x + 1
                assert await use(plus) == 4
            asyncio.run(main())
            assert inspect.iscoroutinefunction(double)
            assert asyncio.iscoroutinefunction(double)
            assert not inspect.iscoroutinefunction(max)
            """,
        ),
        "named tuple": (
            """
            from collections import namedtuple
            from typing import NamedTuple
            P = namedtuple('P', 'x y')
            class Q(NamedTuple):
                a: int
                b: str = 'b'
            def f(): return [P(1, 2), Q(3)]
            """,
            """
            p, q = f()
            assert p == (1, 2)
            assert p.x == 1
            assert p[1] == 2
            assert tuple(p) == (1, 2)
            assert isinstance(p, tuple)
            assert isinstance(p, P)
            assert q.b == 'b'
            assert q == Q(3)
            assert p._asdict() == {'x': 1, 'y': 2}
            assert p._replace(x=5) == (5, 2)
            assert repr(p) == 'P(x=1, y=2)'
            x, y = p
            assert (x, y) == (1, 2)
            assert sorted([P(2, 1), P(1, 9)]) == [(1, 9), (2, 1)]
            assert {p: 1}[(1, 2)] == 1
            assert P._fields == ('x', 'y')
            assert len(p) == 2
            """,
        ),
        "enum": (
            """
            from enum import Enum, IntEnum, auto
            class Color(Enum):
                RED = 1
                BLUE = 'b'
            class Level(IntEnum):
                LOW = 1
                HIGH = 2
            def f(): return Color.RED
            def g(): return Level.HIGH
            """,
            """
            assert f() is Color.RED
            assert f() == Color.RED
            assert f() != Color.BLUE
            assert f().value == 1
            assert f().name == 'RED'
            assert Color(1) is Color.RED
            assert Color['BLUE'].value == 'b'
            assert [c.name for c in Color] == ['RED', 'BLUE']
            assert len(Color) == 2
            assert Color.RED in Color
            assert g() == 2
            assert g() > Level.LOW
            assert isinstance(g(), int)
            assert g() + 1 == 3
            assert {Color.RED: 3}[f()] == 3
            assert str(f()) == 'Color.RED'
            try:
                Color(9)
                assert False
            except ValueError:
                pass
            """,
        ),
        "subclasses of built-in types": (
            """
            class Text(str):
                def loud(self): return self.upper()
            class Many(list):
                def first(self): return self[0]
            class Default(dict):
                def __missing__(self, key): return key * 2
            class Whole(int): pass
            def t(): return Text('ab')
            def m(): return Many([1, 2])
            def d(): return Default(a=1)
            def w(): return Whole(7)
            """,
            """
            assert t() == 'ab'
            assert t().loud() == 'AB'
            assert isinstance(t(), str)
            assert t() + 'c' == 'abc'
            assert t() in ('ab',)
            assert len(t()) == 2
            assert m() == [1, 2]
            assert m().first() == 1
            assert isinstance(m(), list)
            assert list(m()) == [1, 2]
            assert m()[1] == 2
            assert 2 in m()
            assert len(m()) == 2
            assert sorted(m()) == [1, 2]
            assert d() == {'a': 1}
            assert d()['a'] == 1
            assert isinstance(d(), dict)
            assert dict(d()) == {'a': 1}
            assert d()['b'] == 'bb'
            assert list(d()) == ['a']
            assert d().get('z') is None
            assert w() == 7 and w() + 1 == 8 and isinstance(w(), int) and m() != [1] and not m() == [2, 1]
            x = Many()
            x.append(4)
            assert x == [4] and len(x) == 1 and x.first() == 4
            """,
        ),
        "data class": (
            """
            from dataclasses import dataclass, field
            @dataclass
            class P:
                x: int
                y: list = field(default_factory=list)
            """,
            """
            p = P(1)
            p.y.append(3)
            assert p.x == 1 and repr(P(2, [1])) == 'P(x=2, y=[1])' and P(3).y == [] and p != None
            """,
        ),
    }
)


@pytest.mark.parametrize("name", HONEST)
def test_a_correct_program_passes(judged, name):
    assert judged(*HONEST[name]) == PASSED
