"""Whether a value is the one that was expected: the comparison that rendered tests carry with them."""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any


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


@cache
def source_of_matches() -> str:
    """Return the source of `matches_` without its docstring and annotations, to stand in front of tests.

    Returns:
        Python source that ends with a newline.
    """
    import ast

    tree = ast.parse(inspect.getsource(matches_))
    function = tree.body[0]
    assert isinstance(function, ast.FunctionDef)
    function.body = function.body[1:]
    function.returns = None
    for argument in function.args.args:
        argument.annotation = None
    return ast.unparse(tree) + "\n"
