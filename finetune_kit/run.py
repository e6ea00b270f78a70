"""The run folder: what was asked, what came out, and where each file is."""

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from finetune_kit.data import Row, read_jsonl, write_jsonl
from finetune_kit.errors import KitError
from finetune_kit.recipe import Recipe
from finetune_kit.run_lock import is_locked, locked

SPLITS = ("train", "validation", "test")
SIDES = ("base", "prompted", "tuned")
LATEST = "latest"


@dataclass(frozen=True)
class Run:
    """A run folder.

    `recipe.yaml`, `ludwig_config.yaml`, `manifest.json`, `rows/`, `adapter/`, `train_log.jsonl`, `loss.png`,
    `report.html`, `checkpoints/`, `predictions/`, `eval/`, `tensorboard/`, and `ludwig/` with Ludwig's own
    log and files.
    """

    path: Path
    recipe: Recipe

    @classmethod
    @contextmanager
    def create(
        cls, recipe: Recipe, name: str, rows: Mapping[str, list[Row]], manifest: dict[str, Any]
    ) -> Iterator["Run"]:
        """Make a new folder, and hold its lock while a block works in it.

        It is filled beside its place, and then renamed: a run that was killed at any moment has all of these or is not
        there.

        Args:
            recipe: What will be run.
            name: Of the folder, unless the recipe names it.
            rows: By split.
            manifest: The first one.

        Raises:
            KitError: If a run of that name exists, or the folder can't be written.
        """
        name = recipe.run.name or f"{name}-{datetime.now(UTC).astimezone():%Y%m%d-%H%M%S}"
        if not re.fullmatch(r"[\w.-]+", name) or name in {LATEST, ".", ".."}:
            raise KitError(f"run.name {name!r} can't name a folder: use letters, digits, '-', '_' and '.'.")
        path = Path(recipe.run.folder) / name
        partial = path.with_name(f".{name}.{os.getpid()}.partial")
        with ExitStack() as stack:
            try:
                sweep(path)
                partial.mkdir(parents=True)
                stack.enter_context(locked(partial))
                run = cls(partial, recipe)
                write_text(run.recipe_path, recipe.to_yaml())
                for split in SPLITS:
                    run.write_rows(split, rows[split])
                run.ludwig_path.mkdir()
                run.write_manifest(manifest)
                if path.exists():
                    raise FileExistsError
                partial.rename(path)
            except OSError as error:
                shutil.rmtree(partial, ignore_errors=True)
                if path.exists():
                    with locked(path):  # says so where a process works in it
                        pass
                    raise KitError(f"{path} exists already; choose another run.name, or delete it.") from None
                raise KitError(
                    f"{path} can't be written ({error.strerror}); set run.folder to another folder."
                ) from None
            yield cls(path, recipe)

    @classmethod
    def load(cls, path: str | Path = "runs/latest") -> "Run":
        """Open the folder of a finished run.

        Args:
            path: The folder; `runs/latest` is the newest one.

        Raises:
            KitError: If there is no such run, or it did not finish.
        """
        run = cls.open(path)
        status = run.manifest.get("status")
        if status != "finished" or not (run.adapter_path / "adapter_config.json").is_file():
            raise KitError(
                f"The run {run.path} did not finish (its manifest says {status!r}); go on with it: "
                f"finetune-kit train {run.path}"
            )
        return run

    @classmethod
    def open(cls, path: str | Path) -> "Run":
        """Open the folder of a run, finished or not.

        Raises:
            KitError: If there is no such run.
        """
        path = Path(path)
        if not path.is_dir():
            hint = "; train one with `finetune-kit train`" if path.name == LATEST else ""
            raise KitError(f"There is no run {path}{hint}.")
        path = path.parent / path.readlink() if path.is_symlink() else path
        if not (path / "recipe.yaml").is_file():
            raise KitError(f"{path} is not a run: it holds no recipe.yaml.")
        return cls(path, Recipe.load(str(path / "recipe.yaml")))

    @property
    def recipe_path(self) -> Path:
        """The recipe with every default written out."""
        return self.path / "recipe.yaml"

    @property
    def adapter_path(self) -> Path:
        """Plain PEFT files and the tokenizer."""
        return self.path / "adapter"

    @property
    def ludwig_path(self) -> Path:
        """Ludwig's own files."""
        return self.path / "ludwig"

    @property
    def log_path(self) -> Path:
        """A line of JSON for each step and each evaluation."""
        return self.path / "train_log.jsonl"

    @property
    def checkpoints_path(self) -> Path:
        """Where the state of the training is kept."""
        return self.path / "checkpoints"

    @property
    def manifest(self) -> dict[str, Any]:
        """Versions, seed, hashes, device, timings and memory; empty before the first is written."""
        path = self.path / "manifest.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    def write_manifest(self, manifest: dict[str, Any]) -> None:
        """Replace the manifest."""
        write_text(self.path / "manifest.json", json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")

    @property
    def summary(self) -> dict[str, Any] | None:
        """The evaluation's `eval/summary.json`; None before there is one."""
        path = self.path / "eval" / "summary.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None

    def _repr_html_(self) -> str:
        """What a notebook shows of it."""
        from finetune_kit.run_view import run_html

        return run_html(self)

    def rows(self, split: str = "test") -> list[Row]:
        """The rows of `train`, `validation` or `test`."""
        return read_jsonl(self.path / "rows" / f"{split}.jsonl")

    def write_rows(self, split: str, rows: list[Row]) -> None:
        """Keep the rows of a split."""
        folder = self.path / "rows"
        folder.mkdir(exist_ok=True)
        write_jsonl(folder / f"{split}.jsonl", rows)

    def predictions_path(self, side: str) -> Path:
        """The completions of `base`, `prompted` or `tuned`."""
        return self.path / "predictions" / f"{side}.jsonl"

    def train_log(self) -> list[dict[str, Any]]:
        """What was logged: objects with `type` `step`, `skipped` or `validation`."""
        return read_log(self.log_path)

    def make_latest(self) -> None:
        """Point `latest` beside the run at it."""
        link = self.path.parent / LATEST
        temporary = self.path.parent / f".{LATEST}.{os.getpid()}"
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(self.path.name)
        temporary.replace(link)


def read_log(path: Path, steps: int | None = None) -> list[dict[str, Any]]:
    """The lines of a training's log; none where there is no log. A last line that was not finished is left out.

    Args:
        path: The file.
        steps: Only what is of the first so many steps.
    """
    if not path.exists():
        return []
    whole, _, _ = path.read_text(encoding="utf-8").rpartition("\n")
    lines = [json.loads(line) for line in whole.splitlines()]
    return [line for line in lines if steps is None or line["step"] <= steps]


def sweep(path: Path) -> None:
    """Take away what processes have left that were killed while they filled a folder beside its place."""
    for partial in path.parent.glob(f".{path.name}.*.partial"):
        if not is_locked(partial):
            shutil.rmtree(partial, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write a file beside its place, then rename it."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
