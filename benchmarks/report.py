"""What every benchmark leaves: a table on the screen, figures as JSON, a bar chart."""

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

CODE_ALPACA = "../shared/data/code_alpaca_2k.json"
"""Where the rows of `sahil2801/CodeAlpaca-20k` are looked for; they do not come with the project."""


def arguments(description: str | None, rounds: int) -> argparse.ArgumentParser:
    """The options that all benchmarks have."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", default=CODE_ALPACA, help="a file of Code Alpaca's rows, or of others")
    parser.add_argument("--rounds", type=int, default=rounds, help="how often each side has its turn")
    parser.add_argument("--json", dest="path", type=Path, help="where the figures go; the bar chart goes beside them")
    parser.add_argument("--logs", type=Path, help="folder for what the sides print")
    return parser


def logs(options: argparse.Namespace) -> Path:
    """The folder for what the sides print."""
    folder = options.logs or Path(tempfile.mkdtemp(prefix="benchmark-logs-"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def machine() -> dict[str, Any]:
    """The device, its cores, what it computes in, and the versions of what was measured."""
    import torch

    from finetune_kit.devices import pick_device
    from finetune_kit.training import versions

    device = pick_device()
    return {
        "device": device.name,
        "threads": torch.get_num_threads(),
        "dtype": device.compute_dtype,
        "versions": versions(),
    }


def report(
    options: argparse.Namespace,
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str | float]],
    ratios: Mapping[str, float],
    bars: tuple[str, Mapping[str, float]],
    **figures: Any,
) -> None:
    """Print the table and the ratios; write them, with the bar chart, where the options say so.

    Args:
        options: As `arguments` parsed them.
        title: What was measured.
        columns: Of the table.
        rows: Of the table; the first cell is a side's name.
        ratios: By their names.
        bars: What the bars show, with its unit; and their lengths by side.
        figures: More for the JSON.
    """
    from rich.console import Console
    from rich.table import Table

    cells = [[cell if isinstance(cell, str) else f"{cell:,.3g}" for cell in row] for row in rows]
    rounded = {name: round(value, 3) for name, value in ratios.items()}
    table = Table(*columns, title=title, title_justify="left", box=None, header_style="bold")
    for row in cells:
        table.add_row(*row)
    console = Console()
    console.print(table)
    for name, value in rounded.items():
        console.print(f"{name} = {value}")
    if options.path:
        result = {"title": title, **machine(), "columns": columns, "rows": cells, "ratios": rounded, **figures}
        partial = options.path.with_name(options.path.name + ".partial")
        partial.write_text(json.dumps(result, indent=1) + "\n")
        partial.replace(options.path)
        draw(*bars, title, options.path.with_suffix(".png"))


def draw(unit: str, lengths: Mapping[str, float], title: str, path: Path) -> None:
    """Horizontal bars, the first on top, each with its figure.

    Args:
        unit: Of the lengths; the label of the axis.
        lengths: By the bars' names.
        title: Above the chart.
        path: Where the PNG goes.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 0.7 + 0.36 * len(lengths)), layout="constrained")
    axes = figure.subplots()
    bars = axes.barh(list(lengths), list(lengths.values()), color=["#c2410c", *["#94a3b8"] * (len(lengths) - 1)])
    axes.bar_label(bars, fmt=lambda value: f"{value:,.3g}", padding=3)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel(unit)
    axes.set_title(title, loc="left", fontsize=10)
    figure.savefig(path, dpi=144)
