"""Where the marks of the report's charts stand: plain numbers, in per cent of a width."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evals.figures import HUNDREDS, SIDES, format_difference, format_interval, group_order, rung_label

_STEPS = (1, 2, 2.5, 5, 10)
_TICKS = 5
GROUPS_SHOWN = 12
"""How many groups a chart shows, the largest; its table has all."""


@dataclass(frozen=True)
class Tick:
    """A mark on an axis.

    Attributes:
        at: Its place, in per cent of the width.
        label: What it says.
    """

    at: float
    label: str


@dataclass(frozen=True)
class Bar:
    """One row of an interval plot.

    Attributes:
        label: The set of rows.
        rows: How many they are.
        at: The place of the difference, in per cent; None where there is no figure.
        low: The place of the interval's lower bound; None where there is none.
        high: The place of its upper bound.
        figures: The difference and its interval in figures.
        word: `better`, `worse`, `no measurable difference` or nothing.
    """

    label: str
    rows: int
    at: float | None
    low: float | None
    high: float | None
    figures: str
    word: str


@dataclass(frozen=True)
class IntervalPlot:
    """The differences of one metric, over all rows and by part of them, or by rung.

    Attributes:
        metric: The metric.
        bars: One a set of rows, or a rung.
        ticks: Of the axis.
        zero: The place of no difference, in per cent.
        left_out: How many groups are not in the plot.
    """

    metric: str
    bars: tuple[Bar, ...]
    ticks: tuple[Tick, ...]
    zero: float
    left_out: int


@dataclass(frozen=True)
class ScoreLine:
    """The sides of one metric on one axis.

    Attributes:
        marks: The place of each side, in per cent.
        ticks: Of the axis.
    """

    marks: dict[str, float]
    ticks: tuple[Tick, ...]


def interval_plot(
    metric: str, overall: Mapping[str, Any], groups: Mapping[str, Mapping[str, Any]], fewest: int = 0
) -> IntervalPlot:
    """Lay out the differences of one metric.

    Args:
        metric: The metric's name.
        overall: Its finding over all rows, as in `summary.json`.
        groups: The groups of the summary, or other parts of the rows, by name.
        fewest: Groups of fewer rows are left out, since their wide intervals would stretch the axis.

    Returns:
        The plot. Its axis spans all that is drawn, and zero.
    """
    names = [name for name in group_order(groups) if metric in groups[name].get("metrics", {})]
    enough = [name for name in names if groups[name].get("rows", 0) >= fewest]
    largest = sorted(enough, key=lambda name: -groups[name].get("rows", 0))[:GROUPS_SHOWN]
    findings = [("all rows", overall)]
    findings += [(name, groups[name]["metrics"][metric]) for name in names if name in largest]
    return _plot(metric, findings, len(names) - len(largest))


def rungs_plot(reached: Mapping[str, Mapping[str, Any]]) -> IntervalPlot:
    """Lay out the differences of the shares that reached each rung.

    Args:
        reached: The findings by the rung's name, as in `summary.json`.
    """
    return _plot("share of rows that", [(rung_label(name), finding) for name, finding in reached.items()])


def _plot(metric: str, findings: Sequence[tuple[str, Mapping[str, Any]]], left_out: int = 0) -> IntervalPlot:
    numbers = [0.0]
    for _, finding in findings:
        numbers += [value for value in (finding.get("difference"), *(finding.get("interval") or [])) if _real(value)]
    low, high, ticks = _axis(min(numbers), max(numbers))

    def place(value: float | None) -> float | None:
        return None if not _real(value) else round(100 * (float(value or 0) - low) / (high - low), 3)

    bars = []
    for name, finding in findings:
        bounds = [place(bound) for bound in finding.get("interval") or (None, None)]
        figures = format_difference(metric, finding.get("difference")), format_interval(metric, finding.get("interval"))
        bars.append(
            Bar(
                label=name,
                rows=finding.get("rows") or 0,
                at=place(finding.get("difference")),
                low=bounds[0],
                high=bounds[1],
                figures=" ".join(filter(None, figures)),
                word=finding.get("word") or "",
            )
        )
    marks = tuple(Tick(place(tick) or 0.0, _tick_label(tick, signed=True)) for tick in ticks)
    return IntervalPlot(metric, tuple(bars), marks, place(0.0) or 0.0, left_out)


def score_line(metric: str, finding: Mapping[str, Any]) -> ScoreLine:
    """Lay out the scores of one metric on an axis from nothing to all.

    Args:
        metric: The metric's name.
        finding: Its finding, as in `summary.json`.

    Returns:
        The line.
    """
    values = {side: float(finding[side]) for side in SIDES if _real(finding.get(side))}
    top = 100.0 if metric in HUNDREDS else 1.0
    low, high = min([0.0, *values.values()]), max([top, *values.values()])
    marks = {side: round(100 * (value - low) / (high - low), 3) for side, value in values.items()}
    ticks = [low + (high - low) * quarter / 4 for quarter in range(5)]
    return ScoreLine(marks, tuple(Tick(25.0 * place, _tick_label(tick)) for place, tick in enumerate(ticks)))


def _axis(low: float, high: float) -> tuple[float, float, Sequence[float]]:
    """Round outwards to ticks of 1, 2, 2.5 or 5 times a power of ten."""
    if high - low < 1e-9:
        low, high = low - 0.1, high + 0.1
    raw = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in _STEPS if factor * power >= raw * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return first * step, last * step, [number * step for number in range(first, last + 1)]


def _tick_label(value: float, signed: bool = False) -> str:
    text = f"{value:.4g}" if abs(value) > 1e-12 else "0"
    return f"+{text}" if signed and value > 0 and text != "0" else text.replace("-", "\u2212")


def _real(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def shares(counts: Mapping[str, Mapping[str, int]]) -> list[dict[str, Any]]:
    """Turn counts by side into the rows of a table with bars.

    Args:
        counts: How often each name was counted, by side.

    Returns:
        For each name, most common first, its counts and shares (per cent of the side) by side.
    """
    sides = [side for side in SIDES if side in counts]
    totals = {side: sum(counts[side].values()) or 1 for side in sides}
    names: Iterable[str] = dict.fromkeys(name for side in sides for name in counts[side])
    order = sorted(names, key=lambda name: (name != "passed", -sum(counts[side].get(name, 0) for side in sides)))
    return [
        {
            "name": name,
            "counts": {side: counts[side].get(name, 0) for side in sides},
            "shares": {side: round(100 * counts[side].get(name, 0) / totals[side], 2) for side in sides},
        }
        for name in order
    ]
