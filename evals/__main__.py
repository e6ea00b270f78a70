"""`python -m evals RUN` scores a run folder; `python -m evals doctor` says what the sandbox holds on this machine."""

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
EXIT_HOLES = 1
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


def doctor(
    tier: Annotated[
        str | None, typer.Option(help="full, confined or limited.", show_default="the best there is")
    ] = None,
    json_path: Annotated[Path | None, typer.Option("--json", help="Write all of it to this file, as JSON.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Run one program in eight only.")] = False,
) -> None:
    """Run hostile programs in the sandbox, and print its tier and every hole.

    Exit codes: 0 no hole, 1 holes, 2 the sandbox cannot run here or not at that tier.
    """
    from evals.sandbox import doctor as diagnosis_of

    console = Console()
    try:
        if json_path is not None and not json_path.parent.is_dir():
            raise EvalError(
                f"There is no folder {json_path.parent} for {json_path.name}; make it, or choose another path."
            )
        with _progress(console) as progress:
            diagnosis = diagnosis_of.doctor(tier, progress=progress, quick=quick)
        diagnosis_of.print_diagnosis(diagnosis, console)
        if json_path is not None:
            diagnosis_of.write_diagnosis(diagnosis, json_path)
    except EvalError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(EXIT_USER_ERROR) from None
    if diagnosis.holes:
        raise typer.Exit(EXIT_HOLES)


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
    # A run folder of that name is scored as ./doctor.
    if sys.argv[1:2] == ["doctor"]:
        app.command()(doctor)
        app(sys.argv[2:], prog_name="python -m evals doctor")
    else:
        app.command()(main)
        app(prog_name="python -m evals")
