"""The weights of a model on disk, a tensor at a time."""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune_kit.errors import KitError

if TYPE_CHECKING:
    import torch

INDEX = "model.safetensors.index.json"
DTYPES = {"bfloat16": "BF16", "float16": "F16", "float32": "F32"}
"""Those that weights are merged in, and what safetensors calls them."""
SHARD_BYTES = 5 * 10**9
"""Of a file, at most; as transformers has it."""
_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}


@dataclass(frozen=True)
class Stored:
    """A tensor as its file describes it."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    """As safetensors says it, e.g. `BF16`."""

    @property
    def elements(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the numbers."""
        return self.elements * _BYTES[self.dtype]

    @property
    def is_floating(self) -> bool:
        """Whether these are fractions."""
        return self.dtype in {"F64", "F32", "F16", "BF16"}


class Weights:
    """The safetensors files of a model.

    Args:
        folder: Where they are.

    Raises:
        KitError: If there are none.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        index = folder / INDEX
        if index.is_file():
            self.files = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        else:
            self.files = sorted(path.name for path in folder.glob("*.safetensors"))
        if not self.files:
            raise KitError(f"{folder} holds no *.safetensors to merge into.")

    @cached_property
    def stored(self) -> dict[str, Stored]:
        """All tensors, by name, in the order of their files; only headers are read."""
        return {one.name: one for file in self.files for one in self._headers(file)}

    @property
    def dtype(self) -> str:
        """What most of the numbers are, as safetensors says it."""
        sizes: dict[str, int] = {}
        for one in self.stored.values():
            sizes[one.dtype] = sizes.get(one.dtype, 0) + one.elements
        return max(sizes, key=lambda dtype: sizes[dtype])

    def each(self) -> "Iterator[tuple[str, torch.Tensor]]":
        """Every tensor by itself, on the CPU. A file is closed after each: what was read of it leaves the memory."""
        from safetensors import safe_open

        for file in self.files:
            for one in self._headers(file):
                with safe_open(self.folder / file, framework="pt") as opened:
                    yield one.name, opened.get_tensor(one.name)

    def _headers(self, file: str) -> list[Stored]:
        from safetensors import safe_open

        with safe_open(self.folder / file, framework="pt") as opened:
            slices = {name: opened.get_slice(name) for name in opened.keys()}  # noqa: SIM118  (no mapping)
            return [Stored(name, tuple(one.get_shape()), one.get_dtype()) for name, one in slices.items()]


class ShardWriter:
    """Writes tensors one at a time into safetensors files, and an index of them where there are several.

    The library's own writer takes all tensors of a file at once, and so holds that much memory.

    Args:
        folder: Where to; it is there.
        tensors: What will come, in this order.
        shard_bytes: A file's tensors are no more than this; one that is larger is a file of its own.
    """

    def __init__(self, folder: Path, tensors: Sequence[Stored], shard_bytes: int = SHARD_BYTES) -> None:
        self.folder = folder
        shards: list[list[Stored]] = [[]]
        for one in tensors:
            if shards[-1] and sum(other.nbytes for other in shards[-1]) + one.nbytes > shard_bytes:
                shards.append([])
            shards[-1].append(one)
        names = ["model.safetensors"]
        if len(shards) > 1:
            names = [f"model-{i:05}-of-{len(shards):05}.safetensors" for i in range(1, len(shards) + 1)]
        self._shards = dict(zip(names, shards, strict=True))

    def write(self, tensors: "Iterable[torch.Tensor]") -> None:
        """Write the tensors as they come, and then the index.

        Raises:
            ValueError: If one is not what was said.
        """
        import torch

        coming = iter(tensors)
        for name, shard in self._shards.items():
            with (self.folder / name).open("wb") as file:
                file.write(_header(shard))
                for one, tensor in zip(shard, coming, strict=False):
                    if (tuple(tensor.shape), tensor.nbytes) != (one.shape, one.nbytes):
                        raise ValueError(f"{one.name} is {tuple(tensor.shape)} of {tensor.dtype}, and not as planned")
                    tensor.contiguous().view(-1).view(torch.uint8).numpy().tofile(file)
        if len(self._shards) > 1:
            index = {
                "metadata": {"total_size": sum(one.nbytes for shard in self._shards.values() for one in shard)},
                "weight_map": {one.name: name for name, shard in self._shards.items() for one in shard},
            }
            (self.folder / INDEX).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")


def _header(tensors: Sequence[Stored]) -> bytes:
    """A safetensors file up to its numbers: the length of a JSON object, and that, filled up to whole words.

    The format: https://github.com/huggingface/safetensors#format
    """
    told: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for one in tensors:
        told[one.name] = {"dtype": one.dtype, "shape": list(one.shape), "data_offsets": [end, end + one.nbytes]}
        end += one.nbytes
    text = json.dumps(told, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text
