"""Reading predictions: strictly, with errors that name the file, the line and the fix."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evals.errors import EvalError

_TEXT_KEYS = ("instruction", "input", "output", "completion", "settings_hash")
_REQUIRED = ("row_id", *_TEXT_KEYS, "tests")
_SHARED_BY_BOTH_SIDES = ("output", "tests", "group", "instruction", "input")


@dataclass(frozen=True)
class Prediction:
    """One row and what a model wrote for it.

    Attributes:
        row_id: Names the row; the same on both sides.
        group: The part of the rows it belongs to, such as `seen` or `unseen`.
        instruction: What was asked.
        input: The instruction's input, often empty.
        output: The reference.
        tests: Assert lines; empty if the row has none.
        completion: The model's raw text.
        settings_hash: Names the generation settings.
    """

    row_id: str | int
    group: str | None
    instruction: str
    input: str
    output: str
    tests: str
    completion: str
    settings_hash: str


def read_run(run_dir: str | Path) -> tuple[list[Prediction], list[Prediction]]:
    """Read both sides of a run folder.

    Args:
        run_dir: A folder that holds `predictions/base.jsonl` and `predictions/tuned.jsonl`.

    Returns:
        The base model's predictions and the tuned model's, in the same order of rows.

    Raises:
        EvalError: If a file is missing or malformed, or the sides do not hold the same rows.
    """
    run_dir = Path(run_dir)
    if not run_dir.is_dir():
        raise EvalError(f"{run_dir}: there is no such run folder; give the folder that training wrote.")
    base_path, tuned_path = (run_dir / "predictions" / f"{side}.jsonl" for side in ("base", "tuned"))
    for path in (base_path, tuned_path):
        if not path.is_file():
            raise EvalError(
                f"{path}: this file of predictions is missing; make it with `finetune-kit predict {run_dir}`."
            )
    return _paired(read_predictions(base_path), read_predictions(tuned_path), base_path, tuned_path)


def read_predictions(path: str | Path) -> list[Prediction]:
    """Read one file of predictions, a JSON object a line.

    Args:
        path: A UTF-8 file; blank lines are passed over.

    Returns:
        The predictions, in the file's order.

    Raises:
        EvalError: If the file cannot be read, is empty, or a line is not a prediction.
    """
    path = Path(path)
    try:
        raw_lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise EvalError(
            f"{path}: the file of predictions cannot be read ({error.strerror}); "
            "make it with `finetune-kit predict RUN`."
        ) from error
    predictions: list[Prediction] = []
    line_of: dict[str | int, int] = {}
    for number, raw in enumerate(raw_lines, start=1):
        if not raw.strip():
            continue
        where = f"{path}:{number}"
        prediction = _prediction(_json_object(raw, where), where)
        if prediction.row_id in line_of:
            raise EvalError(
                f"{where}: row_id {prediction.row_id!r} stands on line {line_of[prediction.row_id]} already; "
                "a row has one prediction, so remove one of the two lines."
            )
        line_of[prediction.row_id] = number
        predictions.append(prediction)
    if not predictions:
        raise EvalError(f"{path}: the file holds no prediction; make it with `finetune-kit predict RUN`.")
    return predictions


def _json_object(raw: bytes, where: str) -> dict[str, Any]:
    try:
        value = json.loads(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise EvalError(
            f"{where}: the line is not UTF-8 (byte {error.start + 1} of the line); save the file as UTF-8."
        ) from error
    except (ValueError, RecursionError) as error:
        raise EvalError(
            f"{where}: the line is not valid JSON ({error}); write one whole JSON object a line, "
            "or make the file again with `finetune-kit predict RUN`."
        ) from error
    if not isinstance(value, dict):
        raise EvalError(
            f"{where}: the line holds a JSON {_json_type(value)}, not an object; "
            f"write an object with the keys {', '.join(_REQUIRED)}."
        )
    return value


def _prediction(value: dict[str, Any], where: str) -> Prediction:
    missing = [key for key in _REQUIRED if key not in value]
    if missing:
        keys = "key is" if len(missing) == 1 else "keys are"
        raise EvalError(f"{where}: the {keys} missing: {', '.join(missing)}; add it to the line.")
    if type(value["row_id"]) not in (str, int):
        raise _wrong_type("row_id", value["row_id"], "a string or a whole number", where)
    for key in _TEXT_KEYS:
        if not isinstance(value[key], str):
            raise _wrong_type(key, value[key], "a string", where)
    for key in ("tests", "group"):
        if not isinstance(value.get(key), str | None):
            raise _wrong_type(key, value[key], "a string or null", where)
    tests = value["tests"] or ""
    return Prediction(
        row_id=value["row_id"],
        group=value.get("group"),
        instruction=value["instruction"],
        input=value["input"],
        output=value["output"],
        tests=tests if tests.strip() else "",
        completion=value["completion"],
        settings_hash=value["settings_hash"],
    )


def _wrong_type(key: str, value: object, wanted: str, where: str) -> EvalError:
    return EvalError(f"{where}: the key {key!r} holds a JSON {_json_type(value)}; it must hold {wanted}.")


def _json_type(value: object) -> str:
    names = {bool: "boolean", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "null")


def _paired(
    base: list[Prediction], tuned: list[Prediction], base_path: Path, tuned_path: Path
) -> tuple[list[Prediction], list[Prediction]]:
    again = "predict both sides from the same rows with `finetune-kit predict RUN`."
    tuned_of = {prediction.row_id: prediction for prediction in tuned}
    for row in base:
        other = tuned_of.get(row.row_id)
        if other is None:
            raise EvalError(f"{tuned_path}: row_id {row.row_id!r} of {base_path} is missing; {again}")
        for key in _SHARED_BY_BOTH_SIDES:
            if getattr(row, key) != getattr(other, key):
                raise EvalError(f"{tuned_path}: row_id {row.row_id!r} has another {key!r} than in {base_path}; {again}")
    base_ids = {prediction.row_id for prediction in base}
    for row in tuned:
        if row.row_id not in base_ids:
            raise EvalError(f"{base_path}: row_id {row.row_id!r} of {tuned_path} is missing; {again}")
    return base, [tuned_of[row.row_id] for row in base]
