"""Rows to batches: laid end to end without padding, or padded where a model's attention can't take that."""

import heapq
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from finetune_kit.prompt import IGNORE_INDEX, Example


@dataclass(frozen=True)
class Batch:
    """Rows as the model takes them."""

    inputs: dict[str, Any]
    """Arguments of the model; `input_ids` is (1, tokens) of packed rows, (rows, longest) of padded ones."""
    labels: torch.Tensor
    """(positions,): the token that each position is to foretell, row after row; `IGNORE_INDEX` where it is none of an
    answer's."""

    @property
    def tokens(self) -> int:
        """Tokens that go through the model, padding among them."""
        return len(self.labels)


class PackedRows:
    """Where the rows of a pack lie: first what all of them begin with, once, then the rest of each.

    Args:
        prefix: Tokens that all rows begin with.
        lengths: Tokens of each row behind the prefix.
        device: Where the masks go.
    """

    def __init__(self, prefix: int, lengths: Sequence[int], device: Any = "cpu") -> None:
        self.prefix = prefix
        self.lengths = list(lengths)
        self.device = device
        self.windows: set[int | None] = set()
        """The windows that layers have asked for."""
        self._masks: dict[tuple[int, int | None], torch.Tensor] = {}

    def mask(self, length: int, window: int | None) -> torch.Tensor | None:
        """Which tokens a row attends to.

        Args:
            length: Tokens of the row behind the prefix.
            window: The most tokens, itself included, that a token looks back on; None for all.

        Returns:
            (length, prefix + length), True where the token of a line attends to that of a column: the prefix and its
            own row, up to itself. None where that is the plain causal mask.
        """
        self.windows.add(window)
        total = self.prefix + length
        window = window if window is not None and window < total else None
        if self.prefix == 0 and window is None:
            return None
        if (length, window) not in self._masks:
            allowed = torch.ones(length, total, dtype=torch.bool, device=self.device).tril(self.prefix)
            self._masks[length, window] = allowed if window is None else allowed.triu(self.prefix - window + 1)
        return self._masks[length, window]


def shared_prefix(examples: Sequence[Example]) -> int:
    """How many tokens all prompts begin with; every row keeps one token of its prompt for itself.

    A template puts the same words in front of every row. What a causal model makes of them does not depend on what
    follows, so that they go through it once, and the gradients of all rows flow back into them.
    """
    if len(examples) < 2:
        return 0
    most = min(example.prompt_length for example in examples) - 1
    low, high = (pick(example.input_ids[:most] for example in examples) for pick in (min, max))
    # What the first and the last in the order of their tokens have in common, all between them have too.
    return next((i for i, (a, b) in enumerate(zip(low, high, strict=True)) if a != b), max(most, 0))


def pack(examples: Sequence[Example], device: Any = "cpu") -> Batch:
    """Lay rows end to end in one sequence: nothing is padded, so nothing needs to be told from padding.

    Args:
        examples: The rows.
        device: Where the tensors go.

    Returns:
        `input_ids`, `position_ids` (each row counts on from the prefix), (1, tokens) each, and `packed_rows`, which
        tells the attention where a row begins.
    """
    prefix = shared_prefix(examples)
    ids, positions, labels = (
        examples[0].input_ids[:prefix],
        list(range(prefix)),
        [IGNORE_INDEX] * prefix,
    )
    for example in examples:
        ids = ids + example.input_ids[prefix:]
        positions += range(prefix, len(example.input_ids))
        labels += [*example.labels[prefix + 1 :], IGNORE_INDEX]
    rows = PackedRows(prefix, [len(example.input_ids) - prefix for example in examples], device)
    inputs = {
        "input_ids": torch.tensor([ids], device=device),
        "position_ids": torch.tensor([positions], device=device),
        "packed_rows": rows,
    }
    return Batch(inputs, torch.tensor(labels, device=device))


def pad(examples: Sequence[Example], device: Any = "cpu") -> Batch:
    """Rows one below the other, filled up at the right with zeros that the mask hides.

    Args:
        examples: The rows.
        device: Where the tensors go.

    Returns:
        `input_ids` and `attention_mask`, (rows, longest) each.
    """
    longest = max(len(example.input_ids) for example in examples)
    filling = [longest - len(example.input_ids) for example in examples]
    ids = [example.input_ids + [0] * fill for example, fill in zip(examples, filling, strict=True)]
    mask = [[1] * (longest - fill) + [0] * fill for fill in filling]
    labels = [
        [*example.labels[1:], *[IGNORE_INDEX] * (fill + 1)] for example, fill in zip(examples, filling, strict=True)
    ]
    inputs = {"input_ids": torch.tensor(ids, device=device), "attention_mask": torch.tensor(mask, device=device)}
    return Batch(inputs, torch.tensor(labels, device=device).flatten())


def packed_tokens(examples: Sequence[Example]) -> int:
    """Tokens of a pack of these rows."""
    prefix = shared_prefix(examples)
    return prefix + sum(len(example.input_ids) - prefix for example in examples)


def padded_tokens(examples: Sequence[Example]) -> int:
    """Tokens of a padded batch of these rows, padding included."""
    return len(examples) * max(len(example.input_ids) for example in examples)


def cut(
    examples: Sequence[Example], max_tokens: int, size: Callable[[Sequence[Example]], int] = packed_tokens
) -> list[list[Example]]:
    """Cut the rows of a step into batches within a token budget, as few as can be and of about the same size.

    Args:
        examples: The rows.
        max_tokens: Most tokens of a batch. A row that is longer is a batch of its own.
        size: Tokens of a batch.

    Returns:
        The batches, none of them empty; every row is in one. Without rows there is none.
    """
    if not examples:
        return []
    longest_first = sorted(examples, key=lambda example: -len(example.input_ids))
    for count in range(max(1, -(-size(examples) // max_tokens)), len(examples)):
        batches = _deal(longest_first, count, size)
        if max(map(size, batches)) <= max_tokens:
            return batches
    return [[example] for example in longest_first]


def _deal(
    longest_first: Sequence[Example], count: int, size: Callable[[Sequence[Example]], int]
) -> list[list[Example]]:
    """So many batches: neighbours in length where they are padded, balanced where they are not."""
    if size is padded_tokens:
        bounds = [len(longest_first) * i // count for i in range(count + 1)]
        return [list(longest_first[a:b]) for a, b in itertools.pairwise(bounds)]
    return deal(longest_first, count)


def deal(examples: Sequence[Example], count: int) -> list[list[Example]]:
    """Rows in so many parts of about as many tokens: the longest first, the next always to the lightest part.

    Args:
        examples: The rows.
        count: How many parts; where there are fewer rows, some are empty.
    """
    batches: list[list[Example]] = [[] for _ in range(count)]
    weights = [(0, place) for place in range(count)]
    for example in sorted(examples, key=lambda example: -len(example.input_ids)):
        weight, lightest = weights[0]
        batches[lightest].append(example)
        heapq.heapreplace(weights, (weight + len(example.input_ids), lightest))
    return batches
