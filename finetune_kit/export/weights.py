"""The weights of a model on disk, a tensor at a time."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from finetune_kit.errors import KitError

if TYPE_CHECKING:
    import torch

INDEX = "model.safetensors.index.json"
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
    """Writes tensors into files of a bounded size, and an index of them.

    Args:
        folder: Where to; it is there.
        shard_bytes: A file is closed before it would be larger; a tensor that is larger is a file of its own.
    """

    def __init__(self, folder: Path, shard_bytes: int) -> None:
        self.folder = folder
        self.shard_bytes = shard_bytes
        self._pending: dict[str, torch.Tensor] = {}
        self._files: list[tuple[str, list[str]]] = []
        self._total = 0

    def add(self, name: str, tensor: "torch.Tensor") -> None:
        """Take a tensor; those before it may be written."""
        held = sum(one.nbytes for one in self._pending.values())
        if self._pending and held + tensor.nbytes > self.shard_bytes:
            self._flush()
        self._pending[name] = tensor.contiguous()
        self._total += tensor.nbytes

    def close(self) -> None:
        """Write what is left, and name the files as the index says it; a single one needs no index."""
        self._flush()
        count = len(self._files)
        names = {file: f"model-{i:05}-of-{count:05}.safetensors" for i, (file, _) in enumerate(self._files, start=1)}
        if count == 1:
            (self.folder / self._files[0][0]).rename(self.folder / "model.safetensors")
            return
        for file, name in names.items():
            (self.folder / file).rename(self.folder / name)
        index = {
            "metadata": {"total_size": self._total},
            "weight_map": {tensor: names[file] for file, tensors in self._files for tensor in tensors},
        }
        (self.folder / INDEX).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")

    def _flush(self) -> None:
        from safetensors.torch import save_file

        if self._pending:
            file = f"shard-{len(self._files) + 1:05}"
            save_file(self._pending, self.folder / file, metadata={"format": "pt"})
            self._files.append((file, list(self._pending)))
            self._pending = {}
