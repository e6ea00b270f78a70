"""Files of predictions that are made whole, whatever stopped the one who wrote them. Without a model."""

import json
import random
from collections import namedtuple
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from finetune_kit import answering
from finetune_kit.answering import answer_rows, count_missing, in_chunks
from finetune_kit.data import Row
from finetune_kit.errors import KitError

ROWS = [{"row_id": f"é/{i}", "instruction": f"Say \u2028{i}\n"} for i in range(23)]
Completion = namedtuple("Completion", ["text", "finish_reason"])
"""As `finetune_kit.decoding` has it, which takes long to import."""
IDS = [row["row_id"] for row in ROWS]
REFUSED = r"holds something else than predictions; move it, or name another file\."


def line_of(row: Row, settings: str = "s") -> dict[str, Any]:
    return {"row_id": row["row_id"], "group": None, "instruction": row["instruction"], "settings_hash": settings}


class Model:
    """Answers rows and remembers which.

    Args:
        stop_after: Chunks after which it raises.
        order: What becomes of the chunks' order, and of that within each.
        word: What it answers.
    """

    def __init__(self, stop_after: int = 10**9, order: Callable[[list], Any] = list, word: str = "answer") -> None:
        self.stop_after, self.order, self.word = stop_after, order, word
        self.asked: list[str] = []

    def __call__(self, rows: Iterator[Row]) -> Iterator[tuple[list[Row], list[Completion]]]:
        for number, chunk in enumerate(self.order(list(in_chunks(rows, 4)))):
            if number == self.stop_after:
                raise KeyboardInterrupt
            some = self.order(chunk)
            self.asked += [row["row_id"] for row in some]
            reasons = ["length" if row["row_id"].endswith("7") else "end" for row in some]
            texts = [f"{self.word} to {row['instruction']}" for row in some]
            yield some, [Completion(text, reason) for text, reason in zip(texts, reasons, strict=True)]


class Untouched:
    """A model that nobody asks."""

    def __call__(self, rows: Iterator[Row]) -> Iterator[Any]:
        pytest.fail("answers are made again")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "predictions" / "tuned.jsonl"


def journal_of(path: Path) -> Path:
    return path.with_name(path.name + ".journal")


