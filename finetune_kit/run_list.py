"""The runs of a folder, and what differs between them."""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from finetune_kit.errors import KitError
from finetune_kit.progress import format_seconds
from finetune_kit.resuming import leaves
from finetune_kit.run import LATEST, SPLITS, Run
from finetune_kit.run_lock import is_locked
from finetune_kit.scores import Score, scores_of

_TORN = (OSError, ValueError, LookupError, TypeError, AttributeError)
"""What files raise that were torn, or written by hand."""


@dataclass(frozen=True)
class Listed:
    """A run, or what is left of one, in a line."""

    name: str
    status: str
    """As the manifest has it; `running` where a process works in the folder; `unreadable` of what can't be read."""
    base_model: str = ""
    rows: int | None = None
    """Of the training."""
    steps: int | None = None
    validation_loss: float | None = None
    """Of the kept weights; of a run that goes on, the lowest so far."""
    score: str = ""
    """The metric that decides: base, tuned, and the word of the verdict."""
    seconds: float | None = None
    changed: str = ""
    """When its manifest was written last: month, day and time of this machine."""


def list_runs(folder: Path) -> list[Listed]:
    """The runs of a folder, the newest first; what can't be read is listed as such.

    Raises:
        KitError: If there is no such folder.
    """
    if not folder.is_dir():
        raise KitError(f"There is no folder {folder}; `finetune-kit train` makes it, or --folder names another.")
    paths = [path for path in folder.iterdir() if path.is_dir() and path.name != LATEST and path.name[0] != "."]
    return [_listed(path) for path in sorted(paths, key=_changed, reverse=True)]


def _listed(path: Path) -> Listed:
    changed = f"{datetime.fromtimestamp(_changed(path)):%m-%d %H:%M}"
    try:
        run = Run.open(path)
        manifest = run.manifest
        log = run.train_log()
        steps = [line["step"] for line in log if line["type"] == "step"]
        losses = [line["loss"] for line in log if line["type"] == "validation"]
        return Listed(
            name=path.name,
            status="running" if is_locked(path) else manifest["status"],
            base_model=run.recipe.base_model,
            rows=manifest["rows"]["train"]["rows"],
            steps=manifest.get("optimizer_steps", steps[-1] if steps else 0),
            validation_loss=manifest.get("validation", {}).get("loss", min(losses, default=None)),
            score=_score(run.summary),
            seconds=manifest.get("seconds"),
            changed=changed,
        )
    except (KitError, *_TORN):
        return Listed(path.name, "unreadable", changed=changed)


def _score(summary: dict[str, Any] | None) -> str:
    if not summary:
        return ""
    verdict = summary["verdict"]
    score = {one.name: one for one in scores_of(summary)}[verdict["metric"]]
    return ", ".join(filter(None, [f"{score.name} {_both_sides(score)}", verdict["word"]]))


def _both_sides(score: Score) -> str:
    return f"{score.base} → {score.tuned}" if score.base else score.tuned


def _changed(path: Path) -> float:
    """When a run's manifest was written, or else its folder; 0 of what may not be looked at or is gone by now."""
    for place in (path / "manifest.json", path):
        with suppress(OSError):
            return place.stat().st_mtime
    return 0.0


@dataclass(frozen=True)
class Difference:
    """What is not the same in all runs."""

    kind: str
    """`recipe`, `data`, `training`, `versions` or `scores`."""
    key: str
    values: tuple[str, ...]
    """Of each run; empty where it has none."""


def compare_runs(runs: Sequence[Run]) -> list[Difference]:
    """What differs between runs in recipe, data, what came of the training, versions and scores.

    Args:
        runs: Two or more; with one, all that it has.

    Raises:
        KitError: If what a run's folder holds can't be read.
    """
    described = [_described(run) for run in runs]
    keys = dict.fromkeys(key for one in described for key in one)
    found = []
    for kind, key in keys:
        values = tuple(one.get((kind, key), "") for one in described)
        if len(runs) == 1 or len(set(values)) > 1:
            found.append(Difference(kind, key, values))
    return found


def _described(run: Run) -> dict[tuple[str, str], str]:
    """All that tells a run apart from others, by kind and key."""
    try:
        return _told(run)
    except _TORN as error:
        raise KitError(
            f"{run.path} can't be shown: its manifest.json or eval/summary.json is torn ({type(error).__name__}: "
            f"{error}). Train or score it anew."
        ) from None


def _told(run: Run) -> dict[tuple[str, str], str]:
    manifest, recipe = run.manifest, leaves(run.recipe.model_dump(mode="json"))
    own = {"run.name", "run.folder"}
    told = {("recipe", key): json.dumps(value, ensure_ascii=False) for key, value in recipe.items() if key not in own}
    for split in SPLITS:
        rows = manifest.get("rows", {}).get(split)
        if rows:
            told["data", split] = f"{rows['rows']} rows, {rows['sha256'][:12]}"
    told["training", "status"] = str(manifest.get("status", ""))
    told["training", "device"] = _device(manifest)
    for key, value in (("steps", manifest.get("optimizer_steps")), ("tokens", manifest.get("tokens"))):
        told["training", key] = "" if value is None else f"{value:,}"
    told["training", "validation loss"] = _figure(manifest.get("validation", {}).get("loss"))
    told["training", "time"] = _time(manifest.get("seconds"))
    told["training", "peak memory"] = _gigabytes(manifest.get("peak_memory_bytes"))
    told |= {("versions", package): version for package, version in manifest.get("versions", {}).items()}
    if run.summary:
        for score in scores_of(run.summary):
            told["scores", score.name] = f"{_both_sides(score)} ({score.difference})"
    return told


def _device(manifest: dict[str, Any]) -> str:
    device = manifest.get("device")
    return f"{device['name']}, {device['compute_dtype']}" if device else ""


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _time(seconds: float | None) -> str:
    return "" if seconds is None else format_seconds(seconds)


def _gigabytes(size: int | None) -> str:
    return "" if size is None else f"{size / 1e9:.2f} GB"
