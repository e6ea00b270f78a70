"""One side of the talk between a program and its tests: each uses the other's objects through stand-ins.

A request names something to do with an object of the receiver (call it, read an attribute, add to it), and its answer
is a value or an exception. Whoever waits for an answer answers requests meanwhile, so that tests can hand over
callbacks. Arguments that can change are given back with the answer, and the sender's own objects take on what became of
them.

The side of the tests judges: it takes only values from the other, and lets the other do little with its own objects.
"""

import os
import struct
from _thread import RLock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

    from evals.sandbox.child import facts, guard, kernel, names, operations, standin, states, wire
else:
    import facts
    import guard
    import kernel
    import names
    import operations
    import standin
    import states
    import wire

READY, FAILED = 1, 2
_REQUEST, _ANSWER, _RAISED, _OVERSIZED = 3, 4, 5, 6
_HEAD = struct.Struct(">IBII")  # Bytes that follow, kind, number of the request, place of its value.
_read, _write, _leave = os.read, os.write, os._exit


class Lost(BaseException):
    """The other side is gone, or broke the protocol."""


class Refused(BaseException):
    """The tests would have taken the program's word in place of a value."""


class Oversized(BaseException):
    """A value was too large or too deep to be carried.

    Attributes:
        too_deep: Whether it was too deep.
    """

    def __init__(self, text: str, *, too_deep: bool) -> None:
        super().__init__(text)
        self.too_deep = too_deep


