"""The base model prompted at its best: its own chat template or the recipe's, with and without examples.

A tuned model that beats the bare base model may have learnt no more than the form of the answers. Shown a few of them,
the base model knows that form too; what the tuned model can do beyond that is what the training taught.
"""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from finetune_kit.data import Row, content_hash
from finetune_kit.encoding import Turn, encode_chats, encode_texts, end_id, turn_end_id
from finetune_kit.prompt import Prompt, encode_prompts
from finetune_kit.recipe import Generation

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

EXAMPLES = (0, 4)
"""How many examples are tried."""
MEASURED_ROWS = 12
"""Rows whose answers the candidates are compared on; more cost time, and the differences are large."""
Style = Literal["chat", "template"]


@dataclass(frozen=True)
class FewShotPrompt:
    """A way to ask the base model: some solved rows, then the one to answer."""

    style: Style
    """`chat`: the tokenizer's chat template, examples as turns of a talk. `template`: the recipe's own prompt."""
    examples: tuple[Row, ...]
    prompt: Prompt
    output_column: str

    @property
    def name(self) -> str:
        """E.g. `chat template, 4 examples`."""
        count = len(self.examples)
        form = "chat template" if self.style == "chat" else "recipe's template"
        return f"{form}, {count} example{'' if count == 1 else 's'}"

    @property
    def is_chat(self) -> bool:
        """Whether it is a talk; the recipe's own prompt may be one too."""
        return self.style == "chat" or self.prompt.chat_template

    def encode(self, row: Mapping[str, str], tokenizer: "PreTrainedTokenizerBase") -> list[int]:
        """The prompt of a row as token ids: examples, then the row, ready for the answer."""
        return self.encode_all([row], tokenizer)[0]

    def encode_all(self, rows: Sequence[Mapping[str, str]], tokenizer: "PreTrainedTokenizerBase") -> list[list[int]]:
        """The prompts of rows as token ids."""
        if not self.is_chat:
            solved = [self.prompt.render(one) + self.answer(one) for one in self.examples]
            return encode_prompts(["\n\n".join([*solved, self.prompt.render(row)]) for row in rows], tokenizer)
        pairs = [(self._question(one), _turn("assistant", self.answer(one))) for one in self.examples]
        turns = [turn for pair in pairs for turn in pair]
        return encode_chats([[*turns, self._question(row)] for row in rows], tokenizer)

    def end_token_id(self, tokenizer: "PreTrainedTokenizerBase") -> int:
        """The token at which an answer in this form ends."""
        return turn_end_id(tokenizer) if self.is_chat else end_id(tokenizer)

    def generation(self, settings: Generation) -> Generation:
        """The recipe's settings, with what ends an answer in this form in the place of its stop strings."""
        if self.style == "chat":
            return settings.model_copy(update={"stop_strings": []})
        heads = [head.split("\n")[0] for head in self.prompt.heads] if self.examples and not self.is_chat else []
        stops = [*settings.stop_strings, *(f"\n{head}" for head in heads if head.strip())]
        return settings.model_copy(update={"stop_strings": list(dict.fromkeys(stops))})

    def answer(self, row: Mapping[str, str]) -> str:
        """What is to follow the prompt of a row."""
        return row[self.output_column].strip("\n")

    def _question(self, row: Mapping[str, str]) -> Turn:
        if self.style == "template":
            return _turn("user", self.prompt.render(row))
        return _turn("user", "\n\n".join(row[name] for name in self.prompt.columns if row.get(name, "").strip()))


def _turn(role: str, content: str) -> Turn:
    return {"role": role, "content": content}


def candidates(
    prompt: Prompt, output_column: str, rows: Sequence[Row], tokenizer: "PreTrainedTokenizerBase"
) -> tuple[list[FewShotPrompt], list[Row]]:
    """The ways to ask that are tried, and the rows to try them on.

    Args:
        prompt: The recipe's.
        output_column: The column of the answer.
        rows: The training rows: the base model has not seen them, and no test row is among them.
        tokenizer: The base model's.

    Returns:
        The candidates, the one to take where nothing can be measured first; and rows that are none of the examples.
    """
    # By content, so that the choice does not depend on the order of the file; no long ones, since every row pays.
    ordered = sorted(rows, key=content_hash)
    lengths = sorted(len(prompt.render(row)) + len(row[output_column]) for row in rows)
    median = lengths[len(lengths) // 2]
    short = [row for row in ordered if len(prompt.render(row)) + len(row[output_column]) <= median]
    most = min(max(EXAMPLES), len(short) - 1)
    counts = [count for count in reversed(EXAMPLES) if count <= most]
    styles: list[Style] = ["chat", "template"] if tokenizer.chat_template else ["template"]
    taken = short[:most]
    tried = [FewShotPrompt(style, tuple(taken[:count]), prompt, output_column) for style in styles for count in counts]
    examples = {row["row_id"] for row in taken}
    return tried, [row for row in ordered if row["row_id"] not in examples][:MEASURED_ROWS]


def losses(
    tried: Sequence[FewShotPrompt],
    rows: Sequence[Row],
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    on_done: Callable[[], None] = lambda: None,
) -> list[float]:
    """How well the model expects the rows' answers after each way to ask.

    Args:
        tried: The ways.
        rows: Rows with answers.
        model: The base model.
        tokenizer: Its tokenizer.
        on_done: Called after each way and row.

    Returns:
        For each way, the mean over the rows' answers of the cross entropy, in nats per token; infinite where a prompt
        is longer than the model's context.
    """
    import torch

    from finetune_kit.devices import attention_of_any_length

    answers = encode_texts([tried[0].answer(row) for row in rows], tokenizer)
    context = getattr(model.config.get_text_config(), "max_position_embeddings", None) or float("inf")
    found = []
    with torch.inference_mode(), attention_of_any_length():
        for way in tried:
            texts = list(zip(way.encode_all(rows, tokenizer), answers, strict=True))
            fits = all(len(prompt) + len(answer) <= context for prompt, answer in texts)
            total = sum(_answer_losses(model, texts, on_done)) if fits else float("inf")
            found.append(total / sum(map(len, answers)))
    return found


def _answer_losses(
    model: Any, texts: Sequence[tuple[list[int], list[int]]], on_done: Callable[[], None]
) -> Iterator[float]:
    """The summed cross entropy of each answer's tokens; what all prompts begin with goes through the model once."""
    import torch
    from transformers import DynamicCache

    from finetune_kit.decoding import common_length

    device = model.get_input_embeddings().weight.device
    known = common_length([prompt for prompt, _ in texts])
    beginning = DynamicCache(config=model.config)
    if known:
        ids = torch.tensor([texts[0][0][:known]], device=device)
        model(input_ids=ids, past_key_values=beginning, use_cache=True, logits_to_keep=1)
    for prompt, answer in texts:
        ids = torch.tensor([prompt[known:] + answer], device=device)
        # The model adds to the cache that it is given.
        cache = copy.deepcopy(beginning)
        logits = model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=len(answer) + 1).logits
        targets = torch.tensor(answer, device=device)
        yield float(torch.nn.functional.cross_entropy(logits[0, :-1].float(), targets, reduction="sum"))
        on_done()
