"""Everything about a recipe that can be known before a model is downloaded or loaded."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from finetune_kit.base_models import resolve_base_model
from finetune_kit.data import Source
from finetune_kit.data_care import DataReport, data_report, rows_of
from finetune_kit.errors import KitError, NotAtHandError
from finetune_kit.forecast.gpus import find_gpu
from finetune_kit.outlook import Outlook, look_ahead, packs
from finetune_kit.progress import View
from finetune_kit.prompt import Example, Prompt
from finetune_kit.recipe import Recipe
from finetune_kit.truncation import fit_rows

if TYPE_CHECKING:
    from finetune_kit.tokens import TokenReport


@dataclass(frozen=True)
class Checked:
    """What was found out about a recipe."""

    recipe: Recipe
    outlook: Outlook
    missing: list[str] = field(default_factory=list)
    """What is not at hand, and what was taken in its place."""
    data: DataReport | None = None
    tokens: "TokenReport | None" = None

    @property
    def notes(self) -> list[str]:
        """What is right and perhaps not meant, and what could not be forecast."""
        return [*self.recipe.notes(), *self.outlook.notes]

    def as_dict(self) -> dict[str, Any]:
        """All of it, in types that JSON has."""
        outlook = self.outlook
        return {
            "base_model": self.recipe.base_model,
            "notes": self.notes,
            "missing": self.missing,
            "data": self.data and {**self.data.findings.as_dict(), **self.data.manifest()},
            "tokens": self.tokens and self.tokens.as_dict(),
            "device": vars(outlook.target),
            "memory": outlook.fit and outlook.fit.as_dict(),
            "time": outlook.time and vars(outlook.time),
        }


def check(
    recipe: Recipe,
    gpu: str | None = None,
    data: Source | None = None,
    view: View | None = None,
) -> Checked:
    """Check a recipe as far as can be without its base model's weights.

    Args:
        recipe: What is to be trained.
        gpu: The kind of GPU that it is to be trained on, e.g. `T4`; this machine's device without it.
        data: Rows, in the place of the recipe's: a path, a DataFrame or a list of dicts.
        view: Where progress is shown.

    Returns:
        What was found. What can't be had from the Hub is said in it, and the cap stands for the longest row then.

    Raises:
        KitError: For what is wrong with the recipe, its rows, its prompt or its base model.

    Example:
        >>> checked = check(Recipe.load("zephyr-7b-t4", ["data=null"]), gpu="T4")
        >>> checked.outlook.fit.verdict
        'fits'
    """
    if gpu is not None:
        find_gpu(gpu)  # refuses one that is not known, before rows are read and memory is counted
    view = view or View(quiet=True)
    missing: list[str] = []
    with view.stage("Looking at the rows"):
        report = _rows(recipe, data, missing)
        tokens = _tokens(recipe, report, missing)
    if tokens is None:
        missing.append(
            f"The cap, {recipe.preprocessing.global_max_sequence_length:,} tokens, stands for the longest row."
        )
    with view.stage("Counting the memory"):
        outlook = look_ahead(recipe, None if tokens is None else _trained_on(tokens), gpu)
    return Checked(recipe, outlook, missing, report, tokens)


@dataclass(frozen=True)
class OneRow:
    """A row as it is trained on, and what it takes to show it."""

    example: Example
    tokenizer: Any
    end_token_id: int
    padded_to: int | None
    """Tokens of the longest row, for a model that can't tell packed rows apart; None where nothing is padded."""
    note: str
    """What becomes of it if it is longer than the cap; empty where it is not."""


def one_row(recipe: Recipe, which: str, data: Source | None = None) -> OneRow:
    """Find a row, and make of it what the model sees.

    Args:
        recipe: Says which rows, and how they are rendered and cut.
        which: Its number in the order of the source, from 1, or its `row_id`.
        data: Rows, in the place of the recipe's.

    Raises:
        KitError: If there is no such row, or the rows or the tokenizer are not at hand.
    """
    from finetune_kit.loading import load_tokenizer
    from finetune_kit.tokens import token_lengths

    rows = [one.row for one in rows_of(recipe, data)]
    found = [row for i, row in enumerate(rows, start=1) if which in (str(i), row["row_id"])]
    if not found:
        raise KitError(f"--row {which}: there are {len(rows):,} rows; name one by its number, from 1, or its row_id.")
    prompt = Prompt.of(recipe, [column for column in found[0] if column != recipe.output_column])
    tokenizer = load_tokenizer(resolve_base_model(recipe.base_model).path)
    cap, column = recipe.preprocessing.global_max_sequence_length, recipe.output_column
    (example,) = prompt.encode_examples(found, tokenizer, column)
    note = ""
    if len(example.input_ids) > cap:
        note = f"It has {len(example.input_ids):,} tokens, more than the cap of {cap:,}: "
        how = recipe.preprocessing.on_truncation
        cut = fit_rows(found, prompt, tokenizer, cap, column, "drop" if how == "error" else how).examples
        note += "it is cut to this." if cut else "training stops." if how == "error" else "it is left out of training."
        example = cut[0] if cut else example
    padded_to = None
    if not packs(recipe):
        lengths = token_lengths(rows, prompt, tokenizer, column).total
        padded_to = int(lengths[lengths <= cap].max(initial=1))
    return OneRow(example, tokenizer, prompt.end_token_id(tokenizer), padded_to, note)


def _rows(recipe: Recipe, data: Any, missing: list[str]) -> DataReport | None:
    if recipe.data is None and data is None:
        missing.append("The recipe names no rows; data=FILE would.")
        return None
    try:
        report = data_report(recipe, data, near=True)
    except NotAtHandError as error:
        missing.append(str(error))
        return None
    Prompt.of(recipe, [column for column in report.splits.train[0] if column != recipe.output_column])
    return report


def _tokens(recipe: Recipe, report: DataReport | None, missing: list[str]) -> "TokenReport | None":
    from finetune_kit.loading import load_tokenizer
    from finetune_kit.tokens import token_report

    if report is None:
        return None
    try:
        tokenizer = load_tokenizer(resolve_base_model(recipe.base_model).path)
    except NotAtHandError as error:
        missing.append(str(error))
        return None
    return token_report(recipe, report.splits, tokenizer)


def _trained_on(tokens: "TokenReport") -> list[int]:
    """Tokens of each training row that is not over the cap."""
    total = tokens.splits["train"].total
    return [int(length) for length in total[total <= tokens.cap]]
