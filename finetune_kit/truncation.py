"""Rows that are longer than the cap: left out, refused, or cut, and never silently.

Ludwig joins prompt, answer and end token and cuts the end off, so that the model learns to stop in the middle of an
answer, or sees no answer at all. Here `preprocessing.on_truncation` says what becomes of such a row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from finetune_kit.encoding import count_tokens
from finetune_kit.errors import KitError
from finetune_kit.prompt import Example, Prompt

OnTruncation = Literal["drop", "error", "trim_input", "trim_answer"]
SHOWN = 5
"""How many rows an error names."""


@dataclass(frozen=True)
class Fitted:
    """Rows as they are trained on, none longer than the cap."""

    examples: list[Example]
    rows: list[Mapping[str, str]]
    """The row of each example; its `input` is the trimmed one where that was cut."""
    dropped: list[str]
    """The ids of the rows that were left out."""
    trimmed: list[str]
    """The ids of the rows that were cut."""


def fit_rows(
    rows: Sequence[Mapping[str, str]],
    prompt: Prompt,
    tokenizer: Any,
    max_length: int,
    output_column: str = "output",
    on_truncation: OnTruncation = "drop",
) -> Fitted:
    """Encode rows for training, and do with the longer ones as the recipe says.

    Args:
        rows: The rows, with `row_id`.
        prompt: How they are rendered.
        tokenizer: The base model's.
        max_length: Most tokens of prompt, answer and end token together.
        output_column: The column of the answer.
        on_truncation: `drop` leaves a longer row out whole; `error` refuses it; `trim_input` cuts the end of its
            `input` until it fits; `trim_answer` cuts the end of its answer and puts no end token there. What can't be
            trimmed so is dropped: a row of whose `input` or answer nothing would be left.

    Returns:
        The examples in the order of their rows, and what became of the others.

    Raises:
        KitError: If a row is longer and `on_truncation` is `error`, or if it is `trim_input` and the template names no
            `input`.
    """
    examples = prompt.encode_examples(rows, tokenizer, output_column)
    long = [place for place, example in enumerate(examples) if len(example.input_ids) > max_length]
    if long and on_truncation == "error":
        raise KitError(_too_long([examples[place] for place in long], len(rows), max_length))
    cut: dict[int, tuple[Mapping[str, str], Example]] = {}
    if on_truncation == "trim_answer":
        room = {place: examples[place] for place in long if examples[place].prompt_length < max_length}
        cut = {place: (rows[place], _shortened(one, max_length)) for place, one in room.items()}
    elif on_truncation == "trim_input" and long:
        shorter = _trim_inputs([rows[place] for place in long], prompt, tokenizer, max_length, output_column)
        kept = {place: row for place, row in zip(long, shorter, strict=True) if row is not None}
        encoded = prompt.encode_examples(list(kept.values()), tokenizer, output_column)
        cut = {place: (row, example) for (place, row), example in zip(kept.items(), encoded, strict=True)}
    over = set(long)
    fitting = {
        place: cut.get(place, (rows[place], example))
        for place, example in enumerate(examples)
        if place not in over or place in cut
    }
    return Fitted(
        examples=[example for _, example in fitting.values()],
        rows=[row for row, _ in fitting.values()],
        dropped=[examples[place].row_id for place in long if place not in cut],
        trimmed=[examples[place].row_id for place in cut],
    )


def _shortened(example: Example, length: int) -> Example:
    """Without its end: the end token is the first to go, since the answer does not end there."""
    return replace(example, input_ids=example.input_ids[:length])


def _trim_inputs(
    rows: Sequence[Mapping[str, str]], prompt: Prompt, tokenizer: Any, max_length: int, output_column: str
) -> list[Mapping[str, str] | None]:
    """Each row with as much of its input as fits; None where not one visible character of it does."""
    if "input" not in prompt.columns:
        raise KitError(
            "preprocessing.on_truncation is trim_input, and prompt.template names no {input}, so nothing could be cut; "
            "choose another."
        )
    answers = count_tokens([row[output_column] for row in rows], tokenizer) + 1
    inputs = [row.get("input", "") for row in rows]

    def cut(row: Mapping[str, str], characters: int) -> dict[str, str]:
        return {**row, "input": row.get("input", "")[:characters]}

    # Where the first visible character ends: with less, the row would be one without an input, another task.
    least = [len(text) - len(text.lstrip()) + 1 for text in inputs]
    fits, too_much = [least_one - 1 for least_one in least], [len(text) for text in inputs]
    while True:
        open_ = [i for i in range(len(rows)) if too_much[i] - fits[i] > 1]
        if not open_:
            break
        tried = {i: (fits[i] + too_much[i]) // 2 for i in open_}
        prompts = prompt.encode_all([cut(rows[i], tried[i]) for i in open_], tokenizer)
        for i, ids in zip(open_, prompts, strict=True):
            if len(ids) + answers[i] <= max_length:
                fits[i] = tried[i]
            else:
                too_much[i] = tried[i]
    return [cut(row, fits[i]) if fits[i] >= least[i] else None for i, row in enumerate(rows)]


def _too_long(examples: Sequence[Example], rows: int, max_length: int) -> str:
    named = ", ".join(f"{one.row_id} has {len(one.input_ids):,}" for one in examples[:SHOWN])
    more = f" and {len(examples) - SHOWN} more" if len(examples) > SHOWN else ""
    longest = max(len(one.input_ids) for one in examples)
    return (
        f"{len(examples)} of {rows} rows are longer than {max_length:,} tokens, the longest has {longest:,} ({named}"
        f"{more}). Raise preprocessing.global_max_sequence_length, or set preprocessing.on_truncation to drop or trim."
    )
