"""Pictures of a run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def plot_loss(log: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw training and validation loss over the steps of the optimiser.

    Args:
        log: The lines of `train_log.jsonl`.
        path: Of the PNG.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    steps = [line for line in log if line["type"] == "step"]
    validations = [line for line in log if line["type"] == "validation"]
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot([line["step"] for line in steps], [line["loss"] for line in steps], label="training", color="#4477aa")
    axes.plot(
        [line["step"] for line in validations],
        [line["loss"] for line in validations],
        "o",
        label="validation",
        color="#cc6633",
    )
    axes.set_xlabel("optimiser step")
    axes.set_ylabel("loss (nats per answer token)")
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120, format="png")