class Peer:
    """One side of the talk.

    Attributes:
        judges: Whether this is the side of the tests.
        failure: What ended the talk: `Lost`, `Refused` or `Oversized`; None so far.
        relied_on_program: Whether an object of the program's own class has decided something.
        before_request: Called before anything is asked.
        after_answer: Called when an answer has come, before it is used, and before a request is answered.
        expects_stop: Says whether a StopIteration that came of a request is caught right there by the tests.
        went_through_check: Says whether an exception came out of a check of the tests, and so means that it failed.
        skips_checks: Says whether checks of the tests are left out if an exception goes no further than its block.
        failed_check: With what a check of the tests failed while the program had called them; None so far.
        handed_over: Objects of the tests that the program was given, by their `id`; not those that it has called, or
            gone through, to the end.
    """

    def __init__(self, channel: int, *, judges: bool) -> None:
        """Begin to talk.

        Args:
            channel: A stream socket, whose other end has the other side.
            judges: Whether this is the side of the tests.
        """
        self.judges = judges
        self.failure: BaseException | None = None
        self.relied_on_program = False
        self.before_request: Callable[[], None] = _nothing
        self.after_answer: Callable[[], None] = _nothing
        self.expects_stop: Callable[[], bool] = lambda: False
        self.went_through_check: Callable[[BaseException], bool] = lambda error: False
        self.skips_checks: Callable[[BaseException], bool] = lambda error: False
        self.failed_check: BaseException | None = None
        self.handed_over: dict[int, Any] = {}
        self.operations: dict[str, Callable[..., Any]] = {**operations.OPERATIONS}
        self._channel = channel
        self._lock = RLock()
        self._number = 0
        self._table: list[Any] = []
        self._number_of: dict[int, int] = {}
        self._told: set[int] = set()
        self._untold: list[int] = []
        self._stand_ins: dict[int, Any] = {}
        self._raised: list[BaseException] = []
        if judges:
            self.operations.update(
                call=self._guarded_call, get=guard.guarded_get, set=guard.guarded_set, dir=guard.guarded_dir
            )
        else:
            self.operations.update(operations.OF_TESTS)

    # Asking.

    def ask(self, what: str, *arguments: "Any") -> "Any":
        """Ask the other side to do something, and return what came of it.

        Raises:
            Lost: If it is gone.
            Oversized: If its answer cannot be carried.
            BaseException: What it raised.
        """
        with self._lock:
            if self.failure is not None:
                raise self.failure
            self.before_request()
            self._number += 1
            number = self._number
            encoder = wire.Encoder(self._handle_of, self._name_of)
            try:
                root = encoder.add((what, *arguments))
            except (wire.TooLarge, wire.TooDeep) as error:
                self._untold.clear()
                self._cannot_send(too_deep=isinstance(error, wire.TooDeep))
            self._send(_REQUEST, number, root, encoder.message())
            while True:
                kind, came, root, data = self._receive()
                if kind == _REQUEST:
                    self._answer(came, root, data)
                    continue
                if came != number or kind not in (_ANSWER, _RAISED, _OVERSIZED):
                    self._broken("an answer that was not asked for")
                value = self._decoded(root, data, encoder.mutables)[0]
                self.after_answer()
                if kind == _ANSWER:
                    return value
                if kind == _OVERSIZED:
                    self.fail(Oversized("its answer is too large or too deep to be carried", too_deep=value is True))
                if not isinstance(value, BaseException):
                    self._broken("an exception that is none")
                if self.judges and isinstance(value, (StopIteration, StopAsyncIteration)) and not self.expects_stop():
                    # Let through, it would end a loop of the tests before all was tested.
                    value = RuntimeError(f"it raised {type(value).__name__}")
                    self._raised.append(value)
                elif value is self.failed_check:
                    self.failed_check = None  # It was not swallowed: the tests have it again.
                elif states.is_stand_in(value):
                    self._raised.append(value)
                raise value

    def is_failed_check(self, error: "Any") -> bool:
        """Say whether an exception means that a check of the tests failed, on the side of the tests."""
        if not self.judges or not isinstance(error, BaseException):
            return False
        own = isinstance(error, AssertionError) and not self.is_from_there(error)
        return own or self.went_through_check(error)

    def is_from_there(self, error: "BaseException | None") -> bool:
        """Say whether an exception was raised by the other side."""
        return any(error is one for one in self._raised)

    def tell(self, kind: int, value: "Any") -> None:
        """Say something unasked, at the beginning."""
        encoder = wire.Encoder(self._handle_of, self._name_of)
        self._send(kind, 0, encoder.add(value), encoder.message())

    def hear(self) -> "tuple[int, Any]":
        """Return what the other side says unasked, at the beginning."""
        kind, _, root, data = self._receive()
        return kind, self._decoded(root, data, [])[0]

    def serve(self) -> "NoReturn":
        """Do what is asked, until the other side is gone; never returns."""
        while True:
            kind, number, root, data = self._receive()
            if kind != _REQUEST:
                self._broken("an answer to nothing")
            self._answer(number, root, data)

    def close(self) -> None:
        """Leave the talk, as a copy of this process must."""
        channel, self._channel = self._channel, -1
        if channel >= 0:
            os.close(channel)

    # Failing.

    def fail(self, why: BaseException) -> "NoReturn":
        """End the talk: whatever is asked from now on raises the same.

        Raises:
            BaseException: The first reason there was.
        """
        self.failure = self.failure or why
        raise self.failure

    def refuse(self, why: str) -> "NoReturn":
        """Stop tests that would take the program's word.

        Raises:
            Refused: Always.
        """
        self.fail(Refused(why))

    def _broken(self, why: str) -> "NoReturn":
        if not self.judges:
            self._end()
        self.fail(Lost(f"it sent {why}"))

    def _cannot_send(self, *, too_deep: bool) -> "NoReturn":
        text = "an argument is nested too deep" if too_deep else "an argument is too large"
        if self.judges:
            self.fail(Oversized(text, too_deep=too_deep))
        raise ValueError(f"{text} for the sandbox")

    def _end(self) -> "NoReturn":
        import sys

        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            _leave(0)

    # Answering.

    def _answer(self, number: int, root: int, data: bytes) -> None:
        request, mutables = self._decoded(root, data, [])
        self.after_answer()
        before = [wire.content(mutable, type(mutable)) for mutable in mutables]
        kind: int = _ANSWER
        value: Any
        try:
            what, *arguments = request
            value = self.operations[what](*arguments)
            if self.judges and (what in ("call", "await") or (what in ("next", "send", "throw") and not value[0])):
                self.handed_over.pop(id(arguments[0]), None)
        except (Lost, Refused, Oversized):
            raise
        except BaseException as error:
            if isinstance(error, MemoryError) and not self.judges:
                kernel.use_spare_memory()
            if self.is_failed_check(error):
                # The program may swallow it; the tests have failed all the same.
                self.failed_check = self.failed_check or error
            kind, value = _RAISED, error
        with self._lock:  # Another thread of the program may be asking.
            given = {id(mutable): place for place, mutable in enumerate(mutables)}
            unchanged = {place for place, mutable in enumerate(mutables) if _holds(mutable, before[place])}
            encoder = wire.Encoder(self._handle_of, self._name_of, given, unchanged)
            try:
                root = encoder.add(value)
                for place, mutable in enumerate(mutables):
                    if place not in unchanged:
                        encoder.add(mutable)
                message = encoder.message()
            except (wire.TooLarge, wire.TooDeep, MemoryError) as error:
                self._untold.clear()
                kind, value = _OVERSIZED, isinstance(error, wire.TooDeep)
                if isinstance(error, MemoryError):
                    kind, value = _RAISED, MemoryError("there was no memory for the answer")
                encoder = wire.Encoder(self._handle_of, self._name_of)
                root, message = encoder.add(value), encoder.message()
            self._send(kind, number, root, message)

    def _guarded_call(self, target: "Any", arguments: "tuple[Any, ...]", names_given: "Any") -> "Any":
        """Call for the program what the tests have handed it, and nothing that both sides know by its name."""
        if id(target) not in self._number_of:
            raise TypeError(f"{target!r} was not handed to the program")
        return operations.OPERATIONS["call"](target, arguments, names_given)

    # Objects.

    def _name_of(self, value: "Any") -> str:
        if states.is_stand_in(value):
            return ""
        return names.library_name(value) if self.judges else names.shared_name(value)

    def _handle_of(self, value: "Any") -> "wire.Handle":
        number = states.number_of(value)
        if number is not None:
            return wire.Handle(number, is_yours=True)
        number = self._number_of.get(id(value))
        if number is None:
            number = self._number_of[id(value)] = len(self._table)
            self._table.append(value)
            if self.judges:
                self.handed_over[id(value)] = value
        if number in self._told:
            return wire.Handle(number, is_yours=False)
        self._untold.append(number)
        return wire.Handle(number, is_yours=False, facts=facts.facts_of(value, self._name_of))

    def _resolve(self, handle: "wire.Handle") -> "Any":
        if handle.is_yours:
            return self._table[handle.number]
        if handle.number not in self._stand_ins:
            if type(handle.facts) is not tuple:
                raise wire.Broken("an object that nothing is known of")
            self._stand_ins[handle.number] = standin.make(self, handle.number, handle.facts)
        stand_in = self._stand_ins[handle.number]
        states.note_answer(stand_in)
        return stand_in

    def stands_for(self, number: int, stand_in: "Any") -> None:
        """Take an object of this side as the stand-in for one of the other's."""
        self._stand_ins[number] = stand_in

    # Frames.

    def _send(self, kind: int, number: int, root: int, data: bytearray) -> None:
        head = _HEAD.pack(len(data), kind, number, root)
        # A large message is not copied: there may be no memory left for it.
        parts: list[bytes | bytearray] = [head, data] if len(data) > 2**16 else [head + data]
        try:
            for part in parts:
                left = memoryview(part)
                while left:
                    left = left[_write(self._channel, left) :]
        except OSError:
            self._gone()
        self._told.update(self._untold)
        self._untold.clear()

    def _receive(self) -> "tuple[int, int, int, bytes]":
        size, kind, number, root = _HEAD.unpack(self._exactly(_HEAD.size))
        if size > wire.MAX_BYTES + 2**10:
            self._broken("a message larger than any may be")
        return kind, number, root, self._exactly(size)

    def _exactly(self, size: int) -> bytes:
        parts = []
        while size:
            try:
                part = _read(self._channel, min(size, 2**20))
            except OSError:
                part = b""
            if not part:
                self._gone()
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _gone(self) -> "NoReturn":
        if not self.judges:
            self._end()
        self.fail(Lost("it ended before the tests were done"))

    def _decoded(self, root: int, data: bytes, given: "list[Any]") -> "tuple[Any, list[Any]]":
        named = names.shared if self.judges else names.from_library
        decoder = wire.Decoder(self._resolve, named, given)
        try:
            return decoder.read(data, root), decoder.mutables
        except wire.Broken as error:
            self._broken(f"junk ({error})")
        except wire.TooLarge:
            self.fail(Oversized("its answer is too large to be taken in", too_deep=False))


def _nothing() -> None:
    """Do nothing."""


def _holds(mutable: "Any", before: "list[Any]") -> bool:
    """Say whether a mutable value still holds the very same things."""
    kind = type(mutable)
    now = wire.content(mutable, kind)
    if len(now) != len(before):
        return False
    if now and type(now[0]) is bytes and kind not in (list, dict):
        return now == before  # The bytes of a bytearray were read anew.
    return all(map(operations.is_, now, before))
