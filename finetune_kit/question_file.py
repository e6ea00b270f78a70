"""A JSONL file of rows to answer that is read anew each time, so that the memory does not grow with it."""

from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from finetune_kit.data import MOST_TOLD, Row, all_at_once, content_hash, question_columns, to_row
from finetune_kit.data_files import jsonl_records
from finetune_kit.errors import KitError

MOST_KEPT = 100 * MOST_TOLD
"""Mistakes in a file after which it is read no further."""


class QuestionFile:
    """Rows as `load_questions` gives them.

    All of the file is looked at first, so that what is wrong in its last line is told before a first answer is made.

    Args:
        path: A .jsonl file.
        columns: As `load_questions` takes them.
        required: As `load_questions` takes them.

    Raises:
        KitError: For all that is wrong with it at once.
    """

    def __init__(self, path: Path, columns: Mapping[str, str], required: Sequence[str]) -> None:
        self.path = path
        self.required = set(required)
        first = next((record for _, record in jsonl_records(path)), None)
        self.mapping = question_columns(columns, required, first if isinstance(first, dict) else {})
        problems: list[tuple[str, KitError]] = []
        digests, own_names = array("Q"), False
        for place, record in jsonl_records(path):
            try:
                row = self._row(place, record)
            except KitError as error:
                if len(problems) == MOST_KEPT:
                    raise all_at_once(problems, str(path), all_known=False) from None
                problems.append((place, error))
                continue
            digests.append(_bits(content_hash(row)))
            own_names = own_names or "row_id" in row
        if problems:
            raise all_at_once(problems, str(path))
        if not digests:
            raise KitError(f"{path} holds no rows.")
        self._count = len(digests)
        self._twice = _repeated(digests)
        if own_names:
            self._require_different_names()

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Row]:
        return (row for _, row in self._placed())

    def _placed(self) -> Iterator[tuple[str, Row]]:
        seen: Counter[int] = Counter()
        for place, record in jsonl_records(self.path):
            row = self._row(place, record)
            digest = content_hash(row)[:16]
            if (bits := int(digest, 16)) in self._twice:
                seen[bits] += 1
            yield place, {"row_id": digest + (f"-{seen[bits]}" if seen[bits] > 1 else ""), **row}

    def _row(self, place: str, record: object) -> Row:
        if isinstance(record, KitError):
            raise record
        return to_row(record, self.mapping, self.required, place)

    def _require_different_names(self) -> None:
        """No two rows may have the same `row_id`, be it their own or one that they got."""
        suspects = _repeated(array("Q", (_short(row["row_id"]) for _, row in self._placed())))
        seen: dict[str, str] = {}
        for place, row in self._placed() if suspects else ():
            row_id = row["row_id"]
            if _short(row_id) in suspects:
                if row_id in seen:
                    raise KitError(f"{place}: row_id {row_id!r} stands at {seen[row_id]} already; rename one.")
                seen[row_id] = place


def _bits(digest: str) -> int:
    return int(digest[:16], 16)


def _short(row_id: str) -> int:
    return hash(row_id) & (2**64 - 1)


def _repeated(numbers: array) -> set[int]:
    found, counts = np.unique(np.array(numbers, np.uint64), return_counts=True)
    return set(found[counts > 1].tolist())
