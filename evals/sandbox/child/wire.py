"""Values as bytes, for two processes that do not trust each other.

A message is a sequence of instructions that build a graph of values: atoms and immutable containers are built from
what came before them, mutable ones are made empty and filled afterwards, so that shared parts stay shared and cycles
close. Only exact types cross, read by the types' own methods; nothing that a program defined is called. What has no
form of its own crosses as a handle: a number in the table of the process that owns it.
"""

import array
import datetime
import re
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from struct import Struct
from types import BuiltinFunctionType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

MAX_BYTES = 64 * 2**20
MAX_DEPTH = 300
_SIZE = 4
_DOUBLE = Struct(">d")


class Broken(Exception):
    """The other side did not keep to the protocol."""


class TooLarge(Exception):
    """A value takes more bytes than a message may have."""


class TooDeep(Exception):
    """A value is nested deeper than a message may be."""


class Handle:
    """A reference to an object that stays where it is.

    Attributes:
        number: Its place in its owner's table.
        is_ours: Whether the receiver owns it.
        facts: What the owner says of it: kind, name, base value and the like; plain values.
    """

    __slots__ = ("facts", "is_ours", "number")

    def __init__(self, number: int, *, is_ours: bool, facts: "Any" = None) -> None:
        self.number = number
        self.is_ours = is_ours
        self.facts = facts


_CONSTANTS: "dict[int, Any]" = {0: None, 1: True, 2: False, 3: Ellipsis, 4: NotImplemented}
_NUMBER_OF_CONSTANT = {id(value): number for number, value in _CONSTANTS.items()}
(
    _CONSTANT, _INT, _FLOAT, _COMPLEX, _STR, _BYTES, _TUPLE, _FROZENSET, _SLICE, _RANGE, _NEW, _GIVEN, _FILL, _MADE,
    _NAMED, _THEIRS, _YOURS,
) = range(17)  # fmt: skip
# Mutable types: how their content is read, as a flat list of values, and put back into an emptied object.
_MUTABLE: "tuple[Any, ...]" = (list, dict, set, bytearray, deque, OrderedDict, Counter, defaultdict, array.array)
_PLACE_OF_MUTABLE = {kind: place for place, kind in enumerate(_MUTABLE)}
_MAPPINGS = (dict, OrderedDict, Counter, defaultdict)


def _made_types() -> "dict[str, tuple[type, Callable[[Any], tuple[Any, ...]], Callable[..., Any]]]":
    """Values of the standard library that are rebuilt from plain ones: how they are read and made."""
    return {
        "date": (datetime.date, lambda x: (x.year, x.month, x.day), datetime.date),
        "time": (
            datetime.time,
            lambda x: (x.hour, x.minute, x.second, x.microsecond, x.tzinfo, x.fold),
            lambda h, m, s, us, zone, fold: datetime.time(h, m, s, us, zone, fold=fold),
        ),
        "datetime": (
            datetime.datetime,
            lambda x: (x.year, x.month, x.day, x.hour, x.minute, x.second, x.microsecond, x.tzinfo, x.fold),
            lambda *parts: datetime.datetime(*parts[:8], fold=parts[8]),
        ),
        "timedelta": (datetime.timedelta, lambda x: (x.days, x.seconds, x.microseconds), datetime.timedelta),
        "timezone": (datetime.timezone, lambda x: x.__getinitargs__(), datetime.timezone),
        "pattern": (re.Pattern, lambda x: (x.pattern, x.flags), re.compile),
    }


_MADE_BY_NAME = _made_types()
# Imported by few programs: known once they have been.
_MADE_LATER = {
    ("decimal", "Decimal"): (lambda x: (str(x),), None),
    ("fractions", "Fraction"): (lambda x: (x._numerator, x._denominator), None),
    ("pathlib", "PurePosixPath"): (lambda x: (str(x),), None),
    ("pathlib", "PosixPath"): (lambda x: (str(x),), None),
    ("uuid", "UUID"): (lambda x: (x.int,), lambda module: lambda number: module.UUID(int=number)),
}


