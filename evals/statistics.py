"""Paired tests and intervals: what differs by more than chance, and how many rows would show it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from evals.errors import EvalError

if TYPE_CHECKING:
    import numpy as np

RESAMPLES = 10_000
ALPHA = 0.05
POWER = 0.80

_CELLS_AT_ONCE = 4_000_000
"""Rows times resamples that are held in memory, 32 MB of them."""
_LARGEST_EXACT = 50_000
"""Rows up to which power is summed exactly; beyond, the normal approximation is used."""


@lru_cache(maxsize=65_536)
def mcnemar(wins: int, losses: int) -> float:
    """Return the two-sided p-value of McNemar's exact test.

    Under the null hypothesis a row on which the sides differ is a win or a loss with even chances, so the wins are
    binomial; rows on which both pass or both fail say nothing. This is `scipy.stats.binomtest`.

    Args:
        wins: Rows that the tuned side passes and the base side fails.
        losses: The reverse.

    Returns:
        The p-value; 1 if the sides differ on no row.

    Examples:
        >>> mcnemar(6, 0)
        0.03125
    """
    from scipy.stats import binomtest

    return float(binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0


@lru_cache(maxsize=65_536)
def interval_of_proportions(wins: int, losses: int, rows: int, alpha: float = ALPHA) -> tuple[float, float]:
    """Return Tango's score interval of the difference of two paired proportions.

    It is to paired rows what Wilson's interval is to one proportion: it inverts the score test, so it stays within
    -1 and 1, keeps its coverage for few rows and near 0 and 1, and excludes 0 wherever McNemar's exact test rejects
    (Tango, Statistics in Medicine 17, 1998; recommended by Newcombe).

    Args:
        wins: Rows that the tuned side passes and the base side fails.
        losses: The reverse.
        rows: All rows.
        alpha: One minus the coverage.

    Returns:
        The lower and the upper bound of tuned minus base.

    Examples:
        >>> low, high = interval_of_proportions(30, 10, 300)
        >>> round(low, 4), round(high, 4)
        (0.0266, 0.1103)
    """
    z = _normal_quantile(alpha / 2)
    return _score_bound(wins, losses, rows, -z), _score_bound(wins, losses, rows, z)


def _score_bound(wins: int, losses: int, rows: int, bound: float) -> float:
    """Find, by halving, the difference whose score statistic equals minus the bound; the statistic falls with it."""
    observed = (wins - losses) / rows
    low, high = (observed, 1.0) if bound > 0 else (-1.0, observed)
    for _ in range(60):
        middle = (low + high) / 2
        half = (2 * rows - wins + losses) * middle - wins - losses
        root = math.sqrt(max(0.0, half * half + 8 * rows * losses * middle * (1 - middle)))
        lost = (root - half) / (4 * rows)
        variance = rows * (2 * lost + middle * (1 - middle))
        score = wins - losses - rows * middle
        if score + bound * math.sqrt(max(variance, 0.0)) > 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2


@dataclass(frozen=True)
class PairedTest:
    """What resampling says about a difference; every member has the shape that the score function returns.

    Attributes:
        difference: Tuned minus base.
        p_value: The larger of the randomisation test's and the bootstrap's; two-sided.
        low: The lower bound of the interval; above 0 only where `p_value` is below alpha.
        high: The upper bound; below 0 only where `p_value` is below alpha.
        standard_error: The bootstrap's standard deviation of the difference.
    """

    difference: np.ndarray
    p_value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    standard_error: np.ndarray


def paired_test(
    base: np.ndarray,
    tuned: np.ndarray,
    score_of: Callable[[np.ndarray], np.ndarray],
    *,
    alpha: float = ALPHA,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> PairedTest:
    """Test whether two sides' scores over the same rows differ, for any score that is made of sums over rows.

    Two questions are asked, and both must say yes. The bootstrap draws rows with replacement, pairs kept together;
    its interval is the expanded percentile interval (Hesterberg, 2015), which is as wide as Student's t asks for
    few rows. The randomisation test swaps the sides of each row by chance, which is exact where the null
    hypothesis is that the sides are the same, and which does not mistake three lucky rows for a difference, as a
    bootstrap does. Where it does not reject, the interval is widened to take in 0.

    Args:
        base: What each row adds to the base side's score, of shape (rows, ...): values to be averaged, or counts
            such as n-grams.
        tuned: The same of the tuned side.
        score_of: Makes scores of sums over rows: takes (..., k), returns (...) or (..., k).
        alpha: One minus the coverage of the interval.
        resamples: How many times the rows are drawn, and swapped.
        seed: Of the generator; the same seed gives the same numbers.

    Returns:
        Difference, p-value and interval.

    Raises:
        EvalError: If there are fewer than two rows.
    """
    import numpy as np
    from scipy import stats

    rows = len(base)
    if rows < 2:
        raise EvalError("An interval by resampling needs at least 2 rows.")
    observed = score_of(tuned.sum(axis=0)) - score_of(base.sum(axis=0))
    drawn = _collected(_bootstrapped(base, tuned, score_of, resamples, seed))
    swapped = _collected(_randomised(base, tuned, score_of, resamples, seed + 1))

    # Sums in another order differ in their last digits, which must not decide between equal and not.
    drawn[np.abs(drawn) <= 1e-9 * np.abs(drawn).max(axis=0)] = 0
    as_far = np.abs(swapped) >= np.abs(observed) * (1 - 1e-9) - 1e-9 * np.abs(swapped).max(axis=0)
    p_randomised = (1 + as_far.sum(axis=0)) / (resamples + 1)

    student = stats.t(rows - 1)
    expansion = math.sqrt(rows / (rows - 1))
    tail = np.minimum((drawn <= 0).sum(axis=0), (drawn >= 0).sum(axis=0)) + 1
    p_drawn = np.minimum(1.0, 2 * student.sf(stats.norm.isf(tail / (resamples + 1)) / expansion))

    error = drawn.std(axis=0)
    place = math.floor(stats.norm.sf(student.isf(alpha / 2) * expansion) * (resamples + 1)) - 1
    if place >= 0:
        ranked = np.partition(drawn, [place, resamples - 1 - place], axis=0)
        low, high = ranked[place], ranked[resamples - 1 - place]
    else:  # So few rows that no resample is that far out.
        reach = student.isf(alpha / 2) * expansion * error
        low, high = observed - reach, observed + reach

    p_value = np.maximum(p_randomised, p_drawn)
    excluded = (low > 0) | (high < 0)
    p_value = np.where(excluded, p_value, np.maximum(p_value, alpha))
    rejected = p_value < alpha
    low, high = np.where(rejected, low, np.minimum(low, 0)), np.where(rejected, high, np.maximum(high, 0))
    return PairedTest(observed, p_value, low, high, error)


def _bootstrapped(
    base: np.ndarray, tuned: np.ndarray, score_of: Callable[..., Any], resamples: int, seed: int
) -> Iterator[np.ndarray]:
    import numpy as np

    rng, rows = np.random.default_rng(seed), len(base)
    base, tuned = base.astype(float), tuned.astype(float)
    for count in _chunks(resamples, rows):
        drawn = rng.integers(0, rows, (count, rows), dtype=np.int64) + rows * np.arange(count)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=count * rows).reshape(count, rows).astype(float)
        yield score_of(weights @ tuned) - score_of(weights @ base)


def _randomised(
    base: np.ndarray, tuned: np.ndarray, score_of: Callable[..., Any], resamples: int, seed: int
) -> Iterator[np.ndarray]:
    import numpy as np

    rng = np.random.default_rng(seed)
    halves = (tuned.astype(float) - base) / 2
    middle = (tuned.astype(float) + base).sum(axis=0) / 2
    halves = halves[(halves != 0).reshape(len(halves), -1).any(axis=1)]
    for count in _chunks(resamples, max(1, len(halves))):
        swaps = (1 - 2 * rng.integers(0, 2, (count, len(halves)), dtype=np.int8)).astype(float) @ halves
        yield score_of(middle + swaps) - score_of(middle - swaps)


def _chunks(resamples: int, rows: int) -> Iterator[int]:
    size = max(1, _CELLS_AT_ONCE // rows)
    for start in range(0, resamples, size):
        yield min(size, resamples - start)


def _collected(parts: Iterator[np.ndarray]) -> np.ndarray:
    import numpy as np

    return np.concatenate(list(parts))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for being several: Holm's step-down correction.

    Args:
        p_values: One a test.

    Returns:
        Adjusted p-values in the same order; those below alpha are rejected, with at most alpha's chance of any
        false rejection among them all.

    Examples:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


@lru_cache(maxsize=4096)
def mcnemar_power(rows: int, discordant: float, difference: float, alpha: float = ALPHA) -> float:
    """Return the chance that McNemar's exact test finds a true difference.

    Args:
        rows: How many rows are scored.
        discordant: The share of rows on which the sides differ, 0 to 1.
        difference: Tuned minus base, a fraction of all rows; at most `discordant` in size.
        alpha: The level of the test.

    Returns:
        The power: a sum over how many rows differ, and over how many of those are wins.

    Raises:
        EvalError: If there can be no such difference.
    """
    import numpy as np
    from scipy.stats import binom

    _require_possible(discordant, difference)
    if not discordant:
        return 0.0
    spread = 8 * math.sqrt(rows * discordant * (1 - discordant)) + 8
    differing = np.arange(max(0, math.floor(rows * discordant - spread)), min(rows, rows * discordant + spread) + 1)
    few = binom.ppf(alpha / 2, differing, 0.5) - 1  # At most so many wins, or so many losses, are rejected.
    wins = (discordant + difference) / 2 / discordant
    found = binom.cdf(few, differing, wins) + binom.cdf(few, differing, 1 - wins)
    return float(binom.pmf(differing, rows, discordant) @ found)


@lru_cache(maxsize=4096)
def rows_for_proportions(
    discordant: float, difference: float, alpha: float = ALPHA, power: float = POWER
) -> int | None:
    """Return how many rows McNemar's exact test needs to find a true difference with the wanted power.

    Args:
        discordant: The share of rows on which the sides differ, 0 to 1.
        difference: Tuned minus base, a fraction of all rows; at most `discordant` in size.
        alpha: The level of the test.
        power: The wanted chance to find it.

    Returns:
        Rows; None where there is no difference to find.

    Raises:
        EvalError: If there can be no such difference.

    Examples:
        >>> rows_for_proportions(discordant=0.3, difference=0.1)
        249
    """
    _require_possible(discordant, difference)
    if not difference:
        return None
    size = abs(difference)
    # Connor, Biometrics 43, 1987.
    spread = math.sqrt(max(0.0, discordant - size * size))
    normal = _normal_quantile(alpha / 2) * math.sqrt(discordant) + _normal_quantile(1 - power) * spread
    guess = math.ceil((normal / size) ** 2)
    if guess > _LARGEST_EXACT:
        return guess
    low, high = 0, max(guess, 8)
    while mcnemar_power(high, discordant, difference, alpha) < power:
        low, high = high, math.ceil(high * 1.25)
    while high - low > 1:
        middle = (low + high) // 2
        if mcnemar_power(middle, discordant, difference, alpha) < power:
            low = middle
        else:
            high = middle
    return high


def rows_for_mean(
    standard_error: float, rows: int, difference: float, alpha: float = ALPHA, power: float = POWER
) -> int | None:
    """Return how many rows would show a difference, from the standard error that it has on these.

    Args:
        standard_error: Of the difference, on `rows` rows.
        rows: How many rows were scored.
        difference: Tuned minus base.
        alpha: The level of the test.
        power: The wanted chance to find it.

    Returns:
        Rows, by the normal approximation; None where there is no difference to find.
    """
    if not difference:
        return None
    reach = (_normal_quantile(alpha / 2) + _normal_quantile(1 - power)) * standard_error / difference
    return max(2, math.ceil(rows * reach * reach))


def mean_of(rows: int) -> Callable[[np.ndarray], np.ndarray]:
    """Return the score function of a mean over so many rows."""
    return partial(_divided, rows=rows)


def _divided(sums: np.ndarray, rows: int) -> np.ndarray:
    return sums / rows


def _require_possible(discordant: float, difference: float) -> None:
    if not abs(difference) <= discordant <= 1:
        raise EvalError(
            f"With {discordant:.3g} of the rows differing there can be no difference of {difference:.3g}; "
            "give a share of 0 to 1 that is at least as large as the difference."
        )


@lru_cache(maxsize=64)
def _normal_quantile(tail: float) -> float:
    from statistics import NormalDist

    return -NormalDist().inv_cdf(tail)
