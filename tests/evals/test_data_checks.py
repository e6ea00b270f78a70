"""Checks on the rows themselves, in the real sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from evals.checks import AssertTests, Program
from evals.data_checks import check_data, stubs_of
from evals.errors import EvalError
from evals.sandbox import Limits, Sandbox

DOUBLE = "def double(x):\n    return x * 2"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(Limits(cpu_seconds=2), workers=2) as opened:
        yield opened


def test_each_row_is_found_for_what_it_is(sandbox: Sandbox):
    rows: list[dict[str, Any]] = [
        {"row_id": "good", "output": DOUBLE, "tests": "assert double(2) == 4"},
        {"row_id": "wrong", "output": DOUBLE, "tests": "assert double(2) == 5"},
        {"row_id": "raises", "output": "1 / 0", "tests": "assert double(2) == 4"},
        {"row_id": "calls only", "output": DOUBLE, "tests": "double(2)"},
        {"row_id": "identity", "output": DOUBLE, "tests": "assert double(0) == 0"},
        {"row_id": "nothing", "output": "def f(x):\n    print(x)", "tests": "assert f(1) is None"},
        {"row_id": "method", "output": "class A:\n    def one(self): return 1", "tests": "assert A().one() == 1"},
        {"row_id": "echo", "output": "print(input())", "stdin": "a", "stdout": "a"},
        {"row_id": "program", "output": "print(input() + 'b')", "stdin": ["a", "c"], "stdout": ["ab", "cb"]},
        {"row_id": "cases", "output": DOUBLE, "entry_point": "double", "cases": [{"args": [2], "expected": 4}]},
        {"row_id": "doctest", "output": DOUBLE, "instruction": ">>> double(2)\n4"},
        {"row_id": "none", "output": DOUBLE, "instruction": "Double it."},
        {"row_id": "foreign", "output": "const f = (x) => x * 2;", "tests": "assert f(1) == 2"},
    ]
    seen: list[tuple[int, int]] = []
    found = check_data(rows, sandbox, lambda done, total: seen.append((done, total)))
    assert {finding.row_id: finding.reason for finding in found.failed} == {
        "wrong": "wrong answer: assert double(2) == 5",
        "raises": "exception: ZeroDivisionError: division by zero",
    }
    both = "the tests pass with functions that do nothing and with functions that return their first argument"
    assert {finding.row_id: finding.reason for finding in found.vacuous} == {
        "calls only": both,
        "identity": "the tests pass with functions that return their first argument",
        "nothing": "the tests pass with functions that do nothing",
        "echo": "the tests pass with a program that prints its input",
    }
    assert [finding.row_id for finding in found.not_judged] == ["foreign"]
    assert found.without_tests == ("none",)
    assert found.unusable == {"wrong", "raises", "foreign"}
    assert found.checked == 11
    assert seen[-1][0] == seen[-1][1]


def test_a_malformed_row_is_an_error(sandbox: Sandbox):
    with pytest.raises(EvalError, match="row 'r': 'tests' is not Python"):
        check_data([{"row_id": "r", "output": DOUBLE, "tests": "assert ("}], sandbox)


def test_stubs_keep_signatures_imports_and_constants_only():
    reference = (
        "import math\nSIZES = [1, 2]\nBASE = math.sqrt(4)\n\n"
        "class A(dict):\n    kind = 'a'\n    def __init__(self, x: int = 3):\n        self.x = x\n"
        "    @staticmethod\n    def s(y): return y + 1\n    async def m(self, *, z=1): return z\n\n"
        "def f(a, /, b, *args, **kwargs):\n    '''Text.'''\n    return a\n\nprint(f(1, 2))\n"
    )
    nothing, first = stubs_of(reference, AssertTests("")).values()
    for stub in (nothing, first):
        assert "import math\nSIZES = [1, 2]\n" in stub
        assert "BASE" not in stub
        assert "print" not in stub
        assert "class A(dict):\n    kind = 'a'\n\n    def __init__(self, x: int=3):\n        pass" in stub
    assert nothing.count("pass") == 4
    assert "def s(y):\n        return y" in first
    assert "async def m(self, *, z=1):\n        return 0" in first
    assert "def f(a, /, b, *args, **kwargs):\n    return a" in first


def test_stubs_of_what_has_no_functions():
    assert list(stubs_of("x = (", AssertTests("")).values()) == ["pass\n"]
    assert set(stubs_of("print(f(1))", AssertTests("")).values()) == {"pass"}
    assert len(stubs_of("print(1)", Program(((b"", b"1"),)))) == 2
