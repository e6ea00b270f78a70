"""Which run a command goes on with, and whether it may: only if nothing that the result depends on has changed."""

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from finetune_kit.checkpoints import Checkpoints
from finetune_kit.data import rows_hash
from finetune_kit.errors import KitError
from finetune_kit.recipe import Recipe
from finetune_kit.run import SPLITS, Run
from finetune_kit.run_lock import is_locked
from finetune_kit.splits import Splits

UNFINISHED = ("training", "interrupted", "failed")
"""What a manifest says of a run that can be gone on with; of one that was killed it says `training`."""
ABANDONED = "abandoned"
_FREE = (
    *("run.name", "run.folder", "run.checkpoint_every", "run.keep_last", "run.trackers"),
    *("backend.address", "backend.max_failures", "backend.trainer"),
)
"""Keys that may change on the way: they have no part in the result, or none but rounding."""


def interrupted_run(recipe: Recipe, name: str) -> Run | None:
    """The run that a command goes on with.

    It is the one that `run.name` names, or else the newest that the same recipe made; it did not finish, no process
    works in it, and it has a checkpoint.

    Args:
        recipe: What the command asks for.
        name: What the folder's name begins with, where the recipe names none.
    """
    parent = Path(recipe.run.folder)
    pattern = re.compile(re.escape(recipe.run.name) if recipe.run.name else re.escape(name) + r"-\d{8}-\d{6}")
    folders = sorted(parent.iterdir(), reverse=True) if parent.is_dir() else []
    for folder in folders:
        if pattern.fullmatch(folder.name) and not folder.is_symlink() and _status(folder) in UNFINISHED:
            if is_locked(folder) or not Checkpoints(folder / "checkpoints").exist():
                continue
            return Run.open(folder)
    return None


def require_unchanged(run: Run, recipe: Recipe, splits: Splits, versions: Mapping[str, str]) -> None:
    """Refuse to go on with a run that would not end as it would have.

    Args:
        run: The run.
        recipe: What is asked for now.
        splits: The rows that it means now.
        versions: Of Python and of the packages, now.

    Raises:
        KitError: With all that is different.
    """
    manifest = run.manifest
    found = [
        f"{key} was {before} and is {now}"
        for key, (before, now) in recipe_changes(run.recipe, recipe).items()
        if not key.startswith(_FREE)
    ]
    for split in SPLITS:
        before, rows = manifest["rows"][split], getattr(splits, split)
        if before["sha256"] != rows_hash(rows):
            found.append(f"the {split} rows are others ({before['rows']} before, {len(rows)} now)")
    found += [
        f"{package} was {before} and is {versions.get(package, 'gone')}"
        for package, before in manifest["versions"].items()
        if versions.get(package) != before
    ]
    if found:
        listed = "\n".join(f"  {one}" for one in found)
        raise KitError(
            f"The run {run.path} was interrupted, and can't be gone on with, since what it is made from has changed:\n"
            f"{listed}\n--fresh begins a new run and leaves that one; or put back what has changed."
        )


def recipe_changes(before: Recipe, now: Recipe) -> dict[str, tuple[str, str]]:
    """The keys that differ between two recipes, each with both values, as they can be typed.

    Example:
        >>> one = Recipe.load("smollm2-135m")
        >>> recipe_changes(one, Recipe.load("smollm2-135m", ["trainer.epochs=2", "adapter.use_dora=true"]))
        {'adapter.use_dora': ('false', 'true'), 'trainer.epochs': ('1', '2')}
    """
    both = [leaves(recipe.model_dump(mode="json")) for recipe in (before, now)]
    keys = dict.fromkeys([*both[0], *both[1]])
    values = {key: (both[0].get(key), both[1].get(key)) for key in keys}
    return {
        key: (json.dumps(one, ensure_ascii=False), json.dumps(other, ensure_ascii=False))
        for key, (one, other) in values.items()
        if one != other
    }


def abandon(run: Run) -> None:
    """Leave an interrupted run: no command goes on with it unless it names it."""
    run.write_manifest({**run.manifest, "status": ABANDONED})


def make_way(recipe: Recipe, run: Run | None) -> None:
    """For a run that begins anew: leave the interrupted one, and take away one that was killed before a checkpoint.

    Args:
        recipe: Of the new run.
        run: The interrupted run, if there is one.
    """
    if run is not None:
        abandon(run)
        if recipe.run.name:
            taken = sum(1 for _ in run.path.parent.glob(f"{run.path.name}-{ABANDONED}-*"))
            run.path.rename(run.path.with_name(f"{run.path.name}-{ABANDONED}-{taken + 1}"))
    elif recipe.run.name:
        folder = Path(recipe.run.folder) / recipe.run.name
        if _status(folder) in UNFINISHED and not is_locked(folder) and not Checkpoints(folder / "checkpoints").exist():
            shutil.rmtree(folder)


def _status(folder: Path) -> str | None:
    try:
        status = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["status"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return status if isinstance(status, str) else None


def leaves(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in tree.items():
        nested = isinstance(value, Mapping) and value and key != "columns"
        found |= leaves(value, f"{prefix}{key}.") if nested else {prefix + key: value}
    return found
