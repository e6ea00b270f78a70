"""The metrics of an evaluation: each side's score, and base against tuned."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from evals.figures import REACHED, SIDES
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
    signature: str = ""
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


def measure_rungs(outcomes: Sequence[RowOutcome], sides: Sequence[str]) -> dict[str, dict[str, Scores]]:
    """Score rows that climbed the ladder by the rungs that their first answers reached.

    A rung is an outcome, so rows are never chosen by the rung that an answer reached: each rung has the share of all
    rows that offer it, which hangs on their references alone. An answer in another language than Python reached none.

    Args:
        outcomes: What came of the rows; those that could not be judged on one side are left out on all.
        sides: The sides.

    Returns:
        The scores by the rung's name and side, for the rungs that a row offers.
    """
    measured = {}
    for name, rung in REACHED.items():
        rows = [one for one in outcomes if one.judged and one.highest is not None and one.highest >= rung]
        if rows:
            reached = {side: tuple(float((row.sides[side][0].rung or 0) >= rung) for row in rows) for side in sides}
            measured[name] = {side: Scores(sum(shares) / len(rows), shares) for side, shares in reached.items()}
    return measured


def compare_sides(
    parts: Mapping[str, Mapping[str, Mapping[str, Scores]]], together: Set[str] = frozenset(), against: str = "base"
) -> dict[str, dict[str, dict[str, Any]]]:
    """Make the summary's entry of each metric; what needs two sides is null where one of them is not there.

    Words that are read side by side are corrected for being several, by Holm's method: those of one metric over the
    parts, and those of metrics that are read together over the parts and these metrics.

    Args:
        parts: The scores by part of the rows, metric and side.
        together: The metrics that are read together.
        against: The side that the tuned one is compared with.

    Returns:
        The entries by part and metric.
    """
    from evals.verdict import adjusted

    compared = {
        (part, name): _compared(name, sides[against], sides["tuned"])
        for part, measured in parts.items()
        for name, sides in measured.items()
        if against in sides and "tuned" in sides
    }
    families: dict[str, list[tuple[str, str]]] = {}
    for part, name in compared:
        families.setdefault("" if name in together else name, []).append((part, name))
    for members in families.values():
        if len(members) > 1:
            compared |= zip(members, adjusted(compared[member] for member in members), strict=True)
    return {
        part: {name: _finding(sides, compared.get((part, name))) for name, sides in measured.items()}
        for part, measured in parts.items()
    }


def _compared(name: str, base: Scores, tuned: Scores) -> Finding:
    from evals.verdict import compare

    if base.counts is None:
        return compare(name, base.rows, tuned.rows, largest=1)
    score_of = getattr(importlib.import_module(f"evals.scorers.{name}"), f"{name}_of")
    row_score_of = partial(score_of, effective_order=True) if name == "bleu" else None
    return compare(name, base.counts, tuned.counts, score_of=score_of, row_score_of=row_score_of, largest=100)


def _finding(sides: Mapping[str, Scores], compared: Finding | None) -> dict[str, Any]:
    finding: dict[str, Any] = {side: rounded(sides[side].score) if side in sides else None for side in SIDES}
    if "prompted" not in sides:
        del finding["prompted"]
    rows = len(next(iter(sides.values())).rows)
    if compared is None:
        untold = ("difference", "interval", "p_value", "p_adjusted", "wins", "losses", "ties", "word")
        return {**finding, **dict.fromkeys(untold), "rows": rows, "rows_needed": None}
    return {
        **finding,
        "difference": rounded(compared.difference),
        "interval": None if compared.interval is None else [rounded(bound) for bound in compared.interval],
        "p_value": _significant(compared.p_value),
        "p_adjusted": None if compared.p_adjusted is None else _significant(compared.p_adjusted),
        "wins": compared.wins,
        "losses": compared.losses,
        "ties": compared.ties,
        "word": compared.word,
        "rows": rows,
        "rows_needed": compared.rows_needed,
    }


def rounded(value: float) -> float:
    """Round as all figures of the summary are."""
    return round(float(value), _DIGITS)


def _significant(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
