"""Counts the bytes of the tensors that are alive, and the operations that are done, while code runs on `meta`."""

import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry


class LiveBytes(TorchDispatchMode):
    """While this is entered, every tensor that an operation makes is counted until its memory is let go.

    Unlike `saved_tensors_hooks` it also sees what a function keeps in an attribute of its own, as bitsandbytes' 8-bit
    product does, and what lives for one operation only.

    Args:
        known: Tensors that were there before, and are not to be counted.
        parts: Which part the result of an operation belongs to, by the operation; others go to the part of `part`.
        made_of: Operations that are made of others on the device in question, with a function that does these.
        flops: Multiplications and additions of operations that torch's own counter does not know.

    Attributes:
        live: Bytes that are alive now, by part.
        at_peak: Bytes by part at the moment when they were most in all.
        most: Bytes of each part when it was largest.
        operations: Floating point operations of the matrix products and of attention so far.
    """

    def __init__(
        self,
        known: Iterable[torch.Tensor] = (),
        parts: Mapping[Any, str] | None = None,
        made_of: Mapping[Any, Callable[..., Any]] | None = None,
        flops: Mapping[Any, Callable[..., int]] | None = None,
    ) -> None:
        super().__init__()
        self.known = {tensor.untyped_storage()._cdata for tensor in known}
        self.parts = parts or {}
        self.made_of = made_of or {}
        self.flops = flops or {}
        self.live: Counter[str] = Counter()
        self.at_peak: Counter[str] = Counter()
        self.operations = 0
        self._part = "activations"
        self.most: Counter[str] = Counter()
        self._total = self._peak = 0
        self._watched: dict[int, Any] = {}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """What is made in here belongs to this part."""
        before, self._part = self._part, name
        try:
            yield
        finally:
            self._part = before

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in self.made_of:
            with self:
                return self.made_of[func](*args, **kwargs)
        result = func(*args, **kwargs)
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                self._see(tensor, self.parts.get(func, self._part))
        count = self.flops.get(func) or flop_registry.get(func._overloadpacket)
        if count is not None:
            self.operations += count(*args, **kwargs, out_val=result)
        return result

    def _see(self, tensor: torch.Tensor, part: str) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._watched or key in self.known:
            return
        size = storage.nbytes()
        # The reference must live as long as the storage, or nobody would hear of its end.
        self._watched[key] = weakref.ref(storage, lambda _: self._forget(key, size, part))
        self.live[part] += size
        self._total += size
        self.most[part] = max(self.most[part], self.live[part])
        if self._total > self._peak:
            self._peak = self._total
            self.at_peak = self.live.copy()

    def _forget(self, key: int, size: int, part: str) -> None:
        del self._watched[key]
        self.live[part] -= size
        self._total -= size
