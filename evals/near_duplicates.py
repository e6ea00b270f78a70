"""Rows that are scored and were trained on: exact and near duplicates, by MinHash."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

from evals.errors import EvalError

THRESHOLD = 0.8
SHINGLE = 5
PERMUTATIONS = 128
MOST_CANDIDATES = 64
"""How many of the likeliest trained rows are compared exactly with each scored row."""

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
    right, and a pair well above the threshold is missed about once in a thousand. Exact duplicates are never
    missed. The time grows with the number of rows, not with their product.

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
    from datasketch import MinHash, MinHashLSH

    trained_sets = [_shingles(tokens, shingle) for tokens in trained]
    scored_sets = [_shingles(tokens, shingle) for tokens in scored]
    settings = {"num_perm": PERMUTATIONS, "seed": 1, "hashfunc": int}
    # Missing a pair weighs more than proposing one too many, which costs only a comparison.
    index = MinHashLSH(threshold=threshold, num_perm=PERMUTATIONS, weights=(0.05, 0.95))
    signatures = np.empty((len(trained), PERMUTATIONS), dtype=np.uint64)
    with index.insertion_session() as session:
        for row, sketch in enumerate(MinHash.generator(trained_sets, **settings)):
            signatures[row] = sketch.hashvalues
            session.insert(row, sketch, check_duplication=False)
    found = {}
    for row, sketch in enumerate(MinHash.generator(scored_sets, **settings)):
        candidates = sorted(index.query(sketch))
        if len(candidates) > MOST_CANDIDATES:
            alike = (signatures[candidates] == sketch.hashvalues.astype(np.uint64)).sum(axis=1)
            candidates = [candidates[place] for place in np.argsort(-alike, kind="stable")[:MOST_CANDIDATES]]
        similarity, nearest = max(
            ((_jaccard(scored_sets[row], trained_sets[one]), -one) for one in candidates), default=(0.0, 0)
        )
        if similarity >= threshold:
            found[scored[row]] = (trained[-nearest], similarity)
    return found


def _shingles(tokens: tuple[str, ...], size: int) -> frozenset[int]:
    # Hashes of 32 bits: two shingles of a pair of rows are mistaken for one another once in a million rows.
    runs = (tokens[start : start + size] for start in range(max(1, len(tokens) - size + 1)))
    return frozenset(crc32("\0".join(run).encode("utf-8", "surrogatepass")) for run in runs)


def _jaccard(one: frozenset[int], other: frozenset[int]) -> float:
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared)
