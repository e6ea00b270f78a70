"""A row as the model sees it: every token, what is trained on and what is not, white space and special tokens visible.

Each line begins with the kind of its tokens, so that nothing rests on colour; where there is none, strokes stand
between the tokens.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.cells import cell_len
from rich.columns import Columns
from rich.console import Console
from rich.text import Text

from finetune_kit.encoding import decode_texts, special_tokens
from finetune_kit.prompt import Example, Prompt

STYLES = {
    "masked": ("black on grey85", "black on grey70"),
    "trained": ("black on pale_green1", "black on dark_sea_green3"),
    "end": ("bold bright_white on red3",) * 2,
    "padding": ("bright_white on grey35",) * 2,
}
"""Two shades of each kind, for neighbouring tokens."""
GUTTER = max(map(len, STYLES)) + 1
WINDOW = 8
"""Tokens before one that are decoded with it, to know what it adds: a character may be of several tokens."""


@dataclass(frozen=True)
class Token:
    """A token as it is shown."""

    kind: str
    """`masked`, `trained`, `end` or `padding`."""
    text: str
    """What it adds to the text; empty where the character that it begins is not whole yet."""
    is_special: bool


@dataclass(frozen=True)
class _Signs:
    """What stands for what can't be seen."""

    space: str
    line_break: str
    tab: str
    part: str
    special: tuple[str, str]
    stroke: str


_SIGNS = _Signs("·", "↵", "→", "⋯", ("⟦", "⟧"), "│")
_ASCII_SIGNS = _Signs(" ", "\\n", "\\t", "..", ("[[", "]]"), "|")


def show_row(
    row: Mapping[str, str],
    prompt: Prompt,
    tokenizer: Any,
    output_column: str,
    console: Console,
    padded_to: int | None = None,
) -> None:
    """Print a row as the model trains on it.

    Args:
        row: The row, with `row_id`.
        prompt: How it is rendered.
        tokenizer: The base model's.
        output_column: The column of the answer.
        console: Where to; without colours the tokens are told apart by strokes.
        padded_to: Tokens that rows of the batch are filled up to; None where rows are packed, and not padded.

    Raises:
        KitError: If the prompt does not go with the tokenizer.
    """
    example = prompt.encode_example(row, tokenizer, output_column)
    show_example(example, tokenizer, prompt.end_token_id(tokenizer), console, padded_to)


def show_example(
    example: Example, tokenizer: Any, end_token_id: int, console: Console, padded_to: int | None = None
) -> None:
    """Print an encoded row, such as one that was cut.

    Args:
        example: The row.
        tokenizer: The base model's.
        end_token_id: The token that ends an answer.
        console: Where to.
        padded_to: As `show_row` takes it.
    """
    tokens = read_tokens(example, tokenizer, end_token_id)
    signs = _ASCII_SIGNS if console.options.ascii_only else _SIGNS
    has_colours = console.color_system is not None and not console.no_color
    counts = {kind: sum(token.kind == kind for token in tokens) for kind in ("masked", "trained", "end")}
    filling = max(0, padded_to - len(tokens)) if padded_to is not None else None
    parts = " + ".join(f"{count:,} {kind}" for kind, count in counts.items())
    console.print(Text(f"Row {example.row_id}: {len(tokens):,} tokens = {parts}", style="bold"), soft_wrap=True)
    console.print()
    for kind, text in _lines(tokens, signs, has_colours, console.width):
        console.print(Text(kind.ljust(GUTTER)).append(text), soft_wrap=True)
    if filling:
        # The batch is filled with zeros, whatever token that is: the mask hides it.
        padding = Text(f"{_shown(decode_texts([[0]], tokenizer)[0], True, signs)} x {filling:,}")
        padding.stylize(STYLES["padding"][0])
        console.print(Text("padding".ljust(GUTTER)).append(padding), soft_wrap=True)
    console.print()
    meanings = {
        "masked": "the prompt: read, and not trained on",
        "trained": "the answer: the loss is on these",
        "end": "ends the answer, and is trained on too" if counts["end"] else "none: the answer is cut before it",
        "padding": "none: rows are packed end to end"
        if filling is None
        else f"fills the row up to {padded_to:,} tokens",
    }
    for kind, meaning in meanings.items():
        gap = " " * (GUTTER - len(kind))
        console.print(Text().append(kind, style=STYLES[kind][0]).append(gap + meaning), soft_wrap=True)
    console.print(_legend_of_signs(tokens, signs, has_colours))


def read_tokens(example: Example, tokenizer: Any, end_token_id: int) -> list[Token]:
    """The tokens of a row, each with its kind and what it adds to the text."""
    ids = example.input_ids
    special = set(tokenizer.convert_tokens_to_ids(special_tokens(tokenizer)))
    windows = [ids[max(0, place - WINDOW) : place + 1] for place in range(len(ids))]
    texts = decode_texts([*windows, *(window[:-1] for window in windows)], tokenizer)
    tokens = []
    for place, number in enumerate(ids):
        # Bytes that are no whole character are decoded to U+FFFD.
        before, now = texts[len(ids) + place].rstrip("\ufffd"), texts[place].rstrip("\ufffd")
        kind = "masked" if place < example.prompt_length else "trained"
        if kind == "trained" and place == len(ids) - 1 and number == end_token_id:
            kind = "end"
        tokens.append(Token(kind, now[len(before) :], number in special))
    return tokens


def _lines(tokens: Sequence[Token], signs: _Signs, has_colours: bool, width: int) -> Iterator[tuple[str, Text]]:
    """The kind and the tokens of each line; one ends with its line break, its kind, or the width."""
    line, kind = Text(), ""
    for place, token in enumerate(tokens):
        style = STYLES[token.kind][place % 2] if has_colours else "none"
        stroke = "" if has_colours else signs.stroke
        # A token may hold line breaks, and go on behind them.
        for part in re.split(r"(?<=\n)(?=.)", token.text, flags=re.DOTALL):
            text = _shown(part, token.is_special, signs)
            if line and (token.kind != kind or GUTTER + line.cell_len + cell_len(stroke + text) > width):
                yield kind, line
                line = Text()
            kind = token.kind
            line.append((stroke if line else "") + text, style=style)
            if part.endswith("\n"):
                yield kind, line
                line = Text()
    if line:
        yield kind, line


def _shown(text: str, is_special: bool, signs: _Signs) -> str:
    shown = _visible(text, signs) if text else signs.part
    return signs.special[0] + shown + signs.special[1] if is_special else shown


def _visible(text: str, signs: _Signs) -> str:
    named = {" ": signs.space, "\n": signs.line_break, "\t": signs.tab}
    shown = []
    for character in text:
        if character in named:
            shown.append(named[character])
        elif not character.isprintable() or (signs is _ASCII_SIGNS and not character.isascii()):
            shown.append(character.encode("unicode_escape").decode())
        else:
            shown.append(character)
    return "".join(shown)


def _legend_of_signs(tokens: Sequence[Token], signs: _Signs, has_colours: bool) -> Columns:
    """Of those that occur."""
    together = "".join(token.text for token in tokens)
    named = [
        ("".join(signs.special), "special token", any(token.is_special for token in tokens)),
        (signs.space, "space", " " in together and signs.space != " "),
        (signs.line_break, "line break", "\n" in together),
        (signs.tab, "tab", "\t" in together),
        (signs.part, "part of a character", any(not token.text for token in tokens)),
        (signs.stroke, "between tokens", not has_colours),
    ]
    return Columns([Text(f"{sign} {meaning}") for sign, meaning, occurs in named if occurs], (0, 3, 0, 0))
