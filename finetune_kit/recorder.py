"""What a run's steps leave: a line each in the log, and what people see of them."""

import json
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune_kit.progress import Stage, View, format_seconds
from finetune_kit.run import read_log, write_text

if TYPE_CHECKING:
    from finetune_kit.devices import Device
    from finetune_kit.engine.listener import OptimizerStep, SkippedStep
    from finetune_kit.engine.rehearsal import Rehearsal

MEASURED_STEPS = 20
"""After so many the time of the run is told by what they took."""


class Recorder(ExitStack):
    """Writes every step into the log and shows it.

    Args:
        log: The file, a JSON object a line; one that is there is gone on with.
        view: Where it is shown.
    """

    def __init__(self, log: Path, view: View) -> None:
        super().__init__()
        self.log = log
        self.view = view
        self.steps = self.tokens = 0
        self.busy = 0.0
        """Seconds of training steps, validation not counted."""
        self.planned = 0
        """Steps of the whole run, if it does not stop early."""
        self.seconds_forecast: float | None = None
        """Of all steps, by the first `MEASURED_STEPS`."""
        self.stage: Stage | None = None
        self.validation_loss: float | None = None
        """Of the latest evaluation."""
        self.resumed_at: list[int] = []
        """The steps at which the run was gone on with."""
        self.told_at: float | None = None
        """When that happened which it hears of, by the monotonic clock of another process; None if it is this one."""

    def _now(self) -> float:
        return time.monotonic() if self.told_at is None else self.told_at

    def on_notice(self, text: str) -> None:
        """Say it."""
        self.view.say(f"Note        {text}")

    def on_workers(self, places: Sequence[str]) -> None:
        """Say where the processes are that train together."""
        on = ", ".join(f"{count} on {place}" for place, count in Counter(places).items())
        self.view.say(f"Workers     {len(places)}: {on}")

    def on_device(self, device: "Device", compute_dtype: str) -> None:
        """Say where it is computed."""
        self.view.say(f"Device      {device.name}, computing in {compute_dtype}: {device.reason}")

    def on_rehearsal(self, rehearsal: "Rehearsal") -> None:
        """Say how it went."""
        step = f"a step of the {rehearsal.rows} longest rows (up to {rehearsal.tokens:,} tokens)"
        checkpoint = f"a checkpoint of {rehearsal.checkpoint_bytes / 1e6:.1f} MB"
        took = format_seconds(rehearsal.seconds)
        self.view.say(f"Rehearsed   {step}, an evaluation and {checkpoint}, in {took}")

    def on_start(self, optimizer_steps: int, done: int = 0) -> None:
        """Begin the bar, and the log, or go on with it behind what was logged of the steps that are done."""
        self.close()  # what was begun before the workers were lost
        self.planned = optimizer_steps
        lines = read_log(self.log, done) if done else []
        steps = [line for line in lines if line["type"] == "step"]
        evaluations = [line for line in lines if line["type"] == "validation"]
        self.evaluated = {line["step"] for line in evaluations}
        self.validation_loss = evaluations[-1]["loss"] if evaluations else None
        self.steps = done
        self.tokens = sum(line["tokens"] for line in steps)
        self.busy = sum(line["seconds"] for line in steps)
        write_text(self.log, "".join(json.dumps(line) + "\n" for line in lines))
        self.file = self.enter_context(self.log.open("a", encoding="utf-8"))
        if done:
            self.resumed_at.append(done)
            self.view.say(f"Resumed     at step {done} of {optimizer_steps}")
        self.stage = self.enter_context(self.view.stage("Training", optimizer_steps, "step", done))
        self.clock = self._now()

    def on_step(self, step: "OptimizerStep", epoch: int, learning_rate: float) -> None:
        """Log a step."""
        now = self._now()
        seconds, self.clock = now - self.clock, now
        self.busy += seconds
        self.steps, self.tokens = step.number, self.tokens + step.tokens
        if step.number == MEASURED_STEPS < self.planned and self.seconds_forecast is None:
            self.seconds_forecast = self.busy / step.number * self.planned
            self.view.say(
                f"Forecast    about {format_seconds(self.seconds_forecast)} for all {self.planned} steps, by the first "
                f"{MEASURED_STEPS}; validation is not counted"
            )
        self._write(
            type="step",
            step=step.number,
            epoch=epoch,
            loss=step.loss,
            learning_rate=learning_rate,
            gradient_norm=step.gradient_norm,
            rows=step.rows,
            tokens=step.tokens,
            seconds=round(seconds, 4),
            memory_bytes=step.memory_bytes,
        )
        if self.stage:
            validation = "" if self.validation_loss is None else f", val {self.validation_loss:.3f}"
            speed = f"{self.tokens / self.busy:.0f} tokens/s"
            self.stage.advance(1, f"loss {step.loss:.3f}{validation}, {speed}, {step.memory_bytes / 1e9:.1f} GB")

    def on_skipped(self, step: "SkippedStep") -> None:
        """Log a step that was left out."""
        self.steps = step.number
        self._write(type="skipped", step=step.number, rows=list(step.rows), reason=step.reason)
        if self.stage:
            self.stage.advance(1, "skipped")

    def on_validation(self, step: int, epoch: int, metrics: dict[str, float]) -> None:
        """Log an evaluation; one that was interrupted after it was logged is made again, and logged once."""
        self.validation_loss = metrics["loss"]
        if step not in self.evaluated:
            self._write(type="validation", step=step, epoch=epoch, **metrics)
        self.clock = self._now()

    def _write(self, **line: Any) -> None:
        self.file.write(json.dumps(line) + "\n")
        self.file.flush()
