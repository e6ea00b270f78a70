"""An evaluation's figures as people read them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


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
        low, high = found["interval"] or (None, None)
        interval = f" [{low:+.3f}, {high:+.3f}]" if low is not None else ""
        difference = f"{found['difference']:+.3f}{interval}" + (f", {found['word']}" if found["word"] else "")
        base = "" if found["base"] is None else f"{found['base']:.3f}"
        scores.append(Score(name, base, f"{found['tuned']:.3f}", difference))
    return scores
