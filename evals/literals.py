"""Values of built-in types as Python source, and source that can be nothing but such a value."""

from __future__ import annotations

import ast
from typing import Any

from evals.parsing import parse_python

_MAX_TEXT = 20_000


def literal(value: Any, depth: int = 0) -> str:
    """Return source that makes an equal value of the same built-in type.

    The text is the same for equal values whatever the hash seed: sets are sorted. It uses no name but
    `frozenset`, so that no program can change what it means. The function stands alone: it is also run inside
    the sandbox, from its source.

    Args:
        value: None, bool, int, float, complex, str, bytes, or a list, tuple, set, frozenset or dict of these; the
            dict types of `collections` count as dicts.
        depth: How deep in the value this is.

    Returns:
        The source, in one line.

    Raises:
        TypeError: If the value, or one inside it, has no such form.

    Examples:
        >>> literal([1.5, float("inf"), {"b", "a"}])
        "[1.5, 1e999, {'a', 'b'}]"
    """
    if depth > 50:
        raise TypeError("nested too deeply")
    kind = type(value)
    if value is None or kind in (bool, int, str, bytes):
        return repr(value)
    if kind is float:
        if repr(value) == "nan":
            return "(1e999-1e999)"
        return {"inf": "1e999", "-inf": "-1e999"}.get(repr(value), repr(value))
    if kind is complex:
        if not abs(value) < 1e999:
            raise TypeError("a complex number that is not finite has no literal form")
        return repr(value)
    if kind is list:
        return "[" + ", ".join([literal(item, depth + 1) for item in value]) + "]"
    if kind is tuple:
        return "(" + ", ".join([literal(item, depth + 1) for item in value]) + ("," if len(value) == 1 else "") + ")"
    if kind in (set, frozenset):
        inner = ", ".join(sorted([literal(item, depth + 1) for item in value]))
        text = "{" + inner + "}" if value else "{*()}"
        return text if kind is set else "frozenset(" + text + ")"
    if kind is dict or (kind.__module__ == "collections" and issubclass(kind, dict)):
        pairs = [literal(key, depth + 1) + ": " + literal(item, depth + 1) for key, item in dict(value).items()]
        return "{" + ", ".join(pairs) + "}"
    raise TypeError("a value of type " + kind.__name__ + " has no literal form")


def is_literal(text: str) -> bool:
    """Whether a text is what `literal` writes and nothing else, so that it can stand in a test as it is.

    Args:
        text: Any text, also from a program that is not trusted.

    Returns:
        True only for the literals of built-in types, up to 20,000 characters.

    Examples:
        >>> is_literal("[1, (2.5, 'a')]"), is_literal("print(1)")
        (True, False)
    """
    if len(text) > _MAX_TEXT or "\n" in text:
        return False
    tree, _ = parse_python(text)
    if tree is None or len(tree.body) != 1 or not isinstance(tree.body[0], ast.Expr):
        return False
    return all(_is_plain(node) for node in ast.walk(tree))


_PLAIN = (
    ast.Module | ast.Expr | ast.Constant | ast.List | ast.Tuple | ast.Set | ast.Dict | ast.Load | ast.USub | ast.Add
) | ast.Sub


def _is_plain(node: ast.AST) -> bool:
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant)
    if isinstance(node, ast.BinOp):  # 1+2j, and the difference that stands for not-a-number
        return all(isinstance(side, ast.Constant | ast.UnaryOp) for side in (node.left, node.right))
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and len(node.args) == 1 and not node.keywords
    if isinstance(node, ast.Name):
        return node.id == "frozenset"
    if isinstance(node, ast.Starred):
        return isinstance(node.value, ast.Tuple) and not node.value.elts
    if isinstance(node, ast.Dict):
        return None not in node.keys
    return isinstance(node, _PLAIN)
