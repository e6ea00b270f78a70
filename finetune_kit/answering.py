"""A file of predictions, made whole: answers that are there stay, the rest are made, and none is lost on the way.

However many rows there are, the memory holds 16 bytes of each: answers are appended to a journal as they come, in
whatever order, and put into the order of the rows at the end.
"""

import hashlib
import itertools
import json
import os
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from finetune_kit.data import Row, write_jsonl
from finetune_kit.errors import KitError

if TYPE_CHECKING:
    from finetune_kit.decoding import Completion

_ANSWER = ("completion", "finish_reason")

Complete = Callable[[Iterator[Row]], "Iterator[tuple[Sequence[Row], Sequence[Completion]]]"]
"""Answers rows, some at a time and in any order."""


class Rows(Protocol):
    """Rows that can be gone through more than once: a list, or a file that is read anew each time."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Row]: ...


def answer_rows(rows: Rows, line_of: Callable[[Row], dict[str, Any]], complete: Complete, path: Path) -> int:
    """Make a file of predictions whole.

    A process that is killed leaves what it has in `PATH.journal`, which the next one takes up.

    Args:
        rows: The rows.
        line_of: What a row's line says beside its answer; an answer that was made for another line is made anew.
        complete: Answers those rows that have no answer yet; asked only if there are any.
        path: The file, a line a row in their order.

    Returns:
        How many answers were cut at the most tokens they may have.

    Raises:
        KitError: If the file holds something else than predictions.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    journal = path.with_name(path.name + ".journal")
    kept = [Answers(path), Answers(journal, torn=True)]
    missing = (row for row in rows if _find(kept, line_of(row)) is None)
    if (first := next(missing, None)) is not None:
        if journal.exists():
            os.truncate(journal, kept[1].end)
        with journal.open("a", encoding="utf-8") as file:
            for some, answers in complete(itertools.chain([first], missing)):
                for row, answer in zip(some, answers, strict=True):
                    line = {**line_of(row), "completion": answer.text, "finish_reason": answer.finish_reason}
                    file.write(json.dumps(line, ensure_ascii=False) + "\n")
                file.flush()
        kept[1] = Answers(journal)
    cut = 0

    def lines() -> Iterator[dict[str, Any]]:
        nonlocal cut
        for row in rows:
            line = _find(kept, line_of(row))
            if line is None:
                raise KitError(f"The answer to row {row['row_id']!r} was not made; the same command makes it.")
            cut += line["finish_reason"] == "length"
            yield line

    write_jsonl(path, lines())
    journal.unlink(missing_ok=True)
    return cut


def count_missing(rows: Rows, line_of: Callable[[Row], dict[str, Any]], path: Path) -> int:
    """How many rows have no answer yet."""
    kept = [Answers(path), Answers(path.with_name(path.name + ".journal"), torn=True)]
    return sum(_find(kept, line_of(row)) is None for row in rows)


def in_chunks(rows: Iterator[Row], size: int) -> Iterator[list[Row]]:
    """So many rows at a time."""
    return iter(lambda: list(itertools.islice(rows, size)), [])


class Answers:
    """The lines of a file of predictions, found by row.

    Args:
        path: The file; none is there before a first answer.
        torn: Whether a last line that does not end is passed over, since who wrote it was killed.

    Raises:
        KitError: If the file holds something else.
    """

    def __init__(self, path: Path, torn: bool = False) -> None:
        self.path = path
        names, places, offset = array("Q"), array("q"), 0
        for raw in self._lines():
            if torn and not raw.endswith(b"\n"):
                break
            if raw.strip():
                names.append(self._name_of(raw))
                places.append(offset)
            offset += len(raw)
        self.end = offset
        """Bytes of what was read."""
        order = np.argsort(np.frombuffer(names, np.uint64), kind="stable") if names else np.zeros(0, int)
        self._names = np.frombuffer(names, np.uint64)[order] if names else np.zeros(0, np.uint64)
        self._places = np.frombuffer(places, np.int64)[order] if names else np.zeros(0, np.int64)

    def of_row(self, row_id: str) -> Iterator[dict[str, Any]]:
        """The lines of a row."""
        name = np.uint64(_name(row_id))
        first, last = np.searchsorted(self._names, name, "left"), np.searchsorted(self._names, name, "right")
        if first == last:
            return
        with self.path.open("rb") as file:
            for place in self._places[first:last]:
                file.seek(int(place))
                yield json.loads(file.readline())

    def _name_of(self, raw: bytes) -> int:
        try:
            line = json.loads(raw)
            if isinstance(line, dict) and set(_ANSWER) <= line.keys():
                return _name(line.get("row_id"))
        except (ValueError, RecursionError):
            pass
        raise KitError(f"{self.path} holds something else than predictions; move it, or name another file.")

    def _lines(self) -> Iterable[bytes]:
        try:
            with self.path.open("rb") as file:
                yield from file
        except FileNotFoundError:
            return


def _find(kept: Sequence[Answers], asked: Mapping[str, Any]) -> dict[str, Any] | None:
    """The line that was made for a row as it is now; None where there is none."""
    for answers in kept:
        for line in answers.of_row(str(asked["row_id"])):
            if asked == {name: value for name, value in line.items() if name not in _ANSWER}:
                return line
    return None


def _name(row_id: Any) -> int:
    """64 bits of a row's id; two rows with the same ones are told apart by their lines."""
    return int.from_bytes(hashlib.blake2b(str(row_id).encode(), digest_size=8).digest(), "little")
