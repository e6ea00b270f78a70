"""The code in a completion: which text, why, and what else it could have been."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from evals.parsing import parse_python
from evals.python_source import with_unix_line_ends

_FENCE = re.compile(r"([ \t]*)(`{3,}|~{3,})(.*)")
_DEFINITION = re.compile(r"^[ \t]*(?:async[ \t]+def|def|class)\b", re.MULTILINE)
_PYTHON = {"python", "py", "python3", "py3"}

# Marks of a line of code in any language; prose has none of them. Each looks at a bounded part of the line.
_CODE_LINE = re.compile(
    r"""[ \t]*(?:[@$<#{}\[(^]|//|/\*|>>>|end$)\S?                    # decorators, shells, tags, comments, brackets
    |.*(?:[;{}]|\)\s*:)[ \t]*$                               # statements and blocks of most languages
    |.*(?:[\w\])]\s?(?:[-+*/%|&]?=|==|!=|<=|>=|=>|->|:=)\s?[\w"'\[({-])   # assignments, comparisons, arrows
    |.*\w\(.{0,200}\)                                         # calls
    |\s*(?:async\s+def|def|class)\s+\w+\s*[(:]
    |\s*(?:def|class|elif|except|for|if|while|with|lambda|try|else|finally)\b.*:\s*(?:\#.*)?$
    |\s*(?:import|from|return|yield|raise|assert|del|global|pass|break|continue|print|let|const|var)\b(?![^.]*\.\s*$)
    |\s*(?:SELECT|INSERT|UPDATE|DELETE|CREATE|DROP|ALTER|FROM|WHERE|GROUP|ORDER)\b
    """,
    re.VERBOSE,
)
_PLAIN_WORD = re.compile(r"[\"'(]?[A-Za-z][A-Za-z'-]*[\"')]?[.,:;!?]?")
_LONGEST_LOOK = 400


@dataclass(frozen=True)
class Extraction:
    """The code that was taken from a completion, and how.

    Attributes:
        code: The code; where `found` is false, the text itself.
        reason: Why this text and no other, in a few words.
        language: What the fence says, in lower case, `python` for its abbreviations; None if nothing says it.
        alternatives: The other blocks that are not empty, in order.
        found: Whether there is code at all; false for an empty answer and for prose.
    """

    code: str
    reason: str
    language: str | None = None
    alternatives: tuple[str, ...] = ()
    found: bool = True


@dataclass(frozen=True)
class _Block:
    first_line: int
    language: str
    text: str
    closed: bool

    @property
    def is_python(self) -> bool:
        return self.language in _PYTHON


def extract(completion: str) -> Extraction:
    """Find the code in a completion, in time linear in its length.

    A fenced block (three or more backticks or tildes, any info string) wins over the text around it, and one
    that holds something over an empty one. Of several blocks, those marked `python` or `py` are preferred; among
    the preferred ones, the first that holds a `def` or a `class` wins, else the longest. A fence that is never
    closed reaches to the end, unless it is the very end: then it closes code whose opening fence stood in the
    prompt. Without a fence, the text itself is the code, if it is code: if it parses as Python, single words
    aside, or if one of its lines has a mark of code in any language. Line ends become `\\n`, indentation stays,
    and blank lines around the code go.

    Args:
        completion: What the model wrote.

    Returns:
        The code, with the reason for it and the alternatives.

    Examples:
        >>> extract("Sure:\\n```py\\nx = 1\\n```\\nRun it:\\n```sh\\npython x.py\\n```").alternatives
        ('python x.py',)
        >>> extract("I cannot help with that.").found
        False
    """
    lines = with_unix_line_ends(completion).split("\n")
    blocks = _fenced_blocks(lines)
    if not blocks:
        return _unfenced(_without_blank_edges(lines), "no fence, so the whole text")
    if len(blocks) == 1 and not blocks[0].closed and not blocks[0].text:
        text = _without_blank_edges(lines[: blocks[0].first_line])
        return _unfenced(text, "the text before a fence that only closes")
    filled = [block for block in blocks if block.text]
    if not filled:
        return Extraction("", "the fence is empty", _language(blocks[0]), found=False)
    python = [block for block in filled if block.is_python]
    preferred = python or filled
    chosen, reason = _chosen(preferred, "Python block" if python else "block", len(filled))
    if not chosen.closed:
        reason += ", never closed"
    return Extraction(
        chosen.text, reason, _language(chosen), tuple(block.text for block in filled if block is not chosen)
    )


def extract_code(completion: str) -> str:
    """Return the code in a completion; `extract` says by which rules, and why.

    Args:
        completion: What the model wrote.

    Returns:
        The code; empty if the completion is.

    Examples:
        >>> extract_code("Sure:\\n```python\\nx = 1\\n```\\nDone.")
        'x = 1'
        >>> extract_code("\\n    return 1\\n")
        '    return 1'
    """
    return extract(completion).code


def _chosen(preferred: list[_Block], kind: str, filled: int) -> tuple[_Block, str]:
    if filled == 1:
        return preferred[0], "the only fenced block"
    if len(preferred) == 1:
        return preferred[0], f"the only {kind} of {filled} blocks"
    for block in preferred:
        if _DEFINITION.search(block.text):
            return block, f"the first of {len(preferred)} {kind}s that defines something"
    return max(preferred, key=lambda block: len(block.text)), f"the longest of {len(preferred)} {kind}s"


def _unfenced(text: str, reason: str) -> Extraction:
    if not text:
        return Extraction("", "the answer is empty", found=False)
    if _is_code(text):
        return Extraction(text, reason)
    return Extraction(text, "no fence, and the text reads as prose", found=False)


def _is_code(text: str) -> bool:
    """Say whether a text without a fence is code; cheap first."""
    heads = (line[:_LONGEST_LOOK] for line in text.split("\n"))
    if any(_CODE_LINE.match(head) and not _is_sentence(head) for head in heads):
        return True
    tree, _ = parse_python(text)
    if tree is None:
        # The body of a function, which continues a prompt, parses only within one.
        tree = parse_python("if 1:\n" + text)[0] if text[:1] in " \t" else None
    if tree is None or not tree.body:
        return False
    return not all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Name) for node in tree.body)


def _is_sentence(line: str) -> bool:
    """Say whether a line is prose, though it may name a function: it begins as a sentence and is mostly words."""
    words = line.split()
    if len(words) < 6 or not line.lstrip()[0].isupper() or words[0].isupper() or line.rstrip()[-1] in ";{}":
        return False
    return sum(_PLAIN_WORD.fullmatch(word) is not None for word in words) >= 0.8 * len(words)


def _language(block: _Block) -> str | None:
    return "python" if block.is_python else block.language or None


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
    return _Block(first_line, language, _without_blank_edges(body), closed)


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
