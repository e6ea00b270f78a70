"""Values as bytes, for two processes that do not trust each other.

A message is a list of instructions that build a graph of values. Atoms and immutable containers are built from what
came before them; mutable ones are made empty and filled afterwards, so that shared parts stay shared and cycles close.
Only exact types cross, and they are read by the types' own methods: nothing that a program defined is ever called. What
has no form of its own crosses as a handle, a number in its owner's table.

Both directions walk with a stack of their own, so nesting costs no recursion, and its depth is bounded.
"""

import struct
from array import array
from collections import Counter, OrderedDict, defaultdict, deque
from types import MappingProxyType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from evals.sandbox.child import library
else:
    import library

MAX_BYTES = 64 * 2**20
MAX_DEPTH = 1000
_PACK_FROM = 16  # As many numbers are packed; fewer are quicker one by one.


class Broken(Exception):
    """The other side did not keep to the protocol."""


class TooLarge(Exception):
    """A message takes more bytes than it may, or more memory than there is."""


class TooDeep(Exception):
    """A value is nested deeper than a message may be."""


class Handle:
    """A reference to an object that stays where it is.

    Attributes:
        number: Its place in its owner's table.
        is_yours: Whether the receiver is its owner.
        facts: What the owner tells of it, plain values and handles; None where the receiver knows.
    """

    __slots__ = ("facts", "is_yours", "number")

    def __init__(self, number: int, *, is_yours: bool, facts: "Any" = None) -> None:
        self.number = number
        self.is_yours = is_yours
        self.facts = facts


_DICT_VIEWS: "tuple[type, ...]" = (type({}.keys()), type({}.values()), type({}.items()))
_CONSTANTS: "tuple[Any, ...]" = (None, True, False, Ellipsis, NotImplemented)
_CONSTANT_OF = {id(value): number for number, value in enumerate(_CONSTANTS)}
(
    _CONSTANT, _INT, _FLOAT, _COMPLEX, _STR, _BYTES,  # Their bytes follow.
    _TUPLE, _FROZENSET, _SLICE, _RANGE, _LIBRARY, _NAMED, _THEIRS, _YOURS, _VIEW, _PROXY,  # The places of their parts.
    _NEW, _GIVEN, _FILL, _TUPLE_PACKED, _FILL_PACKED,
) = range(21)  # fmt: skip
_IN_BYTES = (_CONSTANT, _INT, _FLOAT, _COMPLEX, _STR, _BYTES, _TUPLE_PACKED, _FILL_PACKED)
_MUTABLE: "tuple[type, ...]" = (list, dict, set, bytearray, deque, OrderedDict, Counter, defaultdict, array)
_NUMBER_OF_MUTABLE = {kind: number for number, kind in enumerate(_MUTABLE)}
_COMPOUND: "dict[type, int]" = {tuple: _TUPLE, frozenset: _FROZENSET, slice: _SLICE, range: _RANGE}
_HEAD = struct.Struct(">BI")
_FLOAT_FORM, _COMPLEX_FORM = struct.Struct(">d"), struct.Struct(">dd")
_PACKED = {int: "q", float: "d"}
_ATOMS: "dict[type, tuple[int, Callable[[Any], bytes]]]" = {
    int: (_INT, lambda value: value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)),
    str: (_STR, lambda value: value.encode("utf-8", "surrogatepass")),
    float: (_FLOAT, _FLOAT_FORM.pack),
    bytes: (_BYTES, bytes),
    complex: (_COMPLEX, lambda value: _COMPLEX_FORM.pack(value.real, value.imag)),
    **{type(value): (_CONSTANT, lambda value: bytes((_CONSTANT_OF[id(value)],))) for value in _CONSTANTS},
}


def content(container: "Any", kind: type) -> "list[Any]":
    """Return what is in a mutable value, read by the methods of `kind`; mappings as keys and values in turn."""
    if kind is bytearray or kind is array:
        return [bytes(memoryview(container).cast("B"))]
    if kind is OrderedDict:  # Its order is not that of the dict that it is made of.
        return [part for pair in OrderedDict.items(container) for part in pair]
    if issubclass(kind, dict):
        return [part for pair in dict.items(container) for part in pair]
    return [*kind.__iter__(container)]  # type: ignore[attr-defined]


