"""Looks at every row of a run, and says what it found."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from finetune_kit.data import PlacedRow, Row
from finetune_kit.data_care.answers import LANGUAGES, claim_of
from finetune_kit.data_care.findings import KINDS, Finding, Findings
from finetune_kit.data_care.repeats import (
    SplitRow,
    Told,
    contradictions,
    duplicates,
    leaks,
    near_leaks,
    prompt_of,
)
from finetune_kit.data_care.secrets import find_secrets
from finetune_kit.data_care.texts import encoding_faults, unseen_characters
from finetune_kit.run import SPLITS
from finetune_kit.splits import Splits

MOST_FAULTS = 5
"""How many faults of a kind are told of one row."""


def inspect_rows(
    placed_rows: Sequence[PlacedRow], splits: Splits, output_column: str = "output", near: bool = False
) -> Findings:
    """Look for what is empty, repeated, broken or secret.

    Args:
        placed_rows: The rows of a source, with their places.
        splits: What became of them; those that are in none are not looked at.
        output_column: The column that holds the answer.
        near: Also look for training rows that are nearly the same as a row that is held out.

    Returns:
        What was found, by kind and in the order of the rows.

    Examples:
        >>> from finetune_kit.splits import Splits
        >>> rows = [{"row_id": str(i), "instruction": "Add.", "output": "a + b"} for i in range(2)]
        >>> placed = [PlacedRow(row, f"rows.jsonl:{i}") for i, row in enumerate(rows, start=1)]
        >>> inspect_rows(placed, Splits(rows, [], [])).found[0].detail
        'the same as rows.jsonl:1'
    """
    split_of = {row["row_id"]: split for split in SPLITS for row in getattr(splits, split)}
    rows = [
        SplitRow(placed.row, placed.place, split_of[placed.row["row_id"]])
        for placed in placed_rows
        if placed.row["row_id"] in split_of
    ]
    claims: Counter[str] = Counter()
    found: dict[str, Iterable[Told]] = {
        "empty": _each(rows, lambda row: _empty(row, output_column)),
        "duplicates": duplicates(rows),
        "leaks": leaks(rows, output_column),
        "near_leaks": near_leaks(rows, output_column) if near else [],
        "contradictions": contradictions(rows, output_column),
        "unparsable": _unparsable(rows, output_column, claims),
        "encoding": _in_columns(rows, encoding_faults),
        "control_characters": _in_columns(rows, unseen_characters),
        "secrets": _in_columns(rows, _secrets),
    }
    findings = tuple(
        Finding(kind, one.row["row_id"], one.place, one.split, detail) for kind in KINDS for one, detail in found[kind]
    )
    return Findings(len(rows), findings, dict(claims))


def _empty(row: Row, output_column: str) -> list[str]:
    # A prompt may lack its input, but not what is asked.
    asked = row.get("instruction", "".join(prompt_of(row, output_column).values()))
    texts = {"the instruction": asked, "the answer": row[output_column]}
    return [f"{name} is {'empty' if not text else 'white space only'}" for name, text in texts.items() if _blank(text)]


def _blank(text: str) -> bool:
    return not text or text.isspace()


def _unparsable(rows: Sequence[SplitRow], output_column: str, claims: Counter[str]) -> Iterator[Told]:
    """Answers that do not parse; counts what the others claim, too."""
    for one in rows:
        claim = claim_of("\n".join(prompt_of(one.row, output_column).values()), one.row[output_column])
        if claim is not None:
            claims[claim.language] += 1
            if claim.problem:
                yield one, f"claims to be {LANGUAGES[claim.language]}: {claim.problem}"


def _secrets(text: str) -> list[str]:
    return [f"{secret} in line {text.count('\n', 0, secret.at) + 1}" for secret in find_secrets(text)]


def _in_columns(rows: Sequence[SplitRow], look: Callable[[str], list[str]]) -> Iterator[Told]:
    """What is found in the columns of each row."""
    return _each(
        rows, lambda row: [f"{name}: {fault}" for name, text in row.items() if name != "row_id" for fault in look(text)]
    )


def _each(rows: Sequence[SplitRow], look: Callable[[Row], list[str]]) -> Iterator[Told]:
    for one in rows:
        if faults := look(one.row):
            more = len(faults) - MOST_FAULTS
            yield one, "; ".join(faults[:MOST_FAULTS]) + (f"; and {more} more" if more > 0 else "")
