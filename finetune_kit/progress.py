"""What people see while the kit works: a live line in a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

PLAIN_EVERY = 15.0
"""Seconds between plain lines."""


class View:
    """Shows stages, and a bar for those with a known length.

    Args:
        file: Where to; standard output as it is now, so that what the libraries print later can go elsewhere.
        quiet: Show nothing.
    """

    def __init__(self, file: TextIO | None = None, quiet: bool = False) -> None:
        self.console = Console(file=file or sys.stdout, quiet=quiet, highlight=False, soft_wrap=True)

    def say(self, text: str) -> None:
        """A line that stays."""
        self.console.print(text, markup=False)

    @contextmanager
    def stage(self, title: str, total: int | None = None, unit: str = "") -> Iterator["Stage"]:
        """Something that takes a while.

        Args:
            title: What is done now.
            total: Of what it counts, where it is known.
            unit: What it counts, e.g. `step`.
        """
        if self.console.is_terminal:
            columns = (
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(bar_width=30),
                MofNCompleteColumn(),
                TextColumn("{task.fields[note]}"),
                TimeRemainingColumn(),
            )
            # rich would take standard error over, and show what has been sent to a log.
            with Progress(
                *columns, console=self.console, transient=True, redirect_stdout=False, redirect_stderr=False
            ) as progress:
                task = progress.add_task(title, total=total, note="")
                yield Stage(
                    lambda done, total, note: progress.update(task, completed=done, total=total, note=note), total
                )
        else:
            self.say(f"{title} ...")
            plain = _PlainLines(self, unit)
            yield Stage(plain.show, total)


class Stage:
    """How far a stage is.

    Args:
        show: Shows what is done, of how many, and a note.
        total: Of what it counts.
    """

    def __init__(self, show: Callable[[int, int | None, str], None], total: int | None) -> None:
        self._show = show
        self.total = total
        self.done = 0

    def advance(self, by: int = 1, note: str = "") -> None:
        """Count on."""
        self.done += by
        self._show(self.done, self.total, note)


class _PlainLines:
    """At most one line every few seconds, and one for the end."""

    def __init__(self, view: View, unit: str) -> None:
        self.view, self.unit = view, unit
        self.started = time.monotonic()
        self.shown = self.started

    def show(self, done: int, total: int | None, note: str) -> None:
        now = time.monotonic()
        if now - self.shown < PLAIN_EVERY and done != total:
            return
        self.shown = now
        left = ""
        if total and 0.05 * total <= done < total:
            left = f", {format_seconds((now - self.started) / done * (total - done))} left"
        self.view.say(f"  {self.unit} {done}{f' of {total}' if total else ''}{f', {note}' if note else ''}{left}")


def format_seconds(seconds: float) -> str:
    """Seconds as people say them.

    Example:
        >>> format_seconds(9.4), format_seconds(125)
        ('9 s', '2 min 05 s')
    """
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02d} s"
