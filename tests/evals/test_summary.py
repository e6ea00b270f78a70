"""The summary of an evaluation: figures that were worked out by hand."""

from __future__ import annotations

import pytest

from evals.summary import samples_of, summary_of
from tests.evals.conftest import GOOD, with_tests

BAD = "def f():\n    return 2"


def test_several_answers_to_a_row_make_pass_at_k(evaluation):
    answers = [
        {"row_id": row_id, "completion": GOOD if sample < right else BAD, "sample": sample}
        for row_id, right in (("a", 1), ("b", 3))
        for sample in range(4)
    ]
    text = "scorers: [pass@1, pass@2, pass^2, pass@5]"
    with evaluation([with_tests("a"), with_tests("b")], {"tuned": answers}, text) as found:
        summary = summary_of(found)
    values = {name: metric["tuned"] for name, metric in summary["metrics"].items()}
    # By hand: of 4 answers 1 and 3 pass. Two draws miss all that pass in C(3,2)/C(4,2) = 1/2 and in 0 of the cases.
    assert values == {"pass@1": (1 / 4 + 3 / 4) / 2, "pass@2": (1 / 2 + 1) / 2, "pass^2": (0 + 3 / 6) / 2}
    assert summary["warnings"] == ["pass@5 is left out: it needs 5 answers to each row; one has 4."]
    assert summary["metrics"]["pass@1"]["base"] is summary["metrics"]["pass@1"]["word"] is None


def test_two_sides_are_compared_and_prose_is_no_program(evaluation):
    rows = [with_tests(str(number), group="even" if number % 2 == 0 else "odd") for number in range(10)]
    base = [{"row_id": row["row_id"], "completion": "I cannot do that."} for row in rows]
    tuned = [{"row_id": row["row_id"], "completion": GOOD} for row in rows]
    with evaluation(rows, {"base": base, "tuned": tuned}, "scorers: [pass@1, code_bleu]") as found:
        summary = summary_of(found)
        samples = samples_of(found)
    metric = summary["metrics"]["pass@1"]
    # McNemar: ten wins of ten have a two-sided chance of 2 / 2^10.
    assert (metric["wins"], metric["losses"]) == (10, 0)
    assert metric["p_value"] == pytest.approx(2 / 1024, rel=1e-5)
    assert summary["verdict"]["word"] == "better"
    assert summary["groups"]["odd"]["rows"] == 5
    assert summary["metrics"]["code_bleu"]["tuned"] == 100
    assert summary["verdicts"] == {"base": {"no_code_found": 10}, "tuned": {"passed": 10}}
    assert {(sample["side"], sample["status"]) for sample in samples} == {
        ("base", "no_code_found"),
        ("tuned", "passed"),
    }
