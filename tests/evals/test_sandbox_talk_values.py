"""Values and callbacks cross between a program and its tests, and both sides see the same."""

import pytest

from tests.evals.talk import LINKED, PASSED, cleaned

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
    assert judged(code, made_there) == PASSED


# Correct programs, whose tests must pass without the program's word being taken for anything.
HONEST = cleaned(
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
        "dictionary views": (
            "def f(d): return d.keys()",
            "assert f({'a': 1}) == {'a'} and list(f({'b': 2})) == ['b']",
        ),
    }
)


@pytest.mark.parametrize("name", HONEST)
def test_a_correct_program_passes(judged, name):
    assert judged(*HONEST[name]) == PASSED
