"""Random arguments for the exercises, and how a value is written as Python."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from math import prod
from random import Random
from typing import Any

# fmt: off
WORDS = [
    "apple", "river", "stone", "cloud", "paper", "green", "table", "music", "light", "water",
    "bread", "sugar", "tiger", "horse", "ocean", "garden", "window", "silver", "winter", "summer",
    "planet", "bridge", "forest", "candle", "orange", "pepper", "rocket", "guitar", "button",
    "pencil", "basket", "ladder", "mirror", "needle", "rabbit", "sun", "map", "tea", "ice", "red",
    "box", "cat", "key", "fox", "hill", "moon", "lamp", "road", "salt", "wind", "seed", "nest",
    "kitchen", "journey", "blanket", "harvest", "mountain", "thunder",
]
PEOPLE = [
    "Ada", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gia", "Hugo", "Ida", "Jon", "Kim", "Leo", "Mia",
    "Ned", "Ola", "Pia", "Raj", "Sue", "Tom", "Uma",
]
ITEMS = [
    "apple", "bread", "cheese", "milk", "rice", "tea", "coffee", "salt", "soap", "pen", "lamp",
    "rope", "cup", "plate", "candle", "sugar",
]
# fmt: on

# What families reduce a list of numbers with when they compute what their tests expect.
REDUCE: dict[str, Callable[[list[int]], Any]] = {
    "sum": sum,
    "max": max,
    "min": min,
    "prod": prod,
    "len": len,
    "list": list,
    "sorted": sorted,
    "reversed": lambda numbers: numbers[::-1],
}


def lit(value: object) -> str:
    """Writes a value as a Python literal, with double quotes as formatters prefer them."""
    if isinstance(value, str):
        plain = value.isprintable() and '"' not in value and "\\" not in value
        return f'"{value}"' if plain else json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        return f"[{', '.join(map(lit, value))}]"
    if isinstance(value, tuple):
        return f"({', '.join(map(lit, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{lit(key)}: {lit(item)}' for key, item in value.items())}}}"
    return repr(value)


def words(rng: Random, count: int) -> list[str]:
    """Draws different lower-case words."""
    return rng.sample(WORDS, count)


def word(rng: Random) -> str:
    """Draws one lower-case word."""
    return rng.choice(WORDS)


def sentences(rng: Random, count: int, length: int = 4) -> list[str]:
    """Draws texts of `length - 1` to `length + 1` words separated by single spaces."""
    return [" ".join(words(rng, rng.randint(length - 1, length + 1))) for _ in range(count)]


def messy(rng: Random, length: int = 9) -> str:
    """Draws a text of mixed letters, digits and punctuation that holds some of each kind."""
    characters = [rng.choice("ABCDEFG"), rng.choice("hkmnps"), rng.choice("123456789"), rng.choice("-_!. ")]
    characters += rng.choices("ABDEKabcdefghk0123456789-_!. ", k=length - 4)
    return "".join(rng.sample(characters, length))


def ints(rng: Random, count: int, low: int = 1, high: int = 20) -> list[int]:
    """Draws whole numbers, repeats allowed."""
    return [rng.randint(low, high) for _ in range(count)]


def int_lists(rng: Random, count: int = 5, low: int = 1, high: int = 20, length: int = 5) -> list[list[int]]:
    """Draws lists of `length - 1` to `length + 1` whole numbers."""
    return [ints(rng, rng.randint(length - 1, length + 1), low, high) for _ in range(count)]


def tables(rng: Random, count: int = 5, low: int = 1, high: int = 20, length: int = 4) -> list[dict[str, int]]:
    """Draws dictionaries of `length - 1` to `length + 1` items from words to different whole numbers."""
    sizes = [rng.randint(length - 1, length + 1) for _ in range(count)]
    return [dict(zip(words(rng, n), rng.sample(range(low, high + 1), n), strict=True)) for n in sizes]


def shuffled[T](rng: Random, values: Sequence[T]) -> list[T]:
    """Returns the values in another order."""
    return rng.sample(list(values), len(values))
