"""Checks on the rows themselves: a reference must pass its own tests, and a stub must not.

A test that a function of no content passes is called vacuous: it would call any answer right.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evals.checks import Check, NoTests, Program, SandboxLike, check_of, judge_many
from evals.languages import detect_language
from evals.parsing import parse_python

_ECHO = "import sys\nsys.stdout.write(sys.stdin.read())\n"
_FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Finding:
    """One row that a check found something about.

    Attributes:
        row_id: The row.
        reason: What was found.
    """

    row_id: Any
    reason: str


@dataclass(frozen=True)
class DataChecks:
    """What the checks found.

    Attributes:
        checked: How many rows have tests that were run.
        failed: Rows whose reference does not pass its own tests; they should be left out.
        vacuous: Rows whose tests a stub passes.
        not_judged: Rows that could not be checked: the sandbox failed, or the reference is in another language.
        without_tests: Rows that have no tests to check.
    """

    checked: int
    failed: tuple[Finding, ...] = ()
    vacuous: tuple[Finding, ...] = ()
    not_judged: tuple[Finding, ...] = ()
    without_tests: tuple[Any, ...] = ()

    @property
    def unusable(self) -> frozenset[Any]:
        """The ids of the rows to leave out: a failing reference, or no judgement."""
        return frozenset(finding.row_id for finding in (*self.failed, *self.not_judged))


def check_data(
    rows: Sequence[Mapping[str, Any]],
    sandbox: SandboxLike,
    progress: Callable[[int, int], None] | None = None,
) -> DataChecks:
    """Run each row's tests against its reference and against stubs made from it, all in one batch.

    Args:
        rows: Rows with `row_id`, `output` and the keys that `evals.checks.check_of` reads.
        sandbox: A `Sandbox`.
        progress: Called with the number of runs done and the number in all.

    Returns:
        What was found. Rows without tests are listed, not checked.

    Raises:
        EvalError: If a row's tests are malformed, or the sandbox cannot run here.
    """
    without: list[Any] = []
    not_judged: list[Finding] = []
    items: list[tuple[Check, str]] = []
    owners: list[tuple[Any, str]] = []
    for row in rows:
        check, row_id, reference = check_of(row), row.get("row_id"), str(row.get("output") or "")
        if isinstance(check, NoTests):
            without.append(row_id)
            continue
        language = detect_language(reference)
        if language.is_other_program and language.confidence >= 0.5:
            not_judged.append(Finding(row_id, f"the reference is written in {language.name}, which is not run here"))
            continue
        items.append((check, reference))
        owners.append((row_id, "reference"))
        for name, stub in stubs_of(reference, check).items():
            items.append((check, stub))
            owners.append((row_id, name))
    failed: list[Finding] = []
    passed_by: dict[Any, list[str]] = {}
    for (row_id, name), verdict in zip(owners, judge_many(items, sandbox, progress), strict=True):
        if name != "reference":
            if verdict.passed:
                passed_by.setdefault(row_id, []).append(name)
        elif verdict.status in ("harness_error", "inconclusive"):
            not_judged.append(Finding(row_id, f"{verdict.status.replace('_', ' ')}: {verdict.detail}"))
        elif not verdict.passed:
            reason = f"{verdict.status.replace('_', ' ')}: {verdict.detail}".rstrip(": ")
            failed.append(Finding(row_id, reason))
    unusable = {finding.row_id for finding in (*failed, *not_judged)}
    vacuous = [
        Finding(row_id, f"the tests pass with {' and with '.join(names)}")
        for row_id, names in passed_by.items()
        if row_id not in unusable
    ]
    checked = sum(name == "reference" for _, name in owners)
    return DataChecks(checked, tuple(failed), tuple(vacuous), tuple(not_judged), tuple(without))


def stubs_of(reference: str, check: Check) -> dict[str, str]:
    """Make programs of no content that have the reference's functions and classes.

    Args:
        reference: A program.
        check: What judges it: a whole program gets stubs that print nothing and that print their input.

    Returns:
        Programs by what they do, in words.

    Examples:
        >>> from evals.checks import AssertTests
        >>> list(stubs_of("def f(x): return x * 2", AssertTests("assert f(0) == 0")).values())
        ['def f(x):\\n    pass', 'def f(x):\\n    return x']
    """
    if isinstance(check, Program):
        return {"a program that does nothing": "pass\n", "a program that prints its input": _ECHO}
    tree, _ = parse_python(reference)
    if tree is None:
        return {"an empty program": "pass\n"}
    return {
        "functions that do nothing": _stub(tree, lambda function, method: [ast.Pass()]),
        "functions that return their first argument": _stub(tree, _returns_first),
    }


def _stub(tree: ast.Module, body_of: Callable[[_FUNCTION, bool], list[ast.stmt]]) -> str:
    """The program with other bodies; of what it runs only imports and assignments of literals stay."""
    copy = ast.parse(ast.unparse(tree))
    copy.body = [node for node in copy.body if _stays(node)] or [ast.Pass()]
    for node in copy.body:
        _empty(node, body_of, in_class=False)
    return ast.unparse(ast.fix_missing_locations(copy))


def _stays(node: ast.stmt) -> bool:
    if isinstance(node, ast.Assign | ast.AnnAssign):
        return node.value is None or all(not isinstance(inner, ast.Call) for inner in ast.walk(node.value))
    return isinstance(node, ast.Import | ast.ImportFrom | ast.ClassDef | _FUNCTION)


def _empty(node: ast.stmt, body_of: Callable[[_FUNCTION, bool], list[ast.stmt]], in_class: bool) -> None:
    if isinstance(node, _FUNCTION):
        method = in_class and not any(
            isinstance(one, ast.Name) and one.id == "staticmethod" for one in node.decorator_list
        )
        node.body = body_of(node, method)
    elif isinstance(node, ast.ClassDef):
        for inner in node.body:
            _empty(inner, body_of, in_class=True)


def _returns_first(function: _FUNCTION, method: bool) -> list[ast.stmt]:
    if function.name == "__init__":
        return [ast.Pass()]
    names = [one.arg for one in (*function.args.posonlyargs, *function.args.args)][1 if method else 0 :]
    value: ast.expr = ast.Name(names[0], ast.Load()) if names else ast.Constant(0)
    return [ast.Return(value)]
