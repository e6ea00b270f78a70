"""The summary as dataclasses, as JSON that its schema accepts, and as a table in the terminal."""

import io
import json
import math
import re

import jsonschema
import pytest
from rich.console import Console

from benchmarks.evaluation_report import made
from evals.errors import EvalError
from evals.html_report import render_html
from evals.junit_report import render_junit
from evals.markdown_report import render_markdown
from evals.report import Conclusion, Finding, Group, Summary, read_evaluation, write_pages, write_report
from evals.score import score_run
from evals.terminal_report import print_summary
from tests.conftest import ROOT

SCHEMA = json.loads((ROOT / "evals" / "summary.schema.json").read_text())


def _summary(**changes):
    finding = Finding(
        "pass@1",
        base=0.4,
        tuned=0.61,
        prompted=0.5,
        difference=0.21,
        interval=(0.1, 0.32),
        p_value=1.234567891e-9,
        wins=30,
        losses=9,
        ties=61,
        word="better",
        rows=100,
        rows_needed=48,
    )
    bleu = Finding(
        "bleu", 51.0, 50.0, 52.0, difference=-1.0, interval=(-3.5, 1.5), word="no measurable difference", rows=100
    )
    known = {
        "verdict": Conclusion("better", "pass@1 rose from 0.400 to 0.610.", "pass@1"),
        "metrics": {"pass@1": finding, "bleu": bleu},
        "groups": {
            "a[b]": Group(40, {"pass@1": Finding("pass@1", 0.5, 0.25, 0.5, difference=-0.25, word="worse", rows=40)})
        },
        "rows": 100,
        "rows_with_tests": 100,
        "verdicts": {"base": {"passed": 40, "timeout_cpu": 60}, "tuned": {"passed": 61, "wrong_answer": 39}},
    }
    return Summary(**{**known, **changes})


def _printed(summary, width=130):
    console = Console(file=io.StringIO(), force_terminal=True, width=width, color_system="standard")
    print_summary(summary, console)
    return console.file.getvalue()


def validate(summary):
    """Check a summary as it would be read back from its file."""
    validator = jsonschema.Draft202012Validator(SCHEMA)
    validator.validate(json.loads(json.dumps(summary)))


