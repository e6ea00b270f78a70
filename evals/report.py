"""The summary of an evaluation: as dataclasses, and as files."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from evals.errors import EvalError
from evals.figures import SIDES
from evals.files import write_lines, write_text

_AGAIN = "score the run again with `python -m evals RUN`."
_DIGITS = 6


@dataclass(frozen=True)
class Finding:
    """One metric over one set of rows, on all sides.

    Attributes:
        name: The metric.
        base: The base model's score, in the metric's own unit (pass@1 and exact match 0 to 1, BLEU 0 to 100); None
            where the tuned model is compared with another side.
        tuned: The tuned model's score.
        prompted: The score of the base model prompted at its best; None where there is no such side.
        difference: Tuned less base, or less what it is compared with.
        interval: The lower and upper bound of the difference; None where none was computed.
        p_value: Of the difference, for this finding alone; None where none was computed.
        p_adjusted: The same after Holm's correction for the findings that are read beside it; None where there was
            none. The word goes by it.
        wins: Rows on which the tuned model did better; None where single rows have no score.
        losses: Rows on which it did worse.
        ties: Rows on which both did the same.
        word: `better`, `worse` or `no measurable difference`; None where it was not tested.
        rows: How many rows the metric counts.
        rows_needed: How many rows would show a difference of this size; None where that is not known.
    """

    name: str
    base: float | None
    tuned: float
    prompted: float | None = None
    difference: float = 0.0
    interval: tuple[float, float] | None = None
    p_value: float | None = None
    p_adjusted: float | None = None
    wins: int | None = None
    losses: int | None = None
    ties: int | None = None
    word: str | None = None
    rows: int = 0
    rows_needed: int | None = None


@dataclass(frozen=True)
class Group:
    """The findings on a part of the rows.

    Attributes:
        rows: The number of rows.
        metrics: Findings by the metric's name, in the order of the table.
    """

    rows: int
    metrics: dict[str, Finding]


@dataclass(frozen=True)
class Conclusion:
    """The evaluation's answer.

    Attributes:
        word: `better`, `worse` or `no measurable difference`; None where it was not tested.
        sentence: The answer in a sentence, with its interval.
        metric: The metric that decides.
    """

    word: str | None
    sentence: str
    metric: str


@dataclass(frozen=True)
class Summary:
    """All that an evaluation found; `to_json` is what `summary.json` holds, and `summary.schema.json` describes it.

    Attributes:
        verdict: The answer.
        metrics: Findings over all rows, by the metric's name, in the order of the table.
        over_prompted: Findings over all rows, the tuned model against the base model prompted at its best; empty where
            that side was not scored.
        groups: What `metrics` holds, by group; empty if no row names one.
        languages: The same by the language that rows ask for, most rows first; empty where there are not several, or
            the ladder was not climbed.
        rows: The number of rows.
        rows_with_tests: How many rows pass@1 could count.
        verdicts: How many verdicts of each status, by side.
        rungs: How many rows reached each rung of the ladder and no higher one, by side; empty where it was not climbed.
        rungs_reached: For each rung, the share of the rows offering it that reached it or a higher one, by the rung's
            name: `parses`, `compiles`, `runs`, `behaves`.
        signatures: The settings of a metric, by its name.
        settings_hash: The generation settings by side; None where the rows of a side do not agree.
        sandbox: Limits and protections that the programs ran under.
        versions: Versions of what computed the scores.
        duplicates: What the rows share with those that were trained on; empty if that was not looked at.
        warnings: What a reader must know before quoting a number, a sentence each.
        harness_errors: The rows that were not judged, and so not counted by pass@1 on any side.
        paths: The files that were written.
    """

    verdict: Conclusion
    metrics: dict[str, Finding]
    groups: dict[str, Group]
    rows: int
    rows_with_tests: int
    verdicts: dict[str, dict[str, int]]
    over_prompted: dict[str, Finding] = field(default_factory=dict)
    languages: dict[str, Group] = field(default_factory=dict)
    rungs: dict[str, dict[str, int]] = field(default_factory=dict)
    rungs_reached: dict[str, Finding] = field(default_factory=dict)
    signatures: dict[str, str] = field(default_factory=dict)
    settings_hash: dict[str, str | None] = field(default_factory=dict)
    sandbox: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    duplicates: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    harness_errors: tuple[str | int, ...] = ()
    paths: tuple[Path, ...] = ()

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Summary:
        """Make a summary of what `summary.json` holds."""
        return cls(
            **{
                **told,
                "verdict": Conclusion(**told["verdict"]),
                "metrics": _metrics(told["metrics"]),
                "over_prompted": _metrics(told.get("over_prompted", {})),
                "groups": _groups(told["groups"]),
                "languages": _groups(told.get("languages", {})),
                "rungs_reached": _metrics(told.get("rungs_reached", {})),
                "warnings": tuple(told["warnings"]),
            }
        )

    def to_json(self) -> dict[str, Any]:
        """Return the summary as plain objects, figures rounded to 6 digits."""
        return {
            "verdict": asdict(self.verdict),
            "metrics": _metrics_json(self.metrics),
            "over_prompted": _metrics_json(self.over_prompted),
            "groups": _groups_json(self.groups),
            "languages": _groups_json(self.languages),
            "rows": self.rows,
            "rows_with_tests": self.rows_with_tests,
            "verdicts": self.verdicts,
            "rungs": self.rungs,
            "rungs_reached": _metrics_json(self.rungs_reached),
            "signatures": self.signatures,
            "settings_hash": self.settings_hash,
            "sandbox": self.sandbox,
            "versions": self.versions,
            "duplicates": self.duplicates,
            "warnings": list(self.warnings),
        }


def _metrics(told: Mapping[str, Mapping[str, Any]]) -> dict[str, Finding]:
    return {
        name: Finding(
            name, **{**finding, "interval": None if finding["interval"] is None else tuple(finding["interval"])}
        )
        for name, finding in told.items()
    }


def _groups(told: Mapping[str, Mapping[str, Any]]) -> dict[str, Group]:
    return {name: Group(group["rows"], _metrics(group["metrics"])) for name, group in told.items()}


def _groups_json(groups: Mapping[str, Group]) -> dict[str, dict[str, Any]]:
    return {name: {"rows": group.rows, "metrics": _metrics_json(group.metrics)} for name, group in groups.items()}


def _metrics_json(metrics: Mapping[str, Finding]) -> dict[str, dict[str, Any]]:
    return {name: _finding_json(finding) for name, finding in metrics.items()}


def _finding_json(finding: Finding) -> dict[str, Any]:
    prompted = {} if finding.prompted is None else {"prompted": _plain(finding.prompted)}
    return {
        "base": None if finding.base is None else _plain(finding.base),
        "tuned": _plain(finding.tuned),
        **prompted,
        "difference": _plain(finding.difference),
        "interval": None if finding.interval is None else [_plain(bound) for bound in finding.interval],
        "p_value": None if finding.p_value is None else _plain(finding.p_value, significant=True),
        "p_adjusted": None if finding.p_adjusted is None else _plain(finding.p_adjusted, significant=True),
        "wins": finding.wins,
        "losses": finding.losses,
        "ties": finding.ties,
        "word": finding.word,
        "rows": finding.rows,
        "rows_needed": finding.rows_needed,
    }


def _plain(value: float, significant: bool = False) -> float | None:
    """Round; JSON has no NaN. A p-value keeps significant digits, since 1e-12 is not 0."""
    if not math.isfinite(value):
        return None
    return float(f"{value:.{_DIGITS}g}") if significant else round(float(value), _DIGITS)


def write_report(folder: Path, summary: Mapping[str, Any], samples: Iterable[Mapping[str, Any]]) -> tuple[Path, ...]:
    """Write the files of an evaluation into the folder `eval`, each whole or not at all.

    They are `summary.json` and `samples.jsonl`, and where there are two sides to compare, what `write_pages` makes of
    these.

    Args:
        folder: Where `eval` is or will be, such as a run folder.
        summary: What `Summary.to_json` returns.
        samples: One object for each row and side.

    Returns:
        The paths of the files.

    Raises:
        EvalError: If the folder cannot be written to.
    """
    folder = folder / "eval"
    summary_path, samples_path = folder / "summary.json", folder / "samples.jsonl"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EvalError(
            f"{folder}: the folder cannot be made ({error.strerror}); free space, or choose another place."
        ) from error
    write_lines(samples_path, (json.dumps(sample) for sample in samples))
    write_text(summary_path, json.dumps(summary, indent=2) + "\n")
    both = {"base", "tuned"} <= set(summary["settings_hash"])
    return summary_path, samples_path, *(write_pages(folder) if both else ())


def write_pages(folder: str | Path) -> tuple[Path, ...]:
    """Make `report.html`, `report.md` and `junit.xml` from `summary.json` and `samples.jsonl`.

    Args:
        folder: The `eval` folder of a run, which holds both.

    Returns:
        The paths of the three.

    Raises:
        EvalError: If a file is missing or malformed, or one of the three cannot be written.
    """
    from evals.html_report import render_html
    from evals.junit_report import render_junit
    from evals.markdown_report import render_markdown

    summary, samples = read_evaluation(folder)
    pages = {
        "report.html": render_html(summary, samples),
        "report.md": render_markdown(summary),
        "junit.xml": render_junit(summary, samples),
    }
    for name, text in pages.items():
        write_text(Path(folder) / name, text)
    return tuple(Path(folder) / name for name in pages)


def read_evaluation(folder: str | Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Read what `write_report` wrote, for the reports that are made from it.

    Args:
        folder: The `eval` folder of a run.

    Returns:
        The summary, and one sample for each row and side.

    Raises:
        EvalError: If a file is missing or is not what it should be.
    """
    path = Path(folder) / "summary.json"
    summary = _json(_bytes_of(path), str(path))
    if not isinstance(summary, dict) or not _is_summary(summary):
        raise EvalError(f"{path}: the file is not a summary of an evaluation; {_AGAIN}")
    path = Path(folder) / "samples.jsonl"
    samples = []
    for number, line in enumerate(_bytes_of(path).split(b"\n"), start=1):
        if line.strip():
            sample = _json(line, f"{path}:{number}")
            if (
                not isinstance(sample, dict)
                or type(sample.get("row_id")) not in (str, int)
                or sample.get("side") not in SIDES
            ):
                raise EvalError(f"{path}:{number}: the line is not a sample with a row_id and a side; {_AGAIN}")
            samples.append(sample)
    return summary, samples


def _is_summary(summary: dict[str, Any]) -> bool:
    """Whether the parts that the reports go into are objects; `summary.schema.json` says all."""
    nested = ("metrics", "over_prompted", "groups", "languages", "verdicts", "rungs", "rungs_reached")
    parts = [summary.get(key) for key in ("verdict", "sandbox", "duplicates", *nested)]
    parts += [value for key in nested if isinstance(inner := summary.get(key), dict) for value in inner.values()]
    return summary.get("metrics") is not None and all(part is None or isinstance(part, dict) for part in parts)


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise EvalError(f"{path}: the file cannot be read ({error.strerror}); {_AGAIN}") from error


def _json(text: bytes, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise EvalError(f"{where}: this is not valid JSON ({error}); {_AGAIN}") from error
