"""The summary as tables in a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from evals.figures import (
    CORRECTED,
    OVER_PROMPTED,
    SIDES,
    format_difference,
    format_interval,
    format_score,
    group_order,
    rung_label,
)
from evals.report import Finding, Summary

if TYPE_CHECKING:
    from rich.console import Console

_FAILURES_SHOWN = 5
_LANGUAGES_SHOWN = 5
_ROWS_SHOWN = 5
_WIDE = 110


def print_summary(summary: Summary, console: Console) -> None:
    """Print the tables, the failures, the verdict, and where the files are.

    Args:
        summary: What was found.
        console: Where to print.
    """
    groups = [(name, summary.groups[name].metrics) for name in group_order(summary.groups)]
    _print_findings("Base against tuned", ["rows", "metric"], "groups", [*groups, ("all", summary.metrics)], console)
    if summary.over_prompted:
        _print_findings(OVER_PROMPTED, ["metric"], "metrics", [("", summary.over_prompted)], console)
    languages = [(name, part.metrics) for name, part in summary.languages.items()]
    if languages:
        _print_findings(
            "By the language asked for", ["language", "metric"], "languages", languages[:_LANGUAGES_SHOWN], console
        )
        if len(languages) > _LANGUAGES_SHOWN:
            console.print(f"{len(languages) - _LANGUAGES_SHOWN} more languages are in summary.json.", highlight=False)
    if summary.rungs_reached:
        rungs = {rung_label(name): finding for name, finding in summary.rungs_reached.items()}
        _print_findings("Rows without tests that reached a rung", ["rung"], "rungs", [("", rungs)], console)
    _print_failures(summary, console)
    for line in (summary.verdict.sentence, *_remarks(summary), *summary.warnings):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    for path in summary.paths:
        console.print(f"wrote {path}", highlight=False, markup=False, soft_wrap=True)


def _print_findings(
    title: str,
    heads: Sequence[str],
    several: str,
    blocks: Sequence[tuple[str, Mapping[str, Finding]]],
    console: Console,
) -> None:
    """Print a table of findings, with a block of rows for each part; a narrow terminal gets fewer columns."""
    from rich.table import Table

    findings = [finding for _, metrics in blocks for finding in metrics.values()]
    sides = [side for side in SIDES if any(getattr(finding, side) is not None for finding in findings)]
    corrected = any(finding.p_adjusted is not None for finding in findings)
    wide = console.width >= _WIDE
    table = Table(title=title, caption=CORRECTED.format(several=several) if corrected else None)
    for heading in heads:
        table.add_column(heading)
    for heading in (*sides, *(["difference"] if wide else [])):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("95 % interval" if wide else "difference, 95 %", no_wrap=True)
    table.add_column("verdict")
    if wide:
        table.add_column("count", justify="right")
    for name, metrics in blocks:
        for position, (metric, finding) in enumerate(metrics.items()):
            table.add_row(
                *([_literal(name) if position == 0 else ""] if len(heads) > 1 else []),
                _literal(metric),
                *(format_score(metric, getattr(finding, side)) for side in sides),
                *([_coloured(finding, format_difference(metric, finding.difference))] if wide else []),
                _literal(format_interval(metric, finding.interval)),
                _coloured(finding, finding.word or ""),
                *([str(finding.rows)] if wide else []),
            )
        table.add_section()
    console.print(table)


def _literal(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _coloured(finding: Finding, text: str) -> str:
    """Red and green are for what was shown; where nothing was tested, for the sign."""
    if not text:
        return text
    sign = format_difference(finding.name, finding.difference)[0]
    word = finding.word or {"+": "better", "-": "worse"}.get(sign)
    colour = {"better": "green", "worse": "red"}.get(word or "")
    return f"[{colour}]{text}[/{colour}]" if colour else text


def _print_failures(summary: Summary, console: Console) -> None:
    from rich.table import Table

    counts = {side: Counter(summary.verdicts[side]) for side in SIDES if side in summary.verdicts}
    total: Counter[str] = sum(counts.values(), Counter())
    del total["passed"]
    if not total:
        return
    table = Table(title="Most common failures")
    table.add_column("status")
    for side in counts:
        table.add_column(side, justify="right")
    for status, _ in total.most_common(_FAILURES_SHOWN):
        table.add_row(status, *(str(count[status]) for count in counts.values()))
    console.print(table)


def _remarks(summary: Summary) -> list[str]:
    remarks = []
    if not summary.rows_with_tests:
        remarks.append("pass@1 is left out: no row has tests.")
    elif summary.rows_with_tests < summary.rows:
        remarks.append(f"pass@1 counts the {summary.rows_with_tests} rows with tests, of {summary.rows}.")
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
