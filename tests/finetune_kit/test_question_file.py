"""Files of rows to answer that are streamed, held against the same files read into memory."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finetune_kit import data_files, question_file
from finetune_kit.data import content_hash, load_questions
from finetune_kit.errors import KitError
from finetune_kit.question_file import QuestionFile

REQUIRED = ("instruction",)
GOOD = b'{"instruction": "a", "output": "b"}\n'
OTHER = b'{"instruction": "c"}\n'
OWN_OF_GOOD = content_hash({"instruction": "a", "input": "", "output": "b"})[:16]

VALID = {
    "one row": GOOD,
    "no newline at the end": GOOD + OTHER.rstrip(),
    "duplicates": GOOD * 2 + OTHER + GOOD + OTHER,
    "rows that differ in what is not shown alone": GOOD + b'{"instruction": "a", "output": "b", "tests": "t"}\n',
    "an input that is empty or absent": GOOD + b'{"instruction": "a", "output": "b", "input": ""}\n',
    "an input that is null": GOOD + b'{"instruction": "a", "output": "b", "input": null}\n',
    "blank lines": b"\n".join([GOOD, b"", b"  \t", OTHER, b"\r", "\u2028\x85 \u3000".encode(), GOOD]),
    "a blank line at first": b"\n" + GOOD,
    "a space at first": b" " + GOOD,
    "a byte order mark": b"\xef\xbb\xbf" + GOOD * 2,
    "line breaks of Windows": (GOOD + OTHER + GOOD).replace(b"\n", b"\r\n"),
    "line separators in texts": '{"instruction": "a\u2028b\u2029c\x85d"}\n'.encode() * 2,
    "carriage returns between keys": b'{"instruction":\r"a"}\n' + GOOD,
    "own ids": b'{"row_id": "x/1", "instruction": "a"}\n{"row_id": 7, "instruction": "a"}\n' + GOOD,
    "an empty id of its own": b'{"row_id": "", "instruction": "a"}\n' + GOOD,
    "an id that is null": b'{"row_id": null, "instruction": "a"}\n' + OTHER,
    "numbers and truths": b'{"instruction": 1.50, "input": true, "output": 12345678901234567890}\n',
    "other columns": b'{"x": [1], "instruction": "a", "group": "g", "family": "f", "split": 2, "tests": "t"}\n',
    "letters and pairs": '{"instruction": "é\\ud83d\\ude00😀"}\n'.encode(),
    "a NUL that is escaped": b'{"instruction": "a\\u0000"}\n',
}
BROKEN = {
    "nothing": b"",
    "blank lines alone": b"\n \r\n",
    "cut off at the end": GOOD + b'{"instruction": "a',
    "cut off in the middle": GOOD + b'{"instruction": "a\n' + OTHER,
    "cut off behind a backslash": GOOD + b'{"instruction": "a\\\n' + OTHER,
    "cut off within an escape": GOOD + b'{"instruction": "\\u12\n' + OTHER,
    "cut off behind a comma": b'{"instruction": "a",\n' + GOOD,
    "cut off by Windows": b'{"instruction": "a\r\n' + GOOD.replace(b"\n", b"\r\n"),
    "more text": GOOD + GOOD.rstrip() + GOOD,
    "a tab in a text": b'{"instruction": "a\tb"}\n' + GOOD,
    "no JSON at first": b"instruction,output\na,b\n",
    "no JSON at the end": GOOD + b"the end\n",
    "a broken row at first": b"{]\n" + GOOD,
    "a key twice": GOOD + b'{"instruction": "a", "instruction": "b"}\n',
    "a list on a line": GOOD + b'["a"]\n',
    "null on a line": GOOD + b"null\n",
    "a list at first": b'["a"]\n' + GOOD,
    "one list": b'[{"instruction": "a"}]\n',
    "one object on many lines": b'{\n  "instruction": "a"\n}\n',
    "not a number": GOOD + b'{"instruction": NaN}\n{"instruction": "a", "output": -Infinity}\n',
    "infinity": b'{"instruction": 1e999}\n' + GOOD,
    "a long number": b'{"instruction": ' + b"9" * 5000 + b"}\n",
    "deeply nested": GOOD + b'{"instruction": ' + b"[" * 100_000 + b"\n",
    "a missing column": GOOD + b'{"output": "b"}\n',
    "a missing column at first": b'{"output": "b"}\n' + GOOD,
    "a column that is null": GOOD + b'{"instruction": null}\n',
    "a column that is a list": GOOD + b'{"instruction": ["a"]}\n',
    "half of a pair": GOOD + b'{"instruction": "\\ud800"}\n',
    "many kinds of mistakes": (GOOD + b'{"x": 1}\n{]\n[]\n{"instruction": null}\n') * 30,
    "equal ids": GOOD + b'{"row_id": "x", "instruction": "a"}\n' * 2,
    "empty ids": b'{"row_id": "", "instruction": "a"}\n{"row_id": "", "instruction": "b"}\n' + GOOD,
    "a number and a text as ids": b'{"row_id": 7, "instruction": "a"}\n{"row_id": "7", "instruction": "b"}\n',
    "an id that another row gets": b'{"row_id": "%b", "instruction": "c"}\n' % OWN_OF_GOOD.encode() + GOOD,
    "an id that a duplicate gets": GOOD * 2 + b'{"row_id": "%b-2", "instruction": "c"}\n' % OWN_OF_GOOD.encode(),
    "latin-1 in the middle": GOOD + b'{"instruction": "\xe9"}\n' + GOOD,
    "latin-1 in a file of UTF-8": '{"instruction": "é"}\n'.encode() + b'{"instruction": "\xe9"}\n' + GOOD,
    "latin-1 behind a broken row": b"{]\n" + GOOD + b'{"instruction": "\xe9"}\n',
    "half of a letter at the end": GOOD + b'{"instruction": "\xc3',
    "UTF-16 with a mark": GOOD.decode().encode("utf-16"),
    "UTF-16 without a mark": GOOD.decode().encode("utf-16-le"),
    "UTF-32": GOOD.decode().encode("utf-32"),
    "a NUL": b'{"instruction": "\x00"}\n' + GOOD,
    "a NUL further on": GOOD * 200 + b"\x00\n" + GOOD,
    "a page": b"<!doctype html><html></html>",
    "an archive": b"\x1f\x8b\x08\x00",
    "Parquet": b"PAR1",
    "a pointer": b"version https://git-lfs.github.com/spec/v1\n",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rows.jsonl"


def outcome(read, path: Path, columns=None, required: Sequence[str] = REQUIRED) -> tuple[list, str]:
    """The rows, with their keys in their order, and what is said."""
    try:
        return [list(row.items()) for row in read(path, columns or {}, required)], ""
    except KitError as error:
        return [], str(error)


@pytest.mark.parametrize("name", VALID)
def test_rows_are_those_of_the_whole_file(path: Path, name: str) -> None:
    path.write_bytes(VALID[name])
    rows, said = outcome(load_questions, path)
    assert rows and not said
    streamed = QuestionFile(path, {}, REQUIRED)
    for _ in range(2):
        assert [list(row.items()) for row in streamed] == rows, "each time that it is gone through"
    assert len(streamed) == len(rows)


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_wrong_is_said_in_the_same_words(path: Path, name: str) -> None:
    path.write_bytes(BROKEN[name])
    rows, said = outcome(load_questions, path)
    assert not rows and said
    assert outcome(QuestionFile, path) == ([], said)


@pytest.mark.parametrize(
    ("content", "columns", "required"),
    [
        (b'{"question": "a", "instruction": "no"}\n{"question": "b"}\n', {"instruction": "question"}, REQUIRED),
        (b'{"question": "a"}\n{"instruction": "b"}\n', {"instruction": "question"}, REQUIRED),
        (b'{"instruction": "a"}\n{"question": "b"}\n', {"instruction": "question"}, REQUIRED),
        (b'{"instruction": "a"}\n{"instruction": "b"}\n', {"instruction": "question"}, REQUIRED),
        (b'{]\n{"question": "b"}\n', {"instruction": "question"}, REQUIRED),
        (b'["a"]\n{"question": "b"}\n', {"instruction": "question"}, REQUIRED),
        (b'{"id": "x", "instruction": "a"}\n{"id": "x", "instruction": "b"}\n', {"row_id": "id"}, REQUIRED),
        (b'{"a": "1", "b": "2", "c": "3"}\n{"b": "2", "a": "1"}\n', {}, ("b", "a")),
        (b'{"a": "1"}\n', {}, ("b", "a")),
        (b'{"context": "1"}\n', {"input": "context"}, ()),
    ],
)
def test_columns_are_found_alike(path: Path, content: bytes, columns: dict[str, str], required: Sequence[str]) -> None:
    path.write_bytes(content)
    expected = outcome(load_questions, path, columns, required)
    assert any(expected) and outcome(QuestionFile, path, columns, required) == expected


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(["", "a", "b", "\u2028", "\r"])
values = texts | st.none() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.booleans()
rows = st.fixed_dictionaries(
    {"instruction": st.sampled_from(["a", "b", ""]) | texts},
    optional={"input": values, "output": values, "tests": values, "group": values, "row_id": values, "other": values},
)
line_ends = st.sampled_from(["\n", "\r\n", "\n\n", "\n \t\n"])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(st.tuples(rows, line_ends, st.booleans()), min_size=1, max_size=8), bare_end=st.booleans())
def test_whatever_the_rows_are_they_are_read_alike(path: Path, lines: list, bare_end: bool) -> None:
    text = "".join(json.dumps(row, ensure_ascii=ascii) + end for row, end, ascii in lines)
    path.write_bytes((text.rstrip() if bare_end else text).encode())
    expected, said = outcome(load_questions, path)
    assert expected or "stands at" in said
    assert outcome(QuestionFile, path) == (expected, said)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 70), junk=st.binary(max_size=3), drop=st.integers(0, 3))
def test_wherever_a_file_is_damaged_the_same_is_said(path: Path, at: int, junk: bytes, drop: int) -> None:
    whole = '{"instruction": "aé"}\n{"instruction": "\\u00e9\\n"}\r\n{"instruction": 1}\n'.encode()
    path.write_bytes(whole[:at] + junk + whole[at + drop :])
    assert outcome(QuestionFile, path) == outcome(load_questions, path)


def test_rows_with_the_same_short_names_are_told_apart(path: Path, monkeypatch) -> None:
    """Only a suspicion comes of 64 bits."""
    monkeypatch.setattr(question_file, "_short", lambda row_id: 1)
    path.write_bytes(VALID["own ids"])
    assert outcome(QuestionFile, path) == outcome(load_questions, path)
    path.write_bytes(BROKEN["equal ids"])
    assert outcome(QuestionFile, path) == outcome(load_questions, path)


def test_a_file_full_of_mistakes_is_not_read_to_its_end(path: Path, monkeypatch) -> None:
    monkeypatch.setattr(question_file, "MOST_KEPT", 20)
    path.write_bytes(GOOD + b"{]\n" * 20)
    assert outcome(QuestionFile, path) == outcome(load_questions, path)
    path.write_bytes(GOOD + b"{]\n" * 21 + b"\xff\n")
    with pytest.raises(KitError, match=r"^More than 20 rows of .*rows\.jsonl can't be used:\n.* and 10 more\.$"):
        QuestionFile(path, {}, REQUIRED)


def test_a_file_that_can_not_be_opened_is_named(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "none.jsonl", "No such file"), (tmp_path / "folder.jsonl", "Is a directory")):
        (tmp_path / "folder.jsonl").mkdir(exist_ok=True)
        with pytest.raises(KitError, match=rf"{path.name} can't be read \({reason}"):
            QuestionFile(path, {}, REQUIRED)


def test_a_plain_file_is_not_read_as_a_whole(path: Path, monkeypatch) -> None:
    monkeypatch.setattr(data_files, "read_file", lambda path: pytest.fail("all of it is read"))
    path.write_bytes(GOOD * 300)
    assert len(list(QuestionFile(path, {}, REQUIRED))) == 300
