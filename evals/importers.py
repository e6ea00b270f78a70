"""Answers that others have written down: their files become predictions.

| file | told by | becomes |
|---|---|---|
| HumanEval samples | `task_id`, `completion` | an answer that continues the prompt |
| EvalPlus samples | `task_id`, `solution` (or `completion`) | a whole program |
| lm-eval `samples_*.jsonl` | `doc`, `resps` or `filtered_resps` | each response an answer |
| Alpaca JSON | a list with `instruction`, `output`, and `completion` or `generator` | an answer and its reference |

Several answers to a task are kept and numbered, for pass@k.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evals.errors import EvalError
from evals.files import write_lines
from evals.rows import SourceRow, content_key, json_items, json_lines

if TYPE_CHECKING:
    from evals.suite import Suite, SuiteRow

SHAPES = ("HumanEval samples", "EvalPlus samples", "lm-eval samples", "Alpaca JSON")
_TASK_KEYS = ("task_id", "name", "id", "row_id", "question_id", "problem_id")


def import_predictions(path: str | Path, suite: Suite | None = None) -> tuple[str, list[dict[str, Any]]]:
    """Read somebody else's file of answers.

    Args:
        path: The file; its shape says which kind it is.
        suite: The suite whose rows the answers are to; they take its rows' ids, and must be answers to these rows. None
            to take the file's own ids.

    Returns:
        Which kind of file it is, and the lines of a file of predictions: `row_id`, `completion`, `sample`,
        `settings_hash`, and what the file says of the row.

    Raises:
        EvalError: If the file is none of the kinds, a line is not like the first, or an answer is to no row of the
            suite; with `file:line`.
    """
    path = Path(path)
    lines = _read(path)
    shape = _shape(lines[0])
    settings_hash = f"imported:{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}"
    answers = [answer for line in lines for answer in _ANSWERS[shape](line)]
    of_task = _matcher(suite.read_rows()) if suite is not None and suite.rows.source != "run" else None
    counts: dict[str, int] = {}
    predictions = []
    for where, task, values in answers:
        row_id: str | int = task
        carried = values
        if of_task is not None:
            row = of_task(task, values)
            if row is None:
                raise EvalError(
                    f"{where}: {task!r} is no row of the suite {suite.name!r}; "  # type: ignore[union-attr]
                    "name the suite that the answers were made for."
                )
            row_id = row.row_id
            carried = {"completion": values["completion"]}
        sample = counts.get(str(row_id), 0)
        counts[str(row_id)] = sample + 1
        predictions.append({"row_id": row_id, **carried, "sample": sample, "settings_hash": settings_hash})
    return shape, predictions


def write_predictions(predictions: Iterable[dict[str, Any]], out: Path) -> None:
    """Write a file of predictions, whole or not at all.

    Raises:
        EvalError: If it cannot be written.
    """
    if not out.parent.is_dir():
        raise EvalError(f"There is no folder {out.parent} for {out.name}; make it, or choose another path.")
    write_lines(out, (json.dumps(prediction, ensure_ascii=False) for prediction in predictions))


def _read(path: Path) -> list[SourceRow]:
    if not path.is_file():
        raise EvalError(f"{path}: there is no such file.")
    try:
        with path.open("rb") as file:
            start = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    except OSError as error:
        raise EvalError(f"{path}: the file cannot be read ({error.strerror}).") from error
    lines = list(json_items(path) if start.startswith(b"[") else json_lines(path))
    if not lines:
        raise EvalError(f"{path}: the file holds no answer.")
    return lines


def _shape(line: SourceRow) -> str:
    keys = line.values.keys()
    if "doc" in keys and ("resps" in keys or "filtered_resps" in keys):
        return "lm-eval samples"
    if "task_id" in keys and "solution" in keys:
        return "EvalPlus samples"
    if "task_id" in keys and "completion" in keys:
        return "HumanEval samples"
    if "instruction" in keys and "output" in keys:
        return "Alpaca JSON"
    raise EvalError(
        f"{line.where}: its keys ({', '.join(sorted(map(str, keys))) or 'none'}) are those of none of "
        f"{', '.join(SHAPES)}; write lines with 'task_id' and 'completion'."
    )


Found = tuple[str, str | int, dict[str, Any]]
"""`file:line`, the task, and the prediction's values."""


