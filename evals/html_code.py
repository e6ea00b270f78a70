"""Code as HTML: highlighted by Pygments, numbered by the style sheet, changed lines marked."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from markupsafe import Markup

from evals.plain_text import cut, visible

if TYPE_CHECKING:
    from pygments.formatters import HtmlFormatter
    from pygments.lexer import Lexer

MAX_CHARACTERS = 8_000
MAX_LINES = 160
_LONGEST_LINE = 2_000
_FENCED_AS = {"py": "python", "python3": "python", "": "python"}


def code_html(code: str, language: str | None = "python", against: str | None = None) -> tuple[Markup, int]:
    """Highlight code and mark the lines that another text does not have.

    Args:
        code: Untrusted text; only its beginning is shown where it is long.
        language: Its language, by a name that Pygments knows; others are shown without colours.
        against: The text that lines are compared with; None marks nothing.

    Returns:
        One `<span class="line">` a line, every character of `code` escaped, and how many characters were left off.
    """
    shown, left_off = _shown(code)
    changed = _changed_lines(shown, _shown(against)[0]) if against is not None else set()
    lines = [
        f'<span class="line{" changed" if number in changed else ""}">{line}\n</span>'
        for number, line in enumerate(_highlighted(shown, language))
    ]
    return Markup("".join(lines)), left_off


def _shown(code: str) -> tuple[str, int]:
    shown, left_off = cut(code, MAX_CHARACTERS, MAX_LINES)
    lines = visible(shown, code=True).rstrip("\n").split("\n")
    left_off += sum(max(0, len(line) - _LONGEST_LINE) for line in lines)
    return "\n".join(line if len(line) <= _LONGEST_LINE else line[:_LONGEST_LINE] + "…" for line in lines), left_off


def _changed_lines(code: str, other: str) -> set[int]:
    ours, theirs = ([line.rstrip() for line in text.split("\n")] for text in (code, other))
    matcher = difflib.SequenceMatcher(None, theirs, ours, autojunk=False)
    return {
        number
        for tag, _, _, start, end in matcher.get_opcodes()
        if tag in ("replace", "insert")
        for number in range(start, end)
    }


def _highlighted(code: str, language: str | None) -> Sequence[str]:
    from pygments import highlight

    # The formatter closes its spans at the end of each line, so that a line can be wrapped.
    html = highlight(code + "\n", _lexer(language or "python"), _formatter())
    return html.removesuffix("\n").split("\n")


@cache
def _formatter() -> HtmlFormatter[str]:
    from pygments.formatters import HtmlFormatter

    return HtmlFormatter(nowrap=True)


@cache
def _lexer(language: str) -> Lexer:
    from pygments.lexers import TextLexer, get_lexer_by_name
    from pygments.util import ClassNotFound

    name = language.strip().lower()
    try:
        return get_lexer_by_name(_FENCED_AS.get(name, name), stripnl=False, ensurenl=False)
    except ClassNotFound:
        return TextLexer(stripnl=False, ensurenl=False)
