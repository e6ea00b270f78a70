"""Attention over packed rows: every row attends to the shared prefix and to itself, as behind a block-diagonal mask.

Row by row through SDPA, so that no score between two rows is ever computed, on any device that has SDPA.
"""

import logging
from functools import partial
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint
from transformers import AttentionInterface, AttentionMaskInterface

from finetune_kit.engine.packing import PackedRows, pack
from finetune_kit.prompt import Example

PACKED_ATTENTION = "finetune_kit_packed"

logger = logging.getLogger(__name__)


def packed_attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: None,
    packed_rows: PackedRows,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Attention as transformers calls it.

    What it needs for its gradient beside query, key and value is computed again, not kept.

    Args:
        module: The attention layer.
        query: (1, heads, tokens, head size).
        key: (1, groups, tokens, head size).
        value: As `key`.
        attention_mask: Not used; the rows say it all.
        packed_rows: Where the rows lie.
        scaling: Of the scores.
        dropout: Of the weights.
        sliding_window: The most tokens that a token looks back on, itself included.
        softcap: The scores are bent to stay between this and its negative.
        kwargs: What other implementations take.

    Returns:
        (1, tokens, heads, head size), and no weights.
    """
    attend = partial(
        _attend, rows=packed_rows, scaling=scaling, dropout=dropout, window=sliding_window, softcap=softcap
    )
    if torch.is_grad_enabled():
        output = checkpoint(attend, query, key, value, use_reentrant=False, preserve_rng_state=dropout > 0)
    else:
        output = attend(query, key, value)
    return output.transpose(1, 2), None


def _attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    rows: PackedRows,
    scaling: float | None,
    dropout: float,
    window: int | None,
    softcap: float | None,
) -> torch.Tensor:
    repeats = query.shape[1] // key.shape[1]
    if repeats > 1:
        key, value = (states.repeat_interleave(repeats, 1) for states in (key, value))
    head_of_all = PackedRows(0, [rows.prefix], rows.device)
    sizes = [rows.prefix, *rows.lengths]
    queries, keys, values = (states.split(sizes, 2) for states in (query, key, value))
    outputs = []
    for number, length in enumerate(sizes):
        row_key, row_value = keys[number], values[number]
        if number and rows.prefix:
            row_key, row_value = torch.cat([keys[0], row_key], 2), torch.cat([values[0], row_value], 2)
        mask = (rows if number else head_of_all).mask(length, window)
        if length:
            outputs.append(_attend_row(queries[number], row_key, row_value, mask, scaling, dropout, softcap))
    return torch.cat(outputs, 2)


def _attend_row(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    scaling: float | None,
    dropout: float,
    softcap: float | None,
) -> torch.Tensor:
    if softcap is None:
        return torch.nn.functional.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, dropout_p=dropout, is_causal=mask is None, scale=scaling
        )
    if mask is None:
        mask = torch.ones(query.shape[2], key.shape[2], dtype=torch.bool, device=query.device).tril()
    scale = scaling if scaling is not None else query.shape[-1] ** -0.5
    scores = torch.tanh(query @ key.transpose(2, 3) * scale / softcap) * softcap
    weights = scores.masked_fill(~mask, -torch.inf).softmax(-1, dtype=torch.float32).to(query.dtype)
    return torch.nn.functional.dropout(weights, dropout) @ value


def use_packed_attention(model: Any, longest: int) -> bool:
    """Let a model take packed rows, if they come out as they do one by one.

    Some can't: those that mix tokens otherwise than by attention (state spaces, convolutions), that place them by a
    bias on the scores, or that leave out the arguments they do not know. None is told by its name: it is tried.

    Args:
        model: A transformers model in evaluation mode. It is set to packed attention where that works.
        longest: Tokens of the longest row there will be.

    Returns:
        Whether it works.
    """
    before = model.config._attn_implementation
    window = getattr(model.config.get_text_config(), "sliding_window", None)
    window = window if window is not None and window < longest else None
    examples = _probe_rows(model.config.get_text_config().vocab_size, window)
    batch = pack(examples, model.get_input_embeddings().weight.device)
    rows = batch.inputs["packed_rows"]
    with torch.inference_mode():
        try:
            alone = [_last_states(model, input_ids=torch.tensor([e.input_ids], device=model.device)) for e in examples]
            expected = torch.cat([alone[0][: rows.prefix], *[states[rows.prefix :] for states in alone]])
            model.set_attn_implementation(PACKED_ATTENTION)
            states = _last_states(model, **batch.inputs)
            difference = ((states - expected).norm(dim=-1) / expected.norm(dim=-1)).max()
            # In half precision a window that a layer forgets to tell of would not show in the numbers.
            works = difference.item() < _tolerance(model) and (window is None or window in rows.windows)
        except torch.OutOfMemoryError:
            raise
        except (AttributeError, IndexError, NotImplementedError, RuntimeError, TypeError, ValueError) as error:
            logger.info("Rows can't be packed: %s", error)
            works = False
    if not works:
        model.set_attn_implementation(before)
    return works


def _last_states(model: Any, **inputs: Any) -> torch.Tensor:
    """The last hidden states, (tokens, hidden size), in float32."""
    states: torch.Tensor = model.base_model(**inputs, use_cache=False).last_hidden_state[0]
    return states.float()


def _probe_rows(vocabulary: int, window: int | None) -> list[Example]:
    """Three rows that begin alike; longer than the window where there is one that rows will reach."""
    extra = window + 4 if window is not None else 0
    ids = [(7 + 5 * i) % vocabulary for i in range(4)]
    return [
        Example(str(row), ids + [(11 * row + 3 * i) % vocabulary for i in range(6 + 2 * row + extra)], 6)
        for row in range(3)
    ]


def _tolerance(model: Any) -> float:
    """How far the states of a token may differ, as a share of their norm, by rounding alone."""
    if getattr(model, "is_loaded_in_8bit", False):
        return 0.1  # LLM.int8 takes outliers from all tokens of a batch together
    return {torch.float32: 1e-3, torch.float16: 0.02}.get(model.dtype, 0.1)


AttentionInterface.register(PACKED_ATTENTION, packed_attention)
# The rows are told apart here: the model need not build a mask.
AttentionMaskInterface.register(PACKED_ATTENTION, lambda *args, **kwargs: None)
