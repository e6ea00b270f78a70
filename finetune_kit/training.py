"""From a recipe to a run folder with an adapter."""

import os
import platform
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from finetune_kit.base_models import BaseModel, resolve_base_model
from finetune_kit.checkpoints import Checkpoints
from finetune_kit.data import Source, rows_hash
from finetune_kit.data_care import data_report
from finetune_kit.encoding import find_special_tokens
from finetune_kit.engine.trackers import require_trackers
from finetune_kit.errors import KitError
from finetune_kit.logs import captured
from finetune_kit.outlook import Outlook, look_ahead
from finetune_kit.plots import plot_loss
from finetune_kit.progress import View, format_seconds
from finetune_kit.prompt import Prompt
from finetune_kit.proof import prove_prompts
from finetune_kit.recipe import Recipe
from finetune_kit.recorder import Recorder
from finetune_kit.resuming import interrupted_run, make_way, require_unchanged
from finetune_kit.run import SPLITS, Run
from finetune_kit.run_lock import locked
from finetune_kit.run_report import try_report
from finetune_kit.splits import Splits
from finetune_kit.truncation import Fitted, fit_rows

if TYPE_CHECKING:
    from finetune_kit.engine.trackers import Callback
    from finetune_kit.on_ray.training import Helpers

_Fit = Callable[..., dict[str, Any]]
"""`_fit_here`, or what takes its arguments and does the same elsewhere."""

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
    data: Source | None = None,
    name: str | None = None,
    view: View | None = None,
    fresh: bool = False,
    callbacks: "Sequence[Callback]" = (),
) -> Run:
    """Fine-tune a base model on rows, or go on with it where that was interrupted.

    What can be wrong with the recipe, the rows, the base model and the folder is found before a model is loaded,
    and leaves nothing behind.

    Args:
        recipe: What to do.
        data: Rows, in the place of the recipe's: a path, a DataFrame or a list of dicts. The recipe's limits do not
            apply to them.
        name: First part of the run's name; the recipe's `run.name` goes before it.
        view: Where progress is shown; without it on the page of a notebook, and nowhere in a script.
        fresh: Begin a new run also where one was interrupted; that one is left as it is.
        callbacks: Ludwig's, which hear of every step and evaluation; those that `run.trackers` names come with them.

    Returns:
        The run.

    Raises:
        KitError: For a user's mistake, and if what an interrupted run was made from has changed.
        TrainingInterrupted: If Ctrl-C or SIGTERM stopped it; its state is saved.
    """
    view = view or View.of_a_script()
    name = name or recipe.base_model.rsplit("/", 1)[-1].rsplit(":", 1)[-1]
    with view.stage("Looking at the rows"):
        report = data_report(recipe, data)
    run = interrupted_run(recipe, name)
    if run is not None and not fresh:
        require_unchanged(run, recipe, report.splits, versions())
    else:
        make_way(recipe, run)
        run = None
    if found := report.line():
        view.say(f"Data        {found}")
    with _way_to_fit(recipe, view) as fit:
        return _train(recipe, report.splits, report.manifest(), run or name, view, callbacks, fit)


def resume(run: Run, view: View | None = None, callbacks: "Sequence[Callback]" = ()) -> Run:
    """Go on with an interrupted run, on the rows that it keeps.

    Args:
        run: As `Run.open` gives it.
        view: Where progress is shown; without it on the page of a notebook, and nowhere in a script.
        callbacks: As of `train`.

    Returns:
        The run, finished.

    Raises:
        KitError: If it is finished, another process works in it, or packages have changed since.
        TrainingInterrupted: If Ctrl-C or SIGTERM stopped it; its state is saved.
    """
    manifest = run.manifest
    if manifest.get("status") == "finished":
        raise KitError(f"The run {run.path} is finished; score it with: {_program()} eval {run.path}")
    if "rows" not in manifest or "versions" not in manifest:
        raise KitError(f"The run {run.path} holds nothing to go on with; delete it, and train anew.")
    splits = Splits(**{split: run.rows(split) for split in SPLITS})
    require_unchanged(run, run.recipe, splits, versions())
    view = view or View.of_a_script()
    with _way_to_fit(run.recipe, view) as fit:
        return _train(run.recipe, splits, {}, run, view, callbacks, fit)


