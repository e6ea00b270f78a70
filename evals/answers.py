"""A model's answers: read from files of predictions, matched with rows, and the program found in each."""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evals.errors import EvalError
from evals.extract import Extraction, extract
from evals.parsing import parse_python
from evals.rows import SourceRow, content_key, json_lines

if TYPE_CHECKING:
    from evals.suite import SuiteRow

_CONTENT = ("instruction", "input", "output")
_FENCE = re.compile(r"^\s*(?:```|~~~)", re.MULTILINE)


@dataclass(frozen=True)
class Answer:
    """One completion of a row.

    Attributes:
        completion: What the model wrote.
        settings_hash: Names model, adapter, template and settings; empty where the file does not say.
        sample: Its number among the answers to the same row.
        key: A hash of the row's content, the settings and the sample: what the answer is an answer to.
        where: `file:line`.
    """

    completion: str
    settings_hash: str
    sample: int
    key: str
    where: str


def read_lines(path: Path) -> list[SourceRow]:
    """Read a file of predictions, a JSON object a line.

    Args:
        path: The file. Each line has a `completion` and a `row_id`, or the row's content in its place.

    Returns:
        The lines.

    Raises:
        EvalError: If the file cannot be read or a line is not a prediction.
    """
    lines = list(json_lines(path))
    seen: dict[tuple[str, int], str] = {}
    for line in lines:
        values = line.values
        if not isinstance(values.get("completion"), str):
            raise EvalError(f"{line.where}: the key 'completion' must hold the model's text, a string.")
        if type(values.get("row_id")) not in (str, int):
            if values.get("row_id") is not None or not isinstance(values.get("instruction"), str):
                raise EvalError(f"{line.where}: the key 'row_id' must hold a string or a whole number.")
            values["row_id"] = content_key(values)
        for key in ("settings_hash", *_CONTENT):
            if not isinstance(values.get(key), str | None):
                raise EvalError(f"{line.where}: the key {key!r} must hold a string or null.")
        if type(values.get("sample", 0)) is not int:
            raise EvalError(f"{line.where}: the key 'sample' must hold a whole number.")
        name = (str(values["row_id"]), values.get("sample", 0))
        if name in seen:
            raise EvalError(
                f"{line.where}: row_id {values['row_id']!r} stands at {seen[name]} already; remove one of the two "
                "lines, or number several answers to a row with the key 'sample'."
            )
        seen[name] = line.where
    return lines


def answers_to(rows: Iterable[SuiteRow], lines: Iterable[SourceRow]) -> tuple[dict[str, list[Answer]], set[str]]:
    """Find the answers to rows: by `row_id`, or by content where the ids differ.

    Args:
        rows: The rows.
        lines: What `read_lines` returns.

    Returns:
        The answers by the text of the row's id, in the order of their samples; and the ids of rows whose answers were
        made for another text of the row, and do not count.
    """
    by_id: dict[str, list[SourceRow]] = {}
    by_content: dict[str, list[SourceRow]] = {}
    for line in lines:
        by_id.setdefault(str(line.values["row_id"]), []).append(line)
        if line.values.get("instruction") is not None:
            by_content.setdefault(content_key(line.values), []).append(line)
    found: dict[str, list[Answer]] = {}
    stale: set[str] = set()
    for row in rows:
        name = str(row.row_id)
        named = by_id.get(name, [])
        own = [line for line in named if _is_of(line, row)]
        if len(own) < len(named):
            stale.add(name)
        matching = own or by_content.get(content_key(row.values), [])
        if matching:
            stale.discard(name)
            found[name] = sorted((_answer(line, row) for line in matching), key=lambda answer: answer.sample)
    return found, stale


def _is_of(line: SourceRow, row: SuiteRow) -> bool:
    """Whether a line was made for the row as it is now, as far as the line says what it was made for."""
    return all(line.values.get(key) is None or line.values[key] == row.values[key] for key in _CONTENT)


def _answer(line: SourceRow, row: SuiteRow) -> Answer:
    settings_hash, sample = line.values.get("settings_hash") or "", line.values.get("sample", 0)
    made_for = [content_key(row.values), settings_hash, sample]
    key = hashlib.sha256(json.dumps(made_for).encode()).hexdigest()[:16]
    return Answer(line.values["completion"], settings_hash, sample, key, line.where)


def program_of(completion: str, row: dict[str, Any], mode: str) -> Extraction:
    """Find the program in an answer.

    Args:
        completion: What the model wrote.
        row: The row's values; `prompt` and `entry_point` are read where the mode needs them.
        mode: As `evals.suite.ExtractionSection` has it.

    Returns:
        The program, and how it was found.

    Examples:
        >>> program_of("    return 1", {"prompt": "def f():\\n", "entry_point": "f"}, "auto").code
        'def f():\\n    return 1'
    """
    prompt = str(row.get("prompt") or "")
    if mode == "raw":
        return Extraction(completion, "the answer as it is", found=bool(completion.strip()))
    if mode == "continuation":
        return Extraction(prompt + completion, "the prompt and its continuation")
    extracted = extract(completion)
    if mode == "block":
        return extracted
    entry_point = row.get("entry_point")
    if isinstance(entry_point, str) and _defines(extracted.code, entry_point):
        return replace(extracted, code=_with_preamble(extracted.code, prompt, entry_point))
    if not prompt:
        return extracted
    body = extracted.code if _FENCE.search(completion) else completion
    return Extraction(prompt + body, "the prompt and its continuation", extracted.language, extracted.alternatives)


def _defines(code: str, name: str) -> bool:
    tree, _ = parse_python(code)
    return tree is not None and any(name in _names(node) for node in tree.body)


def _names(node: ast.stmt) -> Sequence[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    return []


def _with_preamble(code: str, prompt: str, entry_point: str) -> str:
    """Put what the prompt defines before the function asked for, such as imports, before an answer that may need it."""
    lines = prompt.split("\n")
    for number, line in enumerate(lines):
        if line.startswith((f"def {entry_point}(", f"async def {entry_point}(", f"class {entry_point}")):
            before = "\n".join(lines[:number]).strip("\n")
            tree, _ = parse_python(before)
            if before and tree is not None and "from __future__" not in code:
                return f"{before}\n\n\n{code}"
    return code
