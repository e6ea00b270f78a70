"""Edit similarity: one minus the normalised Levenshtein distance."""

from __future__ import annotations

from collections.abc import Sequence

from evals.scorers.score import Score, require_pairs

MAX_LENGTH = 50_000
"""Characters of each text that are aligned; the time goes with the product of the two lengths."""


def edit_similarity(predictions: Sequence[str], references: Sequence[str]) -> Score:
    """Score texts by how few characters must be inserted, deleted or replaced (rapidfuzz's Levenshtein).

    A row's similarity is `1 - distance / max(length of either)`; two empty texts have 1. The texts are taken as
    they are. Past the first 50,000 characters each is counted as different unless the two texts are equal, which
    can only make the similarity of such rows too low.

    Args:
        predictions: What was generated, at least one text.
        references: One reference for each prediction.

    Returns:
        The mean over the rows, 0 to 1, with its signature.

    Raises:
        EvalError: If the lengths differ or there is nothing to score.

    Examples:
        >>> edit_similarity(["x = 1"], ["x = 2"])
        0.8
    """
    require_pairs("Edit similarity", predictions, references)
    rows = [_similarity(*pair) for pair in zip(predictions, references, strict=True)]
    return Score(sum(rows) / len(rows), rows, signature())


def signature() -> str:
    """Return the settings and versions that the number depends on."""
    import rapidfuzz

    return f"unit:character|distance:levenshtein|norm:max|cap:{MAX_LENGTH}|rapidfuzz:{rapidfuzz.__version__}"


def _similarity(prediction: str, reference: str) -> float:
    from rapidfuzz.distance import Levenshtein

    if prediction == reference:
        return 1.0
    distance = Levenshtein.distance(prediction[:MAX_LENGTH], reference[:MAX_LENGTH])
    distance += max(len(prediction) - MAX_LENGTH, len(reference) - MAX_LENGTH, 0)
    return 1 - distance / max(len(prediction), len(reference))