@contextmanager
def _way_to_fit(recipe: Recipe, view: View) -> Iterator[_Fit]:
    """What trains on encoded rows: this process, or the Ray cluster that the recipe names, while a block runs."""
    if recipe.backend.type != "ray":
        yield _fit_here
        return
    from finetune_kit.on_ray.cluster import connected
    from finetune_kit.on_ray.training import Helpers

    with connected(recipe.backend, view), Helpers() as helpers:
        yield partial(_fit_on_ray, helpers)


def _look_ahead(recipe: Recipe, lengths: Sequence[int]) -> Outlook:
    """What it will take on the device that trains, which on Ray is another than this machine's."""
    if recipe.backend.type != "ray":
        return look_ahead(recipe, lengths)
    from finetune_kit.on_ray.cluster import run_as_worker, workers_of

    count, _ = workers_of(recipe.backend)
    return cast(Outlook, run_as_worker(recipe.backend, look_ahead, recipe, sorted(lengths, reverse=True)[::count]))


def _train(
    recipe: Recipe,
    splits: Splits,
    found: dict[str, Any],
    run: Run | str,
    view: View,
    callbacks: "Sequence[Callback]",
    fit: _Fit,
) -> Run:
    """Train in a run that there is, or in a new one of that name."""
    started = time.monotonic()
    require_trackers(recipe.run.trackers)
    prompt = Prompt.of(recipe, [column for column in splits.train[0] if column != recipe.output_column])
    with view.stage("Looking for the base model"):
        base = resolve_base_model(recipe.base_model)
        encoded = _encode(recipe, splits, prompt, base)
    with view.stage("Counting the memory"):
        outlook = _look_ahead(recipe, [len(example.input_ids) for example in encoded.train.examples])
    for label, text in [*(("Note", note) for note in [*recipe.notes(), *outlook.notes]), *outlook.lines()]:
        view.say(f"{label:<12}{text}")
    for text in outlook.advice():
        view.say(text)
    rows = {split: getattr(splits, split) for split in SPLITS}
    manifest = {
        "status": "training",
        "base_model": {"name": base.name, "title": base.title},
        "seed": recipe.run.seed,
        "rows": {split: _describe_rows(rows[split]) for split in SPLITS},
        "versions": versions(),
        **found,
        "forecast": _forecast(outlook),
    }
    with ExitStack() as stack:
        if isinstance(run, Run):
            stack.enter_context(locked(run.path))
            manifest = {**run.manifest, "status": "training"}
            run.write_manifest(manifest)
        else:
            run = stack.enter_context(Run.create(recipe, run, rows, manifest))
        try:
            encoded.tokenizer.save_pretrained(run.adapter_path)
            manifest["prompts_proved"] = prove_prompts(run, {"train": encoded.train, "validation": encoded.validation})
            manifest |= _fit(run, encoded, base, view, callbacks, fit)
            finished = {**manifest, "status": "finished", "seconds": round(time.monotonic() - started, 1)}
            try_report(run, view.say, finished)
            run.make_latest()
            # Last of all, so that a run that was killed before can be gone on with, and lacks nothing after.
            run.write_manifest(finished)
        except BaseException as error:
            _end_early(run, manifest, error)
            if isinstance(error, OSError):
                how = Checkpoints(run.checkpoints_path).how_to_go_on()
                raise KitError(f"Writing into {run.path} failed ({error.strerror or error}). {how}") from error
            raise
    return run


