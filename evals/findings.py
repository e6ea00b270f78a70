"""The metrics of an evaluation: each side's score, and base against tuned."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from evals.figures import SIDES
from evals.outcomes import RowOutcome

if TYPE_CHECKING:
    from evals.verdict import Finding

_CORPUS_SCORERS = ("bleu", "code_bleu", "chrf")
_ROW_SCORERS = ("exact_match", "edit_similarity")
TEXT_SCORERS = (*_CORPUS_SCORERS, *_ROW_SCORERS)
_DIGITS = 6


@dataclass(frozen=True)
class Scores:
    """A metric of one side: the number, each row's own, and for a corpus score the counts that it is made of."""

    score: float
    rows: tuple[float, ...]
    signature: str
    counts: Any = None


def measure(
    scorers: Sequence[str], outcomes: Sequence[RowOutcome], sides: Sequence[str]
) -> tuple[dict[str, dict[str, Scores]], list[str]]:
    """Score rows with each metric that can be had of them.

    Args:
        scorers: The metrics.
        outcomes: What came of the rows. Metrics of text count those with a reference; pass@k those with tests that
            could be judged on all sides.
        sides: The sides.

    Returns:
        The scores by metric and side, and a sentence for each metric that is left out though there are rows for it.
    """
    measured: dict[str, dict[str, Scores]] = {}
    left_out = []
    for name in scorers:
        if name in TEXT_SCORERS:
            rows = [outcome for outcome in outcomes if outcome.row.values["output"].strip()]
            if rows:
                measured[name] = {side: text_scores(name, rows, side) for side in sides}
        else:
            rows = [outcome for outcome in outcomes if outcome.tested and outcome.judged]
            fewest = min((len(answers) for row in rows for answers in row.sides.values()), default=0)
            if rows and fewest < int(name[5:]):
                left_out.append(f"{name} is left out: it needs {name[5:]} answers to each row; one has {fewest}.")
            elif rows:
                measured[name] = {side: _pass_scores(name, rows, side) for side in sides}
    return measured, left_out


def text_scores(name: str, outcomes: Sequence[RowOutcome], side: str) -> Scores:
    """Score the first answers of a side against the references.

    Args:
        name: One of `TEXT_SCORERS`.
        outcomes: What came of the rows.
        side: The side.
    """
    module = importlib.import_module(f"evals.scorers.{name}")
    texts = [outcome.sides[side][0].code for outcome in outcomes], [o.row.values["output"] for o in outcomes]
    found = getattr(module, name)(*texts)
    counts = getattr(module, f"{name}_statistics")(*texts) if name in _CORPUS_SCORERS else None
    return Scores(float(found), found.rows, found.signature, counts)


def _pass_scores(name: str, outcomes: Sequence[RowOutcome], side: str) -> Scores:
    from evals.scorers.pass_at_k import pass_at_k, pass_hat_k

    answers = [outcome.sides[side] for outcome in outcomes]
    estimate = pass_at_k if name[4] == "@" else pass_hat_k
    passed = [sum(one.passed is True for one in several) for several in answers]
    found = estimate([len(several) for several in answers], passed, int(name[5:]))
    return Scores(float(found), found.rows, found.signature)


def compare_sides(
    measured: Mapping[str, Mapping[str, Scores]], together: Set[str] = frozenset()
) -> dict[str, dict[str, Any]]:
    """Make the summary's entry of each metric; what needs base and tuned is null where one of them is not there.

    Args:
        measured: The scores by metric and side.
        together: The metrics whose words are read together, and are corrected for being several.
    """
    from evals.verdict import adjusted

    compared = {
        name: _compared(name, sides) for name, sides in measured.items() if "base" in sides and "tuned" in sides
    }
    several = [name for name in compared if name in together]
    if len(several) > 1:
        compared |= dict(zip(several, adjusted(compared[name] for name in several), strict=True))
    return {name: _finding(sides, compared.get(name)) for name, sides in measured.items()}


def _compared(name: str, sides: Mapping[str, Scores]) -> Finding:
    from evals.verdict import compare

    base, tuned = sides["base"], sides["tuned"]
    if base.counts is None:
        return compare(name, base.rows, tuned.rows)
    score_of = getattr(importlib.import_module(f"evals.scorers.{name}"), f"{name}_of")
    row_score_of = partial(score_of, effective_order=True) if name == "bleu" else None
    return compare(name, base.counts, tuned.counts, score_of=score_of, row_score_of=row_score_of)


def _finding(sides: Mapping[str, Scores], compared: Finding | None) -> dict[str, Any]:
    finding: dict[str, Any] = {side: rounded(sides[side].score) if side in sides else None for side in SIDES}
    if "prompted" not in sides:
        del finding["prompted"]
    for key in ("difference", "interval", "p_value", "wins", "losses", "ties", "word"):
        value = getattr(compared, key, None)
        finding[key] = [rounded(bound) for bound in value] if isinstance(value, tuple) else value
    if compared is not None:
        finding["difference"] = rounded(compared.difference)
        finding["p_value"] = float(f"{compared.p_value:.{_DIGITS}g}")
    finding["rows"] = len(next(iter(sides.values())).rows)
    finding["rows_needed"] = getattr(compared, "rows_needed", None)
    return finding


def rounded(value: float) -> float:
    """Round as all figures of the summary are."""
    return round(float(value), _DIGITS)
