"""Run Ludwig's training on encoded rows."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import yaml
from ludwig.api import LudwigModel
from ludwig.callbacks import Callback
from ludwig.constants import MODEL_LLM
from ludwig.error import ConfigValidationError
from ludwig.models import registry as models
from ludwig.trainers.registry import get_llm_trainers_registry

from finetune_kit.asked_used import Difference, differences
from finetune_kit.engine.dataset import ExampleDataset
from finetune_kit.engine.llm import KitLLM
from finetune_kit.engine.rehearsal import Rehearsal
from finetune_kit.engine.trainer import KitFineTuneTrainer, OptimizerStep
from finetune_kit.errors import KitError
from finetune_kit.logs import captured
from finetune_kit.prompt import Example
from finetune_kit.recipe import TokenBudget


class Listener(Protocol):
    """What wants to hear how the training goes."""

    def on_notice(self, text: str) -> None:
        """Something was settled that the user should know of."""

    def on_rehearsal(self, rehearsal: Rehearsal) -> None:
        """A step, an evaluation and a checkpoint were rehearsed."""

    def on_start(self, optimizer_steps: int) -> None:
        """Training begins; it will take this many steps of the optimiser."""

    def on_step(self, step: OptimizerStep, epoch: int, learning_rate: float) -> None:
        """A step of the optimiser is done."""

    def on_validation(self, step: int, epoch: int, metrics: dict[str, float]) -> None:
        """The validation rows were evaluated."""


@dataclass(frozen=True)
class Fitted:
    """What is left after training."""

    model: Any
    """The PEFT model with the best weights."""
    validation: dict[str, float]
    """`loss`, `perplexity`, `token_accuracy` of the validation rows with these weights; empty where there are none."""
    batches: str
    """`packed` or `padded`."""
    notices: list[str]
    """What was settled on the way."""
    differences: list[Difference]
    """What Ludwig was asked for and does otherwise."""
    rehearsal: Rehearsal
    """How the rehearsal went."""


def fit(
    config: dict[str, Any],
    train: Sequence[Example],
    validation: Sequence[Example],
    folder: Path,
    listener: Listener,
    seed: int,
    budget: TokenBudget,
    callbacks: Sequence[Callback] = (),
) -> Fitted:
    """Fine-tune with Ludwig.

    Args:
        config: Ludwig's config; `base_model` is a path or a Hub id.
        train: The training rows.
        validation: The validation rows; may be empty.
        folder: Where Ludwig puts its log, its TensorBoard files and its checkpoints; `config.yaml` in it is the
            config as Ludwig rendered it.
        listener: Hears of every step.
        seed: Of the adapter's start, the dropout and the order of the rows.
        budget: How many tokens may go through the model at once.
        callbacks: More of Ludwig's callbacks.

    Returns:
        The model at its best validation loss.

    Raises:
        KitError: If Ludwig refuses the config, or the loss is not finite.
    """
    folder.mkdir(parents=True, exist_ok=True)
    relay = _Relay(listener)
    with captured(folder / "ludwig.log"), _kit_classes(budget):
        try:
            ludwig = LudwigModel(config, logging_level=logging.INFO, callbacks=[relay, *callbacks])
        except ConfigValidationError as error:
            raise KitError(f"Ludwig refuses the recipe: {' '.join(str(error).split())}") from None
        rendered = ludwig.config_obj.to_dict()
        (folder / "config.yaml").write_text(yaml.safe_dump(rendered, sort_keys=False))
        found = differences(config, rendered)
        for difference in found:
            listener.on_notice(str(difference))
        ludwig.train(
            training_set=ExampleDataset(train),
            validation_set=ExampleDataset(validation) if validation else None,
            training_set_metadata=_metadata(config, train),
            output_directory=str(folder),
            experiment_name="ludwig",
            model_name="run",
            skip_save_processed_input=True,
            random_seed=seed,
        )
    batches = "packed" if ludwig.model.packs else "padded"
    return Fitted(ludwig.model.model, relay.validation, batches, relay.notices, found, relay.rehearsal)


@contextmanager
def _kit_classes(budget: TokenBudget) -> Iterator[None]:
    """Our classes in the places of Ludwig's, while the run lasts."""
    trainers = get_llm_trainers_registry()
    before = models.model_type_registry[MODEL_LLM], trainers["finetune"]
    models.model_type_registry[MODEL_LLM] = KitLLM
    trainers["finetune"] = partial(KitFineTuneTrainer, budget=budget)
    try:
        yield
    finally:
        models.model_type_registry[MODEL_LLM], trainers["finetune"] = before


def _metadata(config: dict[str, Any], examples: Sequence[Example]) -> dict[str, Any]:
    """The least that Ludwig wants to know of the columns it did not read itself."""
    longest = max(len(example.input_ids) for example in examples)
    names = [feature["name"] for feature in [*config["input_features"], *config["output_features"]]]
    vocabulary = {"vocab_size": 0, "idx2str": [], "str2idx": {}, "str2freq": {}, "str2idf": {}, "pad_idx": 0}
    return {name: {**vocabulary, "max_sequence_length": longest, "preprocessing": {}} for name in names}


class _Relay(Callback):
    """Ludwig's callbacks, put into the listener's words."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.reported = 0
        self.validation: dict[str, float] = {}
        self.notices: list[str] = []

    def on_epoch_start(self, trainer: Any, progress_tracker: Any, save_path: str) -> None:
        if progress_tracker.steps == 0:
            self.notices = trainer.notices
            for notice in trainer.notices:
                self.listener.on_notice(notice)
            self.rehearsal = trainer.rehearsal
            self.listener.on_rehearsal(trainer.rehearsal)
            self.listener.on_start(trainer.epochs * trainer.steps_per_epoch)

    def on_batch_end(self, trainer: Any, progress_tracker: Any, save_path: str, sync_step: bool = True) -> None:
        step = trainer.last_step
        if step is not None and step.number > self.reported:
            self.reported = step.number
            self.listener.on_step(step, progress_tracker.epoch, progress_tracker.learning_rate)

    def on_validation_end(self, trainer: Any, progress_tracker: Any, save_path: str) -> None:
        logged = progress_tracker.validation_metrics[trainer.model.output_name]
        metrics = {name: values[-1].value for name, values in logged.items() if values}
        if not self.validation or metrics["loss"] < self.validation["loss"]:
            self.validation = metrics
        self.listener.on_validation(self.reported, progress_tracker.epoch, metrics)
