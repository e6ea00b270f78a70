"""What tests find of a program: each status with its line, the examples of a session, and what is noted."""

import pytest

from tests.evals.talk import ERRORS, PASSED, POINT, STACK, cleaned

# Correct programs whose own classes decide something that the tests ask; that is noted.
NOTED = cleaned(
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
    assert judged(*NOTED[name]) == PASSED | {"relied_on_program": True}


# Program, tests, status, and a part of the detail.
STATUSES = cleaned(
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


DOCTESTS = cleaned(
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
