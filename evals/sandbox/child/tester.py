"""What happens in the process of the tests: it calls the program, and decides.

It never runs a line of the program, and the program's process has no way to it but the values that it answers.
"""

import builtins
import json
import os
import sys
from types import ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from evals.sandbox.child import candidate, peer, remote
else:
    import candidate
    import peer
    import remote

_FILE = "tests.py"
_MAX_DETAIL = 2000
_NEVER_OURS = ("__build_class__", "__import__", "__name__", "__debug__", "super")


class Outcome:
    """What the tests found: a status, a line of theirs (0 if none) and a detail."""

    __slots__ = ("detail", "line", "status")

    def __init__(self, status: str, line: int = 0, detail: str = "") -> None:
        self.status = status
        self.line = line
        self.detail = detail


class _Names(dict):  # type: ignore[type-arg]
    """Python's own names, then the program's.

    The tests' own names come before both. What the program calls `all` or `isinstance` thus does not take the place of
    what the tests mean by it, unless it is what they test.
    """

    def __init__(self, talk: "peer.Peer", program: "_Program") -> None:
        super().__init__(vars(builtins))
        self._program = program

    def __missing__(self, name: str) -> "Any":
        return self._program.value_of(name)


class _Program(ModuleType):
    """The program as a module, for tests that import it."""

    def __init__(self, talk: "peer.Peer", names: "list[str]", made: "list[str]") -> None:
        super().__init__(candidate.MODULE)
        self.__dict__["__all__"] = [name for name in names if not name.startswith("_")]
        self.__dict__["_talk"] = talk
        self.__dict__["_made"] = set(made)
        self.__dict__["_known"] = {}

    def value_of(self, name: str) -> "Any":
        """Return the value of one of the program's global names.

        Raises:
            KeyError: If it has no such name.
        """
        if name in self._known:
            return self._known[name]
        there, value = remote.pair_of(self._talk, self._talk.ask("global", name))
        if not there:
            raise KeyError(name)
        remote.mark_if_class(value, name)
        if name in self._made:
            self._known[name] = value
        return value

    def __getattr__(self, name: str) -> "Any":
        try:
            return self.value_of(name)
        except KeyError:
            raise AttributeError(f"module {candidate.MODULE!r} has no attribute {name!r}") from None

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("the tests cannot change the program's names")


def become(tests: str, kind: str, channel: int, report: int) -> "NoReturn":
    """Run tests against a program, write what they found, and end; never returns.

    Args:
        tests: Python code, or text that holds examples of an interactive session.
        kind: `asserts` or `doctest`.
        channel: The socket to the program.
        report: The descriptor that the outcome is written to: eight bytes for its length, then a JSON object.
    """
    talk = peer.Peer(channel, judges=True)
    try:
        outcome = _outcome(tests, kind, talk)
    except BaseException as error:
        outcome = Outcome("harness_error", 0, f"the tests could not be run: {candidate.last_line(error)}")
    told = {
        "status": outcome.status,
        "line": outcome.line,
        "detail": outcome.detail[:_MAX_DETAIL],
        "relied_on_program": talk.relied_on_program,
    }
    data = json.dumps(told).encode()
    os.write(report, len(data).to_bytes(8) + data)
    os._exit(0)


def _outcome(tests: str, kind: str, talk: "peer.Peer") -> Outcome:
    try:
        compiled = compile(tests, _FILE, "exec", dont_inherit=True) if kind == "asserts" else None
        talk.expects_stop = lambda frame: _catches_stop(tests, frame)
        examples = _examples(tests) if kind == "doctest" else []
    except BaseException as error:
        return Outcome("harness_error", 0, f"the row's tests do not compile: {candidate.last_line(error)}")
    try:
        told, value = talk.hear()
        if told == peer.FAILED:
            status, detail = map(str, value)
            known = status in (
                "syntax_error",
                "exception",
                "exited_early",
                "out_of_memory",
                "missing_dependency",
                "forbidden",
            )
            return Outcome(status if known else "exited_early", 0, detail)
        names, made = value
        program = _Program(talk, [str(name) for name in names], [str(name) for name in made])
    except peer.Lost as error:
        return Outcome("exited_early", 0, str(error))
    except (TypeError, ValueError):
        return Outcome("exited_early", 0, "it broke off its talk with the tests")
    known_names = _Names(talk, program)
    for name in _tested_builtins(tests, set(made)) if kind == "asserts" else ():
        del known_names[name]
    sys.modules[candidate.MODULE] = program
    main = ModuleType("__main__")
    sys.modules["__main__"] = main
    scope = main.__dict__
    scope["__builtins__"] = known_names
    try:
        if compiled is not None:
            exec(compiled, scope)
        else:
            failed = _run_examples(examples, scope, talk)
            if failed is not None and talk.failure is None:
                return failed
    except BaseException as error:
        return _meaning(talk.failure or error)
    failure = talk.failure or talk.failed_assertion
    if failure is not None:
        return _meaning(failure)
    if any(_asserts(function) for function in talk.handed_over.values()):
        talk.relied_on_program = True
    return Outcome("passed")


