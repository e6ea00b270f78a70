"""Rows: read from a file, the Hub, a DataFrame or the built-in set, mapped to our columns and checked.

A row is a dict of strings. Every row has `row_id` (from its content) and the recipe's input and output columns;
`tests`, `family`, `group` and `split` are kept where the source has them.
"""

import hashlib
import itertools
import json
import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune_kit.data_files import READERS, NotANumber, Record, kind_of, read_file
from finetune_kit.errors import KitError, NotAtHandError

if TYPE_CHECKING:
    import pandas as pd

Row = dict[str, str]

type Source = str | Path | pd.DataFrame | Iterable[Mapping[str, Any]]
"""Where rows come from: a path, `builtin:python-exercises`, a data set's id on the Hub; or the rows themselves, as a
DataFrame, a list of dicts, or a data set of the library `datasets`."""
GIVEN = "rows that a script gave"
"""What is said of rows that have no name."""

BUILTIN = "builtin:python-exercises"
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")
REQUIRED = ("instruction", "output")
MOST_TOLD = 10
"""How many mistakes, and places of one, an error names."""
KNOWN = frozenset({"tests", "family", "group", "split", "row_id"})
"""Columns that the model neither sees nor learns."""
OPTIONAL = ("input", "tests", "family", "group", "split")


@dataclass(frozen=True)
class PlacedRow:
    """A row and where it stands."""

    row: Row
    place: str
    """`file:line` where the file has lines, else `file, row N`, `NAME, row N` or `row N`, counted from 1; both where a
    line has many rows."""


def load_rows(
    source: Source,
    columns: Mapping[str, str] | None = None,
    limit: int | None = None,
    required: Sequence[str] = REQUIRED,
) -> list[Row]:
    """Read rows and give each its id.

    Args:
        source: `builtin:python-exercises`, a path (.json, .jsonl, .csv, .parquet), a data set's id on the Hub,
            a DataFrame, or a list of dicts.
        columns: Our name of a column: its name in the source.
        limit: Only the first rows.
        required: Columns that every row must have; `input` and the other known ones may be absent.

    Returns:
        The rows in their order, columns as strings, with a `row_id` of 16 hexadecimal digits; a row whose
        content stood before gets a suffix (`-2`, `-3`, ...).

    Raises:
        KitError: If the source is not there, is empty, or holds something that is not a row; it names the place.
    """
    return [placed.row for placed in load_placed_rows(source, columns, limit, required)]


def load_placed_rows(
    source: Source,
    columns: Mapping[str, str] | None = None,
    limit: int | None = None,
    required: Sequence[str] = REQUIRED,
) -> list[PlacedRow]:
    """Read rows as `load_rows` does, and keep the place of each.

    Args:
        source: As `load_rows` takes it.
        columns: Our name of a column: its name in the source.
        limit: Only the first rows.
        required: Columns that every row must have.

    Returns:
        What `load_rows` returns, each row with its place.

    Raises:
        KitError: As `load_rows`; of what is wrong with single rows, all is told at once.
    """
    records = _read(source)
    mapping = {**{name: name for name in (*required, *OPTIONAL)}, **(columns or {})}
    return _to_rows(itertools.islice(records, limit), mapping, {*required, *(columns or {})}, name_of(source))


def name_of(source: Source) -> str:
    """What a source is called: by its path or its id, where it has one."""
    return str(source) if isinstance(source, str | Path) else GIVEN


def load_questions(source: Source, columns: Mapping[str, str], required: Sequence[str]) -> list[Row]:
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
    mapping = question_columns(columns, required, first)
    rows = _to_rows(records, mapping, set(required), name_of(source))
    seen: dict[str, str] = {}
    for placed in rows:
        row_id = placed.row["row_id"]
        if row_id in seen:
            raise KitError(f"{placed.place}: row_id {row_id!r} stands at {seen[row_id]} already; rename one.")
        seen[row_id] = placed.place
    return [placed.row for placed in rows]


def question_columns(columns: Mapping[str, str], required: Sequence[str], first: Mapping[str, Any]) -> dict[str, str]:
    """Our name of a column of rows to answer: its name in the source, of which `first` is the first record."""
    mapping = {name: name for name in (*required, *REQUIRED, *OPTIONAL, "row_id")}
    return mapping | {name: column for name, column in columns.items() if column in first}


def read_jsonl(path: Path) -> list[Any]:
    """What stands on the lines of a file of the kit's own."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


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
    content = [[name, row[name]] for name in sorted(row) if name not in KNOWN and (row[name] or name != "input")]
    return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()


def rows_hash(rows: Sequence[Mapping[str, str]]) -> str:
    """SHA-256 of rows in their order, all columns: 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(json.dumps(row, sort_keys=True, ensure_ascii=False).encode() + b"\n")
    return digest.hexdigest()


def _read(source: Source) -> Iterable[Record]:
    """Records with the place of each, for error messages."""
    return _read_named(str(source)) if isinstance(source, str | Path) else _read_given(source)


def _read_given(rows: "pd.DataFrame | Iterable[Mapping[str, Any]]") -> list[Record]:
    """The rows of a DataFrame, or of a list; places are counted from 1, and tell an index that says something else."""
    import pandas as pd

    if isinstance(rows, Mapping) or not isinstance(rows, Iterable):
        raise KitError(f"Rows are given as a path, a DataFrame or a list of dicts, and not as {kind_of(rows)}.")
    records: list[Record]
    if not isinstance(rows, pd.DataFrame):
        records = [(f"row {i}", dict(row) if isinstance(row, Mapping) else row) for i, row in enumerate(rows, start=1)]
    else:
        twice = rows.columns[rows.columns.duplicated()]
        if len(twice):
            raise KitError(f"The DataFrame has the column {twice[0]!r} twice; rename one, or take it out.")
        # NaN, NaT and NA are what pandas writes where there is nothing.
        values = rows.astype(object).where(rows.notna(), None).to_dict(orient="records")
        usual = list(rows.index) == list(range(len(rows)))
        records = [
            (f"row {i}" if usual else f"row {i} (index {label})", record)
            for i, (label, record) in enumerate(zip(rows.index, values, strict=True), start=1)
        ]
    if not records:
        raise KitError("There are no rows in what the script gave.")
    return records


