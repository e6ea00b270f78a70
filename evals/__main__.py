"""`python -m evals RUN` scores a run folder.

`doctor` in the place of RUN says what the sandbox holds on this machine, `import` turns others' files into predictions,
and `rows` writes the rows of a suite.
"""

from __future__ import annotations

import contextlib
import os
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
LOG_WIDTH = 120


def main(
    run: Annotated[Path, typer.Argument(help="The run folder; it holds the predictions of both sides.")],
    workers: Annotated[
        int | None, typer.Option(min=1, help="How many programs run at a time.", show_default="one a core")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
    ray: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Run the programs on the Ray cluster there, e.g. ray://HOST:10001."),
    ] = None,
) -> None:
    """Score the predictions of a run, base model against tuned model.

    Exit codes: 0 all is well, 1 some rows could not be judged, 2 the run cannot be scored.
    """
    # Where nothing says how wide a line may be, as in a log, the tables are whole.
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else LOG_WIDTH
    console = Console(quiet=quiet, width=width)
    try:
        with _progress(console) as progress:
            summary = score_run(run, workers, progress, cluster=ray)
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


def import_(
    file: Annotated[Path, typer.Argument(help="Samples of HumanEval, EvalPlus or lm-eval, or Alpaca JSON.")],
    out: Annotated[Path, typer.Option(help="Where the predictions go.")],
    suite: Annotated[
        str | None, typer.Option(help="A suite, by name or path: the answers are checked against its rows.")
    ] = None,
) -> None:
    """Turn somebody else's file of answers into predictions.

    Exit codes: 0 all is well, 2 the file cannot be read as one.
    """
    from evals.importers import import_predictions, write_predictions
    from evals.suite import Suite

    with _mistakes():
        shape, predictions = import_predictions(file, None if suite is None else Suite.load(suite))
        write_predictions(predictions, out)
        rows = len({str(prediction["row_id"]) for prediction in predictions})
        print(f"{shape}: wrote {len(predictions)} answers to {rows} rows into {out}")


def rows_(
    suite: Annotated[str, typer.Argument(help="A suite, by name or path.")],
    out: Annotated[Path, typer.Option(help="Where the rows go, a JSON object a line.")],
) -> None:
    """Write the rows of a suite, for a model to answer.

    Exit codes: 0 all is well, 2 the rows cannot be had.
    """
    from evals.importers import write_predictions
    from evals.suite import Suite

    with _mistakes():
        loaded = Suite.load(suite)
        if loaded.rows.source == "run":
            raise EvalError(f"{loaded.path}: the suite's rows come from a run, which has them in rows/test.jsonl.")
        rows = loaded.read_rows()
        write_predictions((row.values for row in rows), out)
        print(f"wrote {len(rows)} rows into {out}")


@contextlib.contextmanager
def _mistakes() -> Iterator[None]:
    """Print a user's mistake as a sentence, and end with 2."""
    try:
        yield
    except EvalError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(EXIT_USER_ERROR) from None


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


# A run folder of such a name is scored as ./doctor.
VERBS: dict[str, Callable[..., None]] = {"doctor": doctor, "import": import_, "rows": rows_}

if __name__ == "__main__":
    app = typer.Typer(add_completion=False)
    verb = VERBS.get(sys.argv[1]) if len(sys.argv) > 1 else None
    app.command()(verb or main)
    if verb is None:
        app(prog_name="python -m evals")
    else:
        app(sys.argv[2:], prog_name=f"python -m evals {sys.argv[1]}")
