"""The summary of an evaluation: as a dataclass, as files, as a table."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evals.errors import EvalError

if TYPE_CHECKING:
    from rich.console import Console

_DIGITS = 6
_FAILURES_SHOWN = 5
_ROWS_SHOWN = 5


@dataclass(frozen=True)
class Comparison:
    """One metric on both sides.

    Attributes:
        base: The base model's score, in the metric's own unit (pass@1 and exact match 0 to 1, BLEU 0 to 100).
        tuned: The tuned model's score.
    """

    base: float
    tuned: float

    @property
    def difference(self) -> float:
        """What tuning changed, in the metric's unit."""
        return self.tuned - self.base


@dataclass(frozen=True)
class Scores:
    """The metrics of one set of rows.

    Attributes:
        rows: The number of rows.
        metrics: Metrics by name, in the order of the table.
    """

    rows: int
    metrics: dict[str, Comparison]


@dataclass(frozen=True)
class Summary:
    """All that an evaluation found; `to_json` is what `summary.json` holds.

    Attributes:
        overall: The scores over all rows.
        groups: The scores by group; empty if no row names one.
        rows_with_tests: How many rows pass@1 could count.
        verdicts: How many verdicts of each status, by side.
        harness_errors: The rows that were not judged, and so not counted by pass@1 on either side.
        signatures: The settings of a metric, by its name.
        settings_hash: The generation settings by side; None where the rows of a side do not agree.
        sandbox: Limits and protections that the programs ran under.
        versions: Versions of what computed the scores.
        paths: The files that hold the summary and the samples.
    """

    overall: Scores
    groups: dict[str, Scores]
    rows_with_tests: int
    verdicts: dict[str, dict[str, int]]
    harness_errors: tuple[str | int, ...]
    signatures: dict[str, str]
    settings_hash: dict[str, str | None]
    sandbox: dict[str, Any]
    versions: dict[str, str]
    paths: tuple[Path, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the summary as plain objects, scores rounded to 6 digits."""
        return {
            "metrics": _metrics_json(self.overall),
            "groups": {
                name: {"rows": scores.rows, "metrics": _metrics_json(scores)} for name, scores in self.groups.items()
            },
            "rows": self.overall.rows,
            "rows_with_tests": self.rows_with_tests,
            "verdicts": self.verdicts,
            "signatures": self.signatures,
            "settings_hash": self.settings_hash,
            "sandbox": self.sandbox,
            "versions": self.versions,
        }


def _metrics_json(scores: Scores) -> dict[str, dict[str, float]]:
    return {
        name: {side: round(getattr(pair, side), _DIGITS) for side in ("base", "tuned", "difference")}
        for name, pair in scores.metrics.items()
    }


def write_report(run_dir: Path, summary: dict[str, Any], samples: Iterable[Mapping[str, Any]]) -> tuple[Path, Path]:
    """Write `eval/summary.json` and `eval/samples.jsonl`, each whole or not at all.

    Args:
        run_dir: The run folder.
        summary: What `Summary.to_json` returns.
        samples: One object for each row and side.

    Returns:
        The paths of both files.

    Raises:
        EvalError: If the folder cannot be written to.
    """
    folder = run_dir / "eval"
    summary_path, samples_path = folder / "summary.json", folder / "samples.jsonl"
    try:
        folder.mkdir(exist_ok=True)
        _replace(samples_path, "".join(json.dumps(sample) + "\n" for sample in samples))
        _replace(summary_path, json.dumps(summary, indent=2) + "\n")
    except OSError as error:
        raise EvalError(
            f"{folder}: the report cannot be written ({error.strerror}); free space or change the folder's rights."
        ) from error
    return summary_path, samples_path


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def print_summary(summary: Summary, console: Console) -> None:
    """Print the table, the failures, and where the files are.

    Args:
        summary: What was found.
        console: Where to print.
    """
    from rich.table import Table

    table = Table(title="Base against tuned")
    for heading in ("rows", "metric", "base", "tuned", "difference", "count"):
        table.add_column(heading, justify="left" if heading in ("rows", "metric") else "right")
    for name, scores in _blocks(summary):
        for position, (metric, pair) in enumerate(scores.metrics.items()):
            first = position == 0
            table.add_row(
                name if first else "",
                metric,
                _number(metric, pair.base),
                _number(metric, pair.tuned),
                _signed(metric, pair.difference),
                str(scores.rows) if first else "",
            )
        table.add_section()
    console.print(table)
    _print_failures(summary, console)
    for line in _remarks(summary):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    for path in summary.paths:
        console.print(f"wrote {path}", highlight=False, markup=False, soft_wrap=True)


def _blocks(summary: Summary) -> list[tuple[str, Scores]]:
    usual = [name for name in ("seen", "unseen") if name in summary.groups]
    others = [name for name in summary.groups if name not in usual]
    return [*((name, summary.groups[name]) for name in usual + others), ("all", summary.overall)]


def _number(metric: str, value: float) -> str:
    return f"{value:.2f}" if metric == "bleu" else f"{value:.3f}"


def _signed(metric: str, value: float) -> str:
    text = _number(metric, value) if value < 0 else f"+{_number(metric, value)}"
    if not float(text):
        return _number(metric, 0.0)
    return f"[red]{text}[/red]" if value < 0 else f"[green]{text}[/green]"


def _print_failures(summary: Summary, console: Console) -> None:
    from rich.table import Table

    sides = [Counter(summary.verdicts.get(side, {})) for side in ("base", "tuned")]
    both = sides[0] + sides[1]
    del both["passed"]
    if not both:
        return
    table = Table(title="Most common failures")
    table.add_column("status")
    for side in ("base", "tuned"):
        table.add_column(side, justify="right")
    for status, _ in both.most_common(_FAILURES_SHOWN):
        table.add_row(status, *(str(side[status]) for side in sides))
    console.print(table)


def _remarks(summary: Summary) -> list[str]:
    remarks = []
    if not summary.rows_with_tests:
        remarks.append("pass@1 is left out: no row has tests.")
    elif summary.rows_with_tests < summary.overall.rows:
        remarks.append(f"pass@1 counts the {summary.rows_with_tests} rows with tests, of {summary.overall.rows}.")
    if summary.harness_errors:
        count = len(summary.harness_errors)
        names = [str(row_id) for row_id in summary.harness_errors[:_ROWS_SHOWN]]
        which = "1 row" if count == 1 else f"{count} rows"
        remarks.append(
            f"{which} could not be judged ({', '.join(names)}{', ...' if count > _ROWS_SHOWN else ''}); "
            f"pass@1 leaves {'it' if count == 1 else 'them'} out on both sides, and samples.jsonl says why."
        )
    for side, value in summary.settings_hash.items():
        if value is None:
            remarks.append(f"The {side} predictions were not all made with the same settings.")
    return remarks
