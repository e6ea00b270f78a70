"""The keys of a YAML file, from the pydantic models that read it."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
import types
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

_BOUNDS = {"gt": "above {}", "ge": "{} or more", "lt": "below {}", "le": "{} at most"}
_WORDS = {int: "whole number", float: "number", str: "text", bool: "`true` or `false`"}


@dataclass(frozen=True)
class Key:
    """A key of a section.

    Attributes:
        path: With the sections above it, such as `trainer.learning_rate`.
        kind: What it may hold, in words.
        default: As YAML writes it; None where the key must be given.
        text: What its docstring says.
    """

    path: str
    kind: str
    default: str | None
    text: str


@dataclass(frozen=True)
class Section:
    """A section: what it is, and its keys that are no sections."""

    path: str
    text: str
    keys: tuple[Key, ...]


def sections_of(model: type[BaseModel], path: str = "") -> Iterator[Section]:
    """Walk through a model, sections after the keys beside them.

    Args:
        model: The model of a file or of a section.
        path: Where it stands; empty for the file.
    """
    docs = attribute_docs(model)
    keys, below = [], []
    for name, field in model.model_fields.items():
        place = f"{path}.{name}" if path else name
        inner = _section_in(field.annotation)
        if inner is not None and get_origin(field.annotation) is not list:
            below.append((inner, place))
        else:
            keys.append(Key(place, kind_of(field), default_of(field), docs.get(name) or _inherited(field)))
    yield Section(path, inspect.cleandoc(model.__doc__ or ""), tuple(keys))
    for inner, place in below:
        yield from sections_of(inner, place)


def _inherited(field: FieldInfo) -> str:
    """What a section says of a key that it has from another."""
    return " ".join((field.description or "").split())


def attribute_docs(owner: type) -> dict[str, str]:
    """The strings that stand below the attributes of a class; none where the class was made by a call."""
    try:
        source = textwrap.dedent(inspect.getsource(owner))
    except (OSError, TypeError):
        return {}
    body = ast.parse(source).body[0].body  # type: ignore[attr-defined]
    found = {}
    for one, after in pairwise(body):
        is_text = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name) and is_text:
            found[one.target.id] = " ".join(str(after.value.value).split())  # type: ignore[attr-defined]
    return found


def kind_of(field: FieldInfo) -> str:
    """What a field may hold, in words."""
    bounds = [
        words.format(getattr(one, name))
        for one in field.metadata
        for name, words in _BOUNDS.items()
        if hasattr(one, name)
    ]
    lengths = [one.min_length for one in field.metadata if getattr(one, "min_length", None)]
    kind = _kind(field.annotation)
    if bounds:
        kind += f", {' and '.join(bounds)}"
    if lengths and get_origin(field.annotation) is list:
        kind += f", at least {lengths[0]}"
    return kind


def _kind(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return _either([f"`{json.dumps(value) if not isinstance(value, str) else value}`" for value in arguments])
    if origin in (Union, types.UnionType):
        return _either([_kind(one) for one in arguments if one is not type(None)])
    if origin is list:
        inner = _section_in(annotation)
        keys = " and ".join(f"`{key}`" for key in inner.model_fields) if inner else ""
        return f"list of sections with {keys}" if inner else f"list of {_kind(arguments[0])}s"
    if origin is tuple:
        return f"list of {len(arguments)} {_kind(arguments[0])}s"
    if origin is dict:
        return f"{_kind(arguments[0])} by {_kind(arguments[1])}"
    return _WORDS.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _either(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def default_of(field: FieldInfo) -> str | None:
    """A field's default as YAML writes it; an empty text where it may be left out, None where it must be given."""
    if field.is_required():
        return None
    value = field.get_default(call_default_factory=True)
    if value is None:
        return ""
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)


def _section_in(annotation: Any) -> type[BaseModel] | None:
    candidates = [annotation, *get_args(annotation)]
    return next((one for one in candidates if isinstance(one, type) and issubclass(one, BaseModel)), None)


def markdown(model: type[BaseModel], prefix: str, level: int = 2, notes: dict[str, str] | None = None) -> str:
    """Sections and keys as MyST, with an anchor for each key.

    Args:
        model: The model of the file.
        prefix: First part of the anchors, such as `recipe`.
        level: Of the headings.
        notes: What is said of a key that has no docstring, by its path.
    """
    lines: list[str] = []
    for section in sections_of(model):
        lines += ["#" * level + " " + (f"`{section.path}`" if section.path else "The top level"), ""]
        if section.text and section.path:
            lines += [section.text.split("\n\n")[0], ""]
        for key in section.keys:
            text = key.text or (notes or {}).get(key.path, "")
            lines += [
                f"({prefix}-{key.path.replace('.', '-').replace('_', '-')})=",
                f"`{key.path}`",
                f": *{key.kind}*, {_default_words(key.default)}." + (f" {_sentence(text)}" if text else ""),
                "",
            ]
    return "\n".join(lines)


def _default_words(default: str | None) -> str:
    if default is None:
        return "must be given"
    return f"default `{default}`" if default else "may be left out"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?")) else ".")
