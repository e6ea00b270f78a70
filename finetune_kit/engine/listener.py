"""What there is to hear of a training."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from finetune_kit.devices import Device
    from finetune_kit.engine.rehearsal import Rehearsal


@dataclass(frozen=True)
class OptimizerStep:
    """What is known after a step of the optimiser."""

    number: int
    loss: float
    """Cross entropy in nats per answer token, over all rows of the step."""
    gradient_norm: float
    rows: int
    tokens: int
    """Prompt and answer tokens of the rows; padding is not counted, and a beginning that rows share is, for each."""
    memory_bytes: int
    """That the process holds, of a GPU where it computes on one."""


@dataclass(frozen=True)
class SkippedStep:
    """A step that was left out."""

    number: int
    rows: Sequence[str]
    """The ids of the rows at which it happened."""
    reason: str


class Listener(Protocol):
    """What wants to hear how the training goes."""

    def on_notice(self, text: str) -> None:
        """Something was settled that the user should know of."""

    def on_device(self, device: "Device", compute_dtype: str) -> None:
        """It is known where it is computed, and in what."""

    def on_rehearsal(self, rehearsal: "Rehearsal") -> None:
        """A step, an evaluation and a checkpoint were rehearsed."""

    def on_start(self, optimizer_steps: int, done: int = 0) -> None:
        """Training begins; it will take this many steps of the optimiser, of which some are done already."""

    def on_step(self, step: OptimizerStep, epoch: int, learning_rate: float) -> None:
        """A step of the optimiser is done."""

    def on_skipped(self, step: SkippedStep) -> None:
        """The loss or the gradient of a step was not finite."""

    def on_validation(self, step: int, epoch: int, metrics: dict[str, float]) -> None:
        """The validation rows were evaluated."""
