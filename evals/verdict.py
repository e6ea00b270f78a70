"""Base against tuned: better, worse, or no measurable difference."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from evals.errors import EvalError
from evals.statistics import (
    ALPHA,
    RESAMPLES,
    holm,
    interval_of_proportions,
    mcnemar,
    mean_of,
    paired_test,
    rows_for_mean,
    rows_for_proportions,
)

if TYPE_CHECKING:
    import numpy as np

Word = Literal["better", "worse", "no measurable difference"]


@dataclass(frozen=True)
class Finding:
    """What one metric says about two sides that were scored on the same rows.

    Attributes:
        name: The metric.
        base: Its score for the base side.
        tuned: Its score for the tuned side.
        difference: Tuned minus base, in the metric's unit.
        interval: Bounds of the difference, by default of 95 %; None for a single row. It excludes 0 where
            `p_value` is below `alpha`, and nowhere else.
        p_value: The chance of a difference as large if the sides were the same; two-sided, for this metric alone.
        wins: Rows on which the tuned side scores higher.
        losses: Rows on which the base side scores higher.
        ties: The other rows.
        word: `better` or `worse` if the p-value (after Holm's correction, where there was one) is below `alpha`.
        rows: How many rows were compared.
        rows_needed: How many rows would show a true difference of this size in 80 of 100 runs; None where the
            difference is 0.
        p_adjusted: The p-value after Holm's correction; None where there was none, or too few rows for any word.
        alpha: The level that the word and the interval go by.
    """

    name: str
    base: float
    tuned: float
    difference: float
    interval: tuple[float, float] | None
    p_value: float
    wins: int
    losses: int
    ties: int
    word: Word
    rows: int
    rows_needed: int | None
    p_adjusted: float | None = None
    alpha: float = ALPHA

    def to_json(self) -> dict[str, Any]:
        """Return the members as plain values, the interval as a list."""
        return {**asdict(self), "interval": None if self.interval is None else list(self.interval)}

    def sentence(self) -> str:
        """Say it in words.

        Examples:
            >>> compare("pass@1", [0] * 60 + [1] * 40, [1] * 20 + [0] * 40 + [1] * 40).sentence()
            'pass@1 is better: 0.4 to 0.6, a difference of +0.2 (95 % interval +0.13 to +0.29) on 100 rows.'
        """
        between = ""
        if self.interval is not None:
            low, high = self.interval
            between = f" ({100 * (1 - self.alpha):g} % interval {low:+.2g} to {high:+.2g})"
        values = f"{self.base:.3g} to {self.tuned:.3g}, a difference of {self.difference:+.2g}{between}"
        if self.word != "no measurable difference":
            return f"{self.name} is {self.word}: {values} on {self.rows} rows."
        needed = f"; a true difference of this size needs about {self.rows_needed:,} rows" if self.rows_needed else ""
        return f"{self.name} shows no measurable difference: {values} on {self.rows} rows{needed}."


def compare(
    name: str,
    base: Sequence[float] | np.ndarray,
    tuned: Sequence[float] | np.ndarray,
    *,
    score_of: Callable[[np.ndarray], np.ndarray] | None = None,
    row_score_of: Callable[[np.ndarray], np.ndarray] | None = None,
    largest: float = math.inf,
    alpha: float = ALPHA,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Finding:
    """Compare two sides on the same rows; higher scores are better.

    Scores that are all 0 or 1 (passed, exact match) go through McNemar's exact test with Tango's interval. Other
    scores are averaged and resampled (`evals.statistics.paired_test`), and so are corpus scores, which are made
    of sums of counts.

    Args:
        name: The metric.
        base: The base side's score of each row; for a corpus score, counts of shape (rows, k).
        tuned: The tuned side's, row by row.
        score_of: For a corpus score: makes the score of summed counts, as `evals.scorers.bleu.bleu_of` does.
        row_score_of: The same for a single row's counts, which decides wins and losses; `score_of` if None.
        largest: The largest difference that there can be; the interval stays within it.
        alpha: The level of the test, one minus the coverage of the interval.
        resamples: How many times rows are drawn.
        seed: Of the generator that draws them.

    Returns:
        The finding.

    Raises:
        EvalError: If the sides have different lengths, or no rows, or a value is no number.

    Examples:
        >>> compare("pass@1", [0, 1, 0], [1, 1, 0]).word
        'no measurable difference'
    """
    one, other = _values(name, base, score_of is not None), _values(name, tuned, score_of is not None)
    if one.shape != other.shape:
        raise EvalError(f"{name}: both sides need the same rows; base has {len(one)} and tuned has {len(other)}.")
    if not 0 < alpha < 1:
        raise EvalError(f"{name}: alpha must lie between 0 and 1, not at {alpha}.")
    if score_of is None and _is_binary(one) and _is_binary(other):
        return _compare_proportions(name, one, other, alpha)
    rows = len(one)
    of_sums = score_of or mean_of(rows)
    in_rows = (row_score_of or score_of) if score_of else None
    gain = in_rows(other) - in_rows(one) if in_rows else other - one
    wins, losses = int((gain > 0).sum()), int((gain < 0).sum())
    scores = float(of_sums(one.sum(axis=0))), float(of_sums(other.sum(axis=0)))
    if rows < 2:
        return _finding(name, scores, None, 1.0, (wins, losses, rows), None, alpha)
    tested = paired_test(one, other, of_sums, alpha=alpha, resamples=resamples, seed=seed)
    needed = rows_for_mean(float(tested.standard_error), rows, scores[1] - scores[0], alpha)
    interval = max(float(tested.low), -largest), min(float(tested.high), largest)
    return _finding(name, scores, interval, float(tested.p_value), (wins, losses, rows), needed, alpha)


def adjusted(findings: Iterable[Finding]) -> list[Finding]:
    """Apply Holm's correction to findings that are read, or gate, together.

    Args:
        findings: Any number of them; a word can only become `no measurable difference`. Intervals stay those of
            one finding alone, so that such a word can stand beside an interval that excludes 0. Findings on so few
            rows that no outcome could be called better or worse, below 6 at the 5 % level, are not among the several:
            they cannot be wrong, so nothing needs to be corrected for them.

    Returns:
        The findings in their order, with `p_adjusted` and the word that goes with it.
    """
    findings = list(findings)
    # If all rows differ the same way, the exact test and the swaps give 2 of 2 ** rows.
    able = [index for index, finding in enumerate(findings) if 0.5 ** (finding.rows - 1) < finding.alpha]
    for index, p_value in zip(able, holm([findings[index].p_value for index in able]), strict=True):
        finding = findings[index]
        word = _word(finding.difference, finding.interval, p_value, finding.alpha)
        findings[index] = replace(finding, p_adjusted=p_value, word=word)
    return findings


def _compare_proportions(name: str, base: np.ndarray, tuned: np.ndarray, alpha: float) -> Finding:
    rows = len(base)
    wins, losses = int((tuned > base).sum()), int((tuned < base).sum())
    p_value, interval = proportions_test(wins, losses, rows, alpha)
    needed = rows_for_proportions((wins + losses) / rows, (wins - losses) / rows, alpha)
    scores = float(base.mean()), float(tuned.mean())
    return _finding(name, scores, interval, p_value, (wins, losses, rows), needed, alpha)


def proportions_test(wins: int, losses: int, rows: int, alpha: float = ALPHA) -> tuple[float, tuple[float, float]]:
    """Return the p-value and the interval that go together.

    Args:
        wins: Rows that the tuned side passes and the base side fails.
        losses: The reverse.
        rows: All rows.
        alpha: One minus the coverage.

    Returns:
        McNemar's exact p-value; Tango's interval, widened to take in 0 where the exact test, which is the more
        careful of the two, does not reject.
    """
    p_value = mcnemar(wins, losses)
    low, high = interval_of_proportions(wins, losses, rows, alpha)
    if p_value >= alpha:
        low, high = min(low, 0.0), max(high, 0.0)
    return p_value, (low, high)


def _finding(
    name: str,
    scores: tuple[float, float],
    interval: tuple[float, float] | None,
    p_value: float,
    counts: tuple[int, int, int],
    rows_needed: int | None,
    alpha: float,
) -> Finding:
    wins, losses, rows = counts
    difference = scores[1] - scores[0]
    return Finding(
        name=name,
        base=scores[0],
        tuned=scores[1],
        difference=difference,
        interval=interval,
        p_value=p_value,
        wins=wins,
        losses=losses,
        ties=rows - wins - losses,
        word=_word(difference, interval, p_value, alpha),
        rows=rows,
        rows_needed=rows_needed,
        alpha=alpha,
    )


def _word(difference: float, interval: tuple[float, float] | None, p_value: float, alpha: float) -> Word:
    if interval is None or p_value >= alpha or interval[0] <= 0 <= interval[1]:
        return "no measurable difference"
    return "better" if difference > 0 else "worse"


def _values(name: str, values: Any, counts: bool) -> np.ndarray:
    import numpy as np

    try:
        array = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise EvalError(f"{name}: every row needs a number; leave out rows that have none, on both sides.") from None
    if array.ndim != (2 if counts else 1):
        shape = "a table of counts, one line a row" if counts else "one number a row"
        raise EvalError(f"{name}: expected {shape}, not an array of {array.ndim} dimensions.")
    if not len(array):
        raise EvalError(f"{name}: there are no rows to compare.")
    bad = np.flatnonzero(~np.isfinite(array).reshape(len(array), -1).all(axis=1))
    if len(bad):
        raise EvalError(f"{name}: row {bad[0]} has no finite score; leave such rows out, on both sides.")
    return array


def _is_binary(values: np.ndarray) -> bool:
    return bool(((values == 0) | (values == 1)).all())
