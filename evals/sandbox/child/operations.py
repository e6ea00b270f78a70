"""What one side may ask the other to do with an object: operations by their name."""

import operator
import os
import sys
from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

COMPARING = ("eq", "ne", "lt", "le", "gt", "ge")
BINARY = (
    "add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "pow", "divmod", "lshift", "rshift", "and", "or",
    "xor",
)  # fmt: skip
UNARY = (
    "neg", "pos", "abs", "invert", "int", "float", "complex", "index", "round", "trunc", "floor", "ceil", "len", "hash",
    "bool", "str", "repr", "format", "bytes", "iter", "reversed", "fspath", "length_hint",
)  # fmt: skip
IMMUTABLE = (int, float, complex, str, bytes, tuple, frozenset)
_MUTABLE = {kind.__name__: kind for kind in (list, dict, set, bytearray, deque)}
# The types whose plain value an object of a class made from them has; by their name.
BASE_KINDS: "dict[str, type]" = {**{kind.__name__: kind for kind in IMMUTABLE}, **_MUTABLE}
_TYPE_MRO = type.__dict__["__mro__"].__get__
_TYPE_DICT = type.__dict__["__dict__"].__get__


def mro_of(kind: type) -> "tuple[type, ...]":
    """Return a class's bases in order, itself first, whatever its metaclass says."""
    return _TYPE_MRO(kind)  # type: ignore[no-any-return]


def own_names(kind: type) -> "Any":
    """Return the names that a class itself defines, whatever its metaclass says."""
    return _TYPE_DICT(kind)


def _special(name: str) -> "Callable[..., Any]":
    def call(target: "Any", *arguments: "Any") -> "Any":
        return getattr(type(target), name)(target, *arguments)

    return call


def _exit(target: "Any", error: "BaseException | None") -> "Any":
    kind = type(target)
    return kind.__exit__(target, error and type(error), error, error and error.__traceback__)


def _next(target: "Any") -> "tuple[bool, Any]":
    try:
        return True, next(target)
    except StopIteration as stop:
        return False, stop.value


def _resumed(name: str) -> "Callable[..., tuple[bool, Any]]":
    def resume(target: "Any", argument: "Any") -> "tuple[bool, Any]":
        try:
            return True, getattr(target, name)(argument)
        except StopIteration as stop:
            return False, stop.value

    return resume


_loop: "Any" = None


def _awaited(target: "Any") -> "Any":
    """Run something awaitable to its end, on the one event loop that this process has."""
    global _loop  # noqa: PLW0603
    import asyncio

    if _loop is None:
        _loop = asyncio.new_event_loop()

    async def wait() -> "Any":
        return await target

    # The other side may be waiting within a loop of its own; so may this one, further up the stack.
    running = asyncio._get_running_loop()
    if running is None:
        return _loop.run_until_complete(wait())
    asyncio._set_running_loop(None)
    inner = asyncio.new_event_loop()
    try:
        return inner.run_until_complete(wait())
    finally:
        inner.close()
        asyncio._set_running_loop(running)


def _awaited_next(target: "Any") -> "tuple[bool, Any]":
    try:
        return True, _awaited(type(target).__anext__(target))
    except StopAsyncIteration:
        return False, None


def _call(target: "Any", arguments: "tuple[Any, ...]", names: "dict[str, Any] | None") -> "Any":
    return target(*arguments, **names) if names else target(*arguments)


def _data_fields(target: "Any") -> "list[tuple[str, bool]]":
    """Return the fields of a data class: their names, and whether its constructor takes them."""
    import dataclasses

    return [(field.name, field.init) for field in dataclasses.fields(target)]


def _code_shape(function: "Any") -> "tuple[Any, ...]":
    """Return what a function's signature can be told from, apart from its defaults and annotations."""
    code = function.__code__
    taken = code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & 4) + bool(code.co_flags & 8)
    counts = code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount
    return (*counts, code.co_flags, code.co_varnames[:taken], code.co_name)


def _copied(name: str) -> "Callable[[Any], Any]":
    def copied(target: "Any") -> "Any":
        import copy

        return getattr(copy, name)(target)

    return copied


