"""From a recipe to a run folder with an adapter."""

import json
import os
import platform
import resource
import shutil
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from finetune_kit.base_models import BaseModel, resolve_base_model
from finetune_kit.data import load_rows, rows_hash
from finetune_kit.encoding import find_special_tokens
from finetune_kit.errors import KitError
from finetune_kit.logs import captured
from finetune_kit.plots import plot_loss
from finetune_kit.progress import Stage, View, format_seconds
from finetune_kit.prompt import Prompt
from finetune_kit.proof import prove_prompts
from finetune_kit.recipe import Recipe
from finetune_kit.run import SPLITS, Run, write_text
from finetune_kit.splits import Splits, split_rows
from finetune_kit.truncation import Fitted, fit_rows

if TYPE_CHECKING:
    import pandas as pd

    from finetune_kit.devices import Device
    from finetune_kit.engine.trainer import OptimizerStep

VERSIONED = (
    "finetune-kit",
    "ludwig",
    "torch",
    "transformers",
    "peft",
    "bitsandbytes",
    "accelerate",
    "datasets",
    "pandas",
    "numpy",
    "tokenizers",
    "safetensors",
)


def train(
    recipe: Recipe,
    data: "str | Path | pd.DataFrame | None" = None,
    name: str | None = None,
    view: View | None = None,
) -> Run:
    """Fine-tune a base model on rows.

    What can be wrong with the recipe, the rows, the base model and the folder is found before a model is loaded,
    and leaves nothing behind.

    Args:
        recipe: What to do.
        data: Rows, in the place of the recipe's; its limits do not apply to them.
        name: First part of the run's name; the recipe's `run.name` goes before it.
        view: Where progress is shown; nowhere without it.

    Returns:
        The run.

    Raises:
        KitError: For a user's mistake.
    """
    view = view or View(quiet=True)
    started = time.monotonic()
    splits = split_for(recipe, data)
    prompt = Prompt.of(recipe, [column for column in splits.train[0] if column != recipe.output_column])
    with view.stage("Looking for the base model"):
        base = resolve_base_model(recipe.base_model)
        encoded = _encode(recipe, splits, prompt, base)
    run = Run.create(recipe, name or recipe.base_model.rsplit("/", 1)[-1].rsplit(":", 1)[-1])
    for split in SPLITS:
        run.write_rows(split, getattr(splits, split))
    run.ludwig_path.mkdir()
    manifest = {
        "status": "training",
        "base_model": {"name": base.name, "title": base.title},
        "seed": recipe.run.seed,
        "rows": {split: _describe_rows(getattr(splits, split)) for split in SPLITS},
    }
    run.write_manifest(manifest)
    try:
        encoded.tokenizer.save_pretrained(run.adapter_path)
        manifest["prompts_proved"] = prove_prompts(run, {"train": encoded.train, "validation": encoded.validation})
        manifest |= _fit(run, encoded, base, view)
    except BaseException as error:
        # A mistake that shows only when the model is loaded leaves nothing either.
        if isinstance(error, KitError) and not (run.log_path.exists() and run.log_path.stat().st_size):
            shutil.rmtree(run.path)
        else:
            run.write_manifest({**manifest, "status": "failed"})
        raise
    run.write_manifest({**manifest, "status": "finished", "seconds": round(time.monotonic() - started, 1)})
    run.make_latest()
    return run


def split_for(recipe: Recipe, data: "str | Path | pd.DataFrame | None" = None) -> Splits:
    """The rows of a recipe in three sets.

    Args:
        recipe: Its section `data` says which rows.
        data: Rows, in the place of the recipe's; its limits do not apply to them.

    Raises:
        KitError: If the recipe names no rows, or for what is wrong with them.
    """
    section = recipe.data
    if data is None and section is None:
        raise KitError("The recipe names no rows; add data=FILE, or a section `data` with `source`.")
    columns = [feature.name for feature in [*recipe.input_features, *recipe.output_features]]
    rows = load_rows(
        section.source if data is None and section else data,  # type: ignore[arg-type]
        section.columns if section else None,
        required=columns,
    )
    options: dict[str, Any] = {"probabilities": recipe.preprocessing.split.probabilities}
    if section is not None:
        options["method"] = section.split
    if section is not None and data is None:
        options |= section.model_dump(include={"limit", "train_limit", "test_limit"})
    return split_rows(rows, **options)


