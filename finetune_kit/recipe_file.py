"""Reading a recipe: YAML as people write it, with the place of every key, and keys set on the command line."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from finetune_kit.errors import KitError

COMMAND_LINE = "command line"
WORDS_FOR_SECTIONS = {"data": "source", "adapter": "type", "backend": "type"}
"""Sections that a word can stand for, and the key that it then is."""


def section_of(section: str, value: Any) -> Any:
    """What a word stands for; any other value as it is.

    Example:
        >>> section_of("data", "rows.jsonl"), section_of("backend", "ray://head:10001")
        ({'source': 'rows.jsonl'}, {'type': 'ray', 'address': 'ray://head:10001'})
    """
    if section not in WORDS_FOR_SECTIONS or not isinstance(value, str):
        return value
    if section == "backend" and value.startswith("ray://"):
        return {"type": "ray", "address": value}
    return {WORDS_FOR_SECTIONS[section]: value}


@dataclass(frozen=True)
class Problem:
    """Something that is wrong with a recipe."""

    key: str
    """With dots into the sections, as `trainer.epochs`; empty where it is no key."""
    text: str
    """What is wrong, and what to do."""
    place: str = ""
    """`file:line`, or what stands on the command line; empty where that is not known."""
    depends_on: tuple[str, ...] = ()
    """Other keys that have a part in it."""

    def __str__(self) -> str:
        return ": ".join(part for part in (self.place, self.key, self.text) if part)


@dataclass(frozen=True)
class Spot:
    """Where a key stands, and how its value is written."""

    place: str
    written: str | None = None
    """The value as it stands there, without quotes; None for a section or a list."""
    quoted: bool = False


@dataclass
class RecipeFile:
    """What a recipe's file and the command line say, before anything is asked of it."""

    name: str
    """As the user gave it."""
    tree: dict[str, Any]
    spots: dict[str, Spot] = field(default_factory=dict)
    """By the key with dots, in the order of the file; items of lists by their number from 0."""
    problems: list[Problem] = field(default_factory=list)

    def place(self, key: str) -> str:
        """Where a key, or the nearest section around it, stands."""
        return self.spots[self._nearest(key)].place

    def placed(self, problems: list[Problem]) -> list[Problem]:
        """Problems with their places, in the order of the file; those of the command line come last."""
        order = {key: number for number, key in enumerate(self.spots)}
        there = [replace(one, place=one.place or self.place(one.key)) for one in problems]
        return sorted(there, key=lambda one: (one.place.startswith(COMMAND_LINE), order[self._nearest(one.key)]))

    def _nearest(self, key: str) -> str:
        while key not in self.spots:
            key = key.rpartition(".")[0]
        return key

    def override(self, override: str) -> None:
        """Set a key, or keep what is wrong with that.

        Args:
            override: `key=value` with dots into the sections; the value is read as YAML.
        """
        place = f"{COMMAND_LINE}: {override}"
        key, equals, text = override.partition("=")
        if not equals or not re.fullmatch(r"[^\s.]+(\.[^\s.]+)*", key):
            self.problems.append(Problem("", "this is not of the form key=value, e.g. trainer.epochs=2.", place))
            return
        try:
            node, value = _parse(text)
        except (yaml.YAMLError, ValueError, RecursionError):
            self.problems.append(Problem(key, "the value is not valid YAML; put it in quotes.", place))
            return
        *sections, last = key.split(".")
        around: Any = self.tree
        for number, section in enumerate(sections):
            if number == 0:
                around[section] = section_of(section, around.get(section))
            name = ".".join(sections[: number + 1])
            if around.get(section) is None:
                around[section] = {}
                self.spots[name] = Spot(place)
            around = around[section]
            if not isinstance(around, dict):
                kind = "a list" if isinstance(around, list) else "a value"
                text = f"{name!r} is {kind}, not a section with keys; set it as a whole, {name}=VALUE."
                self.problems.append(Problem(key, text, place))
                return
        around[last] = value
        self.spots = {old: spot for old, spot in self.spots.items() if not f"{old}.".startswith(f"{key}.")}
        self.problems = [old for old in self.problems if not f"{old.key}.".startswith(f"{key}.")]
        self.spots[key] = Spot(place)
        if node is not None:
            self._walk(node, key, lambda _: place, set())

    def _walk(self, node: yaml.Node, key: str, place: Callable[[yaml.Node], str], seen: set[int]) -> None:
        """Note the places of a node and of all below it; each node once, since aliases can repeat it without end."""
        if isinstance(node, yaml.ScalarNode):
            self.spots[key] = Spot(self.spots[key].place, node.value, node.style is not None)
        if id(node) in seen:
            return
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            for number, item in enumerate(node.value):
                self.spots[f"{key}.{number}"] = Spot(place(item))
                self._walk(item, f"{key}.{number}", place, seen)
        elif isinstance(node, yaml.MappingNode):
            for name, value in node.value:
                if name.tag == "tag:yaml.org,2002:merge":
                    continue
                inner = f"{key}.{name.value}" if key else str(name.value)
                if inner in self.spots:
                    text = f"this key stands twice, the first time at {self.spots[inner].place}; take one of them out."
                    self.problems.append(Problem(inner, text, place(name)))
                    continue
                self.spots[inner] = Spot(place(name))
                if isinstance(name, yaml.ScalarNode) and name.tag in _NOT_TEXT:
                    text = f"YAML takes this key for {_NOT_TEXT[name.tag]} and not for text; put it in quotes."
                    self.problems.append(Problem(inner, text, place(name)))
                self._walk(value, inner, place, seen)


