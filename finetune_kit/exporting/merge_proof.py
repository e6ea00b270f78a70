"""Whether a merged model says what its adapter says."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune_kit.devices import Device, clear_cache, free_memory
from finetune_kit.errors import KitError
from finetune_kit.prompt import Example
from finetune_kit.recipe import Quantization

if TYPE_CHECKING:
    import torch

EXACT = 1e-3
"""In float32: the most that a logit may be off, as a share of the largest."""
MEAN_DIVERGENCE = 0.02
"""In 16 bits: the most that the two may differ on an answer's next token, in nats, on average."""


@dataclass(frozen=True)
class MergeProof:
    """The two models compared on rows."""

    rows: int
    dtype: str
    """What both computed in."""
    largest_difference: float
    """Of two logits, as a share of the largest logit."""
    mean_divergence: float
    """Kullback-Leibler, of the adapter's next token from the merged model's, in nats, over the answers' tokens."""
    same_greedy_rows: int
    """Rows that both answer with the same tokens, greedily."""
    greedy_tokens: int
    """Most tokens of an answer."""

    @property
    def holds(self) -> bool:
        """Whether the merge is what it should be: exact in float32, within what 16 bits round in 16."""
        if self.dtype == "float32":
            return self.largest_difference <= EXACT and self.same_greedy_rows == self.rows
        return self.mean_divergence <= MEAN_DIVERGENCE

    def __str__(self) -> str:
        return (
            f"{self.same_greedy_rows} of {self.rows} rows get the same answer (greedy, at most {self.greedy_tokens} "
            f"tokens), logits differ by at most {self.largest_difference:.1e} of the largest, and what "
            f"is expected next by {self.mean_divergence:.1e} nats on average; both computed in {self.dtype}"
        )


@dataclass(frozen=True)
class _Said:
    logits: "list[torch.Tensor]"
    """By row, (answer tokens, vocabulary), in 16 bits where the model computes so."""
    answers: list[list[int]]


def prove_merge(
    merged: Path,
    adapter: Path,
    base: str,
    quantization: Quantization | None,
    through: str | None,
    examples: Sequence[Example],
    end_token_id: int,
    dtype: str,
    greedy_tokens: int = 64,
    on_row: Callable[[], None] = lambda: None,
) -> MergeProof:
    """Compare the merged model, as others load it, with the adapter on its base model; one after the other, on the CPU.

    Args:
        merged: The folder of the merged model.
        adapter: The adapter's.
        base: The base model's folder.
        quantization: How the adapter's base model is quantised; None compares on the unquantised weights.
        through: What the training had all weights in, as in the merge.
        examples: Rows with their answers.
        end_token_id: Ends an answer.
        dtype: Of the merged weights; both compute in it.
        greedy_tokens: Most tokens of an answer.
        on_row: Called after each row of each model.

    Raises:
        KitError: If the memory is not enough for one of them.
    """
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    from finetune_kit.loading import dequantize, load_model

    needed = 1.1 * sum(path.stat().st_size for path in merged.glob("*.safetensors"))
    free = free_memory(torch.device("cpu"))
    if needed > free:
        raise KitError(
            f"The proof loads a model of {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB of memory are free; "
            "--prove 0 leaves it out, and it can be made elsewhere."
        )
    model: Any = load_model(base, quantization, Device("cpu", "CPU", through or dtype, "for the proof"))
    if quantization:
        dequantize(model)
    model = PeftModel.from_pretrained(model, adapter).eval().to(getattr(torch, dtype))
    expected = _ask(model, examples, end_token_id, greedy_tokens, on_row)
    del model
    clear_cache()
    model = AutoModelForCausalLM.from_pretrained(merged, dtype=getattr(torch, dtype), trust_remote_code=False).eval()
    said = _ask(model, examples, end_token_id, greedy_tokens, on_row)
    return _compare(expected, said, dtype, greedy_tokens)


def _ask(model: Any, examples: Sequence[Example], end: int, greedy_tokens: int, on_row: Callable[[], None]) -> _Said:
    import torch

    logits, answers = [], []
    with torch.inference_mode():
        for example in examples:
            ids = torch.tensor([example.input_ids])
            logits.append(model(input_ids=ids).logits[0, example.prompt_length - 1 : -1].clone())
            prompt = ids[:, : example.prompt_length]
            made = model.generate(
                input_ids=prompt,
                attention_mask=torch.ones_like(prompt),
                do_sample=False,
                max_new_tokens=greedy_tokens,
                eos_token_id=end,
                pad_token_id=end,
            )
            answers.append(made[0, example.prompt_length :].tolist())
            on_row()
    return _Said(logits, answers)


def _compare(expected: _Said, said: _Said, dtype: str, greedy_tokens: int) -> MergeProof:
    """What is not finite makes the proof's figures NaN, and NaN holds no bound."""
    import torch
    from torch.nn.functional import kl_div, log_softmax

    largest, differences, divergences = [], [], []
    for one, other in zip(expected.logits, said.logits, strict=True):
        a, b = one.float(), other.float()
        largest.append(a.abs().max())
        differences.append((a - b).abs().max())
        divergences.append(kl_div(log_softmax(b, -1), log_softmax(a, -1), log_target=True, reduction="none").sum(-1))
    difference = torch.stack(differences).max() / torch.stack(largest).max()
    # Rounding can make a divergence of nothing a little less than that.
    divergence = torch.cat(divergences).mean().clamp(min=0)
    same = sum(one == other for one, other in zip(expected.answers, said.answers, strict=True))
    rows = len(expected.answers)
    return MergeProof(rows, dtype, difference.item(), divergence.item(), same, greedy_tokens)
