"""Stand-ins for objects of the other process.

A class of the other process gets a class here, with the same name, the same built-in bases and the same special
methods, and an object an instance of it; what is done with them is done over there. An object whose class is made from
an immutable built-in type, as a named tuple is, has its plain value here too.

On the side of the tests, stand-ins keep the program from deciding. An object of the program's own may be looked at,
called and iterated over, since what comes back is a value again. But where the tests compare it with a value of theirs,
or compute with the two, its class would have the last word: that is refused, unless the tests made the object
themselves from a class (one whose name they wrote with a capital letter); then it is noted.
"""

import builtins
import sys
from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from evals.sandbox.child import names, operations
    from evals.sandbox.child.peer import Peer
else:
    import names
    import operations

_IMMUTABLE = (int, float, complex, str, bytes, tuple, frozenset)
_MUTABLE = (list, dict, set, bytearray, deque)
_BASE_KINDS = {kind.__name__: kind for kind in (*_IMMUTABLE, *_MUTABLE)}
_BASES_OF = type.__dict__["__bases__"].__get__
_ARGS_OF = BaseException.__dict__["args"]
# Methods of strings and sets that say yes or no to a value that they are given.
_DECIDING = ("startswith", "endswith", "issubset", "issuperset", "isdisjoint")
_MUTATORS = (
    "append", "extend", "insert", "remove", "pop", "popitem", "popleft", "appendleft", "extendleft", "rotate", "clear",
    "sort", "reverse", "update", "setdefault", "add", "discard", "difference_update", "intersection_update",
    "symmetric_difference_update",
)  # fmt: skip
_EXTRA_OF_ERRORS = ("name", "path", "filename", "filename2", "code", "value")
_COROUTINE_FLAG = 0x80
# Modules whose exceptions are the tests' own too. Others, as unittest's, would tell the tests what to do.
_MODULES_OF_ERRORS = (
    "json", "decimal", "_decimal", "dataclasses", "subprocess", "concurrent", "queue", "_queue", "statistics", "struct",
    "re", "csv", "_csv", "configparser", "binascii", "zlib", "pickle", "_pickle", "copy", "sqlite3", "urllib", "xml",
    "shutil", "socket", "ssl", "email", "http", "graphlib", "tomllib", "zipfile", "tarfile", "ipaddress", "io",
)  # fmt: skip


class State:
    """What is known of a stand-in.

    Attributes:
        peer: The talk that it belongs to.
        number: Its object's place in the other side's table.
        tested: Whether the tests made the object themselves.
        handed_back: Whether it has come in an answer of the program since.
        base: The mutable built-in type that its class is made from, if any.
        called: For a class, the name that the tests use for it.
    """

    __slots__ = ("base", "called", "handed_back", "number", "peer", "tested")

    def __init__(self, peer: "Peer", number: int) -> None:
        self.peer = peer
        self.number = number
        self.tested = False
        self.handed_back = False
        self.base: type | None = None
        self.called = ""


_STATES: "dict[int, State]" = {}  # By id: a stand-in lives as long as its peer.


def is_stand_in(value: "Any") -> bool:
    """Say whether an object stands for one of the other process."""
    return id(value) in _STATES


def number_of(value: "Any") -> "int | None":
    """Return the place of a stand-in's object in the other side's table; None for anything else."""
    state = _STATES.get(id(value))
    return None if state is None else state.number


def is_written_here(kind: type) -> bool:
    """Say whether a class is one of the tests' own."""
    return kind.__module__ == "__main__" and not isinstance(kind, ClassStandIn)


def note_name(value: "Any", name: str) -> None:
    """Note under which name the tests use a class of the program."""
    if isinstance(value, ClassStandIn) and id(value) in _STATES:
        _STATES[id(value)].called = name


def note_answer(stand_in: "Any") -> None:
    """Note that the program has answered with an object: no more than any other answer may it judge itself."""
    _STATES[id(stand_in)].handed_back = True


def _state(value: "Any") -> State:
    return _STATES[id(value)]


def _ask(target: "Any", what: str, *arguments: "Any") -> "Any":
    return _STATES[id(target)].peer.ask(what, target, *arguments)


# Facts.


