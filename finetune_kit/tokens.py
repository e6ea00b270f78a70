"""How long rows are in tokens, and what a cap on their length would cut."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from finetune_kit.data import Source
from finetune_kit.encoding import count_tokens, find_special_tokens
from finetune_kit.prompt import Prompt
from finetune_kit.recipe import Recipe
from finetune_kit.splits import Splits

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

CAPS = (256, 384, 512, 1024, 2048)
PERCENTILES = {"median": 50, "75 %": 75, "90 %": 90, "95 %": 95, "99 %": 99}
MOST_BINS = 20
_WIDTHS = (1, 2, 4, 5, 8, 10, 16, 20, 25, 32, 40, 50, 64, 80, 100, 128, 160, 200, 256, 320, 400, 512, 1000, 2000, 5000)


@dataclass(frozen=True)
class CapEffect:
    """What a cap would cut if it were done as Ludwig does it: prompt, answer and end token joined, the end cut off."""

    cap: int
    rows_over: int
    share_over: float
    """Of all rows, 0 to 1."""
    answer_tokens_cut: int
    rows_without_answer: int
    """Not one token of the answer would be left to train on."""
    rows_without_end: int
    """The model would not be taught to stop there: all rows over the cap, since the end token goes first."""


@dataclass(frozen=True)
class TokenLengths:
    """Tokens of rows, in arrays of the shape (rows,)."""

    columns: dict[str, np.ndarray]
    """Each column alone, without special tokens."""
    prompt: np.ndarray
    """The prompt as it is sent: the template's words, the chat template's, BOS."""
    answer: np.ndarray
    """The answer, without the end token."""

    @property
    def total(self) -> np.ndarray:
        """What is trained on: prompt, answer and end token."""
        return self.prompt + self.answer + 1

    def table(self) -> dict[str, dict[str, float]]:
        """Average, extremes and percentiles of each column and of `total`."""
        return {name: summary(values) for name, values in {**self.columns, "total": self.total}.items()}

    def effect_of(self, cap: int) -> CapEffect:
        """What a cap would cut."""
        over = int((self.total > cap).sum())
        kept = np.clip(cap - self.prompt, 0, self.answer)
        return CapEffect(
            cap=cap,
            rows_over=over,
            share_over=over / len(self.total) if len(self.total) else 0.0,
            answer_tokens_cut=int((self.answer - kept).sum()),
            rows_without_answer=int((self.prompt >= cap).sum()),
            rows_without_end=over,
        )

    def __add__(self, other: "TokenLengths") -> "TokenLengths":
        """The rows of both."""
        return TokenLengths(
            {name: np.concatenate([values, other.columns[name]]) for name, values in self.columns.items()},
            np.concatenate([self.prompt, other.prompt]),
            np.concatenate([self.answer, other.answer]),
        )


def token_lengths(
    rows: Sequence[Mapping[str, str]],
    prompt: Prompt,
    tokenizer: "PreTrainedTokenizerBase",
    output_column: str = "output",
) -> TokenLengths:
    """Count the tokens of rows, in batches on all cores.

    Args:
        rows: The rows.
        prompt: How they are rendered.
        tokenizer: The base model's.
        output_column: The column of the answer.

    Returns:
        The lengths: of the columns that the prompt names and of the answer, of the prompt, and of all together.

    Raises:
        KitError: If the prompt does not go with the tokenizer.

    Example:
        >>> from transformers import ByT5Tokenizer  # a token for each byte
        >>> rows = [{"instruction": "Add", "output": "a + b"}, {"instruction": "Do", "output": "x"}]
        >>> lengths = token_lengths(rows, Prompt("{instruction}:"), ByT5Tokenizer())
        >>> lengths.columns["instruction"].tolist(), lengths.total.tolist()
        ([3, 2], [11, 6])
    """
    names = [*prompt.columns, output_column]
    columns = {name: count_tokens([row.get(name, "") for row in rows], tokenizer) for name in names}
    return TokenLengths(columns, prompt.count(rows, tokenizer), columns[output_column])


def summary(values: np.ndarray) -> dict[str, float]:
    """Average, extremes and percentiles; empty where there are no values."""
    if not len(values):
        return {}
    found = {"average": float(values.mean()), "min": float(values.min()), "max": float(values.max())}
    return found | {name: float(np.percentile(values, p)) for name, p in PERCENTILES.items()}


@dataclass(frozen=True)
class TokenReport:
    """The lengths of a recipe's rows."""

    splits: dict[str, TokenLengths]
    """Of `train`, `validation` and `test`."""
    cap: int
    """The recipe's `global_max_sequence_length`."""
    on_truncation: str
    """What the recipe has done with longer rows."""
    special_tokens: dict[str, int]
    """How many rows spell a special token of the tokenizer in their text, by column."""

    @property
    def all(self) -> TokenLengths:
        """The rows of all splits."""
        return self.splits["train"] + self.splits["validation"] + self.splits["test"]

    @property
    def caps(self) -> list[int]:
        """Those that are shown: the usual ones and the recipe's own."""
        return sorted({*CAPS, self.cap})

    def as_dict(self) -> dict[str, Any]:
        """Everything that is shown, as plain values for JSON."""
        lengths = self.all
        histogram = Histogram.of(lengths.total, self.cap)
        return {
            "tokens": lengths.table(),
            "splits": {
                name: {"rows": len(one.total), "total": summary(one.total)} for name, one in self.splits.items()
            },
            "cap": self.cap,
            "on_truncation": self.on_truncation,
            "caps": [vars(lengths.effect_of(cap)) for cap in self.caps],
            "special_tokens": self.special_tokens,
            "histogram": {"bin": histogram.width, "rows": histogram.rows, "longer": histogram.longer},
        }


