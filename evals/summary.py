"""What `summary.json` and `samples.jsonl` hold, made of an evaluation."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import evals
from evals.errors import EvalError
from evals.evaluation import Evaluation
from evals.figures import HEADLINES, OVER_PROMPTED, SIDES, format_difference, format_interval, format_score
from evals.findings import TEXT_SCORERS, Scores, compare_sides, measure, measure_rungs, rounded, text_scores
from evals.outcomes import Progress, RowOutcome
from evals.sandbox import protections
from evals.scorers.exact_match import is_exact_match
from evals.suite import Suite, SuiteRow


def summary_of(evaluation: Evaluation, progress: Progress | None = None) -> dict[str, Any]:
    """Judge all rows that have answers, and make what `summary.json` holds.

    Args:
        evaluation: A suite with a model's answers.
        progress: Called with the number of programs done and the number in all.

    Raises:
        EvalError: If no row has answers, or the sandbox cannot run here.
    """
    suite, sides, rows = evaluation.suite, evaluation.sides, evaluation.scorable()
    if not rows:
        raise EvalError(evaluation.why_missing() or f"{suite.path}: no row has an answer on every side.")
    outcomes = evaluation.judge(rows, progress)
    warnings = []
    if len(rows) < len(evaluation.rows):
        warnings.append(f"{len(evaluation.rows) - len(rows)} of {len(evaluation.rows)} rows have no prediction.")
    measured, left_out = measure(suite.scorers, outcomes, sides)
    together = _read_together(suite, measured, "metrics")
    metrics = compare_sides({"": measured}, together)[""]
    over_prompted = _over_prompted(measured, _read_together(suite, measured, "over_prompted"))
    tested = [outcome for outcome in outcomes if outcome.tested]
    rungs = measure_rungs(outcomes, sides)
    languages = _parts(outcomes, lambda outcome: outcome.language) if len(tested) < len(outcomes) else {}
    by_rows = dict(sorted(languages.items(), key=lambda item: (-len(item[1]), item[0])))

    def compared(parts: Mapping[str, Sequence[RowOutcome]]) -> dict[str, dict[str, Any]]:
        found = {name: measure(suite.scorers, part, sides)[0] for name, part in parts.items()}
        entries = compare_sides(found, together)
        return {name: {"rows": len(part), "metrics": entries[name]} for name, part in parts.items()}

    return {
        "verdict": _verdict(metrics, over_prompted),
        "metrics": metrics,
        "over_prompted": over_prompted,
        "groups": compared(_parts(outcomes, lambda outcome: outcome.row.group)),
        "languages": compared(by_rows if len(by_rows) > 1 else {}),
        "rows": len(outcomes),
        "rows_with_tests": len(tested),
        "verdicts": {side: _counts(one.status for o in tested for one in o.sides[side]) for side in sides},
        "rungs": _rungs(outcomes, sides),
        "rungs_reached": compare_sides({"": rungs}, set(rungs))[""],
        "signatures": {name: next(iter(scores.values())).signature for name, scores in measured.items()},
        "settings_hash": {side: _settings(outcomes, side) for side in sides},
        "sandbox": {"limits": asdict(suite.limits), "protections": protections(evaluation.tier)},
        "versions": {
            "evals": evals.__version__,
            "python": platform.python_version(),
            "system": platform.platform(),
        },
        "duplicates": {},
        "warnings": warnings + left_out,
    }


def metrics_of(evaluation: Evaluation, rows: Iterable[SuiteRow]) -> dict[str, dict[str, Any]]:
    """Return the metrics over some of the rows, as `summary.json` has them.

    Args:
        evaluation: A suite with a model's answers.
        rows: Of its `scorable()`.

    Raises:
        EvalError: If the sandbox cannot run here.
    """
    measured, _ = measure(evaluation.suite.scorers, evaluation.judge(rows), evaluation.sides)
    return compare_sides({"": measured}, _read_together(evaluation.suite, measured, "metrics"))[""]


def samples_of(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Return the lines of `samples.jsonl`: the first answer to each row on each side."""
    lines = []
    outcomes = evaluation.judge(evaluation.scorable())
    texts = [name for name in evaluation.suite.scorers if name in TEXT_SCORERS]
    scores = {(name, side): text_scores(name, outcomes, side).rows for name in texts for side in evaluation.sides}
    for index, outcome in enumerate(outcomes):
        values = outcome.row.values
        for side, answers in outcome.sides.items():
            first = answers[0]
            lines.append(
                {
                    "row_id": outcome.row.row_id,
                    "group": outcome.row.group,
                    "side": side,
                    "instruction": values["instruction"],
                    "input": values["input"],
                    "reference": values["output"],
                    "tests": values["tests"] if isinstance(values.get("tests"), str) else "",
                    "completion": first.answer.completion,
                    "code": first.code,
                    "extraction": {
                        "reason": first.extraction.reason,
                        "alternatives": list(first.extraction.alternatives),
                        "language": first.extraction.language,
                    },
                    "language": first.figures["language"],
                    "status": first.status,
                    "detail": first.detail,
                    "rung": first.rung,
                    "highest_rung": first.highest,
                    "samples": len(answers),
                    "samples_passed": sum(one.passed is True for one in answers),
                    "prediction_key": first.answer.key,
                    **{key: value for key, value in first.figures.items() if key != "language"},
                    "exact_match": is_exact_match(first.code, values["output"]),
                    **{name: rounded(scores[name, side][index]) for name in texts if name != "exact_match"},
                }
            )
    return lines


