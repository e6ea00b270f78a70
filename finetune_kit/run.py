"""The run folder: what was asked, what came out, and where each file is."""

import json
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from finetune_kit.data import Row, write_jsonl
from finetune_kit.errors import KitError
from finetune_kit.recipe import Recipe

SPLITS = ("train", "validation", "test")
SIDES = ("base", "prompted", "tuned")
LATEST = "latest"


@dataclass(frozen=True)
class Run:
    """A run folder.

    `recipe.yaml`, `ludwig_config.yaml`, `manifest.json`, `rows/`, `adapter/`, `train_log.jsonl`, `loss.png`,
    `predictions/`, `eval/`, and `ludwig/` with Ludwig's own log, TensorBoard files and checkpoints.
    """

    path: Path
    recipe: Recipe

    @classmethod
    def create(cls, recipe: Recipe, name: str) -> "Run":
        """Make a new folder with the recipe in it.

        Args:
            recipe: What will be run.
            name: Of the folder, unless the recipe names it.

        Raises:
            KitError: If a run of that name exists, or the folder can't be written.
        """
        name = recipe.run.name or f"{name}-{datetime.now(UTC).astimezone():%Y%m%d-%H%M%S}"
        if not re.fullmatch(r"[\w.-]+", name) or name in {LATEST, ".", ".."}:
            raise KitError(f"run.name {name!r} can't name a folder: use letters, digits, '-', '_' and '.'.")
        path = Path(recipe.run.folder) / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.mkdir()
            run = cls(path, recipe)
            run.recipe_path.write_text(recipe.to_yaml(), encoding="utf-8")
        except FileExistsError:
            raise KitError(f"{path} exists already; choose another run.name, or delete it.") from None
        except OSError as error:
            raise KitError(f"{path} can't be written ({error.strerror}); set run.folder to another folder.") from None
        return run

    @classmethod
    def load(cls, path: str | Path = "runs/latest") -> "Run":
        """Open the folder of a finished run.

        Args:
            path: The folder; `runs/latest` is the newest one.

        Raises:
            KitError: If there is no such run, or it did not finish.
        """
        path = Path(path)
        if not path.is_dir():
            hint = "; train one with `finetune-kit train`" if path.name == LATEST else ""
            raise KitError(f"There is no run {path}{hint}.")
        path = path.parent / path.readlink() if path.is_symlink() else path
        if not (path / "recipe.yaml").is_file():
            raise KitError(f"{path} is not a run: it holds no recipe.yaml.")
        run = cls(path, Recipe.load(str(path / "recipe.yaml")))
        if not (run.adapter_path / "adapter_config.json").is_file():
            raise KitError(f"The run {path} did not finish: it holds no adapter. See {path / 'ludwig' / 'ludwig.log'}.")
        return run

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
    def manifest(self) -> dict[str, Any]:
        """Versions, seed, hashes, device, timings and memory."""
        return json.loads((self.path / "manifest.json").read_text(encoding="utf-8"))

    def write_manifest(self, manifest: dict[str, Any]) -> None:
        """Replace the manifest."""
        write_text(self.path / "manifest.json", json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")

    def rows(self, split: str = "test") -> list[Row]:
        """The rows of `train`, `validation` or `test`."""
        path = self.path / "rows" / f"{split}.jsonl"
        return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]

    def write_rows(self, split: str, rows: list[Row]) -> None:
        """Keep the rows of a split."""
        folder = self.path / "rows"
        folder.mkdir(exist_ok=True)
        write_jsonl(folder / f"{split}.jsonl", rows)

    def predictions_path(self, side: str) -> Path:
        """The completions of `base`, `prompted` or `tuned`."""
        return self.path / "predictions" / f"{side}.jsonl"

    def train_log(self) -> list[dict[str, Any]]:
        """What was logged: objects with `type` `step` or `validation`."""
        return [json.loads(line) for line in self.log_path.read_text(encoding="utf-8").splitlines()]

    def make_latest(self) -> None:
        """Point `latest` beside the run at it."""
        link = self.path.parent / LATEST
        temporary = self.path.parent / f".{LATEST}.{os.getpid()}"
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(self.path.name)
        temporary.replace(link)


def write_text(path: Path, text: str) -> None:
    """Write a file beside its place, then rename it."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
