"""The tests and intervals, against independent routes to the same numbers."""

import math

import numpy as np
import pytest
from scipy import optimize, stats

from evals import statistics
from evals.errors import EvalError
from evals.scorers.bleu import bleu_of, bleu_statistics
from evals.statistics import (
    holm,
    interval_of_proportions,
    mcnemar,
    mcnemar_power,
    mean_of,
    paired_test,
    rows_for_mean,
    rows_for_proportions,
)


def test_mcnemars_p_is_the_sum_of_the_binomials_tails():
    for wins, losses in [(6, 0), (0, 6), (5, 1), (12, 4), (30, 30)]:
        differing = wins + losses
        tail = sum(math.comb(differing, few) for few in range(min(wins, losses) + 1)) / 2**differing
        assert mcnemar(wins, losses) == pytest.approx(min(1, 2 * tail))
    assert mcnemar(0, 0) == 1


def _score_by_search(wins: int, losses: int, rows: int, difference: float) -> float:
    """Tango's statistic, with the constrained likelihood maximised by search and not by its formula."""
    low, high = max(0.0, -difference), (1 - difference) / 2

    def minus_log_likelihood(lost: float) -> float:
        parts = [(wins, lost + difference), (losses, lost), (rows - wins - losses, 1 - 2 * lost - difference)]
        return -sum(count * math.log(max(chance, 1e-300)) for count, chance in parts if count)

    found = optimize.minimize_scalar(
        minus_log_likelihood, bounds=(low, high), method="bounded", options={"xatol": 1e-12}
    )
    return (wins - losses - rows * difference) / math.sqrt(rows * (2 * found.x + difference * (1 - difference)))


@pytest.mark.parametrize(("wins", "losses", "rows"), [(30, 10, 300), (1, 8, 30), (60, 3, 100), (0, 5, 20), (0, 0, 40)])
def test_the_bounds_of_proportions_are_where_the_score_test_turns(wins, losses, rows):
    low, high = interval_of_proportions(wins, losses, rows)
    z = stats.norm.isf(0.025)
    assert _score_by_search(wins, losses, rows, low) == pytest.approx(z, abs=1e-4)
    assert _score_by_search(wins, losses, rows, high) == pytest.approx(-z, abs=1e-4)
    mirrored = interval_of_proportions(losses, wins, rows)
    assert mirrored == pytest.approx((-high, -low))


def test_the_interval_stays_within_what_is_possible():
    assert interval_of_proportions(20, 0, 20)[1] == pytest.approx(1)
    assert interval_of_proportions(0, 20, 20)[0] == pytest.approx(-1)
    z2 = stats.norm.isf(0.025) ** 2
    assert interval_of_proportions(0, 0, 40)[1] == pytest.approx(z2 / (40 + z2))


