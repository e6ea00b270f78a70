"""Which of Python's own names the tests expect the program to define.

What the tests call `all` or `sorted` is Python's, whatever the program defines, or it could redefine how it is judged.
A task may be to write such a function, though: then every check of the tests is about what it answers.
"""

import builtins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_NEVER = ("__build_class__", "__import__", "__name__", "__debug__", "super", "__builtins__")


def tested_builtins(tests: str, defined: "set[str]") -> "list[str]":
    """Return the built-in names that mean the program's.

    A name does if every check (an `assert`, or a call of `self.assertEqual` and the like) is about its answer: the left
    side of the comparison, or what is asked to be true, is a call of it, perhaps inside Python's own `list`, `len` and
    the like, whose arguments hold no calls, comparisons and loops. It thus never gets an answer of the program to
    judge. A function `check` of the tests that is given the name is as good.

    Args:
        tests: The tests' code, known to compile.
        defined: The program's functions and classes.
    """
    candidates = [name for name in defined if name in vars(builtins) and name not in _NEVER]
    if not candidates:
        return []
    import ast

    tree = ast.parse(tests)
    if _uses_others(tree, defined):
        return []
    handed = {name for name in map(_handed_over, ast.walk(tree)) if name}
    subjects = [_subject(node) for node in ast.walk(tree) if _is_check(node)]
    return [
        name
        for name in candidates
        if handed == {name} or (subjects and all(_asks_for(name, subject) for subject in subjects))
    ]


def _uses_others(tree: "Any", defined: "set[str]") -> bool:
    """Say whether the tests use something else of the program, which a name could then be asked to judge."""
    import ast

    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    own = {node.id for node in names if not isinstance(node.ctx, ast.Load)}
    made = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    own |= {node.name for node in ast.walk(tree) if isinstance(node, made)}
    return any(node.id in defined and node.id not in own and node.id not in vars(builtins) for node in names)


def _is_check(node: "Any") -> bool:
    import ast

    if isinstance(node, ast.Assert):
        return True
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr.startswith("assert")


def _subject(node: "Any") -> "Any":
    """Return the expression that a check is about."""
    import ast

    if isinstance(node, ast.Call):
        return node.args[0] if node.args else None
    found = node.test
    if isinstance(found, ast.UnaryOp) and isinstance(found.op, ast.Not):
        found = found.operand
    return found.left if isinstance(found, ast.Compare) else found


def _asks_for(name: str, node: "Any") -> bool:
    import ast

    while isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        if node.func.id == name:
            inside = [part for argument in (*node.args, *node.keywords) for part in ast.walk(argument)]
            return not any(isinstance(part, (ast.Call, ast.Compare, ast.comprehension)) for part in inside)
        if not (node.func.id in vars(builtins) and node.args):
            return False
        node = node.args[0]
    return False


def _handed_over(node: "Any") -> str:
    """Return the name that a call `check(name)` hands over."""
    import ast

    is_check = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "check"
    if is_check and len(node.args) == 1 and isinstance(node.args[0], ast.Name):
        return node.args[0].id
    return ""
