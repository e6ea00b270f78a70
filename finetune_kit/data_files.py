"""Files of rows: records with the place of each, `file:line` where a file has lines.

A record that cannot be read stands in the list as the error that says so, so that all of a file's mistakes are told at
once. What is wrong with a file as a whole is raised.
"""

import codecs
import csv
import io
import itertools
import json
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune_kit.errors import KitError
from finetune_kit.file_kinds import HEAD, decode, redirected, refuse_other_kinds

Record = tuple[str, Any]
"""A place, and what stands there: an object with columns, or a `KitError`."""

_SPACE = re.compile(r"[ \t\r\n]*")
_FIRST_KEY = re.compile(r'\{\s*("(?:[^"\\]|\\.)*")\s*:')
_DIGITS = "Exceeds the limit"


@dataclass(frozen=True)
class NotANumber:
    """`NaN`, `Infinity` or `-Infinity`, which many programs write into JSON and which are no JSON."""

    word: str


def read_file(path: Path) -> list[Record]:
    """Read a file of rows.

    Args:
        path: A .json, .jsonl, .csv or .parquet file.

    Returns:
        Its records in their order; the line of a record is the one in which it begins, counted from 1.

    Raises:
        KitError: If the file cannot be read at all.
    """
    reader = READERS.get(path.suffix)
    if reader is None:
        raise KitError(f"{path}: rows are read from {', '.join(READERS)} files; this one ends in {path.suffix!r}.")
    try:
        with path.open("rb") as file:
            # Parquet is read by its own library, which need not have all of it at once.
            data = file.read(HEAD if reader is _read_parquet else -1)
    except OSError as error:
        raise KitError(f"{path} can't be read ({error.strerror or error}).") from None
    if not data.removeprefix(codecs.BOM_UTF8).strip():
        raise KitError(f"{path} is empty.")
    refuse_other_kinds(path, data)
    return reader(path, data)


def jsonl_records(path: Path) -> Iterator[Record]:
    """The records of a JSONL file as `read_file` gives them, a line at a time.

    Raises:
        KitError: If the file cannot be read at all.
    """
    if not _begins_plainly(path):
        yield from read_file(path)  # which knows what else it may be, or says what is wrong with it
        return
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            try:
                line = raw.removesuffix(b"\n").decode("utf-8")
            except UnicodeDecodeError:
                break
            if line.strip():
                yield _record(path, number, line)
        else:
            return
    yield from read_file(path)  # which says what is wrong with it


