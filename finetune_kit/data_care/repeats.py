"""Rows that say the same: twice in a split, in two splits, with another answer, or nearly."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from finetune_kit.data import KNOWN, Row
from finetune_kit.run import SPLITS


@dataclass(frozen=True)
class SplitRow:
    """A row, where it stands, and where it went."""

    row: Row
    place: str
    split: str


Told = tuple[SplitRow, str]
"""A row, and what is said of it."""


def prompt_of(row: Row, output_column: str) -> dict[str, str]:
    """The columns that the model is shown."""
    return {name: text for name, text in row.items() if name != output_column and name not in KNOWN}


def duplicates(rows: Sequence[SplitRow]) -> Iterator[Told]:
    """Rows whose content stands before in the same split."""
    first: dict[tuple[object, ...], SplitRow] = {}
    for one in rows:
        content = (one.split, *sorted((name, text) for name, text in one.row.items() if name not in KNOWN))
        before = first.setdefault(content, one)
        if before is not one:
            yield one, f"the same as {before.place}"


def leaks(rows: Sequence[SplitRow], output_column: str) -> Iterator[Told]:
    """Rows whose prompt stands in a split that is held out further, white space and capitals aside."""
    held: dict[str, dict[str, SplitRow]] = {}
    for one in rows:
        held.setdefault(_key(one.row, output_column), {}).setdefault(one.split, one)
    for one in rows:
        key = _key(one.row, output_column)
        # They are in the order of how far they are held out.
        further = SPLITS[SPLITS.index(one.split) + 1 :]
        other = next((held[key][split] for split in reversed(further) if split in held[key]), None)
        if other is not None and key.strip("\0"):
            same = "row" if _answer(one, output_column) == _answer(other, output_column) else "prompt"
            yield one, f"the same {same} as {other.place}, a {other.split} row"


def contradictions(rows: Sequence[SplitRow], output_column: str) -> Iterator[Told]:
    """Rows that answer a prompt otherwise than the first row with it."""
    first: dict[str, SplitRow] = {}
    for one in rows:
        key = _key(one.row, output_column)
        before = first.setdefault(key, one)
        if key.strip("\0") and _answer(before, output_column) != _answer(one, output_column):
            yield one, f"answers otherwise than {before.place}"


def near_leaks(rows: Sequence[SplitRow], output_column: str) -> Iterator[Told]:
    """Training rows that are nearly the same as a row that is held out, and do not have its very prompt."""
    from evals.near_duplicates import near_duplicates

    trained = [one for one in rows if one.split == "train"]
    held = [one for one in rows if one.split != "train"]
    for found in near_duplicates([_text(one) for one in held], [_text(one) for one in trained]):
        one, other = trained[found.scored], held[found.trained]
        if _key(one.row, output_column) != _key(other.row, output_column):
            yield one, f"{found.similarity:.0%} like {other.place}, a {other.split} row"


def _text(one: SplitRow) -> str:
    return "\n".join(text for name, text in one.row.items() if name not in KNOWN)


def _key(row: Row, output_column: str) -> str:
    return "\0".join(" ".join(text.split()).casefold() for text in prompt_of(row, output_column).values())


def _answer(one: SplitRow, output_column: str) -> str:
    return one.row[output_column].strip()
