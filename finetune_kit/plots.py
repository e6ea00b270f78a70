"""Pictures of a run and of its rows."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from finetune_kit.tokens import TokenReport


def plot_loss(log: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw training and validation loss over the steps of the optimiser.

    Args:
        log: The lines of `train_log.jsonl`.
        path: Of the PNG.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    _paint_losses(figure.subplots(), log, "#4477aa", "#cc6633")
    figure.savefig(path, dpi=120, format="png")


def draw_losses(log: Sequence[Mapping[str, Any]], colours: Mapping[str, str]) -> "Figure":
    """Loss, learning rate and tokens a second over the steps of the optimiser.

    Args:
        log: The lines of `train_log.jsonl`.
        colours: Of `text`, `lines`, and what is `first` and `second`.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 4.6), layout="constrained")
    loss, rate, speed = figure.subplots(3, sharex=True, height_ratios=[3, 1, 1])
    _paint_losses(loss, log, colours["first"], colours["second"])
    loss.set_xlabel("")
    steps = [line for line in log if line["type"] == "step"]
    numbers = [line["step"] for line in steps]
    rate.plot(numbers, [line["learning_rate"] for line in steps], _marker(steps), color=colours["first"])
    rate.set_ylabel("learning rate")
    speeds = [line["tokens"] / max(line["seconds"], 1e-3) for line in steps]
    speed.plot(numbers, speeds, _marker(steps), color=colours["first"])
    speed.set_ylabel("tokens/s")
    speed.set_xlabel("optimiser step")
    for axes in (loss, rate, speed):
        axes.set_ylim(bottom=0)
        _colour(axes, colours)
    return figure


def draw_lengths(lengths: Mapping[str, Any], colours: Mapping[str, str]) -> "Figure":
    """The lengths of rows, and the cap.

    Args:
        lengths: `histogram` with the `width` of a bin in tokens, the `rows` of each, and those that are `longer`; the
            recipe's `cap`.
        colours: As of `draw_losses`.
    """
    from matplotlib.figure import Figure

    found = lengths["histogram"]
    width, rows = found["width"], found["rows"]
    figure = Figure(figsize=(5, 2.4), layout="constrained")
    axes = figure.subplots()
    axes.bar([width * i for i in range(len(rows))], rows, width=0.92 * width, align="edge", color=colours["first"])
    if lengths["cap"] <= width * len(rows):
        axes.axvline(lengths["cap"], color=colours["second"], label=f"cap, {lengths['cap']:,}")
        axes.legend(labelcolor=colours["text"], frameon=False)
    longer = f"; {found['longer']:,} longer ones are not shown" if found["longer"] else ""
    axes.set_xlabel(f"tokens, in bins of {width}{longer}")
    axes.set_ylabel("rows")
    _colour(axes, colours)
    return figure


def _paint_losses(axes: "Axes", log: Sequence[Mapping[str, Any]], training: str, validation: str) -> None:
    from matplotlib.ticker import MaxNLocator

    steps = [line for line in log if line["type"] == "step"]
    checks = [line for line in log if line["type"] == "validation"]
    numbers, losses = [line["step"] for line in steps], [line["loss"] for line in steps]
    axes.plot(numbers, losses, _marker(steps), label="training", color=training)
    axes.plot(
        [line["step"] for line in checks],
        [line["loss"] for line in checks],
        "o",
        label="validation",
        color=validation,
    )
    axes.set_xlabel("optimiser step")
    axes.set_ylabel("loss (nats per answer token)")
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend()


def _marker(steps: Sequence[Any]) -> str:
    """A line, with points where there are so few that a line would not show."""
    return ".-" if len(steps) < 40 else "-"


def _colour(axes: "Axes", colours: Mapping[str, str]) -> None:
    """Colour all that is no curve."""
    axes.tick_params(colors=colours["text"])
    axes.xaxis.label.set_color(colours["text"])
    axes.yaxis.label.set_color(colours["text"])
    axes.grid(color=colours["lines"])
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_visible(side in {"left", "bottom"})
        spine.set_color(colours["lines"])
    if legend := axes.get_legend():
        legend.get_frame().set_alpha(0)
        for text in legend.get_texts():
            text.set_color(colours["text"])


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
