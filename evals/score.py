"""Scoring a run: predictions in, a summary out."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import evals
from evals.extract import extract_code
from evals.predictions import Prediction, read_run
from evals.report import Conclusion, Finding, Group, Summary, format_score, write_report
from evals.sandbox import Limits, Verdict, protections
from evals.scorers.bleu import bleu
from evals.scorers.exact_match import exact_match, is_exact_match
from evals.scorers.execution import fraction_passed, pass_at_1


@dataclass(frozen=True)
class _Row:
    """A row with both sides' code and verdicts, base first."""

    predictions: tuple[Prediction, Prediction]
    codes: tuple[str, str]
    verdicts: tuple[Verdict, Verdict] | None

    @property
    def judged(self) -> bool:
        """Whether both sides have a verdict that counts."""
        return self.verdicts is not None and all(verdict.status != "harness_error" for verdict in self.verdicts)


def score_run(
    run_dir: str | Path, workers: int | None = None, progress: Callable[[int, int], None] | None = None
) -> Summary:
    """Score a run folder's predictions and write `eval/summary.json`, `eval/samples.jsonl` and the reports into it.

    Every metric is computed on the code extracted from the completion. pass@1 counts the rows with tests; a
    row that the harness could not judge on one side is left out of it on both, so that the sides are compared
    on the same rows.

    Args:
        run_dir: A folder that holds `predictions/base.jsonl` and `predictions/tuned.jsonl`.
        workers: How many programs run at a time; one a core if None.
        progress: Called with the number of programs run and the number in all.

    Returns:
        The summary.

    Raises:
        EvalError: If the predictions cannot be used, the sandbox cannot run here, or the report cannot be
            written.
    """
    run_dir = Path(run_dir)
    limits = Limits()
    rows = _judged(*read_run(run_dir), limits, workers, progress)
    names = dict.fromkeys(row.predictions[0].group for row in rows)
    members = {name: [row for row in rows if row.predictions[0].group == name] for name in names if name is not None}
    with_tests = [row for row in rows if row.verdicts is not None]
    metrics = _findings(rows)
    summary = Summary(
        verdict=_conclusion(next(iter(metrics.values()))),
        metrics=metrics,
        groups={name: Group(len(part), _findings(part)) for name, part in members.items()},
        rows=len(rows),
        rows_with_tests=len(with_tests),
        verdicts={side: _count(with_tests, index) for index, side in enumerate(("base", "tuned"))},
        harness_errors=tuple(row.predictions[0].row_id for row in with_tests if not row.judged),
        signatures={"bleu": bleu(*_texts(rows, 0)).signature},
        settings_hash={side: _settings(rows, index) for index, side in enumerate(("base", "tuned"))},
        sandbox={"limits": asdict(limits), "protections": protections()} if with_tests else {},
        versions={
            "evals": evals.__version__,
            "python": platform.python_version(),
            "system": platform.platform(),
        },
    )
    paths = write_report(run_dir, summary.to_json(), [sample for row in rows for sample in _samples(row)])
    return replace(summary, paths=paths)


def _judged(
    base: Sequence[Prediction],
    tuned: Sequence[Prediction],
    limits: Limits,
    workers: int | None,
    progress: Callable[[int, int], None] | None,
) -> list[_Row]:
    pairs = list(zip(base, tuned, strict=True))
    codes = [(extract_code(one.completion), extract_code(other.completion)) for one, other in pairs]
    with_tests = [index for index, (one, _) in enumerate(pairs) if one.tests]
    programs = [code for index in with_tests for code in codes[index]]
    tests = [pairs[index][0].tests for index in with_tests for _ in range(2)]
    verdicts = pass_at_1(programs, tests, limits, workers, progress).verdicts if programs else ()
    verdicts_of = {index: (verdicts[2 * place], verdicts[2 * place + 1]) for place, index in enumerate(with_tests)}
    return [_Row(pair, codes[index], verdicts_of.get(index)) for index, pair in enumerate(pairs)]


def _findings(rows: Sequence[_Row]) -> dict[str, Finding]:
    findings = []
    judged = [row.verdicts for row in rows if row.judged and row.verdicts is not None]
    passed = [fraction_passed(verdicts[side] for verdicts in judged) for side in range(2)]
    if passed[0] is not None and passed[1] is not None:
        pairs = [(verdicts[0].passed, verdicts[1].passed) for verdicts in judged]
        findings.append(_finding("pass@1", passed[0], passed[1], len(judged), pairs))
    base, tuned = _texts(rows, 0), _texts(rows, 1)
    findings.append(_finding("bleu", bleu(*base).score, bleu(*tuned).score, len(rows)))
    pairs = [
        (is_exact_match(*one), is_exact_match(*other))
        for one, other in zip(zip(*base, strict=True), zip(*tuned, strict=True), strict=True)
    ]
    findings.append(_finding("exact_match", exact_match(*base), exact_match(*tuned), len(rows), pairs))
    return {finding.name: finding for finding in findings}


def _finding(
    name: str, base: float, tuned: float, rows: int, pairs: Sequence[tuple[bool, bool]] | None = None
) -> Finding:
    if pairs is None:
        return Finding(name, base, tuned, difference=tuned - base, rows=rows)
    wins, losses = (sum(pair == wanted for pair in pairs) for wanted in ((False, True), (True, False)))
    ties = len(pairs) - wins - losses
    return Finding(name, base, tuned, difference=tuned - base, wins=wins, losses=losses, ties=ties, rows=rows)


def _conclusion(finding: Finding) -> Conclusion:
    base, tuned = (format_score(finding.name, value) for value in (finding.base, finding.tuned))
    rows = "1 row" if finding.rows == 1 else f"{finding.rows} rows"
    sentence = f"{finding.name} is {tuned} tuned against {base} base on {rows}; it was not tested against chance."
    return Conclusion(None, sentence, finding.name)


def _texts(rows: Sequence[_Row], side: int) -> tuple[list[str], list[str]]:
    return [row.codes[side] for row in rows], [row.predictions[side].output for row in rows]


def _count(rows: Sequence[_Row], side: int) -> dict[str, int]:
    counts: dict[str, int] = {}
    for row in rows:
        if row.verdicts is not None:
            status = row.verdicts[side].status
            counts[status] = counts.get(status, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _settings(rows: Sequence[_Row], side: int) -> str | None:
    hashes = {row.predictions[side].settings_hash for row in rows}
    return hashes.pop() if len(hashes) == 1 else None


def _samples(row: _Row) -> list[dict[str, Any]]:
    samples = []
    for index, side in enumerate(("base", "tuned")):
        prediction, code = row.predictions[index], row.codes[index]
        verdict = row.verdicts[index] if row.verdicts is not None else None
        samples.append(
            {
                "row_id": prediction.row_id,
                "group": prediction.group,
                "side": side,
                "instruction": prediction.instruction,
                "input": prediction.input,
                "reference": prediction.output,
                "tests": prediction.tests,
                "completion": prediction.completion,
                "code": code,
                "status": verdict.status if verdict else None,
                "detail": verdict.detail if verdict else None,
                "exact_match": is_exact_match(code, prediction.output),
                "cpu_seconds": round(verdict.cpu_seconds, 6) if verdict else None,
            }
        )
    return samples
