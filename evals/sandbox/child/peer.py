"""One side of the talk between a program and its tests: each uses the other's objects through stand-ins.

A request names something to do with an object of the receiver (call it, read an attribute, add to it) and the answer is
a value or an exception. Both sides may ask while they are asked, so that tests can hand over callbacks. Arguments that
can change are given back with the answer, and the sender's own objects take on what became of them.
"""

import operator
import os
import sys
from io import StringIO

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

    from evals.sandbox.child import remote, wire
else:
    import remote
    import wire

READY, FAILED = b"R", b"F"
_REQUEST, _ANSWER, _RAISED, _OVERSIZED = b"Q", b"A", b"X", b"T"
_FUNCTION = type(lambda: None)
_HEAD = 17  # Length of the rest (8), kind (1), number of the request (4), place of the value (4).


class Lost(BaseException):
    """The other side is gone, or broke the protocol."""


class Refused(BaseException):
    """The tests asked for a value that the program would have decided by itself."""


class Oversized(BaseException):
    """An answer was too large or too deep to be carried."""


class Peer:
    """One side of the talk.

    Attributes:
        judges: Whether this is the side of the tests, which believes the other one nothing but values.
        failure: What ended the talk: `Lost`, `Refused` or `Oversized`; None so far.
        relied_on_program: Whether an object of the program's own class has decided a comparison.
        failed_assertion: An assertion of the tests that failed while the program had called them.
        expects_stop: Says whether a StopIteration that is raised in a frame of the tests is caught right there.
        globals: The names that the other side may ask for.
        handed_over: Functions of the tests that the program was given and has not called yet, by their `id`.
    """

    def __init__(self, channel: int, *, judges: bool) -> None:
        """Begin to talk over a socket."""
        self.judges = judges
        self.failure: BaseException | None = None
        self.relied_on_program = False
        self.failed_assertion: BaseException | None = None
        self.expects_stop: Callable[[Any], bool] = lambda frame: False
        self.globals: dict[str, Any] = {}
        self.handed_over: dict[int, Any] = {}
        self._channel = channel
        self._read, self._write = os.read, os.write
        self._number = 0
        self._table: list[Any] = []
        self._place_of: dict[int, int] = {}
        self._stand_ins: dict[int, Any] = {}
        self._buffer: StringIO | None = None

    # What both sides do.

    def ask(self, what: str, *arguments: "Any") -> "Any":
        """Ask the other side to do something, and return what came of it.

        Raises:
            Lost: If it is gone.
            Oversized: If its answer cannot be carried.
            BaseException: What it raised.
        """
        if self.failure is not None:
            raise self.failure
        self._number += 1
        number = self._number
        try:
            encoder = wire.Encoder(self._handle_of, names_functions=self.judges)
            place = encoder.add((what, *arguments))
        except (wire.TooLarge, wire.TooDeep, RecursionError) as error:
            raise ValueError(f"a value is too large or too deep for the sandbox: {type(error).__name__}") from error
        self._send(_REQUEST, number, place, encoder.message())
        while True:
            kind, came, place, data = self._receive()
            if kind == _REQUEST:
                self._answer(came, place, data)
                continue
            if came != number or kind not in (_ANSWER, _RAISED, _OVERSIZED):
                self.broken()
            value, _ = self._decoded(place, data, encoder.mutables)
            if kind == _ANSWER:
                return value
            if kind == _OVERSIZED:
                self.fail(Oversized(value))
            if not isinstance(value, BaseException):
                self.broken()
            raise value

    def serve(self) -> None:
        """Answer until the other side is gone."""
        while True:
            try:
                kind, number, place, data = self._receive()
                if kind != _REQUEST:
                    return
                self._answer(number, place, data)
            except Lost:
                return

    def tell(self, kind: bytes, value: "Any") -> None:
        """Say something unasked, at the beginning."""
        encoder = wire.Encoder(self._handle_of, names_functions=self.judges)
        self._send(kind, 0, encoder.add(value), encoder.message())

    def hear(self) -> "tuple[bytes, Any]":
        """Return what the other side says at the beginning."""
        kind, _, place, data = self._receive()
        return kind, self._decoded(place, data, [])[0]

    def fail(self, why: BaseException) -> "NoReturn":
        """End the talk.

        Raises:
            BaseException: The reason.
        """
        self.failure = self.failure or why
        raise why

    def refuse(self, why: str) -> "NoReturn":
        """Stop tests that would take the program's word for it.

        Raises:
            Refused: Always.
        """
        self.fail(Refused(why))

    def is_own_assertion(self, error: "Any") -> bool:
        """Say whether an exception is an assertion of the tests that failed, on the side of the tests."""
        return self.judges and isinstance(error, AssertionError) and not remote.is_from_there(error)

    def broken(self) -> "NoReturn":
        """End the talk with a side that breaks its rules.

        Raises:
            Lost: Always.
        """
        self.fail(Lost("it broke off its talk with the tests"))

    @staticmethod
    def operate(what: str, *operands: "Any") -> "Any":
        """Do an operation here."""
        return _OPERATIONS[what](*operands)

    # Objects and their stand-ins.

    def _handle_of(self, value: "Any") -> "wire.Handle":
        number = remote.number_of(value, self)
        if number is not None:
            return wire.Handle(number, is_ours=True)
        place = self._place_of.get(id(value))
        if place is None:
            place = self._place_of[id(value)] = len(self._table)
            self._table.append(value)
            if self.judges and type(value) is _FUNCTION:
                self.handed_over[id(value)] = value
        return wire.Handle(place, is_ours=False, facts=remote.facts_of(value))

    def _resolve(self, handle: "wire.Handle") -> "Any":
        if handle.is_ours:
            if not 0 <= handle.number < len(self._table):
                raise wire.Broken("there is no such object")
            return self._table[handle.number]
        if handle.number not in self._stand_ins:
            self._stand_ins[handle.number] = remote.stand_in(self, handle)
        return self._stand_ins[handle.number]

    # Frames.

    def _send(self, kind: bytes, number: int, place: int, data: bytes) -> None:
        head = (len(data) + _HEAD - 8).to_bytes(8) + kind + number.to_bytes(4) + place.to_bytes(4)
        left = memoryview(head + data)
        while left:
            try:
                left = left[self._write(self._channel, left) :]
            except OSError:
                self.fail(Lost("it is gone"))

    def _receive(self) -> "tuple[bytes, int, int, bytes]":
        head = self._exactly(_HEAD)
        size = int.from_bytes(head[:8]) - (_HEAD - 8)
        if not 0 <= size <= 2 * wire.MAX_BYTES:
            self.broken()
        return head[8:9], int.from_bytes(head[9:13]), int.from_bytes(head[13:17]), self._exactly(size)

    def _exactly(self, size: int) -> bytes:
        parts = []
        while size:
            try:
                part = self._read(self._channel, min(size, 2**20))
            except OSError:
                part = b""
            if not part:
                self.fail(Lost("it is gone"))
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _decoded(self, place: int, data: bytes, given: "list[Any]") -> "tuple[Any, list[Any]]":
        try:
            values, mutables = wire.decode(data, self._resolve, given, names_functions=not self.judges)
            return values[place], mutables
        except (wire.Broken, IndexError, RecursionError, MemoryError):
            self.broken()

    # Answering.

    def _answer(self, number: int, place: int, data: bytes) -> None:
        request, mutables = self._decoded(place, data, [])
        kind = _ANSWER
        try:
            value = self._done(*request)
        except Lost:
            raise
        except BaseException as error:
            if isinstance(error, MemoryError) and not self.judges:
                use_spare_memory()
            if self.is_own_assertion(error):
                # The program may swallow it; the tests have failed all the same.
                self.failed_assertion = self.failed_assertion or error
            kind, value = _RAISED, error
        given = {id(mutable): index for index, mutable in enumerate(mutables)}
        try:
            encoder = wire.Encoder(self._handle_of, given, names_functions=self.judges)
            place = encoder.add(value)
            for mutable in mutables:
                encoder.add(mutable)
        except (wire.TooLarge, wire.TooDeep, RecursionError, MemoryError) as error:
            kind, told = _OVERSIZED, _WHY_NOT_CARRIED[type(error)]
            if isinstance(error, MemoryError):
                kind, told = _RAISED, MemoryError("none was left to write the answer")
            encoder = wire.Encoder(self._handle_of, names_functions=self.judges)
            place = encoder.add(told)
        self._send(kind, number, place, encoder.message())

    def _done(self, what: str, *arguments: "Any") -> "Any":
        if what == "printed":
            return self._take_printed()
        return _DEEDS[what](self, *arguments)

    def _take_printed(self) -> str:
        """Return what was printed since the last time, and keep what will be from now on."""
        text = self._buffer.getvalue() if self._buffer is not None else ""
        self._buffer = sys.stdout = StringIO()
        return text