def answered(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def expected(rows: list[Row] = ROWS, settings: str = "s", word: str = "answer") -> list[dict[str, Any]]:
    return [
        {
            **line_of(row, settings),
            "completion": f"{word} to {row['instruction']}",
            "finish_reason": "length" if row["row_id"].endswith("7") else "end",
        }
        for row in rows
    ]


def stopped(path: Path, stop_after: int) -> list[str]:
    """Answer until it is interrupted; the rows whose answers are there."""
    model = Model(stop_after)
    with pytest.raises(KeyboardInterrupt):
        answer_rows(ROWS, line_of, model, path)
    return model.asked


def test_a_file_is_made_in_the_order_of_the_rows(path: Path) -> None:
    model = Model()
    assert answer_rows(ROWS, line_of, model, path) == 2, "answers that were cut are counted"
    assert answered(path) == expected() and model.asked == IDS
    assert [list(line)[-2:] for line in answered(path)] == [["completion", "finish_reason"]] * len(ROWS)
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_what_is_there_is_not_made_again(path: Path) -> None:
    answer_rows(ROWS, line_of, Model(), path)
    before = path.read_bytes()
    assert answer_rows(ROWS, line_of, Untouched(), path) == 2 and path.read_bytes() == before
    assert answer_rows(ROWS[5:9][::-1], line_of, Untouched(), path) == 1
    assert answered(path) == expected(ROWS[5:9][::-1]), "the lines are those of the rows, in their order"


def test_no_rows_make_an_empty_file(path: Path) -> None:
    assert answer_rows([], line_of, Untouched(), path) == 0 and path.read_bytes() == b""


@pytest.mark.parametrize("order", [lambda some: some[::-1], lambda some: random.Random(3).sample(some, len(some))])
def test_answers_may_come_in_any_order(path: Path, order) -> None:
    model = Model(order=order)
    answer_rows(ROWS, line_of, model, path)
    assert model.asked != IDS and sorted(model.asked) == sorted(IDS)
    assert answered(path) == expected()


def test_an_answer_that_was_made_for_another_line_is_made_anew(path: Path) -> None:
    answer_rows(ROWS, line_of, Model(), path)
    changed = [{**row, "instruction": "Other"} if row["row_id"] == "é/4" else row for row in ROWS]
    model = Model(word="another")
    answer_rows(changed, line_of, model, path)
    assert model.asked == ["é/4"]
    assert answered(path) == [*expected(ROWS[:4]), *expected(changed[4:5], word="another"), *expected(ROWS[5:])]

    def others(row: Row) -> dict[str, Any]:
        return line_of(row, "t")

    model = Model(word="a third")
    answer_rows(changed, others, model, path)
    assert model.asked == IDS and answered(path) == expected(changed, "t", "a third")


@pytest.mark.parametrize("stop_after", [0, 1, 5])
def test_the_next_one_goes_on_from_the_journal(path: Path, stop_after: int) -> None:
    there = stopped(path, stop_after)
    assert there == IDS[: 4 * stop_after] and not path.exists()
    assert count_missing(ROWS, line_of, path) == len(ROWS) - len(there)
    model = Model()
    answer_rows(ROWS, line_of, model, path)
    assert model.asked == IDS[len(there) :] and answered(path) == expected()
    assert not journal_of(path).exists() and count_missing(ROWS, line_of, path) == 0


def test_it_may_be_stopped_again_and_again(path: Path) -> None:
    there = [one for _ in range(5) for one in stopped(path, 1)]
    model = Model()
    answer_rows(ROWS, line_of, model, path)
    assert [*there, *model.asked] == IDS and answered(path) == expected()


@pytest.mark.parametrize("left", [1, 40, -1], ids=["one byte", "half of it", "all but the line break"])
def test_a_line_that_was_torn_is_made_anew(path: Path, left: int) -> None:
    """Also where nothing but its line break is missing: another line behind it would make one of two."""
    stopped(path, 2)
    lines = journal_of(path).read_bytes().splitlines(keepends=True)
    journal_of(path).write_bytes(b"".join(lines[:7]) + lines[7][:left])
    assert count_missing(ROWS, line_of, path) == len(ROWS) - 7
    model = Model(1)
    with pytest.raises(KeyboardInterrupt):
        answer_rows(ROWS, line_of, model, path)
    assert model.asked == IDS[7:11]
    assert [json.loads(line)["row_id"] for line in journal_of(path).read_bytes().splitlines()] == IDS[:11]
    answer_rows(ROWS, line_of, model := Model(), path)
    assert model.asked == IDS[11:] and answered(path) == expected()


def test_a_letter_that_was_torn_is_no_mistake(path: Path) -> None:
    stopped(path, 1)
    with journal_of(path).open("ab") as file:
        file.write('{"row_id": "é'.encode()[:-1])
    answer_rows(ROWS, line_of, Model(), path)
    assert answered(path) == expected()


def test_a_file_and_its_journal_are_one(path: Path) -> None:
    """Rows that were added to a file are answered, some before and some after an interruption."""
    answer_rows(ROWS[::2], line_of, Model(), path)
    kept = path.read_bytes()
    assert stopped(path, 2) == IDS[1:16:2] and path.read_bytes() == kept
    answer_rows(ROWS, line_of, model := Model(), path)
    assert model.asked == IDS[17::2] and answered(path) == expected()


def test_an_answer_that_stands_twice_comes_once(path: Path) -> None:
    stopped(path, 2)
    lines = journal_of(path).read_bytes().splitlines(keepends=True)
    others = [line.replace(b"answer to", b"another to") for line in lines]
    journal_of(path).write_bytes(b"".join([*lines, *others * 5]))
    answer_rows(ROWS, line_of, Model(), path)
    assert answered(path) == expected(), "the first that came counts"


@pytest.mark.parametrize("names", [lambda row_id: 7, lambda row_id: len(str(row_id))], ids=["all", "some"])
def test_rows_whose_names_are_alike_are_told_apart(path: Path, monkeypatch, names) -> None:
    monkeypatch.setattr(answering, "_name", names)
    there = stopped(path, 2)
    answer_rows(ROWS, line_of, model := Model(), path)
    assert [*there, *model.asked] == IDS and answered(path) == expected()
    answer_rows(ROWS[::-1], line_of, Untouched(), path)
    assert answered(path) == expected(ROWS[::-1])


SOMETHING_ELSE = {
    "notes": b"my notes\n",
    "notes on a line that does not end": b"my notes",
    "a list": b"[1, 2]\n",
    "rows": b'{"row_id": "a", "instruction": "b"}\n',
    "another tool's answers": b'{"row_id": "a", "completion": "x"}\n',
    "bytes": b"\xff\xfe\n",
    "brackets": b"[" * 100_000 + b"\n",
    "half of a pair": b'{"row_id": "\\ud800", "completion": "", "finish_reason": ""}\n',
    "answers that were cut off": b'{"row_id": "a", "completion": "x", "finish_reason": "end"}\n{"row_id": "b", "compl',
}


@pytest.mark.parametrize("name", SOMETHING_ELSE)
@pytest.mark.parametrize("which", ["file", "journal"])
def test_what_holds_something_else_is_left_alone(path: Path, name: str, which: str) -> None:
    content = SOMETHING_ELSE[name]
    there = path if which == "file" else journal_of(path)
    if which == "journal" and not content.endswith(b"\n"):
        content += b"\n"
    there.parent.mkdir()
    there.write_bytes(content)
    with pytest.raises(KitError, match=rf"^{there} {REFUSED}"):
        answer_rows(ROWS, line_of, Untouched(), path)
    with pytest.raises(KitError, match=REFUSED):
        count_missing(ROWS, line_of, path)
    assert there.read_bytes() == content and list(path.parent.iterdir()) == [there]


def test_blank_lines_and_those_of_windows_are_read_over(path: Path) -> None:
    answer_rows(ROWS, line_of, Model(), path)
    path.write_bytes(b"\n" + path.read_bytes().replace(b"\n", b"\r\n\r\n").rstrip())
    answer_rows(ROWS, line_of, Untouched(), path)
    assert answered(path) == expected()


def test_a_failure_leaves_the_old_file(path: Path, monkeypatch) -> None:
    answer_rows(ROWS, line_of, Model(), path)
    before = path.read_bytes()

    def others(row: Row) -> dict[str, Any]:
        return line_of(row, "t")

    def full(self: Path, target: Path) -> None:
        assert target == path and path.read_bytes() == before
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        patch.setattr(Path, "replace", full)
        answer_rows(ROWS, others, Model(), path)
    assert path.read_bytes() == before
    answer_rows(ROWS, others, Untouched(), path)
    assert answered(path) == expected(settings="t"), "what was made is in the journal"


def test_an_answer_that_does_not_come_is_said(path: Path) -> None:
    def lazy(rows: Iterator[Row]) -> Iterator[Any]:
        yield from (one for one in Model()(rows) if one[0][0]["row_id"] != "é/4")

    with pytest.raises(KitError, match="The answer to row 'é/4' was not made; the same command makes it"):
        answer_rows(ROWS, line_of, lazy, path)
    assert not path.exists()
    answer_rows(ROWS, line_of, model := Model(), path)
    assert model.asked == IDS[4:8] and answered(path) == expected()


def test_no_row_is_taken_before_it_is_needed(path: Path) -> None:
    """What answers decides how many rows are on their way."""
    taken: list[str] = []

    class Watched(list):
        def __iter__(self) -> Iterator[Row]:
            for row in super().__iter__():
                taken.append(row["row_id"])
                yield row

    def complete(rows: Iterator[Row]) -> Iterator[Any]:
        assert taken == IDS[:1]
        for row in rows:
            assert taken[-1] == row["row_id"]
            yield [row], [Completion("", "end")]
            assert journal_of(path).read_bytes().count(b"\n") == len(taken), "each is on the disk at once"

    answer_rows(Watched(ROWS), line_of, complete, path)
    assert taken == IDS * 2


def test_a_chunk_is_never_empty() -> None:
    assert list(in_chunks(iter(ROWS[:5]), 2)) == [ROWS[:2], ROWS[2:4], ROWS[4:5]]
    assert list(in_chunks(iter(ROWS[:4]), 2)) == [ROWS[:2], ROWS[2:4]]
    assert list(in_chunks(iter([]), 2)) == []
