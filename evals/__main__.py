"""`python -m evals RUN`: score a run folder and print base against tuned."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from evals.errors import EvalError
from evals.score import score_run
from evals.terminal_report import print_summary

EXIT_HARNESS_ERRORS = 1
EXIT_USER_ERROR = 2


def main(
    run: Annotated[Path, typer.Argument(help="The run folder; it holds the predictions of both sides.")],
    workers: Annotated[
        int | None, typer.Option(min=1, help="How many programs run at a time.", show_default="one a core")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
) -> None:
    """Score the predictions of a run, base model against tuned model.

    Exit codes: 0 all is well, 1 some rows could not be judged, 2 the run cannot be scored.
    """
    console = Console(quiet=quiet)
    try:
        with _progress(console) as progress:
            summary = score_run(run, workers, progress)
    except EvalError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(EXIT_USER_ERROR) from None
    print_summary(summary, console)
    if summary.harness_errors:
        count = len(summary.harness_errors)
        print(f"{count} row{'s' if count > 1 else ''} could not be judged.", file=sys.stderr)
        raise typer.Exit(EXIT_HARNESS_ERRORS)


@contextlib.contextmanager
def _progress(console: Console) -> Iterator[Callable[[int, int], None] | None]:
    """Show a bar while programs run, on a terminal only."""
    if console.quiet or not console.is_terminal:
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("running programs"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("programs", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False)
    app.command()(main)
    app(prog_name="python -m evals")