@dataclass(frozen=True)
class _Encoded:
    """The rows as the model trains on them."""

    tokenizer: Any
    train: Fitted
    validation: Fitted
    cap: int
    special_tokens: dict[str, int]
    """How many rows spell a special token, by column."""
    test_rows: int

    @property
    def left_out(self) -> dict[str, Any]:
        """The cap, and the ids of the rows that are longer: of those that are not trained on, and of those cut."""
        both = {"train": self.train, "validation": self.validation}
        return {
            "cap": self.cap,
            **{split: fitted.dropped for split, fitted in both.items()},
            "trimmed": {split: fitted.trimmed for split, fitted in both.items()},
        }

    def describe(self) -> str:
        """How many rows there are of each kind."""
        both = (self.train, self.validation)
        text = f"{len(self.train.rows)} to train on, {len(self.validation.rows)} to validate, {self.test_rows} to test"
        dropped, trimmed = sum(len(one.dropped) for one in both), sum(len(one.trimmed) for one in both)
        if dropped:
            text += f"; {dropped} longer than {self.cap} tokens left out"
        if trimmed:
            text += f"; {trimmed} longer than {self.cap} tokens trimmed"
        return text


def _encode(recipe: Recipe, splits: Splits, prompt: Prompt, base: BaseModel) -> _Encoded:
    from finetune_kit.loading import load_tokenizer

    tokenizer = load_tokenizer(base.path)
    cap = recipe.preprocessing.global_max_sequence_length
    train, validation = (
        fit_rows(rows, prompt, tokenizer, cap, recipe.output_column, recipe.preprocessing.on_truncation)
        for rows in (splits.train, splits.validation)
    )
    if not train.rows:
        raise KitError(f"Every training row is longer than {cap} tokens; raise global_max_sequence_length.")
    special = find_special_tokens([*train.rows, *validation.rows], tokenizer, [*prompt.columns, recipe.output_column])
    spelt = {column: len(found) for column, found in special.items()}
    return _Encoded(tokenizer, train, validation, cap, spelt, len(splits.test))


def _fit(run: Run, rows: _Encoded, base: BaseModel, view: View) -> dict[str, Any]:
    """Train and save; returns what the manifest says about it."""
    recipe = run.recipe
    with ExitStack() as stack:
        stack.enter_context(captured(run.ludwig_path / "ludwig.log"))
        with view.stage("Loading the libraries"):
            from finetune_kit.devices import pick_device
            from finetune_kit.engine.fit import fit
            from finetune_kit.loading import compute_dtype

        device = pick_device()
        dtype = compute_dtype(recipe.quantization, device)
        view.say(f"Base model  {base.title}")
        view.say(f"Device      {device.name}, computing in {dtype}: {device.reason}")
        view.say(f"Rows        {rows.describe()}")
        for column, count in rows.special_tokens.items():
            view.say(f"Note        {count} row(s) spell a special token of the tokenizer in {column!r}; it stays text")
        begun = time.monotonic()
        recorder = stack.enter_context(_Recorder(run.log_path, view))
        train, validation = rows.train.examples, rows.validation.examples
        config = {**recipe.ludwig_config(dtype, len(train)), "base_model": base.path}
        fitted = fit(config, train, validation, run.ludwig_path, recorder, recipe.run.seed, recipe.token_budget)
        seconds = time.monotonic() - begun
        _save_adapter(run, fitted.model, base)
    _keep_ludwigs_config(run, base)
    plot_loss(run.train_log(), run.path / "loss.png")
    return {
        "device": {"type": device.type, "name": device.name, "compute_dtype": dtype, "reason": device.reason},
        "left_out": rows.left_out,
        "special_tokens": rows.special_tokens,
        "batches": fitted.batches,
        "notices": fitted.notices,
        "trainable_parameters": sum(p.numel() for p in fitted.model.parameters() if p.requires_grad),
        "validation": fitted.validation,
        "optimizer_steps": recorder.steps,
        "tokens": recorder.tokens,
        "training_seconds": round(seconds, 1),
        "tokens_per_second": round(recorder.tokens / recorder.busy, 1) if recorder.steps else 0.0,
        "peak_memory_bytes": peak_memory(device),
        "versions": versions(),
    }