def _all_of(*kinds: "Any") -> "tuple[Any, ...]":
    return kinds


# Types that answers may hold. Functions may not be among them: they would run in the process of the tests.
_TYPES: "dict[str, Any]" = {
    f"{kind.__module__}.{kind.__qualname__}": kind
    for kind in _all_of(
        object, type, bool, int, float, complex, str, bytes, bytearray, list, tuple, set, frozenset, dict, range,
        slice, type(None), *_MUTABLE, datetime.date, datetime.time, datetime.datetime, datetime.timedelta,
        *(value for value in vars(__import__("builtins")).values()
          if isinstance(value, type) and issubclass(value, BaseException)),
    )
}  # fmt: skip


def name_of_shared(value: "Any", *, functions: bool) -> str:
    """Return the name under which both sides know a type or a function; empty if they do not.

    Args:
        value: Anything.
        functions: Whether functions of the standard library and all of its types count too; the tests may send
            those, a program may not.
    """
    kind = type(value)
    if kind is type:
        name = f"{value.__module__}.{value.__qualname__}"
        if _TYPES.get(name) is value:
            return name
    if functions and (kind is type or kind is BuiltinFunctionType or kind.__name__ == "function"):
        module, name = getattr(value, "__module__", ""), getattr(value, "__qualname__", "")
        standard = type(module) is str and module.partition(".")[0] in sys.stdlib_module_names
        if standard and getattr(sys.modules.get(module), name, None) is value:
            return f"{module}.{name}"
    return ""


def shared_by_name(name: str, *, functions: bool) -> "Any":
    """Return what `name_of_shared` named.

    Raises:
        Broken: If there is no such thing, or it is none that may be named.
    """
    if name in _TYPES:
        return _TYPES[name]
    module, _, attribute = name.rpartition(".")
    if functions and module.partition(".")[0] in sys.stdlib_module_names:
        try:
            __import__(module)
            return getattr(sys.modules[module], attribute)
        except (ImportError, AttributeError) as error:
            raise Broken(name) from error
    raise Broken(name)