def _begins_plainly(path: Path) -> bool:
    """Whether a file begins as an object does in UTF-8."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError:
        return False
    return head[:1] == b"{" and 0 not in head


def _record(path: Path, number: int, line: str) -> Record:
    try:
        return f"{path}:{number}", _DECODER.decode(line)
    except (ValueError, RecursionError) as error:
        return _broken(path, line, 0, number, error)


def kind_of(value: Any) -> str:
    """What a value of JSON is, for a message."""
    names = {dict: "an object", list: "a list", str: "text", int: "a number", float: "a number", bool: "true or false"}
    if isinstance(value, NotANumber):
        return value.word
    return "null" if value is None else names.get(type(value), f"a {type(value).__name__}")


def _read_json(path: Path, data: bytes) -> list[Record]:
    text = decode(path, data)
    start = _after_space(text, 0)
    if not text.startswith("[", start):
        raise _no_list(path, text)
    if text.startswith("]", _after_space(text, start + 1)):
        raise KitError(f"{path} holds an empty list, so it holds no rows.")
    return list(_elements(path, text, start + 1))


def _elements(path: Path, text: str, at: int) -> Iterator[Record]:
    """The elements of a list one by one, from behind its bracket: as a whole they would have no places."""
    line, counted = 1, 0
    next_row: re.Pattern[str] | None = None
    for number in itertools.count(1):
        at = _after_space(text, at)
        newlines, counted = text.count("\n", counted, at), at
        line += newlines
        # In a line of many rows its number alone is no place.
        place = f"{path}:{line}" if newlines or number == 1 else f"{path}:{line}, row {number}"
        if next_row is None and (key := _FIRST_KEY.match(text, at)):
            next_row = re.compile(r"\{\s*" + re.escape(key[1]) + r"\s*:")
        try:
            record, end = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            yield _broken(path, text, at, line, error)
            # The next object that begins as the first one did.
            found = next_row.search(text, at + 1) if next_row else None
            if found is None:
                return
            at = found.start()
            continue
        yield place, record
        at = _after_space(text, end)
        mark = text[at : at + 1]
        place = f"{path}:{line + text.count('\n', counted, at)}"
        if mark == "]":
            if text[at + 1 :].strip():
                yield place, KitError(f"{place}: not valid JSON (more text follows the list).")
            return
        if mark == ",":
            at = _after_space(text, at + 1)
            if text.startswith("]", at):
                yield place, KitError(f"{place}: not valid JSON (a comma stands before the closing bracket).")
                return
        elif mark:
            yield place, KitError(f"{place}: not valid JSON (a comma is missing before this).")
        if at == len(text):
            yield place, KitError(f"{place}: not valid JSON (the list is not closed; was the file cut off?).")
            return


def _broken(path: Path, text: str, at: int, line: int, error: Exception) -> Record:
    """What is wrong with the JSON value that begins at a character in a line; the place is that of the mistake."""
    place = f"{path}:{line}"
    if not isinstance(error, json.JSONDecodeError):
        return place, KitError(f"{place}: not valid JSON ({_reason(error)}).")
    if not text[error.pos :].strip() or error.msg.startswith("Unterminated"):
        return place, KitError(f"{place}: not valid JSON (the row that begins here never ends; was the file cut off?).")
    where = line + text.count("\n", at, error.pos)
    column = error.pos - text.rfind("\n", 0, error.pos)
    begins = f"; the row begins in line {line}" if where != line else ""
    place = f"{path}:{where}"
    return place, KitError(f"{place}: not valid JSON ({_reason(error)}, column {column}{begins}).")


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if str(error).startswith(_DIGITS):
        return "a number of thousands of digits"
    if not isinstance(error, json.JSONDecodeError):
        return str(error)
    if error.msg.startswith("Invalid control character"):
        return "a line break or another control character within a text, which is written \\n"
    return error.msg


def _no_list(path: Path, text: str) -> Any:
    """What stands in the place of a list."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        if isinstance(error, json.JSONDecodeError) and error.msg == "Extra data" and text.lstrip().startswith("{"):
            place = f"{path}:{error.lineno}"
            return KitError(f"{place}: more text follows the first object. It looks like JSON Lines: name it .jsonl.")
        return _broken(path, text, 0, 1, error)[1]
    problem = f"{path} must hold a list of rows, and holds {kind_of(value)}"
    if not isinstance(value, dict):
        return KitError(f"{problem}.")
    lists = [key for key, inner in value.items() if isinstance(inner, list)]
    if lists:
        key, others = lists[0], "".join(f" So does {name!r}." for name in lists[1:3])
        command = redirected(f"jq {shlex.quote(f'.[{json.dumps(key, ensure_ascii=False)}]')}", path, "list")
        return KitError(f"{problem}; its key {key!r} holds a list: write that alone, as with `{command}`.{others}")
    if value and all(isinstance(inner, dict) for inner in value.values()):
        return KitError(f"{problem} of objects. If they are columns, pandas writes rows with orient='records'.")
    return KitError(f"{problem}. If that is a row, put it between [ and ].")


def _read_jsonl(path: Path, data: bytes) -> list[Record]:
    text = decode(path, data)
    if text.lstrip().startswith("[") and _is_list_of_objects(text):
        raise KitError(f"{path} holds one JSON list, and no row a line: name it .json.")
    return [_record(path, number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]


def _is_list_of_objects(text: str) -> bool:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return bool(value) and all(isinstance(one, dict) for one in value)


def _read_csv(path: Path, data: bytes) -> list[Record]:
    # Not by pandas: it makes numbers of "007" and nothing of "None", and takes a cell too many for an index.
    reader = csv.reader(io.StringIO(decode(path, data), newline=""), strict=True)
    try:
        header = next(reader, [])
    except csv.Error as error:
        raise KitError(f"{path}:1: not valid CSV ({error}).") from None
    _check_header(path, header)
    return list(_lines(path, reader, header))


def _check_header(path: Path, header: list[str]) -> None:
    for name in header:
        # Columns without a name are indexes that others wrote.
        if name and header.count(name) > 1:
            raise KitError(f"{path}:1: the header has the column {name!r} twice; rename one, or take it out.")
    if len(header) == 1 and (mark := next((mark for mark in ";\t|" if mark in header[0]), None)):
        raise KitError(f"{path}:1: the cells are parted by {mark!r}, and must be by commas; save it as such.")


def _lines(path: Path, reader: Any, header: list[str]) -> Iterator[Record]:
    """The rows below the header; a `csv.reader` that met a mistake goes on with the next line."""
    while True:
        place = f"{path}:{reader.line_num + 1}"
        try:
            cells = next(reader, None)
        except csv.Error as error:
            yield place, _csv_error(place, reader.line_num, str(error))
            continue
        if cells is None:
            return
        if cells and len(cells) != len(header):
            yield place, KitError(f"{place}: {len(cells)} cells, and the header has {len(header)}.")
        elif cells:
            yield place, dict(zip(header, cells, strict=True))


def _csv_error(place: str, last: int, reason: str) -> KitError:
    if reason == "unexpected end of data":
        return KitError(f"{place}: not valid CSV (a quote in the row that begins here is never closed).")
    if "field limit" in reason:
        return KitError(
            f"{place}: not valid CSV (a cell of the row that begins here has more than {csv.field_size_limit():,} "
            "characters). A quote may not be closed; rows that are so long are read from .jsonl."
        )
    ends = "" if place.endswith(f":{last}") else f" in line {last}"
    return KitError(f"{place}: not valid CSV ({reason}{ends}). A quote within a cell is written twice.")


def _read_parquet(path: Path, head: bytes) -> list[Record]:
    import pandas as pd
    import pyarrow

    try:
        frame = pd.read_parquet(path)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise KitError(f"{path} is not a Parquet file: {' '.join(str(error).split())}.") from None
    return [(f"{path}, row {i}", record) for i, record in enumerate(frame.to_dict(orient="records"), start=1)]


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)!r} stands twice")
    return made


_DECODER = json.JSONDecoder(parse_constant=NotANumber, object_pairs_hook=_unique)
READERS: dict[str, Callable[[Path, bytes], list[Record]]] = {
    ".json": _read_json,
    ".jsonl": _read_jsonl,
    ".csv": _read_csv,
    ".parquet": _read_parquet,
}