class Encoder:
    """Writes one message.

    Attributes:
        mutables: The mutable values that were written by value, in order; their owner may want them back.
    """

    def __init__(
        self,
        handle_of: "Callable[[Any], Handle]",
        name_of: "Callable[[Any], str]",
        given: "dict[int, int] | None" = None,
        unchanged: "set[int] | None" = None,
    ) -> None:
        """Begin a message.

        Args:
            handle_of: Makes the handle of a value that has no form of its own.
            name_of: Returns the name under which both sides know a value; empty if they do not.
            given: The mutable values that came from the receiver: the number of each by its `id`.
            unchanged: The numbers of those that hold what they came with.
        """
        self.mutables: list[Any] = []
        self._handle_of = handle_of
        self._name_of = name_of
        self._given = given or {}
        self._unchanged = unchanged or set()
        self._data = bytearray()
        self._places: dict[int, int] = {}
        self._kept: list[Any] = []  # An id is a value's own only as long as the value lives.
        self._count = 0
        self._to_fill: list[tuple[Any, type, int]] = []
        self._stack: list[tuple[Any, int]] = []
        self._compounds: dict[int, tuple[int, Any]] = {}

    def add(self, root: "Any") -> int:
        """Write a value and all that is in it; return its place.

        Raises:
            TooLarge: If the message grows beyond its bound.
            TooDeep: If the value is nested beyond the bound.
        """
        self._stack.append((root, 0))
        self._write_stack()
        while self._to_fill:
            container, kind, depth = self._to_fill.pop()
            parts = content(container, kind)
            place = self._places[id(container)]
            packed = _packed(parts) if kind is list else None
            if packed is not None:
                self._emit(_FILL_PACKED, place.to_bytes(4) + packed)
                continue
            self._kept.append(parts)
            self._stack += [(part, depth + 1) for part in reversed(parts)]
            self._write_stack()
            self._emit(_FILL, self._numbers([place, *map(self._places.__getitem__, map(id, parts))]))
        return self._places[id(root)]

    def message(self) -> bytes:
        """Return what was written."""
        return bytes(self._data)

    def _write_stack(self) -> None:
        places, stack = self._places, self._stack
        while stack:
            value, depth = stack.pop()
            key = id(value)
            if key in places:
                continue
            if depth > MAX_DEPTH:
                raise TooDeep
            kind = type(value)
            if kind in _ATOMS:
                tag, form = _ATOMS[kind]
                self._emit(tag, form(value))
            elif kind in _NUMBER_OF_MUTABLE:
                if not self._write_mutable(value, kind, depth):
                    continue
            elif not self._write_compound(value, kind, depth):
                continue
            self._kept.append(value)
            places[key] = self._count
            self._count += 1

    def _write_mutable(self, value: "Any", kind: type, depth: int) -> bool:
        """Write a mutable value, to be filled later; False if something in it must come first."""
        number = self._given.get(id(value))
        if number is None:
            details: list[int] = []
            if kind is deque and value.maxlen is not None:
                details = [value.maxlen + 1]
            elif kind is array:
                details = [ord(value.typecode)]
            elif kind is defaultdict:
                factory = value.default_factory
                if id(factory) not in self._places:
                    self._push(value, (factory,), depth)
                    return False
                details = [self._places[id(factory)]]
            self.mutables.append(value)
            self._emit(_NEW, self._numbers([_NUMBER_OF_MUTABLE[kind], *details]))
        else:
            self._emit(_GIVEN, self._numbers([number]))
        if number is None or number not in self._unchanged:
            self._to_fill.append((value, kind, depth))
        return True

    def _write_compound(self, value: "Any", kind: type, depth: int) -> bool:
        """Write an immutable value; False if its parts must come first."""
        if id(value) not in self._compounds:
            tag, parts = self._taken_apart(value, kind)
            packed = _packed(parts) if tag == _TUPLE else None
            if packed is not None:
                self._emit(_TUPLE_PACKED, packed)
                return True
            self._compounds[id(value)] = tag, parts
            if any(id(part) not in self._places for part in parts if type(part) is not Handle):
                self._push(value, parts, depth)
                return False
        tag, parts = self._compounds.pop(id(value))
        if tag in (_THEIRS, _YOURS):
            numbers = [parts[0].number, *(self._places[id(part)] for part in parts[1:])]
        else:
            numbers = [self._places[id(part)] for part in parts]
        self._emit(tag, self._numbers(numbers))
        return True

    def _push(self, value: "Any", parts: "Any", depth: int) -> None:
        self._kept.append(value)
        self._stack.append((value, depth))
        self._stack += [(part, depth + 1) for part in reversed(parts) if type(part) is not Handle]

    def _taken_apart(self, value: "Any", kind: type) -> "tuple[int, Any]":
        if kind in _COMPOUND:
            if kind is tuple:
                return _TUPLE, value
            return _COMPOUND[kind], [*value] if kind is frozenset else [value.start, value.stop, value.step]
        if kind in _DICT_VIEWS:
            return _VIEW, [_DICT_VIEWS.index(kind), *value]
        if kind is MappingProxyType:
            return _PROXY, [part for pair in MappingProxyType.items(value) for part in pair]
        if name := self._name_of(value):
            return _NAMED, [name]
        taken = library.taken_apart(value, kind)
        if taken is not None:
            return _LIBRARY, taken
        handle = self._handle_of(value)
        if handle.is_yours:
            return _YOURS, [handle]
        return _THEIRS, [handle] if handle.facts is None else [handle, handle.facts]

    def _numbers(self, numbers: "list[int]") -> bytes:
        return struct.pack(f">{len(numbers)}I", *numbers)

    def _emit(self, tag: int, body: bytes) -> None:
        if len(self._data) + len(body) > MAX_BYTES:
            raise TooLarge
        self._data += _HEAD.pack(tag, len(body))
        self._data += body