def _catches_stop(tests: str, frame: "Any") -> bool:
    """Say whether a frame of the tests expects StopIteration where it is: in a `try` or a `with` that names it."""
    import ast

    if frame.f_code.co_filename != _FILE:
        return False
    line = frame.f_lineno
    for node in ast.walk(ast.parse(tests)):
        if isinstance(node, ast.Try):
            body, named = node.body, [handler.type for handler in node.handlers if handler.type]
        elif isinstance(node, ast.With):
            body, named = node.body, [item.context_expr for item in node.items]
        else:
            continue
        # A function that is defined there runs elsewhere.
        inside = any(part.lineno <= line <= (part.end_lineno or line) and not _defines(part) for part in body)
        if inside and any(
            isinstance(part, ast.Name) and part.id == "StopIteration" for one in named for part in ast.walk(one)
        ):
            return True
    return False


def _defines(node: "Any") -> bool:
    import ast

    makers = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.GeneratorExp)
    return any(isinstance(part, makers) for part in ast.walk(node))


def _asserts(function: "Any") -> bool:
    """Say whether a function holds an assertion."""
    from dis import get_instructions

    return any(instruction.opname == "LOAD_ASSERTION_ERROR" for instruction in get_instructions(function))


def _tested_builtins(tests: str, made: "set[str]") -> "list[str]":
    """Return the names of Python's own that the program is asked to define: every assertion calls them.

    Args:
        tests: The tests' code.
        made: The program's functions and classes.
    """
    shared = [name for name in made if name in vars(builtins) and name not in _NEVER_OURS]
    if not shared:
        return []
    import ast

    assertions = [node for node in ast.walk(ast.parse(tests)) if isinstance(node, ast.Assert)]
    called = [_called_for_the_answer(assertion) for assertion in assertions]
    return [name for name in shared if called and all(name == one for one in called)]


def _called_for_the_answer(assertion: "Any") -> str:
    """Return the function whose answer an assertion is about: `f` in `assert f(x) == 3`.

    One that is given an answer to judge, as `all` is in `assert all(f(x) for x in xs)`, is not asked for.
    """
    import ast

    node = assertion.test
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        node = node.operand
    if isinstance(node, ast.Compare):
        node = node.left
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
        return ""
    inside = [part for argument in (*node.args, *node.keywords) for part in ast.walk(argument)]
    if any(isinstance(part, (ast.Call, ast.comprehension)) for part in inside):
        return ""
    return node.func.id


def _meaning(error: BaseException) -> Outcome:
    """Say what an exception means that ended the tests, by its kind and by where it was raised."""
    line, innermost, trace = 0, "", error.__traceback__
    while trace is not None:
        innermost = trace.tb_frame.f_code.co_filename
        if innermost == _FILE:
            line = trace.tb_lineno
        trace = trace.tb_next
    if isinstance(error, peer.Lost):
        return Outcome("exited_early", line, str(error))
    if isinstance(error, peer.Refused):
        return Outcome("unsupported_type", line, str(error))
    if isinstance(error, peer.Oversized):
        return Outcome("output_limit", line, str(error))
    if remote.is_from_there(error):
        return Outcome(candidate.status_of(error), line, candidate.last_line(error))
    if isinstance(error, AssertionError):
        return Outcome("wrong_answer", line, _text(error))
    if isinstance(error, SystemExit):
        # The tests' own, as `unittest.main()` ends.
        return Outcome("wrong_answer" if error.code else "passed", line, "the tests ended with a failure")
    undefined = type(error) is NameError and innermost == _FILE
    if undefined or (isinstance(error, (ImportError, AttributeError)) and f"'{candidate.MODULE}'" in _text(error)):
        return Outcome("missing_entry_point", line, candidate.last_line(error))
    return Outcome(candidate.status_of(error), line, candidate.last_line(error))


def _text(error: BaseException) -> str:
    try:
        return str(error)[:_MAX_DETAIL]
    except BaseException:
        return "(its text cannot be made)"


def _examples(tests: str) -> "list[Any]":
    from doctest import DocTestParser

    return DocTestParser().get_examples(tests, _FILE)


def _run_examples(examples: "list[Any]", scope: "dict[str, Any]", talk: "peer.Peer") -> "Outcome | None":
    """Run examples of an interactive session; return how the first one fails."""
    from doctest import OutputChecker
    from io import StringIO
    from traceback import format_exception_only

    checker, shown = OutputChecker(), sys.displayhook

    def display(value: "Any") -> None:
        sys.stdout.write(str(talk.ask("printed")))
        shown(value)

    sys.displayhook = display
    talk.ask("printed")
    for example in examples:
        flags = sum(flag for flag, on in example.options.items() if on)
        sys.stdout = StringIO()
        raised = ""
        try:
            exec(compile(example.source, _FILE, "single", dont_inherit=True), scope)
        except Exception as error:
            if talk.failure is not None:
                raise
            if example.exc_msg is None:
                return _meaning_in_example(error, example.lineno + 1)
            raised = format_exception_only(error)[-1]
        sys.stdout.write(str(talk.ask("printed")))
        wanted, got = (
            (example.exc_msg, raised) if example.exc_msg is not None else (example.want, sys.stdout.getvalue())
        )
        if not checker.check_output(wanted, got, flags):
            told = f"{example.source.strip()}: expected {wanted.strip()!r}, got {got.strip()!r}"
            return Outcome("wrong_answer", example.lineno + 1, told)
    return None


def _meaning_in_example(error: Exception, line: int) -> Outcome:
    outcome = _meaning(error)
    outcome.line = line
    return outcome