def facts_of(value: "Any", name_of: "Callable[[Any], str]") -> "tuple[Any, ...]":
    """Return what the other side must know of an object to make its stand-in.

    Args:
        value: The object.
        name_of: Tells the name under which the other side knows a class, if it does.
    """
    kind: Any = type(value)
    mro = operations.mro_of(kind)
    if type in mro:
        return _facts_of_class(value)
    if BaseException in mro:
        return "error", kind, _facts_of_error(value)
    base = next((base for base in _IMMUTABLE if base in mro), None)
    # The stand-in of an iterator is none itself, though both sides know its class.
    told = _facts_of_class(kind) if name_of(kind) else kind
    return ("object", told) if base is None else ("value", told, operations.plain_value(value, base))


def _facts_of_class(kind: type) -> "tuple[Any, ...]":
    mro = operations.mro_of(kind)
    base = next((base for base in _BASE_KINDS.values() if base in mro), None)
    is_error = BaseException in mro
    # What built-in types bring along is there already, but for those whose content can change.
    brings = is_error or base in _IMMUTABLE
    library = [one for one in mro if one.__module__ == "builtins" and (brings or one is object)]
    seen = {name for one in mro if one not in library for name in operations.own_names(one)}
    unhashable = next((own["__hash__"] for own in map(operations.own_names, mro) if "__hash__" in own), None) is None
    # A class of the program's own may have a method `send` that is no generator's.
    of_python = kind.__module__ == "builtins"
    names_told = tuple(name for name in _FORWARDED if name in seen and (of_python or name.startswith("__")))
    names_told += ("__str__",) if is_error and "__str__" in seen else ()
    if base in _IMMUTABLE:
        names_told += tuple(name for name in seen if not name.startswith("__") and hasattr(base, name))
    about = operations.own_names(kind)
    doc = about.get("__doc__")
    return (
        "class",
        *(_text(_TYPE_NAMES[part].__get__(kind)) for part in ("__name__", "__qualname__", "__module__")),
        doc if type(doc) is str else None,
        tuple(_known_bases(kind)),
        names_told,
        base.__name__ if base else "",
        unhashable,
        tuple(one.__name__ for one in mro if one.__module__ == "collections.abc"),
        _library_error(kind) if is_error else "",
    )


_ERRORS = {value for value in vars(builtins).values() if type(value) is type and issubclass(value, BaseException)}
_TYPE_NAMES = {name: type.__dict__[name] for name in ("__name__", "__qualname__", "__module__")}


def _text(value: "Any") -> str:
    return value if type(value) is str else "?"


def _known_bases(kind: type) -> "list[type]":
    """Return the bases that the other side can know or must know: built-in ones and the program's own."""
    found = []
    for base in _BASES_OF(kind):
        if names.shared_name(base) or base.__module__.partition(".")[0] not in sys.stdlib_module_names:
            found.append(base)
        else:
            found += [one for one in operations.mro_of(base) if one is not object and names.shared_name(one)][:1]
    return found


def _library_error(kind: type) -> str:
    module, name = kind.__module__, kind.__qualname__
    known = type(module) is str and module.partition(".")[0] in sys.stdlib_module_names
    return f"{module}:{name}" if known and module != "builtins" else ""


def _facts_of_error(error: BaseException) -> "tuple[Any, ...]":
    extras = {}
    in_library = type(error).__module__.partition(".")[0] in sys.stdlib_module_names
    for name in (*_EXTRA_OF_ERRORS, *(vars(error) if in_library else ())):
        value = getattr(error, name, None) if in_library else None
        if type(value) in (str, int):
            extras[name] = value
    cause = error.__cause__ if error.__cause__ is not error else None
    arguments = _ARGS_OF.__get__(error)
    if isinstance(error, BaseExceptionGroup):
        arguments = BaseExceptionGroup.message.__get__(error), BaseExceptionGroup.exceptions.__get__(error)
    return arguments, cause, error.__suppress_context__ is True, tuple(extras.items())


# Making.


def make(peer: "Peer", number: int, facts: "tuple[Any, ...]") -> "Any":
    """Make the stand-in for an object of the other side, from what that side tells of it.

    Raises:
        TypeError, ValueError: If that makes no sense.
    """
    state = State(peer, number)
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
        base = next(base for base in _IMMUTABLE if base in operations.mro_of(kind))
        if type(rest[0]) is not base:
            raise TypeError("a value of another type")
        made = base.__new__(kind, rest[0])  # type: ignore[call-overload]
    else:
        made = object.__new__(kind)  # type: ignore[arg-type]
        state.base = _STATES[id(kind)].base if id(kind) in _STATES else None
    _STATES[id(made)] = state
    return made


