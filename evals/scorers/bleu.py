"""Corpus BLEU, as sacrebleu computes it."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from evals.scorers.score import Score, require_pairs

if TYPE_CHECKING:
    import numpy as np

ORDER = 4
"""The longest n-gram that BLEU counts."""


def bleu(predictions: Sequence[str], references: Sequence[str]) -> Score:
    """Score texts with corpus BLEU (sacrebleu, tokenizer 13a, one reference each).

    This is the number that others report. BLEU compares tokens, not programs: 13a ignores white space, so code
    with the wrong indentation still gets 100, and texts of fewer than four tokens get 0 however right they are.
    `code_bleu` has neither fault. The rows' own scores have an effective order (sacrebleu's advice for single
    sentences); the corpus score has not.

    Args:
        predictions: What was generated, at least one text.
        references: One reference for each prediction.

    Returns:
        The score, 0 to 100, with sacrebleu's own signature.

    Raises:
        EvalError: If the lengths differ or there is nothing to score.

    Examples:
        >>> bleu(["if x:\\n    y = 1"], ["if x:\\ny = 1"]).score
        100.0
        >>> bleu(["x = 1"], ["x = 1"]).score
        0.0
    """
    statistics = bleu_statistics(predictions, references)
    rows = bleu_of(statistics, effective_order=True)
    signature = str(_metric("13a", False).get_signature())
    return Score(float(bleu_of(statistics.sum(axis=0))), rows, signature)


def bleu_statistics(predictions: Sequence[str], references: Sequence[str]) -> np.ndarray:
    """Count what corpus BLEU is made of, row by row.

    Args:
        predictions: What was generated, at least one text.
        references: One reference for each prediction.

    Returns:
        Integers of shape (rows, 10): the tokens of the prediction and of the reference, then the right and the
        total n-grams of one to four tokens. Sums of rows are those of the corpus; `bleu_of` takes either.

    Raises:
        EvalError: If the lengths differ or there is nothing to score.
    """
    require_pairs("BLEU", predictions, references)
    return count_ngrams(predictions, references, "13a")


def bleu_of(statistics: np.ndarray, *, effective_order: bool = False) -> np.ndarray:
    """Compute BLEU from counts: the formula of sacrebleu's `BLEU.compute_bleu` with `smooth:exp`, over arrays.

    Args:
        statistics: Counts of shape (..., 10), as `bleu_statistics` returns them, or sums of such rows.
        effective_order: Leave out the orders for which the predictions are too short, as is due for single rows.

    Returns:
        BLEU, 0 to 100, of shape (...).
    """
    import numpy as np

    counts = np.asarray(statistics, dtype=float)
    predicted, wanted = counts[..., 0], counts[..., 1]
    right, total = counts[..., 2 : 2 + ORDER], counts[..., 2 + ORDER :]
    wrong = (right == 0) & (total > 0)
    # Smoothing: the i-th order without a right n-gram counts as half of the one before it.
    halves = np.where(wrong, 0.5 ** np.cumsum(wrong, axis=-1), right)
    orders = (total > 0).sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.where(total > 0, np.log(halves / total), 0.0).sum(axis=-1)
        score = 100 * np.exp(logs / (orders if effective_order else ORDER))
        score = score * np.where(predicted < wanted, np.exp(1 - wanted / predicted), 1.0)
    possible = right.any(axis=-1) & (True if effective_order else orders == ORDER)
    return np.where(possible, score, 0.0)


def count_ngrams(predictions: Sequence[str], references: Sequence[str], tokenizer: str) -> np.ndarray:
    """Count n-grams with one of sacrebleu's tokenizers.

    Args:
        predictions: What was generated.
        references: One reference for each prediction.
        tokenizer: sacrebleu's name; `none` for tokens that are joined by spaces.

    Returns:
        Integers of shape (rows, 10), as `bleu_statistics` describes them.
    """
    import numpy as np

    metric = _metric(tokenizer, True)
    statistics = np.empty((len(predictions), 2 + 2 * ORDER), dtype=np.int64)
    for row, (prediction, reference) in enumerate(zip(predictions, references, strict=True)):
        found = metric.sentence_score(prediction, [reference])
        statistics[row] = (found.sys_len, found.ref_len, *found.counts, *found.totals)
    return statistics


@functools.cache
def _metric(tokenizer: str, effective_order: bool) -> Any:
    from sacrebleu.metrics.bleu import BLEU

    metric = BLEU(tokenize=tokenizer, effective_order=effective_order, max_ngram_order=ORDER)
    metric.corpus_score(["x"], [["x"]])  # The signature knows the number of references only after a first score.
    return metric
