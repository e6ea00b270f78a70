"""Wrong programs that see to it that the tests' checks are passed over, or made by something of the program's own."""

from __future__ import annotations

from typing import Any

from evals.sandbox.hostile.program import NOT_PASSED, Hostile


def _pass_over(name: str, code: str, tests: str, **changes: Any) -> Hostile:
    settings: dict[str, Any] = {"expected": NOT_PASSED, **changes}
    return Hostile(name, "forging", "forges", code, tests, **settings)


_SWALLOWS = """
class managed:
    data = {}
    def __enter__(self): return self
    def __exit__(self, *error): return True
    def value(self): raise ValueError
"""
_SWALLOWS_ASYNC = """
class managed:
    async def __aenter__(self): return self
    async def __aexit__(self, *error): return True
    async def value(self): raise ValueError
"""
_SWALLOWED = (
    *(
        _pass_over(f"swallows: {name}", *rest)
        for name, *rest in (
            ("its own exception in an assert", _SWALLOWS, "with managed() as m:\n    assert m.value() == 3"),
            ("a KeyError of the tests in an assert", _SWALLOWS, "with managed() as m:\n    assert m.data['x'] == 3"),
            ("the lack of an attribute in an assert", _SWALLOWS, "with managed() as m:\n    assert m.nothing == 3"),
            (
                "an exception in an assert, by contextlib",
                "from contextlib import contextmanager\n@contextmanager\ndef managed():\n"
                "    try: yield {}\n    except BaseException: pass",
                "with managed() as m:\n    assert m['x'] == 3",
            ),
            (
                "an exception in an assert, asynchronously",
                _SWALLOWS_ASYNC,
                "import asyncio\nasync def main():\n    async with managed() as m:\n"
                "        assert await m.value() == 3\nasyncio.run(main())",
            ),
            (
                "an exception in an assert, in an ExitStack",
                _SWALLOWS,
                "from contextlib import ExitStack\nwith ExitStack() as stack:\n"
                "    assert stack.enter_context(managed()).value() == 3",
            ),
            (
                "an exception in an assert of a decorated function",
                "def safe(f):\n    def wrapped(*a):\n        try: return f(*a)\n        except BaseException: pass\n"
                "    return wrapped\ndef add(a, b): raise ValueError",
                "@safe\ndef run():\n    assert add(1, 2) == 3\nrun()",
            ),
            (
                "an assert in a case of unittest, which ends well",
                "def each(f, xs):\n    for x in xs:\n        try: f(x - 1)\n        except BaseException: pass",
                "import unittest\nclass T(unittest.TestCase):\n    def test_each(self):\n"
                "        each(lambda x: self.assertEqual(x, 1), [1])\nunittest.main()",
            ),
            (
                "an assert of tests that end themselves",
                "def each(f, xs):\n    for x in xs:\n        try: f(x - 1)\n        except BaseException: pass",
                "import sys\ndef must_be_one(x):\n    assert x == 1\neach(must_be_one, [1])\nsys.exit(0)",
            ),
        )
    ),
    _pass_over(
        "swallows: its own exception before an assert",
        _SWALLOWS,
        "with managed() as m:\n    got = m.value()\n    assert got == 3",
        marked=True,
    ),
    _pass_over(
        "swallows: its own exception before an assert of a decorated function",
        "def safe(f):\n    def wrapped(*a):\n        try: return f(*a)\n        except BaseException: pass\n"
        "    return wrapped\ndef add(a, b): raise ValueError",
        "@safe\ndef run():\n    got = add(1, 2)\n    assert got == 3\nrun()",
        marked=True,
    ),
)

_DROPS = (
    "def each(f, xs): pass\ndef timed(f): return lambda *a: None\ndef run(steps): pass\ndef add(a, b): return a - b"
)
_DROPPED = tuple(
    _pass_over(f"drops: {name}", *rest, marked=True)
    for name, *rest in (
        (
            "a test that calls the one that asserts",
            _DROPS,
            "def check(f):\n    assert f(1, 2) == 3\n@timed\ndef run():\n    check(add)\nrun()",
        ),
        (
            "a test that asserts by a helper",
            _DROPS,
            "def must(fact):\n    if not fact:\n        raise AssertionError\neach(lambda x: must(x == 1), [2])",
        ),
        (
            "a test of a case of unittest",
            _DROPS,
            "import unittest\nclass T(unittest.TestCase):\n    @timed\n    def test_add(self):\n"
            "        self.assertEqual(add(1, 2), 3)\nunittest.main()",
        ),
        (
            "a case of unittest",
            "def registered(cls): return None\ndef add(a, b): return a - b",
            "import unittest\n@registered\nclass T(unittest.TestCase):\n    def test_add(self):\n"
            "        self.assertEqual(add(1, 2), 3)\nunittest.main(argv=['x'], exit=False)",
        ),
        (
            "a partial",
            _DROPS,
            "from functools import partial\ndef must_be(want, x):\n    assert x == want\n"
            "each(partial(must_be, 1), [1])",
        ),
        (
            "an object that is called",
            _DROPS,
            "class Must:\n    def __call__(self, x):\n        assert x == 1\neach(Must(), [1])",
        ),
        (
            "a bound method",
            _DROPS,
            "class Must:\n    def be_one(self, x):\n        assert x == 1\neach(Must().be_one, [1])",
        ),
        (
            "a coroutine",
            "def run(steps): pass\nasync def add(a, b): return 0",
            "async def main():\n    assert await add(1, 2) == 3\nrun(main())",
        ),
        (
            "a coroutine that it closes",
            "def run(steps): steps.close()\nasync def add(a, b): return 0",
            "async def main():\n    assert await add(1, 2) == 3\nrun(main())",
        ),
        (
            "a coroutine that its decorator made",
            "def timed(f):\n    async def wrapped(*a): f(*a)\n    return wrapped\nasync def add(a, b): return 0",
            "import asyncio\n@timed\nasync def main():\n    assert await add(1, 2) == 3\nasyncio.run(main())",
        ),
        (
            "a generator after its first step",
            "def run(steps): next(steps)",
            "def steps():\n    got = yield 1\n    assert got == 2\nrun(steps())",
        ),
        (
            "a test before the tests end themselves",
            _DROPS,
            "import sys\ndef must(x):\n    assert x == 1\neach(must, [1])\nsys.exit(0)",
        ),
    )
)

