"""How figures are written, and the names and the order in which all reports show them."""

from __future__ import annotations

from collections.abc import Iterable

SIDES = ("base", "prompted", "tuned")
"""The order in which the sides are shown; not every evaluation has a prompted one."""
HUNDREDS = ("bleu", "code_bleu", "chrf")
"""The metrics that count to 100; all others are shares, 0 to 1."""
HEADLINES = {
    "better": "The tuned model is better",
    "worse": "The tuned model is worse",
    "no measurable difference": "No measurable difference",
}
UNJUDGED = ("harness_error", "inconclusive")
"""Statuses that say nothing of a program."""
RUNGS = {"0": "does not parse", "1": "parses", "2": "compiles", "3": "runs", "4": "behaves like the reference"}
"""What the rungs of the ladder mean."""
REACHED = {"parses": 1, "compiles": 2, "runs": 3, "behaves": 4}
"""The rungs that an answer can reach, by their names in `summary.json` and in gates."""
CORRECTED = "Verdicts are corrected for the number of {several} (Holm); intervals are those of one alone."
OVER_PROMPTED = "Over the base model prompted at its best"
"""What the comparison is called that tells what was learnt from the form of the answers."""
UNTESTED = "Not tested for significance"


def format_score(metric: str, value: float | None) -> str:
    """Write a score in its own unit: three digits of a share, two of a score that counts to 100.

    Args:
        metric: The metric's name.
        value: The score; None is shown as a hyphen.

    Returns:
        The figure.

    Examples:
        >>> format_score("pass@1", 0.5), format_score("bleu", 41.237)
        ('0.500', '41.24')
    """
    if value is None:
        return "-"
    return f"{value:.2f}" if metric in HUNDREDS else f"{value:.3f}"


def format_difference(metric: str, value: float | None) -> str:
    """Write a difference with its sign, and one that rounds to nothing without.

    Args:
        metric: The metric's name.
        value: The difference; None is shown as a hyphen.

    Returns:
        The figure.

    Examples:
        >>> format_difference("pass@1", 0.25), format_difference("pass@1", -0.0001)
        ('+0.250', '0.000')
    """
    text = format_score(metric, value)
    if value is None:
        return text
    if not float(text):
        return text.lstrip("-")
    return f"+{text}" if value > 0 else text


def format_interval(metric: str, interval: Iterable[float | None] | None) -> str:
    """Write an interval of differences; nothing where there is none.

    Args:
        metric: The metric's name.
        interval: Its two bounds.

    Returns:
        The figures, such as `[+0.010, +0.100]`.
    """
    bounds = list(interval or [])
    return f"[{', '.join(format_difference(metric, bound) for bound in bounds)}]" if bounds else ""


def group_order(names: Iterable[str]) -> list[str]:
    """Put `seen` and `unseen` before other groups, which keep their order."""
    names = list(names)
    usual = [name for name in ("seen", "unseen") if name in names]
    return usual + [name for name in names if name not in usual]


def rung_label(name: str) -> str:
    """Say what a rung of `REACHED` means.

    Examples:
        >>> rung_label("behaves")
        'behaves like the reference'
    """
    return RUNGS.get(str(REACHED.get(name)), name)
