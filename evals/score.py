"""Scoring a run: predictions in, a summary and the reports out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from evals.data_checks import DataChecks, check_data
from evals.errors import EvalError
from evals.evaluation import Evaluation
from evals.near_duplicates import near_duplicates
from evals.predictions import read_run
from evals.report import Summary, write_report
from evals.rows import json_lines
from evals.suite import Suite, SuiteRow, find_suite
from evals.summary import metrics_of, samples_of, summary_of

_NAMED = 5


def score_run(
    run_dir: str | Path,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    *,
    tier: str | None = None,
    cluster: str | None = None,
) -> Summary:
    """Score a run folder's predictions, and write `summary.json`, `samples.jsonl` and the reports into its `eval/`.

    Every metric is computed on the code found in the completion. pass@1 counts the rows with tests; rows without any
    climb the ladder (`evals.ladder`). A row that could not be judged on one side is left out of it on all, so that the
    sides are compared on the same rows; so is a row whose reference does not pass its own tests. Verdicts are kept in
    `eval/verdicts.jsonl`: what was interrupted goes on where it stopped.

    Args:
        run_dir: A folder that holds `predictions/base.jsonl` and `predictions/tuned.jsonl`; `prompted.jsonl` beside
            them, answers of the base model prompted at its best, becomes a third column.
        workers: How many programs run at a time; one a core if None.
        progress: Called with the number of programs run and the number in all.
        tier: The tier of the sandbox; the best there is if None.
        cluster: Address of a Ray cluster that is to run the programs, as `evals.on_ray.connect` takes it, empty for the
            usual one; this machine if None.

    Returns:
        The summary.

    Raises:
        EvalError: If the predictions cannot be used, the sandbox cannot run here, or the report cannot be written.
    """
    run_dir = Path(run_dir)
    read_run(run_dir)
    with Evaluation(Suite.load(find_suite("run")), run_dir, tier, workers, cluster) as evaluation:
        checks = check_data([row.values for row in evaluation.rows], evaluation.sandbox)
        evaluation.rows = [row for row in evaluation.rows if row.row_id not in checks.unusable]
        if not evaluation.rows:
            raise EvalError(
                f"{run_dir}: no row can be scored, since no reference passes its own tests "
                f"({checks.failed[0].reason if checks.failed else checks.not_judged[0].reason}); mend the rows' tests."
            )
        summary = summary_of(evaluation, progress)
        summary["duplicates"] = _duplicates(run_dir, evaluation)
        summary["warnings"] += _warnings(checks, summary["duplicates"])
        samples = samples_of(evaluation)
        unjudged = [one.row.row_id for one in evaluation.judge(evaluation.scorable()) if not one.judged]
    paths = write_report(run_dir, summary, samples)
    return replace(Summary.from_json(summary), harness_errors=tuple(unjudged), paths=paths)


def _duplicates(run_dir: Path, evaluation: Evaluation) -> dict[str, Any]:
    """Say which scored rows the training has seen, and what the metrics are without them."""
    trained_path = run_dir / "rows" / "train.jsonl"
    if not trained_path.is_file():
        return {}
    trained = [row.values for row in json_lines(trained_path)]
    scored = evaluation.scorable()
    pairs = near_duplicates(trained, [row.values for row in scored])
    seen = {pair.scored for pair in pairs}
    told: dict[str, Any] = {
        "rows": len(pairs),
        "exact": sum(pair.exact for pair in pairs),
        "pairs": [
            {
                "row_id": scored[pair.scored].row_id,
                "trained_row_id": trained[pair.trained].get("row_id", pair.trained),
                "similarity": round(pair.similarity, 3),
            }
            for pair in pairs
        ],
    }
    rest: list[SuiteRow] = [row for index, row in enumerate(scored) if index not in seen]
    if pairs and rest:
        told["without_duplicates"] = metrics_of(evaluation, rest)
    return told


def _warnings(checks: DataChecks, duplicates: dict[str, Any]) -> list[str]:
    warnings = []
    for findings, what in (
        (checks.failed, "left out, since the reference does not pass its own tests"),
        (checks.not_judged, "left out, since the reference could not be judged"),
        (checks.vacuous, "weak, since a stub passes the tests"),
    ):
        if findings:
            named = ", ".join(str(finding.row_id) for finding in findings[:_NAMED])
            more = ", ..." if len(findings) > _NAMED else ""
            rows = "1 row is" if len(findings) == 1 else f"{len(findings)} rows are"
            warnings.append(f"{rows} {what}: {named}{more}.")
    if duplicates.get("rows"):
        rows = "1 row is" if duplicates["rows"] == 1 else f"{duplicates['rows']} rows are"
        warnings.append(f"{rows} nearly the same as a row that was trained on ({duplicates['exact']} word for word).")
    return warnings
