"""One row -> text -> token ids and labels: the one place that training and generation share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import Formatter
from typing import TYPE_CHECKING, Any

from finetune_kit.errors import KitError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

IGNORE_INDEX = -100
"""The label of a token that is not trained on; torch's cross entropy leaves it out."""


@dataclass(frozen=True)
class Example:
    """A row as the model trains on it: prompt, answer and end token in one sequence."""

    row_id: str
    input_ids: list[int]
    """(tokens,)"""
    prompt_length: int
    """Tokens of the prompt; the loss is on the ones behind it."""

    @property
    def labels(self) -> list[int]:
        """(tokens,): the token ids, with `IGNORE_INDEX` over the prompt."""
        return [IGNORE_INDEX] * self.prompt_length + self.input_ids[self.prompt_length :]


class Prompt:
    """A template with `{column}` in the places of a row's columns.

    Args:
        template: The text. Where it does not end in white space a line break is added, so that the answer never
            sticks to the last word (YAML's `>-` drops the one at the end).
        columns: The columns that rows have, to check the template against; None leaves them unchecked.

    Attributes:
        columns: Those that the template names, in its order.
        head: The template's text before the first of them.

    Raises:
        KitError: If the template is not valid, names no column, or one that rows do not have.

    Example:
        >>> Prompt("### Instruction: {instruction}").render({"instruction": "Add 1 to x"})
        '### Instruction: Add 1 to x\\n'
    """

    def __init__(self, template: str, columns: Sequence[str] | None = None) -> None:
        self.template = template
        try:
            parts = list(Formatter().parse(template))
        except ValueError as error:
            raise KitError(f"prompt.template is not valid ({error}); write {{{{ and }}}} for plain braces.") from None
        self.columns = [field for _, field, _, _ in parts if field is not None]
        self.head = parts[0][0] if parts else ""
        for _, field, form, conversion in parts:
            if field is not None and (not field.isidentifier() or form or conversion):
                raise KitError(f"prompt.template: {{{field}}} must be a column's name and nothing else.")
        if not self.columns:
            raise KitError("prompt.template names no column; put e.g. {instruction} where the row's text goes.")
        missing = [name for name in self.columns if columns is not None and name not in columns]
        if missing:
            raise KitError(
                f"prompt.template names {{{missing[0]}}}, and rows have no such column (they have: "
                f"{', '.join(columns or ())})."
            )

    def render(self, row: Mapping[str, str]) -> str:
        """The prompt of a row as text; it ends in white space."""
        text = self.template.format_map({name: row.get(name, "") for name in self.columns})
        return text if text[-1:].isspace() else text + "\n"

    def encode(self, row: Mapping[str, str], tokenizer: "PreTrainedTokenizerBase") -> list[int]:
        """The prompt of a row as token ids, with the special tokens that the tokenizer puts in front."""
        return encode_text(self.render(row), tokenizer)

    def encode_example(
        self, row: Mapping[str, str], tokenizer: "PreTrainedTokenizerBase", output_column: str = "output"
    ) -> Example:
        """A row as the model trains on it: the ids of `encode`, the answer without a second BOS, and EOS."""
        prompt = self.encode(row, tokenizer)
        answer = tokenizer(row[output_column], add_special_tokens=False).input_ids
        return Example(row["row_id"], [*prompt, *answer, tokenizer.eos_token_id], len(prompt))


def encode_text(text: str, tokenizer: "PreTrainedTokenizerBase") -> list[int]:
    """A text that an answer follows, as token ids, with the special tokens that the tokenizer puts in front."""
    ids = tokenizer(text).input_ids
    # A tokenizer that ends every text with its end token would tell the model that nothing follows.
    return ids[:-1] if len(ids) > 1 and ids[-1] == tokenizer.eos_token_id else ids


def encode_rows(
    rows: Sequence[Mapping[str, str]],
    prompt: Prompt,
    tokenizer: Any,
    max_length: int,
    output_column: str = "output",
) -> tuple[list[Example], list[str]]:
    """Encode rows for training; those longer than the cap are left out whole, never cut.

    Args:
        rows: The rows, with `row_id`.
        prompt: How they are rendered.
        tokenizer: The base model's.
        max_length: Most tokens of prompt, answer and end token together.
        output_column: The column of the answer.

    Returns:
        The examples, and the ids of the rows that were left out.
    """
    examples = [prompt.encode_example(row, tokenizer, output_column) for row in rows]
    fitting = [example for example in examples if len(example.input_ids) <= max_length]
    dropped = [example.row_id for example in examples if len(example.input_ids) > max_length]
    return fitting, dropped
