"""Run Ludwig's training on encoded rows, and leave what a run folder holds of it."""

import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from ludwig.api import LudwigModel
from ludwig.callbacks import Callback
from ludwig.constants import MODEL_LLM
from ludwig.distributed.base import DistributedStrategy
from ludwig.error import ConfigValidationError
from ludwig.models import registry as models
from ludwig.schema.optimizers import optimizer_registry
from ludwig.trainers.registry import get_llm_trainers_registry

from finetune_kit import devices
from finetune_kit.asked_used import Difference, differences
from finetune_kit.base_models import BaseModel
from finetune_kit.checkpoints import Checkpoints, Interval
from finetune_kit.devices import peak_memory
from finetune_kit.engine.dataset import ExampleDataset
from finetune_kit.engine.listener import Listener
from finetune_kit.engine.llm import KitLLM
from finetune_kit.engine.optimizers import BITSANDBYTES_OPTIMIZERS, with_known_settings
from finetune_kit.engine.rehearsal import Rehearsal
from finetune_kit.engine.sharded import Shards
from finetune_kit.engine.trackers import load_trackers
from finetune_kit.engine.trainer import KitFineTuneTrainer, Safeguards
from finetune_kit.errors import KitError
from finetune_kit.example_table import token_lengths
from finetune_kit.loading import compute_dtype
from finetune_kit.logs import captured
from finetune_kit.prompt import Example
from finetune_kit.recipe import Recipe, TokenBudget
from finetune_kit.run import write_text


def fit_recipe(
    recipe: Recipe,
    base: BaseModel,
    train: Sequence[Example],
    validation: Sequence[Example],
    folder: Path,
    listener: Listener,
    checkpoints: Checkpoints,
    callbacks: Sequence[Callback] = (),
    strategy: DistributedStrategy | None = None,
) -> dict[str, Any]:
    """Fine-tune as a recipe says, and save the adapter and the logs; of several workers the first does that.

    Args:
        recipe: What to do.
        base: The base model.
        train: The training rows.
        validation: The validation rows; may be empty.
        folder: A run folder, or one that becomes part of it: gets `adapter/`, `tensorboard/`, `ludwig.log` in
            `ludwig/`, and `ludwig_config.yaml`.
        listener: Hears of every step.
        checkpoints: Where the state is kept.
        callbacks: Ludwig's; those of `run.trackers` come with them.
        strategy: Ludwig's way between several workers.

    Returns:
        What the manifest says of it.

    Raises:
        KitError: If Ludwig refuses the recipe, or the run can't go on.
        TrainingInterrupted: If it was asked to stop.
    """
    first = strategy is None or strategy.is_coordinator()
    device = devices.pick_device()
    dtype = compute_dtype(recipe.quantization, device)
    listener.on_device(device, dtype)
    config = {**recipe.ludwig_config(dtype, len(train)), "base_model": base.path}
    if strategy is not None:
        # Ludwig would multiply the rate by the number of workers, and a step has the rows that the recipe says.
        config["trainer"]["learning_rate_scaling"] = "constant"
    safeguards = Safeguards(checkpoints, Interval(recipe.run.checkpoint_every), recipe.trainer.max_skipped_steps)
    fitted = fit(
        config,
        train,
        validation,
        folder / "ludwig",
        listener,
        recipe.run.seed,
        recipe.token_budget,
        safeguards,
        [*(load_trackers(recipe.run.trackers) if first else ()), *callbacks],
        strategy,
    )
    if first:
        _save_adapter(fitted.model, fitted.weights, base, folder)
        _keep_ludwigs_config(base, folder)
    return {
        "device": {"type": device.type, "name": device.name, "compute_dtype": dtype, "reason": device.reason},
        "batches": fitted.batches,
        "notices": fitted.notices,
        "rehearsal": asdict(fitted.rehearsal),
        "differences": [asdict(difference) for difference in fitted.differences],
        "trainable_parameters": sum(p.numel() for p in fitted.model.parameters() if p.requires_grad),
        "validation": fitted.validation,
        "optimizer_steps": fitted.optimizer_steps,
        "skipped_steps": [{"step": step, "rows": ids, "reason": reason} for step, ids, reason in fitted.skipped_steps],
        "training_seconds": round(fitted.seconds, 1),
        "peak_memory_bytes": peak_memory(device),
    }


def _save_adapter(model: Any, weights: Mapping[str, Any], base: BaseModel, folder: Path) -> None:
    """Plain PEFT files that name the base model as the recipe does, never by a path in a cache."""
    named = {name.removeprefix("model."): value for name, value in weights.items()}
    for config in model.peft_config.values():
        config.base_model_name_or_path = base.name
        config.inference_mode = True
    partial, adapter = folder / "adapter.partial", folder / "adapter"
    model.save_pretrained(partial, state_dict=named or None)
    # PEFT's card says nothing that the run folder does not, and names the path the model was loaded from.
    (partial / "README.md").unlink(missing_ok=True)
    adapter.mkdir(exist_ok=True)
    # The config last: by it the adapter is known to be there.
    for file in sorted(partial.iterdir(), key=lambda file: file.suffix == ".json"):
        file.replace(adapter / file.name)
    partial.rmdir()


