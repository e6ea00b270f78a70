"""The code in a completion."""

from __future__ import annotations

import re
from dataclasses import dataclass

_FENCE = re.compile(r"([ \t]*)(`{3,}|~{3,})(.*)")
_DEFINITION = re.compile(r"^[ \t]*(?:async[ \t]+def|def|class)\b", re.MULTILINE)
_PYTHON = {"python", "py", "python3", "py3"}


@dataclass(frozen=True)
class _Block:
    first_line: int
    is_python: bool
    text: str
    closed: bool


def extract_code(completion: str) -> str:
    """Return the code in a completion, in time linear in its length.

    A fenced block (three or more backticks or tildes, any info string) wins over the text around it. Of
    several blocks, those marked `python` or `py` are preferred; among the preferred ones, the first that
    holds a `def` or a `class` wins, else the longest. A fence that is never closed reaches to the end, unless
    it is the very end: then it closes code whose opening fence stood in the prompt. Without a fence, the text
    itself is the code. Line ends become `\\n`, indentation stays, and blank lines around the code go.

    Args:
        completion: What the model wrote.

    Returns:
        The code; empty if there is none.

    Examples:
        >>> extract_code("Sure:\\n```python\\nx = 1\\n```\\nDone.")
        'x = 1'
        >>> extract_code("\\n    return 1\\n")
        '    return 1'
    """
    lines = completion.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    blocks = _fenced_blocks(lines)
    if not blocks:
        return _without_blank_edges(lines)
    if len(blocks) == 1 and not blocks[0].closed and not blocks[0].text:
        return _without_blank_edges(lines[: blocks[0].first_line])
    preferred = [block for block in blocks if block.is_python] or blocks
    for block in preferred:
        if _DEFINITION.search(block.text):
            return block.text
    return max(preferred, key=lambda block: len(block.text)).text


def _fenced_blocks(lines: list[str]) -> list[_Block]:
    blocks: list[_Block] = []
    opening: tuple[int, str, str, str] | None = None  # line, indent, fence, info string
    for number, line in enumerate(lines):
        match = _FENCE.match(line)
        if match is None:
            continue
        indent, fence, rest = match.groups()
        if opening is None:
            if fence[0] == "~" or "`" not in rest:
                opening = (number, indent, fence, rest)
        elif fence[0] == opening[2][0] and len(fence) >= len(opening[2]) and not rest.strip():
            blocks.append(_block(lines, opening, number, closed=True))
            opening = None
    if opening is not None:
        blocks.append(_block(lines, opening, len(lines), closed=False))
    return blocks


def _block(lines: list[str], opening: tuple[int, str, str, str], end: int, *, closed: bool) -> _Block:
    first_line, indent, _, info = opening
    body = lines[first_line + 1 : end]
    if indent:
        body = [_outdent(line, len(indent)) for line in body]
    words = info.strip().strip("{}").replace(",", " ").split(maxsplit=1)
    language = words[0].lstrip(".").lower() if words else ""
    return _Block(first_line, language in _PYTHON, _without_blank_edges(body), closed)


def _outdent(line: str, width: int) -> str:
    """Take off the indentation that the fence itself has, as in a list item."""
    own = len(line) - len(line.lstrip(" \t"))
    return line[min(own, width) :]


def _without_blank_edges(lines: list[str]) -> str:
    first, last = 0, len(lines)
    while first < last and not lines[first].strip():
        first += 1
    while last > first and not lines[last - 1].strip():
        last -= 1
    return "\n".join(lines[first:last])
