"""What happens in the process of the tests: it calls the program, and decides.

It never runs a line of the program, and the program's process has no way to it but the values that it answers.
"""

import builtins
import os
import sys
from types import ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from evals.sandbox.child import asserting, candidate, class_standin, entry, examples, peer, states, streams
else:
    import asserting
    import candidate
    import class_standin
    import entry
    import examples
    import peer
    import states
    import streams

_FILE = examples.FILE
# Functions of the library that compare or compute what to compare with; tests may lean on a program that imports them.
_JUDGES = ("isclose", "allclose", "array_equal", "Counter", "fabs", "sqrt", "deepcopy", "np")
_FAILURES = ("syntax_error", "exception", "exited_early", "out_of_memory", "missing_dependency")


class Outcome:
    """What the tests found.

    Attributes:
        status: The status of a verdict.
        line: The line of the tests that failed; 0 if none.
        detail: What there is to say.
    """

    __slots__ = ("detail", "line", "status")

    def __init__(self, status: str, line: int = 0, detail: str = "") -> None:
        self.status = status
        self.line = line
        self.detail = detail


class _Program(ModuleType):
    """The program as a module: its names are looked up over there."""

    def __init__(
        self, talk: "peer.Peer", kinds: "dict[str, bool]", shown: "list[str]", scope: "dict[str, Any]", tests: str
    ) -> None:
        super().__init__(candidate.MODULE)
        vars(self).update(_talk=talk, _kinds=kinds, _known={}, _shown=shown, _scope=scope, _tests=tests)

    def value_of(self, name: str) -> "Any":
        """Return the value of one of the program's global names.

        Raises:
            KeyError: If it has no such name.
        """
        if name in self._known:
            return self._known[name]
        answer = self._talk.ask("global", name)
        if type(answer) is not tuple or len(answer) != 2 or answer[0] is not True:
            raise KeyError(name)
        value = answer[1]
        if states.is_stand_in(value):
            value = entry.module_meant(self._tests, name) or value
            if name in _JUDGES and len(self._kinds) > 1:
                self._talk.relied_on_program = True
        class_standin.note_name(value, name)
        if states.is_stand_in(value) and self._kinds.get(name) is True:
            self._known[name] = value  # A function or a class stays what it is; a variable may change.
        return value

    def __getattr__(self, name: str) -> "Any":
        if name == "__all__":
            # `from solution import *` does not take away what the tests have defined or imported before.
            return [one for one in self._shown if one not in self._scope]
        if name.startswith("__") and name not in self._kinds:
            raise AttributeError(name)
        try:
            return self.value_of(name)
        except KeyError:
            raise AttributeError(
                f"module {candidate.MODULE!r} has no attribute {name!r}", name=name, obj=self
            ) from None

    def __setattr__(self, name: str, value: object) -> None:
        if name.startswith("__"):
            super().__setattr__(name, value)
            return
        self._talk.ask("set_global", name, value)
        self._known.pop(name, None)

    def __delattr__(self, name: str) -> None:
        self._talk.ask("del_global", name)
        self._known.pop(name, None)

    def __dir__(self) -> "list[str]":
        return [*self._kinds]


class _Names(dict):  # type: ignore[type-arg]
    """Python's own names, then the program's; the tests' come before both."""

    def __init__(self, program: _Program) -> None:
        super().__init__(vars(builtins))
        self._program = program

    def __missing__(self, name: str) -> "Any":
        return self._program.value_of(name)


def become(tests: str, kind: str, channel: int, report: int) -> "NoReturn":
    """Run tests against a program, write what they found, and end; never returns.

    Args:
        tests: Python code, or text that holds examples of an interactive session.
        kind: `asserts` or `doctest`.
        channel: The socket to the program's process.
        report: The descriptor that takes the outcome: eight bytes for the length, then a JSON object.
    """
    leave, write = os._exit, os.write
    first = os.getpid()
    talk = peer.Peer(channel, judges=True)
    try:
        outcome = _outcome(tests, kind, talk)
    except peer.Oversized as error:
        outcome = Outcome("output_limit", 0, str(error))
    except peer.Lost as error:
        outcome = Outcome("exited_early", 0, str(error))
    except BaseException as error:
        outcome = Outcome("harness_error", 0, f"the tests could not be run: {candidate.last_line(error)}")
    if os.getpid() != first:
        leave(1)  # A copy that the tests made of this process has no say.
    data = memoryview(_as_json(outcome, relied=talk.relied_on_program))
    while data:
        data = data[write(report, data) :]
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        leave(0)


def _as_json(outcome: Outcome, *, relied: bool) -> bytes:
    from json import dumps

    told = {
        "status": outcome.status,
        "line": outcome.line,
        "detail": outcome.detail[: candidate.MAX_TEXT],
        "relied_on_program": relied,
    }
    data = dumps(told).encode()
    return len(data).to_bytes(8) + data


