"""Who decides where the tests meet an object of the program.

An object of the program's own may be looked at, called and iterated over, since what comes back is a value again. But
where the tests compare it with a value of theirs, or compute with the two, its class would have the last word: that is
refused, unless the tests made the object themselves from a class (one whose name they wrote with a capital letter);
then it is noted. What has a plain value, or is made from a list, a dict and the like, is compared by that.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from evals.sandbox.child import operations, states
else:
    import operations
    import states

UNTESTED_METHODS: "set[int]" = set()  # By id: methods of objects that the tests did not make themselves.


def snapshot(self: "Any") -> "Any":
    """Return the plain content of an object whose class is made from a mutable built-in type."""
    state = states.state_of(self)
    assert state.base is not None
    value = state.peer.ask("plain", self, state.base.__name__)
    if type(value) is not state.base:
        state.peer.refuse("the program's own object does not say what it holds")
    return value


def _may_decide(self: "Any", other: "Any", what: str) -> "states.State":
    """See to it that no untested object of the program meets a value of the tests, and note it if a tested one does."""
    state = states.state_of(self)
    if state.peer.judges:
        if not states.is_stand_in(other) and (state.handed_back or not state.tested):
            state.peer.refuse(f"the program's own {type(self).__name__} object would {what} a value of the tests")
        state.peer.relied_on_program = True
    return state


def comparing(what: str) -> "Callable[[Any, Any], Any]":
    """Make the method that compares by an operation over there."""

    def compare(self: "Any", other: "Any") -> "Any":
        if other is None and what in ("eq", "ne"):
            return what == "ne"
        return _may_decide(self, other, "decide how it compares with").peer.ask(what, self, other)

    return compare


def computing(what: str) -> "Callable[[Any, Any], Any]":
    """Make the method that computes by an operation over there."""

    def compute(self: "Any", other: "Any", *rest: "Any") -> "Any":
        state = _may_compute(self, other)
        return as_tested(state.peer.ask(what, self, other, *rest), tested=state.tested)

    return compute


def computing_reflected(what: str) -> "Callable[[Any, Any], Any]":
    """Make the method that computes where the object is on the right."""

    def compute(self: "Any", other: "Any") -> "Any":
        state = _may_compute(self, other)
        return as_tested(state.peer.ask(what, other, self), tested=state.tested)

    return compute


def _may_compute(self: "Any", other: "Any") -> "states.State":
    state = states.state_of(self)
    if state.peer.judges and states.is_stand_in(other):
        return state
    return _may_decide(self, other, "compute with")


def as_tested(made: "Any", *, tested: bool) -> "Any":
    """Take what came of an operation for an object that the tests made themselves, or for one that they did not."""
    if states.is_stand_in(made):
        state = states.state_of(made)
        state.tested, state.handed_back = tested, False
    return made


def truth(self: "Any") -> bool:
    """Ask an object whether it is true."""
    state = states.state_of(self)
    if state.peer.judges:
        if not state.tested:
            state.peer.refuse(f"the program's own {type(self).__name__} object would say whether it is true")
        state.peer.relied_on_program = True
    return states.ask(self, "bool") is True


def contains(self: "Any", value: "Any") -> "Any":
    """Ask an object whether it holds another."""
    state = states.state_of(self)
    if state.peer.judges and not state.tested and not states.is_stand_in(value):
        state.peer.refuse(
            f"the program's own {type(self).__name__} object would say whether it holds a value of the tests"
        )
    if state.peer.judges and (state.handed_back or states.is_stand_in(value)):
        state.peer.relied_on_program = True
    return states.ask(self, "contains", value)


def may_swallow(self: "Any", error: "BaseException | None") -> bool:
    """Say whether an exception of a block of the tests may go no further, and note it if checks came after it."""
    peer = states.state_of(self).peer
    if error is not None and peer.skips_checks(error):
        peer.relied_on_program = True
    return not peer.is_failed_check(error)


def by_value(name: str, forward: "Callable[..., Any]") -> "Callable[..., Any]":
    """Make the method of an object that has a plain value here: its own class is asked only if the tests made it."""

    def compute(self: "Any", *arguments: "Any") -> "Any":
        state = states.state_of(self)
        if state.peer.judges and not state.tested:
            base = next(base for base in operations.IMMUTABLE if isinstance(self, base))
            return getattr(base, name, lambda *_: NotImplemented)(self, *arguments)
        return forward(self, *arguments)

    return compute


def in_container(name: str, forward: "Callable[..., Any]") -> "Callable[..., Any]":
    """Make the method of an object whose class is made from list, dict and the like, by its plain content.

    Its own class is asked for what is no comparison, if the tests made it.
    """
    compares = name.strip("_") in operations.COMPARING

    def use(self: "Any", *arguments: "Any") -> "Any":
        state = states.state_of(self)
        if state.peer.judges and (compares or not state.tested):
            other = [
                snapshot(one) if states.is_stand_in(one) and states.state_of(one).base is not None else one
                for one in arguments
            ]
            return getattr(state.base, name, lambda *_: NotImplemented)(snapshot(self), *other)
        return forward(self, *arguments)

    return use
