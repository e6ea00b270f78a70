"""What one worker of Ray Train does: the same as a process alone, with a share of every step's rows.

Nothing of it goes through Ludwig's own Ray trainer. That one sends the model from the driver through Ray's object
store, 4-bit weights and all; here every worker loads the base model by itself, and the driver never does.
"""

import os
import signal
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ray
import ray.train
import torch
from ludwig.callbacks import Callback
from ludwig.distributed.accelerate import AccelerateStrategy
from ludwig.modules.optimization_modules import create_optimizer

from finetune_kit.base_models import resolve_base_model
from finetune_kit.checkpoints import Checkpoints
from finetune_kit.devices import Device, pick_device
from finetune_kit.engine.fit import fit_recipe
from finetune_kit.engine.listener import OptimizerStep, SkippedStep
from finetune_kit.engine.rehearsal import Rehearsal
from finetune_kit.engine.sharded import Shards, ZeroThree
from finetune_kit.errors import KitError, TrainingInterrupted
from finetune_kit.loading import compute_dtype
from finetune_kit.on_ray.board import news
from finetune_kit.on_ray.job import Job
from finetune_kit.recipe import Recipe
from finetune_kit.recipe_strategy import FsdpConfig


def work(job: Job) -> None:
    """Train as one of several workers, from Ray's newest checkpoint on.

    What ends the run, its result or a mistake, is left on the board: Ray would start workers anew after an exception.
    """
    if ray.get(job.board.has_ended.remote()):
        return
    if not torch.cuda.is_available():
        os.environ["ACCELERATE_USE_CPU"] = "true"
    try:
        strategy = strategy_of(job.recipe)
    except KitError as error:
        ray.get(job.board.finish.remote("mistake", str(error)))
        return
    listener = TellsTheBoard(job.board, strategy.rank())
    places = _gather(strategy, ray.util.get_node_ip_address())
    with tempfile.TemporaryDirectory(prefix="finetune-kit-") as name:
        folder = Path(name)
        checkpoints = RayCheckpoints(folder, strategy.rank(), job.recipe.run.keep_last, listener)
        try:
            listener.on_workers(places)
            train, validation = ray.get(job.rows)
            base = resolve_base_model(job.recipe.base_model)
            callbacks = [_AskedToStop(listener), *job.callbacks]
            found = fit_recipe(job.recipe, base, train, validation, folder, listener, checkpoints, callbacks, strategy)
            peaks = _gather(strategy, found["peak_memory_bytes"])
            found["workers"] = [
                {"node": place, "peak_memory_bytes": peak} for place, peak in zip(places, peaks, strict=True)
            ]
            if strategy.is_coordinator():
                ray.get(job.board.finish.remote("done", (found, files_in(folder))))
        except TrainingInterrupted as error:
            ray.get(job.board.finish.remote("interrupted", error.arguments))
        except KitError as error:
            ray.get(job.board.finish.remote("mistake", str(error)))
            if isinstance(strategy, Shards) and strategy.size() > 1:
                raise  # the others may wait for this one, and are torn away with it


def strategy_of(recipe: Recipe) -> AccelerateStrategy:
    """Ludwig's way between the workers, as `backend.trainer.strategy` says.

    Raises:
        KitError: If it can't be had here.
    """
    asked = recipe.backend.trainer.strategy
    if asked.kind == "fsdp":
        return Shards(asked.fsdp_config or FsdpConfig())
    if asked.kind == "deepspeed" and asked.deepspeed_config is not None:
        return ZeroThree(asked.deepspeed_config, compute_dtype(recipe.quantization, pick_device()))
    return WholeModels()


class WholeModels(AccelerateStrategy):
    """Ludwig's way between workers that hold the whole model each.

    The trainer adds the gradients itself, once a step, so that every answer token weighs the same. Wrapped by
    Accelerate the model would average them over workers, and again with each batch of a step.
    """

    def prepare(
        self, model: torch.nn.Module, trainer_config: Any, base_learning_rate: float
    ) -> tuple[torch.nn.Module, torch.optim.Optimizer]:
        """The model as it is, and its optimiser."""
        return model, create_optimizer(model, trainer_config.optimizer, base_learning_rate)

    def sync_model(self, model: torch.nn.Module) -> None:
        """Give all workers the trained weights of the first."""
        if self.size() > 1:
            for parameter in model.parameters():
                if parameter.requires_grad:
                    torch.distributed.broadcast(parameter.data, src=0)


