"""A score that carries its settings and the rows it was made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from evals.errors import EvalError


class Score(float):
    """A number that cannot be quoted without its settings.

    It is the corpus score itself, so that it compares, adds up and is written as JSON like any float.

    Attributes:
        rows: The score of each row, in the same unit.
        signature: Every setting and version that the number depends on, as `key:value` joined by `|`.

    Examples:
        >>> score = Score(0.5, rows=[1.0, 0.0], signature="form:raw")
        >>> score, score.rows, score.signature
        (0.5, (1.0, 0.0), 'form:raw')
    """

    rows: tuple[float, ...]
    signature: str

    def __new__(cls, score: float, rows: Iterable[float] = (), signature: str = "") -> Score:
        """Make a score of a number."""
        self = super().__new__(cls, score)
        self.rows = tuple(map(float, rows))
        self.signature = signature
        return self

    @property
    def score(self) -> float:
        """The number alone."""
        return float(self)

    def __getnewargs__(self) -> tuple[float, tuple[float, ...], str]:  # type: ignore[override]
        """What a copy in another process is made of."""
        return float(self), self.rows, self.signature


def require_pairs(metric: str, predictions: Sequence[str], references: Sequence[str]) -> None:
    """Refuse texts that do not pair up.

    Args:
        metric: How the message calls the metric.
        predictions: What was generated.
        references: What was wanted.

    Raises:
        EvalError: If the lengths differ, there is nothing to score, or a text is none.
    """
    if isinstance(predictions, str) or isinstance(references, str):
        raise EvalError(f"{metric} needs lists of texts; it got a single text. Put it in a list.")
    if not len(predictions) or len(predictions) != len(references):
        raise EvalError(
            f"{metric} needs one reference for each prediction and at least one of them; "
            f"it got {len(predictions)} predictions and {len(references)} references."
        )
    for side, texts in (("prediction", predictions), ("reference", references)):
        for number, text in enumerate(texts):
            if not isinstance(text, str):
                raise EvalError(f"{metric} compares texts, and {side} {number} is {type(text).__name__}.")
