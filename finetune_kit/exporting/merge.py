"""The adapter merged into its base model, a tensor at a time, on the CPU."""

import json
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune_kit.devices import give_back_large_blocks
from finetune_kit.errors import KitError
from finetune_kit.exporting.weights import DTYPES, ShardWriter, Stored, Weights
from finetune_kit.recipe import Quantization

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig

_PREFIX = "base_model.model."
_WORKING_COPIES = 4
"""Of a matrix in float32: what its quantisation makes of it, the adapter's product, the sum, and one to spare."""


@dataclass(frozen=True)
class MergePlan:
    """What a merge will take."""

    tensors: Sequence[Stored]
    """The merged ones."""
    peak_bytes: int
    """The bound on what is held at once, beside Python, its libraries and the adapter: of one tensor what was read, the
    working copies, and what is written."""

    @property
    def bytes(self) -> int:
        """Of the merged weights."""
        return sum(one.nbytes for one in self.tensors)


def plan_merge(stored: Iterable[Stored], changed: Collection[str], dtype: str, through: str | None = None) -> MergePlan:
    """What a merge will take, from the shapes alone.

    Args:
        stored: The tensors of the base model.
        changed: Names of those that the adapter or the quantisation changes.
        dtype: Of the merged weights.
        through: What they are rounded to first.
    """
    tensors, peak = [], 0
    for one in stored:
        merged = between = one
        if one.is_floating:
            merged = replace(one, dtype=DTYPES[dtype])
            between = replace(one, dtype=DTYPES[through]) if through else one
        # As the file is mapped, as it was read, and what becomes of it; a tensor of the right dtype stays as it is.
        held = 2 * one.nbytes + between.nbytes * (between != one) + merged.nbytes * (merged != between)
        if one.name in changed:
            held = 2 * one.nbytes + _WORKING_COPIES * 4 * one.elements + merged.nbytes
        tensors.append(merged)
        peak = max(peak, held)
    return MergePlan(tensors, peak)


class Adapter:
    """A LoRA adapter, plain PEFT files.

    Args:
        folder: Holds `adapter_config.json` and `adapter_model.safetensors`.

    Raises:
        KitError: If it has what can't be merged.
    """

    def __init__(self, folder: Path) -> None:
        from peft import PeftConfig
        from safetensors.torch import load_file

        self.config: Any = PeftConfig.from_pretrained(str(folder))
        if self.config.fan_in_fan_out:
            raise KitError(
                f"The adapter {folder} is of transposed layers (fan_in_fan_out), which can't be merged here."
            )
        self._tensors = load_file(folder / "adapter_model.safetensors")
        names = {name.removeprefix(_PREFIX).rsplit(".lora_", 1)[0] for name in self._tensors}
        self.modules = {f"{name}.weight": name for name in names}
        """The base model's tensors that it changes, and the names of their layers."""

    def merged(self, tensor: str, weight: "torch.Tensor") -> "torch.Tensor":
        """A weight with the adapter in it.

        Args:
            tensor: Its name.
            weight: (out, in), float32.

        Returns:
            (out, in), float32.
        """
        import torch

        module = self.modules[tensor]
        down, up = (self._tensors[f"{_PREFIX}{module}.lora_{one}.weight"].float() for one in "AB")
        rank = down.shape[0]
        scale = self.config.lora_alpha / (rank**0.5 if self.config.use_rslora else rank)
        merged = torch.addmm(weight, up, down, alpha=scale)
        magnitude = self._tensors.get(f"{_PREFIX}{module}.lora_magnitude_vector")
        if magnitude is not None:  # DoRA: the length of each row is trained apart from its direction
            merged *= (magnitude.float() / torch.linalg.vector_norm(merged, dim=1)).unsqueeze(1)
        return merged


def merge(
    base: Path,
    adapter: Path,
    output: Path,
    dtype: str,
    quantization: Quantization | None = None,
    through: str | None = None,
    on_tensor: Callable[[], None] = lambda: None,
) -> MergePlan:
    """Merge an adapter into a base model.

    Args:
        base: The base model's folder.
        adapter: The adapter's.
        output: Where the merged weights go; it is there, and empty.
        dtype: Of the merged weights: `bfloat16`, `float16` or `float32`.
        quantization: Merge into what these 4 bits make of the weights, and not into the weights themselves.
        through: What the training had all weights in, and quantised them from; they are rounded to it first.
        on_tensor: Called after each.

    Returns:
        What it took.

    Raises:
        KitError: If the two do not belong together, or there is no room.
    """
    import torch
    from transformers import AutoConfig

    give_back_large_blocks()
    weights, lora = Weights(base), Adapter(adapter)
    quantized = linear_names(AutoConfig.from_pretrained(base)) if quantization is not None else set()
    missing = sorted(set(lora.modules) - set(weights.stored))
    if missing:
        raise KitError(f"The adapter changes {missing[0]}, and the base model {base} has no such tensor.")
    plan = plan_merge(weights.stored.values(), {*lora.modules, *quantized}, dtype, through)
    free = shutil.disk_usage(output).free
    if free < 1.02 * plan.bytes:
        raise KitError(
            f"The merged model takes {plan.bytes / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free in {output.parent}; "
            "free the disk, or name another folder with --output."
        )

    def merged(name: str, weight: "torch.Tensor") -> "torch.Tensor":
        if through:
            weight = weight.to(getattr(torch, through))
        if quantization is not None and name in quantized:
            weight = _through_4_bits(weight, quantization)
        if name in lora.modules:
            weight = lora.merged(name, weight.float())
        weight = weight.to(getattr(torch, dtype))
        if not all(end.isfinite() for end in weight.aminmax()):
            raise KitError(f"{name} holds numbers that {dtype} can't; choose another with --dtype.")
        return weight

    def each() -> "Iterator[torch.Tensor]":
        for name, tensor in weights.each():
            yield merged(name, tensor) if tensor.is_floating_point() else tensor
            on_tensor()

    ShardWriter(output, plan.tensors).write(each())
    return plan


def linear_names(config: "PretrainedConfig") -> set[str]:
    """Names of the weights that bitsandbytes quantises when a model is loaded: linear layers but for the head."""
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    head = model.get_output_embeddings()
    layers = model.named_modules()
    return {f"{name}.weight" for name, one in layers if isinstance(one, torch.nn.Linear) and one is not head}


def _through_4_bits(weight: "torch.Tensor", quantization: Quantization) -> "torch.Tensor":
    """What 4 bits make of a weight, as the model that was trained had it."""
    from bitsandbytes import functional

    quantized, state = functional.quantize_4bit(
        weight.contiguous(),
        blocksize=64,
        compress_statistics=quantization.bnb_4bit_use_double_quant,
        quant_type=quantization.bnb_4bit_quant_type,
    )
    restored: torch.Tensor = functional.dequantize_4bit(quantized, state)
    return restored


def write_config(base: Path, output: Path, dtype: str) -> None:
    """The base model's config, of merged weights in another dtype."""
    config = json.loads((base / "config.json").read_text(encoding="utf-8"))
    for key in ("quantization_config", "torch_dtype"):
        config.pop(key, None)
    config["dtype"] = dtype
    (output / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
