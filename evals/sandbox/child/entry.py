"""Which of Python's own names the tests expect the program to define.

What the tests call `all` or `sorted` is Python's, whatever the program defines, or it could redefine how it is judged.
A task may be to write such a function, though: then every check of the tests is about what it answers.
"""

import builtins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from evals.sandbox.child import asserting, names
else:
    import asserting
    import names

_PROGRAM = "solution"
_WAYS_TO_ANY_NAME = ("globals", "locals", "vars", "eval", "exec", "getattr", "__import__", "importlib", "sys")
_ALIASES = {"np": "numpy"}
_NEVER = ("__build_class__", "__import__", "__name__", "__debug__", "super", "__builtins__")


def tested_builtins(tests: str, defined: "set[str]") -> "list[str]":
    """Return the built-in names that mean the program's.

    None does if the tests use anything else of the program, and one does if nothing else of it is used at all. Several
    do if every check (an `assert`, or a call of `self.assertEqual` and the like) is about the answer of one of them:
    the left side of the comparison, or what is asked to be true, is a call of it, perhaps inside Python's own `list`,
    `len` and the like, whose arguments hold no calls, comparisons and loops. They thus never get an answer of the
    program to judge. A function `check` of the tests that is given the name is as good.

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
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    candidates = [name for name in candidates if name in used]
    if len(candidates) == 1:
        return candidates
    handed = {name for name in map(_handed_over, ast.walk(tree)) if name}
    subjects = [_subject(node) for node in ast.walk(tree) if asserting.is_check(node)]
    asked = [next((name for name in candidates if _asks_for(name, subject)), "") for subject in subjects]
    return [name for name in candidates if handed == {name} or (name in asked and all(asked))]


def _uses_others(tree: "Any", defined: "set[str]") -> bool:
    """Say whether the tests use something else of the program, which a name could then be asked to judge."""
    import ast

    found = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    if any(node.id in _WAYS_TO_ANY_NAME for node in found) or any(map(_imports_program, ast.walk(tree))):
        return True
    own = {node.id for node in found if not isinstance(node.ctx, ast.Load)}
    made = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    own |= {node.name for node in ast.walk(tree) if isinstance(node, made)}
    return any(node.id in defined and node.id not in own and node.id not in vars(builtins) for node in found)


def _imports_program(node: "Any") -> bool:
    """Say whether a statement imports the program, or a name of it, which then is the tests' own."""
    import ast

    if isinstance(node, ast.ImportFrom):
        return node.module == _PROGRAM and any(part.name != "*" for part in node.names)
    return isinstance(node, ast.Import) and any(part.name == _PROGRAM for part in node.names)


def module_meant(tests: str, name: str) -> "Any":
    """Return the module of the library that the tests mean by a name of the program; None if they mean something else.

    Tests lean on the program's imports. What is called `math`, and is used for what `math` has, is to be that module:
    another thing of that name would compute what the answers are compared with.

    Args:
        tests: The tests' code, known to compile.
        name: A global name of the program.
    """
    import ast
    import sys

    real = _ALIASES.get(name, name)
    if not names.is_pure_module(real):
        return None
    nodes = [*ast.walk(ast.parse(tests))]
    read = [node.attr for node in nodes if isinstance(node, ast.Attribute) and _is_name(node.value, name)]
    if not read or len(read) < sum(_is_name(node, name) for node in nodes):
        return None  # It is called, or used as no module is.
    try:
        __import__(real)
    except ImportError:
        return None
    return sys.modules[real] if all(hasattr(sys.modules[real], attribute) for attribute in read) else None


def _is_name(node: "Any", name: str) -> bool:
    import ast

    return isinstance(node, ast.Name) and node.id == name


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
