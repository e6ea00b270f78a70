"""Every error message that the packages can give, read from their source."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path

CLASSES = {"KitError": 0, "EvalError": 0, "Problem": 1}
"""What messages are made with, and which argument is the text."""


@dataclass(frozen=True)
class Message:
    """A message, with `{name}` where a value stands.

    Attributes:
        error: The exception's class.
        text: What it says.
    """

    error: str
    text: str


def messages_of(path: Path) -> list[Message]:
    """The messages of a module in their order, each once; those that are made elsewhere are left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found: dict[Message, None] = {}
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    for function in functions:
        # Also errors that are made and handed on, to be raised by another.
        for call in (node for node in ast.walk(function) if isinstance(node, ast.Call)):
            number = CLASSES.get(call.func.id) if isinstance(call.func, ast.Name) else None
            if number is not None and len(call.args) > number:
                text = _text(call.args[number], _named(function, call.lineno))
                if _says_something(text):
                    error = "KitError" if call.func.id == "Problem" else call.func.id
                    found[Message(error, " ".join(text.split()))] = None
    return list(found)


def _named(function: ast.FunctionDef, line: int) -> dict[str, ast.expr]:
    """What names stand for at a line: what was last put into them above it."""
    assigned = [
        node for node in ast.walk(function) if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    ]
    above = sorted((node for node in assigned if node.lineno < line), key=lambda node: node.lineno)
    return {node.targets[0].id: node.value for node in above}


def all_messages(root: Path) -> dict[str, list[Message]]:
    """The messages of all modules that have any, by module.

    Args:
        root: The repository.
    """
    found = {}
    for package in ("finetune_kit", "evals"):
        for path in sorted((root / package).rglob("*.py")):
            if messages := messages_of(path):
                name = ".".join(path.relative_to(root).with_suffix("").parts)
                found[name.removesuffix(".__init__")] = messages
    return found


def markdown(root: Path) -> str:
    """The messages as MyST: a heading for each module, a list of what it says."""
    lines = []
    for module, messages in all_messages(root).items():
        lines += [f"## `{module}`", ""]
        summary = ast.get_docstring(ast.parse(_file(root, module).read_text(encoding="utf-8")))
        if summary:
            lines += [summary.split("\n\n")[0].replace("\n", " "), ""]
        lines += [*(f"- {_literal(message.text)}" for message in messages), ""]
    return "\n".join(lines)


def _file(root: Path, module: str) -> Path:
    path = root.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _literal(text: str) -> str:
    """As code, in a fence longer than any run of backticks in it."""
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def _says_something(text: str) -> bool:
    return len(re.sub(r"\{.*?\}", "", text).strip(" :.")) > 8


def _text(node: ast.expr, named: dict[str, ast.expr]) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part, named) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        return "{" + _name(node.value) + "}"
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _text(node.left, named) + _text(node.right, named)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and not node.args:
        return _text(node.func.value, named)  # such as .rstrip() of a text
    if isinstance(node, ast.Name) and isinstance(named.get(node.id), ast.Constant | ast.JoinedStr):
        return _text(named[node.id], named)
    return "{" + _name(node) + "}"


def _name(node: ast.expr) -> str:
    """A short name for a value: the last name in the expression that makes it."""
    if isinstance(node, ast.Name):
        return node.id.strip("_")
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Subscript):
        return _name(node.value)
    if isinstance(node, ast.Call):
        if not node.args and isinstance(node.func, ast.Attribute):
            return _name(node.func.value)
        return _name(node.args[-1] if node.args else node.func)
    if isinstance(node, ast.BinOp):
        return _name(node.left)
    if isinstance(node, ast.GeneratorExp | ast.ListComp):
        return _name(node.generators[0].iter)
    if isinstance(node, ast.IfExp):
        return _name(node.body)
    return "value"
