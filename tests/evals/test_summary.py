"""The summary of an evaluation: figures that were worked out by hand."""

from __future__ import annotations

import pytest

from evals.gates import evaluate_gate
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


DOUBLE = "def f(x: int) -> int:\n    return 2 * x"
REFERENCES = {"double": DOUBLE, "hello": "print('hello')", "query": "SELECT name FROM users WHERE age > 18;"}
ANSWERS = {
    "right": DOUBLE,
    "wrong": "def f(x):\n    return x",
    "fails": "def f(x):\n    return x\n1 / 0",
    "nested": "return 1",
    "broken": "def f(x)\n    return",
    "foreign": "const f = (x) => { return 2 * x; };\nconsole.log(f(1));",
}
CHANGES = [  # The reference, and the answers of base and tuned.
    ("double", "wrong", "right"), ("double", "fails", "right"), ("double", "broken", "fails"),
    ("double", "foreign", "right"), ("double", "foreign", "foreign"), ("double", "right", "nested"),
    ("hello", "right", "right"), ("hello", "broken", "right"),
    ("query", "broken", "right"), ("query", "right", "right"),
]  # fmt: skip


@pytest.fixture
def climbed(evaluation):
    """Ten rows without tests: eight of Python, six of them with a function, and two of SQL."""

    def make(text="", scorers="bleu, exact_match"):
        rows = [
            {"row_id": str(number), "instruction": f"Do {number}.", "output": REFERENCES[reference]}
            for number, (reference, _, _) in enumerate(CHANGES)
        ]
        answers = {
            side: [
                {"row_id": str(number), "completion": ANSWERS[change[place]]} for number, change in enumerate(CHANGES)
            ]
            for place, side in ((1, "base"), (2, "tuned"))
        }
        return evaluation(rows, answers, f"scorers: [{scorers}]\nextraction: {{mode: raw}}\n{text}")

    return make


def test_each_rung_counts_the_rows_that_offer_it_whatever_their_answers_are(climbed):
    with climbed() as found:
        summary = summary_of(found)
    reached = {
        name: tuple(finding[key] for key in ("base", "tuned", "wins", "losses", "rows"))
        for name, finding in summary["rungs_reached"].items()
    }
    # All eight rows of Python offer rung 3, an answer in JavaScript reached none; rung 4 is offered by the function.
    assert reached == {
        "parses": (4 / 8, 7 / 8, 3, 0, 8),
        "compiles": (4 / 8, 6 / 8, 3, 1, 8),
        "runs": (3 / 8, 5 / 8, 3, 1, 8),
        "behaves": (round(1 / 6, 6), 3 / 6, 3, 1, 6),
    }
    # Holm over the four, by hand: one of the exact p-values is 1/4, the others 5/8.
    assert [finding["p_value"] for finding in summary["rungs_reached"].values()] == [0.25, 0.625, 0.625, 0.625]
    assert {finding["p_adjusted"] for finding in summary["rungs_reached"].values()} == {1.0}


def test_languages_are_those_of_the_references_and_python_where_there_are_tests(climbed, evaluation):
    with climbed() as found:
        summary = summary_of(found)
    assert {name: part["rows"] for name, part in summary["languages"].items()} == {"python": 8, "sql": 2}
    exact = {name: part["metrics"]["exact_match"] for name, part in summary["languages"].items()}
    assert [(exact[name]["base"], exact[name]["tuned"]) for name in ("python", "sql")] == [(1 / 8, 3 / 8), (0, 0)]
    rows = [with_tests("a"), {"row_id": "b", "instruction": "", "output": REFERENCES["query"]},
            {"row_id": "c", "instruction": "", "output": " "}]  # fmt: skip
    lines = {side: [{"row_id": row["row_id"], "completion": GOOD} for row in rows] for side in ("base", "tuned")}
    with evaluation(rows, lines) as found:
        summary = summary_of(found)
    assert {name: part["rows"] for name, part in summary["languages"].items()} == {"python": 1, "sql": 1}
    assert list(summary["languages"]["python"]["metrics"]) == ["pass@1", "bleu", "exact_match"]
    assert list(summary["languages"]["sql"]["metrics"]) == ["bleu", "exact_match"]
    assert summary["rungs_reached"] == {}


def test_where_nothing_climbs_or_all_is_python_there_are_no_languages(evaluation):
    lines = {side: [{"row_id": "a", "completion": GOOD}] for side in ("base", "tuned")}
    with evaluation([with_tests("a")], lines) as found:
        summary = summary_of(found)
    assert (summary["languages"], summary["rungs_reached"]) == ({}, {})
    with evaluation([{**with_tests("a"), "tests": ""}], lines) as found:
        summary = summary_of(found)
    assert summary["languages"] == {}
    assert summary["rungs_reached"]["behaves"]["rows"] == 1


def test_words_of_groups_are_corrected_for_being_several(evaluation):
    rows = [with_tests(str(number), group="one" if number < 8 else "two") for number in range(16)]
    lines = {
        "base": [{"row_id": row["row_id"], "completion": BAD} for row in rows],
        "tuned": [{"row_id": str(number), "completion": GOOD if number < 6 else BAD} for number in range(16)],
    }
    with evaluation(rows, lines, "scorers: [pass@1, exact_match]") as found:
        summary = summary_of(found)
    one, two = (summary["groups"][name]["metrics"]["pass@1"] for name in ("one", "two"))
    # Six wins of six have a chance of 2 / 2^6, and there are two groups.
    assert (one["p_value"], one["p_adjusted"], one["word"]) == (0.03125, 0.0625, "no measurable difference")
    assert (two["p_value"], two["p_adjusted"]) == (1, 1)
    assert (summary["metrics"]["pass@1"]["p_adjusted"], summary["metrics"]["pass@1"]["word"]) == (None, "better")
    gates = "scorers: [pass@1, exact_match]\ngates: [verdict == better, exact_match.verdict == better]"
    with evaluation(rows, lines, gates) as found:
        summary = summary_of(found)
    assert summary["metrics"]["pass@1"]["p_adjusted"] == summary["metrics"]["exact_match"]["p_adjusted"] == 0.0625
    # Two metrics on two groups are four words.
    assert summary["groups"]["one"]["metrics"]["pass@1"]["p_adjusted"] == 0.125


def test_the_word_of_a_rung_is_no_word_of_a_metric(climbed):
    with climbed("gates: [verdict == better, rungs_reached.runs.verdict == better]") as found:
        summary = summary_of(found)
    assert summary["metrics"]["bleu"]["p_adjusted"] is None
    assert evaluate_gate(found.suite.gates[1][0], summary).observed == "no measurable difference"


def test_the_verdict_that_a_gate_asks_for_is_that_of_the_first_metric_that_there_is(climbed):
    # No row has tests, so that the verdict is not pass@1's, and two words are read together.
    text = "gates: [verdict == better, exact_match.verdict == better]"
    with climbed(text, "pass@1, bleu, exact_match") as found:
        summary = summary_of(found)
    assert summary["verdict"]["metric"] == "bleu"
    assert None not in [summary["metrics"][name]["p_adjusted"] for name in ("bleu", "exact_match")]