def _library_class(peer: "Peer", facts: "tuple[Any, ...]") -> type:
    """Return the class of the stand-ins for objects of a class that both sides know by its name."""
    key = facts[2:4]
    if key not in _LIBRARY_CLASSES:
        _LIBRARY_CLASSES[key] = _made_class(State(peer, -1), *facts[1:])
    return _LIBRARY_CLASSES[key]


_LIBRARY_CLASSES: "dict[tuple[str, str], type]" = {}


def _made_class(
    state: State,
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
    base = _BASE_KINDS.get(base_name)
    forwarded = _FORWARDED
    if base in _IMMUTABLE:
        forwarded = _OF_VALUES
    elif base is not None:
        state.base = base
        forwarded = _OF_CONTAINERS
    if name == "coroutine" and module == "builtins":
        forwarded = {**forwarded, "send": _send_to_coroutine}
    namespace: dict[str, Any] = {"__slots__": (), "__module__": module, "__qualname__": qualified, "__doc__": doc}
    for special in specials:
        if special in forwarded:
            namespace[special] = forwarded[special]
        elif base in _IMMUTABLE and not special.startswith("__"):
            namespace[special] = _Overridden(special)
    if "__call__" in specials and module in ("builtins", "functools"):
        namespace |= {"__doc__": _Asked("__doc__", doc), "__module__": _Asked("__module__", module)}
    if name in ("function", "method_descriptor") and module == "builtins":
        namespace["__get__"] = _bound
    if "__eq__" in namespace and "__hash__" not in namespace:
        namespace["__hash__"] = object.__hash__
    if unhashable:
        namespace["__hash__"] = None
    if state.base is not None:
        namespace["__class__"] = property(_seeming_class)
    native = (BaseException, *_IMMUTABLE)
    solid: list[Any] = [one for one in bases if isinstance(one, ClassStandIn) or issubclass(one, native)]
    if not any(isinstance(one, ClassStandIn) for one in solid):
        solid.insert(0, Remote)
    try:
        made = type.__new__(ClassStandIn, name, tuple(solid), namespace)
    except TypeError:  # Bases that do not go together without what lies between them over there.
        plain = next((one for one in _IMMUTABLE if one is base), None)
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
    kind, base = type(self), _state(self).base
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
        return self._of_class if target is None else _ask(target, "get", self._name)


class _Overridden:
    """An attribute that a built-in type has, and the class over there its own of: it is not the plain value's."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, target: "Any", kind: "Any" = None) -> "Any":
        return _ask(kind, "get", self._name) if target is None else Remote.__getattr__(target, self._name)


class ClassStandIn(type):
    """The type of the classes that stand for classes of the other process."""

    def __new__(
        mcs, name: str, bases: "tuple[type, ...]", content: "dict[str, Any]", **keywords: "Any"
    ) -> "ClassStandIn":
        """Make a class that the tests derive from one of the program's: one here, and one over there."""
        for base in bases:
            for one in operations.mro_of(base):
                if isinstance(one, ClassStandIn) and id(one) in _STATES:
                    _let_super_find(one)
        made = type.__new__(mcs, name, bases, {"__slots__": (), **content})
        parent = next(one for one in operations.mro_of(made) if id(one) in _STATES)
        told = {key: _told_form(value) for key, value in content.items() if key not in _NOT_TOLD}
        told["__module__"] = ("value", content.get("__module__", "__main__"))
        other = _state(parent).peer.ask("subclass", name, bases, told, keywords)
        state = _STATES[id(made)] = _state(other)
        state.called = name
        state.base = state.base or _state(parent).base
        state.peer.stands_for(state.number, made)
        return made

    def __init__(cls, name: str, bases: "tuple[type, ...]", content: "dict[str, Any]", **keywords: "Any") -> None:
        type.__init__(cls, name, bases, content)

    def __call__(cls, *arguments: "Any", **names_given: "Any") -> "Any":
        state = _state(cls)
        made = state.peer.ask("call", cls, arguments, names_given or None)
        if state.peer.judges and isinstance(made, cls):
            _as_tested(made, tested=state.called[:1].isupper())
        return made

    def __getattr__(cls, name: str) -> "Any":
        if id(cls) not in _STATES:
            raise AttributeError(name)
        return _data_fields(cls) if name == "__dataclass_fields__" else _ask(cls, "get", name)

    def __setattr__(cls, name: str, value: "Any") -> None:
        if id(cls) not in _STATES or name.startswith("__"):
            type.__setattr__(cls, name, value)
        else:
            _ask(cls, "set", name, value)

    def __delattr__(cls, name: str) -> None:
        _ask(cls, "del", name)

    def __iter__(cls) -> "Any":
        return _ask(cls, "iter")

    def __len__(cls) -> "Any":
        return _ask(cls, "len")

    def __bool__(cls) -> bool:
        return True

    def __getitem__(cls, key: "Any") -> "Any":
        return _ask(cls, "getitem", key)

    def __contains__(cls, value: "Any") -> "Any":
        return _ask(cls, "contains", value)

    def __dir__(cls) -> "Any":
        return _ask(cls, "dir")


_NOT_TOLD = ("__module__", "__qualname__", "__classcell__", "__dict__", "__weakref__", "__slots__", "__firstlineno__")


def _told_form(value: "Any") -> "tuple[str, Any]":
    """Say what a name in the body of a class holds, so that it binds over there as it would here."""
    kind = type(value)
    if kind is staticmethod or kind is classmethod:
        return "static" if kind is staticmethod else "class", value.__func__
    if kind is property:
        return "property", (value.fget, value.fset, value.fdel)
    return "method" if kind.__name__ == "function" else "value", value


class _Inherited:
    """Finds an attribute of a class over there as `super()` asks for it: of this class, whatever the object's is."""

    def __init__(self, owner: type, name: str) -> None:
        self._owner = owner
        self._name = name

    def __get__(self, target: "Any", kind: "Any" = None) -> "Any":
        if target is None:
            return _ask(self._owner, "get", self._name)
        return _ask(self._owner, "of_class", self._name, target, type(target))


def _let_super_find(kind: type) -> None:
    for name in _ask(kind, "bound_names"):
        if name not in vars(kind) and name not in _NOT_INHERITED and not name.startswith("__dataclass"):
            type.__setattr__(kind, name, _Inherited(kind, name))


_NOT_INHERITED = (
    *_NOT_TOLD, "__new__", "__doc__", "__annotations__", "__init_subclass__", "__class_getitem__",
    "__abstractmethods__", "_abc_impl", "__hash__", "__parameters__", "__orig_bases__", "__match_args__",
)  # fmt: skip


class Remote:
    """Stands for an object of the other process; the special methods that its class has are added to a subclass."""

    __slots__ = ()

    def __getattr__(self, name: str) -> "Any":
        if name in ("_is_coroutine_marker", "_is_coroutine"):
            return _coroutine_mark(self, name)
        if name == "__code__":
            return _code(self)
        if name == "__dataclass_fields__":
            return _data_fields(self)
        state = _state(self)
        if not state.peer.judges or state.tested:
            return _ask(self, "get", name)
        if state.base is not None and name not in _MUTATORS and hasattr(state.base, name):
            return getattr(_snapshot(self), name)
        if name in _DECIDING and not name.startswith("__"):
            state.peer.refuse(f"the program's own {type(self).__name__} object would say whether the answer is right")
        found = _ask(self, "get", name)
        if id(found) in _STATES and type(found).__name__ == "method":
            _UNTESTED_METHODS.add(id(found))
        return found

    def __setattr__(self, name: str, value: "Any") -> None:
        if name.startswith("__"):
            super().__setattr__(name, value)
        else:
            _ask(self, "set", name, value)

    def __delattr__(self, name: str) -> None:
        _ask(self, "del", name)

    @property
    def __dict__(self) -> "Any":  # type: ignore[override]
        return _ask(self, "get", "__dict__")

    def __dir__(self) -> "Any":
        return _ask(self, "dir")

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


_UNTESTED_METHODS: "set[int]" = set()


def _text_of(self: "Any", what: str, *arguments: "Any") -> str:
    text = _ask(self, what, *arguments)
    if type(text) is not str:
        text = str.__str__(text) if isinstance(text, str) else "?"
    return text


def _copied(self: "Any", what: str) -> "Any":
    state = _state(self)
    return _as_tested(state.peer.ask(what, self), tested=state.tested)


def _code(self: "Any") -> "Any":
    """Return a code object of the shape of a function's own: its parameters' names, and what kind it is."""
    shape = _ask(self, "code_shape")
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


def _data_fields(self: "Any") -> "dict[str, Any]":
    """Return the fields of a data class as the functions of `dataclasses` look for them.

    Raises:
        AttributeError: If it is none.
    """
    import dataclasses

    found = {}
    try:
        told = _ask(self, "data_fields")
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


# The special methods.


def _snapshot(self: "Any") -> "Any":
    """Return the plain content of an object whose class is made from a mutable built-in type."""
    state = _state(self)
    assert state.base is not None
    value = state.peer.ask("plain", self, state.base.__name__)
    if type(value) is not state.base:
        state.peer.refuse("the program's own object does not say what it holds")
    return value


def _may_decide(self: "Any", other: "Any", what: str) -> State:
    """See to it that no untested object of the program meets a value of the tests, and note it if a tested one does."""
    state = _state(self)
    if state.peer.judges:
        if id(other) not in _STATES and (state.handed_back or not state.tested):
            state.peer.refuse(f"the program's own {type(self).__name__} object would {what} a value of the tests")
        state.peer.relied_on_program = True
    return state


def _comparing(what: str) -> "Callable[[Any, Any], Any]":
    def compare(self: "Any", other: "Any") -> "Any":
        if other is None and what in ("eq", "ne"):
            return what == "ne"
        return _may_decide(self, other, "decide how it compares with").peer.ask(what, self, other)

    return compare


def _computing(what: str) -> "Callable[[Any, Any], Any]":
    def compute(self: "Any", other: "Any", *rest: "Any") -> "Any":
        state = _may_compute(self, other)
        return _as_tested(state.peer.ask(what, self, other, *rest), tested=state.tested)

    return compute


def _computing_reflected(what: str) -> "Callable[[Any, Any], Any]":
    def compute(self: "Any", other: "Any") -> "Any":
        state = _may_compute(self, other)
        return _as_tested(state.peer.ask(what, other, self), tested=state.tested)

    return compute


def _may_compute(self: "Any", other: "Any") -> State:
    state = _state(self)
    if state.peer.judges and id(other) in _STATES:
        return state
    return _may_decide(self, other, "compute with")


def _as_tested(made: "Any", *, tested: bool) -> "Any":
    if id(made) in _STATES:
        _state(made).tested, _state(made).handed_back = tested, False
    return made


def _asking(what: str) -> "Callable[..., Any]":
    def ask(self: "Any", *arguments: "Any") -> "Any":
        return _ask(self, what, *arguments)

    return ask


def _call(self: "Any", /, *arguments: "Any", **names_given: "Any") -> "Any":
    state = _state(self)
    answer = state.peer.ask("call", self, arguments, names_given or None)
    if state.peer.judges and type(answer) is bool and arguments and id(self) in _UNTESTED_METHODS:
        state.peer.relied_on_program = True
    return answer


def _bound(self: "Any", target: "Any", kind: "Any" = None) -> "Any":
    if target is None:
        return self
    from types import MethodType

    return MethodType(self, target)


def _truth(self: "Any") -> bool:
    state = _state(self)
    if state.peer.judges:
        if not state.tested:
            state.peer.refuse(f"the program's own {type(self).__name__} object would say whether it is true")
        state.peer.relied_on_program = True
    return _ask(self, "bool") is True


def _contains(self: "Any", value: "Any") -> "Any":
    state = _state(self)
    if state.peer.judges and not state.tested and id(value) not in _STATES:
        state.peer.refuse(
            f"the program's own {type(self).__name__} object would say whether it holds a value of the tests"
        )
    if state.peer.judges and (state.handed_back or id(value) in _STATES):
        state.peer.relied_on_program = True
    return _ask(self, "contains", value)


def _length(self: "Any") -> int:
    length = _ask(self, "len")
    if type(length) is not int:
        raise TypeError("the length of an object must be an int")
    return length


def _next(self: "Any") -> "Any":
    there, value = _pair(self, _ask(self, "next"))
    if not there:
        raise StopIteration(value) if value is not None else StopIteration
    return value


def _pair(self: "Any", answer: "Any") -> "tuple[bool, Any]":
    if type(answer) is not tuple or len(answer) != 2 or type(answer[0]) is not bool:
        _state(self).peer.refuse("the program's own iterator answers something else")
    return answer


def _resume(what: str) -> "Callable[..., Any]":
    def resume(self: "Any", argument: "Any", *rest: "Any") -> "Any":
        if what == "throw" and rest and isinstance(rest[0], BaseException):
            argument = rest[0]
        there, value = _pair(self, _ask(self, what, argument))
        if not there:
            raise StopIteration(value) if value is not None else StopIteration
        return value

    return resume


def _send_to_coroutine(self: "Any", argument: "Any") -> "Any":
    """Run a coroutine over there to its end, as the step of a task here."""
    raise StopIteration(_ask(self, "await"))


def _await(self: "Any") -> "Any":
    return _ask(self, "await")
    yield  # Makes this a generator, as `await` wants it.


def _exit(self: "Any", kind: "Any", error: "Any", trace: "Any") -> "Any":
    answer = _ask(self, "exit", error)
    swallowed = answer if type(answer) is bool else answer is not None and bool(answer)
    return _may_swallow(self, error) if swallowed else swallowed


def _may_swallow(self: "Any", error: "BaseException | None") -> bool:
    """Say whether an exception of a block of the tests may go no further, and note it if checks came after it."""
    peer = _state(self).peer
    if error is not None and peer.skips_checks(error):
        peer.relied_on_program = True
    return not peer.is_failed_check(error)


async def _enter_async(self: "Any") -> "Any":
    return _ask(self, "aenter")


async def _exit_async(self: "Any", kind: "Any", error: "Any", trace: "Any") -> "Any":
    swallowed = _ask(self, "aexit", error)
    return _may_swallow(self, error) if swallowed else swallowed


async def _next_async(self: "Any") -> "Any":
    there, value = _pair(self, _ask(self, "anext"))
    if not there:
        raise StopAsyncIteration
    return value


def _mirrored(form: "Callable[[str], Callable[..., Any]]", what: "tuple[str, ...]") -> "dict[str, Callable[..., Any]]":
    return {f"__{name}__": form(name) for name in what}


_SIMPLE = (
    "neg", "pos", "abs", "invert", "int", "float", "complex", "index", "round", "trunc", "floor", "ceil", "hash",
    "bytes", "iter", "reversed", "fspath", "length_hint", "getitem", "setitem", "delitem", "enter", "aiter",
)  # fmt: skip
_ARITHMETIC: "dict[str, Callable[..., Any]]" = {
    **_mirrored(_computing, operations.BINARY),
    **{f"__r{name}__": _computing_reflected(name) for name in operations.BINARY},
    **{f"__i{name}__": _computing(f"i{name}") for name in operations.BINARY if name != "divmod"},
}
_FORWARDED: "dict[str, Callable[..., Any]]" = {
    **_mirrored(_comparing, operations.COMPARING),
    **_ARITHMETIC,
    **_mirrored(_asking, _SIMPLE),
    "__call__": _call, "__bool__": _truth, "__contains__": _contains, "__len__": _length, "__next__": _next,
    "__await__": _await, "__exit__": _exit, "__aenter__": _enter_async, "__aexit__": _exit_async,
    "__anext__": _next_async, "send": _resume("send"), "throw": _resume("throw"), "close": _asking("close"),
}  # fmt: skip


def _by_value(name: str, forward: "Callable[..., Any]") -> "Callable[..., Any]":
    """Compute with an object that has a plain value here: its own class does so only where the tests made it."""

    def compute(self: "Any", *arguments: "Any") -> "Any":
        state = _state(self)
        if state.peer.judges and not state.tested:
            base = next(base for base in _IMMUTABLE if isinstance(self, base))
            return getattr(base, name, lambda *_: NotImplemented)(self, *arguments)
        return forward(self, *arguments)

    return compute


def _in_container(name: str, forward: "Callable[..., Any]") -> "Callable[..., Any]":
    """Use the plain content of an object of a class made from list, dict and the like, unless the tests made it."""
    compares = name.strip("_") in operations.COMPARING

    def use(self: "Any", *arguments: "Any") -> "Any":
        state = _state(self)
        if state.peer.judges and (compares or not state.tested):
            other = [
                _snapshot(one) if id(one) in _STATES and _state(one).base is not None else one for one in arguments
            ]
            return getattr(state.base, name, lambda *_: NotImplemented)(_snapshot(self), *other)
        return forward(self, *arguments)

    return use


_OF_VALUES = {
    **{name: _by_value(name, forward) for name, forward in _FORWARDED.items()},
    **{name: _FORWARDED[name] for name in ("__call__", "__enter__", "__exit__")},
}
_DECIDED_BY_CONTENT = ("__contains__", "__bool__", *_ARITHMETIC, *(f"__{name}__" for name in operations.COMPARING))
_OF_CONTAINERS = {
    name: _in_container(name, forward) if name in _DECIDED_BY_CONTENT else forward
    for name, forward in _FORWARDED.items()
}
