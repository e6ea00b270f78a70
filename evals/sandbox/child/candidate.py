"""What happens in the process of a program that is tested: it runs, then does what the tests ask for.

The tests are never in this process, nor does anything that it says decide more than a value.
"""

import os
import sys
from types import ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from evals.sandbox.child import kernel, peer, streams
else:
    import kernel
    import peer
    import streams

MODULE = "solution"
FILE = "solution.py"
MAX_TEXT = 2000
OUT_OF_MEMORY_CODE = 77
_HERE = os.path.dirname(os.path.abspath(__file__))
_OUR_MODULES = [file[:-3] for file in os.listdir(_HERE) if file.endswith(".py")]
_leave = os._exit
_name_of_type = type.__dict__["__name__"].__get__


class Source:
    """Lets tracebacks and `inspect` find the program's lines."""

    def __init__(self, code: str) -> None:
        self._code = code

    def get_source(self, name: str) -> str:
        """Return the program."""
        return self._code

    def is_package(self, name: str) -> bool:
        """Say that the program is a single module."""
        return False


def become(code: str, channel: int) -> "NoReturn":
    """Run a program as the module `solution`, then serve its tests; never returns.

    Args:
        code: The program.
        channel: The socket to the process of the tests.
    """
    talk = peer.Peer(channel, judges=False)
    os.set_inheritable(channel, False)
    os.register_at_fork(after_in_child=talk.close)
    add_exit()
    try:
        module = ModuleType(MODULE)
        failure = _run(code, module)
        if failure is not None:
            talk.tell(peer.FAILED, failure)
        else:
            talk.operations.update(_own_operations(module.__dict__))
            talk.tell(peer.READY, _kinds_of_names(module.__dict__))
        talk.serve()
    except MemoryError:
        _leave(OUT_OF_MEMORY_CODE)
    except BaseException:
        _leave(1)


def hide_this_folder() -> None:
    """Take the sandbox's modules out of the ways to import, so that those of a program may have their names."""
    for name in _OUR_MODULES:
        if os.path.dirname(getattr(sys.modules.get(name), "__file__", None) or "") == _HERE:
            del sys.modules[name]
    if _HERE in sys.path:
        sys.path.remove(_HERE)


def add_exit() -> None:
    """Give the program `exit` and `quit`, which come with the module `site` only."""
    import builtins
    from _sitebuiltins import Quitter

    for name in ("exit", "quit"):
        setattr(builtins, name, Quitter(name, "Ctrl-D (i.e. EOF)"))


def _run(code: str, module: ModuleType) -> "tuple[str, str] | None":
    """Run the program; return a status and a detail if it does not come to its end."""
    module.__dict__.update(__file__=FILE, __loader__=Source(code))
    sys.modules[MODULE] = module
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        compiled = compile(code, FILE, "exec", dont_inherit=True)
    except BaseException as error:
        kernel.use_spare_memory()
        return "syntax_error", last_line(error)
    try:
        exec(compiled, module.__dict__)
    except BaseException as error:
        kernel.use_spare_memory()
        return status_of(error), last_line(error)
    return None


def _kinds_of_names(scope: "dict[str, Any]") -> "dict[str, bool]":
    """Return the program's global names, and which of them are functions or classes."""
    hidden = ("__builtins__", "__loader__", "__spec__", "__file__", "__name__", "__doc__", "__package__")
    return {name: callable(value) for name, value in scope.items() if type(name) is str and name not in hidden}


def _own_operations(scope: "dict[str, Any]") -> "dict[str, Any]":
    """Return what only this process can be asked for."""

    def look_up(name: str) -> "tuple[bool, Any]":
        return (True, scope[name]) if name in scope else (False, None)

    return {
        "global": look_up,
        "set_global": scope.__setitem__,
        "del_global": scope.__delitem__,
        **streams.operations(),
    }


def status_of(error: BaseException) -> str:
    """Return what it means that a program raised this."""
    if isinstance(error, MemoryError):
        return "out_of_memory"
    if isinstance(error, SystemExit):
        return "exited_early"
    if isinstance(error, ImportError):
        name = error.name
        if type(name) is str and name.partition(".")[0] not in (*sys.stdlib_module_names, MODULE):
            return "missing_dependency"
    return "exception"


def last_line(error: BaseException) -> str:
    """Return an exception as the last line of its traceback."""
    try:
        text = str(error)[:MAX_TEXT]
    except BaseException:
        text = "(its text cannot be made)"
    name = _name_of_type(type(error))
    return f"{name}: {text}" if text else name
