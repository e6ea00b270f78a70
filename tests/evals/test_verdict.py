"""The verdict's words: when they are said, and how often they are wrong."""

import json

import numpy as np
import pytest
from scipy import stats

from evals.errors import EvalError
from evals.scorers.bleu import bleu_of, bleu_statistics
from evals.statistics import mcnemar_power, mean_of, paired_test
from evals.verdict import adjusted, compare, proportions_test

SIMULATIONS = 2000
AT_MOST = int(stats.binom.ppf(0.99, SIMULATIONS, 0.05))
"""How many of the null comparisons may be called better or worse: 5 %, and what chance may add to that."""


def _null_pairs(rows: int, rate: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two sides with the same chance on each row; rows are easier and harder than the rate. (simulations, rows)"""
    rng = np.random.default_rng(seed)
    chance = rng.beta(2 * rate, 2 * (1 - rate), (SIMULATIONS, rows))
    return rng.random(chance.shape) < chance, rng.random(chance.shape) < chance


@pytest.mark.parametrize("rows", [30, 100, 300])
@pytest.mark.parametrize("rate", [0.05, 0.25, 0.5, 0.75, 0.95])
def test_without_a_difference_pass_rates_are_rarely_called_different(rows, rate):
    base, tuned = _null_pairs(rows, rate, seed=rows)
    wins, losses = (tuned & ~base).sum(axis=1), (base & ~tuned).sum(axis=1)
    called = 0
    for one, other in zip(wins.tolist(), losses.tolist(), strict=True):
        p_value, (low, high) = proportions_test(one, other, rows)
        assert (p_value < 0.05) == (low > 0 or high < 0)
        called += p_value < 0.05
    assert called <= AT_MOST
    for row in range(5):  # `compare` says the same.
        finding = compare("pass@1", base[row], tuned[row])
        p_value, interval = proportions_test(int(wins[row]), int(losses[row]), rows)
        assert (finding.p_value, finding.interval) == (p_value, interval)
        assert (finding.word == "no measurable difference") == (p_value >= 0.05)


KINDS = {
    "even": lambda rng, shape: rng.normal(size=(2, *shape)),
    "bounded and lumpy, as similarities are": lambda rng, shape: np.minimum(1, rng.beta(2, 0.5, (2, *shape)).round(1)),
    "mostly ties": lambda rng, shape: rng.random((2, *shape)) * (rng.random(shape) < 0.1),
    "heavy tails": lambda rng, shape: rng.standard_t(2, (2, *shape)),
}


@pytest.mark.parametrize("rows", [30, 100, 300])
@pytest.mark.parametrize("kind", KINDS)
def test_without_a_difference_means_are_rarely_called_different(rows, kind):
    base, tuned = KINDS[kind](np.random.default_rng(rows), (rows, SIMULATIONS))
    tested = paired_test(base, tuned, mean_of(rows), resamples=999)
    called = tested.p_value < 0.05
    assert (called == ((tested.low > 0) | (tested.high < 0))).all()
    assert called.sum() <= AT_MOST
    finding = compare("similarity", base[:, 0], tuned[:, 0], resamples=999)
    # `compare` says the same, up to which rows it need not swap.
    assert finding.p_value == pytest.approx(float(tested.p_value[0]), abs=0.05)
    assert finding.difference == pytest.approx(float(tested.difference[0]))


def test_without_a_difference_bleu_is_rarely_called_different():
    from finetune_kit.exercises import rows

    references = [row["output"] for row in rows()[::8]]
    rng = np.random.default_rng(0)
    kinds = [[text.replace("return", "yield"), text.replace("def ", "def a"), text] for text in references]
    one, other = ([texts[rng.integers(3)] for texts in kinds] for _ in range(2))
    sides = bleu_statistics(one, references), bleu_statistics(other, references)
    called = 0
    for _ in range(300):
        swap, picks = rng.random((60, 1)) < 0.5, rng.integers(0, len(references), 60)
        one, other = (side[picks] for side in sides)
        base, tuned = np.where(swap, one, other), np.where(swap, other, one)
        called += float(paired_test(base, tuned, bleu_of, resamples=299).p_value) < 0.05
    assert called <= stats.binom.ppf(0.99, 300, 0.05)


@pytest.mark.parametrize(("win", "lose", "least"), [(0.2, 0.1, 0.8), (0.15, 0.05, 0.8), (0.25, 0.15, 0.7)])
def test_ten_points_on_300_rows_are_found_as_often_as_theory_says(win, lose, least):
    power = mcnemar_power(300, win + lose, win - lose)
    assert power > least
    counts = np.random.default_rng(7).multinomial(300, [win, lose, 1 - win - lose], SIMULATIONS)
    found = sum(
        p_value < 0.05 and interval[0] > 0
        for p_value, interval in (proportions_test(int(wins), int(losses), 300) for wins, losses, _ in counts)
    )
    assert found / SIMULATIONS == pytest.approx(power, abs=3 * np.sqrt(power * (1 - power) / SIMULATIONS))


@pytest.mark.parametrize(("rows", "effect"), [(30, 0.6), (100, 0.3), (300, 0.2)])
def test_a_true_difference_of_means_is_found_as_often_as_theory_says(rows, effect):
    rng = np.random.default_rng(rows)
    base = rng.normal(size=(rows, SIMULATIONS))
    tested = paired_test(base, base + rng.normal(effect, 1, base.shape), mean_of(rows), resamples=999)
    reach, center = stats.t.isf(0.025, rows - 1), effect * np.sqrt(rows)
    power = stats.nct.sf(reach, rows - 1, center) + stats.nct.cdf(-reach, rows - 1, center)
    assert power > 0.8
    found = np.mean((tested.p_value < 0.05) & (tested.low > 0))
    assert found == pytest.approx(power, abs=0.03)


def test_a_finding_of_pass_rates_by_hand():
    base = [1] * 40 + [0] * 60
    tuned = [1] * 36 + [0] * 4 + [1] * 20 + [0] * 40
    finding = compare("pass@1", base, tuned)
    assert (finding.wins, finding.losses, finding.ties, finding.rows) == (20, 4, 76, 100)
    assert (finding.base, finding.tuned, finding.difference) == pytest.approx((0.4, 0.56, 0.16))
    assert finding.p_value == pytest.approx(stats.binomtest(20, 24).pvalue)
    assert finding.word == "better"
    assert finding.interval[0] > 0
    assert finding.rows_needed < 100
    worse = compare("pass@1", tuned, base)
    assert worse.word == "worse"
    assert worse.interval == pytest.approx((-finding.interval[1], -finding.interval[0]))


def test_no_difference_says_how_many_rows_would_show_it():
    finding = compare("pass@1", [0] * 9 + [1], [1] + [0] * 8 + [1])
    assert finding.word == "no measurable difference"
    assert finding.interval[0] <= 0 <= finding.interval[1]
    assert finding.rows_needed == pytest.approx(78, abs=2)
    assert f"about {finding.rows_needed} rows" in finding.sentence()
    same = compare("pass@1", [0, 1], [0, 1])
    assert (same.rows_needed, same.p_value, same.ties) == (None, 1, 2)


def test_corpus_scores_are_compared_from_counts():
    from finetune_kit.exercises import rows

    references = [row["output"] for row in rows()[:80]]
    base = [text.replace("return", "yield") for text in references]
    sides = bleu_statistics(base, references), bleu_statistics(references, references)
    finding = compare("bleu", *sides, score_of=bleu_of, resamples=2000)
    assert finding.tuned == pytest.approx(100)
    assert (finding.word, finding.losses) == ("better", 0)
    assert finding.wins + finding.ties == 80
    assert finding.wins == sum(text != wrong for text, wrong in zip(references, base, strict=True))
    assert compare("bleu", *sides[::-1], score_of=bleu_of, resamples=2000).word == "worse"


def test_holms_correction_takes_words_back_and_never_gives_any():
    rng = np.random.default_rng(2)
    findings = [compare(str(n), np.zeros(40), rng.normal(0.33, 1, 40), resamples=999) for n in range(8)]
    after = adjusted(findings)
    for before, finding in zip(findings, after, strict=True):
        assert finding.p_adjusted >= before.p_value == finding.p_value
        assert finding.word == ("no measurable difference" if finding.p_adjusted >= 0.05 else before.word)
    assert [finding.word for finding in after] != [finding.word for finding in findings]


def test_holms_correction_by_hand_and_that_too_few_rows_are_not_among_the_several():
    seen = compare("pass@1", [0] * 20, [1] * 6 + [0] * 14)
    unseen = compare("pass@1", [0] * 20, [0] * 20)
    assert (seen.word, seen.p_value) == ("better", 2 / 2**6)
    both = adjusted([seen, unseen])
    assert [finding.p_adjusted for finding in both] == [2 * seen.p_value, 1]
    assert both[0].word == "no measurable difference"
    # Five rows that are all won could have come about by chance once in 16 times, so five can show nothing.
    few = compare("pass@1", [0] * 5, [1] * 5)
    assert adjusted([few, seen, few])[0] == few
    assert adjusted([few, seen, few])[1].p_adjusted == seen.p_value
    six = compare("pass@1", [0] * 6, [1] * 6)
    assert [finding.p_adjusted for finding in adjusted([six, seen])] == [2 * seen.p_value] * 2


@pytest.mark.parametrize("seed", range(20))
def test_five_rows_are_never_called_better_or_worse(seed):
    base = np.random.default_rng(seed).random(5)
    assert compare("similarity", base, base + 0.3, seed=seed).word == "no measurable difference"


def test_the_interval_of_few_rows_stays_within_what_there_can_be():
    finding = compare("similarity", [0.1, 0.9], [0.8, 0.7])
    assert finding.interval[0] < -1 and finding.interval[1] > 1
    assert compare("similarity", [0.1, 0.9], [0.8, 0.7], largest=1).interval == (-1, 1)


def test_a_single_row_says_nothing():
    assert compare("pass@1", [0], [1]).word == "no measurable difference"
    finding = compare("similarity", [0.2], [0.9])
    assert (finding.word, finding.interval, finding.p_value) == ("no measurable difference", None, 1)


def test_a_finding_is_plain_json():
    finding = compare("similarity", [0.2, 0.3, 0.1], [0.9, 0.8, 0.2])
    assert json.loads(json.dumps(finding.to_json())) == finding.to_json()


@pytest.mark.parametrize(
    ("base", "tuned", "message"),
    [
        ([1, 0], [1], "base has 2 and tuned has 1"),
        ([], [], "no rows"),
        ([1, None], [1, 0], "row 1 has no finite score"),
        ([1, float("nan")], [1, 0], "row 1 has no finite score"),
        (["a"], [1], "every row needs a number"),
        ([[1, 2]], [[1, 2]], "one number a row"),
    ],
)
def test_what_cannot_be_compared_is_refused(base, tuned, message):
    with pytest.raises(EvalError, match=message):
        compare("pass@1", base, tuned)