_WHY_NOT_CARRIED: "dict[type, Any]" = {
    wire.TooLarge: "its answer is larger than what the tests can take in",
    wire.TooDeep: "its answer is nested deeper than what the tests can take in",
    RecursionError: "its answer is nested deeper than what the tests can take in",
    MemoryError: "",
}


def use_spare_memory() -> None:
    """Let this process have a little more memory, to tell that it has used up what it was given."""
    import resource

    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def _global(peer: Peer, name: str) -> "Any":
    """Read a global name; a pair, whose first part says whether there is one."""
    return (True, peer.globals[name]) if name in peer.globals else (False, None)


def _call(peer: Peer, target: "Any", arguments: "tuple[Any, ...]", names: "dict[str, Any]") -> "Any":
    peer.handed_over.pop(id(target), None)
    return target(*arguments, **names)


def _next(peer: Peer, target: "Any") -> "tuple[bool, Any]":
    try:
        return True, next(target)
    except StopIteration as stop:
        return False, stop.value


def _await(peer: Peer, target: "Any") -> "Any":
    """Run something awaitable to its end, on a loop of this process."""
    import asyncio

    if not hasattr(peer, "loop"):
        peer.loop = asyncio.new_event_loop()  # type: ignore[attr-defined]

    async def awaited() -> "Any":
        return await target

    return peer.loop.run_until_complete(awaited())  # type: ignore[attr-defined]


