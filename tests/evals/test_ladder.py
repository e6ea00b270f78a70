"""The ladder, rung by rung, in the real sandbox; and the inputs it climbs on."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from evals.errors import EvalError
from evals.inputs import alternatives
from evals.ladder import Ladder, climb
from evals.sandbox import Completed, Limits, Sandbox

ADD = "def add(a, b):\n    return a + b"
COUNT = "def count_to(n):\n    for i in range(n):\n        print(i)"
SORT = "def sort_it(items):\n    items.sort()"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(Limits(cpu_seconds=2), workers=2) as opened:
        yield opened


def one(sandbox: Sandbox, reference: str, code: str, **more: str) -> Ladder:
    return climb([{"row_id": 1, "output": reference, "code": code, **more}], sandbox)[0]


@pytest.mark.parametrize(
    ("code", "rung", "reason"),
    [
        ("", 0, "there is no code"),
        ("def add(a, b:\n    return a + b", 0, "does not parse: line 1"),
        ("def add(a, b)\n    return a + b", 0, "does not parse: line 1"),
        ("I am sorry, I cannot do that.", 0, "does not parse"),
        ("return 1", 1, "does not compile"),
        ("def add(a, a): return a", 1, "does not compile"),
        ("1 / 0", 2, "ZeroDivisionError"),
        ("import sys\nsys.exit(3)", 2, "exit code 3"),
        ("x = input()", 2, "EOFError"),
        ("import no_such_module", 2, "no_such_module"),
        ("while True: pass", 2, ""),
        ("x = 1", 3, "defines no function 'add'"),
        ("def add(a, b):\n    return a - b", 3, "must give"),
        ("def add(a):\n    return a", 3, "unlike the reference"),
        ("def add(a, b):\n    raise ValueError", 3, "ValueError"),
        ("import os\ndef add(a, b):\n    os._exit(0)", 3, "unlike the reference"),
        ("class E:\n    def __eq__(self, o): return True\ndef add(a, b): return E()", 3, "unlike the reference"),
        (ADD, 4, "behaves like the reference on"),
        ("def plus(x, y):\n    return sum([x, y])", 4, "behaves like the reference on"),
        ("import operator\nadd = operator.add", 4, "behaves like the reference on"),
        ("if __name__ == '__main__':\n    print(add(1, 2))", 2, "NameError"),
    ],
)
def test_each_rung(sandbox: Sandbox, code: str, rung: int, reason: str):
    result = one(sandbox, ADD, code)
    assert result.rung == rung
    assert reason in result.reason
    assert result.highest == 4
    assert (result.inputs > 0) == (rung == 4 or "unlike" in result.reason)


@pytest.mark.parametrize(
    ("reference", "code", "words"),
    [
        (ADD, "const add = (a, b) => a + b;", "the answer is written in JavaScript"),
        (ADD, "#include <iostream>\nint main() { std::cout << 1; }", "the answer is written in C++"),
        ("SELECT a FROM t WHERE b = 1;", "SELECT a FROM t", "the reference is written in SQL"),
        ("function f() { return 1; }", "def f(): return 1", "the reference is written in JavaScript"),
        ("The answer is 42.", "print(42)", "the reference is no program"),
    ],
)
def test_other_languages_are_not_executed_and_do_not_fail(sandbox: Sandbox, reference: str, code: str, words: str):
    result = one(sandbox, reference, code)
    assert (result.rung, result.status, result.reason) == (None, "not_executed", words)


@pytest.mark.parametrize(
    ("reference", "highest", "reason"),
    [
        ("print('hi')", 3, "defines no function"),
        ("class A:\n    pass", 3, "defines no function"),
        ("import random\ndef f(n):\n    return random.random()", 3, "another value each time"),
        ("import time\ndef f(n):\n    return time.time_ns()", 3, "another value each time"),
        ("def f(n):\n    return object()", 3, "cannot be compared"),
        ("def f(n):\n    yield n", 3, "generator"),
        ("def f(n):\n    return 'always'", 3, "the same for every input"),
        ("def f(n):\n    pass", 3, "the same for every input"),
        ("def f(n):\n    while True: pass", 3, "too few of the inputs"),
        ("def f(n):\n    raise ValueError", 3, "too few of the inputs (ValueError)"),
        ("def f(frame: 'DataFrame'):\n    return frame", 3, "no inputs can be made"),
        ("import no_such_module\ndef f(n): return n", 2, "the reference itself does not run"),
        ("def f(n): return n\nprint(f(nothing))", 2, "the reference itself does not run"),
        ("no_such_name()", 2, "the reference itself does not run"),
        ("def f(n): return n\nif __name__ == '__main__':\n    f(nothing)", 2, "the reference itself does not run"),
        ("def f(a, a): return a", 1, "the reference itself does not run"),
    ],
)
def test_a_row_offers_what_its_reference_reaches(sandbox: Sandbox, reference: str, highest: int, reason: str):
    result = one(sandbox, reference, "def f(n):\n    return n")
    assert result.highest == highest
    assert result.rung == 3
    assert reason in result.reason
    assert result.inputs == 0


def test_what_a_row_offers_does_not_hang_on_the_language_of_its_answer(sandbox: Sandbox):
    found = one(sandbox, ADD, "const add = (a, b) => { return a + b; };")
    assert (found.status, found.rung, found.highest) == ("not_executed", None, 4)
    assert one(sandbox, "SELECT name FROM users;", ADD).highest is None


class Busy:
    """The real sandbox, on a machine that is too busy for references."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox, self.limits, self.check_many = sandbox, sandbox.limits, sandbox.check_many

    def run_many(self, programs: Any, progress: Any = None) -> list[Completed]:
        lost = Completed("inconclusive", detail="too busy")
        done = self._sandbox.run_many(programs, progress)
        return [lost if "observe(" in code else one for (code, _), one in zip(programs, done, strict=True)]


