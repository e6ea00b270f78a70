"""Values of the standard library and of numpy that cross by value: how they are taken apart and put together."""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

_NUMPY_KINDS = "?bhilqpBHILQPefdgFDGSUMm"  # Every plain element type; those that hold objects stay where they are.


def _zone_is_plain(value: "Any") -> bool:
    kind = type(value.tzinfo)
    known = ("datetime", "timezone"), ("zoneinfo", "ZoneInfo")
    return value.tzinfo is None or any(kind is getattr(sys.modules.get(module), name, None) for module, name in known)


def _array_apart(value: "Any") -> "tuple[Any, ...] | None":
    if value.dtype.char not in _NUMPY_KINDS:
        return None
    return value.dtype.str, value.shape, value.tobytes()


def _array_together(module: "ModuleType", kind: str, shape: "tuple[int, ...]", data: bytes) -> "Any":
    return module.frombuffer(bytearray(data), _plain_dtype(module, kind)).reshape(shape)


def _plain_dtype(module: "ModuleType", kind: str) -> "Any":
    dtype = module.dtype(kind)
    if dtype.char not in _NUMPY_KINDS:
        raise ValueError(kind)
    return dtype


# By module and name: what is read, or None where this one has parts that cannot cross; and what makes it again.
_READ: "dict[tuple[str, str], tuple[Callable[[Any], Any], Callable[..., Any]]]" = {
    ("datetime", "date"): (lambda x: (x.year, x.month, x.day), lambda module, *parts: module.date(*parts)),
    ("datetime", "time"): (
        lambda x: (x.hour, x.minute, x.second, x.microsecond, x.tzinfo, x.fold) if _zone_is_plain(x) else None,
        lambda module, *parts: module.time(*parts[:5], fold=parts[5]),
    ),
    ("datetime", "datetime"): (
        lambda x: (
            (x.year, x.month, x.day, x.hour, x.minute, x.second, x.microsecond, x.tzinfo, x.fold)
            if _zone_is_plain(x)
            else None
        ),
        lambda module, *parts: module.datetime(*parts[:8], fold=parts[8]),
    ),
    ("datetime", "timedelta"): (
        lambda x: (x.days, x.seconds, x.microseconds),
        lambda module, *parts: module.timedelta(*parts),
    ),
    ("datetime", "timezone"): (lambda x: x.__getinitargs__(), lambda module, *parts: module.timezone(*parts)),
    # Only zones that have a name can be found again.
    ("zoneinfo", "ZoneInfo"): (lambda x: x.key and (x.key,), lambda module, key: module.ZoneInfo(key)),
    ("types", "GenericAlias"): (
        lambda x: (x.__origin__, x.__args__),
        lambda module, origin, arguments: module.GenericAlias(origin, arguments),
    ),
    ("decimal", "Decimal"): (lambda x: (str(x),), lambda module, text: module.Decimal(text)),
    ("fractions", "Fraction"): (
        lambda x: (x._numerator, x._denominator),
        lambda module, above, below: module.Fraction(above, below),
    ),
    ("pathlib", "PurePosixPath"): (lambda x: (str(x),), lambda module, text: module.PurePosixPath(text)),
    ("pathlib", "PosixPath"): (lambda x: (str(x),), lambda module, text: module.PosixPath(text)),
    ("uuid", "UUID"): (lambda x: (x.int,), lambda module, number: module.UUID(int=number)),
    # Without the flag that prints.
    ("re", "Pattern"): (
        lambda x: (x.pattern, x.flags),
        lambda module, text, flags: module.compile(text, flags & ~int(module.DEBUG)),
    ),
    ("numpy", "ndarray"): (_array_apart, _array_together),
}


def taken_apart(value: "Any", kind: type) -> "list[Any] | None":
    """Return the names and the parts from which a value can be made again; None if it is no such value."""
    name, module_name = kind.__name__, kind.__module__
    if type(name) is not str or type(module_name) is not str:
        return None
    known = _READ.get((module_name, name))
    if known is not None:
        if getattr(sys.modules.get(module_name), name, None) is not kind:
            return None
        parts = known[0](value)
        return None if parts is None else [module_name, name, *parts]
    number = getattr(sys.modules.get("numpy"), "generic", ()) if module_name == "numpy" else ()
    if issubclass(kind, number) and value.dtype.char in _NUMPY_KINDS:
        return ["numpy", "generic", value.dtype.str, value.tobytes()]
    return None


def put_together(module_name: str, name: str, *parts: "Any") -> "Any":
    """Make a value again.

    Raises:
        LookupError: If values of this kind do not cross, or not here.
    """
    if name == "generic" and module_name == "numpy":
        numpy = _module("numpy")
        return numpy.frombuffer(parts[1], _plain_dtype(numpy, parts[0]))[0]
    make = _READ[module_name, name][1]
    return make(_module(module_name), *parts)


def _module(name: str) -> "Any":
    try:
        __import__(name)
    except ImportError:
        raise LookupError(name) from None
    return sys.modules[name]
