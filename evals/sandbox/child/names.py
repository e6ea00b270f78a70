"""What both processes know by its name: Python's own types and functions.

The tests may name anything of the standard library, since the program's process is where it runs. The program may name
only types and functions of Python itself that do no more than compute: they run in the process of the tests.
"""

import builtins
import sys
from types import BuiltinFunctionType, FunctionType, MethodDescriptorType, ModuleType, WrapperDescriptorType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PURE = (
    "abs", "all", "any", "ascii", "bin", "callable", "chr", "divmod", "hash", "hex", "isinstance", "issubclass", "len",
    "max", "min", "oct", "ord", "pow", "repr", "round", "sorted", "sum",
)  # fmt: skip
_TYPES = (
    "object", "type", "bool", "int", "float", "complex", "str", "bytes", "bytearray", "list", "tuple", "set",
    "frozenset", "dict", "range", "slice", "memoryview", "enumerate", "zip", "map", "filter", "reversed",
)  # fmt: skip


def _shared() -> "dict[str, Any]":
    known: dict[str, Any] = {f"builtins.{name}": getattr(builtins, name) for name in (*_PURE, *_TYPES)}
    for name, value in vars(builtins).items():
        if isinstance(value, type) and issubclass(value, BaseException):
            known[f"builtins.{name}"] = value
    for value in (None, Ellipsis, NotImplemented):
        known[f"type.{value!r}"] = type(value)
    for module, names in {
        "collections": ("deque", "OrderedDict", "Counter", "defaultdict"),
        "datetime": ("date", "time", "datetime", "timedelta", "timezone"),
        "decimal": ("Decimal",),
        "fractions": ("Fraction",),
    }.items():
        for name in names:
            known[f"{module}.{name}"] = (module, name)  # Looked up when it is there.
    return known


# Where the tests lean on an import of the program, they get the module itself.
_PURE_MODULES = (
    "math", "cmath", "random", "string", "re", "itertools", "functools", "collections", "heapq", "bisect", "operator",
    "json", "datetime", "time", "statistics", "decimal", "fractions", "copy", "typing", "numpy",
)  # fmt: skip
_SHARED = _shared()
_NAME_OF = {id(value): name for name, value in _SHARED.items() if type(value) is not tuple}
_LATER = {name: value for name, value in _SHARED.items() if type(value) is tuple}
_NAMEABLE = (BuiltinFunctionType, FunctionType, MethodDescriptorType, WrapperDescriptorType, ModuleType)
_NEVER = ("__main__", "solution", "builtins.__main__")


def is_pure_module(name: str) -> bool:
    """Say whether a module of this name does no more than compute, so that the tests may have it themselves."""
    return name in _PURE_MODULES


def shared_name(value: "Any") -> str:
    """Return the name of a type or function that either side may name; empty for anything else."""
    name = _NAME_OF.get(id(value))
    if name is not None:
        return name
    if type(value) is ModuleType:
        return next((f"module:{one}" for one in _PURE_MODULES if sys.modules.get(one) is value), "")
    if type(value) is type:
        for name, (module, attribute) in _LATER.items():
            if getattr(sys.modules.get(module), attribute, None) is value:
                return name
    return ""


def shared(name: str) -> "Any":
    """Return what `shared_name` named.

    Raises:
        LookupError: If there is no such thing.
    """
    if name.startswith("module:") and name[7:] in _PURE_MODULES:
        try:
            __import__(name[7:])
        except ImportError:
            raise LookupError(name) from None
        return sys.modules[name[7:]]
    value = _SHARED[name]
    if type(value) is tuple:
        module, attribute = value
        __import__(module)
        return getattr(sys.modules[module], attribute)
    return value


def library_name(value: "Any") -> str:
    """Return the name of a type, function or module of the standard library; empty for anything else."""
    if name := shared_name(value):
        return name
    if isinstance(value, ModuleType):
        name = value.__name__
        return f"module:{name}" if _is_library(name) and sys.modules.get(name) is value else ""
    if not isinstance(value, (type, *_NAMEABLE)):
        return ""
    module = getattr(getattr(value, "__objclass__", value), "__module__", None)
    path = getattr(value, "__qualname__", None)
    if type(module) is not str or type(path) is not str or not _is_library(module):
        return ""
    found = sys.modules.get(module)
    for part in path.split("."):
        found = getattr(found, part, None)
    return f"{module}:{path}" if found is value else ""


def from_library(name: str) -> "Any":
    """Return what `library_name` named.

    Raises:
        LookupError: If there is no such thing.
    """
    if name in _SHARED:
        return shared(name)
    module, _, path = name.partition(":")
    if module == "module":
        module, path = path, ""
    try:
        __import__(module)
        found: Any = sys.modules[module]
        for part in filter(None, path.split(".")):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise LookupError(name) from error
    return found


def _is_library(module: str) -> bool:
    return module not in _NEVER and module.partition(".")[0] in sys.stdlib_module_names
