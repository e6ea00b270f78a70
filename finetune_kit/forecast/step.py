"""One training step on `meta`: what it keeps, what it takes at most, and how much it computes."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import bitsandbytes as bnb
import torch

from finetune_kit.engine.loss import loss_at
from finetune_kit.engine.packing import Batch, pack, pad
from finetune_kit.forecast.live_bytes import LiveBytes
from finetune_kit.forecast.meta_model import (
    FLOPS,
    MADE_OF,
    Shape,
    as_on,
    equal_layers,
    model_on_meta,
    stored_tensors,
    with_layers,
)
from finetune_kit.prompt import Example
from finetune_kit.recipe import Adapter, Quantization

LOGITS, GRADIENT, UNPACKED = "logits", "gradients of activations", "unpacked weights"


@dataclass(frozen=True)
class StepCount:
    """What a step of one batch takes."""

    weights: dict[str, int]
    """Bytes of the model: `quantised weights` (or `layers`), `embeddings and head`, `norms and biases`, `adapter`."""
    parameters: int
    """Numbers of the base model, before they are quantised."""
    trainable: list[int]
    """Numbers of each of the adapter's tensors."""
    activations: int
    """Bytes that are kept for the gradient at the end of the forward pass through the layers."""
    at_peak: dict[str, int]
    """Bytes by part, beside weights and the adapter's gradients, at the moment when they are most: `activations`,
    `logits`, `gradients of activations`, `unpacked weights`."""
    most: dict[str, int]
    """Bytes of each of these parts when it is largest; not all at the same moment."""
    flops: int
    """Floating point operations of forward and backward pass."""
    tokens: int
    """That go through the model, padding among them."""
    packs: bool
    """Whether rows are laid end to end."""


FEW = 2
"""Layers of the smaller of the two models that stand for one with many equal layers."""


def count_step(
    config: Any,
    shape: Shape,
    adapter: Adapter,
    quantization: Quantization | None,
    dtype: torch.dtype,
    lengths: Sequence[int],
    checkpointing: bool,
    device_type: str,
) -> StepCount:
    """Run a step on `meta` and count.

    Where all layers are alike, models of two and of three layers are counted, and the difference between them is added
    for each further one: what a layer keeps and does not depend on how many others there are.

    Args:
        config: Of the base model, as transformers has it.
        shape: What `finetune_kit.forecast.meta_model.probe` found of it.
        adapter: The recipe's.
        quantization: The recipe's.
        dtype: What is computed in.
        lengths: Tokens of each row of the batch.
        checkpointing: Whether activations are computed again in the place of keeping them.
        device_type: `cpu` or `cuda`; it decides on the chunks of the loss and on the 8-bit product.

    Raises:
        KitError: If the adapter's `target_modules` are not layers of this model.
    """
    rest = shape, adapter, quantization, dtype, lengths, checkpointing, device_type
    layers = equal_layers(config)
    if layers <= FEW + 2:
        return count_all_layers(config, *rest)
    few, more = (count_all_layers(with_layers(config, count), *rest) for count in (FEW, FEW + 1))
    return _extended(few, more, layers - FEW)


def _extended(few: StepCount, more: StepCount, times: int) -> StepCount:
    """The count of `few`, and so many times what `more` has beyond it."""

    def number(name: str) -> int:
        return getattr(few, name) + times * (getattr(more, name) - getattr(few, name))

    def parts(name: str) -> dict[str, int]:
        one, other = getattr(few, name), getattr(more, name)
        return {part: one.get(part, 0) + times * (other[part] - one.get(part, 0)) for part in other}

    return StepCount(
        weights=parts("weights"),
        parameters=number("parameters"),
        trainable=few.trainable + times * list((Counter(more.trainable) - Counter(few.trainable)).elements()),
        activations=number("activations"),
        at_peak=parts("at_peak"),
        most=parts("most"),
        flops=number("flops"),
        tokens=few.tokens,
        packs=few.packs,
    )


def count_all_layers(
    config: Any,
    shape: Shape,
    adapter: Adapter,
    quantization: Quantization | None,
    dtype: torch.dtype,
    lengths: Sequence[int],
    checkpointing: bool,
    device_type: str,
) -> StepCount:
    """As `count_step`, every layer by itself."""
    tuned = model_on_meta(config, shape, adapter, quantization, dtype, checkpointing)
    model = tuned.get_base_model()
    batch = _batch(lengths, shape.packs)
    answers = torch.arange(len(batch.labels) - len(lengths), device="meta")
    # As from the second step on; the counting is of what comes and goes.
    for parameter in tuned.parameters():
        if parameter.requires_grad:
            parameter.grad = torch.empty_like(parameter)
    known = [tensor for module in tuned.modules() for tensor in stored_tensors(module)]
    known += [parameter.grad for parameter in tuned.parameters() if parameter.grad is not None]
    counter = LiveBytes(known, {torch.ops.bitsandbytes.dequantize_4bit.default: UNPACKED}, MADE_OF, FLOPS)
    kept = 0

    def at_end_of_layers(*_: Any) -> None:
        nonlocal kept
        kept = counter.live.total()
        counter._part = LOGITS

    hook = model.base_model.register_forward_hook(at_end_of_layers)
    try:
        with counter, as_on(device_type):
            loss, *_ = loss_at(model, batch, answers, device_type)
            with counter.part(GRADIENT):
                loss.backward()
    finally:
        hook.remove()
    return StepCount(
        weights=_weights(tuned),
        parameters=_parameters(model),
        trainable=[one.numel() for one in tuned.parameters() if one.requires_grad],
        activations=kept,
        at_peak=dict(counter.at_peak),
        most=dict(counter.most),
        flops=counter.operations,
        tokens=batch.tokens,
        packs=shape.packs,
    )


def _batch(lengths: Sequence[int], packs: bool) -> Batch:
    """Rows of these lengths that have nothing in common."""
    rows = [Example(str(i), [i, *[0] * (length - 1)], 1) for i, length in enumerate(lengths)]
    return (pack if packs else pad)(rows, "meta")


def _parameters(model: Any) -> int:
    """Numbers of the base model; what two layers share counts once."""
    frozen = {id(one): one for one in model.parameters() if not one.requires_grad}.values()
    states = [getattr(one, "quant_state", None) for one in frozen]
    return sum(one.numel() if state is None else state.shape.numel() for one, state in zip(frozen, states, strict=True))


def _weights(tuned: Any) -> dict[str, int]:
    """Bytes of the model's tensors by kind; what two layers share counts once."""
    sizes: Counter[str] = Counter()
    seen = set()
    model = tuned.get_base_model()
    ends = {id(model.get_input_embeddings()), id(model.get_output_embeddings())}
    trainable = {id(parameter) for parameter in tuned.parameters() if parameter.requires_grad}
    for module in tuned.modules():
        quantised = isinstance(module, bnb.nn.Linear4bit | bnb.nn.Linear8bitLt)
        for tensor in stored_tensors(module):
            if (key := tensor.untyped_storage()._cdata) in seen:
                continue
            seen.add(key)
            if id(tensor) in trainable:
                kind = "adapter"
            elif id(module) in ends:
                kind = "embeddings and head"
            elif quantised:
                kind = "quantised weights"
            elif isinstance(module, torch.nn.Linear):
                kind = "weights"
            else:
                kind = "norms and buffers"
            sizes[kind] += tensor.untyped_storage().nbytes()
    return dict(sizes)
