"""What happens in the process of the program: rights are given up, the program runs, then its tests.

The talk with the supervisor, on two pipes: `S` once the rights are gone (or `E` and a reason), `R` when the
    program has
run and the tests may come, `D` when the outcome is known and the nonce may come, then the nonce with the
outcome. The tests are not in this process before `R`, and the nonce is not in it before `D`.
"""

import builtins
import os
import resource
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from evals.sandbox.child import kernel
else:
    import kernel

PROGRAM = "solution"
PROGRAM_FILE = "solution.py"
TESTS_FILE = "tests.py"
NONCE_BYTES = 16
MAX_DETAIL_BYTES = 2000
OUT_OF_MEMORY_CODE = 77
_SPARE_MEMORY = 64 * 2**20


class Outcome:
    """The outcome as the child tells it: a status, a line of the tests (0 if none) and a detail."""

    __slots__ = ("detail", "line", "status")

    def __init__(self, status: str, line: int = 0, detail: str = "") -> None:
        self.status = status
        self.line = line
        self.detail = detail

    def encoded(self) -> bytes:
        """Return the outcome as bytes, cut to a size that fits a pipe at once."""
        detail = self.detail.encode("utf-8", "backslashreplace")[:MAX_DETAIL_BYTES]
        return b"%s\0%d\0%s" % (self.status.encode(), self.line, detail)


def run(settings: "dict[str, float]", code: bytes, talk: int, listen: int) -> "NoReturn":
    """Become the program; never returns.

    Args:
        settings: Limits and rights, as the supervisor got them.
        code: The program, UTF-8 with lone surrogates let through.
        talk: The descriptor to write to the supervisor.
        listen: The descriptor to read from it.
    """
    # Kept here, since the program may rebind them in their modules.
    write, read, leave = os.write, os.read, os._exit
    try:
        _give_up_rights(settings)
    except BaseException as error:
        write(talk, b"E" + _last_line(error).encode("utf-8", "backslashreplace")[:MAX_DETAIL_BYTES])
        leave(1)
    write(talk, b"S")
    try:
        pristine = dict(vars(builtins))
        outcome, names = _run_program(code.decode("utf-8", "surrogatepass"))
        if outcome is None:
            write(talk, b"R")
            size = int.from_bytes(_read_exactly(read, listen, 8))
            tests = _read_exactly(read, listen, size).decode("utf-8", "surrogatepass")
            outcome = _run_tests(tests, names, pristine)
        write(talk, b"D")
        nonce = _read_exactly(read, listen, NONCE_BYTES)
        message = outcome.encoded()
        write(talk, nonce + len(message).to_bytes(2) + message)
    except MemoryError:
        leave(OUT_OF_MEMORY_CODE)
    except BaseException:
        leave(1)
    leave(0)


def _give_up_rights(settings: "dict[str, float]") -> None:
    uid = int(settings["uid"])
    supervisor = os.getppid()
    os.setsid()
    if uid < 0:
        kernel.prctl(kernel.PR_SET_DUMPABLE, 1)
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")
    _set_limits(settings)
    kernel.use_one_arena()
    library = [(path, os.open(path, os.O_PATH | os.O_CLOEXEC)) for path in sys.path if os.path.isdir(path)]
    if uid >= 0:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.prctl(kernel.PR_SET_PDEATHSIG, kernel.SIGKILL)
    if os.getppid() != supervisor:
        raise ChildProcessError("the supervisor ended before the program began")
    _keep_library_in_reach(library)