def _keep_ludwigs_config(base: BaseModel, folder: Path) -> None:
    """Ludwig's rendered config, with the base model's name in the place of its path."""
    rendered = folder / "ludwig" / "config.yaml"
    config = yaml.safe_load(rendered.read_text(encoding="utf-8"))
    config["base_model"] = base.name
    write_text(folder / "ludwig_config.yaml", yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
    rendered.unlink()


@dataclass(frozen=True)
class Fitted:
    """What is left after training."""

    model: Any
    """The PEFT model; with the best weights, where they are not shared out among workers."""
    weights: Mapping[str, Any]
    """The best weights, whole, by their names in Ludwig's model; of several workers the first has them."""
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
    optimizer_steps: int
    """Steps that changed the weights, those before the run was gone on with among them."""
    skipped_steps: list[tuple[int, list[str], str]]
    """Number, rows and reason of each step that did not."""
    seconds: float
    """Of training, likewise."""


def fit(
    config: dict[str, Any],
    train: Sequence[Example],
    validation: Sequence[Example],
    folder: Path,
    listener: Listener,
    seed: int,
    budget: TokenBudget,
    safeguards: Safeguards,
    callbacks: Sequence[Callback] = (),
    strategy: DistributedStrategy | None = None,
) -> Fitted:
    """Fine-tune with Ludwig, or go on with it where there is a checkpoint.

    Args:
        config: Ludwig's config; `base_model` is a path or a Hub id.
        train: The training rows.
        validation: The validation rows; may be empty.
        folder: Where Ludwig puts its own files; `config.yaml` in it is the config as Ludwig rendered it. TensorBoard's
            go beside it.
        listener: Hears of every step.
        seed: Of the adapter's start, the dropout and the order of the rows.
        budget: How many tokens may go through the model at once.
        safeguards: Checkpoints, and what is done about faults.
        callbacks: More of Ludwig's callbacks.
        strategy: Ludwig's way between several workers, of which this is one.

    Returns:
        The model at its best validation loss.

    Raises:
        KitError: If Ludwig refuses the config, or the run can't go on.
        TrainingInterrupted: If it was asked to stop.
    """
    folder.mkdir(parents=True, exist_ok=True)
    relay = _Relay(listener)
    # Ludwig would put what it makes now beside what it made when the run was begun.
    for leftover in folder.glob("ludwig_*"):
        shutil.rmtree(leftover)
    words = {
        "budget": budget,
        "safeguards": safeguards,
        "listener": listener,
        "tensorboard": folder.parent / "tensorboard",
        "distributed": strategy,
    }
    with captured(folder / "ludwig.log"), _kit_classes(words), devices.attention_of_any_length():
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
    trainer = relay.trainer
    return Fitted(
        model=ludwig.model.model,
        weights=trainer.best_weights,
        validation=relay.validation,
        batches="packed" if ludwig.model.packs else "padded",
        notices=trainer.notices,
        differences=found,
        rehearsal=trainer.rehearsal,
        optimizer_steps=trainer.optimizer_steps,
        skipped_steps=trainer.skipped_steps,
        seconds=trainer.seconds,
    )


@contextmanager
def _kit_classes(words: dict[str, Any]) -> Iterator[None]:
    """Our classes in the places of Ludwig's, while the run lasts."""
    trainers = get_llm_trainers_registry()
    before = models.model_type_registry[MODEL_LLM], trainers["finetune"]
    models.model_type_registry[MODEL_LLM] = partial(KitLLM, sharded=isinstance(words["distributed"], Shards))
    trainers["finetune"] = partial(KitFineTuneTrainer, **words)
    optimizers = {name: optimizer_registry[name] for name in BITSANDBYTES_OPTIMIZERS}
    for name, (optimizer, section) in optimizers.items():
        optimizer_registry[name] = with_known_settings(optimizer), section
    try:
        yield
    finally:
        optimizer_registry.update(optimizers)
        models.model_type_registry[MODEL_LLM], trainers["finetune"] = before


def _metadata(config: dict[str, Any], examples: Sequence[Example]) -> dict[str, Any]:
    """The least that Ludwig wants to know of the columns it did not read itself."""
    longest = int(token_lengths(examples).max())
    names = [feature["name"] for feature in [*config["input_features"], *config["output_features"]]]
    vocabulary = {"vocab_size": 0, "idx2str": [], "str2idx": {}, "str2freq": {}, "str2idf": {}, "pad_idx": 0}
    return {name: {**vocabulary, "max_sequence_length": longest, "preprocessing": {}} for name in names}


class _Relay(Callback):
    """Ludwig's callbacks, put into the listener's words."""

    on_every_worker = True

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.validation: dict[str, float] = {}

    def on_trainer_train_setup(self, trainer: Any, save_path: str, is_coordinator: bool) -> None:
        self.trainer = trainer

    def on_batch_end(self, trainer: Any, progress_tracker: Any, save_path: str, sync_step: bool = True) -> None:
        if trainer.last_step is not None:
            self.listener.on_step(trainer.last_step, progress_tracker.epoch, progress_tracker.learning_rate)
        trainer.after_step(progress_tracker)

    def on_validation_end(self, trainer: Any, progress_tracker: Any, save_path: str) -> None:
        metrics = self._evaluations(trainer, progress_tracker)[-1]
        self.listener.on_validation(progress_tracker.steps, progress_tracker.epoch, metrics)

    def on_trainer_train_teardown(
        self, trainer: Any, progress_tracker: Any, save_path: str, is_coordinator: bool
    ) -> None:
        evaluations = self._evaluations(trainer, progress_tracker)
        self.validation = min(evaluations, key=lambda metrics: metrics["loss"], default={})

    def _evaluations(self, trainer: Any, progress_tracker: Any) -> list[dict[str, float]]:
        """The metrics of each evaluation so far."""
        logged = progress_tracker.validation_metrics[trainer.model.output_name]
        kept = {name: [one.value for one in values] for name, values in logged.items() if values}
        return [dict(zip(kept, values, strict=True)) for values in zip(*kept.values(), strict=True)]