def test_the_interval_excludes_0_wherever_the_exact_test_rejects():
    for differing in range(1, 120):
        for wins in range(differing // 2 + 1):
            if mcnemar(wins, differing - wins) < 0.05:
                for rows in (differing, 300):
                    assert interval_of_proportions(wins, differing - wins, max(rows, differing))[1] < 0


@pytest.mark.parametrize(
    ("rows", "win", "lose"), [(30, 0.2, 0.1), (100, 0.05, 0.05), (100, 0.6, 0.02), (300, 0.3, 0.2)]
)
def test_the_interval_of_proportions_covers_the_truth(rows, win, lose):
    counts = np.random.default_rng(3).multinomial(rows, [win, lose, 1 - win - lose], 2000)
    bounds = [interval_of_proportions(int(wins), int(losses), rows) for wins, losses, _ in counts]
    covered = sum(low <= win - lose <= high for low, high in bounds)
    assert covered >= 0.93 * 2000


def test_power_is_what_a_simulation_finds():
    counts = np.random.default_rng(5).multinomial(300, [0.2, 0.1, 0.7], 4000)
    found = np.mean([mcnemar(int(wins), int(losses)) < 0.05 for wins, losses, _ in counts])
    power = mcnemar_power(300, 0.3, 0.1)
    assert found == pytest.approx(power, abs=3 * math.sqrt(power * (1 - power) / 4000))
    # Under the null hypothesis the power is the level, which the exact test keeps.
    assert mcnemar_power(300, 0.3, 0.0) <= 0.05
    assert mcnemar_power(5, 1.0, 1.0) == 0
    assert mcnemar_power(10, 0.0, 0.0) == 0


@pytest.mark.parametrize(("discordant", "difference"), [(0.3, 0.1), (0.4, -0.1), (0.1, 0.1), (0.9, 0.05), (1.0, 1.0)])
def test_so_many_rows_have_the_power_and_fewer_have_not(discordant, difference):
    rows = rows_for_proportions(discordant, difference)
    assert mcnemar_power(rows, discordant, difference) >= 0.8
    assert mcnemar_power(rows - 1, discordant, difference) < 0.8
    by_formula = (1.96 * math.sqrt(discordant) + 0.8416 * math.sqrt(discordant - difference**2)) ** 2 / difference**2
    assert 0.95 * by_formula <= rows <= 1.25 * by_formula + 10


def test_rows_needed_of_what_is_tiny_impossible_or_nothing():
    assert rows_for_proportions(0.3, 0.0) is None
    assert rows_for_mean(0.1, 100, 0.0) is None
    assert rows_for_proportions(0.3, 0.001) == pytest.approx(2.355e6, rel=0.01)
    assert rows_for_mean(0.1, 100, 0.1) == math.ceil(100 * (1.959964 + 0.841621) ** 2)
    with pytest.raises(EvalError, match=r"no difference of 0\.2"):
        rows_for_proportions(0.1, 0.2)


def test_the_bootstraps_interval_of_a_mean_is_near_students():
    rng = np.random.default_rng(0)
    base = rng.normal(size=200)
    gain = rng.normal(0.3, 1, 200)
    tested = paired_test(base, base + gain, mean_of(200))
    student = stats.t.interval(0.95, 199, gain.mean(), gain.std(ddof=1) / math.sqrt(200))
    assert (float(tested.low), float(tested.high)) == pytest.approx(student, abs=0.02)
    assert tested.difference == pytest.approx(gain.mean())
    assert tested.standard_error == pytest.approx(gain.std() / math.sqrt(200), rel=0.03)


def test_the_randomisation_test_is_that_of_scipy():
    rng = np.random.default_rng(1)
    base, tuned = rng.normal(size=40), rng.normal(0.5, 1, 40)
    tested = paired_test(base, tuned, mean_of(40))
    theirs = stats.permutation_test(
        (tuned, base),
        lambda one, other, axis: (one - other).mean(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=20_000,
        rng=np.random.default_rng(2),
    )
    assert tested.p_value == pytest.approx(theirs.pvalue, abs=0.01)


def test_a_few_lucky_rows_are_no_difference():
    # A bootstrap alone would call four wins and no loss better: a resample without any of them is rare.
    base = np.zeros(100)
    tuned = base.copy()
    tuned[:4] = [0.5, 0.6, 0.7, 0.8]
    tested = paired_test(base, tuned, mean_of(100))
    assert tested.p_value == pytest.approx(2 / 16, abs=0.01)
    assert tested.low == 0


def test_a_corpus_score_is_resampled_from_sums_of_counts():
    from sacrebleu.metrics import BLEU

    from finetune_kit.exercises import rows

    references = [row["output"] for row in rows()[:60]]
    base = [text.replace("return", "yield") for text in references]
    tuned = [text if row % 2 else text.replace("return", "yield") for row, text in enumerate(references)]
    tested = paired_test(bleu_statistics(base, references), bleu_statistics(tuned, references), bleu_of, resamples=2000)
    plain = BLEU()
    by_library = plain.corpus_score(tuned, [references]).score - plain.corpus_score(base, [references]).score
    assert tested.difference == pytest.approx(by_library)
    assert tested.low < by_library < tested.high
    assert tested.p_value < 0.01
    # The same bootstrap, by sacrebleu over texts.
    rng = np.random.default_rng(9)
    drawn = [rng.integers(0, 60, 60) for _ in range(150)]
    again = [
        plain.corpus_score([tuned[i] for i in picks], [[references[i] for i in picks]]).score
        - plain.corpus_score([base[i] for i in picks], [[references[i] for i in picks]]).score
        for picks in drawn
    ]
    assert tested.standard_error == pytest.approx(np.std(again), rel=0.25)


def test_the_same_seed_gives_the_same_numbers_and_another_nearly():
    rng = np.random.default_rng(4)
    base, tuned = rng.normal(size=50), rng.normal(0.2, 1, 50)
    first, again, other = (paired_test(base, tuned, mean_of(50), seed=seed) for seed in (1, 1, 2))
    assert (first.low, first.high, first.p_value) == (again.low, again.high, again.p_value)
    assert first.low != other.low
    assert first.p_value == pytest.approx(other.p_value, abs=0.02)


def test_more_rows_than_fit_at_once_are_taken_in_parts(monkeypatch):
    rng = np.random.default_rng(4)
    base, tuned = rng.normal(size=50), rng.normal(0.2, 1, 50)
    whole = paired_test(base, tuned, mean_of(50), resamples=999)
    monkeypatch.setattr(statistics, "_CELLS_AT_ONCE", 333)
    parts = paired_test(base, tuned, mean_of(50), resamples=999)
    assert parts.low.shape == whole.low.shape
    assert float(parts.low) == pytest.approx(float(whole.low), abs=0.1)


def test_two_rows_have_an_interval_and_one_has_none():
    tested = paired_test(np.array([0.1, 0.2]), np.array([0.3, 0.5]), mean_of(2))
    assert tested.p_value > 0.45
    assert tested.low <= 0 < tested.high
    with pytest.raises(EvalError, match="at least 2 rows"):
        paired_test(np.array([0.1]), np.array([0.3]), mean_of(1))


def test_holms_correction_by_hand():
    assert holm([]) == []
    assert holm([0.02]) == [0.02]
    assert holm([0.01, 0.02, 0.03, 0.04]) == pytest.approx([0.04, 0.06, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
