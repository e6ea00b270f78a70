"""Rows: read from a file, the Hub, a DataFrame or the built-in set, mapped to our columns and checked.

A row is a dict of strings. Every row has `row_id` (from its content) and the recipe's input and output columns;
`tests`, `family`, `group` and `split` are kept where the source has them.
"""

import csv
import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune_kit.errors import KitError

if TYPE_CHECKING:
    import pandas as pd

Row = dict[str, str]

BUILTIN = "builtin:python-exercises"
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")
REQUIRED = ("instruction", "output")
OPTIONAL = ("input", "tests", "family", "group", "split")


def load_rows(
    source: "str | Path | pd.DataFrame",
    columns: Mapping[str, str] | None = None,
    limit: int | None = None,
    required: Sequence[str] = REQUIRED,
) -> list[Row]:
    """Read rows and give each its id.

    Args:
        source: `builtin:python-exercises`, a path (.json, .jsonl, .csv, .parquet), a data set's id on the Hub,
            or a DataFrame.
        columns: Our name of a column: its name in the source.
        limit: Only the first rows.
        required: Columns that every row must have; `input` and the other known ones may be absent.

    Returns:
        The rows in their order, columns as strings, with a `row_id` of 16 hexadecimal digits; a row whose
        content stood before gets a suffix (`-2`, `-3`, ...).

    Raises:
        KitError: If the source is not there, is empty, or holds something that is not a row; it names the place.
    """
    if isinstance(source, str | Path):
        records = _read(str(source))
        place = str(source)
    else:
        records = [(f"row {i}", record) for i, record in enumerate(source.to_dict(orient="records"), start=1)]
        place = "the DataFrame"
    mapping = {**{name: name for name in (*required, *OPTIONAL)}, **(columns or {})}
    rows: list[Row] = []
    for where, record in records:
        if limit is not None and len(rows) == limit:
            break
        rows.append(_to_row(record, mapping, {*required, *(columns or {})}, where))
    if not rows:
        raise KitError(f"{place} holds no rows.")
    return _with_ids(rows)


def load_questions(source: str, columns: Mapping[str, str], required: Sequence[str]) -> list[Row]:
    """Read rows that are to be answered: whatever has the prompt's columns, with or without answers.

    Args:
        source: As `load_rows` takes it.
        columns: Our name of a column: its name in the source; one that the source has not is looked for by our name.
        required: Columns that every row must have.

    Returns:
        The rows in their order; each keeps the `row_id` of its own that it has, or gets one as `load_rows` gives it.

    Raises:
        KitError: As `load_rows`, or if two rows have the same `row_id` of their own.
    """
    records = list(_read(source))
    first = records[0][1] if records and isinstance(records[0][1], dict) else {}
    mapping = {name: name for name in (*required, *REQUIRED, *OPTIONAL, "row_id")}
    mapping |= {name: column for name, column in columns.items() if column in first}
    rows = [_to_row(record, mapping, set(required), where) for where, record in records]
    if not rows:
        raise KitError(f"{source} holds no rows.")
    seen: dict[str, str] = {}
    for (where, _), row in zip(records, rows, strict=True):
        if "row_id" in row and seen.setdefault(row["row_id"], where) != where:
            raise KitError(f"{where}: row_id {row['row_id']!r} stands at {seen[row['row_id']]} already; rename one.")
    return _with_ids(rows)


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write one JSON object a line: to a file beside it first, then renamed."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    partial.replace(path)


def content_hash(row: Mapping[str, str]) -> str:
    """SHA-256 of what the model is shown and taught: 64 hexadecimal digits.

    Tests, groups and the like do not count, so that adding a column moves no row to another split.
    """
    known = {"tests", "family", "group", "split", "row_id"}
    content = [[name, row[name]] for name in sorted(row) if name not in known and (row[name] or name != "input")]
    return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()


