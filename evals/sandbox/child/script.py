"""What happens in the process of a whole program, from standard input to standard output."""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from evals.sandbox.child import candidate, kernel
else:
    import candidate
    import kernel

_FILE = "solution.py"


def become(code: str, word: int) -> "NoReturn":
    """Run a program as `__main__`; never returns.

    Args:
        code: The program.
        word: The descriptor that takes, as `status: detail`, why it did not run to its end. A program can reach it,
            and so only failures are told by it.
    """
    leave, first = os._exit, os.getpid()
    main = type(sys)("__main__")
    main.__dict__.update(__file__=_FILE, __loader__=candidate.Source(code))
    sys.modules["__main__"] = main
    candidate.add_exit()
    code_of_exit = 0
    try:
        compiled = compile(code, _FILE, "exec", dont_inherit=True)
    except BaseException as error:
        _tell(word, "syntax_error", error)
        _print(error.with_traceback(None))
        leave(1)
    try:
        exec(compiled, main.__dict__)
    except SystemExit as stop:
        if isinstance(stop.code, str):
            print(stop.code, file=sys.stderr)
        code_of_exit = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except MemoryError as error:
        kernel.use_spare_memory()
        _tell(word, "out_of_memory", error)
        code_of_exit = 1
    except BaseException as error:
        if os.getpid() == first:
            _tell(word, _kind_of(error), error)
        _print(error.with_traceback(error.__traceback__ and error.__traceback__.tb_next))
        code_of_exit = 1
    leave(_ended_as_usual() or code_of_exit & 0xFF)


def _print(error: BaseException) -> None:
    try:
        sys.excepthook(type(error), error, error.__traceback__)
        sys.stderr.flush()
    except BaseException:
        return


def _ended_as_usual() -> int:
    """Wait for threads, run exit handlers and write out what is buffered, as at the end of any program."""
    import atexit

    try:
        if "threading" in sys.modules:
            sys.modules["threading"]._shutdown()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        return 120  # What the interpreter answers where its output cannot be written.
    return 0


def _kind_of(error: BaseException) -> str:
    missing = getattr(error, "name", None) if isinstance(error, ImportError) else None
    if isinstance(missing, str) and missing.partition(".")[0] not in sys.stdlib_module_names:
        return "missing_dependency"
    return "forbidden" if isinstance(error, PermissionError) else "exception"


def _tell(word: int, status: str, error: BaseException) -> None:
    try:
        text = str(error)[:2000]
    except BaseException:
        text = "(its text cannot be made)"
    line = f"{type(error).__name__}: {text}" if text else type(error).__name__
    os.write(word, f"{status}: {line}".encode("utf-8", "backslashreplace"))
