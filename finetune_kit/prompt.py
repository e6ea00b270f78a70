"""One row -> text -> token ids and labels: the one place that training and generation share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import Formatter
from typing import TYPE_CHECKING, Any

from finetune_kit.encoding import (
    Turn,
    chat_texts,
    count_tokens,
    encode_chats,
    encode_texts,
    end_id,
    lead_ids,
    special_tokens,
    turn_end_id,
)
from finetune_kit.errors import KitError
from finetune_kit.recipe import Recipe

if TYPE_CHECKING:
    import numpy as np
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
        template_without_input: The template of rows whose `input` is empty or white space.
        chat_template: Make the text, without line breaks at its end, the user's turn in the tokenizer's chat template.

    Attributes:
        columns: Those that the templates name, in their order.
        heads: Each template's text before the first of them.

    Raises:
        KitError: If a template is not valid, names no column, or one that rows do not have.

    Example:
        >>> Prompt("### Instruction: {instruction}").render({"instruction": "Add 1 to x"})
        '### Instruction: Add 1 to x\\n'
    """

    def __init__(
        self,
        template: str,
        columns: Sequence[str] | None = None,
        template_without_input: str | None = None,
        chat_template: bool = False,
    ) -> None:
        self.template = template
        self.template_without_input = template_without_input
        self.chat_template = chat_template
        self._templates = {"prompt.template": template}
        if template_without_input is not None:
            self._templates["prompt.template_without_input"] = template_without_input
        named = {key: _columns(key, text, columns) for key, text in self._templates.items()}
        if "input" in named.get("prompt.template_without_input", []):
            raise KitError("prompt.template_without_input names {input}, and is for rows that have none; take it out.")
        self.columns = list(dict.fromkeys(name for names in named.values() for name in names))
        self.heads = [_head(text) for text in self._templates.values()]

    @classmethod
    def of(cls, recipe: Recipe, columns: Sequence[str] | None = None) -> "Prompt":
        """The prompt of a recipe.

        Args:
            recipe: Its section `prompt` says how a row becomes a prompt.
            columns: The columns that rows have, to check it against.

        Raises:
            KitError: As the class does.
        """
        section = recipe.prompt
        return cls(section.template, columns, section.template_without_input, section.chat_template)

    @property
    def settings(self) -> Any:
        """What tells it apart from other prompts: its template alone, where that is all there is."""
        more = [self.template_without_input, self.chat_template]
        return [self.template, *more] if any(more) else self.template

    def columns_of(self, row: Mapping[str, str]) -> list[str]:
        """The columns that the template of this row names."""
        return [field for _, field, _, _ in Formatter().parse(self._template_of(row)) if field is not None]

    def render(self, row: Mapping[str, str]) -> str:
        """The prompt of a row as text: it ends in white space, or with a chat template is what the user says."""
        text = self._template_of(row).format_map({name: row.get(name, "") for name in self.columns})
        if self.chat_template:
            return text.rstrip("\n")
        return text if text[-1:].isspace() else text + "\n"

    def texts(self, rows: Sequence[Mapping[str, str]], tokenizer: "PreTrainedTokenizerBase") -> list[str]:
        """The prompts of rows as text, with what the chat template puts around them.

        Raises:
            KitError: As `encode_all`.
        """
        rendered = [self.render(row) for row in rows]
        return chat_texts([_asked(text) for text in rendered], tokenizer) if self.chat_template else rendered

    def encode(self, row: Mapping[str, str], tokenizer: "PreTrainedTokenizerBase") -> list[int]:
        """The prompt of a row as token ids, with the special tokens that the tokenizer puts in front."""
        return self.encode_all([row], tokenizer)[0]

    def encode_all(self, rows: Sequence[Mapping[str, str]], tokenizer: "PreTrainedTokenizerBase") -> list[list[int]]:
        """The prompts of rows as token ids: the one function that training and use call.

        Raises:
            KitError: If a template holds a special token, there is no chat template where one is wanted, or it refuses
                a row.
        """
        self.check(tokenizer)
        rendered = [self.render(row) for row in rows]
        if self.chat_template:
            return encode_chats([_asked(text) for text in rendered], tokenizer)
        return encode_prompts(rendered, tokenizer)

    def count(self, rows: Sequence[Mapping[str, str]], tokenizer: "PreTrainedTokenizerBase") -> "np.ndarray":
        """How many ids `encode_all` gives for each row, (rows,), mostly without making them."""
        self.check(tokenizer)
        texts = self.texts(rows, tokenizer)
        if not self.chat_template:
            return count_tokens(texts, tokenizer) + len(lead_ids(tokenizer))
        counts = count_tokens(texts, tokenizer, as_text=False)
        spelt = [any(token in self.render(row) for token in special_tokens(tokenizer)) for row in rows]
        for place in (place for place, spells in enumerate(spelt) if spells):
            counts[place] = len(self.encode(rows[place], tokenizer))
        return counts

    def encode_examples(
        self, rows: Sequence[Mapping[str, str]], tokenizer: "PreTrainedTokenizerBase", output_column: str = "output"
    ) -> list[Example]:
        """Rows as the model trains on them: the ids of `encode`, the answer without a second BOS, and its end token."""
        end = self.end_token_id(tokenizer)
        prompts = self.encode_all(rows, tokenizer)
        answers = encode_texts([row[output_column] for row in rows], tokenizer)
        return [
            Example(row["row_id"], [*prompt, *answer, end], len(prompt))
            for row, prompt, answer in zip(rows, prompts, answers, strict=True)
        ]

    def encode_example(
        self, row: Mapping[str, str], tokenizer: "PreTrainedTokenizerBase", output_column: str = "output"
    ) -> Example:
        """A row as the model trains on it."""
        return self.encode_examples([row], tokenizer, output_column)[0]

    def end_token_id(self, tokenizer: "PreTrainedTokenizerBase") -> int:
        """The token that ends an answer: the tokenizer's end token, or what ends a turn in its chat template."""
        return turn_end_id(tokenizer) if self.chat_template else end_id(tokenizer)

    def check(self, tokenizer: "PreTrainedTokenizerBase") -> None:
        """Look for special tokens in the templates: they are the tokenizer's to put in.

        Raises:
            KitError: If there is one.
        """
        special = special_tokens(tokenizer)
        for key, template in self._templates.items():
            texts = [text for text, _, _, _ in Formatter().parse(template)]
            token = next((token for token in special if any(token in text for text in texts)), None)
            if token is not None:
                way = "take it out: the tokenizer puts these in itself"
                if tokenizer.chat_template and not self.chat_template:
                    way = "take it out and set prompt.chat_template=true: the tokenizer puts these in itself"
                raise KitError(f"{key} holds {token!r}, a special token of the base model's tokenizer; {way}.")

    def _template_of(self, row: Mapping[str, str]) -> str:
        if self.template_without_input is not None and not row.get("input", "").strip():
            return self.template_without_input
        return self.template