def _save_adapter(run: Run, model: Any, base: BaseModel) -> None:
    """Plain PEFT files that name the base model as the recipe does, never by a path in a cache."""
    for config in model.peft_config.values():
        config.base_model_name_or_path = base.name
        config.inference_mode = True
    model.save_pretrained(run.adapter_path)
    # PEFT's card says nothing that the run folder does not, and names the path the model was loaded from.
    (run.adapter_path / "README.md").unlink(missing_ok=True)


def _keep_ludwigs_config(run: Run, base: BaseModel) -> None:
    """Ludwig's rendered config, with the base model's name in the place of its path."""
    rendered = run.ludwig_path / "config.yaml"
    config = yaml.safe_load(rendered.read_text(encoding="utf-8"))
    config["base_model"] = base.name
    write_text(run.path / "ludwig_config.yaml", yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
    rendered.unlink()


def _describe_rows(rows: Sequence[Any]) -> dict[str, Any]:
    return {"rows": len(rows), "sha256": rows_hash(rows)}


def versions() -> dict[str, str]:
    """Python and the packages that a result depends on."""
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in VERSIONED}}


def peak_memory(device: "Device") -> int:
    """Bytes: of the CUDA allocator on a GPU, resident memory of the process otherwise."""
    if device.type == "cuda":
        import torch

        return int(torch.cuda.max_memory_allocated())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class _Recorder(ExitStack):
    """Writes every step into the log and shows it."""

    def __init__(self, log: Path, view: View) -> None:
        super().__init__()
        self.view = view
        self.file = self.enter_context(log.open("w", encoding="utf-8"))
        self.steps = self.tokens = 0
        self.busy = 0.0
        """Seconds of training steps, validation not counted."""
        self.stage: Stage | None = None

    def on_notice(self, text: str) -> None:
        """Say it."""
        self.view.say(f"Note        {text}")

    def on_start(self, optimizer_steps: int) -> None:
        """Begin the bar."""
        self.stage = self.enter_context(self.view.stage("Training", optimizer_steps, "step"))
        self.clock = time.monotonic()

    def on_step(self, step: "OptimizerStep", epoch: int, learning_rate: float) -> None:
        """Log a step."""
        now = time.monotonic()
        seconds, self.clock = now - self.clock, now
        self.busy += seconds
        self.steps, self.tokens = step.number, self.tokens + step.tokens
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


def _program() -> str:
    """How to type the command here: by name where the shell finds it, else by the path it was started with."""
    found = shutil.which("finetune-kit") or Path(sys.argv[0]).name != "finetune-kit"
    return "finetune-kit" if found else os.path.relpath(sys.argv[0])


def summary_lines(run: Run) -> list[str]:
    """What to say when a run is finished: figures, paths and the next command."""
    manifest = run.manifest
    validation = manifest["validation"]
    lines = [
        f"Trained     {manifest['optimizer_steps']} steps, {manifest['tokens']:,} tokens at "
        f"{manifest['tokens_per_second']:.0f} tokens/s, {format_seconds(manifest['seconds'])} in all, "
        f"{manifest['peak_memory_bytes'] / 1e9:.1f} GB at most",
    ]
    if validation:
        lines.append(
            f"Validation  loss {validation['loss']:.3f}, perplexity {validation['perplexity']:.2f}, "
            f"token accuracy {validation['token_accuracy']:.3f}"
        )
    lines += [
        f"Adapter     {run.adapter_path}",
        f"Loss curve  {run.path / 'loss.png'}",
        "",
        f"Next: {_program()} eval" + ("" if run.path.parent == Path("runs") else f" {run.path}"),
    ]
    return lines
