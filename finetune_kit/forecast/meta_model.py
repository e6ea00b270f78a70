"""A model as training sets it up, on `meta`: every layer of the real classes, with shapes and without weights."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import bitsandbytes as bnb
import torch
from bitsandbytes.backends.default import ops as bnb_defaults
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, BitsAndBytesConfig
from transformers.integrations.bitsandbytes import replace_with_bnb_linear
from transformers.quantizers.base import get_keys_to_not_convert

from finetune_kit.engine.attention import PACKED_ATTENTION, use_packed_attention
from finetune_kit.engine.lean import gated_classes, lean_dropout, recompute_gates
from finetune_kit.errors import KitError
from finetune_kit.recipe import Adapter, Quantization

BLOCK, SECOND_BLOCK = 64, 256
"""Weights that share a scale in bitsandbytes' 4-bit formats, and scales that share one of their own."""


@dataclass(frozen=True)
class Shape:
    """What is found out on a small model of the same classes, since it needs numbers."""

    packs: bool
    """Whether rows can be laid end to end."""
    gated: tuple[type, ...]
    """The feed-forward layers whose product is computed again."""


def probe(config: Any, longest: int) -> Shape:
    """Try a small random model of the same classes.

    Args:
        config: Of the model that is meant.
        longest: Tokens of the longest row there will be.
    """
    small = small_config(config)
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(small, dtype=torch.float32).eval()
    packs = use_packed_attention(model, longest)
    return Shape(packs, gated_classes(model) if packs else ())


def small_config(config: Any) -> Any:
    """The config of a model with the same kinds of layers, and few and small ones."""
    small = copy.deepcopy(config)
    text = small.get_text_config()
    heads = getattr(text, "num_attention_heads", None) or 4
    groups = getattr(text, "num_key_value_heads", None) or heads
    sizes = {
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 4 if groups == heads else 2,
        "head_dim": 16,
        "vocab_size": 128,
        "pad_token_id": None,
    }
    for name, value in sizes.items():
        if hasattr(text, name):
            setattr(text, name, value)
    if getattr(text, "layer_types", None):
        text.layer_types = text.layer_types[:2]
    return small


def equal_layers(config: Any) -> int:
    """How many layers a model has; 0 where they are not all alike."""
    count = getattr(config.get_text_config(), "num_hidden_layers", 0)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(copy.deepcopy(config))
    stacks = [one for one in model.modules() if isinstance(one, torch.nn.ModuleList) and len(one) == count]
    if len(stacks) != 1:
        return 0
    return count if len({_description(layer) for layer in stacks[0]}) == 1 else 0


def _description(layer: Any) -> tuple[Any, ...]:
    """What tells one kind of layer from another: classes, shapes, and which tokens it looks at."""
    looks = ("sliding_window", "is_sliding", "layer_type", "attention_type")
    found = []
    for name, module in layer.named_modules():
        shapes = tuple(parameter.shape for parameter in module.parameters(recurse=False))
        found.append((name, type(module), shapes, *(getattr(module, look, None) for look in looks)))
    return tuple(found)


def with_layers(config: Any, count: int) -> Any:
    """The config of the same model with fewer layers."""
    small = copy.deepcopy(config)
    text = small.get_text_config()
    text.num_hidden_layers = count
    if getattr(text, "layer_types", None):
        text.layer_types = text.layer_types[:count]
    return small