class TellsTheBoard:
    """A listener whose news reach the driver; of a worker that is not the first, only what went wrong with it.

    Args:
        board: The actor that keeps it.
        rank: The worker's.
    """

    def __init__(self, board: Any, rank: int) -> None:
        self.board, self.rank = board, rank
        self._answer: Any = None

    def _tell(self, name: str, *args: Any) -> None:
        if self.rank == 0:
            self._answer = self.board.tell.remote(name, news(*args))

    def asked_to_stop(self) -> signal.Signals | None:
        """The signal that the driver got, as far as is known without waiting."""
        if self._answer is None or not ray.wait([self._answer], timeout=0)[0]:
            return None
        answer, self._answer = ray.get(self._answer), None
        return None if answer is None else signal.Signals(answer)

    def on_workers(self, places: Sequence[str]) -> None:
        """The workers have found each other."""
        self._tell("on_workers", list(places))

    def on_files(self, files: Mapping[str, bytes]) -> None:
        """Files of the run folder, by their paths in it, are there as far as they are."""
        self._tell("on_files", dict(files))

    def on_notice(self, text: str) -> None:
        """What was settled, and on which worker."""
        if self.rank == 0:
            self._tell("on_notice", text)
        else:
            self.board.tell.remote("on_notice", news(f"Worker {self.rank}: {text}"))

    def on_device(self, device: Device, compute_dtype: str) -> None:
        """Of the first worker; the others have the same resources."""
        self._tell("on_device", device, compute_dtype)

    def on_rehearsal(self, rehearsal: Rehearsal) -> None:
        """How the first worker's went."""
        self._tell("on_rehearsal", rehearsal)

    def on_start(self, optimizer_steps: int, done: int = 0) -> None:
        """Training begins, or is gone on with."""
        self._tell("on_start", optimizer_steps, done)

    def on_step(self, step: OptimizerStep, epoch: int, learning_rate: float) -> None:
        """A step of all workers together."""
        self._tell("on_step", step, epoch, learning_rate)

    def on_skipped(self, step: SkippedStep) -> None:
        """A step that all workers left out."""
        self._tell("on_skipped", step)

    def on_validation(self, step: int, epoch: int, metrics: dict[str, float]) -> None:
        """An evaluation of all workers together."""
        self._tell("on_validation", step, epoch, metrics)


class _AskedToStop(Callback):
    """Hands the driver's signal on to the trainer, which settles with the other workers where to stop."""

    def __init__(self, listener: TellsTheBoard) -> None:
        self.listener = listener

    def on_batch_end(self, trainer: Any, *_: Any, **__: Any) -> None:
        if asked := self.listener.asked_to_stop():
            trainer.stop(asked)


class RayCheckpoints(Checkpoints):
    """Checkpoints in Ray's storage: reported by all workers, written by the first, and read by any after a loss.

    Ray keeps the newest ones. The best weights are not apart but in each of them.

    Args:
        folder: Of this worker, for what is on its way.
        rank: The worker's.
        keep_last: How many Ray keeps.
        listener: Is told of what is odd, and given the files of the run folder with every checkpoint.
    """

    def __init__(self, folder: Path, rank: int, keep_last: int, listener: TellsTheBoard) -> None:
        super().__init__(folder / "checkpoints", keep_last, listener.on_notice)
        self.run_folder = folder
        self.rank = rank
        self.listener = listener
        self._weights: dict[int, Mapping[str, torch.Tensor]] = {}
        """Of the last step and of the best."""
        self._last: int | None = None

    def newest(self) -> dict[str, Any] | None:
        """What Ray gives a worker to go on from."""
        checkpoint = ray.train.get_checkpoint()
        if checkpoint is None:
            return None
        with checkpoint.as_directory() as folder:
            there = Checkpoints(Path(folder))
            state = there.load(there.files()[0])
            self.expected_bytes = there.files()[0].path.stat().st_size
        self._weights = dict(state.pop("best"))
        self._last = max(self._weights)
        return state

    def save(self, state: dict[str, Any], step: int, keep: Sequence[int] = ()) -> None:  # type: ignore[override]
        """Report a checkpoint, and wait until it is in the storage."""
        weights = {name: value.detach().cpu().clone() for name, value in state["weights"].items()}
        self._weights = {**{one: self._weights[one] for one in keep if one in self._weights}, step: weights}
        self._last = step
        metrics = {"step": step}
        if self.rank != 0:
            ray.train.report(metrics)
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.folder) as name:
            there = Checkpoints(Path(name))
            saved = there.save({**state, "best": self._weights}, step)
            self.expected_bytes = saved.path.stat().st_size
            ray.train.report(metrics, checkpoint=ray.train.Checkpoint.from_directory(name))
        self.listener.on_files(files_in(self.run_folder))

    def of_step(self, step: int) -> dict[str, Any] | None:
        """The weights of the best step or the last."""
        return {"weights": self._weights[step]} if step in self._weights else None

    def kept(self) -> str:
        """Which checkpoint a run would go on from."""
        return f"The checkpoint of step {self._last} is kept." if self._last is not None else ""


def files_in(folder: Path) -> dict[str, bytes]:
    """What a worker's folder holds of a run folder, by path."""
    wanted = [path for path in folder.rglob("*") if path.is_file()]
    names = {path.relative_to(folder).as_posix(): path for path in wanted}
    parts = ("adapter/", "tensorboard/", "ludwig/ludwig.log", "ludwig_config.yaml")
    return {name: path.read_bytes() for name, path in sorted(names.items()) if name.startswith(parts)}


def _gather(strategy: AccelerateStrategy, value: Any) -> list[Any]:
    """What each worker has, by rank."""
    from finetune_kit.engine.workers import Workers

    return Workers(strategy, strategy.accelerator.device).gather(value)
