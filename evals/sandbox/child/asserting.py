"""Which parts of the tests check something, and whether a check was passed over."""

from types import CodeType, CoroutineType, FunctionType, GeneratorType, MethodType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any


def is_check(node: "Any") -> bool:
    """Say whether a node of a syntax tree is an `assert`, or a call of `self.assertEqual` and the like."""
    import ast

    if isinstance(node, ast.Assert):
        return True
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr.startswith("assert")


class Checks:
    """Where the checks of the tests stand, found when first asked for."""

    def __init__(self, tests: str, file: str) -> None:
        """Take the tests' code, known to compile, and the name that it was compiled under."""
        self._tests = tests
        self._file = file
        self._lines: set[int] | None = None
        self._blocks: list[range] = []

    def let_through(self, error: BaseException) -> bool:
        """Say whether an exception came out of a check, by its traceback so far."""
        trace = error.__traceback__
        while trace is not None:
            code = trace.tb_frame.f_code
            # What a check hands over, such as a lambda, is on its lines but no part of it.
            is_part = code.co_name[0] != "<" or code.co_name == "<module>"
            if code.co_filename == self._file and is_part and trace.tb_lineno in self._all_lines():
                return True
            trace = trace.tb_next
        return False

    def are_skipped_by(self, error: BaseException) -> bool:
        """Say whether checks come after the place in a `with` block of the tests where an exception left it."""
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename != self._file:
            trace = trace.tb_next
        if trace is None:
            return False
        line, checks = trace.tb_lineno, self._all_lines()
        return any(line in block and any(at in block for at in checks if at > line) for block in self._blocks)

    def _all_lines(self) -> "set[int]":
        if self._lines is None:
            import ast

            nodes: list[Any] = [*ast.walk(ast.parse(self._tests))]
            self._lines = {at for node in nodes if is_check(node) for at in range(node.lineno, node.end_lineno + 1)}
            blocks: list[Any] = [node for node in nodes if isinstance(node, (ast.With, ast.AsyncWith))]
            self._blocks = [range(node.lineno, node.end_lineno + 1) for node in blocks]
        return self._lines


def were_passed_over(values: "Iterable[Any]", scope: "dict[str, Any]") -> bool:
    """Say whether something of the tests, of which nobody has made use, would have checked something.

    Args:
        values: Functions and other objects that were given away.
        scope: The tests' global names.
    """
    seen: set[int] = set()
    return any(_checks_something(part, scope, seen) for value in values for part in _parts_of(value))


def _parts_of(value: "Any") -> "list[Any]":
    """Return the functions of an object, or the code that it runs."""
    kind = type(value)
    if kind is CoroutineType:
        return [value.cr_code]
    if kind is GeneratorType:
        return [value.gi_code]
    if kind is FunctionType:
        return [value]
    if kind is MethodType:
        return [value.__func__]
    if kind.__module__ == "functools" and kind.__name__ == "partial":
        return _parts_of(value.func)
    if isinstance(value, type):
        return [one for one in vars(value).values() if type(one) is FunctionType]
    return [one for one in (vars(kind).get("__call__"),) if type(one) is FunctionType]


def _checks_something(part: "Any", scope: "dict[str, Any]", seen: "set[int]") -> bool:
    """Say whether a function or its code holds a check, or uses a function of the tests that does."""
    from dis import get_instructions

    code = part if type(part) is CodeType else part.__code__
    key = id(part) if code.co_freevars else id(code)  # A function made again and again is looked at once.
    if key in seen:
        return False
    seen.add(key)
    if any(instruction.opname == "LOAD_ASSERTION_ERROR" for instruction in get_instructions(code)):
        return True
    if any(name.lower().startswith("assert") for name in code.co_names):
        return True
    inner: list[Any] = [one for one in code.co_consts if type(one) is CodeType]
    inner += [scope[name] for name in code.co_names if type(scope.get(name)) is FunctionType]
    if type(part) is FunctionType:
        inner += [one for one in map(_content, part.__closure__ or ()) if type(one) is FunctionType]
    return any(_checks_something(one, scope, seen) for one in inner)


def _content(cell: "Any") -> "Any":
    try:
        return cell.cell_contents
    except ValueError:  # Still empty.
        return None
