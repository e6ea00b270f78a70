"""Duplicates between trained and scored rows, against a comparison of every pair."""

import random
import re

import pytest

from evals.errors import EvalError
from evals.near_duplicates import Duplicate, near_duplicates, text_of

TEXT = "def add(a, b):\n    return a + b  # the sum of two numbers, which may be anything that adds up"


def _similarity(one: str, other: str, size: int = 5) -> float:
    """Jaccard similarity of the sets of token runs, by the definition."""
    sets = []
    for text in (one, other):
        tokens = re.findall(r"\w+|[^\w\s]", text.lower())
        sets.append({tuple(tokens[i : i + size]) for i in range(max(1, len(tokens) - size + 1))})
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


def test_exact_duplicates_differ_in_white_space_and_capitals_at_most():
    scored = [TEXT, "  " + TEXT.replace("\n", "\r\n\r\n"), TEXT.upper(), TEXT.replace("add", "plus"), ""]
    found = near_duplicates(["something else", TEXT, TEXT, ""], scored)
    assert [pair for pair in found if pair.exact] == [Duplicate(row, 1, 1.0, True) for row in range(3)]


@pytest.mark.parametrize("threshold", [0.5, 0.8, 0.95])
def test_the_nearest_rows_are_those_that_a_comparison_of_all_pairs_finds(threshold):
    rng = random.Random(0)
    words = [f"w{n}" for n in range(400)]
    trained = [" ".join(rng.choices(words, k=rng.randint(20, 80))) for _ in range(150)]
    scored = []
    for text in trained[:100]:
        tokens = text.split()
        for place in rng.sample(range(len(tokens)), rng.randint(0, 3)):
            tokens[place] = "other"
        scored.append(" ".join(tokens))
    scored += [" ".join(rng.choices(words, k=40)) for _ in range(50)]
    expected = {}
    for row, text in enumerate(scored):
        best = max(range(len(trained)), key=lambda one: _similarity(text, trained[one]))
        if _similarity(text, trained[best]) >= threshold:
            expected[row] = (best, pytest.approx(_similarity(text, trained[best])))
    found = {
        pair.scored: (pair.trained, pair.similarity) for pair in near_duplicates(trained, scored, threshold=threshold)
    }
    assert set(found) <= set(expected)
    assert all(expected[row] == pair for row, pair in found.items())
    # MinHash may miss a pair at the threshold, seldom.
    assert len(set(expected) - set(found)) <= 0.02 * len(expected)


def test_one_changed_word_in_a_long_row_is_near_and_a_short_row_is_not():
    text = " ".join(f"word{n}" for n in range(100))
    (pair,) = near_duplicates([text], [text.replace("word50", "else")])
    assert (pair.similarity, pair.exact) == (pytest.approx(91 / 101), False)
    assert near_duplicates(["a b c"], ["a b d"]) == []
    assert near_duplicates([], ["a"]) == near_duplicates(["a"], []) == []


def test_a_crowd_of_rows_alike_is_compared_with_the_likeliest_only():
    longer = " ".join(f"word{n}" for n in range(60))
    trained = [f"{TEXT} {number} {longer}" for number in range(3000)]
    scored = [f"{TEXT} {number} {longer}" for number in range(2990, 3010)]
    found = near_duplicates(trained, scored)
    assert [pair.exact for pair in found] == [True] * 10 + [False] * 10
    assert all(pair.similarity > 0.8 for pair in found)


def test_rows_are_compared_by_all_that_they_say():
    row = {"instruction": "Add.", "input": "", "output": TEXT, "tests": "assert add(1, 2) == 3"}
    assert text_of(row) == "Add.\n" + TEXT
    assert near_duplicates([row], [{**row, "tests": ""}])[0].exact
    assert text_of({"reference": "x", "input": None}) == "x"


@pytest.mark.parametrize(("options", "message"), [({"threshold": 0}, "above 0"), ({"shingle": 0}, "at least 1 token")])
def test_settings_that_mean_nothing_are_refused(options, message):
    with pytest.raises(EvalError, match=message):
        near_duplicates(["a"], ["a"], **options)
