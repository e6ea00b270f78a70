"""An evaluation's figures as people read them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evals.figures import format_difference, format_interval, format_score


@dataclass(frozen=True)
class Score:
    """A metric of both sides, as text."""

    name: str
    base: str
    """Empty where the metric has no base."""
    tuned: str
    difference: str
    """Tuned less base, with its interval and the word for it, e.g. `+0.367 [+0.294, +0.446], better`."""


def scores_of(summary: Mapping[str, Any]) -> list[Score]:
    """The metrics of an evaluation.

    Args:
        summary: As `Run.summary` has it.
    """
    scores = []
    for name, found in summary["metrics"].items():
        difference = format_difference(name, found["difference"])
        if (interval := found["interval"]) and None not in interval:
            difference += f" {format_interval(name, interval)}"
        difference += f", {found['word']}" if found["word"] else ""
        base = "" if found["base"] is None else format_score(name, found["base"])
        scores.append(Score(name, base, format_score(name, found["tuned"]), difference))
    return scores