@pytest.mark.parametrize("code", [ADD, "1 / 0", "def add(", "const add = (a, b) => { return a + b; };"])
def test_a_reference_that_could_not_be_run_says_nothing_of_the_row(sandbox: Sandbox, code: str):
    found = one(Busy(sandbox), ADD, code)
    assert (found.status, found.rung, found.highest) == ("harness_error", None, None)
    assert found.reason == "the reference could not be run: too busy"


def test_a_function_without_parameters_is_compared_once(sandbox: Sandbox):
    reference = "def evens():\n    return [n for n in range(10) if n % 2 == 0]"
    assert one(sandbox, reference, "def evens():\n    return list(range(0, 10, 2))").rung == 4
    assert one(sandbox, reference, "def evens():\n    return list(range(0, 12, 2))").rung == 3


def test_printing_and_changed_arguments_are_compared(sandbox: Sandbox):
    assert one(sandbox, COUNT, "def count_to(n):\n    print(*range(n), sep='\\n')").rung == 4
    other = one(sandbox, COUNT, "def count_to(n):\n    print(*range(n))")
    assert (other.rung, other.highest) == (3, 4)
    assert "prints something else" in other.reason
    assert one(sandbox, SORT, "def sort_it(items):\n    items[:] = sorted(items)").rung == 4
    assert (
        "leaves its arguments otherwise" in one(sandbox, SORT, "def sort_it(items):\n    return sorted(items)").reason
    )
    raising = one(sandbox, COUNT, "def count_to(n):\n    print(n)\n    raise KeyError")
    assert "KeyError" in raising.reason


def test_what_hangs_on_the_hash_seed_is_not_compared(sandbox: Sandbox):
    reference = "def unique(words: list[str]):\n    return list(set(words))"
    result = one(sandbox, reference, "def unique(words):\n    return sorted(set(words))")
    # Only the inputs whose set has one order are left: at most one word, or equal ones.
    assert result.rung in (3, 4)
    assert result.inputs < 20


def test_floats_may_differ_in_the_last_digits(sandbox: Sandbox):
    reference = "def mean(numbers):\n    return sum(numbers) / len(numbers)"
    assert (
        one(sandbox, reference, "import statistics\ndef mean(numbers):\n    return statistics.fmean(numbers)").rung == 4
    )
    assert one(sandbox, reference, "def mean(numbers):\n    return sum(numbers) // len(numbers)").rung == 3


