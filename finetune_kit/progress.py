"""What people see while the kit works: a live line in a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

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
    def stage(self, title: str, total: int | None = None, unit: str = "", done: int = 0) -> Iterator["Stage"]:
        """Something that takes a while.

        Args:
            title: What is done now.
            total: Of what it counts, where it is known.
            unit: What it counts, e.g. `step`.
            done: How many were done before, where it is gone on with.
        """
        # A kernel's standard output says that it is a terminal.
        if not self.console.quiet and (show := _notebook_line(title, unit, _Pace(done))):
            yield Stage(show, total, done)
        elif self._is_live:
            counting = (
                # What a step says has 50 characters, and the rest 20.
                BarColumn(bar_width=min(30, max(4, self.console.width - 76))),
                MofNCompleteColumn(),
                TextColumn("{task.fields[note]}"),
                TimeRemainingColumn(),
            )
            with Progress(
                TextColumn("{task.description}"),
                *((SpinnerColumn("line"),) if total is None else counting),
                console=self.console,
                transient=True,
                # rich would take standard error over, and show what has been sent to a log.
                redirect_stdout=False,
                redirect_stderr=False,
                # By its own 30 seconds rich tells no time where a step takes longer, nor after an evaluation.
                speed_estimate_period=600,
            ) as progress:
                task = progress.add_task(title, total=total, completed=done, note="")
                yield Stage(
                    lambda done, total, note: progress.update(task, completed=done, total=total, note=note), total, done
                )
        else:
            self.say(f"{title} ...")
            plain = _PlainLines(self, unit, _Pace(done))
            yield Stage(plain.show, total, done)

    @property
    def _is_live(self) -> bool:
        """Whether a line can be written anew; `FORCE_COLOR` makes rich take any file for a terminal."""
        return self.console.is_terminal and self.console.file.isatty() and not self.console.is_dumb_terminal


class Stage:
    """How far a stage is.

    Args:
        show: Shows what is done, of how many, and a note.
        total: Of what it counts.
        done: How many were done before.
    """

    def __init__(self, show: Callable[[int, int | None, str], None], total: int | None, done: int = 0) -> None:
        self._show = show
        self.total = total
        self.done = done

    def advance(self, by: int = 1, note: str = "") -> None:
        """Count on."""
        self.done += by
        self._show(self.done, self.total, note)


def _notebook() -> Any:
    """The kernel's shell, where this runs in a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell if hasattr(shell, "kernel") else None


class _Pace:
    """How long the rest takes, by what was done since; what was done before took no time of it.

    Args:
        done: How many were done before.
    """

    def __init__(self, done: int) -> None:
        self.began, self.before = time.monotonic(), done

    def left(self, done: int, total: int | None) -> str:
        """The time that is left, in words; empty before a twentieth is done."""
        if not total or done >= total or done - self.before < 0.05 * (total - self.before):
            return ""
        seconds = (time.monotonic() - self.began) / (done - self.before) * (total - done)
        return f", {format_seconds(seconds)} left"


def _notebook_line(title: str, unit: str, pace: _Pace) -> Callable[[int, int | None, str], None] | None:
    """In a notebook, one line that is written anew: it goes to the page, wherever standard output goes."""
    if _notebook() is None:
        return None
    from html import escape

    from IPython.display import HTML, display

    def line(done: int, total: int | None, note: str) -> HTML:
        count = f"{unit} {done} of {total}" if total else f"{unit} {done}" if done else "..."
        text = escape(f"{title}: {count}{f', {note}' if note else ''}{pace.left(done, total)}")
        bar = f'<progress aria-label="{escape(title)}" value="{done}" max="{total}"></progress> ' if total else ""
        return HTML(f"<div>{bar}{text}</div>")

    handle = display(line(pace.before, None, ""), display_id=True)
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

    def __init__(self, view: View, unit: str, pace: _Pace) -> None:
        self.view, self.unit, self.pace = view, unit, pace
        self.shown = time.monotonic()

    def show(self, done: int, total: int | None, note: str) -> None:
        now = time.monotonic()
        if now - self.shown < PLAIN_EVERY and done != total:
            return
        self.shown = now
        left = self.pace.left(done, total)
        self.view.say(f"  {self.unit} {done}{f' of {total}' if total else ''}{f', {note}' if note else ''}{left}")


def format_seconds(seconds: float) -> str:
    """Seconds as people say them.

    Example:
        >>> format_seconds(9.4), format_seconds(125), format_seconds(7500)
        ('9 s', '2 min 05 s', '2 h 05 min')
    """
    whole = round(seconds)
    if whole < 3600:
        return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min"
