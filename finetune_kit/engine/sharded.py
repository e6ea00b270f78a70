"""Workers that hold a part of the model each, for base models that are too large for one of them.

By FSDP2, torch's `fully_shard` as Accelerate applies it: a worker keeps a share of every weight, and the whole of a
layer only while it is computed with. All of them run every batch together, so that whatever one decides by itself in
`Workers` (how many batches there are, whether memory is short) is decided by all here.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from accelerate import DistributedType, FullyShardedDataParallelPlugin
from ludwig.distributed.accelerate import AccelerateStrategy
from torch.distributed.tensor import DTensor, distribute_tensor

from finetune_kit.engine.workers import Workers
from finetune_kit.errors import KitError
from finetune_kit.recipe_checks import NO_ZERO_3
from finetune_kit.recipe_strategy import DeepspeedConfig, FsdpConfig


class Shards(AccelerateStrategy):
    """Ludwig's way between workers that share the model's weights out among them by FSDP2.

    The model is loaded into the machine's memory first, and goes to a worker's device layer by layer, as it is cut.

    Args:
        config: Of `FullyShardedDataParallelPlugin`.
    """

    def __init__(self, config: FsdpConfig) -> None:
        words = config.model_dump(exclude_none=True)
        super().__init__(fsdp_config=words)
        # Accelerate 1.15 forgets the plugin where there is no GPU, or one worker alone.
        self.accelerator.state.distributed_type = DistributedType.FSDP
        self.plugin = self.accelerator.state.fsdp_plugin = FullyShardedDataParallelPlugin(**words)

    def to_device(self, model: Any, device: Any = None) -> Any:
        """The model where it is; its batches are made where its parts will be."""
        model.curr_device = self.accelerator.device
        return model

    def prepare(
        self, model: Any, trainer_config: Any, base_learning_rate: float
    ) -> tuple[torch.nn.Module, torch.optim.Optimizer]:
        """The model with its weights shared out, and an optimiser of this worker's shares.

        Raises:
            KitError: If the layers that are to be shards of their own are not there, or can't be.
        """
        self.plugin.transformer_cls_names_to_wrap = self._layers(model.model.get_base_model())
        for parameter in model.parameters():
            if parameter.requires_grad and self.size() > 1:
                first = parameter.detach().to(self.accelerator.device)
                torch.distributed.broadcast(first, src=0)
                parameter.data.copy_(first)
        sharded, optimizer = super().prepare(model, trainer_config, base_learning_rate)
        return sharded, optimizer.optimizer  # type: ignore[attr-defined]

    def _layers(self, model: Any) -> list[str]:
        """Names of the layers' classes: the recipe's, or else those that transformers never splits."""
        by_name = {type(module).__name__: module for module in model.modules()}
        asked = self.plugin.transformer_cls_names_to_wrap
        names = [name for name in asked or model._no_split_modules or () if asked or name in by_name]
        key = "backend.trainer.strategy.fsdp_config.transformer_cls_names_to_wrap"
        if missing := [name for name in names if name not in by_name]:
            raise KitError(f"{key} names {', '.join(missing)}, and the base model has no layer of that class.")
        if not names:
            raise KitError(f"Which layers are to be shards of their own is not known of this base model: set {key}.")
        head = model.get_output_embeddings()
        for module in model.modules():
            if type(module).__name__ in names and head in module.modules():
                raise KitError(
                    f"{key} names {type(module).__name__}, which is or holds the output head; name decoder layers."
                )
        return names


class ShardedWorkers(Workers):
    """Workers that share the model's weights out, as one of them sees them."""

    shards = True

    def most(self, count: int) -> int:
        """The most that one of them has: each batch is run by all."""
        return max(self.gather(count))

    def add_gradients(self, parameters: Sequence[torch.nn.Parameter]) -> None:
        """FSDP has added them with each batch, and divided by the number of workers."""
        for parameter in parameters:
            if parameter.grad is not None:
                parameter.grad.mul_(self.count)

    def norm(self, gradients: Sequence[torch.Tensor]) -> torch.Tensor:
        """The norm over all shards."""
        return _whole(super().norm(gradients))

    @contextmanager
    def evaluating(self, model: Any) -> Iterator[None]:
        """Without gradients; tensors made in inference mode could not be used for training again."""
        with torch.no_grad():
            yield
        # The root keeps its weights together for a backward pass, and there is none.
        model.reshard()

    def state_of(self, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
        """The whole tensors, as a process alone has them."""
        return {name: _whole(state) for name, state in super().state_of(model, optimizer).items()}

    def put_back(self, state: Mapping[str, Any], model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Take this worker's shares of whole tensors."""
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        kept = {
            number: {
                name: _share(value, parameters[number]) if _is_like(value, parameters[number]) else value
                for name, value in values.items()
            }
            for number, values in state["optimizer"]["state"].items()
        }
        whole = {"weights": self.parts(state["weights"], model), "optimizer": {**state["optimizer"], "state": kept}}
        super().put_back(whole, model, optimizer)

    def parts(self, weights: Mapping[str, torch.Tensor], model: torch.nn.Module) -> dict[str, torch.Tensor]:
        """This worker's shares of whole weights."""
        there = model.state_dict()
        return {name: _share(value, there[name]) for name, value in weights.items()}


class ZeroThree(AccelerateStrategy):
    """DeepSpeed's ZeRO-3, as far as the kit goes with it: the config reaches DeepSpeed, and no training begins.

    DeepSpeed takes backward pass, step, clipping and the optimiser's state into an engine of its own. What the kit does
    with these (a step that weighs every answer token the same, the output head apart from the forward pass, checkpoints
    that any number of workers goes on from) has not been made for it, nor tried: the tests have a stand-in for
    `accelerate.DeepSpeedPlugin`, which shows that the recipe's config gets there, and no DeepSpeed.

    Args:
        config: DeepSpeed's.
        compute_dtype: What the base model computes in.

    Raises:
        KitError: If DeepSpeed is not installed, it or Accelerate refuses the config, or it is for another dtype.
    """

    def __init__(self, config: DeepspeedConfig, compute_dtype: str) -> None:
        if config.dtype not in (None, compute_dtype):
            raise KitError(
                f"backend.trainer.strategy.deepspeed_config is for {config.dtype}, and the workers compute in "
                f"{compute_dtype}; leave bf16 and fp16 out."
            )
        try:
            # Ludwig takes a section for the plugin's arguments; DeepSpeed's own config is one of them.
            super().__init__(deepspeed_config={"hf_ds_config": config.model_dump(exclude_none=True)})
        except (ImportError, TypeError, ValueError) as error:
            raise KitError(f"backend.trainer.strategy: DeepSpeed can't be used here ({error}); write fsdp.") from None

    def prepare(self, model: Any, trainer_config: Any, base_learning_rate: float) -> Any:
        """Not yet.

        Raises:
            KitError: Always.
        """
        raise KitError(NO_ZERO_3)


def _whole(state: Any) -> Any:
    """A tree of tensors with the whole ones in the places of shards; all workers ask for it."""
    if isinstance(state, Mapping):
        return {name: _whole(value) for name, value in state.items()}
    return state.full_tensor() if isinstance(state, DTensor) else state


def _is_like(value: Any, parameter: torch.Tensor) -> bool:
    return isinstance(value, torch.Tensor) and value.dim() > 0 and value.shape == parameter.shape


def _share(value: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """A whole tensor cut as another one is; each worker takes its own piece."""
    if not isinstance(like, DTensor):
        return value
    return distribute_tensor(value.to(like.device), like.device_mesh, like.placements, src_data_rank=None)
