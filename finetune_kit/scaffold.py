"""A first recipe for a file of rows: its columns, its lengths and its size decide what is written into it."""

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from finetune_kit.base_models import EMBEDDED, resolve_base_model
from finetune_kit.data import Row, _read, load_rows
from finetune_kit.errors import KitError
from finetune_kit.prompt import Prompt
from finetune_kit.run import write_text

# What columns are called, the likeliest first.
NAMES = {
    "instruction": ("instruction", "prompt", "question", "task", "query", "problem", "request", "text", "docstring"),
    "input": ("input", "context", "inputs"),
    "output": ("output", "response", "answer", "completion", "solution", "code", "target", "label", "reply", "outputs"),
}
ROWS_TO_MEASURE = 2000
FEW_ROWS = 2000
MANY_EMPTY = 0.1
"""The share of rows without an input from which on they get a template of their own."""
GUESSED_CAP = 512
GUESSED_ANSWER = 256
_LINEAR = "[q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj]"
_LAYERS = {
    **dict.fromkeys(("llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2"), _LINEAR),
    "starcoder2": "[q_proj, k_proj, v_proj, o_proj, c_fc, c_proj]",
}
"""All linear layers, by the model type of a config."""


@dataclass(frozen=True)
class Lengths:
    """Tokens of the rows, as far as they were measured."""

    rows: int
    """How many were measured."""
    most: int
    """Prompt, answer and end token of all but one row in a hundred."""
    longest: int
    answer: int
    """The answer and the end token of all but one row in a hundred."""

    @property
    def cap(self) -> int:
        """`most`, rounded up to a multiple of 64."""
        return -(-self.most // 64) * 64


def find_columns(names: Sequence[str]) -> dict[str, str]:
    """Our names of columns, and what they are called in the data.

    Args:
        names: The data's columns.

    Returns:
        `instruction` and `output`, and `input` where there is one; the likeliest of each.

    Raises:
        KitError: If there is none for the question, or none for the answer.

    Example:
        >>> find_columns(["id", "Question", "answer"])
        {'instruction': 'Question', 'output': 'answer'}
    """
    lower = {name.lower().strip(): name for name in reversed(names)}
    found: dict[str, str] = {}
    for ours, theirs in NAMES.items():
        name = next((lower[one] for one in theirs if one in lower and lower[one] not in found.values()), None)
        if name is not None:
            found[ours] = name
    for ours, what in (("instruction", "question"), ("output", "answer")):
        if ours not in found:
            chat = {"messages", "conversations"} & set(lower)
            hint = f" {chat.pop()!r} holds whole talks; make rows of question and answer of it." if chat else ""
            raise KitError(
                f"No column looks like the {what} (there are: {', '.join(names) or 'none'}); call it {ours!r}, or "
                f"write a recipe by hand with data.columns.{ours}.{hint}"
            )
    return found


def scaffold(source: str, base_model: str = EMBEDDED) -> str:
    """A commented recipe for rows.

    Args:
        source: As `load_rows` takes it.
        base_model: As `resolve_base_model` takes it; it is not fetched.

    Returns:
        The recipe as YAML.

    Raises:
        KitError: If the rows can't be read, or their columns can't be told.
    """
    columns = find_columns(_column_names(source))
    renamed = {ours: theirs for ours, theirs in columns.items() if ours != theirs}
    rows = load_rows(source, renamed)
    empty = sum(not row["input"].strip() for row in rows) / len(rows)
    template = _template(with_input=empty < 1)
    without = _template(with_input=False) if MANY_EMPTY <= empty < 1 else None
    if empty == 1:
        renamed.pop("input", None)
    model = _look_at(base_model)
    lengths = _measure(rows, template, without, model.tokenizer) if model.tokenizer else None
    parts = (
        _head(source, model, len(rows)),
        _prompt(template, without, empty),
        _adapter(model),
        _preprocessing(lengths, model, len(rows)),
        _generation(lengths, model),
        _trainer(model, len(rows)),
        _data(source, renamed),
    )
    return "\n".join(parts)


def check_free(path: Path, force: bool = False) -> None:
    """Refuse to replace a file.

    Raises:
        KitError: If there is one already, unless `force` is set.
    """
    if path.exists() and not force:
        raise KitError(f"{path} exists already; name another file with --output, or replace it with --force.")


def write_recipe(text: str, path: Path) -> None:
    """Write a recipe: to a file beside it first, then renamed.

    Raises:
        KitError: If it can't be written.
    """
    try:
        write_text(path, text)
    except OSError as error:
        raise KitError(f"{path} can't be written ({error.strerror}); name another file with --output.") from None


def _column_names(source: str) -> list[str]:
    first = next(iter(_read(source)), ("", None))[1]
    if not isinstance(first, dict):
        load_rows(source)  # which says what is wrong with it
    return [str(name) for name in first or {}]


@dataclass(frozen=True)
class _Model:
    """What is known of a base model without its weights."""

    name: str
    config: dict[str, Any]
    """Empty where the model is not on this machine."""
    tokenizer: Any

    @property
    def billions(self) -> float | None:
        """Weights, in billions: counted from the shapes, or read from the name; None where neither tells."""
        names = ("hidden_size", "intermediate_size", "vocab_size", "num_hidden_layers")
        if all(name in self.config for name in names):
            hidden, intermediate, vocabulary, layers = (int(self.config[name]) for name in names)
            return (layers * (4 * hidden**2 + 3 * hidden * intermediate) + vocabulary * hidden) / 1e9
        found = re.search(r"(?<![\d.])(\d+(?:\.\d+)?)([bBmM])(?![a-zA-Z])", self.name)
        return float(found[1]) / (1 if found[2] in "bB" else 1000) if found else None

    @property
    def context(self) -> int:
        """The most tokens that it was made for."""
        return self.config.get("max_position_embeddings") or sys.maxsize

    @property
    def is_small(self) -> bool:
        """Whether it is below a billion weights."""
        return self.billions is not None and self.billions < 1


def _look_at(name: str) -> _Model:
    """A base model's config and tokenizer, where they lie on this machine."""
    from transformers import AutoTokenizer, PretrainedConfig

    path = resolve_base_model(name).path if name == EMBEDDED or Path(name).is_dir() else name
    try:
        config, _ = PretrainedConfig.get_config_dict(path, local_files_only=True)
        tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError):
        return _Model(name, {}, None)
    return _Model(name, config, tokenizer)


