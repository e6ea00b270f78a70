"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from evals.errors import EvalError


def write_text(path: Path, text: str) -> None:
    """Write a file aside and rename it, so that no reader sees a part of it.

    Args:
        path: The file; one that is there is replaced.
        text: What it is to hold.

    Raises:
        EvalError: If it cannot be written.
    """
    _write_aside(path, [text])


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write lines as `write_text` writes a text, without holding all of them.

    Args:
        path: The file; one that is there is replaced.
        lines: Without their line ends.

    Raises:
        EvalError: If it cannot be written.
    """
    _write_aside(path, (line + "\n" for line in lines))


def _write_aside(path: Path, parts: Iterable[str]) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        try:
            with temporary.open("w", encoding="utf-8", newline="") as file:
                file.writelines(parts)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise EvalError(
            f"{path}: the file cannot be written ({error.strerror}); free space or change the folder's rights."
        ) from error
