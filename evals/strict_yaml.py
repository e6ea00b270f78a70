"""YAML that remembers its lines, so that every problem with it can be shown at once, each with its place."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from evals.errors import EvalError

if TYPE_CHECKING:
    from pydantic import BaseModel

Loc = tuple[str | int, ...]


class _Loader(yaml.SafeLoader):
    """YAML as people write it: `1e-4` is a number, which YAML 1.1 wants as `1.0e-4`."""


_Loader.yaml_implicit_resolvers = {key: list(value) for key, value in yaml.SafeLoader.yaml_implicit_resolvers.items()}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


@dataclass
class Document:
    """What a YAML file holds.

    Attributes:
        path: The file.
        tree: Its keys and values.
        places: `file:line` of each key and item, by the way to it, such as `("gates", 0)`.
        problems: What is wrong that YAML itself does not object to: keys that stand twice.
    """

    path: Path
    tree: dict[str, Any]
    places: dict[Loc, str] = field(default_factory=dict)
    problems: list[tuple[Loc, str]] = field(default_factory=list)

    def place(self, loc: Sequence[str | int]) -> str:
        """Return `file:line` of a key, or of the nearest thing around it that is there."""
        for length in range(len(loc), -1, -1):
            if tuple(loc[:length]) in self.places:
                return self.places[tuple(loc[:length])]
        return f"{self.path}:1"


def read_document(path: Path) -> Document:
    """Read a YAML file of keys and values.

    Args:
        path: The file, in UTF-8.

    Returns:
        What it holds, with the lines.

    Raises:
        EvalError: If it cannot be read, or is not YAML of that kind.
    """
    try:
        loader = _Loader(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise EvalError(f"{path}: the file cannot be read ({error.strerror}).") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise EvalError(f"{path}:1: the file is not YAML in UTF-8 ({' '.join(str(error).split())}).") from error
    try:
        node = loader.get_single_node()
        tree = {} if node is None else loader.construct_document(node)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        reason = getattr(error, "problem", None) or str(error)
        raise EvalError(f"{path}:{line}: the file is not valid YAML here ({reason}).") from error
    except RecursionError as error:
        raise EvalError(f"{path}:1: the file is nested too deeply.") from error
    finally:
        loader.dispose()
    if not isinstance(tree, dict):
        raise EvalError(f"{path}:1: the file must hold keys with values, such as `gates:` with a list below it.")
    document = Document(path, tree)
    if node is not None:
        _walk(node, (), document, frozenset())
    return document


def _walk(node: yaml.Node, loc: Loc, document: Document, above: frozenset[int]) -> None:
    document.places.setdefault(loc, f"{document.path}:{node.start_mark.line + 1}")
    if id(node) in above:
        return
    above |= {id(node)}
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            inner = (*loc, str(key.value))
            document.places[inner] = f"{document.path}:{key.start_mark.line + 1}"
            if str(key.value) in seen:
                document.problems.append((inner, f"the key {key.value!r} stands twice; remove one of them"))
            seen.add(str(key.value))
            _walk(value, inner, document, above)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _walk(item, (*loc, index), document, above)


def problems_of(errors: Iterable[Any], model: type[BaseModel]) -> list[tuple[Loc, str]]:
    """Put pydantic's findings into sentences.

    Args:
        errors: What `ValidationError.errors()` returns.
        model: The model that was asked for.

    Returns:
        The way to each key, and what is wrong with it.
    """
    found: list[tuple[Loc, str]] = []
    for error in errors:
        loc = tuple(error["loc"])
        name = ".".join(map(str, loc))
        if error["type"] == "extra_forbidden":
            found.append((loc, f"there is no key {name!r}.{did_you_mean(str(loc[-1]), _keys_at(model, loc[:-1]))}"))
        elif error["type"] == "missing":
            found.append((loc, f"the key {name!r} is missing; add it"))
        else:
            message = error["msg"].removeprefix("Value error, ").removeprefix("Input ")
            shown = repr(error["input"])
            shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
            found.append((loc, f"{name}: {message} (it is {shown})"))
    return found


def _keys_at(model: type[BaseModel], loc: Sequence[str | int]) -> list[str]:
    from pydantic import BaseModel

    for part in loc:
        if isinstance(part, int) or part not in model.model_fields:
            continue
        annotation = model.model_fields[part].annotation
        inner = [annotation, *getattr(annotation, "__args__", ())]
        model = next((one for one in inner if isinstance(one, type) and issubclass(one, BaseModel)), model)
    return list(model.model_fields)


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """Return a closing sentence with the known word that is nearest, or all of them."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f" Did you mean {close[0]!r}?" if close else f" There are: {', '.join(known)}."