def rows_hash(rows: Sequence[Mapping[str, str]]) -> str:
    """SHA-256 of rows in their order, all columns: 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(json.dumps(row, sort_keys=True, ensure_ascii=False).encode() + b"\n")
    return digest.hexdigest()


def _read(source: str) -> Iterable[tuple[str, Any]]:
    """Records with the place of each, for error messages."""
    if source == BUILTIN:
        from finetune_kit.exercises import rows

        return [(f"exercise {i}", row) for i, row in enumerate(rows(), start=1)]
    if source.startswith("builtin:"):
        raise KitError(f"There is no built-in data set {source!r}; there is {BUILTIN}.")
    path = Path(source)
    if path.is_file():
        return _read_file(path)
    if path.is_dir():
        raise KitError(f"{source} is a folder; name a file of rows (.json, .jsonl, .csv, .parquet).")
    if path.suffix in _READERS or not HUB_ID.fullmatch(source):
        raise KitError(f"There is no file {source}.")
    return _read_hub(source)


def _read_file(path: Path) -> Iterable[tuple[str, Any]]:
    reader = _READERS.get(path.suffix)
    if reader is None:
        raise KitError(f"{path}: rows are read from {', '.join(_READERS)} files; this one ends in {path.suffix!r}.")
    if path.stat().st_size == 0:
        raise KitError(f"{path} is empty.")
    try:
        return reader(path)
    except UnicodeDecodeError as error:
        raise KitError(f"{path} is not UTF-8: byte {error.start} is {error.object[error.start]:#04x}.") from None
    except OSError as error:
        raise KitError(f"{path} can't be read ({error.strerror or error}).") from None
    except (ValueError, RecursionError) as error:
        raise KitError(f"{path} can't be read: {' '.join(str(error).split())}.") from None


def _read_json(path: Path) -> list[tuple[str, Any]]:
    text = path.read_text(encoding="utf-8-sig")
    try:
        records = json.loads(text)
    except json.JSONDecodeError as error:
        hint = " It looks like JSON Lines: name it .jsonl." if text.lstrip().startswith("{") else ""
        raise KitError(f"{path}:{error.lineno}: not valid JSON ({error.msg}, column {error.colno}).{hint}") from None
    if not isinstance(records, list):
        raise KitError(f"{path} must hold a list of rows, and holds {_kind(records)}.")
    return [(f"{path}, row {i}", record) for i, record in enumerate(records, start=1)]


def _read_jsonl(path: Path) -> list[tuple[str, Any]]:
    records = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            records.append((f"{path}:{number}", json.loads(line)))
        except json.JSONDecodeError as error:
            raise KitError(f"{path}:{number}: not valid JSON ({error.msg}, column {error.colno}).") from None
    return records


def _read_csv(path: Path) -> list[tuple[str, Any]]:
    # Not by pandas: it makes numbers of "007" and nothing of "None", and takes a cell too many for an index.
    records = []
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        try:
            header = next(reader, [])
            for cells in reader:
                if cells and len(cells) != len(header):
                    raise KitError(f"{path}:{reader.line_num}: {len(cells)} cells, and the header has {len(header)}.")
                if cells:
                    records.append((f"{path}:{reader.line_num}", dict(zip(header, cells, strict=True))))
        except csv.Error as error:
            raise KitError(f"{path}:{reader.line_num}: not valid CSV ({error}).") from None
    return records


def _read_parquet(path: Path) -> list[tuple[str, Any]]:
    import pandas as pd
    import pyarrow

    try:
        frame = pd.read_parquet(path)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise KitError(f"{path} is not a Parquet file: {' '.join(str(error).split())}.") from None
    return [(f"{path}, row {i}", record) for i, record in enumerate(frame.to_dict(orient="records"), start=1)]


def _read_hub(name: str) -> Iterable[tuple[str, Any]]:
    """A data set from the Hub, or from its cache: the split `train`, as it is there."""
    import datasets
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    try:
        dataset = datasets.load_dataset(name, split="train")
    except (OSError, ValueError, RuntimeError, OfflineModeIsEnabled, HfHubHTTPError) as error:
        reason = str(error).split("\n", maxsplit=1)[0].rstrip(".")
        raise KitError(
            f"The data set {name!r} can be had neither from the Hub nor from its cache ({reason}). "
            "Check the id and the network, or name a local file."
        ) from None
    return ((f"{name}, row {i}", record) for i, record in enumerate(dataset, start=1))


_READERS = {".json": _read_json, ".jsonl": _read_jsonl, ".csv": _read_csv, ".parquet": _read_parquet}


def _to_row(record: Any, mapping: Mapping[str, str], required: set[str], where: str) -> Row:
    if not isinstance(record, dict):
        raise KitError(f"{where}: a row must be an object with columns, and this is {_kind(record)}.")
    row: Row = {}
    for name, column in mapping.items():
        value = record.get(column)
        if value is None or (isinstance(value, float) and math.isnan(value)):
            if name in required and column in record:
                raise KitError(f"{where}: {column!r} is null; give it a text, or take the row out.")
            if name in required:
                found = ", ".join(map(str, record)) or "none"
                raise KitError(
                    f"{where}: there is no column {column!r} (found: {found}). "
                    f"Map it with data.columns, e.g. data.columns.{name}=NAME."
                )
            value = None
        elif not isinstance(value, str | int | float):
            raise KitError(f"{where}: {column!r} must be text, and is {_kind(value)}.")
        elif isinstance(value, str) and not value.isascii() and LONE_SURROGATE.search(value):
            raise KitError(f"{where}: {column!r} holds half of a surrogate pair, which is no character.")
        if value is not None:
            row[name] = str(value)
        elif name == "input":
            row[name] = ""
    return row


def _with_ids(rows: list[Row]) -> list[Row]:
    seen: dict[str, int] = {}
    named = []
    for row in rows:
        digest = content_hash(row)[:16]
        seen[digest] = seen.get(digest, 0) + 1
        suffix = f"-{seen[digest]}" if seen[digest] > 1 else ""
        named.append({"row_id": digest + suffix, **row})
    return named


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "text", int: "a number", float: "a number", bool: "true or false"}
    return "null" if value is None else names.get(type(value), f"a {type(value).__name__}")
