"""chrF, the F-score of character n-grams, with white space."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from evals.scorers.score import Score, require_pairs

if TYPE_CHECKING:
    import numpy as np

ORDER = 6
BETA = 2


def chrf(predictions: Sequence[str], references: Sequence[str]) -> Score:
    """Score texts with chrF (Popović, 2015) over characters, white space included.

    The numbers are those of sacrebleu's `CHRF(whitespace=True)`. White space counts because indentation is part
    of a Python program; so do line ends and trailing spaces, which are not.

    Args:
        predictions: What was generated, at least one text.
        references: One reference for each prediction.

    Returns:
        The score, 0 to 100, with sacrebleu's signature.

    Raises:
        EvalError: If the lengths differ or there is nothing to score.

    Examples:
        >>> chrf(["return x"], ["return x"]).score
        100.0
    """
    statistics = chrf_statistics(predictions, references)
    return Score(float(chrf_of(statistics.sum(axis=0))), chrf_of(statistics), signature())


def chrf_statistics(predictions: Sequence[str], references: Sequence[str]) -> np.ndarray:
    """Count what chrF is made of, row by row.

    Args:
        predictions: What was generated, at least one text.
        references: One reference for each prediction.

    Returns:
        Integers of shape (rows, 18): for each order from one to six, the n-grams of the prediction, of the
        reference, and of both. Sums of rows are those of the corpus; `chrf_of` takes either.

    Raises:
        EvalError: If the lengths differ or there is nothing to score.
    """
    import numpy as np

    require_pairs("chrF", predictions, references)
    statistics = np.zeros((len(predictions), ORDER, 3), dtype=np.int64)
    for row, (prediction, reference) in enumerate(zip(predictions, references, strict=True)):
        for order in range(1, ORDER + 1):
            statistics[row, order - 1] = _matches(prediction, reference, order)
    return statistics.reshape(len(predictions), 3 * ORDER)


def chrf_of(statistics: np.ndarray) -> np.ndarray:
    """Compute chrF from counts, as sacrebleu does without `eps_smoothing`.

    Args:
        statistics: Counts of shape (..., 18), as `chrf_statistics` returns them, or sums of such rows.

    Returns:
        The score, 0 to 100, of shape (...).
    """
    import numpy as np

    counts = np.asarray(statistics, dtype=float)
    counts = counts.reshape(*counts.shape[:-1], ORDER, 3)
    predicted, wanted, matched = counts[..., 0], counts[..., 1], counts[..., 2]
    used = (predicted > 0) & (wanted > 0)
    orders = np.maximum(used.sum(axis=-1), 1)
    precision = np.where(used, matched / np.where(used, predicted, 1), 0).sum(axis=-1) / orders
    recall = np.where(used, matched / np.where(used, wanted, 1), 0).sum(axis=-1) / orders
    both = BETA**2 * precision + recall
    score = 100 * (1 + BETA**2) * precision * recall / np.where(both > 0, both, 1)
    return np.asarray(score)


def signature() -> str:
    """Return sacrebleu's signature of these settings."""
    import sacrebleu

    return f"nrefs:1|case:mixed|eff:yes|nc:{ORDER}|nw:0|space:yes|version:{sacrebleu.__version__}"


def _matches(prediction: str, reference: str, order: int) -> tuple[int, int, int]:
    length, wanted = len(prediction) - order + 1, len(reference) - order + 1
    if wanted <= 0:
        # sacrebleu counts no n-grams of the prediction where the reference has none of that order.
        return 0, 0, 0
    if length <= 0:
        return 0, wanted, 0
    one = Counter([prediction[start : start + order] for start in range(length)])
    other = Counter([reference[start : start + order] for start in range(wanted)])
    if len(one) > len(other):
        one, other = other, one
    return length, wanted, sum([min(count, other[text]) for text, count in one.items() if text in other])