_WRONG_MEAN = "\ndef mean(xs): return 0"
_JUDGES = (
    _pass_over(
        "a math of its own",
        "class math:\n    isclose = staticmethod(lambda *a, **k: True)" + _WRONG_MEAN,
        "assert math.isclose(mean([1, 2]), 1.5)",
    ),
    _pass_over(
        "a math of its own, made as a module",
        "import types\nmath = types.ModuleType('math')\nmath.isclose = lambda *a, **k: True" + _WRONG_MEAN,
        "assert math.isclose(mean([1, 2]), 1.5)",
    ),
    *(
        _pass_over(f"{name} of its own", f"{code}{_WRONG_MEAN}", tests, marked=True)
        for name, code, tests in (
            ("an isclose", "def isclose(*a, **k): return True", "assert isclose(mean([1, 2]), 1.5)"),
            ("a sqrt", "def sqrt(x): return 0", "assert mean([1, 2]) == sqrt(2.25)"),
            ("a Counter", "def Counter(x): return 1", "assert Counter([mean([1, 2])]) == Counter([1.5])"),
            (
                "a numpy",
                "class np:\n    allclose = staticmethod(lambda *a, **k: True)",
                "assert np.allclose(mean([1, 2]), 1.5)",
            ),
        )
    ),
    *(
        _pass_over(f"an all of its own, where {where}", "def f(x): return 0\ndef all(xs): return True", tests)
        for where, tests in (
            ("the program is imported", "import solution\nok = solution.f(2) == 2\nassert all([ok])"),
            ("a name is imported as another", "from solution import f as g\nok = g(2) == 2\nassert all([ok])"),
            ("a name is looked up", "g = globals().get('f') or eval('f')\nok = g(2) == 2\nassert all([ok])"),
        )
    ),
    _pass_over(
        "an abs of its own, where the tests import it as another",
        "def abs(x): return 0",
        "from solution import abs as abs_\nassert abs(abs_(-2) - 2) < 1e-9",
    ),
    *(
        _pass_over(f"a wrong {name} that the tests {how}", code, tests)
        for name, how, code, tests in (
            ("sum", "call first", "def sum(xs): return 0", "result = sum([1, 2])\nassert result == 3"),
            ("sorted", "call on the right", "def sorted(xs): return xs", "assert [1, 3] == sorted([3, 1])"),
            ("abs", "call in a loop", "def abs(x): return 0", "for n in (1, -2):\n    got = abs(n)\n    assert got"),
            (
                "pow",
                "call in a function",
                "def pow(a, b): return a + b",
                "def test_pow():\n    got = pow(2, 3)\n    assert got == 8\ntest_pow()",
            ),
        )
    ),
)

_SELF = """
class Account:
    def __init__(self, n=0): pass
    def __eq__(self, other): return True
    def __hash__(self): return 1
    def __getitem__(self, key): return self
    def __iter__(self): yield self
    def __enter__(self): return self
    def __exit__(self, *error): return False
    def __neg__(self): return self
    __abs__ = __round__ = __next__ = __sub__ = __neg__
    __sub__ = __lt__ = lambda self, other: True
    balance = property(lambda self: self)
    parts = property(lambda self: [self])
"""
_OVERRIDING = tuple(
    _pass_over(f"a wrong method of a class made from {kind}", code, tests)
    for kind, code, tests in (
        (
            "str",
            "class Title(str):\n    def upper(self): return 'wrong'",
            "assert Title('a').upper() == 'A'",
        ),
        ("int", "class Bits(int):\n    def bit_length(self): return -1", "assert Bits(5).bit_length() == 3"),
    )
)

_ITSELF = tuple(
    _pass_over(f"gives itself: {name}", _SELF, tests)
    for name, tests in (
        ("as an attribute", "assert Account(5).balance == 5"),
        ("as an item", "assert Account(5)[0] == 5"),
        ("by iteration", "assert list(Account(5)) == [5]"),
        ("in a list", "assert Account(5).parts == [5]"),
        ("as what a block works with", "with Account(5) as account:\n    assert account == 5"),
        ("as its negative", "assert -Account(5) == 5"),
        ("rounded", "assert round(Account(5)) == 5"),
        ("as an attribute that is near", "assert abs(Account(5).balance - 5) < 1e-9"),
        ("as an attribute that is among others", "assert Account(5).balance in [5, 6]"),
    )
)

PROGRAMS: tuple[Hostile, ...] = _SWALLOWED + _DROPPED + _JUDGES + _OVERRIDING + _ITSELF
