"""The recipe's section `backend.trainer.strategy`: how the workers of a Ray backend share a model out among them.

The words are Ludwig's, and those that it hands on: of `accelerate.FullyShardedDataParallelPlugin`, and of DeepSpeed's
ZeRO-3. Nothing of these libraries is imported here; `ludwig_keys` has the rest of their keys.
"""

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from finetune_kit.ludwig_keys import without_ludwigs_own
from finetune_kit.recipe_section import Section

Auto = Literal["auto"]


class FsdpConfig(Section):
    """How FSDP cuts a model; the names are Accelerate's."""

    fsdp_version: Literal[2] = 2
    """torch's `fully_shard`; the kit's adapters are trained beside frozen weights, which version 1 does not mix."""
    reshard_after_forward: bool = True
    """Let a layer's weights go between forward and backward pass: less memory, more to send."""
    auto_wrap_policy: Literal["TRANSFORMER_BASED_WRAP"] = "TRANSFORMER_BASED_WRAP"
    """Each decoder layer is a shard of its own."""
    transformer_cls_names_to_wrap: list[str] | None = Field(None, min_length=1)
    """Classes of the layers that are; those that transformers never splits where it is not given."""


class Offload(Section):
    """Where ZeRO-3 keeps what it does not need at the moment."""

    device: Literal["none", "cpu", "nvme"] = "none"
    """The memory, or a disk."""
    nvme_path: str | None = None
    """The folder on the disk."""
    pin_memory: bool | None = None
    """Page-locked memory: faster, and not to be had for anything else."""
    buffer_count: int | None = Field(None, gt=0)
    """Buffers for what is on its way."""


class OffloadParam(Offload):
    """Where ZeRO-3 keeps weights."""

    buffer_size: int | Auto | None = None
    """Numbers of a buffer."""
    max_in_cpu: int | Auto | None = None
    """Numbers that stay in memory when the rest is on a disk."""


class OffloadOptimizer(Offload):
    """Where ZeRO-3 keeps the optimiser's state."""

    pipeline_read: bool | None = None
    """Read the next while this one is computed with."""
    pipeline_write: bool | None = None
    """Write the last while this one is computed with."""
    fast_init: bool | None = None
    """Make the state on the disk faster."""
    ratio: float | None = Field(None, ge=0, le=1)
    """The share of weights that is updated on the CPU."""


class ZeroOptimization(Section):
    """ZeRO-3's own keys; what is not given is DeepSpeed's default."""

    stage: Literal[3]
    """3: weights, gradients and the optimiser's state are shared out."""
    offload_param: OffloadParam | None = None
    """Where weights wait."""
    offload_optimizer: OffloadOptimizer | None = None
    """Where the optimiser's state waits."""
    overlap_comm: bool | None = None
    """Send while computing."""
    contiguous_gradients: bool | None = None
    """Lay gradients side by side as they come."""
    reduce_scatter: bool | None = None
    """Add gradients where they are kept, not everywhere."""
    reduce_bucket_size: int | Auto | None = None
    """Numbers that are added at once."""
    allgather_partitions: bool | None = None
    """Collect weights by a gather, not by broadcasts."""
    allgather_bucket_size: int | Auto | None = None
    """Numbers that are collected at once."""
    sub_group_size: int | Auto | None = None
    """Weights that are updated at once."""
    round_robin_gradients: bool | None = None
    """Copy gradients to the CPU by ranks in turn."""
    stage3_prefetch_bucket_size: int | Auto | None = None
    """Numbers that are collected ahead of time."""
    stage3_param_persistence_threshold: int | Auto | None = None
    """Weights of fewer numbers stay whole."""
    stage3_max_live_parameters: int | Auto | None = None
    """Weights that are whole at a time."""
    stage3_max_reuse_distance: int | Auto | None = None
    """A weight that is needed again so soon stays whole."""
    stage3_gather_16bit_weights_on_model_save: bool | Auto | None = None
    """Collect the weights when a model is saved."""
    zero_hpz_partition_size: int | None = Field(None, gt=0)
    """Workers of a node that have a copy of the weights among them."""


class Half(Section):
    """Whether DeepSpeed computes in a dtype of 16 bits."""

    enabled: bool | Auto
    """`auto` as the device likes it."""


class DeepspeedConfig(Section):
    """DeepSpeed's config, as far as it is about ZeRO-3."""

    zero_optimization: ZeroOptimization
    """ZeRO's own keys."""
    bf16: Half | None = None
    """bfloat16; must be what the device computes in."""
    fp16: Half | None = None
    """float16; must be what the device computes in."""
    communication_data_type: Literal["fp16", "bf16", "fp32"] | None = None
    """What is sent."""

    @property
    def dtype(self) -> str | None:
        """What it is told to compute in; None where that is left open."""
        asked = {"bfloat16": self.bf16, "float16": self.fp16}
        return next((name for name, half in asked.items() if half is not None and half.enabled is True), None)


class Strategy(Section):
    """How workers share the work; a word is enough, `ddp`, `fsdp` or `deepspeed`."""

    type: Literal["accelerate", "ddp", "fsdp", "deepspeed"] = "ddp"
    """`ddp`: each has the whole model. `fsdp`, `deepspeed`: each has a part of it, for models that one worker's memory
    does not hold. `accelerate`: the one of them whose config is given, or else `ddp`."""
    fsdp_config: FsdpConfig | None = None
    """With `fsdp`."""
    deepspeed_config: DeepspeedConfig | None = None
    """With `deepspeed`: DeepSpeed's own config, or the path of a JSON file with it, which is read with the recipe."""

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: Any) -> Any:
        """A word for the section, and DeepSpeed's file."""
        if isinstance(value, str):
            return {"type": value}
        path = value.get("deepspeed_config") if isinstance(value, dict) else None
        if not isinstance(path, str):
            return value
        try:
            config = json.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise ValueError(f"deepspeed_config names {path}, which can't be read ({error.strerror})") from None
        except ValueError as error:
            raise ValueError(f"deepspeed_config names {path}, which is not JSON ({error})") from None
        return {**value, "deepspeed_config": without_ludwigs_own(config, "backend.trainer.strategy.deepspeed_config")}

    @property
    def kind(self) -> Literal["ddp", "fsdp", "deepspeed"]:
        """`type`, or what `accelerate` comes to."""
        if self.type != "accelerate":
            return self.type
        if self.deepspeed_config is not None:
            return "deepspeed"
        return "ddp" if self.fsdp_config is None else "fsdp"
