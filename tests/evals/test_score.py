"""A made-up run whose scores are known, from the files to the exit code."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from evals import Verdict, score_run
from evals.__main__ import main
from evals.errors import EvalError
from evals.report import Summary, write_report

PROJECT = Path(__file__).resolve().parents[2]
ADD = "def add(a, b):\n    return a + b"
SUB = "def add(a, b):\n    return a - b"


@pytest.fixture
def known_run(make_run, row):
    """Six rows, a to c seen; pass@1 is 1 of 5 against 3 of 5, exact match 1 of 6 against 3 of 6."""
    base = [
        row("a", completion=f"```python\n{ADD}\n```"),  # passes, exact
        row("b", completion=SUB),  # wrong_answer
        row("c", completion="I cannot do that."),  # syntax_error
        row("d", completion="def plus(a, b):\n    return a + b", group="unseen"),  # missing_entry_point
        row("e", completion="def add(a, b):\n    raise ValueError", group="unseen"),  # exception
        row("f", completion="x = 2", group="unseen", tests=None, output="x = 1"),  # not run
    ]
    tuned = [
        row("a", completion=ADD + "\n"),  # passes, exact
        row("b", completion=f"Sure!\n```py\n{ADD}\n```\nDone."),  # passes, exact
        row("c", completion=SUB),  # wrong_answer
        row("d", completion="def add(*n):\n    return sum(n)", group="unseen"),  # passes
        row("e", completion=SUB, group="unseen"),  # wrong_answer
        row("f", completion="x = 1", group="unseen", tests=None, output="x = 1"),  # not run, exact
    ]
    return make_run(base, [{**line, "settings_hash": "s2"} for line in reversed(tuned)])


def _run_module(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "evals", *arguments],
        cwd=PROJECT,
        env={**os.environ, "COLUMNS": "120", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_command_writes_the_known_scores(known_run):
    done = _run_module(str(known_run), "--workers", "2")
    assert (done.returncode, done.stderr) == (0, "")
    summary = json.loads((known_run / "eval" / "summary.json").read_text())
    metrics = _metrics(summary)
    bleu = {name: scores.pop("bleu") for name, scores in metrics.items()}
    for scores in metrics.values():
        assert {"code_bleu", "edit_similarity"} < set(scores)
        del scores["code_bleu"], scores["edit_similarity"]
    assert metrics == {
        "all": {
            "pass@1": (0.2, 0.6, 0.4),
            "exact_match": (0.166667, 0.5, 0.333333),
        },
        "seen": {
            "pass@1": (0.333333, 0.666667, 0.333333),
            "exact_match": (0.333333, 0.666667, 0.333333),
        },
        "unseen": {
            "pass@1": (0.0, 0.5, 0.5),
            "exact_match": (0.0, 0.333333, 0.333333),
        },
    }
    # Three texts of 12 tokens, and of one of them the last but one is wrong: 1 of 36 words, and 2 each of the
    # 33 pairs, 30 triples and 27 quadruples.
    by_hand = 100 * (35 / 36 * 31 / 33 * 28 / 30 * 25 / 27) ** 0.25
    assert bleu["seen"][1] == pytest.approx(by_hand, abs=1e-5)
    assert {name: scores["rows"] for name, scores in summary["groups"].items()} == {"seen": 3, "unseen": 3}
    assert (summary["rows"], summary["rows_with_tests"]) == (6, 5)
    assert summary["verdicts"] == {
        "base": dict.fromkeys(["exception", "missing_entry_point", "no_code_found", "passed", "wrong_answer"], 1),
        "tuned": {"passed": 3, "wrong_answer": 2},
    }
    assert summary["settings_hash"] == {"base": "s1", "tuned": "s2"}
    assert summary["signatures"]["bleu"].startswith("nrefs:1|")
    assert summary["sandbox"]["limits"]["cpu_seconds"] == 5.0
    assert "network_blocked" in summary["sandbox"]["protections"]
    pass_at_1 = summary["metrics"]["pass@1"]
    assert (pass_at_1["wins"], pass_at_1["losses"], pass_at_1["ties"], pass_at_1["rows"]) == (2, 0, 3, 5)
    # The exact test on 2 wins and no loss gives 1/2.
    assert (pass_at_1["p_value"], pass_at_1["word"]) == (0.5, "no measurable difference")
    assert pass_at_1["interval"][0] <= 0 < pass_at_1["interval"][1]
    assert summary["verdict"]["metric"] == "pass@1"
    # `f` has no tests: `x = 2` runs, as `x = 1` does, and neither has a function to compare.
    assert summary["rungs"] == {"base": {"3": 1}, "tuned": {"3": 1}}
    written = ["junit.xml", "report.html", "report.md", "samples.jsonl", "summary.json", "verdicts.jsonl"]
    assert sorted(path.name for path in (known_run / "eval").iterdir() if not path.name.startswith(".")) == written


def _metrics(summary):
    blocks = {"all": summary, **summary["groups"]}
    return {
        block: {
            name: (finding["base"], finding["tuned"], finding["difference"])
            for name, finding in scores["metrics"].items()
        }
        for block, scores in blocks.items()
    }


def test_the_table_shows_the_groups_the_failures_and_the_paths(known_run):
    lines = _run_module(str(known_run)).stdout.splitlines()
    cells = [[cell.strip() for cell in re.split("[│┃]", line)[1:-1]] for line in lines if re.search("[│┃]", line)]
    assert cells[0] == ["rows", "metric", "base", "tuned", "difference", "95 % interval", "verdict", "count"]
    assert [row[0] for row in cells[1:16] if row[0]] == ["seen", "unseen", "all"]
    all_rows = [row for row in cells[1:16] if "pass@1" in row or "exact_match" in row][-2:]
    assert all_rows[0][:5] == ["all", "pass@1", "0.200", "0.600", "+0.400"]
    assert all_rows[1][:5] == ["", "exact_match", "0.167", "0.500", "+0.333"]
    assert [row[-1] for row in all_rows] == ["5", "6"]
    assert ["wrong_answer", "1", "2"] in cells
    assert "pass@1 counts the 5 rows with tests, of 6." in lines
    assert f"wrote {known_run}/eval/summary.json" in lines


def test_the_samples_say_what_came_of_each_row_and_side(known_run):
    score_run(known_run)
    samples = [json.loads(line) for line in (known_run / "eval" / "samples.jsonl").read_text().splitlines()]
    assert [(sample["row_id"], sample["side"]) for sample in samples] == [
        (row_id, side) for row_id in "abcdef" for side in ("base", "tuned")
    ]
    first, second = samples[2:4]
    assert second.pop("cpu_seconds") > 0
    assert {key: second[key] for key in ("row_id", "group", "side", "completion", "code", "status", "detail")} == {
        "row_id": "b",
        "group": "seen",
        "side": "tuned",
        "completion": f"Sure!\n```py\n{ADD}\n```\nDone.",
        "code": ADD,
        "status": "passed",
        "detail": "",
    }
    assert second["exact_match"]
    assert [second[key] for key in ("instruction", "input", "reference", "tests")] == [
        "Add two numbers.",
        "",
        ADD,
        "assert add(1, 2) == 3",
    ]
    assert (first["status"], first["detail"]) == ("wrong_answer", "assert add(1, 2) == 3")
    assert [samples[10][key] for key in ("status", "rung", "exact_match")] == ["climbed", 3, False]


def test_quiet_prints_nothing(known_run):
    done = _run_module(str(known_run), "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (known_run / "eval" / "summary.json").is_file()


def test_a_users_mistake_is_one_sentence_and_exit_code_2(tmp_path):
    done = _run_module(str(tmp_path / "nowhere"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "there is no such run folder" in done.stderr


def test_a_harness_error_counts_on_neither_side_and_ends_with_1(make_run, row):
    broken = "assert add(1, 2 == 3"
    run = make_run(
        [row("a"), row("b", tests=broken)], [row("a", completion=SUB), row("b", tests=broken, completion="")]
    )
    done = _run_module(str(run))
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{run}/predictions/base.jsonl:2: 'tests' is not Python" in done.stderr


def test_a_row_whose_reference_fails_is_left_out_and_a_vacuous_test_is_named(make_run, row):
    lines = [row("a"), row("b", output=SUB), row("c", tests="assert add")]
    done = _run_module(str(make_run(lines, lines)))
    assert "1 row is left out, since the reference does not pass its own tests: b." in done.stdout
    assert "1 row is weak, since a stub passes the tests: c." in done.stdout


def test_no_row_is_left_if_no_reference_passes(make_run, row):
    lines = [row("a", output=SUB)]
    with pytest.raises(EvalError, match=r"no reference passes its own tests \(wrong answer: assert add"):
        score_run(make_run(lines, lines))


def test_rows_that_were_trained_on_are_told_and_the_score_shown_without_them(known_run, row):
    (known_run / "rows").mkdir()
    trained = {**row("t"), "instruction": "Add  two numbers ."}
    (known_run / "rows" / "train.jsonl").write_text(json.dumps(trained) + "\n")
    lines = (known_run / "predictions" / "base.jsonl").read_text().splitlines()
    assert len(lines) == 6
    summary = score_run(known_run)
    # All but `f`, whose reference is another.
    assert [pair["row_id"] for pair in summary.duplicates["pairs"]] == list("abcde")
    assert (summary.duplicates["rows"], summary.duplicates["exact"]) == (5, 5)
    assert set(summary.duplicates["without_duplicates"]) == {"bleu", "code_bleu", "exact_match", "edit_similarity"}
    assert summary.duplicates["without_duplicates"]["exact_match"]["tuned"] == 1.0


def test_the_summary_is_the_same_after_a_round_by_json(known_run):
    summary = score_run(known_run)
    told = json.loads((known_run / "eval" / "summary.json").read_text())
    assert Summary.from_json(told).to_json() == told == summary.to_json()


def test_the_base_model_prompted_at_its_best_is_a_third_column(known_run, row):
    prompted = [{**row(row_id, completion=ADD), "settings_hash": "s3"} for row_id in "abcde"]
    prompted.append({**row("f", tests=None, output="x = 1", completion="x = 1"), "settings_hash": "s3"})
    path = known_run / "predictions" / "prompted.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in prompted))
    summary = score_run(known_run)
    finding, over = summary.metrics["pass@1"], summary.over_prompted["pass@1"]
    assert (finding.base, finding.prompted, finding.tuned) == (0.2, 1.0, 0.6)
    assert (over.base, over.prompted, over.tuned, over.difference) == (None, 1.0, 0.6, -0.4)
    assert (over.wins, over.losses, over.ties, over.word) == (0, 2, 3, "no measurable difference")
    said = "Over the base model prompted at its best: no measurable difference, 0.600 against 1.000 (-0.400, ["
    assert said in summary.verdict.sentence
    assert (
        "### Over the base model prompted at its best\n\n| metric | prompted | tuned |"
        in (known_run / "eval" / "report.md").read_text()
    )


def test_a_row_that_the_sandbox_cannot_judge_ends_with_1(make_run, row, monkeypatch, capsys):
    run = make_run([row("a"), row("b")], [row("a"), row("b", completion=SUB)])
    verdicts = [Verdict("passed"), Verdict("passed"), Verdict("harness_error"), Verdict("wrong_answer")]
    monkeypatch.setattr("evals.outcomes.judge_many", lambda *_: verdicts)
    with pytest.raises(typer.Exit) as ended:
        main(run, None, quiet=False)
    assert ended.value.exit_code == 1
    assert "1 row could not be judged (b); pass@1 leaves it out" in capsys.readouterr().out


def test_a_row_that_one_side_could_not_judge_is_left_out_of_both(make_run, row, monkeypatch):
    run = make_run([row("a"), row("b")], [row("a"), row("b")])
    verdicts = [Verdict("passed"), Verdict("harness_error"), Verdict("wrong_answer"), Verdict("passed")]
    monkeypatch.setattr("evals.outcomes.judge_many", lambda *_: verdicts)
    summary = score_run(run)
    finding = summary.metrics["pass@1"]
    assert (finding.base, finding.tuned, finding.rows) == (0.0, 1.0, 1)
    assert summary.harness_errors == ("a",)


def test_pass_at_1_is_left_out_where_no_row_has_tests(make_run, row):
    lines = [row("a", tests=None, group=None), row("b", tests="", group=None)]
    run = make_run(lines, lines)
    done = _run_module(str(run))
    assert "pass@1 is left out: no row has tests." in done.stdout.splitlines()
    summary = json.loads((run / "eval" / "summary.json").read_text())
    assert list(summary["metrics"]) == ["bleu", "code_bleu", "exact_match", "edit_similarity"]
    assert (summary["groups"], summary["rows_with_tests"]) == ({}, 0)
    assert summary["rungs"] == {"base": {"4": 2}, "tuned": {"4": 2}}
    assert _metrics(summary)["all"]["exact_match"] == (1.0, 1.0, 0.0)


def test_mixed_settings_have_no_hash_and_a_remark(make_run, row):
    lines = [row("a"), row("b", settings_hash="other")]
    run = make_run(lines, lines)
    assert score_run(run).settings_hash == {"base": None, "tuned": None}
    assert "The base predictions were not all made with the same settings." in _run_module(str(run)).stdout


def test_progress_is_told(known_run):
    heard = []
    score_run(known_run, workers=1, progress=lambda done, total: heard.append((done, total)))
    # Ten programs with tests and two that climb, of which two are the same and run once.
    assert heard[-1][0] == heard[-1][1]
    assert len(heard) > 3


def test_a_second_evaluation_replaces_the_first(known_run):
    score_run(known_run)
    first = json.loads((known_run / "eval" / "summary.json").read_text())
    score_run(known_run)
    assert json.loads((known_run / "eval" / "summary.json").read_text()) == first


def test_a_report_that_cannot_be_written_is_a_users_error_and_leaves_nothing(tmp_path):
    (tmp_path / "eval").write_text("a file where the folder should be")
    with pytest.raises(EvalError, match="eval: the folder cannot be made"):
        write_report(tmp_path, {}, [])
    assert [path.name for path in tmp_path.iterdir()] == ["eval"]
