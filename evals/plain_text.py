"""Text from models made safe to show: what a reader cannot see is written out."""

from __future__ import annotations

import re

# C0 and C1 controls but for tab and line feed, lone surrogates, and the two code points that XML forbids besides.
_NEVER_SHOWN = "\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff"
# Marks that turn the direction of what follows, so that code reads otherwise than it runs ("Trojan Source").
_TURNS_DIRECTION = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_NO_WIDTH = "\u00ad\u180e\u200b-\u200d\u2060-\u2064\ufeff"
_IN_PROSE = re.compile(f"[{_NEVER_SHOWN}\u202a-\u202e\u2066-\u2069]")
_IN_CODE = re.compile(f"[{_NEVER_SHOWN}{_TURNS_DIRECTION}{_NO_WIDTH}]")
_LINE_END = re.compile("\r\n?")


def visible(text: object, code: bool = False) -> str:
    """Write out the characters that cannot be seen, or that no HTML or XML file may hold.

    Line ends become line feeds; other characters that cannot be seen become their code points in brackets.

    Args:
        text: What to show; anything but a string is turned into one.
        code: Whether characters without width and marks of direction are written out as well. In prose some
            languages need them; in code they only deceive.

    Returns:
        Text that encodes as UTF-8 and holds no character that XML 1.0 forbids.

    Examples:
        >>> visible("a\\x00b\\r\\nc\\ud800")
        'a⟨U+0000⟩b\\nc⟨U+D800⟩'
        >>> visible("if x:\\u202e # y", code=True)
        'if x:⟨U+202E⟩ # y'
    """
    pattern = _IN_CODE if code else _IN_PROSE
    return pattern.sub(_number, _LINE_END.sub("\n", text if isinstance(text, str) else str(text)))


def one_line(text: object, limit: int = 200) -> str:
    """Put a text on one line, and cut it where it is too long for one.

    Args:
        text: What to show.
        limit: How many characters to keep.

    Returns:
        The line, with an ellipsis where it was cut.
    """
    line = " ".join(visible(text if not isinstance(text, str) else text[: 2 * limit]).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def cut(text: str, characters: int, lines: int) -> tuple[str, int]:
    """Keep the beginning of a text.

    Args:
        text: The text.
        characters: How many characters to keep at most.
        lines: How many lines to keep at most.

    Returns:
        The beginning, and how many characters were left off.
    """
    kept = "\n".join(text[:characters].split("\n", lines)[:lines])
    return kept, len(text) - len(kept)


def _number(match: re.Match[str]) -> str:
    # Unicode has pictures of some controls, but few fonts do.
    return f"⟨U+{ord(match[0]):04X}⟩"
