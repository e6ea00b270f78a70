"""Pictures of a run and of its rows."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from finetune_kit.tokens import TokenReport


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


def plot_token_lengths(report: "TokenReport", path: Path) -> None:
    """Draw how long rows are, with the caps and the percentiles.

    Args:
        report: The lengths of the rows.
        path: Of the PNG.
    """
    import numpy as np
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    from finetune_kit.tokens import Histogram, summary

    total = report.all.total
    coarse = Histogram.of(total, report.cap)
    end = len(coarse.rows) * coarse.width
    width = max(1, coarse.width // 4)
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.hist(total, bins=np.arange(0, end + width, width).tolist(), color="#4477aa")
    axes.set_xlim(0, end)
    top = 1.3 * axes.get_ylim()[1]
    axes.set_ylim(0, top)
    caps: list[int] = []
    for cap in (report.cap, *report.caps):
        # As many as there is room for words between them.
        if cap <= end and all(abs(cap - other) > 0.18 * end for other in caps):
            caps.append(cap)
    for cap in caps:
        own, effect = cap == report.cap, report.all.effect_of(cap)
        axes.axvline(cap, color="#cc6633", linewidth=2 if own else 1, linestyle="-" if own else "--")
        words = f"cap {cap:,}{' (recipe)' if own else ''}\n{effect.rows_over:,} over ({effect.share_over:.1%})"
        # To the left where the picture ends before the words would.
        is_last = cap > 0.8 * end
        axes.annotate(
            words,
            (cap, 0.99 * top),
            xytext=(-4 if is_last else 4, 0),
            textcoords="offset points",
            color="#b3501e",
            fontsize=9,
            ha="right" if is_last else "left",
            va="top",
            weight="bold" if own else "normal",
        )
    for level, (name, place) in enumerate((name, summary(total)[name]) for name in ("median", "95 %", "99 %")):
        height = top * (0.8 - 0.09 * level)
        axes.plot([place, place], [0, height], color="#444444", linestyle=":", linewidth=1.2)
        axes.annotate(
            f"{name}: {place:,.0f}",
            (place, height),
            xytext=(4, 0),
            textcoords="offset points",
            color="#444444",
            fontsize=9,
            va="center",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
        )
    title = f"{len(total):,} rows"
    title += f"; {coarse.longer:,} longer ones are not shown" if coarse.longer else ""
    title += f"; the recipe's cap, {report.cap:,}, lies beyond" if report.cap > end else ""
    axes.set_title(title, loc="left", fontsize=10)
    axes.set_xlabel("tokens of a row: prompt, answer and end token")
    axes.set_ylabel(f"rows (of {width} token{'' if width == 1 else 's'} each)")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="y", alpha=0.3)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120, format="png")