def test_a_bool_is_no_number_and_a_tuple_no_list(sandbox: Sandbox):
    even = "def is_even(n):\n    return n % 2 == 0"
    assert one(sandbox, even, "def is_even(n):\n    return 1 - n % 2").rung == 3
    assert (
        one(
            sandbox, "def ends(items: list):\n    return items[:1]", "def ends(items):\n    return tuple(items[:1])"
        ).rung
        == 3
    )


def test_a_function_with_the_name_of_a_builtin(sandbox: Sandbox):
    reference = "def max(a, b):\n    return a if a > b else b"
    assert one(sandbox, reference, "def max(x, y):\n    return sorted([x, y])[1]").rung == 4
    assert one(sandbox, reference, "def max(x, y):\n    return x").rung == 3


def test_helpers_are_not_taken_for_the_function(sandbox: Sandbox):
    reference = "def square(n):\n    return n * n\ndef total(numbers):\n    return sum(square(n) for n in numbers)"
    assert one(sandbox, reference, "def total(numbers):\n    return sum(n ** 2 for n in numbers)").rung == 4


def test_a_reference_cannot_write_code_into_the_tests(sandbox: Sandbox):
    # It writes the driver's lines itself, with code in the place of a value.
    reference = (
        "import os, sys\ndef f(n):\n    mark = sys._getframe(1).f_locals['mark']\n"
        "    told = ('gave', 0, '__import__(\"os\").abort()', '', '')\n"
        "    os.write(1, (mark + repr(told) + '\\n').encode())\n    return n"
    )
    result = one(sandbox, reference, "def f(n):\n    return n")
    assert result.rung in (3, 4)
    assert result.status == "climbed"


def test_many_rows_take_few_calls_and_shared_work_runs_once(sandbox: Sandbox):
    class Counting:
        def __init__(self) -> None:
            self.calls: list[int] = []

        def run_many(self, programs: Any, progress: Any = None) -> Any:
            self.calls.append(len(programs))
            return sandbox.run_many(programs, progress)

        def check_many(self, jobs: Any, progress: Any = None) -> Any:
            self.calls.append(len(jobs))
            return sandbox.check_many(jobs, progress)

    rows = [{"row_id": n, "output": ADD, "code": code} for n, code in enumerate([ADD, ADD, "x = 1", "x = "])]
    rows += [{"row_id": 9, "output": COUNT, "code": COUNT}, {"row_id": 10, "output": "SELECT 1 FROM t;", "code": ""}]
    seen: list[tuple[int, int]] = []
    counting = Counting()
    results = climb(rows, counting, lambda done, total: seen.append((done, total)))
    assert [result.rung for result in results] == [4, 4, 3, 0, 4, None]
    # Two references with two seeds each; three different answers; one comparison by value, one by effect.
    assert counting.calls == [4, 3, 1, 1]
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1][0] == seen[-1][1] == 9


def test_a_row_must_have_its_texts(sandbox: Sandbox):
    with pytest.raises(EvalError, match="row 'a': 'code'"):
        climb([{"row_id": "a", "output": ADD}], sandbox)
    assert climb([], sandbox) == []


def _first(source: str, *texts: str) -> list[Any]:
    """The arguments of the calls that are made for a program's last function."""
    tree = ast.parse(source)
    function = tree.body[-1]
    assert isinstance(function, ast.FunctionDef)
    made = alternatives(tree, function, texts)
    return [eval(call) for call in made[0].calls] if made else []


