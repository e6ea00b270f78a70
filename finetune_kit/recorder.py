"""What a run's steps leave: a line each in the log, and what people see of them."""

import json
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune_kit.progress import Stage, View, format_seconds

if TYPE_CHECKING:
    from finetune_kit.engine.rehearsal import Rehearsal
    from finetune_kit.engine.trainer import OptimizerStep

MEASURED_STEPS = 20
"""After so many the time of the run is told by what they took."""


class Recorder(ExitStack):
    """Writes every step into the log and shows it.

    Args:
        log: The file, a JSON object a line.
        view: Where it is shown.
    """

    def __init__(self, log: Path, view: View) -> None:
        super().__init__()
        self.view = view
        self.file = self.enter_context(log.open("w", encoding="utf-8"))
        self.steps = self.tokens = 0
        self.busy = 0.0
        """Seconds of training steps, validation not counted."""
        self.planned = 0
        """Steps of the whole run, if it does not stop early."""
        self.seconds_forecast: float | None = None
        """Of all steps, by the first `MEASURED_STEPS`."""
        self.stage: Stage | None = None

    def on_notice(self, text: str) -> None:
        """Say it."""
        self.view.say(f"Note        {text}")

    def on_rehearsal(self, rehearsal: "Rehearsal") -> None:
        """Say how it went."""
        step = f"a step of the {rehearsal.rows} longest rows (up to {rehearsal.tokens:,} tokens)"
        checkpoint = f"a checkpoint of {rehearsal.checkpoint_bytes / 1e6:.1f} MB"
        took = format_seconds(rehearsal.seconds)
        self.view.say(f"Rehearsed   {step}, an evaluation and {checkpoint}, in {took}")

    def on_start(self, optimizer_steps: int) -> None:
        """Begin the bar."""
        self.planned = optimizer_steps
        self.stage = self.enter_context(self.view.stage("Training", optimizer_steps, "step"))
        self.clock = time.monotonic()

    def on_step(self, step: "OptimizerStep", epoch: int, learning_rate: float) -> None:
        """Log a step."""
        now = time.monotonic()
        seconds, self.clock = now - self.clock, now
        self.busy += seconds
        self.steps, self.tokens = step.number, self.tokens + step.tokens
        if step.number == MEASURED_STEPS < self.planned:
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
        )
        if self.stage:
            self.stage.advance(1, f"loss {step.loss:.3f}, {self.tokens / self.busy:.0f} tokens/s")

    def on_validation(self, step: int, epoch: int, metrics: dict[str, float]) -> None:
        """Log an evaluation."""
        self._write(type="validation", step=step, epoch=epoch, **metrics)
        self.clock = time.monotonic()

    def _write(self, **line: Any) -> None:
        self.file.write(json.dumps(line) + "\n")
        self.file.flush()
