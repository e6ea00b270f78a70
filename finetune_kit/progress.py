"""What people see while the kit works: a live line in a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

PLAIN_EVERY = 15.0
"""Seconds between plain lines."""
NOTEBOOK_EVERY = 0.5
"""Seconds between what a notebook shows."""


class View:
    """Shows stages, and a bar for those with a known length.

    Args:
        file: Where to; standard output as it is now, so that what the libraries print later can go elsewhere.
        quiet: Show nothing.
    """

    def __init__(self, file: TextIO | None = None, quiet: bool = False) -> None:
        self.console = Console(
            file=file or sys.stdout, quiet=quiet, highlight=False, soft_wrap=True, force_jupyter=False
        )

    def say(self, text: str) -> None:
        """A line that stays."""
        self.console.print(text, markup=False)

    @classmethod
    def of_a_script(cls) -> "View":
        """For those who call a function and name no view: in a notebook it shows, in a script it does not."""
        return cls(quiet=_notebook() is None)

    @contextmanager
    def stage(self, title: str, total: int | None = None, unit: str = "") -> Iterator["Stage"]:
        """Something that takes a while.

        Args:
            title: What is done now.
            total: Of what it counts, where it is known.
            unit: What it counts, e.g. `step`.
        """
        # A kernel's standard output says that it is a terminal.
        if not self.console.quiet and (show := _notebook_line(title, unit)):
            yield Stage(show, total)
        elif self.console.is_terminal:
            columns = (
                TextColumn("{task.description}"),
                # What a step says has 50 characters, and the rest 20.
                BarColumn(bar_width=min(30, max(4, self.console.width - 76))),
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


def _notebook() -> Any:
    """The kernel's shell, where this runs in a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell if hasattr(shell, "kernel") else None


def _notebook_line(title: str, unit: str) -> Callable[[int, int | None, str], None] | None:
    """In a notebook, one line that is written anew: it goes to the page, wherever standard output goes."""
    if _notebook() is None:
        return None
    from html import escape

    from IPython.display import HTML, display

    def line(done: int, total: int | None, note: str) -> HTML:
        count = f"{unit} {done} of {total}" if total else f"{unit} {done}" if done else "..."
        text = escape(f"{title}: {count}{f', {note}' if note else ''}")
        bar = f'<progress aria-label="{escape(title)}" value="{done}" max="{total}"></progress> ' if total else ""
        return HTML(f"<div>{bar}{text}</div>")

    handle = display(line(0, None, ""), display_id=True)
    shown = time.monotonic()

    def show(done: int, total: int | None, note: str) -> None:
        nonlocal shown
        now = time.monotonic()
        if now - shown >= NOTEBOOK_EVERY or done == total:
            shown = now
            handle.update(line(done, total, note))

    return show


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
