"""Python source to a syntax tree, bounded, and never run."""

from __future__ import annotations

import ast
import warnings

MAX_SOURCE = 200_000
"""Characters; what is longer is not parsed."""


def parse_python(code: str) -> tuple[ast.Module | None, str]:
    """Parse a program without compiling or running any of it.

    Args:
        code: Any text.

    Returns:
        The tree and an empty string, or None and why there is no tree.

    Examples:
        >>> parse_python("x = (1")[1]
        "line 1: '(' was never closed"
    """
    if len(code) > MAX_SOURCE:
        return None, f"longer than {MAX_SOURCE:,} characters"
    try:
        # Invalid escapes warn, once for each program; that is the program's matter.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(code), ""
    except SyntaxError as error:
        return None, f"line {error.lineno}: {error.msg}" if error.lineno else str(error.msg)
    except ValueError as error:  # Null bytes, and characters that no encoding has.
        return None, str(error)
    except (RecursionError, MemoryError):
        return None, "nested too deeply to be parsed"
