"""Encoded rows as a Ludwig data set, so that Ludwig neither tokenises, joins, pads nor cuts them.

Ludwig 0.17.10 tokenises prompt and answer apart, joins and cuts them uncounted, and drops a last batch of one row.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from ludwig.data.batcher.base import Batcher
from ludwig.data.dataset.base import Dataset

from finetune_kit.example_table import token_lengths
from finetune_kit.prompt import Example


class ExampleDataset(Dataset):
    """Examples in memory.

    Args:
        examples: The encoded rows.
    """

    def __init__(self, examples: Sequence[Example]) -> None:
        self.examples = examples

    def __len__(self) -> int:
        return len(self.examples)

    @property
    def size(self) -> int:
        """Number of examples."""
        return len(self.examples)

    @contextmanager
    def initialize_batcher(
        self,
        batch_size: int = 1,
        should_shuffle: bool = True,
        random_seed: int = 0,
        ignore_last: bool = False,
        distributed: Any = None,
        augmentation_pipeline: Any = None,
    ) -> Iterator["ExampleBatcher"]:
        """Batches of rows; every row is in one of them, whatever `ignore_last` says."""
        yield ExampleBatcher(self.examples, batch_size, random_seed if should_shuffle else None)

    @property
    def in_memory_size_bytes(self) -> int:
        """Bytes of the token ids, for Ludwig's log."""
        return 8 * int(token_lengths(self.examples).sum())

    def to_df(self, features: Iterable[Any] | None = None) -> Any:
        """Not a table: Ludwig asks only when it computes statistics that the kit computes itself."""
        raise TypeError("an ExampleDataset holds token ids of many lengths and is not a table")

    to_scalar_df = to_df


class ExampleBatcher(Batcher):
    """Goes through the examples once an epoch, in an order that depends on seed and epoch alone.

    Args:
        examples: The encoded rows.
        batch_size: Rows of a batch; the last batch of an epoch may have fewer.
        seed: Of the shuffle; None keeps the order.
    """

    def __init__(self, examples: Sequence[Example], batch_size: int, seed: int | None) -> None:
        self.examples = examples
        self.batch_size = batch_size
        self.seed = seed
        self.set_epoch(0, batch_size)

    @property
    def steps_per_epoch(self) -> int:
        """Batches of an epoch."""
        return -(-len(self.examples) // self.batch_size)

    def set_epoch(self, epoch: int, batch_size: int) -> None:
        """Go to the start of an epoch."""
        self.batch_size = batch_size
        self.order = np.arange(len(self.examples))
        if self.seed is not None:
            np.random.default_rng([self.seed, epoch]).shuffle(self.order)
        self.next = 0

    def next_batch(self) -> list[Example]:
        """The next examples."""
        chosen = self.order[self.next : self.next + self.batch_size]
        self.next += self.batch_size
        return [self.examples[i] for i in chosen]

    def last_batch(self) -> bool:
        """Whether the epoch is over."""
        return self.next >= len(self.examples)
