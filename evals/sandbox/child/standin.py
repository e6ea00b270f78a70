"""Stand-ins for objects of the other process, made from what that process tells of them.

A class of the other process gets a class here, with the same name, the same built-in bases and the same special
methods, and an object an instance of it; what is done with them is done over there. An object whose class is made from
an immutable built-in type, as a named tuple is, has its plain value here too. On the side of the tests, stand-ins keep
the program from deciding.
"""

import builtins
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from evals.sandbox.child import operations, special_methods, states
    from evals.sandbox.child.class_standin import ClassStandIn
    from evals.sandbox.child.object_standin import Remote
    from evals.sandbox.child.peer import Peer
else:
    import operations
    import special_methods
    import states
    from class_standin import ClassStandIn
    from object_standin import Remote

_ARGS_OF = BaseException.__dict__["args"]
# Modules whose exceptions are the tests' own too. Others, as unittest's, would tell the tests what to do.
_MODULES_OF_ERRORS = (
    "json", "decimal", "_decimal", "dataclasses", "subprocess", "concurrent", "queue", "_queue", "statistics", "struct",
    "re", "csv", "_csv", "configparser", "binascii", "zlib", "pickle", "_pickle", "copy", "sqlite3", "urllib", "xml",
    "shutil", "socket", "ssl", "email", "http", "graphlib", "tomllib", "zipfile", "tarfile", "ipaddress", "io",
)  # fmt: skip
_ERRORS = {value for value in vars(builtins).values() if type(value) is type and issubclass(value, BaseException)}


def make(peer: "Peer", number: int, facts: "tuple[Any, ...]") -> "Any":
    """Make the stand-in for an object of the other side, from what that side tells of it.

    Raises:
        TypeError, ValueError: If that makes no sense.
    """
    state = states.State(peer, number)
    form, kind, *rest = facts
    if type(kind) is tuple:
        kind = _library_class(peer, kind)
    if form == "class":
        made: Any = _made_class(state, kind, *rest)
    elif form == "error":
        made = _made_error(kind, *rest[0])
    elif not isinstance(kind, ClassStandIn):
        raise TypeError("an object without a class")
    elif form == "value":
        base = next(base for base in operations.IMMUTABLE if base in operations.mro_of(kind))
        if type(rest[0]) is not base:
            raise TypeError("a value of another type")
        made = base.__new__(kind, rest[0])  # type: ignore[call-overload]
    else:
        made = object.__new__(kind)  # type: ignore[arg-type]
        state.base = states.state_of(kind).base if states.is_stand_in(kind) else None
    states.remember(made, state)
    return made


def _library_class(peer: "Peer", facts: "tuple[Any, ...]") -> type:
    """Return the class of the stand-ins for objects of a class that both sides know by its name."""
    key = facts[2:4]
    if key not in _LIBRARY_CLASSES:
        _LIBRARY_CLASSES[key] = _made_class(states.State(peer, -1), *facts[1:])
    return _LIBRARY_CLASSES[key]


_LIBRARY_CLASSES: "dict[tuple[str, str], type]" = {}


