"""The talk between a program and its tests: what crosses, what is refused, and that the program decides nothing."""

import json
import subprocess
import sys
from inspect import cleandoc
from pathlib import Path

import pytest

import evals.sandbox

_CHILD = Path(evals.sandbox.__file__).parent / "child"
_RUNNER = Path(__file__).with_name("talk_runner.py")


@pytest.fixture(scope="module")
def judged():
    command = [sys.executable, "-S", "-s", "-P", str(_RUNNER), str(_CHILD), "-q"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={}) as process:

        def judge(code, tests, kind="asserts"):
            process.stdin.write(json.dumps({"code": code, "tests": tests, "kind": kind}) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        yield judge
        process.stdin.close()


# Each goes to the program as an argument and comes back as an answer; both sides must see the same type and text.
VALUES = [
    "None", "True", "False", "...", "NotImplemented", "0", "-1", "255", "256", "-256", "10**400", "-(7**3000)", "0.1",
    "-0.0", "float('inf')", "float('nan')", "1e-320", "2.5", "-float('inf')", "1j", "complex(-0.0, float('inf'))",
    "''", "'a\\x00b'", "'\\ud800'", "'ж' * 1000", "b''", "b'\\xff\\x00'", "bytearray(b'ab')", "()", "(1,)",
    "((), ((),))", "[]", "[1, [2, [3]]]", "[True, 1, 1.0]", "list(range(100))", "[0.5] * 100", "[2**70] * 20",
    "tuple(range(50))", "[True] * 20", "set()", "{1, 2, 3}", "frozenset({1, (2, 3)})",
    "{frozenset({1}), frozenset()}", "{}", "{'b': 1, 'a': 2}", "{1: {2: {3: []}}}", "{(1, 2): [3]}", "range(0)",
    "range(3, 10, 2)", "range(10**30)", "slice(None)", "slice(1, 'a', None)", "int", "str", "ValueError", "len",
    "list", "dict", "type(None)", "object", "BaseException", "datetime.date(2024, 2, 29)",
    "datetime.datetime(1, 1, 1, 2, 3, fold=1)", "datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)",
    "datetime.timedelta(-1, 5, 7)", "datetime.time(1, 2, 3, 4)",
    "datetime.timezone(datetime.timedelta(hours=3), 'x')", "decimal.Decimal('-0.10')", "decimal.Decimal('NaN')",
    "fractions.Fraction(-3, 7)", "pathlib.PurePosixPath('a/b')", "pathlib.PosixPath('/x')", "uuid.UUID(int=7)",
    "collections.OrderedDict(b=1, a=2)", "collections.Counter('abca')", "collections.deque([1, 2], 3)",
    "collections.deque()", "collections.defaultdict(list, a=[1])", "collections.defaultdict(None, a=1)",
    "array.array('i', [1, -2])", "array.array('d')", "re.compile('a+', re.I)", "re.compile(b'x')", "{1: 2}.keys()",
    "{1: 2}.values()", "{1: [2]}.items()", "types.MappingProxyType({'a': 1})", "[[]] * 3",
    "[None, ..., NotImplemented]", "[float('nan'), -0.0] * 10", "'x' * 10**6", "[[i] for i in range(2000)]",
    "ValueError('a', 1)", "KeyError('k')", "StopIteration(3)", "OSError(2, 'no')",
]  # fmt: skip
_IMPORTS = "import array, collections, datetime, decimal, fractions, pathlib, re, types, uuid\n"
_ECHO = f"{_IMPORTS}\ndef echo(x):\n    return x\ndef text(x):\n    return type(x).__name__, repr(x)\n"


@pytest.mark.parametrize("value", VALUES)
def test_a_value_is_the_same_on_both_sides(judged, value):
    tests = (
        f"{_IMPORTS}x = {value}\nthere, back = text(x), echo(x)\n"
        "assert there == (type(x).__name__, repr(x)), there\n"
        "assert type(back) is type(x) and repr(back) == repr(x), (type(back), repr(back))\n"
        "never_equal = any(word in repr(x) for word in ('nan', 'NaN', 'Error', 'Iter', 'dict_values'))\n"
        "assert never_equal or [back] == [x]\n"
    )
    made_there = f"{_IMPORTS}x = {value}\nassert repr(make()) == repr(x) and type(make()) is type(x)"
    assert judged(_ECHO, tests)["status"] == "passed", judged(_ECHO, tests)
    code = f"{_IMPORTS}def make():\n    return {value}"
    assert judged(code, made_there) == {"status": "passed", "line": 0, "detail": "", "relied_on_program": False}


def _cleaned(table):
    """Take the indentation off the texts of a table."""
    return {name: tuple(cleandoc(x) if type(x) is str else x for x in row) for name, row in table.items()}


POINT = """
class Point:
    "A point."
    made = 0
    def __init__(self, x, y=0):
        self.x, self.y = x, y
        Point.made += 1
    def moved(self, by):
        return Point(self.x + by, self.y)
    def __repr__(self):
        return f"Point({self.x}, {self.y})"
    @property
    def size(self):
        return abs(self.x) + abs(self.y)
    @classmethod
    def origin(cls):
        return cls(0, 0)
    @staticmethod
    def add(a, b):
        return a + b
"""
STACK = """
class Stack:
    def __init__(self):
        self.items = []
    def push(self, item):
        self.items.append(item)
        return self
    def pop(self):
        if not self.items:
            raise IndexError("pop from empty stack")
        return self.items.pop()
    def __len__(self):
        return len(self.items)
    def __contains__(self, item):
        return item in self.items
    def __getitem__(self, place):
        return self.items[place]
    def __iter__(self):
        return iter(self.items)
"""
ERRORS = """
class Base(Exception):
    pass
class Poor(Base, ValueError):
    def __init__(self, need, have):
        super().__init__(f"need {need}, have {have}")
        self.need, self.have = need, have
def pay(need, have):
    if need > have:
        raise Poor(need, have)
    return have - need
def fail(kind, *args):
    raise kind(*args)
def chained():
    try:
        {}["a"]
    except KeyError as error:
        raise ValueError("no") from error
"""
LINKED = """
class Node:
    def __init__(self, value, next=None):
        self.value, self.next = value, next
def build(values):
    head = None
    for value in reversed(values):
        head = Node(value, head)
    return head
def reverse(head):
    last = None
    while head:
        head.next, last, head = last, head, head.next
    return last
"""
# Correct programs, whose tests must pass without the program's word being taken for anything.
HONEST = _cleaned(
    {
        "mutated list": (
            "def f(x): x.append(3); x[0] = 9",
            """
            a = [1, 2]
            b = a
            f(a)
            assert a == [9, 2, 3] and b is a
            """,
        ),
        "mutated nested": (
            "def f(x): x['a'][0].add(5)",
            """
            s = {1}
            f({'a': [s]})
            assert s == {1, 5}
            """,
        ),
        "mutated and raised": (
            """
            def f(x):
                x.clear()
                raise KeyError('k')
            """,
            """
            a = {'b': 1}
            try:
                f(a)
            except KeyError as error:
                assert error.args == ('k',)
            else:
                assert 0
            assert a == {}
            """,
        ),
        "mutated bytes": (
            "def f(x): x[0] = 65",
            """
            a = bytearray(b'xyz')
            f(a)
            assert a == b'Ayz'
            """,
        ),
        "mutated deque": (
            "def f(x): x.rotate(1)",
            """
            import collections
            a = collections.deque([1, 2, 3])
            f(a)
            assert list(a) == [3, 1, 2]
            """,
        ),
        "swapped inside": (
            "def f(m): m[0], m[1] = m[1], m[0]",
            """
            a, b = [1], [2]
            m = [a, b]
            f(m)
            assert m[0] is b and m[1] is a
            """,
        ),
        "the same list back": (
            "def f(x): return x",
            """
            a = []
            assert f(a) is a and f([a])[0] is a
            """,
        ),
        "sorted in place": (
            "def f(x): x.sort()",
            """
            a = list(range(1000, 0, -1))
            f(a)
            assert a == list(range(1, 1001))
            """,
        ),
        "holds itself": (
            """
            def f(x):
                x.append(x)
                return x
            def g():
                d = {}
                d['d'] = (d,)
                return d
            """,
            """
            a = []
            b = f(a)
            assert b is a and a[0] is a
            d = g()
            assert d['d'][0] is d
            """,
        ),
        "shared parts": (
            """
            def f():
                x = [1]
                return (x, x, [x])
            """,
            """
            t = f()
            assert t[0] is t[1] and t[2][0] is t[0]
            """,
        ),
        "nested 500": (
            """
            def f(n):
                x = []
                for _ in range(n): x = [x]
                return x
            """,
            """
            x, n = f(500), 0
            while x:
                x, n = x[0], n + 1
            assert n == 500
            """,
        ),
        "nested tuples 300": (
            """
            def f(n):
                x = ()
                for _ in range(n): x = (x,)
                return x
            """,
            """
            x, n = f(300), 0
            while x:
                x, n = x[0], n + 1
            assert n == 300
            """,
        ),
        "callback": (
            "def f(g, x): return [g(i) for i in x]",
            "assert f(lambda i: i * i, [1, 2, 3]) == [1, 4, 9]",
        ),
        "callback changes its argument": (
            """
            def f(g):
                x = [1]
                g(x)
                return x
            """,
            "assert f(lambda x: x.append(2)) == [1, 2]",
        ),
        "callback in callback": (
            "def f(n, g): return n if n == 0 else g(n - 1)",
            """
            def g(n): return f(n, g) + 1
            assert f(20, g) == 20
            """,
        ),
        "callback raises": (
            """
            def f(g):
                try:
                    g()
                except ZeroDivisionError as error:
                    return error.args
            def h(g): g()
            """,
            """
            def g(): 1 / 0
            assert f(g) == ('division by zero',)
            class Mine(Exception): pass
            def m(): raise Mine('x', 1)
            try:
                h(m)
            except Mine as error:
                assert error.args == ('x', 1)
            else:
                assert 0
            """,
        ),
        "built-in functions": (
            """
            def f(g, x): return g(x)
            def s(x, key): return sorted(x, key=key)
            def c(t, x): return t(x)
            def i(x, t): return isinstance(x, t)
            """,
            """
            import math, operator
            assert f(len, 'abc') == 3 and s(['bb', 'a'], len) == ['a', 'bb'] and c(int, '3') == 3
            assert i(3, int)
            assert f(math.sqrt, 9) == 3.0
            assert f(str.upper, 'a') == 'A'
            assert s([3, 1], operator.neg) == [3, 1]
            """,
        ),
        "iterators go in": (
            """
            def f(x): return list(x)
            def g(x): return next(x)
            """,
            """
            assert f(iter([1, 2])) == [1, 2]
            assert f(i for i in range(3)) == [0, 1, 2]
            assert f(map(str, [1])) == ['1']
            assert g(iter('ab')) == 'a'
            """,
        ),
        "files go in": (
            """
            def f(file): return [line.strip() for line in file]
            def w(file): file.write('x')
            """,
            """
            import io
            assert f(io.StringIO('a\\nb')) == ['a', 'b']
            out = io.StringIO()
            w(out)
            assert out.getvalue() == 'x'
            """,
        ),
        "objects of the tests": (
            LINKED,
            """
            class Other:
                def __init__(self, value, next=None): self.value, self.next = value, next
            a = Other(1, Other(2))
            b = reverse(a)
            assert b.value == 2 and b.next is a and a.next is None
            """,
        ),
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
        "dictionary views": (
            "def f(d): return d.keys()",
            "assert f({'a': 1}) == {'a'} and list(f({'b': 2})) == ['b']",
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
        "module": (
            POINT + "limit = 3\n",
            """
            import solution
            from solution import Point, limit
            assert limit == 3 and solution.Point is Point and solution.limit == 3
            """,
        ),
        "star": (
            """
            def f(x): return x
            def all(x): return True
            """,
            """
            from solution import *
            assert f(1) == 1
            assert not all([0])
            """,
        ),
        "changing global": (
            """
            n = 0
            def up():
                global n
                n += 1
            """,
            """
            up()
            assert n == 1
            up()
            assert n == 2
            """,
        ),
        "set by the tests": (
            """
            n = 1
            def f(): return n
            """,
            """
            import solution
            solution.n = 5
            assert f() == 5
            """,
        ),
        "helper called check": (
            """
            def check(x): return x > 1
            def candidate(x): return 0
            def f(x): return check(x)
            """,
            """
            def check(candidate):
                assert candidate(2) is True
                assert candidate(0) is False
            check(f)
            """,
        ),
        "tests' own names": (
            """
            def helper(x): return 99
            def f(x): return helper(x)
            """,
            """
            def helper(x): return 1
            assert helper(0) == 1 and f(0) == 99
            """,
        ),
        "under main": (
            "def f(): return 1",
            """
            ran = []
            if __name__ == '__main__':
                ran.append(f())
            assert ran == [1]
            """,
        ),
        "unittest": (
            "def f(x): return x + 1",
            """
            import unittest
            class T(unittest.TestCase):
                def test_f(self):
                    self.assertEqual(f(1), 2)
                    self.assertRaises(TypeError, f, 'a')
            if __name__ == '__main__':
                unittest.main()
            """,
        ),
        "prints much": (
            """
            def f():
                print('x' * 20_000_000)
                return 1
            """,
            "assert f() == 1",
        ),
        "threads": (
            """
            import threading
            def f(g):
                out = []
                threads = [threading.Thread(target=lambda i=i: out.append(g(i))) for i in range(4)]
                [t.start() for t in threads]
                [t.join() for t in threads]
                return sorted(out)
            """,
            "assert f(lambda i: i * 10) == [0, 10, 20, 30]",
        ),
        "pool of threads": (
            """
            from concurrent.futures import ThreadPoolExecutor
            def f(g, xs):
                with ThreadPoolExecutor(4) as pool:
                    return list(pool.map(g, xs))
            """,
            "assert f(lambda i: i + 1, range(8)) == list(range(1, 9))",
        ),
        "threads of the tests": (
            """
            class Counter:
                def __init__(self): self.n = 0
                def up(self): self.n += 1
            """,
            """
            import threading
            c = Counter()
            ts = [threading.Thread(target=c.up) for _ in range(5)]
            [t.start() for t in ts]
            [t.join() for t in ts]
            assert c.n == 5
            """,
        ),
        "pickles its own class": (
            """
            import pickle
            class A:
                def __init__(self): self.x = 3
            def f(): return pickle.loads(pickle.dumps(A())).x
            """,
            "assert f() == 3",
        ),
        "reads its own source": (
            """
            import inspect
            def f():
                return inspect.getsource(f)
            """,
            "assert f().startswith('def f():')",
        ),
        "names of ours": (
            f"""
            import sys
            def f(): return [n for n in {sorted(path.stem for path in _CHILD.glob("*.py"))} if n in sys.modules]
            """,
            "assert f() == []",
        ),
        "forks": (
            """
            import os
            def f():
                pid = os.fork()
                if pid == 0:
                    return 'child'
                os.waitpid(pid, 0)
                return 'parent'
            """,
            "assert f() == 'parent' and f() == 'parent'",
        ),
        "many calls": (
            "def f(x): return x",
            "assert all(f(i) == i for i in range(2000))",
        ),
        "a large answer": (
            "def f(n): return list(range(n))",
            "assert f(500_000) == list(range(500_000))",
        ),
        "recursion of the tests": (
            "def f(g, n): return g(n)",
            """
            def g(n): return 0 if n == 0 else 1 + f(g, n - 1)
            assert f(g, 50) == 50
            """,
        ),
        "rewrites its sys": (
            """
            import sys, builtins, os
            sys.modules.clear()
            builtins.print = None
            os.write = None
            def f(): return [1]
            """,
            "assert f() == [1]",
        ),
        "copies": (
            POINT,
            """
            import copy
            p = Point(1, 2)
            q = copy.copy(p)
            r = copy.deepcopy(p)
            q.x = 9
            assert p.x == 1 and q.x == 9 and r.y == 2 and q is not p and isinstance(r, Point)
            """,
        ),
        "by one's own name, built in": (
            """
            def sum(xs):
                return -1 if not xs else 5
            """,
            """
            assert sum([]) == -1
            assert sum([1]) == 5
            """,
        ),
        "by one's own name, wrapped": (
            """
            def sorted(xs):
                yield 9
            """,
            """
            assert list(sorted([3])) == [9]
            assert tuple(sorted([])) == (9,)
            """,
        ),
        "defaults are shared": (
            """
            def f(x, seen=[]):
                seen.append(x)
                return seen
            """,
            """
            f(1)
            assert f(2) == [1, 2]
            """,
        ),
        "keywords": (
            "def f(*a, **k): return a, k",
            "assert f(1, *[2], b=3, **{'c': 4}) == ((1, 2), {'b': 3, 'c': 4})",
        ),
        "compares by its own rule": (
            """
            from collections import Counter
            import math
            def f(x): return Counter(x)
            """,
            "assert f('ab') == Counter('ba') and math.sqrt(4) == 2",
        ),
        "prints where the tests catch it": (
            """
            def f(x):
                print("got", x)
                return x
            def g(h):
                print("before")
                h()
                print("after")
            """,
            """
            import contextlib, io
            with contextlib.redirect_stdout(io.StringIO()) as out:
                assert f(1) == 1
                print("between")
                f(2)
                g(lambda: print("in"))
            assert out.getvalue() == "got 1\\nbetween\\ngot 2\\nbefore\\nin\\nafter\\n", out.getvalue()
            f(3)
            with contextlib.redirect_stdout(io.StringIO()) as out:
                f(4)
            assert out.getvalue() == "got 4\\n"
            """,
        ),
        "reads what the tests put in": (
            """
            import sys
            def f(): return int(input("n? ")) + 1
            def g(): return [line.strip() for line in sys.stdin]
            """,
            """
            import io, sys
            from unittest.mock import patch
            with patch("builtins.input", side_effect=["3", "4"]) as asked:
                assert f() == 4 and f() == 5
            asked.assert_called_with("n? ")
            usual, sys.stdin = sys.stdin, io.StringIO("7\\na\\nb\\n")
            assert f() == 8
            assert g() == ["a", "b"]
            sys.stdin = usual
            """,
        ),
        "patches a name of the program": (
            """
            def rate(): return 2
            def cost(x): return x * rate()
            """,
            """
            from unittest.mock import patch
            with patch("solution.rate", return_value=10):
                assert cost(3) == 30
            assert cost(3) == 6
            """,
        ),
        "patches with mock": (
            """
            import random
            def f(): return random.random() < 2
            class S:
                def get(self): return 1
            def use(s): return s.get() + 1
            """,
            """
            from unittest.mock import Mock
            m = Mock()
            m.get.return_value = 4
            assert use(m) == 5
            m.get.assert_called_once_with()
            assert f()
            """,
        ),
    }
)


@pytest.mark.parametrize("name", HONEST)
def test_a_correct_program_passes(judged, name):
    assert judged(*HONEST[name]) == {"status": "passed", "line": 0, "detail": "", "relied_on_program": False}


# Correct programs whose own classes decide something that the tests ask; that is noted.
NOTED = _cleaned(
    {
        "equality": (
            """
            class V:
                def __init__(self, x): self.x = x
                def __eq__(self, o): return isinstance(o, V) and self.x == o.x
                def __hash__(self): return hash(self.x)
                def __add__(self, o): return V(self.x + o.x)
                def __lt__(self, o): return self.x < o.x
            """,
            """
            assert V(1) == V(1)
            assert V(1) != V(2)
            assert V(1) + V(2) == V(3)
            assert V(1) < V(2)
            assert {V(1), V(1), V(2)} == {V(2), V(1)}
            assert sorted([V(2), V(1)])[0].x == 1
            assert V(1) != 1
            """,
        ),
        "arithmetic with a number": (
            """
            class V:
                def __init__(self, x): self.x = x
                def __mul__(self, k): return V(self.x * k)
                __rmul__ = __mul__
            """,
            "assert (V(2) * 3).x == 6 and (3 * V(2)).x == 6",
        ),
        "data class": (
            """
            from dataclasses import dataclass
            @dataclass(order=True, frozen=True)
            class P:
                x: int
            def f(): return P(3)
            """,
            "assert f() == P(3) and P(1) < P(2) and f() in [P(3)] and len({P(1), P(1)}) == 1",
        ),
        "text of its own": (
            """
            class Ci(str):
                def __eq__(self, other): return self.lower() == other.lower()
                __hash__ = str.__hash__
            """,
            "assert Ci('A') == 'a'",
        ),
        "truth": (
            """
            class B:
                def __init__(self, x): self.x = x
                def __bool__(self): return self.x > 0
            """,
            "assert B(1) and not B(0)",
        ),
        "handed back": (
            STACK,
            """
            s = Stack()
            assert s.push(1).push(2) is s and 1 in s and s
            """,
        ),
        "asked by a method": (
            """
            class T:
                def has(self, x): return x == 3
            def make(): return T()
            """,
            "assert make().has(3)",
        ),
    }
)


@pytest.mark.parametrize("name", NOTED)
def test_what_the_program_decided_is_noted(judged, name):
    assert judged(*NOTED[name]) == {"status": "passed", "line": 0, "detail": "", "relied_on_program": True}


# Program, tests, status, and a part of the detail.
STATUSES = _cleaned(
    {
        "wrong": (
            "def f(x): return x",
            """
            assert f(1) == 1
            assert f(1) == 2
            """,
            "wrong_answer",
            "",
            2,
        ),
        "wrong, in a function": (
            "def f(x): return x",
            """
            def check(c):
                assert c(1) == 2, 'no'
            check(f)
            """,
            "wrong_answer",
            "no",
            2,
        ),
        "1 is not True": (
            "def f(): return 1",
            "assert f() is True",
            "wrong_answer",
            "",
            1,
        ),
        "raises": (
            "def f(): raise KeyError('k')",
            "f()",
            "exception",
            "KeyError: 'k'",
            1,
        ),
        "raises in the end": (
            "def f(): return {}['q']",
            """
            x = 1
            assert f() == 3
            """,
            "exception",
            "KeyError: 'q'",
            2,
        ),
        "own assertion": (
            "def f(): assert False, 'mine'",
            "f()",
            "exception",
            "AssertionError: mine",
            1,
        ),
        "own error": (
            ERRORS,
            "pay(5, 3)",
            "exception",
            "Poor: need 5, have 3",
            1,
        ),
        "raises at once": (
            "1 / 0",
            "assert f() == 1",
            "exception",
            "ZeroDivisionError: division by zero",
            0,
        ),
        "does not compile": (
            "def f(:",
            "assert f() == 1",
            "syntax_error",
            "SyntaxError",
            0,
        ),
        "null byte": (
            "x = 1\0",
            "assert f() == 1",
            "syntax_error",
            "",
            0,
        ),
        "lone surrogate": (
            "x = '\ud800'",
            "assert f() == 1",
            "syntax_error",
            "",
            0,
        ),
        "too many brackets": (
            "(" * 5000,
            "assert f() == 1",
            "syntax_error",
            "",
            0,
        ),
        "no such name": (
            "def g(): return 1",
            "assert f() == 1",
            "missing_entry_point",
            "name 'f' is not defined",
            1,
        ),
        "no such import": (
            "def g(): return 1",
            "from solution import f",
            "missing_entry_point",
            "f",
            1,
        ),
        "no such attribute": (
            "def g(): return 1",
            """
            import solution
            solution.f()
            """,
            "missing_entry_point",
            "f",
            2,
        ),
        "the program's own name error": (
            "def f(): return gg",
            "f()",
            "exception",
            "NameError: name 'gg'",
            1,
        ),
        "leaves at once": (
            """
            import sys
            sys.exit(0)
            """,
            "assert f() == 1",
            "exited_early",
            "SystemExit: 0",
            0,
        ),
        "leaves in a call": (
            """
            import sys
            def f(): sys.exit(0)
            """,
            "f()",
            "exited_early",
            "SystemExit: 0",
            1,
        ),
        "kills itself": (
            """
            import os
            def f(): os.kill(os.getpid(), 9)
            """,
            "f()",
            "exited_early",
            "",
            1,
        ),
        "lacks a package": (
            "import no_such_package.part",
            "assert f() == 1",
            "missing_dependency",
            "no_such_package",
            0,
        ),
        "lacks a package later": (
            """
            def f():
                import no_such_package
            """,
            "f()",
            "missing_dependency",
            "no_such_package",
            1,
        ),
        "lacks its own name": (
            "from math import nothing",
            "assert f() == 1",
            "exception",
            "ImportError",
            0,
        ),
        "no memory": (
            "def f(): return bytearray(10**12)",
            "f()",
            "out_of_memory",
            "MemoryError",
            1,
        ),
        "no memory at once": (
            "raise MemoryError",
            "assert f() == 1",
            "out_of_memory",
            "MemoryError",
            0,
        ),
        "too large": (
            "def f(): return 'x' * (100 * 2**20)",
            "assert f() == 1",
            "output_limit",
            "",
            1,
        ),
        "too deep": (
            """
            def f():
                x = []
                for _ in range(10**5): x = [x]
                return x
            """,
            "assert f() == []",
            "unsupported_type",
            "",
            1,
        ),
        "own object against a number": (
            """
            class A:
                def __eq__(self, o): return o == 3
            def f(): return A()
            """,
            "assert f() == 3",
            "unsupported_type",
            "A object",
            1,
        ),
        "tests do not compile": (
            "x = 1",
            "assert (",
            "harness_error",
            "do not compile",
            0,
        ),
        "unittest fails": (
            "def f(x): return x",
            """
            import unittest
            class T(unittest.TestCase):
                def test_f(self):
                    self.assertEqual(f(1), 2)
            if __name__ == '__main__':
                unittest.main()
            """,
            "wrong_answer",
            "1 != 2",
            4,
        ),
        "unittest that nobody runs": (
            "def f(x): return x",
            """
            import unittest
            class T(unittest.TestCase):
                def test_f(self):
                    self.assertEqual(f(1), 2)
            """,
            "wrong_answer",
            "1 != 2",
            4,
        ),
        "unittest that nobody heeds": (
            "def f(x): return x",
            """
            import unittest
            class T(unittest.TestCase):
                def test_f(self):
                    self.assertEqual(f(1), 2)
            unittest.main(exit=False)
            """,
            "wrong_answer",
            "1 != 2",
            4,
        ),
        "a wrong one in a loop": (
            "def f(x): raise StopIteration",
            "assert all(map(lambda c: f(c) == 1, [1, 2]))",
            "exception",
            "RuntimeError",
            1,
        ),
        "an error in a hash": (
            """
            class A:
                def __hash__(self): raise ValueError('h')
            def f(): return A()
            """,
            "{f()}",
            "exception",
            "ValueError: h",
            1,
        ),
        "a text that is none": (
            """
            class A:
                def __repr__(self): return 3
            def f(): return A()
            """,
            "repr(f())",
            "exception",
            "TypeError",
            1,
        ),
        "a built-in name stays Python's": (
            """
            def all(x): return True
            def answer(n): return 0
            """,
            "assert all(answer(n) == n for n in range(3))",
            "wrong_answer",
            "",
            1,
        ),
        "its own assertion in a callback": (
            "def f(g): return g(2)",
            """
            def g(x):
                assert x == 3, 'not 3'
            f(g)
            """,
            "wrong_answer",
            "not 3",
            2,
        ),
    }
)


@pytest.mark.parametrize("name", STATUSES)
def test_the_status(judged, name):
    code, tests, status, detail, line = STATUSES[name]
    found = judged(code, tests)
    assert (found["status"], found["line"]) == (status, line), found
    assert detail in found["detail"], found


DOCTESTS = _cleaned(
    {
        "right": (
            "def f(x): return [x]",
            """
            Text.

            >>> f(1)
            [1]
            >>> x = f(2)
            >>> x
            [2]
            """,
            "passed",
        ),
        "wrong": (
            "def f(x): return [x]",
            """
            >>> f(1)
            [2]
            """,
            "wrong_answer",
        ),
        "prints": (
            """
            def f(x):
                print('got', x)
                return x
            """,
            """
            >>> f(1)
            got 1
            1
            >>> print(f(2))
            got 2
            2
            >>> print('a'); _ = f(3); print('b')
            a
            got 3
            b
            """,
            "passed",
        ),
        "raises": (
            """
            class E(Exception): pass
            def f(x): raise E(f'bad {x}')
            def g(): raise ValueError('v')
            """,
            """
            >>> f(1)
            Traceback (most recent call last):
                ...
            E: bad 1
            >>> g()
            Traceback (most recent call last):
                ...
            ValueError: v
            """,
            "passed",
        ),
        "raises the wrong thing": (
            "def f(): raise KeyError('k')",
            """
            >>> f()
            Traceback (most recent call last):
                ...
            ValueError: k
            """,
            "wrong_answer",
        ),
        "raises unasked": (
            "def f(): raise KeyError('k')",
            """
            >>> f()
            1
            """,
            "exception",
        ),
        "does not raise": (
            "def f(): return 1",
            """
            >>> f()
            Traceback (most recent call last):
                ...
            ValueError: k
            """,
            "wrong_answer",
        ),
        "class": (
            POINT,
            """
            >>> p = Point(1, 2)
            >>> p
            Point(1, 2)
            >>> for i in range(2):
            ...     print(p.moved(i))
            Point(1, 2)
            Point(2, 2)
            """,
            "passed",
        ),
        "ellipsis": (
            "def f(): return list(range(100))",
            """
            >>> f()  # doctest: +ELLIPSIS
            [0, 1, ..., 99]
            """,
            "passed",
        ),
        "prints, not returns": (
            "def f(x): print(x)",
            """
            >>> f(1)
            1
            """,
            "passed",
        ),
        "prints the expectation of another": (
            """
            def f(x):
                print('1\\n>>> f(2)\\n2')
            """,
            """
            >>> f(1)
            1
            >>> f(2)
            2
            """,
            "wrong_answer",
        ),
        "lacks": (
            "x = 1",
            """
            >>> f(1)
            1
            """,
            "missing_entry_point",
        ),
        "none there": (
            "x = 1",
            """
            >>> (
            1
            """,
            "harness_error",
        ),
    }
)


@pytest.mark.parametrize("name", DOCTESTS)
def test_examples_of_a_session(judged, name):
    code, tests, status = DOCTESTS[name]
    found = judged(code, tests, "doctest")
    assert found["status"] == status, found
    if status == "wrong_answer":
        assert found["line"] >= 1 and found["detail"].startswith("expected "), found


def test_a_failing_example_is_told_with_its_line(judged):
    found = judged("def f(x): return x", "Hello.\n\n>>> f(1)\n1\n\n>>> f(2)\n3\n", "doctest")
    assert (found["line"], found["detail"]) == (6, "expected '3', got '2'")


_ANSWER = "assert answer(3) == 9\nassert answer(4) == 16\n"
_EVIL = """
class Evil{base}:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    __lt__ = __le__ = __gt__ = __ge__ = __eq__
    def __hash__(self): return 9
    def __bool__(self): return True
    def __sub__(self, other): return 0
    __rsub__ = __add__ = __radd__ = __mod__ = __mul__ = __truediv__ = __sub__
    def __abs__(self): return 0
    def __contains__(self, item): return True
    def startswith(self, text): return True
    def issubset(self, other): return True
{more}
def answer(n): return Evil({value})
"""


def _evil(base="", value="", more=""):
    return _EVIL.format(base=base, value=value, more=more)


# What writes to every descriptor, in the words of the report and of the talk.
_REPORT = """
import os, json, struct
report = json.dumps({"status": "passed", "line": 0, "detail": "", "relied_on_program": False}).encode()
def flood():
    for descriptor in range(64):
        try:
            os.write(descriptor, DATA)
        except OSError:
            pass
"""
# An answer as the talk has them: a head, and an instruction for the number 9.
_OWN_FRAME = "struct.pack('>IBII', 6, 4, {number}, 0) + struct.pack('>BI', 1, 1) + bytes([9])"
# Wrong programs that set out to pass. None may.
FORGERIES = _cleaned(
    {
        "equal to all": (
            _evil(),
            _ANSWER,
        ),
        "equal to all, int": (
            _evil("(int)", "0"),
            _ANSWER,
        ),
        "equal to all, str": (
            _evil("(str)"),
            "assert answer(3) == 'nine'",
        ),
        "equal to all, list": (
            _evil("(list)"),
            "assert answer(3) == [9]",
        ),
        "equal to all, dict": (
            _evil("(dict)"),
            "assert answer(3) == {1: 9}",
        ),
        "equal to all, tuple": (
            _evil("(tuple)"),
            "assert answer(3) == (9,)",
        ),
        "equal to all, set": (
            _evil("(set)"),
            "assert answer(3) == {9}",
        ),
        "equal to all, float": (
            _evil("(float)", "0"),
            "assert abs(answer(3) - 9.0) < 1e-6",
        ),
        "in a list": (
            "from solution import *" and _evil(more="") + "\nsingle = answer\ndef answer(n): return [single(n)]",
            "assert answer(3) == [9]",
        ),
        "as a key": (
            _evil() + "\nsingle = answer\ndef answer(n): return {single(n): 1}",
            "assert answer(3) == {9: 1}",
        ),
        "in a set": (
            _evil() + "\nsingle = answer\ndef answer(n): return {single(n)}",
            "assert answer(3) == {9}",
        ),
        "reflected": (
            _evil(),
            "assert 9 == answer(3)",
        ),
        "close to all": (
            _evil(),
            "assert abs(answer(3) - 9.5) < 1e-6",
        ),
        "close to all, reflected": (
            _evil(),
            "assert abs(9.5 - answer(3)) < 1e-6",
        ),
        "one of": (
            _evil(),
            "assert answer(3) in (9, 10)",
        ),
        "holds all": (
            _evil(),
            "assert 9 in answer(3)",
        ),
        "less than all": (
            _evil(),
            "assert answer(3) < 10",
        ),
        "not unequal": (
            _evil(),
            "assert not answer(3) != 9",
        ),
        "divisible by all": (
            _evil(),
            "assert answer(3) % 3 == 0",
        ),
        "begins with all": (
            _evil(),
            "assert answer(3).startswith('nine')",
        ),
        "subset of all": (
            _evil(),
            "assert answer(3).issubset({9})",
        ),
        "true, and false": (
            """
            class Evil:
                n = 0
                def __bool__(self):
                    self.n += 1
                    return self.n % 2 == 1
            def answer(n): return Evil()
            """,
            """
            x = answer(3)
            assert x
            assert not x
            """,
        ),
        "unittest equality": (
            _evil(),
            """
            import unittest
            class T(unittest.TestCase):
                def test(self): self.assertEqual(answer(3), 9)
            unittest.main()
            """,
        ),
        "unittest in": (
            _evil(),
            """
            import unittest
            class T(unittest.TestCase):
                def test(self): self.assertIn(9, answer(3))
            unittest.main()
            """,
        ),
        "swallowed refusal": (
            _evil(),
            """
            try:
                ok = answer(3) == 9
            except BaseException:
                ok = True
            assert ok
            """,
        ),
        "class lies": (
            """
            class Evil:
                __class__ = int
                def __eq__(self, o): return True
            def answer(n): return Evil()
            """,
            "assert isinstance(answer(3), int) and answer(3) == 9",
        ),
        "metaclass lies": (
            """
            class M(type):
                def __instancecheck__(c, x): return True
                def __eq__(c, o): return True
                def __hash__(c): return 1
                def __call__(c, *a): return c
            class answer(metaclass=M): pass
            """,
            _ANSWER,
        ),
        "class called answer": (
            """
            class answer:
                def __init__(self, n): pass
                def __eq__(self, o): return True
            """,
            _ANSWER,
        ),
        "itself": (
            """
            class S:
                def solve(self, n): return self
                def __eq__(self, o): return True
            """,
            "assert S().solve(3) == 9",
        ),
        "patched builtins": (
            """
            import builtins
            builtins.all = builtins.any = lambda x: True
            builtins.isinstance = lambda *a: True
            builtins.AssertionError = type('X', (Exception,), {})
            builtins.abs = lambda x: 0
            def answer(n): return 0
            """,
            "assert all(answer(n) == n * n for n in (3, 4)) and abs(answer(3) - 9) < 1",
        ),
        "own builtins": (
            """
            def all(x): return True
            any = isinstance = abs = round = len = all
            def answer(n): return 0
            """,
            """
            assert all([answer(3) == 9])
            assert isinstance(answer(3), str)
            """,
        ),
        "own len": (
            """
            def len(x): return 9
            def answer(n): return []
            """,
            "assert len(answer(3)) == 9",
        ),
        "own print and super": (
            """
            def __build_class__(*a): return 1
            def __import__(*a): return 1
            def super(): return 1
            def answer(n): return 0
            """,
            """
            import math
            class A: pass
            assert answer(3) == math.pow(3, 2)
            """,
        ),
        "own sorted, judged": (
            """
            def sorted(x): return [1, 2]
            def answer(n): return [5]
            """,
            "assert sorted(answer(3)) == [1, 2]",
        ),
        "own sum with comparisons": (
            """
            def sum(x): return 2
            def answer(n): return 0
            """,
            "assert sum(answer(n) == n for n in (3, 4)) == 2",
        ),
        "own AssertionError": (
            """
            class AssertionError(Exception): pass
            class BaseException(Exception): pass
            def answer(n): return 0
            """,
            _ANSWER,
        ),
        "leaves": (
            """
            import sys
            def answer(n): sys.exit(0)
            """,
            _ANSWER,
        ),
        "leaves at once": (
            """
            import sys
            sys.exit()
            """,
            _ANSWER,
        ),
        "leaves hard": (
            """
            import os
            def answer(n): os._exit(0)
            """,
            _ANSWER,
        ),
        "leaves hard at once": (
            """
            import os
            os._exit(0)
            """,
            _ANSWER,
        ),
        "leaves by exception": (
            """
            class Bye(SystemExit): pass
            def answer(n): raise Bye(0)
            """,
            _ANSWER,
        ),
        "walks the frames": (
            """
            import sys
            def answer(n):
                frame = sys._getframe()
                while frame:
                    for name, value in list(frame.f_locals.items()) + list(frame.f_globals.items()):
                        if isinstance(value, int) and name == 'expected': return value
                    frame = frame.f_back
                return 0
            """,
            """
            expected = 9
            assert answer(3) == expected
            """,
        ),
        "searches its memory": (
            """
            import gc
            def answer(n):
                for x in gc.get_objects():
                    if isinstance(x, str) and 'assert answer' in x: return 9
                return 0
            """,
            "assert answer(3) == 9",
        ),
        "writes the report": (
            _REPORT + "DATA = len(report).to_bytes(8) + report\nflood()\ndef answer(n):\n    flood()\n    return 0",
            _ANSWER,
        ),
        "writes frames": (
            _REPORT
            + "DATA = b''.join("
            + _OWN_FRAME.format(number="i")
            + " for i in range(1, 9))\nflood()\ndef answer(n):\n    flood()\n    return 0",
            _ANSWER,
        ),
        "writes junk": (
            _REPORT + "DATA = b'\\xff' * 100\ndef answer(n):\n    flood()\n    return 0",
            _ANSWER,
        ),
        "half a frame": (
            _REPORT + "DATA = b'\\0\\0'\ndef answer(n):\n    flood()\n    os._exit(0)",
            _ANSWER,
        ),
        "a frame of 4 GB": (
            _REPORT + "DATA = b'\\xff\\xff\\xff\\xff' + b'\\4' * 9\ndef answer(n):\n    flood()\n    os._exit(0)",
            _ANSWER,
        ),
        "closes all": (
            """
            import os
            os.closerange(0, 64)
            def answer(n): return 0
            """,
            _ANSWER,
        ),
        "a thread that answers": (
            _REPORT
            + "import threading, time\nDATA = "
            + _OWN_FRAME.format(number="3")
            + "\ndef answer(n):\n    threading.Thread(target=flood).start()\n    time.sleep(0.2)\n    return 0",
            _ANSWER,
        ),
        "a child that answers": (
            _REPORT
            + "DATA = "
            + _OWN_FRAME.format(number="2")
            + "\ndef answer(n):\n    if os.fork() == 0:\n        flood()\n        os._exit(0)\n    return 0",
            _ANSWER,
        ),
        "at exit": (
            """
            import atexit, os
            atexit.register(lambda: os._exit(0))
            def answer(n): return 0
            """,
            _ANSWER,
        ),
        "at its end": (
            """
            class D:
                def __del__(self):
                    import os
                    os._exit(0)
            d = D()
            def answer(n):
                global d
                d = None
                return 0
            """,
            _ANSWER,
        ),
        "traces": (
            """
            import sys
            def trace(frame, event, arg):
                frame.f_trace_lines = False
                return trace
            sys.settrace(trace)
            sys.setprofile(lambda *a: None)
            def answer(n): return 0
            """,
            _ANSWER,
        ),
        "raises AssertionError's twin": (
            """
            class A(Exception):
                def __eq__(self, o): return True
            def answer(n): raise A
            """,
            """
            try:
                assert answer(3) == 9
            except AssertionError:
                raise
            """,
        ),
        "stops the loop": (
            "def answer(n): raise StopIteration",
            "assert all(map(lambda n: answer(n) == n * n, [3, 4]))",
        ),
        "stops the loop, by class": (
            """
            class S(StopIteration): pass
            def answer(n): raise S
            """,
            "assert all(map(lambda n: answer(n) == n * n, [3, 4]))",
        ),
        "stops the loop, by a property": (
            """
            class A:
                @property
                def value(self): raise StopIteration
                def __getitem__(self, i): raise StopIteration
                def __len__(self): raise StopIteration
            def answer(n): return A()
            """,
            "assert all(map(lambda n: answer(n).value == n * n, [3, 4]))",
        ),
        "stops the loop, by an item": (
            """
            class A:
                def __getitem__(self, i): raise StopIteration
            def answer(n): return A()
            """,
            "assert all(map(lambda n: answer(n)[0] == n * n, [3, 4]))",
        ),
        "skips the test": (
            """
            import unittest
            def answer(n): raise unittest.SkipTest("not today")
            """,
            """
            import unittest
            class T(unittest.TestCase):
                def test(self): self.assertEqual(answer(3), 9)
            unittest.main()
            """,
        ),
        "cancels": (
            """
            import asyncio
            async def answer(n): raise asyncio.CancelledError
            """,
            """
            import asyncio
            async def main(): assert await answer(3) == 9
            asyncio.run(main())
            """,
        ),
        "a star over the tests' imports": (
            """
            class math:
                def isclose(*a, **k): return True
            def expect(*a): pass
            def answer(n): return 0.0
            """,
            """
            import math
            def expect(x): assert x
            from solution import *
            expect(math.isclose(answer(3), 9.0))
            """,
        ),
        "own math": (
            """
            import math
            math.isclose = lambda *a, **k: True
            def answer(n): return 0.0
            """,
            "assert math.isclose(answer(3), 9.0)",
        ),
        "changes the tests' names": (
            """
            import sys
            sys.modules['__main__'].__dict__['expected'] = 0
            def answer(n): return 0
            """,
            """
            expected = 9
            assert answer(3) == expected
            """,
        ),
        "reaches through a callback": (
            """
            def answer(n, g):
                ways = '__globals__', '__builtins__', '__closure__', '__code__.co_consts', '__call__.__self__'
                for path in (way.split('.') for way in ways):
                    found = g
                    try:
                        for name in path: found = getattr(found, name)
                    except Exception: continue
                    try:
                        found['expected'] = 0
                    except Exception: pass
                    if 9 in found: return 9
                return 0
            """,
            """
            expected = 9
            def g(x): return x + 9
            assert answer(3, g) == expected
            """,
        ),
        "reaches through an object": (
            """
            def answer(n, o):
                for get in (lambda: o.meth.__func__.__globals__, lambda: o.__class__.meth.__globals__,
                            lambda: o.__init__.__globals__, lambda: type(o).meth.__globals__, lambda: o.__dict__):
                    try:
                        get()['expected'] = 0
                    except Exception: pass
                return 0
            """,
            """
            expected = 9
            class O:
                def __init__(self): pass
                def meth(self): return 1
            assert answer(3, O()) == expected
            """,
        ),
        "reaches through a generator": (
            """
            def answer(n, g):
                try:
                    g.gi_frame.f_globals['expected'] = 0
                except Exception: pass
                try:
                    g.gi_code
                    return 9
                except Exception: return 0
            """,
            """
            expected = 9
            assert answer(3, (i for i in [1])) == expected
            """,
        ),
        "reaches through an error": (
            """
            def answer(n, g):
                try:
                    g()
                except Exception as e:
                    t = e.__traceback__
                    while t:
                        t.tb_frame.f_globals['expected'] = 0
                        t = t.tb_next
                return 0
            """,
            """
            expected = 9
            def g(): 1 / 0
            assert answer(3, g) == expected
            """,
        ),
        "patches its own side": (
            """
            import gc
            def answer(n): return 0
            for o in gc.get_objects():
                if type(o).__name__ == 'Peer':
                    o.operations['call'] = lambda *a: E()
                    o.judges = True
            class E:
                def __eq__(self, o): return True
            """,
            _ANSWER,
        ),
        "tells other facts": (
            """
            import gc, sys
            for o in gc.get_objects():
                if type(o) is dict and 'facts_of' in o and callable(o['facts_of']):
                    o['facts_of'] = lambda v: ('value', int, 9)
            class E:
                def __eq__(self, o): return True
            def answer(n): return E()
            """,
            "assert answer(3) == 10",
        ),
        "empties the expected": (
            """
            def answer(xs):
                xs.clear()
                return [0]
            """,
            """
            xs = [3, 1]
            assert answer(list(xs)) == sorted(xs)
            """,
        ),
        "signals": (
            """
            import os, signal
            def answer(n):
                os.kill(os.getpid(), signal.SIGTERM)
            """,
            _ANSWER,
        ),
        "a value that grows": (
            """
            class L(list):
                def __getitem__(self, i): return 9
                def __len__(self): return 1
                def __iter__(self): return iter([9])
                def count(self, x): return 1
                def __contains__(self, x): return True
            def answer(n): return L()
            """,
            """
            assert 9 in answer(3)
            assert answer(3).count(9) == 1
            """,
        ),
        "a text that agrees": (
            """
            class T(str):
                def startswith(self, x): return True
                def __contains__(self, x): return True
                def __eq__(self, x): return True
                __hash__ = str.__hash__
            def answer(n): return T('x')
            """,
            """
            assert 'nine' in answer(3)
            assert answer(3).startswith('nine')
            """,
        ),
        "a number that agrees": (
            """
            class N(float):
                def __sub__(self, o): return 0.0
                __rsub__ = __sub__
                def __round__(self, *a): return 9
            def answer(n): return N(1)
            """,
            "assert abs(answer(3) - 9) < 1e-9",
        ),
    }
)


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_does_not_pass(judged, name):
    found = judged(*FORGERIES[name])
    assert found["status"] in ("wrong_answer", "exception", "exited_early", "unsupported_type"), found


def test_a_correct_program_passes_the_tests_that_forgeries_fail(judged):
    assert judged("def answer(n): return n * n", _ANSWER)["status"] == "passed"
