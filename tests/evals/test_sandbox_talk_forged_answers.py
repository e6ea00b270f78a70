"""Wrong programs whose answers, or what they raise, would say that they are right: none passes."""

import pytest

from tests.evals.talk import ANSWER, cleaned

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


# Wrong programs that set out to pass. None may.
FORGERIES = cleaned(
    {
        "equal to all": (
            _evil(),
            ANSWER,
        ),
        "equal to all, int": (
            _evil("(int)", "0"),
            ANSWER,
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
            _evil() + "\nsingle = answer\ndef answer(n): return [single(n)]",
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
            ANSWER,
        ),
        "class called answer": (
            """
            class answer:
                def __init__(self, n): pass
                def __eq__(self, o): return True
            """,
            ANSWER,
        ),
        "itself": (
            """
            class S:
                def solve(self, n): return self
                def __eq__(self, o): return True
            """,
            "assert S().solve(3) == 9",
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
    assert judged("def answer(n): return n * n", ANSWER)["status"] == "passed"
