"""One training step, one evaluation and one checkpoint on the longest rows, before the run: what would fail after hours
fails now. Nothing of it stays: weights, optimiser, random numbers and counts are put back.
"""

import contextlib
import copy
import itertools
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from finetune_kit.checkpoints import Checkpoints
from finetune_kit.devices import clear_cache
from finetune_kit.engine.faults import NotFiniteError
from finetune_kit.errors import KitError
from finetune_kit.example_table import longest_first
from finetune_kit.prompt import Example

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rehearsal:
    """How it went."""

    seconds: float
    rows: int
    """Rows of the step."""
    tokens: int
    """Tokens of the longest row."""
    checkpoint_bytes: int


def largest_batch(
    examples: Sequence[Example], max_tokens: int, size: Callable[[Sequence[Example]], int], max_rows: int | None = None
) -> list[Example]:
    """The longest rows that go through the model at once.

    Args:
        examples: The rows there are.
        max_tokens: Most tokens of a batch; a row that is longer is one by itself.
        size: Tokens of a batch.
        max_rows: Rows of a step, of which a batch is a part; all rows go together without it.
    """
    batch: list[Example] = []
    for example in itertools.islice(longest_first(examples), max_rows):
        if batch and size([*batch, example]) > max_tokens:
            break
        batch.append(example)
    return batch


def rehearse(
    trainer: Any, train: Sequence[Example], validation: Sequence[Example], checkpoints: Checkpoints
) -> Rehearsal:
    """Do each thing once that a run does over and over.

    Args:
        trainer: The kit's trainer, ready to train.
        train: The training rows.
        validation: The validation rows; may be empty.
        checkpoints: Where checkpoints will go.

    Raises:
        KitError: If the memory is not enough for a row, or the disk for a checkpoint, or the loss is not finite.
    """
    begun = time.monotonic()
    model = trainer.model
    # Each of several workers does all of it here, as large as its share of a real step may be.
    most = -(-trainer.batch_size // trainer.workers.count)
    longest = largest_batch(train, trainer.budget.train, model.batch_size_of, most)
    tokens = max(len(example.input_ids) for example in longest)
    devices = [model.curr_device] if model.curr_device.type == "cuda" else []
    weights = {name: value.detach().clone() for name, value in model.state_dict().items()}
    optimizer = copy.deepcopy(trainer.optimizer.state_dict())
    scaler = trainer._scaler.state_dict()
    # Ludwig does this at the start of an epoch; dropout and checkpointing are off before.
    trainer.dist_model.train()
    try:
        with torch.random.fork_rng(devices):
            trainer.step(longest, longest)
            if validation:
                held_out = largest_batch(validation, trainer.budget.evaluation, model.batch_size_of)
                trainer.evaluate_rows(held_out, held_out)
            written = _write_checkpoint(trainer, checkpoints)
    except NotFiniteError as error:
        raise KitError(
            f"T{str(error)[1:]}, before any training. Lower trainer.learning_rate, or look for what is odd in these "
            "rows and in the base model."
        ) from None
    finally:
        model.load_state_dict(weights)
        trainer.optimizer.state.clear()
        trainer.optimizer.load_state_dict(optimizer)
        if scaler:
            trainer._scaler.load_state_dict(scaler)
        trainer.forget_steps()
        clear_cache()
    return Rehearsal(time.monotonic() - begun, len(longest), tokens, written)


def _write_checkpoint(trainer: Any, checkpoints: Checkpoints) -> int:
    """Write one as large as the real ones will be, read it back, and take it away; returns its bytes."""
    path = checkpoints.folder / "rehearsal.partial"
    state = trainer.workers.state_of(trainer.model, trainer.optimizer)
    try:
        checkpoints.folder.mkdir(parents=True, exist_ok=True)
        torch.save(state, path)
        torch.load(path, weights_only=True, map_location="cpu")
        checkpoints.expected_bytes = path.stat().st_size
        return checkpoints.expected_bytes
    except (OSError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise KitError(
            f"A checkpoint can't be written into {checkpoints.folder} ({reason}); free the disk, or set run.folder to "
            "another one."
        ) from None
    finally:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
