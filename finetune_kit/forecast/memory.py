"""The memory that training a recipe takes, by part, and what would make it fit.

Everything but the overhead is counted: the model's tensors from its config, and what a step makes from a step of the
same classes on `meta` (`finetune_kit.forecast.step`).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from finetune_kit.recipe import Adapter, Quantization, Recipe

if TYPE_CHECKING:
    from finetune_kit.forecast.meta_model import Shape
    from finetune_kit.forecast.step import StepCount

FULL_STATE = {"adam": 8, "adamw": 8, "paged_adamw": 8, "sgd": 0, "adamw_8bit": 2, "paged_adamw_8bit": 2}
"""Bytes of optimiser state for each number of the adapter."""
SMALL, EIGHT_BIT_BLOCK = 4096, 256
"""bitsandbytes keeps the state of smaller tensors in 32 bits; of larger ones, blocks of so many share two scales."""
CUDA_CONTEXT = 1100 * 10**6
"""Bytes that the driver, CUDA, its libraries and their workspaces take on a GPU, and that torch's allocator holds in
blocks which are never full; by `benchmarks/gpu.py` on one H100. A smaller card has a smaller context."""
CUDA_SLACK = 0.06
"""Share of what a step makes that the allocator can't use beside that; by the same benchmark."""
CPU_PROCESS = 1100 * 10**6
"""Bytes of Python with Ludwig, torch and transformers loaded; measured on Linux with the tested versions."""
CPU_SLACK = 1.25
"""Share of what a step makes that glibc holds beside it, in pieces that were freed and nothing fits in; by the resident
memory of SmolLM2-135M in `benchmarks/footprint.py` at 256 to 1,024 tokens and in `benchmarks/memory.py` at 1,536."""


PARTS = (
    "quantised weights",
    "weights",
    "embeddings and head",
    "norms and buffers",
    "adapter",
    "adapter gradients",
    "optimiser",
    "activations",
    "gradients of activations",
    "logits",
    "unpacked weights",
)
"""In the order in which they are shown; `weights` are linear layers that are not quantised."""


@dataclass(frozen=True)
class Target:
    """What is to hold it."""

    name: str
    type: str
    """`cuda` or `cpu`."""
    memory: int
    """Bytes that programs can have."""
    compute_dtype: str
    """As the device likes it; the recipe's own goes before it."""
    flops: float | None = None
    """Dense matrix products in that dtype, operations a second."""


@dataclass(frozen=True)
class MemoryEstimate:
    """The memory of training."""

    parts: dict[str, int]
    """Bytes by part at the moment of most; their sum is `total`."""
    checkpointing: bool
    rows: int
    """Rows of the largest batch."""
    tokens: int
    """Tokens of the largest batch, padding among them."""
    packs: bool
    activations: int
    """Bytes kept for the gradient at the end of the forward pass."""
    logits: int
    """Bytes of the output head's results, and of their gradients, when they are most."""
    unpacked: int
    """Bytes of weights that are unpacked for a product, when they are most."""
    parameters: int
    """Numbers of the base model."""
    trainable: int
    """Numbers of the adapter."""
    flops: int
    """Floating point operations of the largest batch, forward and back."""
    layers: int
    """Of the base model."""

    @property
    def total(self) -> int:
        """Bytes, overhead included."""
        return sum(self.parts.values())

    @property
    def tensors(self) -> int:
        """Bytes of tensors: without the overhead."""
        return self.total - self.parts["overhead"]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"total": self.total, **asdict(self)}


