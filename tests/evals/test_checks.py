"""What a row asks of an answer, the errors in it, and the verdicts, in the real sandbox."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest

from evals.checks import AssertTests, Cases, Doctests, NoTests, Program, check_of, doctests_in, judge_many
from evals.comparison import in_words, matches_
from evals.errors import EvalError
from evals.literals import is_literal, literal
from evals.sandbox import Limits, Sandbox

ADD = "def add(a, b):\n    return a + b"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(Limits(cpu_seconds=2), workers=2) as opened:
        yield opened


def cases(entry_point: str, *pairs: tuple[list[Any], Any], **more: Any) -> dict[str, Any]:
    listed = [{"args": args, "expected": expected} for args, expected in pairs]
    return {"row_id": "r1", "entry_point": entry_point, "cases": listed, **more}


def status(sandbox: Sandbox, row: dict[str, Any], code: str) -> str:
    return judge_many([(check_of(row), code)], sandbox)[0].status


def test_the_first_kind_that_a_row_has_is_its_check():
    assert check_of({"tests": "assert add(1, 2) == 3"}) == AssertTests("assert add(1, 2) == 3")
    assert check_of({"tests": "assert 1", "entry_point": "add"}) == AssertTests("assert 1")
    assert isinstance(check_of(cases("add", ([1, 2], 3))), Cases)
    assert check_of({"stdin": "1\n", "stdout": "2\n"}) == Program(((b"1\n", b"2\n"),))
    assert check_of({"stdout": ["a", "b"]}) == Program(((b"", b"a"), (b"", b"b")))
    assert isinstance(check_of({"instruction": "Add.\n>>> add(1, 2)\n3"}), Doctests)
    for row in (
        {},
        {"tests": None},
        {"tests": " \n"},
        {"tests": "", "cases": [], "stdout": None, "instruction": "Add."},
    ):
        assert check_of(row) == NoTests()


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ({"tests": ["assert 1"]}, "'tests' holds a list"),
        ({"tests": "assert add(1, 2 == 3"}, "'tests' is not Python (line 1"),
        ({"tests": "assert 1", "stdout": "x"}, "'tests' and 'stdout'"),
        ({"entry_point": "add", "cases": {"args": []}}, "'cases' holds a dict"),
        ({"cases": [{"args": [1], "expected": 1}]}, "'entry_point' is None"),
        ({"entry_point": "a b", "cases": [{"expected": 1}]}, "'entry_point' is 'a b'"),
        ({"entry_point": "f();g", "cases": [{"expected": 1}]}, "'entry_point'"),
        ({"entry_point": "f", "cases": [3]}, "'cases'[0] holds a int"),
        ({"entry_point": "f", "cases": [{"expected": 1}, {"args": [1]}]}, "'cases'[1] has no 'expected'"),
        ({"entry_point": "f", "cases": [{"expected": 1, "output": 2}]}, "unknown key 'output'"),
        ({"entry_point": "f", "cases": [{"args": 3, "expected": 1}]}, "'args' holds a int"),
        ({"entry_point": "f", "cases": [{"kwargs": {"a b": 1}, "expected": 1}]}, "'kwargs' must hold"),
        ({"entry_point": "f", "cases": [{"expected": object()}]}, "'expected' cannot be written"),
        ({"entry_point": "f", "cases": [{"expected": 1}], "tolerance": "0.1"}, "'tolerance' is '0.1'"),
        ({"entry_point": "f", "cases": [{"expected": 1}], "tolerance": True}, "'tolerance' is True"),
        ({"entry_point": "f", "cases": [{"expected": 1}], "tolerance": math.nan}, "'tolerance' is nan"),
        ({"tolerance": 0.1}, "'tolerance' needs 'cases'"),
        ({"stdin": "x"}, "'stdin' needs 'stdout'"),
        ({"stdin": ["a"], "stdout": ["a", "b"]}, "'stdin' holds 1 texts and 'stdout' 2"),
        ({"stdin": "a", "stdout": ["a"]}, "'stdin' must hold"),
        ({"stdout": 3}, "'stdout' must hold"),
        ({"stdout": " \n"}, "'stdout' is blank"),
        ({"stdout": "\ud800"}, "lone surrogate"),
    ],
)
def test_an_error_names_the_row_and_the_key(row: dict[str, Any], named: str):
    with pytest.raises(EvalError) as caught:
        check_of({"row_id": "r7", **row})
    assert "row 'r7'" in str(caught.value)
    assert named in str(caught.value)
    with pytest.raises(EvalError, match=r"^rows\.jsonl:3"):
        check_of({"row_id": "r7", **row}, where="rows.jsonl:3")


@pytest.mark.parametrize(
    ("actual", "expected", "same"),
    [
        (1, 1.0, True),
        (True, 1, False),
        (1, True, False),
        (0, False, False),
        (True, True, True),
        (0.1 + 0.2, 0.3, False),
        (math.nan, math.nan, True),
        (-0.0, 0.0, True),
        (math.inf, math.inf, True),
        (math.inf, -math.inf, False),
        ([1, 2], [1, 2], True),
        ((1, 2), [1, 2], True),
        ([1, 2], (1, 2), False),
        ([1, True], [1, 1], False),
        ([1], [1, 1], False),
        ({"a": 1.0}, {"a": 1}, True),
        ({"a": True}, {"a": 1}, False),
        ({"b": 1}, {"a": 1}, False),
        ({1, 2}, {2, 1}, True),
        ([1, 2], {1, 2}, False),
        ("1", 1, False),
        (None, 0, False),
        (None, None, True),
        (b"a", "a", False),
        (10**400, 1.5, False),
        (2 + 0j, 2, True),
    ],
)
def test_how_values_compare(actual: Any, expected: Any, same: bool):
    assert matches_(actual, expected) is same


def test_the_tolerance_is_for_numbers_at_any_depth():
    assert matches_([{"a": (0.1 + 0.2,)}], [{"a": (0.3,)}], 1e-9)
    assert matches_(1_000_001.0, 1_000_000.0, 1e-5)
    assert not matches_(0.31, 0.3, 1e-3)
    assert not matches_(math.nan, 0.3, 0.5)
    assert not matches_(10**400, 1.5, 0.5)
    assert not matches_(0, [0], 0.5)


VALUES = [
    None, True, -3, 10**30, 1.5, -0.0, math.inf, -math.inf, "a'\n\"", b"\0", 2j, 1 - 2j, [], [1, [2]], (), (1,), (1, 2),
    set(), {"b", "a"}, frozenset({1}), frozenset(), {}, {"a": {1: (None,)}},
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_a_literal_makes_the_value_again(value: Any):
    text = literal(value)
    assert is_literal(text)
    again = eval(text)
    assert type(again) is type(value)
    assert again == value


def test_what_is_not_a_literal_is_not_taken_for_one():
    assert literal(math.nan) == "(1e999-1e999)"
    assert is_literal(literal(math.nan))
    for text in (
        "print(1)", "a", "[a]", "f'{1}'", "1; 2", "", "x = 1", "frozenset(open('a'))", "(lambda: 1)()", "[*a]",
        "{**a}", "1 if 2 else 3", "[x for x in ()]", "1\n2", "__import__('os')", "'a' * 10 ** 9","[" * 500,
        "9" * 30_000,
    ):  # fmt: skip
        assert not is_literal(text), text
    with pytest.raises(TypeError):
        literal(object())
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(TypeError):
        literal(endless)


def test_cases_in_the_sandbox(sandbox: Sandbox):
    row = cases("add", ([1, 2], 3), ([0.1, 0.2], 0.3), tolerance=1e-9)
    assert status(sandbox, row, ADD) == "passed"
    assert status(sandbox, {**row, "tolerance": None}, ADD) == "wrong_answer"
    verdict = judge_many([(check_of(row), "def add(a, b): return a - b")], sandbox)[0]
    assert (verdict.status, verdict.detail) == ("wrong_answer", "add(1, 2) must give 3")
    assert status(sandbox, row, "def plus(a, b): return a + b") == "missing_entry_point"
    assert status(sandbox, row, "def add(a): return a") == "exception"
    assert status(sandbox, row, "def add(a, b): return a +") == "syntax_error"
    named = {"entry_point": "add", "cases": [{"args": [1], "kwargs": {"b": 2}, "expected": 3}]}
    assert status(sandbox, named, ADD) == "passed"
    method = cases("Adder().add", ([1, 2], 3))
    assert status(sandbox, method, "class Adder:\n    def add(self, a, b): return a + b") == "passed"


@pytest.mark.parametrize(
    "code",
    [
        "class E:\n    def __eq__(self, other): return True\n    __hash__ = None\ndef f(x): return E()",
        "class I(int):\n    def __eq__(self, other): return True\n    __hash__ = None\ndef f(x): return I(0)",
        "def f(x): return x\ndef matches_(*args): return True",
        "def f(x): return x\ndef all(*args): return True\ndef zip(*args, **k): return ()\ntype = lambda x: int",
        "def f(x): return []\ndef len(x): return 0\ndef all(x): return True",
        "def f(x): return []\ndef bool(x): return True\ndef isinstance(*x): return True\ndef type(x): return 1",
        "import builtins\nbuiltins.all = lambda *a: True\nbuiltins.len = lambda x: 0\ndef f(x): return []",
        "import os\ndef f(x): os._exit(0)",
        "def f(x): raise SystemExit(0)",
    ],
)
def test_a_program_that_cheats_meets_no_case(sandbox: Sandbox, code: str):
    assert status(sandbox, cases("f", ([1], [2, 3])), code) != "passed"


@pytest.mark.parametrize("name", ["type", "len", "all", "zip", "matches", "expected", "actual"])
def test_an_entry_point_may_have_a_common_name(sandbox: Sandbox, name: str):
    assert status(sandbox, cases(name, ([1], [1, 1])), f"def {name}(x):\n    return [x, x]") == "passed"


def test_programs_are_judged_by_what_they_print(sandbox: Sandbox):
    row = {"stdin": ["2\n", "5\n"], "stdout": ["4\n", "10\n"]}
    double = "print(int(input()) * 2)"
    assert status(sandbox, row, double) == "passed"
    assert status(sandbox, row, double.replace("print(", "print('', ").replace("'', ", "")) == "passed"
    assert status(sandbox, row, "import sys\nsys.stdout.write(str(int(input()) * 2) + '  \\n\\n')") == "passed"
    assert status(sandbox, row, "print('', int(input()) * 2)") == "wrong_answer"
    assert status(sandbox, row, double + "\nraise SystemExit(3)") == "exception"
    assert status(sandbox, row, double + "\n1 / 0") == "exception"
    assert status(sandbox, row, "import os\nos._exit(0)") == "wrong_answer"
    assert status(sandbox, row, "while True: pass") == "timeout_cpu"
    assert status(sandbox, row, "import no_such_module") == "missing_dependency"
    assert status(sandbox, row, "print(") == "syntax_error"


def test_the_verdict_on_a_program_names_the_pair_and_the_line(sandbox: Sandbox):
    row = {"stdin": ["1", "2"], "stdout": ["a\n1", "a\n3"]}
    verdict = judge_many([(check_of(row), "print('a')\nprint(input())")], sandbox)[0]
    assert verdict.status == "wrong_answer"
    assert verdict.detail == "pair 2 of 2: line 2 is '2', not '3'"
    missing = judge_many([(check_of({"stdout": "a\nb"}), "print('a')")], sandbox)[0]
    assert missing.detail == "line 2 is missing: 'b'"
    extra = judge_many([(check_of({"stdout": "a"}), "print('a')\nprint('b')")], sandbox)[0]
    assert extra.detail == "line 2 is too many: 'b'"


def test_what_is_printed_under_a_main_guard_counts(sandbox: Sandbox):
    assert status(sandbox, {"stdout": "1"}, "if __name__ == '__main__':\n    print(1)") == "passed"


def test_doctests_are_found_as_doctest_finds_them():
    found = doctests_in(
        'def f(x):\n    """Double.\n\n    >>> f(2)\n    4\n    >>> f(\n    ...     3)\n    6\n    """\n'
    )
    assert found == Doctests(">>> f(2)\n4\n>>> f(\n...     3)\n6\n", 2)
    assert doctests_in("```\n>>> f(2)\n4\n```").tests == ">>> f(2)\n4\n"
    assert doctests_in("Use >>> to shift.") is None
    assert doctests_in(">>> f(2)") is None
    assert doctests_in(">>>f(2)\n4") is None
    assert doctests_in("No example.", "") is None


def test_doctests_in_the_sandbox(sandbox: Sandbox):
    row = {"instruction": "Write add(a, b).\n\n>>> add(1, 2)\n3\n>>> add('a', 'b')\n'ab'\n"}
    assert status(sandbox, row, ADD) == "passed"
    assert status(sandbox, row, "def add(a, b): return 3") == "wrong_answer"
    assert status(sandbox, row, "def plus(a, b): return 3") != "passed"


def test_all_kinds_in_one_batch_keep_their_order(sandbox: Sandbox):
    rows = [
        {"stdout": "1"},
        {"tests": "assert x == 1"},
        {"instruction": ">>> x\n1"},
        cases("f", ([], 1)),
        {"stdout": ["1", "1"]},
    ]
    code = "x = 1\ndef f(): return 1\nprint(x)"
    seen: list[tuple[int, int]] = []
    verdicts = judge_many(
        [(check_of(row), code) for row in rows], sandbox, lambda done, total: seen.append((done, total))
    )
    assert [verdict.status for verdict in verdicts] == ["passed"] * 5
    assert seen[-1] == (6, 6)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    wrong = judge_many([(check_of(row), code.replace("1", "2")) for row in rows], sandbox)
    assert "passed" not in [verdict.status for verdict in wrong]


def test_rows_without_tests_are_not_for_this_judge(sandbox: Sandbox):
    with pytest.raises(EvalError, match="climb the ladder"):
        judge_many([(NoTests(), "x = 1")], sandbox)


def test_words_are_only_put_on_the_comparison():
    assert in_words("assert matches_(f(1), [1, 2], 0.1)") == "f(1) must give [1, 2]"
    assert in_words("assert f(1) == 2") == "assert f(1) == 2"
    assert in_words("ZeroDivisionError: division by zero") == "ZeroDivisionError: division by zero"