class Encoder:
    """Writes one message.

    Attributes:
        mutables: The mutable values that were written by value, in order; their owner may want them back.
    """

    def __init__(
        self,
        handle_of: "Callable[[Any], Handle]",
        given: "dict[int, int] | None" = None,
        *,
        names_functions: bool,
    ) -> None:
        """Begin a message.

        Args:
            handle_of: Makes the handle of a value that has no form of its own.
            given: The mutable values that came from the receiver, by their `id`: their place among those it sent.
            names_functions: As in `name_of_shared`.
        """
        self.mutables: list[Any] = []
        self._handle_of = handle_of
        self._given = given or {}
        self._names_functions = names_functions
        self._data = bytearray()
        self._places: dict[int, int] = {}
        self._kept: list[Any] = []  # An id is a value's own only as long as the value lives.
        self._count = 0
        self._to_fill: list[tuple[int, Any]] = []

    def add(self, value: "Any") -> int:
        """Write a value and all that is in it; return its place in the message.

        Raises:
            TooLarge: If the message grows beyond its bound.
            TooDeep: If tuples are nested beyond the bound.
        """
        place = self._add(value, 0)
        while self._to_fill:
            where, container = self._to_fill.pop()
            places = [self._add(part, 0) for part in _content(container)]
            self._emit(_FILL, [where, *places])
        return place

    def message(self) -> bytes:
        """Return what was written."""
        return bytes(self._data)

    def _add(self, value: "Any", depth: int) -> int:
        known = self._places.get(id(value))
        if known is not None:
            return known
        if depth > MAX_DEPTH:
            raise TooDeep
        kind = type(value)
        self._kept.append(value)
        if kind in _PLACE_OF_MUTABLE:
            if id(value) in self._given:
                place = self._emit(_GIVEN, [self._given[id(value)]])
            else:
                extra = []
                if kind is deque and value.maxlen is not None:
                    extra = [value.maxlen]
                elif kind is array.array:
                    extra = [ord(value.typecode)]
                elif kind is defaultdict:
                    extra = [self._add(value.default_factory, depth + 1)]
                place = self._emit(_NEW, [_PLACE_OF_MUTABLE[kind], *extra])
                self.mutables.append(value)
            self._places[id(value)] = place
            self._to_fill.append((place, value))
            return place
        place = self._add_immutable(value, kind, depth)
        self._places[id(value)] = place
        return place

    def _add_immutable(self, value: "Any", kind: type, depth: int) -> int:
        if kind is int:
            return self._emit_bytes(_INT, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))
        if kind is str:
            return self._emit_bytes(_STR, value.encode("utf-8", "surrogatepass"))
        if id(value) in _NUMBER_OF_CONSTANT:
            return self._emit(_CONSTANT, [_NUMBER_OF_CONSTANT[id(value)]])
        if kind is tuple or kind is frozenset:
            return self._emit(_TUPLE if kind is tuple else _FROZENSET, [self._add(part, depth + 1) for part in value])
        if kind is float:
            return self._emit_bytes(_FLOAT, _DOUBLE.pack(value))
        if kind is bytes:
            return self._emit_bytes(_BYTES, value)
        if kind is complex:
            return self._emit(_COMPLEX, [self._add(value.real, depth), self._add(value.imag, depth)])
        if kind is slice or kind is range:
            parts = [self._add(part, depth + 1) for part in (value.start, value.stop, value.step)]
            return self._emit(_SLICE if kind is slice else _RANGE, parts)
        made = _reader_of(kind)
        if made is not None:
            name, read = made
            return self._emit(_MADE, [self._add(part, depth + 1) for part in (name, *read(value))])
        if name := name_of_shared(value, functions=self._names_functions):
            return self._emit(_NAMED, [self._add(name, depth)])
        handle = self._handle_of(value)
        if handle.is_ours:
            return self._emit(_YOURS, [handle.number])
        return self._emit(_THEIRS, [handle.number, self._add(handle.facts, depth + 1)])

    def _emit(self, tag: int, numbers: "list[int]") -> int:
        self._data += bytes([tag])
        self._data += len(numbers).to_bytes(_SIZE)
        for number in numbers:
            self._data += number.to_bytes(_SIZE)
        return self._counted(tag)

    def _emit_bytes(self, tag: int, data: bytes) -> int:
        self._data += bytes([tag])
        self._data += len(data).to_bytes(_SIZE)
        self._data += data
        return self._counted(tag)

    def _counted(self, tag: int) -> int:
        if len(self._data) > MAX_BYTES:
            raise TooLarge
        if tag != _FILL:
            self._count += 1
        return self._count - 1


def _content(container: "Any") -> "Iterator[Any]":
    kind = type(container)
    if kind in _MAPPINGS:
        # The types' own methods: an OrderedDict's order is not that of the dict below it.
        items = OrderedDict.items(container) if kind is OrderedDict else dict.items(container)
        for key, value in list(items):
            yield key
            yield value
    elif kind is bytearray:
        yield bytes(container)
    elif kind is array.array:
        yield container.tobytes()
    else:
        yield from list(container)


def refill(container: "Any", parts: "list[Any]") -> None:
    """Empty a mutable value and put this content in."""
    kind = type(container)
    if kind is array.array:
        del container[:]
        container.frombytes(parts[0])
        return
    container.clear()
    if kind in _MAPPINGS:
        pairs = iter(parts)
        for key in pairs:
            container[key] = next(pairs)
    elif kind is bytearray:
        container += parts[0]
    elif kind is set:
        container.update(parts)
    else:
        container.extend(parts)


