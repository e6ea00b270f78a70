"""Suites: what is read, and every problem at once with its place."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

from evals.errors import EvalError
from evals.sandbox import Limits
from evals.suite import Suite, shipped_suites
from tests.evals.conftest import written


@pytest.mark.parametrize("module", ["answers", "gates", "rows", "store"])
def test_the_examples_in_docstrings_hold(module):
    results = doctest.testmod(importlib.import_module(f"evals.{module}"))
    assert results.attempted > 0
    assert results.failed == 0


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
        ("a: 1\npredictions: {run: r, tuned: t.jsonl}", r"my\.eval\.yaml:2: .*name a run or files, not both"),
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


def test_the_run_of_an_extended_suite_gives_way_to_files(tmp_path):
    written(tmp_path, "predictions: {run: r}\n", "b.eval.yaml")
    with pytest.raises(EvalError, match=r"`run: null` takes back that of a suite that is extended"):
        Suite.load(written(tmp_path, "extends: b.eval.yaml\npredictions: {tuned: t.jsonl}\n"))
    suite = Suite.load(written(tmp_path, "extends: b.eval.yaml\npredictions: {run: null, tuned: t.jsonl}\n"))
    assert (suite.run_folder(), suite.predictions.tuned) == (None, "t.jsonl")


def test_an_empty_file_is_a_suite_of_a_runs_rows(tmp_path):
    suite = Suite.load(written(tmp_path, ""))
    assert (suite.rows.source, suite.run_folder(), suite.gates) == ("run", Path("runs/latest"), ())


@pytest.mark.parametrize("name", ["code_alpaca", "humaneval", "python_exercises"])
def test_the_suites_that_ship_are_sound(name):
    assert name in shipped_suites()
    suite = Suite.load(name)
    assert suite.name == name
    assert suite.description
