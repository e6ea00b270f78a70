"""Processes that train together, as far as they share rows and add numbers. Without Ludwig and Ray."""

import pickle
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.multiprocessing

from finetune_kit.engine.faults import NotFiniteError
from finetune_kit.engine.workers import Workers
from finetune_kit.prompt import Example

ROWS = [Example(str(n), [1] * length, 0) for n, length in enumerate([7, 3, 3, 9, 1, 4, 4])]
SECONDS = 60
"""How long two processes may take, most of which is importing PyTorch."""


class Strategy:
    """Stands in for Ludwig's: the processes of PyTorch's group."""

    def rank(self) -> int:
        return torch.distributed.get_rank()

    def size(self) -> int:
        return torch.distributed.get_world_size()

    def allreduce(self, tensor: torch.Tensor) -> torch.Tensor:
        torch.distributed.all_reduce(tensor)
        return tensor


class Alone(Strategy):
    """One process, which talks to none."""

    def rank(self) -> int:
        return 0

    def size(self) -> int:
        return 1

    def allreduce(self, tensor: torch.Tensor) -> torch.Tensor:
        pytest.fail("there is nobody to talk to")


def parameters(rank: int) -> list[torch.nn.Parameter]:
    """Three weights: with a gradient on both workers, on the second alone, and on none."""
    made = [torch.nn.Parameter(torch.zeros(shape)) for shape in ((2, 3), (4,), (1, 2))]
    if rank == 1:
        made[0].grad = torch.arange(6.0).view(2, 3)
        made[1].grad = torch.full((4,), 0.5)
    return made


def work(rank: int, folder: Path) -> None:
    """What each of two processes does; what it finds is left in a file."""
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder / 'store'}", rank=rank, world_size=2)
    workers = Workers(Strategy(), torch.device("cpu"))
    found: dict[str, Any] = {
        "place": (workers.rank, workers.count),
        "shares": [[row.row_id for row in workers.share(rows)] for rows in (ROWS, ROWS[:1], [])],
        "sum": workers.sum(rank + 1, 2.5, 2**53 if rank else -1),
        "any": [workers.any(here) for here in (True, rank == 1, False)],
        "gather": workers.gather({"rank": rank}),
    }
    trained = parameters(rank)
    workers.add_gradients(trained)
    found["gradients"] = [parameter.grad.tolist() for parameter in trained]
    workers.add_gradients(trained)
    found["again"] = trained[1].grad.tolist()
    torch.save(found, folder / f"{rank}.pt")
    torch.distributed.destroy_process_group()


def test_two_processes_share_the_rows_and_know_what_they_have_together(tmp_path: Path) -> None:
    context = torch.multiprocessing.start_processes(work, (tmp_path,), nprocs=2, join=False, start_method="spawn")
    ends = time.monotonic() + SECONDS
    try:
        while not context.join(timeout=1):
            assert time.monotonic() < ends, "they wait for each other"
    finally:
        for process in context.processes:
            process.kill()
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    assert [first.pop("place"), second.pop("place")] == [(0, 2), (1, 2)]
    shares = list(zip(first.pop("shares"), second.pop("shares"), strict=True))
    for rows, (ours, theirs) in zip((ROWS, ROWS[:1], []), shares, strict=True):
        assert sorted(ours + theirs) == [row.row_id for row in rows], "each row is somewhere, once"
    weights = [sum(len(ROWS[int(row_id)].input_ids) for row_id in share) for share in shares[0]]
    assert abs(weights[0] - weights[1]) <= 1 and sum(weights) == 31
    assert first == second
    assert first["sum"] == [3.0, 5.0, 2**53 - 1]
    assert first["any"] == [True, True, False]
    assert first["gather"] == [{"rank": 0}, {"rank": 1}]
    assert first["gradients"] == [[[0, 1, 2], [3, 4, 5]], [0.5] * 4, [[0, 0]]]
    assert first["again"] == [1.0] * 4


def test_one_process_alone_has_all_and_talks_to_nobody() -> None:
    workers = Workers(Alone(), torch.device("cpu"))
    assert workers.share(ROWS) == ROWS and workers.share([]) == []
    assert workers.sum(1, 2.5) == [1, 2.5] and workers.gather("x") == ["x"]
    assert (workers.any(True), workers.any(False)) == (True, False)
    trained = parameters(1)
    workers.add_gradients(trained)
    assert trained[2].grad is None and torch.equal(trained[1].grad, torch.full((4,), 0.5))


def test_an_error_that_travels_says_the_same_there() -> None:
    error = NotFiniteError("loss is nan", ("a", "é"))
    travelled = pickle.loads(pickle.dumps(error))
    assert type(travelled) is NotFiniteError
    assert str(travelled) == str(error) == "the loss is nan at the batch of rows a, é"
    assert (travelled.what, travelled.rows) == ("loss is nan", ["a", "é"])