def _made_class(
    state: "states.State",
    name: str,
    qualified: str,
    module: str,
    doc: "str | None",
    bases: "tuple[type, ...]",
    specials: "tuple[str, ...]",
    base_name: str,
    unhashable: bool,
    abstract: "tuple[str, ...]",
    library_error: str,
) -> type:
    if library_error:
        where, _, path = library_error.partition(":")
        known = getattr(sys.modules.get(where), path, None) if where.split(".")[0] in _MODULES_OF_ERRORS else None
        if isinstance(known, type) and issubclass(known, BaseException):
            return known
    base = operations.BASE_KINDS.get(base_name)
    forwarded = special_methods.FORWARDED
    if base in operations.IMMUTABLE:
        forwarded = special_methods.OF_VALUES
    elif base is not None:
        state.base = base
        forwarded = special_methods.OF_CONTAINERS
    if name == "coroutine" and module == "builtins":
        forwarded = {**forwarded, "send": special_methods.send_to_coroutine}
    namespace: dict[str, Any] = {"__slots__": (), "__module__": module, "__qualname__": qualified, "__doc__": doc}
    for special in specials:
        if special in forwarded:
            namespace[special] = forwarded[special]
        elif base in operations.IMMUTABLE and not special.startswith("__"):
            namespace[special] = _Overridden(special)
    if "__call__" in specials and module in ("builtins", "functools"):
        namespace |= {"__doc__": _Asked("__doc__", doc), "__module__": _Asked("__module__", module)}
    if name in ("function", "method_descriptor") and module == "builtins":
        namespace["__get__"] = special_methods.bound
    if "__eq__" in namespace and "__hash__" not in namespace:
        namespace["__hash__"] = object.__hash__
    if unhashable:
        namespace["__hash__"] = None
    if state.base is not None:
        namespace["__class__"] = property(_seeming_class)
    native = (BaseException, *operations.IMMUTABLE)
    solid: list[Any] = [one for one in bases if isinstance(one, ClassStandIn) or issubclass(one, native)]
    if not any(isinstance(one, ClassStandIn) for one in solid):
        solid.insert(0, Remote)
    try:
        made = type.__new__(ClassStandIn, name, tuple(solid), namespace)
    except TypeError:  # Bases that do not go together without what lies between them over there.
        plain = next((one for one in operations.IMMUTABLE if one is base), None)
        error = next((one for one in bases if issubclass(one, BaseException)), None)
        made = type.__new__(ClassStandIn, name, (Remote, *(one for one in (plain, error) if one)), namespace)
    native_error = next((one for one in operations.mro_of(made) if one in _ERRORS), None)
    if native_error is not None and "__str__" not in specials:
        type.__setattr__(made, "__str__", native_error.__str__)
    if abstract and "collections.abc" in sys.modules:
        for one in abstract:
            abc = getattr(sys.modules["collections.abc"], one, None)
            if abc is not None:
                abc.register(made)
    return made


def _made_error(
    kind: type, arguments: "tuple[Any, ...]", cause: "Any", suppress: bool, extras: "tuple[tuple[str, Any], ...]"
) -> "Any":
    if not issubclass(kind, BaseException) or type(arguments) is not tuple:
        raise TypeError("an exception that is none")
    native = next(one for one in operations.mro_of(kind) if not isinstance(one, ClassStandIn) and one is not Remote)
    try:
        made = kind.__new__(kind, *arguments)
        if native.__module__ == "builtins":
            native.__init__(made, *arguments)  # type: ignore[misc]
    except (TypeError, ValueError):
        made = kind.__new__(kind)
    _ARGS_OF.__set__(made, arguments)
    for name, value in extras:
        if type(name) is str and not name.startswith("__"):
            try:
                BaseException.__setattr__(made, name, value)
            except (AttributeError, TypeError):
                continue
    if isinstance(cause, BaseException):
        made.__cause__ = cause
    made.__suppress_context__ = suppress is True
    return made


def _seeming_class(self: "Any") -> type:
    """Return a class that says it is made from a built-in one, for `isinstance`; its instances are not."""
    kind, base = type(self), states.state_of(self).base
    if base is None:
        return kind
    seeming = _SEEMING.get(kind)
    if seeming is None:
        seeming = _SEEMING[kind] = type(kind.__name__, (base,), {"__module__": kind.__module__})
    return seeming


_SEEMING: "dict[type, type]" = {}


class _Asked:
    """An attribute that functions have of their own, and their class too."""

    def __init__(self, name: str, of_class: "str | None") -> None:
        self._name = name
        self._of_class = of_class

    def __get__(self, target: "Any", kind: "Any" = None) -> "Any":
        return self._of_class if target is None else states.ask(target, "get", self._name)


class _Overridden:
    """An attribute that a built-in type has, and the class over there its own of: it is not the plain value's."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, target: "Any", kind: "Any" = None) -> "Any":
        return states.ask(kind, "get", self._name) if target is None else Remote.__getattr__(target, self._name)
