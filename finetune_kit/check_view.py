"""What `finetune-kit check` shows."""

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from finetune_kit.checking import Checked
from finetune_kit.forecast.fitting import Fit
from finetune_kit.forecast.memory import PARTS


def show_check(checked: Checked, console: Console, every: bool = False) -> None:
    """Print what was found.

    Args:
        checked: What `finetune_kit.check` returned.
        console: Where to.
        every: List every place in the data, in the stead of the first of each kind.
    """
    for label, text in _lines(checked, every):
        console.print(f"{label:<12}{text}", markup=False, highlight=False, soft_wrap=True)
    if checked.outlook.fit is not None:
        console.print(memory_table(checked.outlook.fit))
    for text in checked.outlook.advice():
        console.print(text, markup=False, highlight=False, soft_wrap=True)


def _lines(checked: Checked, every: bool) -> Iterator[tuple[str, str]]:
    """Labels and texts; a line that goes on has no label."""
    yield "Recipe", f"valid; base model {checked.recipe.base_model}"
    yield from (("Note", note) for note in checked.notes)
    yield from (("Missing" if i == 0 else "", text) for i, text in enumerate(checked.missing))
    if checked.data is not None:
        yield from (("Data" if i == 0 else "", line) for i, line in enumerate(checked.data.findings.lines(every)))
        if checked.data.dropped:
            yield "", f"data.drop leaves out {checked.data.findings.told(list(checked.data.dropped)) or 'no row'}"
    if checked.tokens is not None:
        effect = checked.tokens.all.effect_of(checked.tokens.cap)
        longest = int(checked.tokens.all.total.max())
        what = {"drop": "left out", "error": "an error"}.get(checked.tokens.on_truncation, "cut")
        longer = "1 row is longer" if effect.rows_over == 1 else f"{effect.rows_over:,} rows are longer"
        over = f"{longer} and {what}" if effect.rows_over else "no row is longer"
        yield "Tokens", f"the longest row has {longest:,}, the cap is {checked.tokens.cap:,}: {over}"
        for column, count in checked.tokens.special_tokens.items():
            yield "Note", f"{count:,} row(s) spell a special token of the tokenizer in {column!r}; it stays text"
    yield from checked.outlook.lines()


def memory_table(fit: Fit) -> Table:
    """The parts of the memory in GB, with gradient checkpointing and without."""
    both = sorted((fit.estimate, fit.other), key=lambda one: one.checkpointing)
    table = Table("GB at the moment of most", "without", "with checkpointing", box=None, header_style="bold")
    for column in table.columns[1:]:
        column.justify = "right"
    for part in [part for part in (*PARTS, "overhead") if any(part in one.parts for one in both)]:
        table.add_row(part, *(f"{one.parts.get(part, 0) / 1e9:.3f}" for one in both))
    table.add_row("sum", *(f"{one.total / 1e9:.3f}" for one in both), style="bold", end_section=True)
    for name in ("activations", "logits", "unpacked"):
        title = {"unpacked": "unpacked weights"}.get(name, name)
        table.add_row(f"{title}, at most", *(f"{getattr(one, name) / 1e9:.3f}" for one in both), style="italic")
    return table