def test_the_schema_is_one_and_accepts_what_is_written(make_run, row):
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    validate(_summary().to_json())
    validate(made(20, ("base", "prompted", "tuned"))[0])
    validate(score_run(make_run([row()], [row()])).to_json())


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("verdict", "word"), "much better"),
        (("metrics", "pass@1", "interval"), [0.1]),
        (("metrics", "pass@1", "wins"), -1),
        (("metrics", "pass@1", "p_value"), 1.5),
        (("groups",), []),
        (("rungs_reached",), {"walks": {}}),
        (("rows",), "100"),
        (("verdicts", "someone"), {"passed": 1}),
        (("warnings",), "one"),
        (("more",), 1),
    ],
)
def test_the_schema_refuses_what_is_not_a_summary(place, value):
    summary = json.loads(json.dumps(_summary().to_json()))
    target = summary
    for key in place[:-1]:
        target = target[key]
    target[place[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        validate(summary)


def test_the_schema_asks_for_every_field_that_is_written():
    assert set(SCHEMA["required"]) == set(_summary().to_json()) == set(SCHEMA["properties"])
    finding = SCHEMA["$defs"]["finding"]
    assert set(finding["properties"]) == set(_summary().to_json()["metrics"]["pass@1"])


def test_figures_are_rounded_a_p_value_to_digits_and_nan_is_null():
    finding = _summary().to_json()["metrics"]["pass@1"]
    assert finding["p_value"] == 1.23457e-09
    assert finding["interval"] == [0.1, 0.32]
    odd = Finding("pass@1", base=math.nan, tuned=1 / 3, difference=math.inf)
    odd = _summary(metrics={"pass@1": odd}, groups={}).to_json()
    validate(odd)
    assert [odd["metrics"]["pass@1"][key] for key in ("base", "tuned", "difference")] == [None, 0.333333, None]
    assert "prompted" not in odd["metrics"]["pass@1"]


def test_the_table_shows_three_sides_intervals_and_words():
    lines = _printed(_summary()).splitlines()
    line = next(line for line in lines if "all" in line and "pass@1" in line)
    assert [part for part in ("0.400", "0.500", "0.610", "[+0.100, +0.320]", "better", "100") if part not in line] == []
    assert "\x1b[32m+0.210\x1b[0m" in line
    group = next(line for line in lines if "a[b]" in line)
    assert "\x1b[31m-0.250\x1b[0m" in group
    assert "pass@1 rose from 0.400 to 0.610." in lines
    neutral = next(line for line in lines if "bleu" in line)
    assert "no measurable difference" in neutral
    assert "\x1b[31m" not in neutral


def test_languages_and_rungs_have_tables_of_their_own():
    finding = Finding("bleu", 10.0, 20.0, difference=10.0, p_value=0.02, p_adjusted=0.1, word="better", rows=7)
    languages = {name: Group(7, {"bleu": finding}) for name in ("c++", "sql", "go", "r", "php", "perl", "[b]")}
    reached = {"parses": finding, "behaves": Finding("behaves", 0.25, 0.5, difference=0.25, word="worse", rows=8)}
    summary = _summary(languages=languages, rungs_reached=reached)
    validate(summary.to_json())
    assert Summary.from_json(summary.to_json()).languages["sql"].metrics["bleu"].p_adjusted == 0.1
    text = _printed(summary)
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in text.splitlines()]
    assert [name for name in languages if any(line.startswith(f"│ {name} ") for line in lines)] == list(languages)[:5]
    assert "2 more languages are in summary.json." in lines
    (rung,) = [line for line in lines if "behaves like the reference" in line]
    assert [part for part in ("0.250", "0.500", "+0.250", "worse", "8") if part not in rung] == []
    assert sum("corrected for the number of languages (Holm)" in line for line in lines) == 1
    assert not any("number of groups" in line for line in lines)


def test_a_summary_of_before_there_were_languages_and_rungs_is_read():
    told = _summary().to_json()
    del told["languages"], told["rungs_reached"]
    for finding in told["metrics"].values():
        del finding["p_adjusted"]
    assert Summary.from_json(told).to_json() == Summary.from_json(_summary().to_json()).to_json()


def test_a_difference_that_was_not_tested_is_coloured_by_its_sign_and_nothing_has_none():
    metrics = {
        "pass@1": Finding("pass@1", 0.5, 0.25, difference=-0.25),
        "bleu": Finding("bleu", 1.0, 2.5, difference=1.5),
        "exact_match": Finding("exact_match", 0.5, 0.5),
    }
    text = _printed(_summary(metrics=metrics, groups={}, verdicts={"base": {"passed": 2}, "tuned": {"passed": 1}}))
    assert "\x1b[31m-0.250\x1b[0m" in text
    assert "\x1b[32m+1.50\x1b[0m" in text
    assert "+0.000" not in text
    assert "prompted" not in text
    assert "Most common failures" not in text


def test_warnings_are_printed_as_they_are():
    assert "[bold]2 rows[/bold] are duplicates." in _printed(
        _summary(warnings=("[bold]2 rows[/bold] are duplicates.",))
    )


@pytest.mark.parametrize(
    ("summary", "samples", "says"),
    [
        (None, "", "summary.json: the file cannot be read"),
        ("{", "", "summary.json: this is not valid JSON"),
        ("[" * 100_000, "", "summary.json: this is not valid JSON"),
        ("{}", "", "summary.json: the file is not a summary"),
        ('{"metrics": []}', "", "summary.json: the file is not a summary"),
        ('{"metrics": {"pass@1": 0.5}}', "", "summary.json: the file is not a summary"),
        ('{"metrics": {}, "verdict": "better"}', "", "summary.json: the file is not a summary"),
        ('{"metrics": {}}', '{"row_id": [1], "side": "base"}', "samples.jsonl:1: the line is not a sample"),
        ('{"metrics": {}}', None, "samples.jsonl: the file cannot be read"),
        ('{"metrics": {}}', '\n{"row_id": 1, "side": "tuned"}\n{', "samples.jsonl:3: this is not valid JSON"),
        ('{"metrics": {}}', '{"row_id": 1, "side": "other"}', "samples.jsonl:1: the line is not a sample"),
    ],
)
def test_a_malformed_evaluation_is_a_users_error(tmp_path, summary, samples, says):
    for name, text in (("summary.json", summary), ("samples.jsonl", samples)):
        if text is not None:
            (tmp_path / name).write_text(text)
    with pytest.raises(EvalError, match=says):
        read_evaluation(tmp_path)


def test_an_evaluation_is_written_with_all_its_reports(tmp_path):
    summary, samples = made(4)
    paths = write_report(tmp_path, summary, iter(samples))
    names = ["summary.json", "samples.jsonl", "report.html", "report.md", "junit.xml"]
    assert paths == tuple(tmp_path / "eval" / name for name in names)
    assert sorted(path.name for path in (tmp_path / "eval").iterdir()) == sorted(names)
    pages = [render_html(summary, samples), render_markdown(summary), render_junit(summary, samples)]
    assert [path.read_text() for path in paths[2:]] == pages
    for path in paths[2:]:
        path.unlink()
    assert write_pages(tmp_path / "eval") == paths[2:]
    assert [path.read_text() for path in paths[2:]] == pages


def test_one_side_alone_has_no_pages_and_folders_are_made(tmp_path):
    summary, samples = made(4, ("tuned", "base"))
    del summary["settings_hash"]["base"]
    paths = write_report(tmp_path / "new", summary, samples)
    assert [path.name for path in paths] == ["summary.json", "samples.jsonl"]
    assert sorted((tmp_path / "new" / "eval").iterdir()) == sorted(paths)
