"""Trainings in processes of their own, which may be killed: each is forked from one that has loaded Ludwig already."""

import json
import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["finetune_kit.training", "finetune_kit.engine.fit", "tests.children"])


@dataclass(frozen=True)
class Asked:
    """What a child trains."""

    settings: tuple[str, ...]
    rows: str
    fresh: bool = False


@dataclass(frozen=True)
class Moment:
    """When a child kills itself."""

    kind: str
    """`file`: as it opens, renames or removes a file of its run; `write`: within the writing of a checkpoint; `step`:
    after a step of the optimiser."""
    number: int


Preparation = Callable[[], None]


def start(asked: Asked, report: Path, moment: Moment | None = None, prepare: Preparation | None = None) -> BaseProcess:
    """Begin a training in a child.

    Args:
        asked: What it trains.
        report: Where it writes what became of it, as JSON: `outcome`, and how many moments of each kind it passed.
        moment: When it kills itself.
        prepare: Is called in the child before; a function of a module.
    """
    child = _CONTEXT.Process(target=_train, args=(asked, report, moment, prepare), daemon=True)
    child.start()
    return child


def run(asked: Asked, report: Path, moment: Moment | None = None, prepare: Preparation | None = None) -> dict[str, Any]:
    """Train in a child and wait for it; what it reported, and its `exitcode`."""
    report.unlink(missing_ok=True)
    child = start(asked, report, moment, prepare)
    child.join(240)
    if child.exitcode is None:
        child.kill()
        child.join()
    return {"exitcode": child.exitcode, **(json.loads(report.read_text()) if report.exists() else {})}


def train_here(asked: Asked) -> str:
    """Train in this process; `finished`, or the message of what stopped it."""
    from finetune_kit.errors import KitError, TrainingInterrupted
    from finetune_kit.recipe import Recipe
    from finetune_kit.training import train

    try:
        train(Recipe.load("smollm2-135m", asked.settings), asked.rows, fresh=asked.fresh)
        return "finished"
    except (KitError, TrainingInterrupted) as error:
        return str(error)


def compute_in_float32() -> None:
    """As the fixture `float32_device` does, in a child."""
    from finetune_kit import devices
    from finetune_kit.engine import llm

    device = devices.Device("cpu", "CPU", "float32", "for the test")
    devices.pick_device = llm.pick_device = lambda: device


def _train(asked: Asked, report: Path, moment: Moment | None, prepare: Preparation | None) -> None:
    import torch

    torch.set_num_threads(1)
    compute_in_float32()
    counts = _count_moments(asked, moment)
    began = time.monotonic()
    try:
        if prepare:
            prepare()
        outcome = train_here(asked)
    except BaseException:
        outcome = traceback.format_exc()
    told = {"outcome": outcome, "counts": counts, "seconds": time.monotonic() - began}
    partial = report.with_suffix(".partial")
    partial.write_text(json.dumps(told))
    partial.replace(report)


def _count_moments(asked: Asked, moment: Moment | None) -> dict[str, int]:
    """Count the moments of each kind, and kill this process at the one that is asked for."""
    from finetune_kit import checkpoints
    from finetune_kit.engine.trainer import KitFineTuneTrainer

    counts = {"file": 0, "write": 0, "step": 0}
    folder = next(word.removeprefix("run.folder=") for word in asked.settings if word.startswith("run.folder="))

    def pass_(kind: str) -> None:
        counts[kind] += 1
        if moment == Moment(kind, counts[kind]):
            os.kill(os.getpid(), signal.SIGKILL)

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if event in {"open", "os.rename", "os.remove", "os.mkdir"} and str(arguments[0]).startswith(folder):
            pass_("file")

    write, step = checkpoints._HashingWriter.write, KitFineTuneTrainer.train_step

    def counted_write(self: Any, data: Any) -> int:
        half = bytes(data)[: len(data) // 2]
        if moment == Moment("write", counts["write"] + 1):
            self.file.write(half)  # torn in the middle
            self.file.flush()
        pass_("write")
        return write(self, data)

    def counted_step(self: Any, *arguments: Any, **words: Any) -> Any:
        outcome = step(self, *arguments, **words)
        pass_("step")
        return outcome

    checkpoints._HashingWriter.write = counted_write
    KitFineTuneTrainer.train_step = counted_step
    sys.addaudithook(audit)
    return counts
