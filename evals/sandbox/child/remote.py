"""Stand-ins for objects of the other process.

On the tests' side they keep the program from deciding. A value that the program made may be looked at, called and
iterated over, and what comes back is a value again; but where the tests compare it with a value of theirs, or hand it
one to compute with, a class of the program's own would have the last word. That is refused, unless the tests made the
object themselves from a class that they test (its name begins with a capital, as classes' names do); then it is noted.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

    from evals.sandbox.child import wire
    from evals.sandbox.child.peer import Peer

_OWN = ("_peer", "_number", "_kind", "_name", "_tested")
_read = object.__getattribute__


class Remote:  # noqa: PLW1641 (the hash is among the methods that `_fill_in` adds)
    """Stands for an object of the other process; most of what is done with it is done there."""

    __slots__ = _OWN

    def __init__(self, peer: "Peer", number: int, kind: str, name: str) -> None:
        put = object.__setattr__
        put(self, "_peer", peer)
        put(self, "_number", number)
        put(self, "_kind", kind)
        put(self, "_name", name)
        put(self, "_tested", False)

    def __getattr__(self, name: str) -> "Any":
        return _inherit(self, _read(self, "_peer").ask("get", self, name))

    def __setattr__(self, name: str, value: "Any") -> None:
        _read(self, "_peer").ask("set", self, name, value)

    def __delattr__(self, name: str) -> None:
        _read(self, "_peer").ask("del", self, name)

    def __call__(self, /, *arguments: "Any", **names: "Any") -> "Any":
        peer = _read(self, "_peer")
        try:
            return _inherit(self, peer.ask("call", self, arguments, names))
        except StopIteration as error:
            if peer.judges and not peer.expects_stop(sys._getframe(1)):
                # Let through, it would end a loop of the tests before all was tested.
                raise_from_there(RuntimeError("it raised StopIteration"), error)
            raise

    def __mro_entries__(self, bases: "tuple[Any, ...]") -> "tuple[type, ...]":
        return (_Subclassed,)

    def __next__(self) -> "Any":
        more, value = _pair(self, _read(self, "_peer").ask("next", self))
        if not more:
            raise StopIteration(value)
        return _inherit(self, value)

    async def __anext__(self) -> "Any":
        more, value = _pair(self, _read(self, "_peer").ask("anext", self))
        if not more:
            raise StopAsyncIteration
        return _inherit(self, value)

    async def __aenter__(self) -> "Any":
        return _read(self, "_peer").ask("await", _operate(self, "aenter"))

    async def __aexit__(self, kind: "Any", error: "Any", trace: "Any") -> "Any":
        return _read(self, "_peer").ask("await", _operate(self, "aexit", error))

    def __exit__(self, kind: "Any", error: "Any", trace: "Any") -> "Any":
        swallowed = _operate(self, "exit", error)
        return swallowed and not _read(self, "_peer").is_own_assertion(error)

    def __bool__(self) -> bool:
        peer = _read(self, "_peer")
        if not peer.judges or _read(self, "_tested") or _read(self, "_kind") != "object":
            return bool(_operate(self, "bool"))
        if peer.ask("decides its truth", self) is not False:
            peer.refuse(f"an object of its own class {_read(self, '_name')} would decide for itself whether it is true")
        return True

    def __instancecheck__(self, value: "Any") -> bool:
        return bool(_read(self, "_peer").ask("op", "isinstance", value, self))

    def __subclasscheck__(self, value: "Any") -> bool:
        return bool(_read(self, "_peer").ask("op", "issubclass", value, self))

    def __dir__(self) -> "list[str]":
        return list(_operate(self, "dir"))

    def __deepcopy__(self, memo: object) -> "Any":
        return _operate(self, "deepcopy")

    def __eq__(self, other: object) -> bool:
        return _compared(self, "eq", other)

    def __ne__(self, other: object) -> bool:
        return _compared(self, "ne", other)

    def __lt__(self, other: object) -> bool:
        return _compared(self, "lt", other)

    def __le__(self, other: object) -> bool:
        return _compared(self, "le", other)

    def __gt__(self, other: object) -> bool:
        return _compared(self, "gt", other)

    def __ge__(self, other: object) -> bool:
        return _compared(self, "ge", other)

    def __contains__(self, item: object) -> bool:
        return bool(_with_operand(self, "contains", self, item))

    def __getitem__(self, key: "Any") -> "Any":
        return _operate(self, "getitem", key)

    def __format__(self, specification: str) -> str:
        return str(_operate(self, "format", specification))


class RemoteCoroutine(Remote):
    """Stands for something that can be awaited; it runs in its own process, from its beginning to its end."""

    __slots__ = ()

    def __await__(self) -> "Any":
        return _read(self, "_peer").ask("await", self)
        yield

    def send(self, value: "Any") -> "Any":
        """Run it; ends as a coroutine does."""
        raise StopIteration(_read(self, "_peer").ask("await", self))

    def __next__(self) -> "Any":
        # What asyncio calls in place of `send` where a type has both.
        return self.send(None)

    def throw(self, *error: "Any") -> "Any":
        """Raise in place of it."""
        raise error[0]

    def close(self) -> None:
        """Leave it."""


# Without operands, or with operands that are no answers to compare with: the method, and what is asked for.
_PLAIN = {
    "__len__": "len", "__hash__": "hash", "__str__": "str", "__repr__": "repr", "__int__": "int",
    "__float__": "float", "__complex__": "complex", "__bytes__": "bytes", "__round__": "round", "__iter__": "iter",
    "__reversed__": "reversed", "__neg__": "neg", "__pos__": "pos", "__abs__": "abs", "__invert__": "invert",
    "__index__": "index", "__setitem__": "setitem", "__delitem__": "delitem", "__enter__": "enter",
    "__fspath__": "fspath", "__copy__": "copy", "__trunc__": "trunc", "__floor__": "floor", "__ceil__": "ceil",
    "__aiter__": "aiter",
}  # fmt: skip
_BINARY = (
    "add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "pow", "lshift", "rshift", "and", "or", "xor",
    "divmod",
)  # fmt: skip


def _plain(what: str) -> "Callable[..., Any]":
    return lambda self, *arguments: _operate(self, what, *arguments)


def _binary(what: str, *, swapped: bool) -> "Callable[[Remote, Any], Any]":
    if swapped:
        return lambda self, other: _with_operand(self, what, other, self)
    return lambda self, other: _with_operand(self, what, self, other)


def _attribute(name: str) -> "Callable[[Remote], Any]":
    return lambda self: _read(self, "_peer").ask("get", self, name)


def _fill_in() -> None:
    for method, what in _PLAIN.items():
        setattr(Remote, method, _plain(what))
    for name in _BINARY:
        what = name + "_" if name in ("and", "or") else name
        setattr(Remote, f"__{name}__", _binary(what, swapped=False))
        setattr(Remote, f"__r{name}__", _binary(what, swapped=True))
        if name != "divmod":
            setattr(Remote, f"__i{name}__", _binary(f"i{name}", swapped=False))
    for name in ("__doc__", "__module__"):
        setattr(Remote, name, property(_attribute(name)))


_fill_in()


def _operate(remote: Remote, what: str, *arguments: "Any") -> "Any":
    return _inherit(remote, _read(remote, "_peer").ask("op", what, remote, *arguments))


def _inherit(origin: Remote, value: "Any") -> "Any":
    """What comes of an object that the tests made is under test as well."""
    if isinstance(value, Remote):
        is_class = _read(origin, "_kind") == "class"
        if _read(origin, "_tested") and (not is_class or _read(value, "_kind") != "class"):
            object.__setattr__(value, "_tested", True)
        elif _read(origin, "_kind") == "module" and _read(value, "_kind") == "class":
            mark_if_class(value)
    return value


def mark_if_class(value: "Any", name: str = "") -> None:
    """Note that the tests test a class, if its name says that it is one.

    Args:
        value: A stand-in, or anything else.
        name: What the tests call it; the class's own name if empty.
    """
    if isinstance(value, Remote) and (name or _read(value, "_name")).lstrip("_")[:1].isupper():
        object.__setattr__(value, "_tested", True)


def _pair(remote: Remote, value: "Any") -> "tuple[bool, Any]":
    return pair_of(_read(remote, "_peer"), value)


def pair_of(peer: "Peer", value: "Any") -> "tuple[bool, Any]":
    """Return an answer that must be a pair with a truth first; what is none ends the talk."""
    if type(value) is not tuple or len(value) != 2 or type(value[0]) is not bool:
        peer.broken()
    return value


def raise_from_there(error: BaseException, cause: BaseException) -> "NoReturn":
    """Raise an exception in place of one that the other side raised."""
    error.__dict__["_remote"] = cause.__dict__.get("_remote")
    raise error from cause


def is_from_there(error: BaseException) -> bool:
    """Say whether an exception was raised by the other side."""
    return "_remote" in error.__dict__


def _compared(remote: Remote, what: str, other: "Any") -> bool:
    peer = _read(remote, "_peer")
    if other is remote and what in ("eq", "ne"):
        return what == "eq"
    if not peer.judges:
        return peer.ask("op", what, remote, other)
    if isinstance(other, Remote):
        if not (_read(remote, "_tested") or _read(other, "_tested")):
            peer.refuse(f"two objects of its own class {_read(remote, '_name')} would compare themselves")
        peer.relied_on_program = True
        return bool(peer.ask("op", what, remote, other))
    kind = _read(remote, "_kind")
    if kind == "holder":
        return peer.operate(what, peer.ask("value", remote), other)
    if what in ("eq", "ne") and (other is None or kind == "builtin"):
        return what == "ne"
    return peer.refuse(  # type: ignore[no-any-return]
        f"an object of its own class {_read(remote, '_name')} would be compared with a {type(other).__name__}, "
        "and decide by itself"
    )


def _with_operand(remote: Remote, what: str, *operands: "Any") -> "Any":
    peer = _read(remote, "_peer")
    value = peer.ask("op", what, *operands)
    if peer.judges and not isinstance(value, Remote):
        theirs = any(not isinstance(operand, Remote) for operand in operands)
        if _read(remote, "_tested"):
            peer.relied_on_program = True
        elif theirs and _read(remote, "_kind") not in ("builtin", "holder"):
            peer.refuse(
                f"an object of its own class {_read(remote, '_name')} would compute with a value of the tests, and "
                "decide by itself what comes of it"
            )
    return _inherit(remote, value)


class _SubclassedType(type):
    """The type of a class that tests derive from one of the program's: it is made in the program's process."""

    def __new__(cls, name: str, bases: "tuple[type, ...]", content: "dict[str, Any]", **names: "Any") -> "Any":
        origins = content.get("__orig_bases__")
        if origins is None:
            return super().__new__(cls, name, bases, content)
        peer = next(_read(base, "_peer") for base in origins if isinstance(base, Remote))
        made = peer.ask("subclass", name, origins, {
            key: value
            for key, value in content.items()
            if key not in ("__orig_bases__", "__classcell__", "__module__", "__qualname__")
        })  # fmt: skip
        mark_if_class(made, name)
        cell = content.get("__classcell__")
        if cell is not None:
            cell.cell_contents = made
        return made


class _Subclassed(metaclass=_SubclassedType):
    """What a stand-in for a class puts in its place among the bases of a new one."""


def as_method(value: "Any") -> "Any":
    """Return a stand-in for a function as a function, which binds the object that it is called on."""
    if isinstance(value, Remote) and _read(value, "_kind") == "function":

        def method(*arguments: "Any", **names: "Any") -> "Any":
            return value(*arguments, **names)

        return method
    return value


class RemoteExceptionType(type):
    """The type of stand-ins for exception classes, which must be classes here to be raised and caught."""

    _remote: Remote

    def __call__(cls, *arguments: "Any", **names: "Any") -> "Any":
        return cls._remote(*arguments, **names)

    def __getattr__(cls, name: str) -> "Any":
        if name.startswith("_remote"):
            raise AttributeError(name)
        return getattr(cls._remote, name)


def _text_of_exception(error: BaseException) -> str:
    remote = vars(error).get("_remote")
    return str(remote) if remote is not None else BaseException.__str__(error)


def _attribute_of_exception(error: BaseException, name: str) -> "Any":
    remote = vars(error).get("_remote")
    if remote is None:
        raise AttributeError(name)
    return getattr(remote, name)


def _attribute_of_value(value: "Any", name: str) -> "Any":
    remote = vars(value).get("_remote")
    if remote is None:
        raise AttributeError(name)
    return getattr(remote, name)


def _value_type(kind: type) -> type:
    content = {
        "__getattr__": _attribute_of_value,
        "__repr__": lambda self: repr(self._remote),
        "__format__": lambda self, specification: format(self._remote, specification),
    }
    if kind is not str:
        content["__str__"] = lambda self: str(self._remote)
    return type(f"remote {kind.__name__}", (kind,), content)


# Values whose class the program made from an immutable built-in one: equal and ordered by their value, which is
# here, with the attributes of their class, which are there.
_VALUE_TYPES = {kind: _value_type(kind) for kind in (int, float, complex, str, bytes, tuple, frozenset)}


def number_of(value: "Any", peer: "Peer") -> "int | None":
    """Return the number of the object that a value stands for; None if it stands for itself."""
    if isinstance(value, Remote):
        return _read(value, "_number") if _read(value, "_peer") is peer else None
    remote = None
    if type(value) in _VALUE_TYPES.values() or isinstance(value, BaseException):
        remote = vars(value).get("_remote")
    elif type(value) is RemoteExceptionType:
        remote = value._remote
    return _read(remote, "_number") if remote is not None else None


def facts_of(value: "Any") -> "tuple[Any, ...]":
    """Return what the other side needs to know of an object: its kind, a name, and what the kind asks for."""
    kind = type(value)
    if issubclass(kind, type):
        name = type.__dict__["__name__"].__get__(value)
        if issubclass(value, BaseException):
            return "exception class", name, tuple(base for base in value.__bases__ if issubclass(base, BaseException))
        return "class", name
    name = kind.__name__
    if isinstance(value, BaseException):
        arguments = value.args
        if type(arguments) is not tuple:
            arguments = ()
        if kind.__module__ == "builtins" and isinstance(value, OSError) and type(value.filename) is str:
            arguments = (*arguments[:2], value.filename)
        return "exception", name, kind, arguments
    if name in ("coroutine", "Task", "Future"):
        return "coroutine", name
    if name in ("function", "method", "builtin_function_or_method"):
        return "function", getattr(value, "__name__", name)
    for base, read in _READERS:
        if issubclass(kind, base) and kind is not base:
            return "value", name, read(value)
    if issubclass(kind, (list, dict, set, bytearray)):
        return "holder", name
    return ("builtin" if kind.__module__ == "builtins" else "module" if kind is type(sys) else "object"), name


_READERS: "tuple[tuple[type, Callable[[Any], Any]], ...]" = (
    (bool, lambda x: x),
    (int, int.__pos__),
    (float, float.__pos__),
    (complex, complex.__pos__),
    (str, lambda x: str.__getitem__(x, slice(None))),
    (bytes, lambda x: bytes.__getitem__(x, slice(None))),
    (tuple, lambda x: tuple(tuple.__iter__(x))),
    (frozenset, lambda x: frozenset(frozenset.__iter__(x))),
)


def stand_in(peer: "Peer", handle: "wire.Handle") -> "Any":
    """Return what stands here for an object of the other side.

    Args:
        peer: This side of the talk.
        handle: The object's number, and what its owner says of it.

    Raises:
        ValueError: If what is said of it makes no sense.
    """
    kind, name, *more = handle.facts
    if not (type(kind) is str and type(name) is str):
        raise ValueError("a handle without a name")
    remote = (RemoteCoroutine if kind == "coroutine" else Remote)(peer, handle.number, kind, name)
    if kind == "exception class":
        bases = tuple(base for base in more[0] if isinstance(base, type) and issubclass(base, BaseException))
        content = {"__str__": _text_of_exception, "__getattr__": _attribute_of_exception, "__module__": "solution"}
        made = RemoteExceptionType(name, bases or (Exception,), content)
        type.__setattr__(made, "_remote", remote)
        mark_if_class(remote)
        return made
    if kind == "exception":
        return _exception(more[0], more[1], remote)
    if kind == "value":
        value = _VALUE_TYPES[type(more[0])](more[0])
        value._remote = remote
        return value
    return remote


def _exception(kind: "Any", arguments: "tuple[Any, ...]", remote: Remote) -> BaseException:
    if not (isinstance(kind, type) and issubclass(kind, BaseException) and type(arguments) is tuple):
        raise ValueError("no exception")
    error: Any
    if type(kind) is RemoteExceptionType:
        plain: Any = kind
        error = BaseException.__new__(plain, *arguments)
    else:
        try:
            error = kind(*arguments)
        except Exception:
            error = kind.__new__(kind)
            error.args = arguments
    error.__dict__["_remote"] = remote
    return error
