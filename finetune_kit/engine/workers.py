"""The processes that train one adapter together: each takes a share of every step, and the gradients are added up.

One process alone is the same with a share of all.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import torch

from finetune_kit.engine.packing import deal
from finetune_kit.prompt import Example

if TYPE_CHECKING:
    from ludwig.distributed.base import DistributedStrategy


class Workers:
    """The processes, as one of them sees them. All of them call the same methods in the same order.

    Args:
        strategy: Ludwig's way between them.
        device: Where tensors that go from one to another must be.
    """

    shards = False
    """Whether each holds a part of the model only, so that all run every batch together."""

    def __init__(self, strategy: "DistributedStrategy", device: torch.device) -> None:
        self.strategy = strategy
        self.device = device
        self.rank = strategy.rank()
        self.count = strategy.size()

    def share(self, rows: Sequence[Example]) -> list[Example]:
        """Those rows that this process takes: about as many tokens as every other. Together they take each row once."""
        return deal(rows, self.count)[self.rank] if self.count > 1 else list(rows)

    def sum(self, *numbers: float) -> list[float]:
        """Numbers, each added over the processes, exactly where they are whole."""
        if self.count == 1:
            return list(numbers)
        added = self.strategy.allreduce(torch.tensor(numbers, dtype=torch.float64, device=self.device))
        return [float(one) for one in added.tolist()]

    def any(self, here: bool) -> bool:
        """Whether something is so for one of them."""
        return self.sum(here)[0] > 0

    def gather(self, value: Any) -> list[Any]:
        """What each of them has, by rank."""
        if self.count == 1:
            return [value]
        values: list[Any] = [None] * self.count
        torch.distributed.all_gather_object(values, value)
        return values

    def most(self, count: int) -> int:
        """How many batches this process runs, of which so many are its own."""
        return count

    def add_gradients(self, parameters: Sequence[torch.nn.Parameter]) -> None:
        """Give all of them the sum of the gradients, in one go; who has none adds nothing.

        Args:
            parameters: Those that are trained, in the same order everywhere.
        """
        if self.count == 1:
            return
        flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in parameters])
        added = self.strategy.allreduce(flat)
        for parameter, part in zip(parameters, added.split([p.numel() for p in parameters]), strict=True):
            parameter.grad = part.view_as(parameter).clone()

    def norm(self, gradients: Sequence[torch.Tensor]) -> torch.Tensor:
        """The norm of the gradient over all weights, a scalar."""
        return torch.nn.utils.get_total_norm(gradients)

    def evaluating(self, model: torch.nn.Module) -> AbstractContextManager[Any]:
        """While it lasts, nothing is kept for gradients."""
        return torch.inference_mode()

    def state_of(self, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
        """`weights` and `optimizer`, as a checkpoint holds them; all of the processes ask for it."""
        return {"weights": model.state_dict(), "optimizer": optimizer.state_dict()}

    def put_back(self, state: Mapping[str, Any], model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Load what `state_of` gave, here or with another number of processes."""
        model.load_state_dict(state["weights"])
        optimizer.load_state_dict(state["optimizer"])

    def parts(self, weights: Mapping[str, torch.Tensor], model: torch.nn.Module) -> Mapping[str, torch.Tensor]:
        """Weights of a checkpoint, as the model takes them."""
        return weights