def _packed(parts: "Any") -> "bytes | None":
    """Write many whole or many floating point numbers at once; None if they are something else."""
    if len(parts) < _PACK_FROM:
        return None
    kinds = set(map(type, parts))
    code = _PACKED.get(kinds.pop()) if len(kinds) == 1 else None
    if code is None:
        return None
    try:
        return code.encode() + array(code, parts).tobytes()
    except OverflowError:
        return None


def _unpacked(body: bytes) -> "list[Any]":
    code = body[:1].decode()
    if code not in _PACKED.values():
        raise Broken("unknown packing")
    numbers = array(code)
    numbers.frombytes(body[1:])
    return numbers.tolist()


class Decoder:
    """Reads one message.

    Attributes:
        values: All values, by their place.
        mutables: The mutable ones that were made here, in order.
    """

    def __init__(
        self, resolve: "Callable[[Handle], Any]", named: "Callable[[str], Any]", given: "list[Any] | None" = None
    ) -> None:
        """Get ready.

        Args:
            resolve: Turns a handle into an object.
            named: Returns what has a name that both sides know.
            given: The mutable values that this side sent before; the message may fill them anew.
        """
        self.values: list[Any] = []
        self.mutables: list[Any] = []
        self._resolve = resolve
        self._named = named
        self._given = given or []
        self._depths: dict[int, int] = {}

    def read(self, data: bytes, root: int) -> "Any":
        """Read a message and return the value at one place.

        Raises:
            Broken: If it is no message of ours.
            TooLarge: If there is not enough memory for it.
        """
        position, end, size_of_head = 0, len(data), _HEAD.size
        try:
            while position < end:
                tag, size = _HEAD.unpack_from(data, position)
                position += size_of_head
                body = data[position : position + size]
                if len(body) < size:
                    raise Broken("a part is missing")
                position += size
                if tag in _IN_BYTES:
                    self._read_bytes(tag, body)
                else:
                    self._read_numbers(tag, struct.unpack(f">{size // 4}I", body))
            return self.values[root]
        except MemoryError:
            raise TooLarge from None
        except Broken:
            raise
        except Exception as error:
            raise Broken(f"{type(error).__name__} while a message was read") from None

    def _read_bytes(self, tag: int, body: bytes) -> None:
        values = self.values
        if tag == _INT:
            values.append(int.from_bytes(body, "big", signed=True))
        elif tag == _STR:
            values.append(body.decode("utf-8", "surrogatepass"))
        elif tag == _CONSTANT:
            values.append(_CONSTANTS[body[0]])
        elif tag == _FLOAT:
            values.append(_FLOAT_FORM.unpack(body)[0])
        elif tag == _BYTES:
            values.append(body)
        elif tag == _COMPLEX:
            values.append(complex(*_COMPLEX_FORM.unpack(body)))
        elif tag == _TUPLE_PACKED:
            values.append(tuple(_unpacked(body)))
        else:
            self._fill(values[int.from_bytes(body[:4])], _unpacked(body[4:]))

    def _read_numbers(self, tag: int, numbers: "tuple[int, ...]") -> None:
        values = self.values
        if tag == _FILL:
            container, *parts = [values[number] for number in numbers]
            self._fill(container, parts)
            return
        if tag == _NEW:
            values.append(self._new(*numbers))
            self.mutables.append(values[-1])
            return
        if tag == _GIVEN:
            values.append(self._given[numbers[0]])
            return
        if tag == _YOURS:
            values.append(self._resolve(Handle(numbers[0], is_yours=True)))
            return
        if tag == _THEIRS:
            facts = values[numbers[1]] if len(numbers) > 1 else None
            values.append(self._resolve(Handle(numbers[0], is_yours=False, facts=facts)))
            return
        # Hashing a tuple walks down on the machine's stack, unguarded.
        depth = 1 + max((self._depths.get(number, 0) for number in numbers), default=0)
        if depth > MAX_DEPTH + 1:
            raise Broken("nested too deep")
        self._depths[len(values)] = depth
        values.append(self._compound(tag, [values[number] for number in numbers]))

    def _compound(self, tag: int, parts: "list[Any]") -> "Any":
        if tag == _TUPLE:
            return tuple(parts)
        if tag == _FROZENSET:
            return frozenset(parts)
        if tag == _SLICE:
            return slice(*parts)
        if tag == _RANGE:
            return range(*parts)
        if tag == _NAMED and type(parts[0]) is str:
            return self._named(parts[0])
        if tag == _LIBRARY:
            return library.put_together(*parts)
        if tag == _VIEW:
            which, *parts = parts
            if which == 2:
                return dict(parts).items()
            return dict.fromkeys(parts).keys() if which == 0 else dict(enumerate(parts)).values()
        if tag == _PROXY:
            return MappingProxyType(dict(zip(parts[::2], parts[1::2], strict=True)))
        raise Broken("unknown instruction")

    def _new(self, number: int, *details: int) -> "Any":
        kind = _MUTABLE[number]
        if kind is deque and details:
            return deque(maxlen=details[0] - 1)
        if kind is array:
            return array(chr(details[0]))
        if kind is defaultdict:
            return defaultdict(self.values[details[0]])
        return kind()

    def _fill(self, container: "Any", parts: "list[Any]") -> None:
        kind = type(container)
        if kind not in _NUMBER_OF_MUTABLE:
            raise Broken("a value that cannot change is to be filled")
        if kind is array:
            del container[:]
            container.frombytes(parts[0])
            return
        container.clear()
        if issubclass(kind, dict):
            for place in range(0, len(parts), 2):
                container[parts[place]] = parts[place + 1]
        elif kind is bytearray:
            container += parts[0]
        elif kind is set:
            container.update(parts)
        else:
            container.extend(parts)