def model_on_meta(
    config: Any,
    shape: Shape,
    adapter: Adapter,
    quantization: Quantization | None,
    dtype: torch.dtype,
    checkpointing: bool,
) -> Any:
    """The PEFT model in training mode, as `finetune_kit.engine.llm.KitLLM` prepares it.

    Args:
        config: Of the base model.
        shape: What `probe` found.
        adapter: The recipe's.
        quantization: The recipe's.
        dtype: What is computed in.
        checkpointing: Whether activations are computed again in the place of keeping them.

    Raises:
        KitError: If the adapter's `target_modules` are not layers of this model.
    """
    with torch.device("meta"):
        # A model keeps the config that it is made of, and what is set in the one is set in the other.
        model = AutoModelForCausalLM.from_config(copy.deepcopy(config), dtype=dtype)
    if quantization is not None:
        _quantize(model, quantization, dtype)
    model.requires_grad_(False).eval()
    if shape.packs:
        model.set_attn_implementation(PACKED_ATTENTION)
        recompute_gates(model, shape.gated)
    lora = LoraConfig(
        r=adapter.r,
        lora_alpha=adapter.alpha or 2 * adapter.r,
        lora_dropout=adapter.dropout,
        target_modules=adapter.target_modules,
        use_rslora=adapter.use_rslora,
        use_dora=adapter.use_dora,
        task_type="CAUSAL_LM",
    )
    try:
        with torch.device("meta"):
            tuned = get_peft_model(model, lora)
    except ValueError as error:
        reason = " ".join(str(error).split())
        layers = sorted({name.rsplit(".", 1)[-1] for name, one in model.named_modules() if _is_linear(one)})
        raise KitError(f"adapter.target_modules: {reason} The linear layers here are: {', '.join(layers)}.") from None
    # On a GPU torch's own dropout keeps a byte a number too.
    lean_dropout(tuned)
    if checkpointing:
        tuned.gradient_checkpointing_enable({"use_reentrant": False})
    return tuned.train()


def _is_linear(module: Any) -> bool:
    return isinstance(module, torch.nn.Linear) or type(module).__name__ == "Conv1D"