def _reader_of(kind: type) -> "tuple[str, Callable[[Any], tuple[Any, ...]]] | None":
    for name, (made, read, _) in _MADE_BY_NAME.items():
        if kind is made:
            return name, read
    for (module, name), (read, _) in _MADE_LATER.items():
        if kind.__name__ == name and getattr(sys.modules.get(module), name, None) is kind:
            return name, read
    return None


def _make(name: str, parts: "list[Any]") -> "Any":
    if name in _MADE_BY_NAME:
        return _MADE_BY_NAME[name][2](*parts)
    for (module_name, known), (_, maker) in _MADE_LATER.items():
        if name == known:
            __import__(module_name)
            module = sys.modules[module_name]
            return (maker(module) if maker else getattr(module, name))(*parts)
    raise Broken(name)


def decode(
    data: bytes,
    resolve: "Callable[[Handle], Any]",
    given: "list[Any]",
    *,
    names_functions: bool,
) -> "tuple[list[Any], list[Any]]":
    """Read one message.

    Args:
        data: The message.
        resolve: Turns a handle into an object.
        given: The mutable values that this side sent before, which the message may fill anew.
        names_functions: As in `name_of_shared`.

    Returns:
        All values by their place, and the mutable ones that were made here, in order.

    Raises:
        Broken: If it is no message of ours.
    """
    values: list[Any] = []
    mutables: list[Any] = []
    position, end = 0, len(data)
    try:
        while position < end:
            tag = data[position]
            size = int.from_bytes(data[position + 1 : position + 1 + _SIZE])
            position += 1 + _SIZE
            width = size if tag in (_INT, _FLOAT, _STR, _BYTES) else size * _SIZE
            body = data[position : position + width]
            if len(body) < width:
                raise Broken("a part is missing")
            position += width
            if tag == _INT:
                values.append(int.from_bytes(body, "big", signed=True))
                continue
            if tag == _STR:
                values.append(body.decode("utf-8", "surrogatepass"))
                continue
            if tag == _FLOAT:
                values.append(_DOUBLE.unpack(body)[0])
                continue
            if tag == _BYTES:
                values.append(bytes(body))
                continue
            numbers = [int.from_bytes(body[place : place + _SIZE]) for place in range(0, width, _SIZE)]
            if tag == _FILL:
                refill(values[numbers[0]], [values[number] for number in numbers[1:]])
            elif tag == _NEW:
                values.append(_new(numbers, values))
                mutables.append(values[-1])
            elif tag == _CONSTANT:
                values.append(_CONSTANTS[numbers[0]])
            elif tag == _GIVEN:
                values.append(given[numbers[0]])
            elif tag == _YOURS:
                values.append(resolve(Handle(numbers[0], is_ours=True)))
            elif tag == _THEIRS:
                values.append(resolve(Handle(numbers[0], is_ours=False, facts=values[numbers[1]])))
            else:
                values.append(_built(tag, [values[number] for number in numbers], names_functions=names_functions))
    except Broken:
        raise
    except Exception as error:
        raise Broken(f"{type(error).__name__}: {error}") from error
    return values, mutables


def _new(numbers: "list[int]", values: "list[Any]") -> "Any":
    kind = _MUTABLE[numbers[0]]
    if kind is deque and len(numbers) > 1:
        return deque(maxlen=numbers[1])
    if kind is array.array:
        return array.array(chr(numbers[1]))
    if kind is defaultdict:
        return defaultdict(values[numbers[1]])
    return kind()


def _built(tag: int, parts: "list[Any]", *, names_functions: bool) -> "Any":
    if tag == _TUPLE:
        return tuple(parts)
    if tag == _FROZENSET:
        return frozenset(parts)
    if tag == _COMPLEX:
        return complex(*parts)
    if tag == _SLICE:
        return slice(*parts)
    if tag == _RANGE:
        return range(*parts)
    if tag == _MADE:
        return _make(parts[0], parts[1:])
    if tag == _NAMED:
        return shared_by_name(parts[0], functions=names_functions)
    raise Broken(f"tag {tag}")
