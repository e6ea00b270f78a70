"""Fewer bytes kept for the gradient: gated feed-forward layers, dropout on a CPU, and what a token costs."""

from collections.abc import Callable
from types import MethodType
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint

GATED_LAYERS = ("gate_proj", "up_proj", "down_proj", "act_fn")


def recompute_gates(model: Any, classes: tuple[type, ...] | None = None) -> int:
    """Let gated feed-forward layers keep gate and up projection, and compute the product of the two again.

    As transformers writes them they keep the activated gate as well: of about 8.6 thousand numbers a token and layer
    that SmolLM2 keeps, 1.5 thousand.

    Args:
        model: A transformers model in evaluation mode; changed in place.
        classes: The kinds of layer that are known to take it; each layer is tried without it.

    Returns:
        How many layers; those whose own forward pass gives another result stay as they are.
    """
    count = 0
    for module in model.modules():
        if isinstance(module, classes) if classes is not None else _is_gated(module, model.dtype):
            count += 1
            module.forward = MethodType(_gated_forward, module)
    return count


def gated_classes(model: Any) -> tuple[type, ...]:
    """The kinds of layer of a model that `recompute_gates` can take."""
    return tuple({type(module) for module in model.modules() if _is_gated(module, model.dtype)})


def _is_gated(module: Any, dtype: torch.dtype) -> bool:
    """Whether a layer computes what `_gated_forward` does."""
    if not all(hasattr(module, name) for name in GATED_LAYERS):
        return False
    features = module.gate_proj.in_features
    device = module.down_proj.weight.device
    tried = torch.linspace(-1, 1, 2 * features, device=device, dtype=dtype).view(1, 2, features)
    with torch.no_grad():
        return torch.equal(module(tried), _gated_forward(module, tried))


def _gated_forward(module: Any, hidden: torch.Tensor) -> torch.Tensor:
    gate, up = module.gate_proj(hidden), module.up_proj(hidden)
    if torch.is_grad_enabled() and gate.requires_grad:
        product = checkpoint(_activate, module.act_fn, gate, up, use_reentrant=False, preserve_rng_state=False)
    else:
        product = _activate(module.act_fn, gate, up)
    return module.down_proj(product)


def _activate(activation: Any, gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
    return activation(gate) * up


def lean_dropout(model: Any) -> None:
    """Let dropout keep a mask of a byte a number, from 16 random bits a number.

    torch keeps it in the numbers' own dtype on a CPU, and draws it one random number at a time. On a GPU it does
    neither, and there is nothing to gain.

    Args:
        model: A model on a CPU; its dropout layers are replaced.
    """
    for name, module in list(model.named_modules()):
        if type(module) is torch.nn.Dropout and module.p > 0:
            model.set_submodule(name, _LeanDropout(module.p))


class _LeanDropout(torch.nn.Dropout):
    def forward(self, states: torch.Tensor) -> torch.Tensor:
        return _Drop.apply(states, self.p) if self.training else states


class _Drop(torch.autograd.Function):
    """Dropout at a probability rounded to a 65,536th, and scaled by that one.

    The mask is not multiplied with: torch would first make a copy of it in the numbers' dtype.
    """

    @staticmethod
    def forward(ctx: Any, states: torch.Tensor, p: float) -> torch.Tensor:
        dropped = round(p * 65536)
        random = torch.empty(-(-states.numel() // 4), dtype=torch.int64, device=states.device).random_(-(2**63), None)
        drop = (random.view(torch.int16)[: states.numel()] < dropped - 32768).view(states.shape)
        ctx.scale = 65536 / (65536 - dropped)
        ctx.save_for_backward(drop)
        return (states * ctx.scale).masked_fill_(drop, 0)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        (drop,) = ctx.saved_tensors
        return (gradient * ctx.scale).masked_fill_(drop, 0), None


def kept_bytes_per_token(forward: Callable[[], Any], tokens: int, model: Any) -> float:
    """What a token leaves behind in a forward pass for its gradient.

    Args:
        forward: Runs it, on so many tokens.
        tokens: How many.
        model: Whose parameters are there anyway.

    Returns:
        Bytes of the distinct tensors that autograd keeps, by token.
    """
    known = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        alone = tensor.detach()  # the tensor itself would hold the node that holds it, and never be freed
        if (place := tensor.untyped_storage().data_ptr()) not in known:
            kept[place] = alone
        return alone

    devices = [model.device] if model.device.type == "cuda" else []
    with torch.random.fork_rng(devices), torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        forward()
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values()) / tokens
