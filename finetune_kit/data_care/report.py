"""The rows of a recipe: read, split, looked at, and those left out that the recipe says."""

from dataclasses import dataclass
from typing import Any

from finetune_kit.data import PlacedRow, Source, all_at_once, load_placed_rows, name_of
from finetune_kit.data_care.findings import Findings
from finetune_kit.data_care.inspection import inspect_rows
from finetune_kit.errors import KitError
from finetune_kit.recipe import Recipe
from finetune_kit.run import SPLITS
from finetune_kit.splits import OWN_SPLITS, Splits, split_rows


@dataclass(frozen=True)
class DataReport:
    """The rows of a recipe, and what was found in them."""

    splits: Splits
    """Without the rows that were left out."""
    findings: Findings
    """Of all rows, before any was left out."""
    dropped: dict[str, dict[str, str]]
    """By each kind of `data.drop`, the ids of the rows that were left out for it, with their places; a row may stand
    under more than one."""
    source: str
    """Where they come from."""

    def line(self) -> str:
        """What training says of it, in a line; empty where nothing was found."""
        kept = self.findings.told([kind for kind in self.findings.counts if kind not in self.dropped])
        left_out = self.findings.told(list(self.dropped))
        parts = [f"left out {left_out}"] if left_out else []
        parts += [f"{kept} (kept; `finetune-kit check` lists {'them' if ', ' in kept else 'it'})"] if kept else []
        return "; ".join(parts)

    def manifest(self) -> dict[str, Any]:
        """What the run's manifest says of it."""
        return {"source": self.source, "data_findings": self.findings.counts, "dropped": self.dropped}


def data_report(recipe: Recipe, data: Source | None = None, near: bool = False) -> DataReport:
    """Read a recipe's rows, split them, look at them, and leave out what `data.drop` names.

    Rows are left out after the split and after the limits, so that no other row changes sides.

    Args:
        recipe: Its section `data` says which rows.
        data: Rows, in the place of the recipe's; its limits do not apply to them.
        near: Also look for training rows that are nearly the same as a row that is held out.

    Returns:
        The rows in three sets, and what was found.

    Raises:
        KitError: If the recipe names no rows, for what is wrong with them, or if no training row is left.

    Examples:
        >>> recipe = Recipe.load("smollm2-135m", ["data.drop=[duplicates]"])
        >>> data_report(recipe).findings.told(["duplicates", "secrets"])
        ''
    """
    section = recipe.data
    source = _source(recipe, data)
    placed = rows_of(recipe, source)
    options: dict[str, Any] = {"probabilities": recipe.preprocessing.split.probabilities}
    if section is not None:
        options["method"] = section.split
    if section is not None and data is None:
        options |= section.model_dump(include={"limit", "train_limit", "test_limit"})
    if options.get("method") == "column":
        _require_splits(placed)
    splits = split_rows([one.row for one in placed], **options)
    findings = inspect_rows(placed, splits, recipe.output_column, near)
    dropped: dict[str, dict[str, str]] = {
        kind: {finding.row_id: finding.place for finding in findings.of(kind)}
        for kind in (section.drop if section else [])
    }
    return DataReport(_without(splits, dropped), findings, dropped, name_of(source))


def _require_splits(placed: list[PlacedRow]) -> None:
    """Raise for rows whose own split is none, with their places, which splitting does not know."""
    wrong = [(one.place, one.row.get("split")) for one in placed if one.row.get("split") not in OWN_SPLITS]
    problems = [
        (place, KitError(f"{place}: the split is {split!r}; it must be 0 (training), 1 (validation) or 2 (test)."))
        for place, split in wrong
    ]
    if problems:
        raise all_at_once(problems, "the data")


def rows_of(recipe: Recipe, data: Source | None = None) -> list[PlacedRow]:
    """A recipe's rows in the order of their source, with the place of each.

    Raises:
        KitError: If the recipe names no rows, or for what is wrong with them.
    """
    required = [feature.name for feature in [*recipe.input_features, *recipe.output_features]]
    columns = recipe.data.columns if recipe.data else None
    return load_placed_rows(_source(recipe, data), columns, required=required)


def _source(recipe: Recipe, data: Source | None) -> Source:
    if data is not None:
        return data
    if recipe.data is None:
        raise KitError("The recipe names no rows; add data=FILE, or a section `data` with `source`.")
    return recipe.data.source


def _without(splits: Splits, dropped: dict[str, dict[str, str]]) -> Splits:
    ids = {row_id for rows in dropped.values() for row_id in rows}
    left = {name: [row for row in getattr(splits, name) if row["row_id"] not in ids] for name in SPLITS}
    if not left["train"]:
        raise KitError(f"No training row is left without those of data.drop={list(dropped)}; drop fewer kinds.")
    return Splits(**left)
