"""Exact match, after taking off what an editor would."""

from __future__ import annotations

from collections.abc import Sequence

from evals.errors import EvalError


def is_exact_match(prediction: str, reference: str) -> bool:
    """Say whether two texts are the same once line ends are `\\n` and outer white space is gone.

    White space inside the text counts, indentation after the first line included.

    Args:
        prediction: What was generated.
        reference: What was wanted.

    Returns:
        True if they match.
    """
    return _normal(prediction) == _normal(reference)


def exact_match(predictions: Sequence[str], references: Sequence[str]) -> float:
    """Return the share of predictions that equal their reference.

    Args:
        predictions: What was generated, at least one text.
        references: One reference for each prediction.

    Returns:
        A fraction, 0 to 1; `is_exact_match` says what counts as equal.

    Raises:
        EvalError: If the lengths differ or there is nothing to score.

    Examples:
        >>> exact_match(["x = 1\\n", "x = 2"], ["x = 1", "x = 1"])
        0.5
    """
    if not predictions or len(predictions) != len(references):
        raise EvalError(
            f"Exact match needs one reference for each prediction and at least one of them; "
            f"it got {len(predictions)} predictions and {len(references)} references."
        )
    pairs = zip(predictions, references, strict=True)
    return sum(is_exact_match(prediction, reference) for prediction, reference in pairs) / len(predictions)


def _normal(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()