def _text(line: SourceRow, key: str) -> str:
    if key not in line.values:
        raise EvalError(f"{line.where}: the key {key!r} is missing, which the lines before have.")
    value = line.values[key]
    if not isinstance(value, str):
        raise EvalError(f"{line.where}: the key {key!r} must hold a string.")
    return value


def _task(line: SourceRow) -> str | int:
    task = line.values.get("task_id")
    if type(task) not in (str, int):
        raise EvalError(f"{line.where}: the key 'task_id' must hold a string or a whole number.")
    return task  # type: ignore[return-value]


def _of_human_eval(line: SourceRow) -> Iterator[Found]:
    yield line.where, _task(line), {"completion": _text(line, "completion")}


def _of_evalplus(line: SourceRow) -> Iterator[Found]:
    key = "solution" if line.values.get("solution") is not None else "completion"
    yield line.where, _task(line), {"completion": _text(line, key)}


def _of_lm_eval(line: SourceRow) -> Iterator[Found]:
    doc = line.values.get("doc")
    if not isinstance(doc, dict):
        raise EvalError(f"{line.where}: the key 'doc' must hold an object, the task's row.")
    task = next((doc[key] for key in _TASK_KEYS if type(doc.get(key)) in (str, int)), line.values.get("doc_id"))
    if type(task) not in (str, int):
        raise EvalError(f"{line.where}: neither the 'doc' ({', '.join(_TASK_KEYS)}) nor 'doc_id' names the task.")
    given = line.values.get("filtered_resps") or line.values.get("resps")
    responses = _flat(given, line)
    if not responses:
        raise EvalError(f"{line.where}: the line holds no response in 'filtered_resps' or 'resps'.")
    target = line.values.get("target")
    about = {"output": target} if isinstance(target, str) else {}
    for key in ("instruction", "prompt"):
        if isinstance(doc.get(key), str):
            about["instruction"] = doc[key]
            break
    for response in responses:
        yield line.where, task, {**about, "completion": response}  # type: ignore[misc]


def _flat(given: Any, line: SourceRow) -> list[str]:
    """The texts in lists of lists, which lm-eval nests by request and by repeat."""
    if isinstance(given, str):
        return [given]
    if not isinstance(given, list):
        raise EvalError(f"{line.where}: the responses must be strings in lists, as a generating task has them.")
    return [text for item in given for text in _flat(item, line)]


def _of_alpaca(line: SourceRow) -> Iterator[Found]:
    about: dict[str, Any] = {key: _text(line, key) for key in ("instruction", "output")}
    about["input"] = _text(line, "input") if line.values.get("input") is not None else ""
    if line.values.get("completion") is not None:
        values = {**about, "completion": _text(line, "completion")}
    elif line.values.get("generator") is not None:
        # AlpacaEval's files of outputs: `output` is the answer of the model that `generator` names, and no reference.
        values = {**about, "completion": about["output"], "output": None}
    else:
        raise EvalError(
            f"{line.where}: the row has a reference in 'output', but no answer; a file of answers has 'completion', or "
            "'generator' where 'output' is the answer."
        )
    yield line.where, content_key(about | {"output": values["output"] or ""}), values


_ANSWERS = {
    "HumanEval samples": _of_human_eval,
    "EvalPlus samples": _of_evalplus,
    "lm-eval samples": _of_lm_eval,
    "Alpaca JSON": _of_alpaca,
}


def _matcher(rows: Sequence[SuiteRow]) -> Any:
    """Finds the row of an answer: by its id, else by what it asks."""
    by_id = {str(row.row_id): row for row in rows}
    by_question = {(row.values["instruction"], row.values["input"]): row for row in rows}

    def find(task: str | int, values: dict[str, Any]) -> SuiteRow | None:
        if str(task) in by_id:
            return by_id[str(task)]
        return by_question.get((values.get("instruction"), values.get("input") or ""))

    return find