def _columns(key: str, template: str, columns: Sequence[str] | None) -> list[str]:
    """The columns that a template names, checked."""
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        raise KitError(f"{key} is not valid ({error}); write {{{{ and }}}} for plain braces.") from None
    for _, field, form, conversion in parts:
        if field is not None and (not field.isidentifier() or form or conversion):
            raise KitError(f"{key}: {{{field}}} must be a column's name and nothing else.")
    named = [field for _, field, _, _ in parts if field is not None]
    if not named:
        raise KitError(f"{key} names no column; put e.g. {{instruction}} where the row's text goes.")
    missing = [name for name in named if columns is not None and name not in columns]
    if missing:
        raise KitError(
            f"{key} names {{{missing[0]}}}, and rows have no such column (they have: {', '.join(columns or ())})."
        )
    return named


def _head(template: str) -> str:
    """The text before the first column."""
    head = ""
    for text, field, _, _ in Formatter().parse(template):
        head += text
        if field is not None:
            break
    return head


def _asked(text: str) -> list[Turn]:
    return [{"role": "user", "content": text}]


def encode_prompts(texts: Sequence[str], tokenizer: "PreTrainedTokenizerBase") -> list[list[int]]:
    """Texts that an answer follows, as token ids, with the special tokens that the tokenizer puts in front."""
    lead = lead_ids(tokenizer)
    return [[*lead, *ids] for ids in encode_texts(texts, tokenizer)]


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
        The examples, and the ids of the rows that were left out; `finetune_kit.truncation.fit_rows` has other ways.
    """
    examples = prompt.encode_examples(rows, tokenizer, output_column)
    fitting = [example for example in examples if len(example.input_ids) <= max_length]
    dropped = [example.row_id for example in examples if len(example.input_ids) > max_length]
    return fitting, dropped