def measure_tokens(recipe: Recipe, data: Source | None = None) -> TokenReport:
    """Count the tokens of a recipe's rows, and what a cap on their length would cut.

    Args:
        recipe: Says which rows, their prompt, the cap and the base model, of which the tokenizer alone is loaded.
        data: Rows, in the place of the recipe's: a path, a DataFrame or a list of dicts.

    Raises:
        KitError: For what is wrong with the rows or the prompt, or if the tokenizer is not at hand.
    """
    from finetune_kit.base_models import resolve_base_model
    from finetune_kit.data_care import data_report
    from finetune_kit.loading import load_tokenizer

    splits = data_report(recipe, data).splits
    return token_report(recipe, splits, load_tokenizer(resolve_base_model(recipe.base_model).path))


def token_report(recipe: Recipe, splits: Splits, tokenizer: "PreTrainedTokenizerBase") -> TokenReport:
    """Count the tokens of a recipe's rows.

    Args:
        recipe: For its prompt and its cap.
        splits: Its rows.
        tokenizer: Its base model's.

    Raises:
        KitError: If the prompt does not go with the rows or the tokenizer.
    """
    rows = [*splits.train, *splits.validation, *splits.test]
    prompt = Prompt.of(recipe, [column for column in rows[0] if column != recipe.output_column])
    spelt = find_special_tokens(rows, tokenizer, [*prompt.columns, recipe.output_column])
    return TokenReport(
        splits={
            name: token_lengths(getattr(splits, name), prompt, tokenizer, recipe.output_column)
            for name in ("train", "validation", "test")
        },
        cap=recipe.preprocessing.global_max_sequence_length,
        on_truncation=recipe.preprocessing.on_truncation,
        special_tokens={column: len(found) for column, found in spelt.items()},
    )


@dataclass(frozen=True)
class Histogram:
    """How many rows there are of which length; the few that are much longer than most stand apart."""

    width: int
    """Tokens of a bin; the first begins at 0."""
    rows: list[int]
    """Of each bin."""
    longer: int
    """Rows beyond the last bin."""

    @classmethod
    def of(cls, total: np.ndarray, cap: int) -> "Histogram":
        """Bins of a round width up to nearly the longest rows, and to the cap where that is not far off.

        Args:
            total: Tokens of each row, (rows,).
            cap: The recipe's.
        """
        most = int(total.max(initial=1))
        common = float(np.percentile(total, 99.5)) if len(total) else 1.0
        end = most if most <= 1.5 * common else int(1.2 * common)
        end = max(end, cap) if cap <= 2 * end else end
        width = next((width for width in _WIDTHS if end < MOST_BINS * width), _WIDTHS[-1])
        count = end // width + 1
        bins = np.bincount(total // width, minlength=count)
        return cls(width, bins[:count].tolist(), int(bins[count:].sum()))
