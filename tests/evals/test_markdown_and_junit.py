"""The summary as Markdown and the tuned side's rows as JUnit XML."""

import re
from xml.etree import ElementTree

import pytest

from benchmarks.evaluation_report import made
from evals.junit_report import render_junit
from evals.markdown_report import GROUPS_SHOWN, render_markdown
from tests.evals.test_html_report import HOSTILE


def _cells(markdown):
    rows = [line.strip("|").split("|") for line in markdown.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows]


def _sample(status, **changes):
    known = {"row_id": "r", "side": "tuned", "group": "seen", "status": status, "detail": "assert f() == 1"}
    return {**known, "code": "def f(): ...", "tests": "assert f() == 1", "wall_seconds": 0.25, "rung": None, **changes}


def _case(status, **changes):
    root = ElementTree.fromstring(render_junit({"verdict": {}}, [_sample(status, **changes)]).encode())
    return root.find("testsuite/testcase")


def test_markdown_has_the_sentence_the_tables_and_the_warnings():
    summary, _ = made(60, ("base", "prompted", "tuned"), seed=3)
    summary["warnings"] = ["One row\nis a duplicate."]
    lines = render_markdown(summary).splitlines()
    assert lines[0] == "## ▲ The tuned model is better"
    assert lines[2].startswith("The tuned model is better at pass@1: ")
    cells = _cells(render_markdown(summary))
    assert cells[0] == ["metric", "base", "prompted", "tuned", "difference", "95 % interval", "verdict", "rows"]
    finding = summary["metrics"]["pass@1"]
    assert cells[2][:5] == ["pass@1", *(f"{finding[side]:.3f}" for side in ("base", "prompted", "tuned")), cells[2][4]]
    assert cells[2][6:] == ["▲ better", "60"]
    assert "seen: code\\_bleu" in [row[0] for row in cells]
    assert "- One row is a duplicate." in lines
    assert lines[-1] == "60 rows, 60 with tests; sandbox tier confined."


def test_markdown_without_groups_warnings_or_tests():
    summary, _ = made(3)
    summary |= {
        "groups": {},
        "rows_with_tests": 0,
        "sandbox": {},
        "verdict": {"word": None, "sentence": "", "metric": "x"},
    }
    text = render_markdown(summary)
    assert text.startswith("## Not tested for significance\n\n| metric | base | tuned |")
    assert "###" not in text
    assert text.endswith("\n\n3 rows, 0 with tests.\n")


def test_markdown_of_many_groups_names_the_rest():
    summary, _ = made(3)
    summary["groups"] = {f"g{i}": {"rows": 1, "metrics": {"bleu": summary["metrics"]["code_bleu"]}} for i in range(40)}
    text = render_markdown(summary)
    assert sum(row[0].startswith("g") for row in _cells(text)) == GROUPS_SHOWN + 1  # and the heading
    assert f"{40 - GROUPS_SHOWN} more groups are in `summary.json`." in text


def test_markdown_says_languages_and_rungs_and_what_their_verdicts_are_corrected_for():
    summary, _ = made(12)
    finding = {**summary["metrics"]["exact_match"], "p_adjusted": 0.5}
    summary["languages"] = {"c#": {"rows": 12, "metrics": {"exact_match": finding}}}
    summary["rungs_reached"] = {"parses": finding, "behaves": finding}
    text = render_markdown(summary)
    assert [line for line in text.splitlines() if line.startswith("###")] == [
        "### By group", "### By language", "### Rungs reached",
    ]  # fmt: skip
    assert [row[0] for row in _cells(text)][-6:] == [
        "---", "c\\#: exact\\_match", "share of rows that", "---", "parses", "behaves like the reference",
    ]  # fmt: skip
    assert text.count("Verdicts are corrected for the number of languages (Holm)") == 1
    assert text.count("Verdicts are corrected for the number of rungs (Holm)") == 1
    assert "number of groups" not in text


@pytest.mark.parametrize(
    "text", [*HOSTILE, "a | b", "@someone and #1", "[link](https://x.example)", "`x` *y* ~z~", "\\"]
)
def test_hostile_names_break_no_table_and_format_nothing(text):
    summary, _ = made(3)
    summary["warnings"] = [text]
    summary["groups"] = {text: {"rows": 1, "metrics": {"bleu": summary["metrics"]["code_bleu"]}}}
    markdown = render_markdown(summary)
    markdown.encode()
    unescaped = re.sub(r"\\[^\w\s]", "", markdown)
    (group,) = [line for line in unescaped.splitlines() if line.startswith("|") and ": bleu" in line]
    assert group.count("|") == 8
    (warning,) = [line for line in unescaped.splitlines() if line.startswith("- ")]
    assert not re.search(r"[<>`*~\[\]|]|@\w|://", warning)


def test_each_status_of_a_row_has_its_kind_of_test_case():
    assert list(_case("passed")) == []
    failure = _case("wrong_answer").find("failure")
    assert (failure.get("type"), failure.get("message")) == ("wrong_answer", "wrong_answer: assert f() == 1")
    assert "def f(): ..." in failure.text and "assert f() == 1" in failure.text
    assert _case("harness_error").find("error").get("type") == "harness_error"
    assert _case("inconclusive").find("error") is not None
    assert _case(None).find("skipped") is not None
    assert _case("not_executed").find("skipped") is not None
    ladder = _case(None, tests="", rung=3).find("skipped")
    assert ladder.get("message") == "the row was not run with tests; it reached rung 3 of the ladder"


def test_the_suite_counts_and_holds_one_case_a_row_of_the_tuned_side():
    statuses = ["passed", "passed", "exception", "harness_error", None]
    samples = [_sample(status, row_id=i) for i, status in enumerate(statuses)]
    samples += [_sample("exception", row_id=i, side=side) for i in range(5) for side in ("base", "prompted")]
    root = ElementTree.fromstring(render_junit({"verdict": {"word": "better", "sentence": "<b>"}}, samples))
    suite = root.find("testsuite")
    counts = {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped", "time")}
    assert counts == {"tests": "5", "failures": "1", "errors": "1", "skipped": "1", "time": "1.250"}
    assert {name: root.get(name) for name in counts} == counts
    assert [case.get("name") for case in suite.findall("testcase")] == ["0", "1", "2", "3", "4"]
    assert {case.get("classname") for case in suite.findall("testcase")} == {"seen"}
    assert suite.find("properties/property[@name='verdict.sentence']").get("value") == "<b>"


@pytest.mark.parametrize("text", HOSTILE)
def test_xml_holds_no_character_that_it_forbids(text):
    case = _case(text, row_id=text, group=text, detail=text, code=text, tests=text)
    assert case.get("name") == case.get("classname") != ""
    assert case.find("failure").get("type") == case.get("name")
    document = render_junit({"verdict": {"sentence": text}}, [_sample("exception", code=text)])
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]", document)


def test_long_programs_are_cut():
    text = _case("exception", code="x" * 1_000_000, detail="y" * 1_000_000).find("failure").text
    assert len(text) < 50_000
    assert "more characters are in samples.jsonl" in text