def _outcome(tests: str, kind: str, talk: "peer.Peer") -> Outcome:
    compiled, parsed = None, []
    try:
        if kind == "doctest":
            parsed = examples.parsed(tests)
        else:
            compiled = compile(tests, _FILE, "exec", dont_inherit=True)
    except BaseException as error:
        return Outcome("harness_error", 0, f"the row's tests do not compile: {candidate.last_line(error)}")
    told, value = talk.hear()
    if told == peer.FAILED and type(value) is tuple and value[0] in _FAILURES and type(value[1]) is str:
        return Outcome(value[0], 0, value[1])
    if told != peer.READY or type(value) is not dict:
        return Outcome("exited_early", 0, "it sent junk")
    if compiled is not None:
        talk.expects_stop = lambda: _catches_stop(tests)
        checks = asserting.Checks(tests, _FILE)
        talk.went_through_check, talk.skips_checks = checks.let_through, checks.are_skipped_by
    main = ModuleType("__main__")
    _prepare(main, tests if compiled is not None else "", value, talk)
    try:
        if compiled is not None:
            exec(compiled, main.__dict__)
            _run_forgotten_cases(main)
        else:
            failed = examples.first_failure(parsed, main.__dict__, talk)
            if failed is not None and talk.failure is None:
                return Outcome("wrong_answer", *failed)
    except BaseException as error:
        if talk.failure is not None or not _is_good_end(error, talk):
            return _meaning(talk.failure or _failure_behind(error, main), talk)
    failure = talk.failure or talk.failed_check
    if failure is not None:
        return _meaning(failure, talk)
    if asserting.were_passed_over([*talk.handed_over.values()], main.__dict__):
        talk.relied_on_program = True
    return Outcome("passed")


def _is_good_end(error: BaseException, talk: "peer.Peer") -> bool:
    """Say whether the tests have ended themselves, as `unittest.main()` does, and found nothing wrong."""
    return isinstance(error, SystemExit) and not error.code and not talk.is_from_there(error)


def _catches_stop(tests: str) -> bool:
    """Say whether the tests, where they are now, expect StopIteration: in a `try` or a `with` that names it."""
    import ast

    frame: Any = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename != _FILE:
        frame = frame.f_back
    if frame is None:
        return False
    for node in ast.walk(ast.parse(tests)):
        if isinstance(node, ast.Try):
            named = [handler.type for handler in node.handlers if handler.type]
        elif isinstance(node, ast.With):
            named = [item.context_expr for item in node.items]
        else:
            continue
        names = {part.id for one in named for part in ast.walk(one) if isinstance(part, ast.Name)}
        if names & {"StopIteration", "StopAsyncIteration"} and any(_is_at(part, frame.f_lineno) for part in node.body):
            return True
    return False


def _is_at(node: "Any", line: int) -> bool:
    """Say whether a line is in a statement that defines nothing which would run elsewhere."""
    import ast

    if not node.lineno <= line <= (node.end_lineno or line):
        return False
    makers = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.GeneratorExp)
    return not any(isinstance(part, makers) for part in ast.walk(node))


def _prepare(main: ModuleType, tests: str, kinds: "dict[str, bool]", talk: "peer.Peer") -> None:
    """Make the namespace of the tests, in which the program's names are found."""
    own = entry.tested_builtins(tests, {name for name, is_made in kinds.items() if is_made is True})
    # Nor does `from solution import *` take Python's own names away.
    shown = [name for name in kinds if name[:1] != "_" and (name in own or name not in vars(builtins))]
    program = _Program(talk, kinds, shown, main.__dict__, tests)
    known = _Names(program)
    for name in own:
        del known[name]
    sys.modules[candidate.MODULE] = program
    sys.modules["__main__"] = main
    main.__dict__["__builtins__"] = known
    streams.Followed(talk)


def _run_forgotten_cases(main: ModuleType) -> None:
    """Run the test cases of unittest that the tests define, also those that nobody looked at the results of.

    Raises:
        BaseException: What the first one raises that fails.
    """
    unittest = sys.modules.get("unittest")
    if unittest is None:
        return
    cases = [
        value
        for value in [*vars(main).values()]
        if isinstance(value, type) and issubclass(value, unittest.TestCase) and value.__module__ == "__main__"
    ]
    if not cases:
        return
    failures: list[BaseException] = []

    class Result(unittest.TestResult):  # type: ignore[misc, name-defined]
        def addError(self, test: "Any", err: "Any") -> None:
            failures.append(err[1])

        def addFailure(self, test: "Any", err: "Any") -> None:
            failures.append(err[1])

        def addSubTest(self, test: "Any", subtest: "Any", err: "Any") -> None:
            if err is not None:
                failures.append(err[1])

        def addUnexpectedSuccess(self, test: "Any") -> None:
            failures.append(AssertionError("a test that should fail does not"))

    loader = unittest.TestLoader()
    unittest.TestSuite([loader.loadTestsFromTestCase(case) for case in cases]).run(Result())
    if failures:
        raise failures[0]


def _failure_behind(error: BaseException, main: ModuleType) -> BaseException:
    """Return what failed where `unittest.main()` has ended the tests; otherwise the same."""
    if isinstance(error, SystemExit) and error.code:
        try:
            _run_forgotten_cases(main)
        except BaseException as found:
            return found
    return error


def _meaning(error: BaseException, talk: "peer.Peer") -> Outcome:
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
        return Outcome("unsupported_type" if error.too_deep else "output_limit", line, str(error))
    told = candidate.last_line(error)
    if talk.is_from_there(error):
        return Outcome(candidate.status_of(error), line, told)
    if isinstance(error, AssertionError):
        return Outcome("wrong_answer", line, told.partition(": ")[2])
    if isinstance(error, SystemExit):  # As `unittest.main()` ends.
        return Outcome("wrong_answer", line, "the tests ended with a failure")
    if isinstance(error, (NameError, ImportError, AttributeError)) and _lacks_a_name(error, innermost):
        return Outcome("missing_entry_point", line, told)
    if isinstance(error, RecursionError):
        return Outcome("unsupported_type", line, f"an answer is nested too deep to be compared ({told})")
    return Outcome(candidate.status_of(error), line, told)


def _lacks_a_name(error: "NameError | ImportError | AttributeError", innermost: str) -> bool:
    """Say whether the tests miss a name that the program should have defined."""
    if isinstance(error, NameError):
        return type(error) is NameError and innermost == _FILE
    if isinstance(error, ImportError):
        return error.name == candidate.MODULE
    return isinstance(error.obj, _Program)
