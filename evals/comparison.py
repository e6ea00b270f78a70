"""Whether a value is the one that was expected: the comparison that rendered tests carry with them."""

from __future__ import annotations

import ast
import builtins
import inspect
from functools import cache
from typing import Any

from evals.parsing import parse_python


def matches_(actual: Any, expected: Any, tolerance: float = 0.0, tuples_too: bool = True) -> bool:
    """Compare two values of built-in types.

    Numbers compare as Python's `==` does (1 equals 1.0), but True is no number and 1 is no bool; not-a-number
    equals itself. Everything else must have the expected type exactly. The function stands alone: its source is
    put in front of the tests that use it.

    Args:
        actual: What the program gave.
        expected: What it should have given.
        tolerance: How far numbers may be apart, absolutely for expected values up to 1, relatively above.
        tuples_too: Whether a tuple meets an expected list, since JSON has no tuples.

    Returns:
        Whether they match.

    Examples:
        >>> matches_(2, 2.0), matches_(True, 1), matches_(0.1 + 0.2, 0.3), matches_(0.1 + 0.2, 0.3, 1e-9)
        (True, False, False, True)
    """
    kind = type(expected)
    if kind in (int, float, complex):
        if type(actual) not in (int, float, complex):
            return False
        if actual == expected or repr(actual) == repr(expected) == "nan":
            return True
        if not tolerance or not (abs(actual) < 1e300 and abs(expected) < 1e300):
            return False
        return bool(abs(actual - expected) <= tolerance * max(1.0, abs(expected)))
    if kind is dict and isinstance(actual, dict) and type(actual).__module__ == "collections":
        actual = dict(actual)
    if type(actual) is not kind and not (tuples_too and kind is list and type(actual) is tuple):
        return False
    if kind in (list, tuple):
        if len(actual) != len(expected):
            return False
        return all(matches_(one, other, tolerance, tuples_too) for one, other in zip(actual, expected, strict=True))
    if kind is dict:
        if len(actual) != len(expected):
            return False
        return all(key in actual and matches_(actual[key], expected[key], tolerance, tuples_too) for key in expected)
    return bool(actual == expected)


def assertion(call: str, expected: str, tolerance: float = 0.0, tuples_too: bool = True) -> str:
    """Write the assert line that compares what a call gives; `preamble` must stand before it.

    Args:
        call: The call, as source.
        expected: The value it must give, as source.
        tolerance: As in `matches_`.
        tuples_too: As in `matches_`.

    Returns:
        One line.
    """
    settings = [repr(tolerance)] if tolerance or not tuples_too else []
    settings += [] if tuples_too else ["False"]
    return f"assert matches_({', '.join([call, expected, *settings])})"


def in_words(detail: str) -> str:
    """Say what a failed `assertion` means.

    Args:
        detail: A verdict's detail.

    Returns:
        The call and the value it must give; the detail itself if it is something else.

    Examples:
        >>> in_words("assert matches_(add(1, 2), 3)")
        'add(1, 2) must give 3'
    """
    tree, _ = parse_python(detail)
    match tree:
        case ast.Module(body=[ast.Assert(test=ast.Call(func=ast.Name(id="matches_"), args=[call, expected, *_]))]):
            return f"{ast.unparse(call)} must give {ast.unparse(expected)}"
    return detail


def preamble(entry_point: str) -> tuple[str, str]:
    """Return what stands before assertions, and the name to call the entry point by.

    In tests, Python's own names come before the program's. A program that defines a `len` of its own thus cannot
    change what `matches_` means; one that is asked to define `len` is called by another name.

    Args:
        entry_point: A dotted name in the program, perhaps with calls: `add`, `Stack().push`.

    Returns:
        Source that ends with a newline, and the name.
    """
    root, dot, rest = entry_point.partition(".")
    name, call, _ = root.partition("(")
    if not hasattr(builtins, name):
        return _source_of_matches(), entry_point
    return (
        f"from solution import {name} as {name}_\n{_source_of_matches()}",
        f"{name}_{'()' if call else ''}{dot}{rest}",
    )


@cache
def _source_of_matches() -> str:
    """The source of `matches_` without its docstring and annotations."""
    tree = ast.parse(inspect.getsource(matches_))
    function = tree.body[0]
    assert isinstance(function, ast.FunctionDef)
    function.body = function.body[1:]
    function.returns = None
    for argument in function.args.args:
        argument.annotation = None
    return ast.unparse(tree) + "\n"
