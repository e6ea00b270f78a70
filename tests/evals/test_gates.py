"""Gates: what is read as one, and how it is held against a summary."""

from __future__ import annotations

import pytest

from evals.gates import evaluate_gate, parse_gate

SUMMARY = {
    "verdict": {"word": "no measurable difference", "sentence": "", "metric": "pass@1"},
    "metrics": {
        "pass@1": {"base": 0.2, "tuned": 0.3, "difference": 0.1, "interval": [-0.05, 0.2], "p_value": 0.4,
                   "wins": 3, "losses": 1, "ties": 6, "word": "no measurable difference", "rows": 10},
        "bleu": {"base": None, "tuned": 12.5, "difference": None, "interval": None, "p_value": None, "word": None},
    },
    "over_prompted": {"pass@1": {"base": None, "prompted": 0.25, "tuned": 0.3, "difference": 0.05, "word": "better"}},
    "groups": {"unseen": {"rows": 5, "metrics": {"pass@1": {"base": 0.0, "tuned": 0.4, "word": "better"}}}},
    "languages": {"c++": {"rows": 5, "metrics": {"bleu": {"difference": 1.5}}}},
    "rungs_reached": {"behaves": {"difference": 0.2, "tuned": 0.6, "interval": [0.1, 0.3], "word": "better"}},
    "rows": 10,
    "rows_with_tests": 9,
    "verdicts": {"tuned": {"passed": 3, "timeout_cpu": 2}},
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("pass@1.tuned >= 0.30", True), ("pass@1.tuned > 0.30", False), ("pass@1.tuned>=30%", True),
        ("pass@1.tuned >= 30 %", True), ("pass@1.base < 2e-1", False), ("pass@1.base <= .2", True),
        ("pass@1.difference > -1", True), ("pass@1.low > 0", False), ("pass@1.high == 0.2", True),
        ("pass@1.p_value < 0.05", False), ("pass@1.wins != 3", False), ("rows == 10", True),
        ("rows_with_tests >= 10", False), ("verdict == better", False), ("verdict != worse", True),
        ("verdict == no measurable difference", True), ("verdict == 'no measurable difference'", True),
        ("groups.unseen.pass@1.tuned >= 0.4", True), ("groups.unseen.pass@1.verdict == better", True),
        ("pass@1.verdict == worse", False), ("verdicts.tuned.timeout_cpu <= 2", True),
        ("languages.c++.bleu.difference >= 0", True), ("rungs_reached.behaves.difference > 0", True),
        ("rungs_reached.behaves.tuned > 60%", False), ("rungs_reached.behaves.low > 0", True),
        ("rungs_reached.behaves.verdict == better", True), ("over_prompted.pass@1.verdict == better", True),
        ("over_prompted.pass@1.difference > 10%", False), ("over_prompted.pass@1.prompted == 0.25", True),
        ("verdicts.tuned.harness_error == 0", True), ("bleu.tuned > 12", True),
    ],
)  # fmt: skip
def test_a_gate_is_held_against_the_summary(text, holds):
    result = evaluate_gate(parse_gate(text), SUMMARY)
    assert result.holds is holds
    assert ("holds: it is" if holds else "fails: it is") in result.sentence


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("bleu.difference > 0", "no value"), ("bleu.low > 0", "not tested"), ("bleu.verdict == better", "not tested"),
        ("chrf.tuned > 0", "no metric 'chrf', only pass@1, bleu"), ("pass@1.prompted > 0", "no value"),
        ("groups.seen.pass@1.tuned > 0", "no group 'seen', only unseen"),
        ("languages.sql.bleu.tuned > 0", "no language 'sql', only c++"),
        ("rungs_reached.runs.tuned > 0", "no rung 'runs', only behaves"),
        ("over_prompted.bleu.difference > 0", "no metric 'bleu', only pass@1"),
    ],
)  # fmt: skip
def test_what_is_not_there_holds_no_gate_and_no_opposite(text, reason):
    for sign in (">", "<", "!=") if ">" in text else ("==", "!="):
        result = evaluate_gate(parse_gate(text.replace(">", sign).replace("==", sign)), SUMMARY)
        assert not result.holds
        assert reason in result.sentence


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "such as"), ("pass@1.tuned", "such as"), ("pass@1.tuned => 3", "such as"), ("1 < 2", "names nothing"),
        ("pass@1.tuned >= 0.3 and 1 < 2", "not a number"), ("pass@1.tuned >= x", "not a number"),
        ("pass@1.tuned >= 1e", "not a number"), ("pass@1.tuned >= nan", "not a number"),
        ("tuned >= 1", "names nothing"),
        ("pass@1.tuned.x >= 1", "names nothing"), ("verdict >= better", "write == or !="),
        ("verdict == beter", "Did you mean 'better'"), ("verdicts.tunde.passed > 1", "Did you mean 'tuned'"),
        ("rungs_reached.behave.tuned > 1", "Did you mean 'behaves'"),
        ("rungs_reached.runs.tunde > 1", "has no 'tunde'"),
        ("rungs.runs.tuned > 1", "names nothing"),
        ("pass@1.__class__ == 1", "has no '__class__'"), ("f() == 1", "names nothing"),
    ],
)  # fmt: skip
def test_what_is_no_gate_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        parse_gate(text)


def test_without_a_prompted_side_a_gate_on_it_says_so():
    result = evaluate_gate(parse_gate("over_prompted.pass@1.verdict == better"), {**SUMMARY, "over_prompted": {}})
    assert not result.holds and result.sentence.endswith("no answers of the base model prompted at its best")
