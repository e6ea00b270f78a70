"""The special methods of stand-ins: each does over there what it is named for."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from evals.sandbox.child import deciding, operations, states
else:
    import deciding
    import operations
    import states


def _asking(what: str) -> "Callable[..., Any]":
    def ask(self: "Any", *arguments: "Any") -> "Any":
        return states.ask(self, what, *arguments)

    return ask


def _call(self: "Any", /, *arguments: "Any", **names_given: "Any") -> "Any":
    state = states.state_of(self)
    answer = state.peer.ask("call", self, arguments, names_given or None)
    if state.peer.judges and type(answer) is bool and arguments and id(self) in deciding.UNTESTED_METHODS:
        state.peer.relied_on_program = True
    return answer


def bound(self: "Any", target: "Any", kind: "Any" = None) -> "Any":
    """Bind a function over there to an object, as one of here binds."""
    if target is None:
        return self
    from types import MethodType

    return MethodType(self, target)


def _length(self: "Any") -> int:
    length = states.ask(self, "len")
    if type(length) is not int:
        raise TypeError("the length of an object must be an int")
    return length


def _next(self: "Any") -> "Any":
    there, value = _pair(self, states.ask(self, "next"))
    if not there:
        raise StopIteration(value) if value is not None else StopIteration
    return value


def _pair(self: "Any", answer: "Any") -> "tuple[bool, Any]":
    if type(answer) is not tuple or len(answer) != 2 or type(answer[0]) is not bool:
        states.state_of(self).peer.refuse("the program's own iterator answers something else")
    return answer


def _resume(what: str) -> "Callable[..., Any]":
    def resume(self: "Any", argument: "Any", *rest: "Any") -> "Any":
        if what == "throw" and rest and isinstance(rest[0], BaseException):
            argument = rest[0]
        there, value = _pair(self, states.ask(self, what, argument))
        if not there:
            raise StopIteration(value) if value is not None else StopIteration
        return value

    return resume


def send_to_coroutine(self: "Any", argument: "Any") -> "Any":
    """Run a coroutine over there to its end, as the step of a task here."""
    raise StopIteration(states.ask(self, "await"))


def _await(self: "Any") -> "Any":
    return states.ask(self, "await")
    yield  # Makes this a generator, as `await` wants it.


def _exit(self: "Any", kind: "Any", error: "Any", trace: "Any") -> "Any":
    answer = states.ask(self, "exit", error)
    swallowed = answer if type(answer) is bool else answer is not None and bool(answer)
    return deciding.may_swallow(self, error) if swallowed else swallowed


async def _enter_async(self: "Any") -> "Any":
    return states.ask(self, "aenter")


async def _exit_async(self: "Any", kind: "Any", error: "Any", trace: "Any") -> "Any":
    swallowed = states.ask(self, "aexit", error)
    return deciding.may_swallow(self, error) if swallowed else swallowed


async def _next_async(self: "Any") -> "Any":
    there, value = _pair(self, states.ask(self, "anext"))
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
    **_mirrored(deciding.computing, operations.BINARY),
    **{f"__r{name}__": deciding.computing_reflected(name) for name in operations.BINARY},
    **{f"__i{name}__": deciding.computing(f"i{name}") for name in operations.BINARY if name != "divmod"},
}
FORWARDED: "dict[str, Callable[..., Any]]" = {
    **_mirrored(deciding.comparing, operations.COMPARING),
    **_ARITHMETIC,
    **_mirrored(_asking, _SIMPLE),
    "__call__": _call, "__bool__": deciding.truth, "__contains__": deciding.contains, "__len__": _length,
    "__next__": _next, "__await__": _await, "__exit__": _exit, "__aenter__": _enter_async, "__aexit__": _exit_async,
    "__anext__": _next_async, "send": _resume("send"), "throw": _resume("throw"), "close": _asking("close"),
}  # fmt: skip
OF_VALUES = {
    **{name: deciding.by_value(name, forward) for name, forward in FORWARDED.items()},
    **{name: FORWARDED[name] for name in ("__call__", "__enter__", "__exit__")},
}
_DECIDED_BY_CONTENT = ("__contains__", "__bool__", *_ARITHMETIC, *(f"__{name}__" for name in operations.COMPARING))
OF_CONTAINERS = {
    name: deciding.in_container(name, forward) if name in _DECIDED_BY_CONTENT else forward
    for name, forward in FORWARDED.items()
}
