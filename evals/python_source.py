"""Python source to tokens: bounded, tolerant, and never run."""

from __future__ import annotations

import io
import re
import tokenize

from evals.parsing import MAX_SOURCE

INDENT, DEDENT, NEWLINE = "<indent>", "<dedent>", "<newline>"
"""The layout tokens; no token of Python's is spelled so."""
MAX_LINE = 2_000
"""Characters; Python 3.12's tokenizer takes time and memory in the square of a line's length."""

_LAYOUT = {tokenize.INDENT: INDENT, tokenize.DEDENT: DEDENT, tokenize.NEWLINE: NEWLINE}
_LEFT_OUT = {tokenize.COMMENT, tokenize.NL, tokenize.ENCODING, tokenize.ENDMARKER}
# Every alternative that opens a string also takes one that is never closed, so that nothing is read twice.
_TOKEN = re.compile(
    r"""(?P<skip>[^\S\n]+|\\\n|\#[^\n]*)
    |(?P<line>\n)
    |[rbfuRBFU]{0,2}(?:'''(?:[^\\']|\\.|'(?!''))*(?:'''|\\?\Z)|\"\"\"(?:[^\\"]|\\.|"(?!""))*(?:\"\"\"|\\?\Z)
        |'(?:[^'\\\n]|\\.)*'?|"(?:[^"\\\n]|\\.)*"?)
    |\d[\w.]*|\w+
    |(?P<open>[(\[{])|(?P<close>[)\]}])
    |\*\*=?|//=?|>>=?|<<=?|->|:=|\.\.\.|[-+*/%&|^@=!<>]=|.""",
    re.VERBOSE | re.DOTALL,
)


def python_tokens(code: str) -> list[str] | None:
    """Split a program into Python's own tokens, with those of the layout, without comments and blank lines.

    Args:
        code: Any text.

    Returns:
        The tokens as they are spelled, `INDENT`, `DEDENT` and `NEWLINE` among them; None if Python's tokenizer
        refuses the text, or if the text is longer than `MAX_SOURCE` or has a line longer than `MAX_LINE`.

    Examples:
        >>> python_tokens("if x:  # why\\n    y = 'a b'")
        ['if', 'x', ':', '<newline>', '<indent>', 'y', '=', "'a b'", '<newline>', '<dedent>']
        >>> python_tokens("x = (1") is None
        True
    """
    code = with_unix_line_ends(code)
    if len(code) > MAX_SOURCE or max(map(len, code.split("\n"))) > MAX_LINE:
        return None
    tokens = []
    try:
        for kind, text, *_ in tokenize.generate_tokens(io.StringIO(code).readline):
            if kind not in _LEFT_OUT:
                tokens.append(_LAYOUT.get(kind, text))
    except (tokenize.TokenError, SyntaxError, ValueError, SystemError, RecursionError, MemoryError):
        return None
    return tokens


def tolerant_tokens(code: str) -> list[str]:
    """Split any text into tokens much as Python would, in linear time; nothing is an error.

    Brackets join lines as they do in Python, up to a line that is indented less than the one that opened them,
    so that a bracket which is never closed does not swallow the layout of the rest. A string that is never
    closed ends with its line, one in triple quotes with the text. An f-string is one token.

    Args:
        code: Any text.

    Returns:
        The tokens, `INDENT`, `DEDENT` and `NEWLINE` among them.

    Examples:
        >>> tolerant_tokens("if x:\\n  y = (1")
        ['if', 'x', ':', '<newline>', '<indent>', 'y', '=', '(', '1', '<newline>', '<dedent>']
    """
    tokens: list[str] = []
    levels = [0]
    open_brackets = 0
    at_start, width = True, 0
    for match in _TOKEN.finditer(with_unix_line_ends(code)):
        text, kind = match.group(), match.lastgroup
        if kind == "skip":
            width = len(text.expandtabs()) if at_start and text[0] not in "#\\" else width
            continue
        if kind == "line":
            if not at_start and not open_brackets:
                tokens.append(NEWLINE)
            at_start, width = True, 0
            continue
        if at_start:
            if open_brackets and width < levels[-1]:
                open_brackets = 0
                tokens.append(NEWLINE)
            if not open_brackets:
                _indent(tokens, levels, width)
            at_start = False
        open_brackets = max(0, open_brackets + (kind == "open") - (kind == "close"))
        tokens.append(text)
    if tokens and tokens[-1] != NEWLINE:
        tokens.append(NEWLINE)
    return tokens + [DEDENT] * (len(levels) - 1)


def with_unix_line_ends(text: str) -> str:
    """Return the text with every line end as `\\n`."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _indent(tokens: list[str], levels: list[int], width: int) -> None:
    if width > levels[-1]:
        levels.append(width)
        tokens.append(INDENT)
    while width < levels[-1]:
        levels.pop()
        tokens.append(DEDENT)
