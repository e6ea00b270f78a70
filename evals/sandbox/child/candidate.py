"""What happens in the process of a program that is tested: it runs, then does what the tests ask for.

The tests are never in this process; nor does anything that it says decide more than a value.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from evals.sandbox.child import peer
else:
    import peer

MODULE = "solution"
FILE = "solution.py"
_OUR_MODULES = ("candidate", "peer", "remote", "tester", "wire")
_MAX_TEXT = 2000
OUT_OF_MEMORY_CODE = 77


class _Source:
    """Lets tracebacks and `inspect` find the program's lines."""

    def __init__(self, code: str) -> None:
        self._code = code

    def get_source(self, name: str) -> str:
        """Return the program."""
        return self._code


def become(code: str, channel: int) -> "NoReturn":
    """Run a program as the module `solution`, then serve its tests; never returns.

    Args:
        code: The program.
        channel: The socket to the tests.
    """
    # Kept here, since the program may rebind it in its module.
    leave = os._exit
    talk = peer.Peer(channel, judges=False)
    try:
        failure = _run(code, talk)
        if failure is not None:
            talk.tell(peer.FAILED, failure)
        else:
            names = [name for name in talk.globals if type(name) is str]
            made = [name for name in names if callable(talk.globals[name])]
            talk.tell(peer.READY, (names, made))
            talk.serve()
        sys.stdout.flush()
        sys.stderr.flush()
    except MemoryError:
        leave(OUT_OF_MEMORY_CODE)
    except BaseException:
        leave(1)
    leave(0)


def _run(code: str, talk: "peer.Peer") -> "tuple[str, str] | None":
    """Run the program; return a status and a detail if it does not come to its end."""
    module = type(sys)(MODULE)
    module.__dict__.update(__file__=FILE, __loader__=_Source(code))
    talk.globals = module.__dict__
    sys.modules[MODULE] = module
    sys.modules["__main__"] = type(sys)("__main__")
    for name in _OUR_MODULES:
        sys.modules.pop(name, None)
    try:
        compiled = compile(code, FILE, "exec", dont_inherit=True)
    except BaseException as error:
        peer.use_spare_memory()
        return "syntax_error", last_line(error)
    try:
        exec(compiled, module.__dict__)
    except BaseException as error:
        peer.use_spare_memory()
        return status_of(error), last_line(error)
    return None


def status_of(error: BaseException) -> str:
    """Return what an exception of a program means for it."""
    if isinstance(error, MemoryError):
        return "out_of_memory"
    if isinstance(error, SystemExit):
        return "exited_early"
    if isinstance(error, PermissionError):
        return "forbidden"
    if isinstance(error, ImportError):
        name = error.name if type(error.name) is str else ""
        if not name and (words := str(error).split("'"))[0] == "No module named ":
            name = words[1]
        if name and name.partition(".")[0] not in (*sys.stdlib_module_names, MODULE):
            return "missing_dependency"
    return "exception"


def last_line(error: BaseException) -> str:
    """Return an exception as the last line of its traceback."""
    try:
        text = str(error)[:_MAX_TEXT]
    except BaseException:
        text = "(its text cannot be made)"
    name = type.__dict__["__name__"].__get__(type(error))
    return f"{name}: {text}" if text else name