def _set_limits(settings: "dict[str, float]") -> None:
    memory, cpu = int(settings["memory"]), -int(-settings["cpu"] // 1)
    limits = {
        # The spare memory lets the outcome be told once the program has used up its own.
        resource.RLIMIT_AS: (memory, memory + _SPARE_MEMORY),
        # The first sends SIGXCPU, the second SIGKILL.
        resource.RLIMIT_CPU: (cpu, cpu + 1),
        resource.RLIMIT_FSIZE: (int(settings["file"]),) * 2,
        resource.RLIMIT_NOFILE: (int(settings["open"]),) * 2,
        resource.RLIMIT_NPROC: (int(settings["processes"]),) * 2,
        resource.RLIMIT_CORE: (0, 0),
    }
    for kind, (soft, wanted) in limits.items():
        ceiling = resource.getrlimit(kind)[1]
        hard = wanted
        if ceiling != resource.RLIM_INFINITY:
            hard = min(hard, ceiling)
        resource.setrlimit(kind, (min(soft, hard), hard))


def _keep_library_in_reach(library: "list[tuple[str, int]]") -> None:
    """Let imports go on where the interpreter lies in a folder that the new user may not enter, such as
    root's home.

    A folder that was opened before the rights went stays open, and is imported from as `/proc/self/fd/N`.
    """
    moved = {}
    for path, descriptor in library:
        if os.access(path, os.R_OK | os.X_OK):
            os.close(descriptor)
        else:
            moved[path] = f"/proc/self/fd/{descriptor}"
    if not moved:
        return
    packages = [module.__path__ for module in list(sys.modules.values()) if hasattr(module, "__path__")]
    for paths in (sys.path, *packages):
        paths[:] = [_moved(path, moved) for path in paths]
    sys.path_importer_cache.clear()


def _moved(path: str, moved: "dict[str, str]") -> str:
    for old, new in moved.items():
        if path == old or path.startswith(old + "/"):
            return new + path[len(old) :]
    return path


def _run_program(code: str) -> "tuple[Outcome | None, dict[str, Any]]":
    module = type(sys)(PROGRAM)
    sys.modules[PROGRAM] = module
    sys.modules["__main__"] = type(sys)("__main__")
    for name in ("kernel", "program", "supervisor"):
        sys.modules.pop(name, None)
    sys.argv = [PROGRAM_FILE]
    try:
        compiled = compile(code, PROGRAM_FILE, "exec", dont_inherit=True)
    except BaseException as error:
        _use_spare_memory()
        return Outcome("syntax_error", 0, _last_line(error)), {}
    try:
        exec(compiled, module.__dict__)
    except BaseException as error:
        _use_spare_memory()
        return _outcome_of(error), {}
    return None, module.__dict__


def _run_tests(tests: str, names: "dict[str, Any]", pristine: "dict[str, Any]") -> Outcome:
    # A copy, so that a helper of the tests does not replace one of the program's that has the same name.
    scope = {**names, "__name__": "__main__", "__builtins__": pristine}
    try:
        exec(compile(tests, TESTS_FILE, "exec", dont_inherit=True), scope)
    except BaseException as error:
        _use_spare_memory()
        return _outcome_of(error)
    return Outcome("passed")


def _outcome_of(error: BaseException) -> Outcome:
    """Say what an exception means, by its kind and by where it was raised."""
    line, innermost, trace = 0, "", error.__traceback__
    while trace is not None:
        innermost = trace.tb_frame.f_code.co_filename
        if innermost == TESTS_FILE:
            line = trace.tb_lineno
        trace = trace.tb_next
    in_tests = innermost == TESTS_FILE
    if isinstance(error, MemoryError):
        status = "out_of_memory"
    elif isinstance(error, SystemExit):
        status = "exited_early"
    elif in_tests and isinstance(error, AssertionError):
        return Outcome("wrong_answer", line, _text(error))
    elif in_tests and type(error) is NameError:
        status = "missing_entry_point"
    else:
        status = "exception"
    return Outcome(status, 0, _last_line(error))


def _use_spare_memory() -> None:
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def _last_line(error: BaseException) -> str:
    text = _text(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _text(error: BaseException) -> str:
    try:
        return str(error)[:MAX_DETAIL_BYTES]
    except BaseException:
        return "(its text cannot be made)"


def _read_exactly(read: "Any", descriptor: int, size: int) -> bytes:
    parts = []
    while size:
        part = read(descriptor, min(size, 2**20))
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
