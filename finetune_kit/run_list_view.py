"""How the list of runs, and what differs between some, is shown in a terminal."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Column, Table

from finetune_kit.progress import format_seconds
from finetune_kit.run_list import Difference, Listed

WIDE = 120
"""Columns of a terminal that the table has room in."""


def show_list(runs: Sequence[Listed], folder: Path, as_json: bool) -> None:
    """A table, or where there is no room for one, two lines a run.

    Args:
        runs: The newest first.
        folder: Whose they are.
        as_json: As a JSON array, with all there is.
    """
    if as_json:
        print(json.dumps([asdict(run) for run in runs], indent=2))
        return
    if not runs:
        print(f"There is no run in {folder} yet.")
        return
    console = Console(highlight=False)
    if console.width < WIDE:
        for run in runs:
            console.print(f"[bold]{escape(run.name)}[/bold]  {_status(run)}")
            if facts := _facts(run):
                console.print(Padding(escape(facts), (0, 0, 0, 2)))
        return
    table = Table(
        Column("run", overflow="fold"),
        Column("status", no_wrap=True),
        Column("base model", overflow="fold"),
        Column("rows", justify="right"),
        Column("steps", justify="right"),
        Column("val loss", justify="right"),
        Column("score, verdict", overflow="fold"),
        Column("changed", no_wrap=True),
        Column("took", justify="right", no_wrap=True),
        box=None,
        header_style="bold",
    )
    for run in runs:
        figures = ["" if value is None else f"{value:,}" for value in (run.rows, run.steps)]
        cells = [_base(run), *figures, _loss(run), run.score, run.changed, _took(run)]
        table.add_row(*map(escape, [run.name, run.status, *cells]))
    console.print(table)


def _status(run: Listed) -> str:
    took = f" in {_took(run)}" if run.seconds is not None else ""
    return f"{run.status}{took}, {run.changed}"


def _facts(run: Listed) -> str:
    """The rest, in a line."""
    counts = [f"{value:,} {name}" for name, value in (("rows", run.rows), ("steps", run.steps)) if value is not None]
    loss = f"val loss {_loss(run)}" if run.validation_loss is not None else ""
    return ", ".join(filter(None, [_base(run), *counts, loss, run.score]))


def _base(run: Listed) -> str:
    return run.base_model.rpartition("/")[2].removeprefix("pypi:")


def _loss(run: Listed) -> str:
    return "" if run.validation_loss is None else f"{run.validation_loss:.3f}"


def _took(run: Listed) -> str:
    return "" if run.seconds is None else format_seconds(run.seconds)


def show_differences(names: Sequence[str], differences: Sequence[Difference], as_json: bool) -> None:
    """What differs between runs, by kind; of one run, all that it has.

    Args:
        names: Of the runs.
        differences: With a value a run.
        as_json: As a JSON object.
    """
    if as_json:
        print(json.dumps({"runs": list(names), "values": [asdict(one) for one in differences]}, indent=2))
        return
    if not differences:
        print(f"Nothing differs between {' and '.join(names)}: recipe, data, training, versions and scores are equal.")
        return
    table = Table(
        Column("", overflow="fold"),
        *(Column(escape(name), overflow="fold") for name in names),
        box=None,
        header_style="bold",
    )
    for kind, group in groupby(differences, key=lambda one: one.kind):
        table.add_row(f"[bold]{kind}[/bold]")
        for one in group:
            table.add_row(f"  {escape(one.key)}", *map(escape, one.values))
    Console(highlight=False).print(table)
