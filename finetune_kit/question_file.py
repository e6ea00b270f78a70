"""A JSONL file of rows to answer that is read anew each time, so that the memory does not grow with it."""

from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from finetune_kit.data import MOST_TOLD, Row, all_at_once, content_hash, question_columns, to_row
from finetune_kit.data_files import jsonl_records
from finetune_kit.errors import KitError


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
        problems, digests, names = [], array("Q"), array("Q")
        for place, record in jsonl_records(path):
            try:
                row = self._row(place, record)
            except KitError as error:
                problems.append((place, error))
                if len(problems) > 100 * MOST_TOLD:
                    break
                continue
            digests.append(_bits(content_hash(row)))
            if "row_id" in row:
                names.append(hash(row["row_id"]) & (2**64 - 1))
        if problems:
            raise all_at_once(problems, str(path))
        if not digests:
            raise KitError(f"{path} holds no rows.")
        self._count = len(digests)
        self._twice = _repeated(digests)
        self._require_own_names(_repeated(names))

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Row]:
        seen: Counter[int] = Counter()
        for place, record in jsonl_records(self.path):
            row = self._row(place, record)
            digest = content_hash(row)[:16]
            if (bits := int(digest, 16)) in self._twice:
                seen[bits] += 1
            yield {"row_id": digest + (f"-{seen[bits]}" if seen[bits] > 1 else ""), **row}

    def _row(self, place: str, record: object) -> Row:
        if isinstance(record, KitError):
            raise record
        return to_row(record, self.mapping, self.required, place)

    def _require_own_names(self, suspects: set[int]) -> None:
        """No two rows may have the same `row_id`."""
        seen: dict[str, str] = {}
        for place, record in jsonl_records(self.path) if suspects else ():
            row_id = self._row(place, record).get("row_id", "")
            if hash(row_id) & (2**64 - 1) in suspects:
                if row_id in seen:
                    raise KitError(f"{place}: row_id {row_id!r} stands at {seen[row_id]} already; rename one.")
                seen[row_id] = place


def _bits(digest: str) -> int:
    return int(digest[:16], 16)


def _repeated(numbers: array) -> set[int]:
    found, counts = np.unique(np.array(numbers, np.uint64), return_counts=True)
    return set(found[counts > 1].tolist())