def _measure(rows: Sequence[Row], template: str, without: str | None, tokenizer: Any) -> Lengths:
    """Lengths of rows spread evenly over the data."""
    chosen = rows[:: -(-len(rows) // ROWS_TO_MEASURE)]
    prompts = Prompt(template), Prompt(without or template)
    examples = [prompts[not row["input"].strip()].encode_example(row, tokenizer) for row in chosen]
    whole = sorted(len(example.input_ids) for example in examples)
    answers = sorted(len(example.input_ids) - example.prompt_length for example in examples)
    last = -(-len(chosen) * 99 // 100) - 1
    return Lengths(len(chosen), whole[last], whole[-1], answers[last])


def _template(with_input: bool) -> str:
    return "### Instruction: {instruction}\n\n" + ("### Input: {input}\n\n" if with_input else "") + "### Response:\n"


def _head(source: str, model: _Model, rows: int) -> str:
    return f"""\
# Made by `finetune-kit init` for {rows:,} rows of {source}; every key is yours to change.
# Editors complete and check the keys by the schema that `finetune-kit recipes --schema` prints.
model_type: llm
base_model: {_scalar(model.name)}

input_features:
  - name: instruction
output_features:
  - name: output
"""


def _prompt(template: str, without: str | None, empty: float) -> str:
    lines = ["prompt:", "  template: |", *_block(template)]
    if without:
        lines += [
            _commented("  template_without_input: |", f"{empty:.0%} of the rows have an empty input"),
            *_block(without),
        ]
    return "\n".join([*lines, ""])


def _block(text: str) -> list[str]:
    return [f"    {line}".rstrip() for line in text.splitlines()]


def _adapter(model: _Model) -> str:
    lines = [
        "adapter:",
        "  type: lora",
        _commented("  r: 16", "half of it halves the adapter and its state in training"),
    ]
    if layers := _LAYERS.get(str(model.config.get("model_type"))):
        lines += [f"  target_modules: {layers}", ""]
    else:
        lines += [_commented("  # target_modules: [...]", "without it PEFT chooses for the architecture"), ""]
    if "quantization_config" in model.config:
        lines.append("# No section quantization: the base model is quantised already.")
    elif model.is_small and model.name != EMBEDDED:
        lines.append("# No section quantization: a model below a billion weights is small enough in 16 bits.")
    else:
        lines += ["quantization:", _commented("  bits: 4", "a quarter of the memory of 16 bits")]
    return "\n".join([*lines, ""])


def _preprocessing(lengths: Lengths | None, model: _Model, rows: int) -> str:
    cap, why = min(GUESSED_CAP, model.context), "a guess: the base model's tokenizer is not on this machine yet"
    if lengths is not None:
        cap = min(lengths.cap, model.context)
        why = f"of {lengths.rows:,} rows 99 % have {lengths.most} tokens at most, and the longest {lengths.longest}"
    shares = "[0.8, 0.05, 0.15]" if rows < FEW_ROWS else "[0.9, 0.05, 0.05]"
    return f"""\
preprocessing:
{_commented(f"  global_max_sequence_length: {cap}", why)}
  split:
{_commented(f"    probabilities: {shares}", "training, validation, test")}
"""


def _generation(lengths: Lengths | None, model: _Model) -> str:
    most, why = GUESSED_ANSWER, "a guess"
    if lengths is not None:
        most, why = -(-lengths.answer // 32) * 32, "99 % of the answers are shorter"
    if most > (room := model.context // 2):
        most, why = room, f"half of what the base model reads and writes, {model.context} tokens"
    return f"""\
generation:
{_commented("  do_sample: false", "greedy: the same answer every time")}
{_commented(f"  max_new_tokens: {most}", why)}
{_commented('  stop_strings: ["\\n### "]', "where a model would go on with the next row")}
"""


def _trainer(model: _Model, rows: int) -> str:
    of_a_step = 8 if rows < FEW_ROWS else 16
    at_once = 4 if model.is_small else 1
    times = of_a_step // at_once
    epochs = 3 if rows < FEW_ROWS // 4 else 2 if rows < FEW_ROWS else 1
    rate = "0.001" if model.is_small else "0.0002"
    return f"""\
trainer:
  type: finetune
{_commented(f"  epochs: {epochs}", "how often every row is seen")}
{_commented(f"  batch_size: {at_once}", "rows of the longest length that memory must hold ...")}
{_commented(f"  gradient_accumulation_steps: {times}", f"... and {times} times as many make a step")}
{_commented(f"  learning_rate: {rate}", "the first thing to change: lower if the loss jumps")}
  learning_rate_scheduler:
    warmup_fraction: 0.03
    decay: cosine
"""


def _data(source: str, renamed: Mapping[str, str]) -> str:
    lines = ["data:", f"  source: {_scalar(source)}"]
    if renamed:
        lines += [_commented("  columns:", "our name of a column: its name there")]
        lines += [f"    {ours}: {_scalar(theirs)}" for ours, theirs in renamed.items()]
    lines.append(_commented("  # train_limit: 200", "for a first look"))
    return "\n".join([*lines, ""])


def _commented(key: str, comment: str) -> str:
    return f"{key:<36}  # {comment}"


def _scalar(text: str) -> str:
    """A text as YAML writes it, in quotes where it must be."""
    return yaml.safe_dump(text, allow_unicode=True, width=10**6).removesuffix("...\n").rstrip("\n")
