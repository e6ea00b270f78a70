"""Cross entropy of answer tokens, in chunks: logits of all tokens over the whole vocabulary never exist at once."""

from collections.abc import Callable
from typing import Any

import torch

from finetune_kit.engine.packing import Batch
from finetune_kit.prompt import IGNORE_INDEX

CHUNK_BYTES = {"cpu": 2**24, "cuda": 2**27}
"""Of the float32 logits of a chunk: what stays in a CPU's cache, and what keeps a GPU busy."""


def batch_loss(model: Any, batch: Batch) -> tuple[torch.Tensor, torch.Tensor, int]:
    """The loss of the answers in a batch.

    Args:
        model: A causal language model of transformers, with or without an adapter in it.
        batch: The rows; where they are packed, the model has been told how to take them.

    Returns:
        The sum over answer tokens of the cross entropy in nats, a scalar in float32; how many of them the model puts
        first, a scalar; how many they are.
    """
    return loss_at(model, batch, torch.nonzero(batch.labels != IGNORE_INDEX)[:, 0])


def loss_at(
    model: Any, batch: Batch, answers: torch.Tensor, device_type: str | None = None
) -> tuple[torch.Tensor, torch.Tensor, int]:
    """As `batch_loss`, of the answers at these positions.

    Args:
        model: As `batch_loss` takes it.
        batch: The rows.
        answers: Positions whose token is one of an answer's, (answer tokens,).
        device_type: Where it is to be as on; that of the batch without it.
    """
    labels = batch.labels[answers]
    if "packed_rows" not in batch.inputs:
        logits = model(**batch.inputs, use_cache=False).logits.flatten(0, 1)[answers]
        return *_loss_of_logits(logits, labels), len(labels)
    hidden = model.base_model(**batch.inputs, use_cache=False).last_hidden_state.flatten(0, 1)[answers]
    if any(parameter.requires_grad for parameter in model.get_output_embeddings().parameters()):
        return *_loss_of_logits(output_head(model)(hidden), labels), len(labels)
    vocabulary = model.config.get_text_config().vocab_size
    return *answer_loss(hidden, labels, output_head(model), vocabulary, device_type), len(labels)


def _loss_of_logits(logits: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """As `answer_loss`, of logits that are there."""
    loss = torch.nn.functional.cross_entropy(logits.float(), labels, reduction="sum")
    return loss, (logits.argmax(-1) == labels).sum()


def answer_loss(
    hidden: torch.Tensor,
    labels: torch.Tensor,
    head: Callable[[torch.Tensor], torch.Tensor],
    vocabulary: int,
    device_type: str | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The summed cross entropy of tokens, and how many of them the model puts first.

    Args:
        hidden: The last hidden states at the positions before the tokens, (tokens, hidden size).
        labels: The tokens, (tokens,).
        head: From hidden states to logits, (tokens, vocabulary); frozen.
        vocabulary: Its size.
        device_type: Whose chunks to take, `cpu` or `cuda`; the tensors' own without it.

    Returns:
        The sum in nats, a scalar in float32; the number of tokens with the highest logit, a scalar.
    """
    chunk = max(1, CHUNK_BYTES.get(device_type or hidden.device.type, 2**24) // (4 * vocabulary))
    return _ChunkedCrossEntropy.apply(hidden, labels, head, chunk)


def output_head(model: Any) -> Callable[[torch.Tensor], torch.Tensor]:
    """What a causal language model does between its last hidden states and its logits."""
    projection = model.get_output_embeddings()
    cap = getattr(model.config.get_text_config(), "final_logit_softcapping", None)
    return projection if cap is None else lambda hidden: torch.tanh(projection(hidden) / cap) * cap


class _ChunkedCrossEntropy(torch.autograd.Function):
    """The head is frozen, so that its input's gradient can be taken at once, chunk by chunk, and kept in its place."""

    @staticmethod
    def forward(ctx: Any, hidden: torch.Tensor, labels: torch.Tensor, head: Any, chunk: int) -> Any:
        wants_gradient = ctx.needs_input_grad[0]
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        correct = torch.zeros((), dtype=torch.long, device=hidden.device)
        gradient = torch.empty_like(hidden) if wants_gradient else None
        for start in range(0, len(labels), chunk):
            part, wanted = hidden[start : start + chunk].detach(), labels[start : start + chunk]
            with torch.set_grad_enabled(wants_gradient):
                part.requires_grad_(wants_gradient)
                logits = head(part)
                loss = torch.nn.functional.cross_entropy(logits.float(), wanted, reduction="sum")
            total += loss.detach()
            if gradient is None:
                correct += (logits.argmax(-1) == wanted).sum()
            else:
                (gradient[start : start + chunk],) = torch.autograd.grad(loss, part)
        ctx.save_for_backward(gradient)
        ctx.mark_non_differentiable(correct)
        return total, correct

    @staticmethod
    def backward(ctx: Any, total: torch.Tensor, correct: torch.Tensor) -> Any:
        (gradient,) = ctx.saved_tensors
        return gradient * total.to(gradient.dtype), None, None, None
