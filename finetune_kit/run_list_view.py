"""How the list of runs, and what differs between some, is shown in a terminal."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from finetune_kit.run_list import Difference, Listed


def show_list(runs: Sequence[Listed], folder: Path, as_json: bool) -> None:
    """A line a run.

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
    table = Table(
        Column("run", overflow="fold"),
        Column("status", no_wrap=True),
        Column("base model", overflow="fold"),
        Column("rows", justify="right"),
        Column("steps", justify="right"),
        Column("val loss", justify="right"),
        Column("score, verdict", overflow="fold"),
        Column("changed", no_wrap=True),
        box=None,
        header_style="bold",
    )
    for run in runs:
        base = run.base_model.rpartition("/")[2].removeprefix("pypi:")
        figures = ["" if value is None else f"{value:,}" for value in (run.rows, run.steps)]
        loss = "" if run.validation_loss is None else f"{run.validation_loss:.3f}"
        table.add_row(run.name, run.status, base, *figures, loss, run.score, run.changed)
    Console(highlight=False).print(table)


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
        *(Column(name, overflow="fold") for name in names),
        box=None,
        header_style="bold",
    )
    for kind, group in groupby(differences, key=lambda one: one.kind):
        table.add_row(f"[bold]{kind}[/bold]")
        for one in group:
            table.add_row(f"  {one.key}", *map(escape, one.values))
    Console(highlight=False).print(table)
