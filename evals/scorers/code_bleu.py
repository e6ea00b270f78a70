"""BLEU over Python's own tokens, the layout among them. It is not CodeBLEU."""

from __future__ import annotations

import platform
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from evals.python_source import python_tokens, tolerant_tokens
from evals.scorers.bleu import bleu_of, count_ngrams
from evals.scorers.score import Score, require_pairs

if TYPE_CHECKING:
    import numpy as np

_SPACE = re.compile(r"\s")


def code_bleu(predictions: Sequence[str], references: Sequence[str]) -> Score:
    """Score programs with corpus BLEU over the tokens that Python reads, INDENT, DEDENT and NEWLINE included.

    Indentation that means something else costs, four spaces for two do not, and neither do comments, blank lines
    and spaces around operators. The order is effective: n-grams longer than the predictions do not count, so a
    perfect `x = 1` is 100. A pair in which Python's tokenizer refuses either text (broken Python, other
    languages, very long lines) is compared by the tokens of a tolerant one (`evals.python_source.tolerant_tokens`,
    the `fallback` of the signature) that knows the same layout. A string is one token, and names and constants
    count as much as structure.

    This is not CodeBLEU (Ren et al., 2020), which also weighs keywords, syntax trees and data flow, and gives
    0.25 to an empty answer; here an empty answer is 0.

    Args:
        predictions: What was generated, at least one text.
        references: One reference for each prediction.

    Returns:
        The score, 0 to 100, with its signature.

    Raises:
        EvalError: If the lengths differ or there is nothing to score.

    Examples:
        >>> code_bleu(["x = 1"], ["x=1  # one"]).score
        100.0
        >>> code_bleu(["if x:\\n    y = 1\\nz = 2"], ["if x:\\n    y = 1\\n    z = 2"]).score < 100
        True
    """
    statistics = code_bleu_statistics(predictions, references)
    return Score(float(code_bleu_of(statistics.sum(axis=0))), code_bleu_of(statistics), signature())


def code_bleu_statistics(predictions: Sequence[str], references: Sequence[str]) -> np.ndarray:
    """Count what `code_bleu` is made of, row by row.

    Args:
        predictions: What was generated, at least one text.
        references: One reference for each prediction.

    Returns:
        Integers of shape (rows, 10); `evals.scorers.bleu.bleu_statistics` describes them.

    Raises:
        EvalError: If the lengths differ or there is nothing to score.
    """
    require_pairs("Code BLEU", predictions, references)
    pairs = [_token_lines(*pair) for pair in zip(predictions, references, strict=True)]
    return count_ngrams([pair[0] for pair in pairs], [pair[1] for pair in pairs], "none")


def code_bleu_of(statistics: np.ndarray) -> np.ndarray:
    """Compute code BLEU from counts; nothing where nothing was wanted is right.

    Args:
        statistics: Counts of shape (..., 10), or sums of rows of them.

    Returns:
        The score, 0 to 100, of shape (...).
    """
    import numpy as np

    nothing = (np.asarray(statistics)[..., :2] == 0).all(axis=-1)
    return np.where(nothing, 100.0, bleu_of(statistics, effective_order=True))


def signature() -> str:
    """Return the settings and versions that the number depends on."""
    import sacrebleu

    minor = ".".join(platform.python_version_tuple()[:2])
    return (
        f"nrefs:1|case:mixed|eff:yes|tok:python{minor}+layout|comments:no|fallback:tolerant|smooth:exp"
        f"|version:{sacrebleu.__version__}"
    )


def _token_lines(prediction: str, reference: str) -> tuple[str, str]:
    """Tokenize both texts in the same way, and join the tokens by spaces."""
    one, other = python_tokens(prediction), python_tokens(reference)
    if one is None or other is None:
        one, other = tolerant_tokens(prediction), tolerant_tokens(reference)
    return _joined(one), _joined(other)


def _joined(tokens: list[str]) -> str:
    # sacrebleu splits at white space, which only strings have within.
    return " ".join(_SPACE.sub("\N{OPEN BOX}", token) for token in tokens)