class Forecast:
    """Estimates for one base model, on one device.

    Args:
        recipe: The recipe.
        config: The base model's, as transformers has it.
        target: The device.
        lengths: Tokens of the rows that are trained on; the cap is taken for the longest without them.
    """

    def __init__(self, recipe: Recipe, config: Any, target: Target, lengths: Sequence[int] | None = None) -> None:
        self.recipe, self.config, self.target = recipe, config, target
        cap = recipe.preprocessing.global_max_sequence_length
        self.lengths = sorted((length for length in lengths or [] if length <= cap), reverse=True)
        self._known: dict[Any, MemoryEstimate] = {}

    @cached_property
    def longest(self) -> int:
        """Tokens of the longest row."""
        return self.lengths[0] if self.lengths else self.recipe.preprocessing.global_max_sequence_length

    @cached_property
    def shape(self) -> "Shape":
        """What needs numbers to be found out."""
        from finetune_kit.forecast.meta_model import probe

        return probe(self.config, self.longest)

    def batch(self, max_tokens: int, longest: int) -> list[int]:
        """Lengths of the rows of the largest batch there can be; a step's rows are all that it can be made of."""
        trainer = self.recipe.trainer
        of_a_step = trainer.batch_size * trainer.gradient_accumulation_steps
        rows = [min(length, longest) for length in self.lengths[:of_a_step]] or [longest] * of_a_step
        if not self.shape.packs:
            return [longest] * max(1, min(len(rows), max_tokens // longest))
        most = max(longest, min(max_tokens, sum(rows)))
        return [longest] * (most // longest) + ([most % longest] if most % longest > 1 else [])

    def estimate(
        self,
        checkpointing: bool,
        max_tokens: int | None = None,
        longest: int | None = None,
        quantization: Quantization | str | None = "recipe's",
        adapter: Adapter | None = None,
    ) -> MemoryEstimate:
        """The memory of training.

        Args:
            checkpointing: Whether activations are computed again in the place of keeping them.
            max_tokens: Tokens of a batch; as the recipe says without it.
            longest: Tokens of the longest row; as the data says without it.
            quantization: In the place of the recipe's.
            adapter: In the place of the recipe's.
        """
        import torch

        from finetune_kit.forecast.step import count_step
        from finetune_kit.loading import compute_dtype_on

        adapter = adapter or self.recipe.adapter
        stored = self.recipe.quantization if isinstance(quantization, str) else quantization
        lengths = self.batch(max_tokens or self.recipe.token_budget.train, longest or self.longest)
        key = (checkpointing, tuple(lengths), stored, adapter.model_dump_json())
        if key not in self._known:
            dtype = compute_dtype_on(stored, self.target.compute_dtype)
            count = count_step(
                self.config,
                self.shape,
                adapter,
                stored,
                getattr(torch, dtype),
                lengths,
                checkpointing,
                self.target.type,
            )
            self._known[key] = self._sum(count, checkpointing, len(lengths))
        return self._known[key]

    def _sum(self, count: "StepCount", checkpointing: bool, rows: int) -> MemoryEstimate:
        adapter = sum(count.trainable)
        optimizer = optimizer_bytes(self.recipe.trainer.optimizer.type, count.trainable)
        found = {**count.weights, "adapter gradients": 4 * adapter, "optimiser": optimizer, **count.at_peak}
        parts = {part: found[part] for part in PARTS if found.get(part)}
        fixed, slack = (CUDA_CONTEXT, CUDA_SLACK) if self.target.type == "cuda" else (CPU_PROCESS, CPU_SLACK)
        overhead = fixed + int(slack * sum(count.at_peak.values()))
        return MemoryEstimate(
            parts={**parts, "overhead": overhead},
            checkpointing=checkpointing,
            rows=rows,
            tokens=count.tokens,
            packs=count.packs,
            activations=count.activations,
            logits=count.most.get("logits", 0),
            unpacked=count.most.get("unpacked weights", 0),
            parameters=count.parameters,
            trainable=adapter,
            flops=count.flops,
            layers=getattr(self.config.get_text_config(), "num_hidden_layers", 0),
        )


def optimizer_bytes(kind: str, trainable: Sequence[int]) -> int:
    """Bytes of an optimiser's state.

    Args:
        kind: `trainer.optimizer.type`.
        trainable: Numbers of each of the adapter's tensors.
    """
    each = FULL_STATE[kind]
    if not kind.endswith("8bit"):
        return each * sum(trainable)
    return sum(8 * size if size < SMALL else each * size + 2 * 4 * -(-size // EIGHT_BIT_BLOCK) for size in trainable)