def _read_together(suite: Suite, measured: Iterable[str], section: str) -> set[str]:
    """The metrics that gates judge by their word: where these are several, Holm's correction is due.

    Args:
        suite: With its gates.
        measured: The metrics; the first is the one that a gate on the verdict reads.
        section: `over_prompted` for the gates on that comparison, `metrics` for those on base against tuned.
    """
    words = [gate for gate, _ in suite.gates if gate.path[-1] == "word" and gate.path[0] != "rungs_reached"]
    read = [gate for gate in words if (gate.path[0] == "over_prompted") == (section == "over_prompted")]
    return {gate.metric or next(iter(measured), "") for gate in read}


def _parts(outcomes: Iterable[RowOutcome], part_of: Callable[[RowOutcome], str | None]) -> dict[str, list[RowOutcome]]:
    """Sort rows into parts, in order of appearance; rows of None are in none."""
    parts: dict[str, list[RowOutcome]] = {}
    for outcome in outcomes:
        part = part_of(outcome)
        if part is not None:
            parts.setdefault(part, []).append(outcome)
    return parts


def _rungs(outcomes: Sequence[RowOutcome], sides: Iterable[str]) -> dict[str, dict[str, int]]:
    climbed = [outcome for outcome in outcomes if not outcome.tested]
    if not climbed:
        return {}
    return {
        side: _counts(str(one.rung) for o in climbed for one in o.sides[side][:1] if one.rung is not None)
        for side in sides
    }


def _over_prompted(measured: Mapping[str, Mapping[str, Scores]], together: set[str]) -> dict[str, dict[str, Any]]:
    """Compare the tuned model with the base model prompted at its best; the bare base model stays out of it."""
    without_base = {
        name: {side: scores for side, scores in sides.items() if side != "base"}
        for name, sides in measured.items()
        if "prompted" in sides and "tuned" in sides
    }
    return compare_sides({"": without_base}, together, against="prompted")[""]


def _verdict(metrics: Mapping[str, Mapping[str, Any]], over_prompted: Mapping[str, Any]) -> dict[str, Any]:
    """The answer: what the first metric says."""
    if not metrics:
        return {"word": None, "sentence": "No metric could be computed.", "metric": ""}
    name, finding = next(iter(metrics.items()))
    rows = "1 row" if finding["rows"] == 1 else f"{finding['rows']} rows"
    if finding["word"] is None:
        given = [side for side in SIDES if finding.get(side) is not None]
        figures = ", ".join(f"{side} {format_score(name, finding[side])}" for side in given)
        return {"word": None, "sentence": f"{name}: {figures}, on {rows}.", "metric": name}
    sentence = f"{HEADLINES[finding['word']]}: {name} is {_against('base', name, finding)} on {rows}.{_needed(finding)}"
    if name in over_prompted:
        other = over_prompted[name]
        sentence += f" {OVER_PROMPTED}: {other['word']}, {_against('prompted', name, other)}.{_needed(other)}"
    return {"word": finding["word"], "sentence": sentence, "metric": name}


def _against(side: str, name: str, finding: Mapping[str, Any]) -> str:
    """The two scores of a finding, their difference and its interval."""
    other, tuned = (format_score(name, finding[one]) for one in (side, "tuned"))
    bounds = format_interval(name, finding["interval"])
    return (
        f"{tuned} against {other} ({format_difference(name, finding['difference'])}{f', {bounds}' if bounds else ''})"
    )


def _needed(finding: Mapping[str, Any]) -> str:
    if finding["word"] != "no measurable difference" or not finding["rows_needed"]:
        return ""
    return f" A true difference of this size would show on about {finding['rows_needed']:,} rows."


def _counts(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items(), key=lambda item: (-item[1], item[0])))


def _settings(outcomes: Sequence[RowOutcome], side: str) -> str | None:
    hashes = {one.answer.settings_hash for outcome in outcomes for one in outcome.sides[side]}
    return (hashes.pop() or None) if len(hashes) == 1 else None