def plain_value(target: "Any", kind: type) -> "Any":
    """Return the value that an object has as an instance of a built-in type, read by that type's own methods."""
    if kind in (int, float, complex):
        return kind.__pos__(target)  # type: ignore[attr-defined]
    if kind is str:
        return str.__str__(target)
    if kind in (tuple, bytes):
        return kind.__getitem__(target, slice(None))  # type: ignore[attr-defined]
    if kind is bytearray:
        return bytearray.copy(target)
    if issubclass(kind, dict):
        # In the order that the mapping itself keeps.
        pairs = sys.modules["collections"].OrderedDict.items(target) if kind.__name__ == "OrderedDict" else None
        return dict(dict.items(target) if pairs is None else pairs)
    return kind(kind.__iter__(target))  # type: ignore[attr-defined, call-arg]


def _made_subclass(name: str, bases: "tuple[Any, ...]", content: "dict[str, Any]", keywords: "dict[str, Any]") -> "Any":
    """Make a class that the other side wrote, from bases of this one."""
    import types

    def fill(namespace: "dict[str, Any]") -> None:
        for key, (form, value) in content.items():
            namespace[key] = _FORMS[form](value)

    return types.new_class(name, bases, keywords, fill)


def _method(function: "Any") -> "Any":
    def method(*arguments: "Any", **names: "Any") -> "Any":
        return function(*arguments, **names)

    return method


_FORMS: "dict[str, Callable[[Any], Any]]" = {
    "value": lambda value: value,
    "method": _method,
    "static": lambda value: staticmethod(_method(value)),
    "class": lambda value: classmethod(_method(value)),
    "property": lambda parts: property(*(part and _method(part) for part in parts)),
}


def _of_class(owner: type, name: str, target: "Any", kind: "Any") -> "Any":
    """Return what a class's own attribute is for an object, as `super()` looks it up."""
    value = own_names(owner)[name]
    bind = getattr(type(value), "__get__", None)
    return value if bind is None else bind(value, target, kind)


is_ = operator.is_
# What the program may have done with objects of the tests.
OPERATIONS: "dict[str, Callable[..., Any]]" = {
    **{name: getattr(operator, name) for name in COMPARING},
    **{name: getattr(operator, {"and": "and_", "or": "or_"}.get(name, name)) for name in BINARY if name != "divmod"},
    **{f"i{name}": getattr(operator, f"i{name}") for name in BINARY if name != "divmod"},
    **{name: getattr(operator, name) for name in ("neg", "pos", "abs", "invert", "index", "length_hint")},
    "divmod": divmod, "int": int, "float": float, "complex": complex, "round": round, "len": len, "hash": hash,
    "bool": bool, "str": str, "repr": repr, "format": format, "bytes": bytes, "iter": iter, "reversed": reversed,
    "fspath": os.fspath, "trunc": _special("__trunc__"), "floor": _special("__floor__"), "ceil": _special("__ceil__"),
    "getitem": operator.getitem, "setitem": operator.setitem, "delitem": operator.delitem,
    "contains": operator.contains, "missing": _special("__missing__"),
    "call": _call, "next": _next, "send": _resumed("send"), "throw": _resumed("throw"),
    "close": lambda target: target.close(),
    "enter": _special("__enter__"), "exit": _exit, "await": _awaited, "anext": _awaited_next,
    "aiter": _special("__aiter__"), "aenter": lambda target: _awaited(type(target).__aenter__(target)),
    "aexit": lambda target, error: _awaited(type(target).__aexit__(target, error and type(error), error, None)),
    "dir": dir, "code_shape": _code_shape,
}  # fmt: skip
# What only the tests may ask for.
OF_TESTS: "dict[str, Callable[..., Any]]" = {
    "get": getattr, "set": setattr, "del": delattr,
    "isinstance": isinstance, "issubclass": issubclass,
    "copy": _copied("copy"), "deepcopy": _copied("deepcopy"),
    "plain": lambda target, name: plain_value(target, _MUTABLE[name]),
    "subclass": _made_subclass, "of_class": _of_class,
    "bound_names": lambda kind: [name for name, value in own_names(kind).items() if hasattr(type(value), "__get__")],
    "data_fields": _data_fields,
}  # fmt: skip
