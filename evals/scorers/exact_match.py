"""Exact match in three forms: as it is, after taking off what an editor would, and as a syntax tree."""

from __future__ import annotations

import ast
import platform
from collections.abc import Sequence
from typing import Literal

from evals.parsing import parse_python
from evals.python_source import with_unix_line_ends
from evals.scorers.score import Score, require_pairs

Form = Literal["raw", "stripped", "ast"]


def is_exact_match(prediction: str, reference: str, form: Form = "stripped") -> bool:
    """Say whether two texts are the same.

    Args:
        prediction: What was generated.
        reference: What was wanted.
        form: What may differ. `raw`: nothing. `stripped`: line ends and outer white space; white space inside the
            text counts, indentation after the first line included. `ast`: whatever leaves Python's syntax tree
            the same (comments, quotes, blank lines, line breaks, the width of the indentation); docstrings, names
            and the order of statements count. Texts that are no Python are compared as with `stripped`.

    Returns:
        True if they match.

    Examples:
        >>> is_exact_match("x = 'a'  # why", 'x="a"', form="ast")
        True
        >>> is_exact_match("x = 1\\n", "x = 1", form="raw")
        False
    """
    if prediction == reference:
        return True
    if form == "raw":
        return False
    if _stripped(prediction) == _stripped(reference):
        return True
    return form == "ast" and _same_tree(prediction, reference)


def exact_match(predictions: Sequence[str], references: Sequence[str], form: Form = "stripped") -> Score:
    """Return the share of predictions that equal their reference.

    Args:
        predictions: What was generated, at least one text.
        references: One reference for each prediction.
        form: `raw`, `stripped` or `ast`; `is_exact_match` says what each lets pass.

    Returns:
        A fraction, 0 to 1, with its signature.

    Raises:
        EvalError: If the lengths differ or there is nothing to score.

    Examples:
        >>> exact_match(["x = 1\\n", "x = 2"], ["x = 1", "x = 1"])
        0.5
    """
    require_pairs("Exact match", predictions, references)
    rows = [is_exact_match(*pair, form) for pair in zip(predictions, references, strict=True)]
    return Score(sum(rows) / len(rows), rows, signature(form))


def signature(form: Form = "stripped") -> str:
    """Return the settings and versions that the number depends on."""
    python = ".".join(platform.python_version_tuple()[:2])
    return f"form:ast|docstrings:yes|else:stripped|python:{python}" if form == "ast" else f"form:{form}"


def _stripped(text: str) -> str:
    return with_unix_line_ends(text).strip()


def _same_tree(prediction: str, reference: str) -> bool:
    one, other = parse_python(prediction)[0], parse_python(reference)[0]
    if one is None or other is None:
        return False
    try:
        return ast.dump(one) == ast.dump(other)
    except (RecursionError, MemoryError, ValueError):  # The last for whole numbers too long to be written.
        return False
