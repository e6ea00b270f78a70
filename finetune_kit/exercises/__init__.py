"""The data set `builtin:python-exercises`: short Python exercises that our own code makes and verifies.

>>> from finetune_kit.exercises import families, rows
>>> len(rows()) == 16 * len(families())
True
"""

from __future__ import annotations

from finetune_kit.exercises import (
    aggregates,
    classes,
    dates,
    dictionaries,
    formatting,
    lists,
    numbers,
    parsing,
    records,
    recursion,
    strings,
    words,
)
from finetune_kit.exercises.family import Family

__all__ = ["Family", "families", "rows"]

TOPICS = (
    strings,
    words,
    parsing,
    formatting,
    lists,
    aggregates,
    numbers,
    recursion,
    dictionaries,
    records,
    dates,
    classes,
)


def families() -> tuple[Family, ...]:
    """Lists the families by topic, each with its `name`, `topic` and `group`."""
    return tuple(member for topic in TOPICS for member in vars(topic).values() if isinstance(member, Family))


def rows() -> list[dict[str, str]]:
    """Makes the data set, the same on every machine.

    Returns:
        Rows with `instruction`, `input`, `output` (the reference), `tests` (assert lines that run after the
        code in one namespace), `family`, and `group`: `seen`, or `unseen` for what is kept out of training.
    """
    return [row for family in families() for row in family.rows()]
