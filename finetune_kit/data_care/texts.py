"""Faults that can be seen in a text alone: letters that a wrong encoding has spoilt, and characters without ink."""

import re
import unicodedata


def _misread(*ranges: range) -> str:
    """What bytes become when UTF-8 is read as Latin-1 or as Windows-1252, for a class of characters."""
    return "".join(
        bytes([one]).decode(name, "ignore") for each in ranges for one in each for name in ("latin-1", "cp1252")
    )


_NEXT = f"[{_misread(range(0x80, 0xC0))}]"
# Only what no language writes: a letter with such a sign behind it may also end a quotation ("été…”").
_MOJIBAKE = re.compile(
    f"[ÂÃ]{_NEXT}"  # Latin letters and signs: é, °, a space that does not break
    f"|â[{_misread(*(range(one, one + 1) for one in (0x80, 0x82, 0x84, 0x86, 0x88, 0x96, 0x9C, 0x9D)))}]{_NEXT}"
    # The line above: quotes, dashes, euro, trade mark, arrows, check marks.
    f"|(?:[ÎÏÐÑ]{_NEXT}){{2,}}"  # Greek, Cyrillic
    f"|(?:[ã-í]{_NEXT}{{2}}){{2,}}"  # Chinese, Japanese, Korean
    f"|ð[{_misread(range(0x9F, 0xA0))}]{_NEXT}{{2}}"  # emoji
    f"|ï»¿"  # a byte order mark
)
_LINE_END = re.compile("\r\n|\r|\n")
_UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2064\u2066-\u2069\ufeff]"
)
_UNSEEN_ASCII = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# Joiners belong to emoji and to the scripts of Persia and India.
_JOINED = re.compile(
    "(?<=[\ufe0f\u2600-\u27bf\U0001f000-\U0001faff])\u200d|(?<=[\u0600-\u06ff\u0900-\u0dff])[\u200c\u200d]"
)
_NAMES = {"\x7f": "DELETE", "\x00": "NULL", "\x1b": "ESCAPE", "\x08": "BACKSPACE", "\x0c": "FORM FEED"}


def encoding_faults(text: str) -> list[str]:
    """Say what of a text's letters and line ends is broken.

    Args:
        text: Any text.

    Returns:
        One phrase for each kind of fault.

    Examples:
        >>> encoding_faults("caf\\u00c3\\u00a9")
        ["'Ã©' for 'é' in line 1"]
        >>> encoding_faults("café, «été…»")
        []
    """
    faults = []
    if not text.isascii():
        if match := _MOJIBAKE.search(text):
            meant = _meant(match[0])
            faults.append(f"{match[0]!r}{f' for {meant!r}' if meant else ''} in line {_line(text, match.start())}")
        if "\ufffd" in text:
            faults.append(
                f"U+FFFD, which stands for a letter that is lost, in line {_line(text, text.index('\ufffd'))}"
            )
    if "\r" in text and len(ends := set(_LINE_END.findall(text))) > 1:
        faults.append(f"line ends of {len(ends)} kinds ({', '.join(sorted(map(repr, ends)))})")
    return faults


def unseen_characters(text: str) -> list[str]:
    """Name the controls, characters without width and marks of direction in a text.

    Args:
        text: Any text.

    Returns:
        One phrase for each character.

    Examples:
        >>> unseen_characters("x\\u200b = 1")
        ['U+200B ZERO WIDTH SPACE in line 1']
    """
    pattern = _UNSEEN_ASCII if text.isascii() else _UNSEEN
    if not pattern.search(text):
        return []
    joined = {match.start() for match in _JOINED.finditer(text)}
    places: dict[str, list[int]] = {}
    for match in pattern.finditer(text):
        if match.start() not in joined:
            places.setdefault(match[0], []).append(match.start())
    return [
        f"U+{ord(one):04X} {_NAMES.get(one) or unicodedata.name(one, 'control character')} "
        f"in line {_line(text, found[0])}" + (f" and {len(found) - 1} times more" if len(found) > 1 else "")
        for one, found in places.items()
    ]


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


def _meant(spoilt: str) -> str:
    for encoding in ("cp1252", "latin-1"):
        try:
            return spoilt.encode(encoding).decode("utf-8")
        except UnicodeError:
            continue
    return ""
