"""What the program may do with the attributes of objects of the tests."""

from types import CodeType, FrameType, ModuleType, TracebackType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from evals.sandbox.child import class_standin
else:
    import class_standin

# What leads from an object of the tests to their variables and their text.
_INSIDES = ("__", "gi_", "cr_", "ag_", "tb_", "f_", "co_", "func_")
_PUBLIC_SPECIALS = (
    "__name__", "__qualname__", "__doc__", "__module__", "__len__", "__iter__", "__next__", "__call__", "__contains__",
    "__defaults__", "__kwdefaults__", "__annotations__",
)  # fmt: skip


def guarded_get(target: "Any", name: str, *default: "Any") -> "Any":
    """Read an attribute of an object of the tests for the program: nothing that shows the tests themselves.

    Raises:
        AttributeError: If it is none that may be read.
    """
    if type(name) is not str or isinstance(target, (ModuleType, CodeType, FrameType, TracebackType)):
        raise AttributeError(name)
    own = _is_written_here(target if isinstance(target, type) else type(target))
    inside = name.startswith("__") if own else name.startswith(_INSIDES)
    if inside and name not in _PUBLIC_SPECIALS:
        raise AttributeError(f"{type(target).__name__!r} object has no attribute {name!r} in the sandbox")
    return getattr(target, name, *default)


def guarded_set(target: "Any", name: str, value: "Any") -> None:
    """Set an attribute of an object of the tests for the program: only where the tests wrote its class.

    Raises:
        AttributeError: If it is none that may be set.
    """
    own = _is_written_here(target if isinstance(target, type) else type(target))
    if type(name) is not str or name.startswith("__") or not own:
        raise AttributeError(f"{type(target).__name__!r} object's {name!r} cannot be set in the sandbox")
    setattr(target, name, value)


def guarded_dir(target: "Any") -> "list[str]":
    """List the attributes of an object of the tests for the program."""
    return [name for name in dir(target) if not name.startswith("_")]


def _is_written_here(kind: type) -> bool:
    """Say whether a class is one of the tests' own."""
    return kind.__module__ == "__main__" and not isinstance(kind, class_standin.ClassStandIn)
