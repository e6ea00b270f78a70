"""Training, validation and test rows: by a hash of the content, or by the guide's own shuffle."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from finetune_kit.data import Row, content_hash
from finetune_kit.errors import KitError

UNSEEN = "unseen"
GUIDE_SEED = 123
OWN_SPLITS = frozenset({"0", "1", "2"})
"""What a row's own `split` may be: training, validation, test."""


@dataclass(frozen=True)
class Splits:
    """The rows of a run, in three sets."""

    train: list[Row]
    validation: list[Row]
    test: list[Row]


def split_rows(
    rows: Sequence[Row],
    method: str = "hash",
    probabilities: tuple[float, float, float] = (0.9, 0.05, 0.05),
    limit: int | None = None,
    train_limit: int | None = None,
    test_limit: int | None = None,
) -> Splits:
    """Part rows into three.

    Args:
        rows: Rows with `row_id`; those of the group `unseen` go to the test rows whatever the method.
        method: `hash`: by content, so that adding rows moves none and equal rows stay together.
            `guide`: the fine-tuning guide's own way, see `guide_split`. `column`: by the rows' own `split`
            (0, 1, 2, as Ludwig has it).
        probabilities: The shares of training, validation and test, which sum to 1.
        limit: Only the first rows, counted after the split (the guide's `n_rows`).
        train_limit: At most this many training rows: the first, in the order of their hashes, so that the choice
            does not depend on the order of the file.
        test_limit: At most this many test rows of each group, chosen likewise.

    Returns:
        The three sets, each in the order of `rows`.

    Raises:
        KitError: If there is no training row, or a `split` column is missing or holds something else.
    """
    if method == "guide":
        numbers = guide_split(len(rows), probabilities)
    elif method == "column":
        numbers = [_own_split(row, i) for i, row in enumerate(rows, start=1)]
    else:
        numbers = [_hash_split(row, probabilities) for row in rows]
    parts: tuple[list[Row], list[Row], list[Row]] = ([], [], [])
    for row, number in list(zip(rows, numbers, strict=True))[:limit]:
        kept = {name: value for name, value in row.items() if name != "split"}
        parts[2 if row.get("group") == UNSEEN else number].append(kept)
    train = _at_most(train_limit, parts[0])
    validation = parts[1]
    groups = sorted({row.get("group", "") for row in parts[2]})
    chosen = [_at_most(test_limit, [row for row in parts[2] if row.get("group", "") == group]) for group in groups]
    kept_ids = {row["row_id"] for rows_of_group in chosen for row in rows_of_group}
    test = [row for row in parts[2] if row["row_id"] in kept_ids]
    if not train:
        raise KitError(f"No training row is left of {len(rows)} rows split {list(probabilities)}; give more rows.")
    return Splits(train, validation, test)


def guide_split(n: int, probabilities: tuple[float, float, float] = (0.9, 0.05, 0.05)) -> list[int]:
    """The guide's split of n rows: counts by share, shuffled by numpy's legacy generator with seed 123.

    Args:
        n: Rows of the whole data set.
        probabilities: The shares; the test set takes what rounding leaves.

    Returns:
        0 (training), 1 (validation) or 2 (test) for each row.

    Example:
        >>> guide_split(20).count(0), guide_split(20).count(1), guide_split(20).count(2)
        (18, 1, 1)
    """
    train, validation = int(n * probabilities[0]), int(n * probabilities[1])
    numbers = np.repeat([0.0, 1.0, 2.0], [train, validation, n - train - validation])
    np.random.RandomState(GUIDE_SEED).shuffle(numbers)
    return [int(number) for number in numbers]


def _at_most(limit: int | None, rows: list[Row]) -> list[Row]:
    """The first rows in the order of their hashes, put back into the order they came in."""
    if limit is None or len(rows) <= limit:
        return rows
    ids = {row["row_id"] for row in sorted(rows, key=lambda row: (content_hash(row), row["row_id"]))[:limit]}
    return [row for row in rows if row["row_id"] in ids]


def _hash_split(row: Row, probabilities: tuple[float, float, float]) -> int:
    place = int(content_hash(row)[:13], 16) / 16**13
    return 0 if place < probabilities[0] else 1 if place < probabilities[0] + probabilities[1] else 2


def _own_split(row: Row, number: int) -> int:
    split = row.get("split")
    if split not in OWN_SPLITS:
        problem = "has no column 'split'" if split is None else f"has the split {split!r}"
        raise KitError(f"Row {number} {problem}; it must be 0 (training), 1 (validation) or 2 (test).")
    return int(split)
