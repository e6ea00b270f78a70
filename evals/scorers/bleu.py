"""Corpus BLEU, as sacrebleu computes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evals.errors import EvalError


@dataclass(frozen=True)
class BleuScore:
    """A score that cannot be quoted without its settings.

    Attributes:
        score: Corpus BLEU, 0 to 100.
        signature: sacrebleu's own string, which names every setting and the version.
    """

    score: float
    signature: str


def bleu(predictions: Sequence[str], references: Sequence[str]) -> BleuScore:
    """Score texts with corpus BLEU (sacrebleu, tokenizer 13a, one reference each).

    BLEU compares tokens, not programs: 13a ignores white space, so code with the wrong indentation still gets
        100, and
    texts of fewer than four tokens get 0 however right they are.

    Args:
        predictions: What was generated, at least one text.
        references: One reference for each prediction.

    Returns:
        The score, 0 to 100, and its signature.

    Raises:
        EvalError: If the lengths differ or there is nothing to score.
    """
    if not predictions or len(predictions) != len(references):
        raise EvalError(
            f"BLEU needs one reference for each prediction and at least one of them; "
            f"it got {len(predictions)} predictions and {len(references)} references."
        )
    from sacrebleu.metrics.bleu import BLEU

    metric = BLEU(tokenize="13a")
    score = metric.corpus_score(list(predictions), [list(references)]).score
    return BleuScore(float(score), str(metric.get_signature()))