def _anext(peer: Peer, target: "Any") -> "tuple[bool, Any]":
    try:
        return True, _await(peer, type(target).__anext__(target))
    except StopAsyncIteration:
        return False, None


def _decides_its_truth(peer: Peer, target: "Any") -> bool:
    return any("__bool__" in vars(kind) or "__len__" in vars(kind) for kind in type(target).__mro__)


def _subclass(peer: Peer, name: str, bases: "tuple[Any, ...]", content: "dict[str, Any]") -> "Any":
    """Make a class that the other side defines, with bases of this one."""
    return type(name, bases, {key: remote.as_method(value) for key, value in content.items()})


def _base_value(peer: Peer, target: "Any") -> "Any":
    """Return the plain value in an object whose class is made from a mutable built-in one."""
    if isinstance(target, dict):
        return dict(dict.items(target))
    kinds: tuple[Any, ...] = (list, set, bytearray)
    for kind in kinds:
        if isinstance(target, kind):
            return kind(kind.__iter__(target))
    raise TypeError("it holds no plain value")


def _op(peer: Peer, name: str, *arguments: "Any") -> "Any":
    return _OPERATIONS[name](*arguments)


def _exit(target: "Any", error: "BaseException | None") -> "Any":
    kind = type(target)
    return kind.__exit__(target, error and type(error), error, error and error.__traceback__)


def _copy(target: "Any", memo: object = None) -> "Any":
    from copy import copy

    return copy(target)


def _deepcopy(target: "Any") -> "Any":
    from copy import deepcopy

    return deepcopy(target)


_OPERATIONS: "dict[str, Callable[..., Any]]" = {
    **{
        name: getattr(operator, name)
        for name in (
            "eq", "ne", "lt", "le", "gt", "ge", "add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "pow",
            "lshift", "rshift", "and_", "or_", "xor", "iadd", "isub", "imul", "imatmul", "itruediv", "ifloordiv",
            "imod", "ipow", "ilshift", "irshift", "iand", "ior", "ixor", "neg", "pos", "abs", "invert", "index",
            "contains", "getitem", "setitem", "delitem",
        )
    },
    "divmod": divmod, "len": len, "hash": hash, "bool": bool, "str": str, "repr": repr, "format": format, "int": int,
    "float": float, "complex": complex, "bytes": bytes, "round": round, "iter": iter, "reversed": reversed, "dir": dir,
    "isinstance": isinstance, "issubclass": issubclass, "fspath": os.fspath, "type": type,
    "enter": lambda target: type(target).__enter__(target), "exit": _exit, "copy": _copy, "deepcopy": _deepcopy,
    "trunc": lambda target: type(target).__trunc__(target), "floor": lambda target: type(target).__floor__(target),
    "ceil": lambda target: type(target).__ceil__(target), "aiter": lambda target: type(target).__aiter__(target),
    "aenter": lambda target: type(target).__aenter__(target),
    "aexit": lambda target, error: type(target).__aexit__(target, error and type(error), error, None),
    "missing": lambda target, key: type(target).__missing__(target, key),
}  # fmt: skip
_DEEDS: "dict[str, Callable[..., Any]]" = {
    "global": _global,
    "call": _call,
    "get": lambda peer, target, name: getattr(target, name),
    "set": lambda peer, target, name, value: setattr(target, name, value),
    "del": lambda peer, target, name: delattr(target, name),
    "decides its truth": _decides_its_truth,
    "next": _next,
    "await": _await,
    "anext": _anext,
    "subclass": _subclass,
    "value": _base_value,
    "op": _op,
}
