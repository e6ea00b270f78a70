"""What is known of each stand-in.

The stand-ins themselves have no room for it: every attribute of theirs is one of the object over there.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from evals.sandbox.child.peer import Peer


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


def state_of(value: "Any") -> State:
    """Return what is known of a stand-in.

    Raises:
        KeyError: If it is none.
    """
    return _STATES[id(value)]


def remember(value: "Any", state: State) -> None:
    """Take an object as a stand-in from now on."""
    _STATES[id(value)] = state


def note_answer(stand_in: "Any") -> None:
    """Note that the program has answered with an object: no more than any other answer may it judge itself."""
    _STATES[id(stand_in)].handed_back = True


def ask(target: "Any", what: str, *arguments: "Any") -> "Any":
    """Ask the other side to do something with the object that a stand-in stands for; see `Peer.ask`."""
    return _STATES[id(target)].peer.ask(what, target, *arguments)
