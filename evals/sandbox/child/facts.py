"""What one side tells of an object, so that the other can make its stand-in."""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from evals.sandbox.child import names, operations, special_methods
else:
    import names
    import operations
    import special_methods

_ARGS_OF = BaseException.__dict__["args"]
_BASES_OF = type.__dict__["__bases__"].__get__
_EXTRA_OF_ERRORS = ("name", "path", "filename", "filename2", "code", "value")


def facts_of(value: "Any", name_of: "Callable[[Any], str]") -> "tuple[Any, ...]":
    """Return what the other side must know of an object to make its stand-in.

    Args:
        value: The object.
        name_of: Tells the name under which the other side knows a class, if it does.
    """
    kind: Any = type(value)
    mro = operations.mro_of(kind)
    if type in mro:
        return _facts_of_class(value)
    if BaseException in mro:
        return "error", kind, _facts_of_error(value)
    base = next((base for base in operations.IMMUTABLE if base in mro), None)
    # The stand-in of an iterator is none itself, though both sides know its class.
    told = _facts_of_class(kind) if name_of(kind) else kind
    return ("object", told) if base is None else ("value", told, operations.plain_value(value, base))


def _facts_of_class(kind: type) -> "tuple[Any, ...]":
    mro = operations.mro_of(kind)
    base = next((base for base in operations.BASE_KINDS.values() if base in mro), None)
    is_error = BaseException in mro
    # What built-in types bring along is there already, but for those whose content can change.
    brings = is_error or base in operations.IMMUTABLE
    library = [one for one in mro if one.__module__ == "builtins" and (brings or one is object)]
    seen = {name for one in mro if one not in library for name in operations.own_names(one)}
    unhashable = next((own["__hash__"] for own in map(operations.own_names, mro) if "__hash__" in own), None) is None
    # A class of the program's own may have a method `send` that is no generator's.
    of_python = kind.__module__ == "builtins"
    names_told = tuple(
        name for name in special_methods.FORWARDED if name in seen and (of_python or name.startswith("__"))
    )
    names_told += ("__str__",) if is_error and "__str__" in seen else ()
    if base in operations.IMMUTABLE:
        names_told += tuple(name for name in seen if not name.startswith("__") and hasattr(base, name))
    about = operations.own_names(kind)
    doc = about.get("__doc__")
    return (
        "class",
        *(_text(_TYPE_NAMES[part].__get__(kind)) for part in ("__name__", "__qualname__", "__module__")),
        doc if type(doc) is str else None,
        tuple(_known_bases(kind)),
        names_told,
        base.__name__ if base else "",
        unhashable,
        tuple(one.__name__ for one in mro if one.__module__ == "collections.abc"),
        _library_error(kind) if is_error else "",
    )


_TYPE_NAMES = {name: type.__dict__[name] for name in ("__name__", "__qualname__", "__module__")}


def _text(value: "Any") -> str:
    return value if type(value) is str else "?"


def _known_bases(kind: type) -> "list[type]":
    """Return the bases that the other side can know or must know: built-in ones and the program's own."""
    found = []
    for base in _BASES_OF(kind):
        if names.shared_name(base) or base.__module__.partition(".")[0] not in sys.stdlib_module_names:
            found.append(base)
        else:
            found += [one for one in operations.mro_of(base) if one is not object and names.shared_name(one)][:1]
    return found


def _library_error(kind: type) -> str:
    module, name = kind.__module__, kind.__qualname__
    known = type(module) is str and module.partition(".")[0] in sys.stdlib_module_names
    return f"{module}:{name}" if known and module != "builtins" else ""


def _facts_of_error(error: BaseException) -> "tuple[Any, ...]":
    extras = {}
    in_library = type(error).__module__.partition(".")[0] in sys.stdlib_module_names
    for name in (*_EXTRA_OF_ERRORS, *(vars(error) if in_library else ())):
        value = getattr(error, name, None) if in_library else None
        if type(value) in (str, int):
            extras[name] = value
    cause = error.__cause__ if error.__cause__ is not error else None
    arguments = _ARGS_OF.__get__(error)
    if isinstance(error, BaseExceptionGroup):
        arguments = BaseExceptionGroup.message.__get__(error), BaseExceptionGroup.exceptions.__get__(error)
    return arguments, cause, error.__suppress_context__ is True, tuple(extras.items())
