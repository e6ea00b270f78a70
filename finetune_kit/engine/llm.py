"""Ludwig's LLM with our loading, forward pass, loss and metrics."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from ludwig.constants import COMBINED, LOSS
from ludwig.features.base_feature import NonPropertyModuleWrapper
from ludwig.models.base import BaseModel as LudwigBaseModel
from ludwig.models.llm import LLM
from ludwig.utils.llm_utils import get_context_len, initialize_adapter

from finetune_kit.devices import give_back_large_blocks, pick_device
from finetune_kit.engine.attention import use_packed_attention
from finetune_kit.engine.lean import lean_dropout, recompute_gates
from finetune_kit.engine.loss import batch_loss
from finetune_kit.engine.metrics import TokenMetrics
from finetune_kit.engine.packing import Batch, cut, pack, packed_tokens, pad, padded_tokens
from finetune_kit.errors import KitError
from finetune_kit.loading import load_model, load_tokenizer
from finetune_kit.prompt import Example
from finetune_kit.recipe import Quantization


class KitLLM(LLM):
    """Ludwig's model type `llm`, right at any batch size.

    What Ludwig 0.17.10 does otherwise, and why this class is here:

    * It pads with id 0 and masks the tokenizer's pad id, so that the loss of a batch is not that of its rows. Here
      rows are laid end to end, and each attends to itself alone.
    * Its `state_dict` holds bitsandbytes' quantisation state, which `load_state_dict` then refuses: 4-bit training
      ends in an error and saves nothing. Here it holds the trainable weights alone.
    * It loads with eager attention and computes predictions and probabilities over the vocabulary at every step.

    Each has a test on Ludwig's own code in `tests/finetune_kit/test_ludwig_faults.py`.

    Args:
        config_obj: Ludwig's config.
        random_seed: Of the adapter's start.
        sharded: Whether workers will share the weights out; they are loaded into the machine's memory then.
    """

    def __init__(
        self,
        config_obj: Any,
        random_seed: int | None = None,
        _device: Any = None,
        sharded: bool = False,
        **_: Any,
    ) -> None:
        LudwigBaseModel.__init__(self, random_seed=random_seed)
        self.config_obj = config_obj
        self._random_seed = random_seed
        self._adapter_initialized = False
        self.model_name = config_obj.base_model
        self.sharded = sharded
        self.kit_device = pick_device()
        where = replace(self.kit_device, type="cpu") if sharded else self.kit_device
        self.model = load_model(self.model_name, _quantization(config_obj), where)
        self.model_config = self.model.config
        self.curr_device = next(self.model.parameters()).device
        self.context_len = get_context_len(self.model_config)
        cap = config_obj.preprocessing.global_max_sequence_length
        self.global_max_sequence_length = min(cap or self.context_len, self.context_len)
        self.tokenizer = load_tokenizer(self.model_name)
        self.packs = use_packed_attention(self.model, self.global_max_sequence_length)
        if self.packs:
            recompute_gates(self.model)
        self._set_generation_config(config_obj.generation.to_dict())
        self.input_features.update(self.build_inputs(config_obj.input_features))
        self.output_feature_type = config_obj.output_features[0].type
        self.output_features.update(self.build_outputs(config_obj.output_features, self.input_shape[-1]))
        self._output_feature_decoder = NonPropertyModuleWrapper(next(iter(self.output_features.values())))
        self.output_name = config_obj.output_features[0].name
        self.training_metrics = TokenMetrics()

    def prepare_for_training(self) -> None:
        """Add the adapter: its weights in float32 and, by the seed, the same every time."""
        if not self._adapter_initialized:
            torch.manual_seed(self._random_seed or 0)
            _require_layers(self.model, self.config_obj.adapter.target_modules)
            self.model = initialize_adapter(self.model, self.config_obj)
            if self.kit_device.type == "cpu":
                lean_dropout(self.model)
                give_back_large_blocks()
            self._adapter_initialized = True

    def forward(self, inputs: Batch, mask: Any = None) -> dict[str, torch.Tensor]:
        """The loss of a batch.

        Args:
            inputs: The rows, as `collate` makes them.
            mask: Not used.

        Returns:
            `loss`: the sum over answer tokens of the cross entropy in nats, a scalar in float32; `tokens`: how many
            they are; `correct`: how many of them the model puts first (evaluation mode only).
        """
        model = self.model.get_base_model() if self._adapter_initialized else self.model
        loss, correct, tokens = batch_loss(model, inputs)
        outputs = {"loss": loss, "tokens": torch.tensor(tokens)}
        return outputs if self.training else {**outputs, "correct": correct}

    def hidden_states(self, inputs: Batch) -> torch.Tensor:
        """The last hidden states of a batch, (1, tokens, hidden size) or (rows, longest, hidden size)."""
        model = self.model.get_base_model() if self._adapter_initialized else self.model
        states: torch.Tensor = model.base_model(**inputs.inputs, use_cache=False).last_hidden_state
        return states

    def collate(self, examples: Sequence[Example]) -> Batch:
        """Rows as this model takes them: packed, or padded where its attention can't be told which row is which."""
        return (pack if self.packs else pad)(examples, self.curr_device)

    def batch_size_of(self, examples: Sequence[Example]) -> int:
        """Tokens of these rows as one batch."""
        return (packed_tokens if self.packs else padded_tokens)(examples)

    def cut(self, examples: Sequence[Example], max_tokens: int) -> list[list[Example]]:
        """Rows in batches of at most so many tokens."""
        return cut(examples, max_tokens, packed_tokens if self.packs else padded_tokens)

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The trainable weights: what a checkpoint needs beside the base model."""
        trainable = {name for name, parameter in self.named_parameters() if parameter.requires_grad}
        return {name: value for name, value in super().state_dict(*args, **kwargs).items() if name in trainable}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Load trainable weights; the frozen ones are those of the base model and stay."""
        return super().load_state_dict(state_dict, strict=False, assign=assign)

    def save(self, save_path: str) -> None:
        """Save the adapter where Ludwig does, unless this worker has a part of it alone."""
        if not self.sharded:
            super().save(save_path)

    def get_metrics(self) -> dict[str, dict[str, float]]:
        """The metrics of the training rows since the last reset, in Ludwig's shape."""
        return metrics_for_ludwig(self.output_name, self.training_metrics)

    def reset_metrics(self) -> None:
        """Start counting anew."""
        self.training_metrics = TokenMetrics()


def metrics_for_ludwig(output_name: str, metrics: TokenMetrics) -> dict[str, dict[str, float]]:
    """Metrics by feature, as Ludwig's progress tracker takes them."""
    return {output_name: metrics.as_dict(), COMBINED: {LOSS: metrics.loss}}


def _require_layers(model: torch.nn.Module, names: Sequence[str] | None) -> None:
    """PEFT objects to names of layers only if none of them is there, and adapts fewer layers otherwise."""
    there = {name.rpartition(".")[2]: module for name, module in model.named_modules()}
    missing = [name for name in names or () if name.rpartition(".")[2] not in there]
    if missing:
        linear = [name for name, module in there.items() if isinstance(module, torch.nn.Linear)]
        raise KitError(
            f"adapter.target_modules names {', '.join(missing)}, and the base model has no such layer; its "
            f"linear layers are {', '.join(linear)}."
        )


def _quantization(config_obj: Any) -> Quantization | None:
    if not config_obj.quantization:
        return None
    names = Quantization.model_fields
    return Quantization(**{name: getattr(config_obj.quantization, name) for name in names})