def _read_named(source: str) -> Iterable[Record]:
    if source == BUILTIN:
        from finetune_kit.exercises import rows

        return [(f"exercise {i}", row) for i, row in enumerate(rows(), start=1)]
    if source.startswith("builtin:"):
        raise KitError(f"There is no built-in data set {source!r}; there is {BUILTIN}.")
    path = Path(source)
    if path.is_file():
        return read_file(path)
    if path.is_dir():
        raise KitError(f"{source} is a folder; name a file of rows (.json, .jsonl, .csv, .parquet).")
    if path.suffix in READERS or not HUB_ID.fullmatch(source):
        raise KitError(f"There is no file {source}.")
    return _read_hub(source)


def _read_hub(name: str) -> Iterable[Record]:
    """A data set from the Hub, or from its cache: the split `train`, as it is there."""
    from huggingface_hub import constants
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    if constants.HF_HUB_OFFLINE and not _is_cached(name):
        raise NotAtHandError(
            f"The data set {name!r} is not in the Hub's cache, and HF_HUB_OFFLINE is set. Go online once, or name a "
            "local file with data=FILE."
        )
    import datasets

    try:
        dataset = datasets.load_dataset(name, split="train")
    except (OSError, ValueError, RuntimeError, OfflineModeIsEnabled, HfHubHTTPError) as error:
        reason = str(error).split("\n", maxsplit=1)[0].rstrip(".")
        raise NotAtHandError(
            f"The data set {name!r} can be had neither from the Hub nor from its cache ({reason}). "
            "Check the id and the network, or name a local file."
        ) from None
    return ((f"{name}, row {i}", record) for i, record in enumerate(dataset, start=1))


def _is_cached(name: str) -> bool:
    """Whether a data set has a folder in one of the Hub's caches; importing `datasets` to be told so takes seconds."""
    from huggingface_hub import constants

    home = Path(constants.HF_HOME)
    prepared = Path(os.environ.get("HF_DATASETS_CACHE") or home / "datasets") / name.replace("/", "___").lower()
    fetched = Path(constants.HF_HUB_CACHE) / f"datasets--{name.replace('/', '--')}"
    return fetched.is_dir() or any(
        folder.name.lower() == prepared.name for folder in prepared.parent.glob("*___*") if folder.is_dir()
    )


def _to_rows(records: Iterable[Record], mapping: Mapping[str, str], required: set[str], source: str) -> list[PlacedRow]:
    rows: list[Row] = []
    places: list[str] = []
    problems: list[tuple[str, KitError]] = []
    for where, record in records:
        try:
            if isinstance(record, KitError):
                raise record
            rows.append(to_row(record, mapping, required, where))
            places.append(where)
        except KitError as error:
            problems.append((where, error))
    if problems:
        raise all_at_once(problems, source)
    if not rows:
        raise KitError(f"{source} holds no rows.")
    return [PlacedRow(row, place) for row, place in zip(_with_ids(rows), places, strict=True)]


def all_at_once(problems: Sequence[tuple[str, KitError]], source: str, all_known: bool = True) -> KitError:
    """Make one error of many.

    Args:
        problems: Errors with their places, at least one; a message begins with its place.
        source: What the places are in.
        all_known: Whether there are no others.

    Returns:
        The one there is; else an error that tells what is wrong in the same way once, with the places, and at most
        `MOST_TOLD` of each.
    """
    if len(problems) == 1:
        return problems[0][1]
    alike: dict[str, list[str]] = {}
    for place, error in problems:
        alike.setdefault(str(error).removeprefix(f"{place}: "), []).append(place)
    lines = []
    for text, places in itertools.islice(alike.items(), MOST_TOLD):
        others = [place.removeprefix(source).lstrip(", ") for place in places[1:MOST_TOLD]]
        more = len(places) - 1 - len(others)
        also = f" The same at {', '.join(others)}{f' and {more} more' if more else ''}." if others else ""
        lines.append(f"  {places[0]}: {text}{also}")
    left = sum(len(places) for places in list(alike.values())[MOST_TOLD:])
    lines += [f"  and {left} more"] if left else []
    count = f"{'' if all_known else 'More than '}{len(problems)}"
    return KitError(f"{count} rows of {source} can't be used:\n" + "\n".join(lines))


def to_row(record: Any, mapping: Mapping[str, str], required: set[str], where: str) -> Row:
    """The row that a record is.

    Args:
        record: What stands in the source.
        mapping: Our name of a column: its name there.
        required: Columns, by our names, that must be there.
        where: Its place.

    Raises:
        KitError: If it is no row; the message begins with the place.
    """
    if not isinstance(record, dict):
        raise KitError(f"{where}: a row must be an object with columns, and this is {kind_of(record)}.")
    row: Row = {}
    for name, column in mapping.items():
        value = record.get(column)
        if isinstance(value, float) and math.isinf(value):
            value = NotANumber(str(value))
        if isinstance(value, NotANumber):
            raise KitError(f"{where}: {column!r} is {value.word}; give it a text, or null where there is none.")
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
            raise KitError(f"{where}: {column!r} must be text, and is {kind_of(value)}.")
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