def _quantize(model: Any, quantization: Quantization, dtype: torch.dtype) -> None:
    """bitsandbytes' layers in the places of the linear ones, with quantised weights of the right sizes."""
    four = quantization.bits == 4
    options = BitsAndBytesConfig(
        load_in_4bit=four,
        load_in_8bit=not four,
        bnb_4bit_compute_dtype=dtype,
        bnb_4bit_quant_type=quantization.bnb_4bit_quant_type,
        bnb_4bit_use_double_quant=quantization.bnb_4bit_use_double_quant,
        llm_int8_threshold=quantization.llm_int8_threshold,
    )
    replace_with_bnb_linear(model, get_keys_to_not_convert(model), options)
    for module in model.modules():
        if isinstance(module, bnb.nn.Linear4bit):
            state = _quant_state(module, quantization, dtype)
            packed = _empty((module.in_features * module.out_features + 1) // 2, 1, dtype=torch.uint8)
            module.weight = bnb.nn.Params4bit(
                packed, quant_state=state, quant_type=quantization.bnb_4bit_quant_type, bnb_quantized=True
            )
            module.quant_state = state
        elif isinstance(module, bnb.nn.Linear8bitLt):
            whole = _empty(module.out_features, module.in_features, dtype=torch.int8)
            module.weight = bnb.nn.Int8Params(whole, requires_grad=False)
            module.state.CB, module.state.SCB = whole, _empty(module.out_features)
    # PEFT asks these before it chooses a kind of layer.
    model.is_loaded_in_4bit, model.is_loaded_in_8bit = four, not four


def _quant_state(module: Any, quantization: Quantization, dtype: torch.dtype) -> Any:
    """What bitsandbytes keeps beside a 4-bit weight."""
    blocks = -(-module.in_features * module.out_features // BLOCK)
    double = quantization.bnb_4bit_use_double_quant
    second = None
    if double:
        scales = _empty(-(-blocks // SECOND_BLOCK))
        second = bnb.functional.QuantState(absmax=scales, blocksize=SECOND_BLOCK, code=_empty(256), dtype=torch.float32)
    return bnb.functional.QuantState(
        absmax=_empty(blocks, dtype=torch.uint8 if double else torch.float32),
        shape=torch.Size([module.out_features, module.in_features]),
        code=_empty(16),
        blocksize=BLOCK,
        quant_type=quantization.bnb_4bit_quant_type,
        dtype=dtype,
        offset=_empty() if double else None,
        state2=second,
    )


def _empty(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.empty(shape, dtype=dtype, device="meta")


def stored_tensors(module: Any) -> list[torch.Tensor]:
    """The weights of a module without its children, and what bitsandbytes keeps to unpack them."""
    tensors = [*module.parameters(recurse=False), *module.buffers(recurse=False)]
    if isinstance(module, bnb.nn.Linear4bit):
        state = module.weight.quant_state
        kept = [state.absmax, state.code, state.offset]
        kept += [state.state2.absmax, state.state2.code] if state.nested else []
        tensors += [tensor for tensor in kept if tensor is not None]
    if isinstance(module, bnb.nn.Linear8bitLt):
        # They move from the one place to the other at the first product.
        tensors += [one for one in (module.state.SCB, getattr(module.weight, "SCB", None)) if one is not None]
    return tensors


MADE_OF = {
    # The fused product unpacks the whole weight where a batch is large, on every device.
    torch.ops.bitsandbytes.gemm_4bit.default: bnb_defaults._gemm_4bit_default_impl,
    # transformers asks a few tensors for their values, to find rows packed in its own way; there are none.
    torch.ops.aten._local_scalar_dense.default: lambda tensor: torch.ones((), dtype=tensor.dtype).item(),
    torch.ops.bitsandbytes.int8_vectorwise_quant.default: lambda tensor, threshold=0.0: (
        torch.empty_like(tensor, dtype=torch.int8),
        tensor.new_empty(tensor.shape[:-1].numel(), dtype=torch.float32),
        None,
    ),
    # Few columns are outliers; what is kept of them is not counted.
    torch.ops.bitsandbytes.int8_mixed_scaled_mm.default: lambda a, ca, cb, sca, scb, columns=None, bias=None: (
        torch.ops.bitsandbytes.int8_scaled_mm.default(ca, cb, sca, scb, bias=bias, dtype=a.dtype),
        None,
    ),
}
"""Operations whose memory is not seen in their result, or that need numbers, by what they do."""


def _attention(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False):  # type: ignore[no-untyped-def]
    """Fused attention; by itself torch takes the other one on `meta`, which keeps all scores."""
    if enable_gqa:
        key, value = (one.repeat_interleave(query.shape[1] // one.shape[1], 1) for one in (key, value))
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        attn_mask = torch.zeros(attn_mask.shape, dtype=query.dtype, device=query.device)
    return torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
        query, key, value, dropout_p=dropout_p, is_causal=is_causal, attn_mask=attn_mask, scale=scale
    )[0]


FLOPS = {
    # Two products of (tokens, head size) and (head size, keys).
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu.default: lambda query, key, *_, **__: (
        4 * query.numel() * key.shape[-2]
    ),
    torch.ops.aten.linear.default: lambda states, weight, *_, **__: 2 * states.numel() * weight.shape[0],
    torch.ops.aten.matmul.default: lambda left, right, *_, **__: 2 * left.numel() * right.shape[-1],
}
"""Operations that torch's counter does not know."""


@contextmanager
def as_on(device_type: str) -> Iterator[None]:
    """What depends on the device is done as on this one.

    Args:
        device_type: `cpu` or `cuda`.
    """

    def product(a: Any, b: Any, out: Any = None, state: Any = None, threshold: float = 0.0, bias: Any = None) -> Any:
        state.threshold = threshold or state.threshold
        function = (
            bnb.autograd._functions.MatMul8bitFp if device_type == "cpu" else bnb.autograd._functions.MatMul8bitLt
        )
        return function.apply(a, b, out, bias, state)

    draw_state = torch.get_rng_state

    def copied_draw_state() -> torch.Tensor:
        """What a checkpoint keeps of the random numbers, made by an operation that is counted."""
        return draw_state().clone() if device_type == "cpu" else draw_state()

    with (
        patch.object(torch, "get_rng_state", copied_draw_state),
        patch.object(torch.nn.functional, "scaled_dot_product_attention", _attention),
        patch.object(bnb, "matmul", product),
    ):
        yield
