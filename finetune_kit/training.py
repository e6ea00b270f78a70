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
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from finetune_kit.base_models import BaseModel, resolve_base_model
from finetune_kit.data import rows_hash
from finetune_kit.data_care import data_report
from finetune_kit.errors import KitError
from finetune_kit.logs import captured
from finetune_kit.plots import plot_loss
from finetune_kit.progress import Stage, View, format_seconds
from finetune_kit.prompt import Example, Prompt, encode_rows
from finetune_kit.recipe import Recipe
from finetune_kit.recipe_checks import device_problems
from finetune_kit.run import SPLITS, Run, write_text
from finetune_kit.splits import Splits

if TYPE_CHECKING:
    import pandas as pd

    from finetune_kit.devices import Device
    from finetune_kit.engine.rehearsal import Rehearsal
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
    with view.stage("Looking at the rows"):
        report = data_report(recipe, data)
    splits = report.splits
    if found := report.line():
        view.say(f"Data        {found}")
    prompt = Prompt(recipe.prompt.template, [column for column in splits.train[0] if column != recipe.output_column])
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
        **report.manifest(),
    }
    run.write_manifest(manifest)
    try:
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
    """The rows of a recipe in three sets, without those that its `data.drop` names.

    Args:
        recipe: Its section `data` says which rows.
        data: Rows, in the place of the recipe's; its limits do not apply to them.

    Raises:
        KitError: If the recipe names no rows, or for what is wrong with them.
    """
    return data_report(recipe, data).splits


@dataclass(frozen=True)
class _Encoded:
    """The rows as the model trains on them."""

    tokenizer: Any
    train: list[Example]
    validation: list[Example]
    left_out: dict[str, Any]
    """The cap, and the ids of the rows that are longer."""
    test_rows: int


def _encode(recipe: Recipe, splits: Splits, prompt: Prompt, base: BaseModel) -> _Encoded:
    from finetune_kit.loading import load_tokenizer

    tokenizer = load_tokenizer(base.path)
    cap = recipe.preprocessing.global_max_sequence_length
    train, dropped = encode_rows(splits.train, prompt, tokenizer, cap, recipe.output_column)
    validation, dropped_too = encode_rows(splits.validation, prompt, tokenizer, cap, recipe.output_column)
    if not train:
        raise KitError(f"Every training row is longer than {cap} tokens; raise global_max_sequence_length.")
    left_out = {"cap": cap, "train": dropped, "validation": dropped_too}
    return _Encoded(tokenizer, train, validation, left_out, len(splits.test))


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
        if problems := device_problems(recipe, device):
            raise KitError("\n".join(map(str, problems)))
        dtype = compute_dtype(recipe.quantization, device)
        long = len(rows.left_out["train"]) + len(rows.left_out["validation"])
        view.say(f"Base model  {base.title}")
        view.say(f"Device      {device.name}, computing in {dtype}: {device.reason}")
        view.say(
            f"Rows        {len(rows.train)} to train on, {len(rows.validation)} to validate, {rows.test_rows} to test"
            + (f"; {long} longer than {rows.left_out['cap']} tokens left out" if long else "")
        )
        begun = time.monotonic()
        recorder = stack.enter_context(_Recorder(run.log_path, view))
        config = {**recipe.ludwig_config(dtype, len(rows.train)), "base_model": base.path}
        fitted = fit(
            config, rows.train, rows.validation, run.ludwig_path, recorder, recipe.run.seed, recipe.token_budget
        )
        seconds = time.monotonic() - begun
        _save_adapter(run, fitted.model, rows.tokenizer, base)
    _keep_ludwigs_config(run, base)
    plot_loss(run.train_log(), run.path / "loss.png")
    return {
        "device": {"type": device.type, "name": device.name, "compute_dtype": dtype, "reason": device.reason},
        "left_out": rows.left_out,
        "batches": fitted.batches,
        "notices": fitted.notices,
        "differences": [asdict(difference) for difference in fitted.differences],
        "trainable_parameters": sum(p.numel() for p in fitted.model.parameters() if p.requires_grad),
        "validation": fitted.validation,
        "optimizer_steps": recorder.steps,
        "tokens": recorder.tokens,
        "training_seconds": round(seconds, 1),
        "tokens_per_second": round(recorder.tokens / recorder.busy, 1) if recorder.steps else 0.0,
        "peak_memory_bytes": peak_memory(device),
        "versions": versions(),
    }


def _save_adapter(run: Run, model: Any, tokenizer: Any, base: BaseModel) -> None:
    """Plain PEFT files that name the base model as the recipe does, never by a path in a cache."""
    for config in model.peft_config.values():
        config.base_model_name_or_path = base.name
        config.inference_mode = True
    model.save_pretrained(run.adapter_path)
    tokenizer.save_pretrained(run.adapter_path)
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

    def on_rehearsal(self, rehearsal: "Rehearsal") -> None:
        """Say how it went."""
        self.view.say(
            f"Rehearsed   a step of the {rehearsal.rows} longest rows (up to {rehearsal.tokens} tokens), an evaluation and a "
            f"checkpoint of {rehearsal.checkpoint_bytes / 1e6:.1f} MB, in {format_seconds(rehearsal.seconds)}"
        )

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