def _end_early(run: Run, manifest: dict[str, Any], error: BaseException) -> None:
    """Leave a run that did not finish so that it can be gone on with, or not at all where there is nothing to."""
    begun = run.log_path.exists() and run.log_path.stat().st_size
    if isinstance(error, KitError) and not begun and not Checkpoints(run.checkpoints_path).exist():
        # A mistake that shows only when the model is loaded leaves nothing either.
        shutil.rmtree(run.path)
        return
    status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
    with suppress(OSError):  # on a full disk the manifest stays what it was, which says as much
        run.write_manifest({**manifest, "status": status})


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

    @property
    def token_lengths(self) -> dict[str, Any]:
        """Of the training rows."""
        import numpy as np

        from finetune_kit.tokens import Histogram, summary

        total = np.array([len(example.input_ids) for example in self.train.examples])
        return {"cap": self.cap, "summary": summary(total), "histogram": asdict(Histogram.of(total, self.cap))}

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


def _fit(
    run: Run, rows: _Encoded, base: BaseModel, view: View, callbacks: "Sequence[Callback]", fit: _Fit
) -> dict[str, Any]:
    """Train and save; returns what the manifest says about it."""
    with ExitStack() as stack:
        stack.enter_context(captured(run.ludwig_path / "ludwig.log"))
        view.say(f"Base model  {base.title}")
        view.say(f"Rows        {rows.describe()}")
        for column, count in rows.special_tokens.items():
            view.say(f"Note        {count} row(s) spell a special token of the tokenizer in {column!r}; it stays text")
        recorder = stack.enter_context(Recorder(run.log_path, view))
        fitted = fit(run, rows, base, recorder, callbacks)
    plot_loss(run.train_log(), run.path / "loss.png")
    return {
        **fitted,
        "left_out": rows.left_out,
        "token_lengths": rows.token_lengths,
        "special_tokens": rows.special_tokens,
        "seconds_forecast_after_20_steps": recorder.seconds_forecast and round(recorder.seconds_forecast, 1),
        "resumed_at_steps": recorder.resumed_at,
        "tokens": recorder.tokens,
        "tokens_per_second": round(recorder.tokens / recorder.busy, 1) if recorder.steps else 0.0,
    }


def _fit_here(
    run: Run, rows: _Encoded, base: BaseModel, recorder: Recorder, callbacks: "Sequence[Callback]"
) -> dict[str, Any]:
    """Train in this process."""
    with recorder.view.stage("Loading the libraries"):
        from finetune_kit.engine.fit import fit_recipe
    recipe = run.recipe
    checkpoints = Checkpoints(run.checkpoints_path, recipe.run.keep_last, recorder.on_notice)
    train, validation = rows.train.examples, rows.validation.examples
    return fit_recipe(recipe, base, train, validation, run.path, recorder, checkpoints, callbacks)


def _fit_on_ray(
    helpers: "Helpers", run: Run, rows: _Encoded, base: BaseModel, recorder: Recorder, callbacks: "Sequence[Callback]"
) -> dict[str, Any]:
    """Train on a Ray cluster; this process only follows it."""
    from finetune_kit.on_ray.training import fit_on_ray

    return fit_on_ray(helpers, run, rows.train.examples, rows.validation.examples, recorder, callbacks)


def _forecast(outlook: Outlook) -> dict[str, Any]:
    """What was forecast: bytes, by part, and seconds; null where it could not be."""
    estimate = outlook.fit and outlook.fit.estimate
    return {
        "memory_bytes": estimate and estimate.total,
        "memory_parts": estimate and estimate.parts,
        "verdict": outlook.fit and outlook.fit.verdict,
        "seconds": outlook.time and round(outlook.time.seconds, 3),
    }


def _describe_rows(rows: Sequence[Any]) -> dict[str, Any]:
    return {"rows": len(rows), "sha256": rows_hash(rows)}


def versions() -> dict[str, str]:
    """Python and the packages that a result depends on."""
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in VERSIONED}}


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
        f"Report      {run.path / 'report.html'}",
        "",
        f"Next: {_program()} eval" + ("" if run.path.parent == Path("runs") else f" {run.path}"),
    ]
    return lines
