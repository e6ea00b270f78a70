"""Many encoded rows in a few flat arrays: 4 bytes a token, and one copy for all processes of a machine."""

import itertools
from collections.abc import Iterator, Sequence
from typing import overload

import numpy as np

from finetune_kit.prompt import Example


class ExampleTable(Sequence[Example]):
    """Examples that are made when they are asked for.

    A list of examples takes 8 to 36 bytes a token in every process. Pickled, these arrays go out of band, so that
    what unpickles them from shared memory copies nothing.

    Args:
        examples: The encoded rows.
    """

    def __init__(self, examples: Sequence[Example]) -> None:
        self.lengths = np.fromiter((len(example.input_ids) for example in examples), np.int64, len(examples))
        """(rows,): tokens of each row."""
        tokens = itertools.chain.from_iterable(example.input_ids for example in examples)
        self._ids = np.fromiter(tokens, np.int32, int(self.lengths.sum()))
        self._starts = np.concatenate([[0], self.lengths.cumsum()])
        self._prompt_lengths = np.fromiter((example.prompt_length for example in examples), np.int32, len(examples))
        self._row_ids = np.array([example.row_id.encode() for example in examples], dtype=np.bytes_)

    def __len__(self) -> int:
        return len(self.lengths)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> list[Example]: ...
    def __getitem__(self, index: int | slice) -> Example | list[Example]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        ids = self._ids[self._starts[index] : self._starts[index + 1]].tolist()
        return Example(self._row_ids[index].decode(), ids, int(self._prompt_lengths[index]))

    def __iter__(self) -> Iterator[Example]:
        return (self[i] for i in range(len(self)))


def token_lengths(examples: Sequence[Example]) -> np.ndarray:
    """Tokens of each row, (rows,)."""
    if isinstance(examples, ExampleTable):
        return examples.lengths
    return np.fromiter((len(example.input_ids) for example in examples), np.int64, len(examples))


def longest_first(examples: Sequence[Example]) -> Iterator[Example]:
    """The rows from the longest on; those of one length in their order."""
    return (examples[int(i)] for i in np.argsort(-token_lengths(examples), kind="stable"))