@pytest.mark.parametrize(
    ("hint", "fits"),
    [
        ("int", lambda value: type(value) is int),
        ("float", lambda value: type(value) is float),
        ("str", lambda value: type(value) is str),
        ("bool", lambda value: type(value) is bool),
        ("bytes", lambda value: type(value) is bytes),
        ("'str'", lambda value: type(value) is str),
        ("list[str]", lambda value: type(value) is list and all(type(item) is str for item in value)),
        ("List[List[int]]", lambda value: all(type(item) is list for item in value)),
        ("typing.Sequence[float]", lambda value: all(type(item) is float for item in value)),
        ("dict[str, int]", lambda value: all(type(key) is str and type(item) is int for key, item in value.items())),
        ("tuple[int, str]", lambda value: type(value) is tuple and [type(one) for one in value] == [int, str]),
        ("tuple[int, ...]", lambda value: type(value) is tuple and all(type(one) is int for one in value)),
        ("set[int]", lambda value: type(value) is set),
        ("Optional[int]", lambda value: value is None or type(value) is int),
        ("int | None", lambda value: value is None or type(value) is int),
        ("Union[int, str]", lambda value: type(value) in (int, str)),
        ("Literal['a', 'b']", lambda value: value in ("a", "b")),
    ],
)
def test_type_hints_decide(hint: str, fits: Any):
    calls = _first(f"def f(x: {hint}):\n    return x")
    assert len(calls) >= 2
    assert all(fits(args[0]) for args, _ in calls)


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("def is_palindrome(s): return s == s[::-1]", str),
        ("def f(q): return q.upper()", str),
        ("def f(q): return q % 2 == 0", int),
        ("def f(q):\n    for i in range(q): print(i)", int),
        ("def f(numbers): return max(numbers)", list),
        ("def f(q): return q.items()", dict),
        ("def f(q): return [row[0] for row in q]", list),
    ],
)
def test_names_and_uses_order_the_kinds(source: str, kind: type):
    assert {type(args[0]) for args, _ in _first(source)} == {kind}


def test_examples_are_among_the_inputs_and_shape_the_others():
    calls = _first("data = [(1, 'a')]\ndef f(q):\n    return q\nf(data)\ndef f(q):\n    return q")
    assert ([(1, "a")],) in [args for args, _ in calls]
    assert all(type(item) is tuple and type(item[1]) is str for args, _ in calls for item in args[0])
    shown = _first("def largest(x, y, z):\n    return max(x, y, z)", "Find the largest.", "3, 4, 10")
    assert (3, 4, 10) in [args for args, _ in shown]
    from_text = _first("def f(q):\n    return q", "Write f.\n>>> f({'a': 1.5})\n1", "")
    assert ({"a": 1.5},) in [args for args, _ in from_text]
    named = _first("def f(q):\n    return q", "Reverse.", "arr = ['x', 'y']")
    assert (["x", "y"],) in [args for args, _ in named]


def test_signatures_of_every_shape():
    assert _first("def f():\n    return 1") == [((), {})]
    assert all(set(named) == {"key"} for _, named in _first("def f(a, *, key, other=1):\n    return a"))
    assert max(len(args) for args, _ in _first("def f(*numbers):\n    return sum(numbers)")) > 1
    lengths = {len(args) for args, _ in _first("def f(a, b=2, c=3):\n    return a + b + c")}
    assert lengths == {1, 2, 3}
    assert _first("def f(x: Frame):\n    return x") == []


def test_counts_and_sizes_are_not_negative():
    assert all(args[0] >= 0 for args, _ in _first("def factorial(n: int):\n    return n"))
    assert any(args[0] < 0 for args, _ in _first("def absolute(x: int):\n    return x"))


_SHOW = """
import ast, sys
if sys.argv[1] == "more":
    import evals.report, evals.score, evals.checks, finetune_kit.exercises, json.tool
from evals.inputs import alternatives
tree = ast.parse("def f(a, text: str, rows: list[list[float]], d=1, *more):\\n    return a")
print(alternatives(tree, tree.body[0], ("f(1, 'x', [[2.5]])",)))
"""


def test_inputs_are_the_same_in_every_process(tmp_path):
    # Hypothesis mixes in constants of the modules that are loaded: these inputs must not hang on that.
    told = set()
    for loaded, seed in (("few", "0"), ("more", "1")):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        done = subprocess.run(
            [sys.executable, "-c", _SHOW, loaded],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        told.add(done.stdout)
    assert len(told) == 1
    assert list(tmp_path.iterdir()) == []
