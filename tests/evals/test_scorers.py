"""The scorers, against numbers that were worked out by hand."""

import math

import pytest

from evals import Verdict, bleu, exact_match, pass_at_1
from evals.errors import EvalError


def test_bleu_of_one_sentence():
    # Right are 5 of 6 words, 3 of 5 pairs, 2 of 4 triples, 1 of 3 quadruples; the lengths are the same.
    by_hand = 100 * (5 / 6 * 3 / 5 * 2 / 4 * 1 / 3) ** (1 / 4)
    result = bleu(["the cat sat on the mat"], ["the cat sat on a mat"])
    assert result.score == pytest.approx(by_hand, abs=1e-9)


def test_bleu_counts_over_the_whole_corpus_and_punishes_brevity():
    # Every n-gram is right, but 10 words stand against 12: exp(1 - 12/10).
    predictions = ["a b c d e", "v w x y z"]
    references = ["a b c d e", "v w x y z p q"]
    assert bleu(predictions, references).score == pytest.approx(100 * math.exp(1 - 12 / 10), abs=1e-9)


def test_bleu_carries_sacrebleus_signature():
    signature = bleu(["x"], ["x"]).signature
    assert signature.startswith("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.")


def test_exact_match_forgives_outer_white_space_and_line_ends_only():
    predictions = ["x = 1\n", "a\r\nb", "a\n  b", "X = 1"]
    references = ["x = 1", "a\nb", "a\nb", "x = 1"]
    assert exact_match(predictions, references) == 0.5


@pytest.mark.parametrize("scorer", [bleu, exact_match])
@pytest.mark.parametrize("texts", [([], []), (["x"], [])])
def test_texts_that_do_not_pair_up_are_refused(scorer, texts):
    with pytest.raises(EvalError, match="needs one reference for each prediction"):
        scorer(*texts)


def test_pass_at_1_is_the_share_that_passes():
    codes = ["def f(): return 1", "def f(): return 2", "def f(): return 1", "def f(: return 1"]
    score = pass_at_1(codes, ["assert f() == 1"] * 4)
    assert [verdict.status for verdict in score.verdicts] == [
        "passed",
        "wrong_answer",
        "passed",
        "syntax_error",
    ]
    assert (score.fraction, score.counted) == (0.5, 4)


def test_a_harness_error_counts_neither_for_nor_against():
    score = pass_at_1(["x = 1", "x = 1", "x = 2"], ["assert x == 1", "assert (", "assert x == 1"])
    assert [verdict.status for verdict in score.verdicts] == ["passed", "harness_error", "wrong_answer"]
    assert (score.fraction, score.counted) == (0.5, 2)


def test_a_program_that_the_machine_was_too_busy_for_counts_neither_for_nor_against(monkeypatch):
    verdicts = [Verdict("passed"), Verdict("inconclusive"), Verdict("wrong_answer")]
    monkeypatch.setattr("evals.sandbox.check_many", lambda jobs, *_: verdicts[-len(jobs) :])
    score = pass_at_1(["", "", ""], ["", "", ""])
    assert (score.fraction, score.counted) == (0.5, 2)
    verdicts[-1] = Verdict("harness_error")
    assert (pass_at_1([""], [""]).fraction, pass_at_1([""], [""]).counted) == (None, 0)


def test_pass_at_1_wants_tests_for_each_program():
    with pytest.raises(EvalError, match="2 programs, 1 tests"):
        pass_at_1(["x", "y"], [""])
