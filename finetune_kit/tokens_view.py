"""The lengths of rows as people read them in a terminal: tables, and a histogram."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text

from finetune_kit.progress import format_seconds
from finetune_kit.tokens import Histogram, TokenReport, summary

ORDER = ("average", "min", "max", "median", "75 %", "90 %", "95 %", "99 %")
BAR = 36
"""Characters of the longest bar."""


@dataclass(frozen=True)
class Cost:
    """What training with a cap would take."""

    seconds: float | None
    bytes: float | None


def show_report(report: TokenReport, console: Console, costs: Callable[[int], Cost | None] = lambda cap: None) -> None:
    """Print the lengths of rows, and what a cap would cut.

    Args:
        report: The lengths.
        console: Where to.
        costs: What training with a cap takes; where it knows, the caps get columns for it.
    """
    lengths = report.all
    console.print(_lengths_table(lengths.table(), "tokens", f"Tokens of {len(lengths.total):,} rows"))
    console.print()
    splits = {f"{name}, {len(one.total):,} rows": summary(one.total) for name, one in report.splits.items()}
    console.print(_lengths_table(splits, "split", "Total by split"))
    console.print()
    console.print(_histogram(report, console.options.ascii_only))
    console.print()
    console.print(_caps_table(report, costs))
    console.print(
        f"A cut from the end, as Ludwig does it; this recipe says on_truncation: {report.on_truncation}.",
        highlight=False,
    )
    for column, rows in report.special_tokens.items():
        console.print(f"{rows:,} rows spell a special token of the tokenizer in {column!r}; it stays text.")


def _lengths_table(lines: Mapping[str, Mapping[str, float]], heading: str, title: str) -> Table:
    table = Table(heading, title=title, title_justify="left", title_style="bold", box=None, header_style="bold")
    for name in ORDER:
        table.add_column(name, justify="right")
    for name, values in lines.items():
        cells = [f"{values[key]:,.0f}" if key in values else "-" for key in ORDER]
        table.add_row(name, *cells, style="bold" if name == "total" else None)
    return table


def _caps_table(report: TokenReport, costs: Callable[[int], Cost | None]) -> Table:
    lengths = report.all
    known = {cap: cost for cap in report.caps if (cost := costs(cap)) is not None}
    table = Table(
        "cap", title="What a cap cuts", title_justify="left", title_style="bold", box=None, header_style="bold"
    )
    headings = ["rows over", "share", "answer tokens cut", "no answer left", "no end token"]
    headings += ["memory", "time"] if known else []
    for name in headings:
        table.add_column(name, justify="right", no_wrap=name in ("memory", "time"))
    for cap in report.caps:
        effect = lengths.effect_of(cap)
        cells = [
            f"{effect.rows_over:,}",
            f"{effect.share_over:.1%}",
            f"{effect.answer_tokens_cut:,}",
            f"{effect.rows_without_answer:,}",
            f"{effect.rows_without_end:,}",
        ]
        if known:
            cost = known.get(cap, Cost(None, None))
            cells.append("" if cost.bytes is None else f"{cost.bytes / 1e9:.1f} GB")
            cells.append("" if cost.seconds is None else format_seconds(cost.seconds))
        own = cap == report.cap
        table.add_row(f"{cap:,}" + (" (recipe)" if own else ""), *cells, style="bold" if own else None)
    return table


def _histogram(report: TokenReport, ascii_only: bool) -> Text:
    """A bar for each bin, with the percentiles and the cap beside those that hold them."""
    total = report.all.total
    histogram = Histogram.of(total, report.cap)
    notes: dict[int, list[str]] = {}
    values = summary(total)
    for name in ("median", "90 %", "95 %", "99 %"):
        if name in values:
            notes.setdefault(int(values[name]) // histogram.width, []).append(name)
    notes.setdefault(report.cap // histogram.width, []).append(f"cap {report.cap:,}")
    most = max([*histogram.rows, histogram.longer, 1])
    last = len(histogram.rows) * histogram.width
    digits = len(f"{last:,}")
    pipe, arrow = ("|", "<-") if ascii_only else ("│", "◂")
    text = Text("Rows by total tokens\n", style="bold")
    for place, rows in enumerate(histogram.rows):
        start = place * histogram.width
        label = f"{start:>{digits},}-{start + histogram.width - 1:>{digits},}"
        _add_bar(text, label, rows, most, notes.get(place, []), pipe, arrow)
    if histogram.longer:
        label = f"{last:>{digits},} or more".ljust(2 * digits + 1)
        beyond = [name for place, names in notes.items() if place >= len(histogram.rows) for name in names]
        _add_bar(text, label, histogram.longer, most, beyond, pipe, arrow)
    text.rstrip()
    return text


def _add_bar(text: Text, label: str, rows: int, most: int, notes: list[str], pipe: str, arrow: str) -> None:
    text.append(f"{label} {pipe}", style="none")
    text.append(_bar(rows / most, ascii_only=pipe == "|"), style="cyan")
    text.append(f" {rows:,}", style="none")
    if notes:
        text.append(f"  {arrow} {', '.join(notes)}", style="yellow")
    text.append("\n")


def _bar(share: float, ascii_only: bool) -> str:
    if ascii_only:
        return "#" * max(round(BAR * share), int(share > 0))
    eighths = max(round(8 * BAR * share), int(share > 0))
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()
