"""Rows that are scored and were trained on: exact and near duplicates, by MinHash."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zlib import crc32

from evals.errors import EvalError

if TYPE_CHECKING:
    import numpy as np

THRESHOLD = 0.8
SHINGLE = 5
PERMUTATIONS = 128
MISSED = 0.001
"""The chance that a pair at the threshold is not proposed; it falls steeply above."""
MOST_CANDIDATES = 64
"""How many trained rows a band proposes at most, and how many of the likeliest are compared exactly."""

_TOKEN = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True)
class Duplicate:
    """A scored row and the trained row that is most like it.

    Attributes:
        scored: Place of the scored row.
        trained: Place of the trained row; the first of several that are equally like it.
        similarity: Jaccard similarity of the two rows' shingles, exact; 0 to 1.
        exact: Whether the rows have the same tokens, so that only white space and capitals differ.
    """

    scored: int
    trained: int
    similarity: float
    exact: bool


def near_duplicates(
    trained: Sequence[str | Mapping[str, Any]],
    scored: Sequence[str | Mapping[str, Any]],
    *,
    threshold: float = THRESHOLD,
    shingle: int = SHINGLE,
) -> list[Duplicate]:
    """Find the scored rows that the training has seen, word for word or nearly.

    A row is the set of its shingles, runs of some tokens in lower case. MinHash (datasketch) proposes the trained
    rows that may be near; the similarity of those is then computed exactly, so every pair that is returned is
    right; of those at the threshold at most one in a thousand is missed, far fewer above it, and no exact
    duplicate. Where hundreds of trained rows are near one scored row, the one that is named may not be the very
    nearest. The time grows with the number of rows, not with their product.

    Args:
        trained: Rows that were trained on: texts, or rows whose `text_of` is taken.
        scored: Rows that are scored.
        threshold: The least Jaccard similarity, above 0 and at most 1.
        shingle: Tokens in a shingle. A row of fewer tokens is one shingle.

    Returns:
        One pair for each scored row that has a duplicate, in order.

    Raises:
        EvalError: If the threshold or the shingle cannot be used.

    Examples:
        >>> near_duplicates(["Add two numbers."], ["Sort a list.", "add two  numbers ."])
        [Duplicate(scored=1, trained=0, similarity=1.0, exact=True)]
    """
    if not 0 < threshold <= 1:
        raise EvalError(f"The threshold of near duplicates must be above 0 and at most 1, not {threshold}.")
    if shingle < 1:
        raise EvalError(f"A shingle has at least 1 token, not {shingle}.")
    trained_tokens, scored_tokens = _all_tokens(trained), _all_tokens(scored)
    first_of: dict[tuple[str, ...], int] = {}
    for row, tokens in enumerate(trained_tokens):
        if tokens:
            first_of.setdefault(tokens, row)

    # Rows with the same tokens are looked up once.
    places: dict[tuple[str, ...], list[int]] = {}
    for row, tokens in enumerate(scored_tokens):
        if tokens:
            places.setdefault(tokens, []).append(row)
    rest = [tokens for tokens in places if tokens not in first_of]
    near = _nearest(list(first_of), rest, threshold, shingle)
    found = [
        Duplicate(row, first_of[tokens], 1.0, True) for tokens in places if tokens in first_of for row in places[tokens]
    ]
    found += [
        Duplicate(row, first_of[match], similarity, False)
        for tokens, (match, similarity) in near.items()
        for row in places[tokens]
    ]
    return sorted(found, key=lambda duplicate: duplicate.scored)


def text_of(row: Mapping[str, Any]) -> str:
    """Return what a row says: its instruction, its input and its reference.

    Args:
        row: A row with any of `instruction`, `input`, and `output` or `reference`.

    Returns:
        The texts, one below the other.
    """
    parts = (row.get("instruction"), row.get("input"), row.get("output", row.get("reference")))
    return "\n".join(str(part) for part in parts if part)


def _all_tokens(rows: Iterable[str | Mapping[str, Any]]) -> list[tuple[str, ...]]:
    texts = (row if isinstance(row, str) else text_of(row) for row in rows)
    return [tuple(_TOKEN.findall(text.lower())) for text in texts]


def _nearest(
    trained: list[tuple[str, ...]], scored: list[tuple[str, ...]], threshold: float, shingle: int
) -> dict[tuple[str, ...], tuple[tuple[str, ...], float]]:
    """Find each scored row's nearest trained row at or above the threshold."""
    if not trained or not scored:
        return {}
    import numpy as np

    trained_sets = [_shingles(tokens, shingle) for tokens in trained]
    scored_sets = [_shingles(tokens, shingle) for tokens in scored]
    signatures, wanted = _signatures(trained_sets), _signatures(scored_sets)
    width = _band_width(threshold)
    candidates: list[set[int]] = [set() for _ in scored]
    for start in range(0, PERMUTATIONS - width + 1, width):
        band = slice(start, start + width)
        bucket_of: dict[bytes, list[int]] = {}
        for row, key in enumerate(_keys(signatures[:, band])):
            bucket = bucket_of.setdefault(key, [])
            if len(bucket) < MOST_CANDIDATES:
                bucket.append(row)
        for row, key in enumerate(_keys(wanted[:, band])):
            candidates[row].update(bucket_of.get(key, ()))
    found = {}
    for row, proposed in enumerate(candidates):
        likely = sorted(proposed)
        if len(likely) > MOST_CANDIDATES:
            alike = (signatures[likely] == wanted[row]).sum(axis=1)
            likely = [likely[place] for place in np.argsort(-alike, kind="stable")[:MOST_CANDIDATES]]
        similarity, nearest = max(
            ((_jaccard(scored_sets[row], trained_sets[one]), -one) for one in likely), default=(0.0, 0)
        )
        if similarity >= threshold:
            found[scored[row]] = (trained[-nearest], similarity)
    return found


def _signatures(sets: list[frozenset[int]]) -> np.ndarray:
    import numpy as np
    from datasketch import MinHash

    sketches = MinHash.generator(sets, num_perm=PERMUTATIONS, seed=1, hashfunc=int)
    return np.array([sketch.hashvalues for sketch in sketches])


def _band_width(threshold: float) -> int:
    """Return how many hashes of two rows must agree, anywhere in a row of bands, to propose the pair."""
    widths = range(1, PERMUTATIONS // 4)
    return max((w for w in widths if (1 - threshold**w) ** (PERMUTATIONS // w) <= MISSED), default=1)


def _keys(band: np.ndarray) -> list[bytes]:
    return [row.tobytes() for row in band]


def _shingles(tokens: tuple[str, ...], size: int) -> frozenset[int]:
    # Hashes of 32 bits: two shingles of a pair of rows are mistaken for one another once in a million rows.
    runs = (tokens[start : start + size] for start in range(max(1, len(tokens) - size + 1)))
    return frozenset(crc32("\0".join(run).encode("utf-8", "surrogatepass")) for run in runs)


def _jaccard(one: frozenset[int], other: frozenset[int]) -> float:
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared)
