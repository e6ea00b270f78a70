"""The stand-in for a class: made from, changed and derived from as the class over there."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from evals.sandbox.child import deciding, object_standin, operations, states
else:
    import deciding
    import object_standin
    import operations
    import states

_NOT_TOLD = ("__module__", "__qualname__", "__classcell__", "__dict__", "__weakref__", "__slots__", "__firstlineno__")
_NOT_INHERITED = (
    *_NOT_TOLD, "__new__", "__doc__", "__annotations__", "__init_subclass__", "__class_getitem__",
    "__abstractmethods__", "_abc_impl", "__hash__", "__parameters__", "__orig_bases__", "__match_args__",
)  # fmt: skip


def note_name(value: "Any", name: str) -> None:
    """Note under which name the tests use a class of the program."""
    if isinstance(value, ClassStandIn) and states.is_stand_in(value):
        states.state_of(value).called = name


class ClassStandIn(type):
    """The type of the classes that stand for classes of the other process."""

    def __new__(
        mcs, name: str, bases: "tuple[type, ...]", content: "dict[str, Any]", **keywords: "Any"
    ) -> "ClassStandIn":
        """Make a class that the tests derive from one of the program's: one here, and one over there."""
        for base in bases:
            for one in operations.mro_of(base):
                if isinstance(one, ClassStandIn) and states.is_stand_in(one):
                    _let_super_find(one)
        made = type.__new__(mcs, name, bases, {"__slots__": (), **content})
        parent = next(one for one in operations.mro_of(made) if states.is_stand_in(one))
        told = {key: _told_form(value) for key, value in content.items() if key not in _NOT_TOLD}
        told["__module__"] = ("value", content.get("__module__", "__main__"))
        other = states.state_of(parent).peer.ask("subclass", name, bases, told, keywords)
        state = states.state_of(other)
        states.remember(made, state)
        state.called = name
        state.base = state.base or states.state_of(parent).base
        state.peer.stands_for(state.number, made)
        return made

    def __init__(cls, name: str, bases: "tuple[type, ...]", content: "dict[str, Any]", **keywords: "Any") -> None:
        type.__init__(cls, name, bases, content)

    def __call__(cls, *arguments: "Any", **names_given: "Any") -> "Any":
        state = states.state_of(cls)
        made = state.peer.ask("call", cls, arguments, names_given or None)
        if state.peer.judges and isinstance(made, cls):
            deciding.as_tested(made, tested=state.called[:1].isupper())
        return made

    def __getattr__(cls, name: str) -> "Any":
        if not states.is_stand_in(cls):
            raise AttributeError(name)
        return object_standin.data_fields(cls) if name == "__dataclass_fields__" else states.ask(cls, "get", name)

    def __setattr__(cls, name: str, value: "Any") -> None:
        if not states.is_stand_in(cls) or name.startswith("__"):
            type.__setattr__(cls, name, value)
        else:
            states.ask(cls, "set", name, value)

    def __delattr__(cls, name: str) -> None:
        states.ask(cls, "del", name)

    def __iter__(cls) -> "Any":
        return states.ask(cls, "iter")

    def __len__(cls) -> "Any":
        return states.ask(cls, "len")

    def __bool__(cls) -> bool:
        return True

    def __getitem__(cls, key: "Any") -> "Any":
        return states.ask(cls, "getitem", key)

    def __contains__(cls, value: "Any") -> "Any":
        return states.ask(cls, "contains", value)

    def __dir__(cls) -> "Any":
        return states.ask(cls, "dir")


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
            return states.ask(self._owner, "get", self._name)
        return states.ask(self._owner, "of_class", self._name, target, type(target))


def _let_super_find(kind: type) -> None:
    for name in states.ask(kind, "bound_names"):
        if name not in vars(kind) and name not in _NOT_INHERITED and not name.startswith("__dataclass"):
            type.__setattr__(kind, name, _Inherited(kind, name))
