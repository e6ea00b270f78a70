"""The stand-in for an object: its attributes, its texts and its copies are those of the object over there."""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from evals.sandbox.child import deciding, states
else:
    import deciding
    import states

# Methods of strings and sets that say yes or no to a value that they are given.
_DECIDING = ("startswith", "endswith", "issubset", "issuperset", "isdisjoint")
_MUTATORS = (
    "append", "extend", "insert", "remove", "pop", "popitem", "popleft", "appendleft", "extendleft", "rotate", "clear",
    "sort", "reverse", "update", "setdefault", "add", "discard", "difference_update", "intersection_update",
    "symmetric_difference_update",
)  # fmt: skip
_COROUTINE_FLAG = 0x80


class Remote:
    """Stands for an object of the other process; the special methods that its class has are added to a subclass."""

    __slots__ = ()

    def __getattr__(self, name: str) -> "Any":
        if name in ("_is_coroutine_marker", "_is_coroutine"):
            return _coroutine_mark(self, name)
        if name == "__code__":
            return _code(self)
        if name == "__dataclass_fields__":
            return data_fields(self)
        state = states.state_of(self)
        if not state.peer.judges or state.tested:
            return states.ask(self, "get", name)
        if state.base is not None and name not in _MUTATORS and hasattr(state.base, name):
            return getattr(deciding.snapshot(self), name)
        if name in _DECIDING and not name.startswith("__"):
            state.peer.refuse(f"the program's own {type(self).__name__} object would say whether the answer is right")
        found = states.ask(self, "get", name)
        if states.is_stand_in(found) and type(found).__name__ == "method":
            deciding.UNTESTED_METHODS.add(id(found))
        return found

    def __setattr__(self, name: str, value: "Any") -> None:
        if name.startswith("__"):
            super().__setattr__(name, value)
        else:
            states.ask(self, "set", name, value)

    def __delattr__(self, name: str) -> None:
        states.ask(self, "del", name)

    @property
    def __dict__(self) -> "Any":  # type: ignore[override]
        return states.ask(self, "get", "__dict__")

    def __dir__(self) -> "Any":
        return states.ask(self, "dir")

    def __repr__(self) -> str:
        return _text_of(self, "repr")

    def __str__(self) -> str:
        return _text_of(self, "str")

    def __format__(self, form: str) -> str:
        return _text_of(self, "format", form)

    def __copy__(self) -> "Any":
        return _copied(self, "copy")

    def __deepcopy__(self, memo: "Any") -> "Any":
        return _copied(self, "deepcopy")

    def __reduce_ex__(self, version: "Any") -> "Any":
        raise TypeError(f"cannot pickle {type(self).__name__!r} object of the other process")


def _text_of(self: "Any", what: str, *arguments: "Any") -> str:
    text = states.ask(self, what, *arguments)
    if type(text) is not str:
        text = str.__str__(text) if isinstance(text, str) else "?"
    return text


def _copied(self: "Any", what: str) -> "Any":
    return deciding.as_tested(states.ask(self, what), tested=states.state_of(self).tested)


def _code(self: "Any") -> "Any":
    """Return a code object of the shape of a function's own: its parameters' names, and what kind it is."""
    shape = states.ask(self, "code_shape")
    arguments, positional, keywords, flags, variables, name = shape
    return _code.__code__.replace(
        co_argcount=arguments,
        co_posonlyargcount=positional,
        co_kwonlyargcount=keywords,
        co_flags=flags,
        co_nlocals=len(variables),
        co_varnames=variables,
        co_name=name,
    )


def data_fields(self: "Any") -> "dict[str, Any]":
    """Return the fields of a data class as the functions of `dataclasses` look for them.

    Raises:
        AttributeError: If it is none.
    """
    import dataclasses

    found = {}
    try:
        told = states.ask(self, "data_fields")
    except TypeError as error:
        raise AttributeError("__dataclass_fields__") from error
    for name, init in told:
        field: Any = dataclasses.field(init=init)
        field.name, field._field_type = name, dataclasses._FIELD  # type: ignore[attr-defined]
        found[name] = field
    return found


def _coroutine_mark(self: "Any", name: str) -> "Any":
    """Return the mark by which inspect and asyncio know a function that is no plain one as a coroutine function."""
    if _code(self).co_flags & _COROUTINE_FLAG:
        where, what = (
            ("inspect", "_is_coroutine_mark") if name.endswith("marker") else ("asyncio.coroutines", "_is_coroutine")
        )
        return getattr(sys.modules.get(where), what, None)
    raise AttributeError(name)