def read_recipe(path: Path, name: str, overrides: list[str] | tuple[str, ...] = ()) -> RecipeFile:
    """Read a recipe's file and set keys in it.

    Args:
        path: The file, in UTF-8.
        name: What to call it in messages.
        overrides: `key=value` with dots into the sections. `data=SOURCE` replaces the whole section.

    Returns:
        What it says, with the places of the keys and what is wrong with it as YAML.

    Raises:
        KitError: If it can't be read, or holds no keys and values.
    """
    try:
        node, tree = _parse(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise KitError(f"{name} can't be read ({error.strerror}).") from None
    except UnicodeDecodeError as error:
        raise KitError(f"{name} is not UTF-8: byte {error.start} is {error.object[error.start]:#04x}.") from None
    except RecursionError:
        raise KitError(f"{name} is nested too deeply to be a recipe.") from None
    except yaml.YAMLError as error:
        line, reason = _reason(error)
        raise KitError(f"{name}:{line}: this is not valid YAML ({reason}") from None
    except ValueError as error:  # such as a date that there is not
        raise KitError(f"{name}: a value is not what YAML takes it for ({error}); put it in quotes.") from None
    if not isinstance(tree, dict) or node is None:
        raise KitError(f"{name}:1: it must hold keys and values, the recipe's sections; see `finetune-kit recipes`.")
    read = RecipeFile(name, tree, {"": Spot(f"{name}:1")})
    read._walk(node, "", lambda one: f"{name}:{one.start_mark.line + 1}", set())
    for override in overrides:
        read.override(override)
    return read


class _Loader(yaml.SafeLoader):
    """YAML as people write it: `1e-4` is a number, which YAML 1.1 wants as `1.0e-4`."""


_Loader.yaml_implicit_resolvers = {key: list(value) for key, value in yaml.SafeLoader.yaml_implicit_resolvers.items()}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)

_NOT_TEXT = {
    f"tag:yaml.org,2002:{tag}": kind
    for tag, kind in {
        "bool": "true or false",
        "null": "nothing",
        "int": "a number",
        "float": "a number",
        "timestamp": "a date",
    }.items()
}

_HINTS = {
    r"'\\t'": "Indent with spaces; YAML takes no tabs.",
    "mapping values are not allowed": "A key is 'key: value' with a space after the colon, here or in the line above; "
    "neighbours are indented alike; a value with ': ' in it stands in quotes.",
    "could not find expected ':'": "Write a key as 'key: value', with a space after the colon.",
    "cannot start any token": "Put the value in quotes.",
    "expected ',' or|the node content": "Close the bracket, or put the text in quotes.",
    "found '<scalar>'": "Put a text that begins with a bracket, a brace or a quotation mark in quotes as a whole.",
    "expected <block end>": "Indent it like its neighbours.",
    "undefined alias": "Put a value that begins with * in quotes.",
    "expected a single document": "A recipe is one document; take out the line '---' between them.",
    "while scanning a quoted scalar": "Close the quotes.",
    "could not determine a constructor": "Tags, which begin with !, are not taken.",
}


def _parse(text: str) -> tuple[yaml.Node | None, Any]:
    """The nodes of a YAML text as they stand, and what they stand for, with merged sections (`<<`) filled in."""
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        value = None if node is None else loader.construct_object(node, deep=True)  # refuses what holds itself
    finally:
        loader.dispose()
    return yaml.compose(text, _Loader), value


def _reason(error: yaml.YAMLError) -> tuple[int, str]:
    """The line, and in words what is wrong there and what to do."""
    said = " ".join(str(error).split())
    hint = next((f" {hint}" for sign, hint in _HINTS.items() if re.search(sign, said)), "")
    if not isinstance(error, yaml.MarkedYAMLError):
        return 1, f"{said}).{hint}"
    # What is left open is reported where the file ends, and mended where it begins.
    opened = error.context_mark if "flow" in str(error.context) or "quoted" in str(error.context) else None
    mark = opened or error.problem_mark or error.context_mark
    return (mark.line + 1 if mark else 1), f"{error.problem or said}).{hint}"
