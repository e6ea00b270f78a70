"""`finetune-kit runs`, and a run as a notebook shows it; copies of the tiny run are changed by hand."""

import json
import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from finetune_kit.cli import app
from finetune_kit.run import Run
from finetune_kit.run_list import compare_runs, list_runs
from finetune_kit.run_lock import locked

SUMMARY = {
    "rows": 6,
    "verdict": {"word": "better", "metric": "pass@1", "sentence": "The tuned model is better: pass@1 +0.400."},
    "metrics": {
        "bleu": {"base": 10.0, "tuned": 20.0, "difference": 10.0, "interval": None, "word": ""},
        "pass@1": {"base": 0.1, "tuned": 0.5, "difference": 0.4, "interval": [0.2, 0.6], "word": "better"},
    },
}


@pytest.fixture
def folder(tiny_run, tmp_path: Path) -> Path:
    """A folder with two runs, `one` and `two`: the second has another recipe, other rows, and scores."""
    one = Run.open(shutil.copytree(tiny_run.path, tmp_path / "runs" / "one"))
    two = Run.open(shutil.copytree(tiny_run.path, tmp_path / "runs" / "two"))
    for run in (one, two):
        run.recipe_path.write_text(run.recipe_path.read_text().replace("name: tiny", f"name: {run.path.name}"))
    two.recipe_path.write_text(two.recipe_path.read_text().replace("learning_rate: 0.001", "learning_rate: 0.002"))
    manifest = two.manifest
    manifest["rows"]["train"] = {"rows": 1234, "sha256": "f" * 64}
    manifest["versions"]["torch"] = "9.9.9"
    two.write_manifest(manifest)
    (two.path / "eval").mkdir()
    (two.path / "eval" / "summary.json").write_text(json.dumps(SUMMARY))
    two.make_latest()
    return tmp_path / "runs"


def typed(*arguments: str, code: int = 0) -> str:
    """What `finetune-kit runs` prints."""
    done = CliRunner().invoke(app, ["runs", *arguments], env={"COLUMNS": "160"})
    assert done.exit_code == code, done.output
    return done.output


def test_the_runs_of_a_folder_are_a_line_each(folder: Path) -> None:
    lines = typed("--folder", str(folder)).splitlines()
    assert len(lines) == 3
    by_name = {line.split()[0]: line for line in lines[1:]}
    assert re.search(r"finished +tiny-llama +50 +\d+ +\d\.\d{3}", by_name["one"])
    assert re.search(r"1,234 .* pass@1 0\.100 → 0\.500, better", by_name["two"])


def test_what_can_not_be_read_is_listed_as_such_and_stops_nothing(folder: Path) -> None:
    (folder / "empty").mkdir()
    (folder / "a file").write_text("")
    (folder / ".one.77.partial").mkdir()
    torn = shutil.copytree(folder / "one", folder / "torn")
    (torn / "manifest.json").write_text('{"status": ')
    other = shutil.copytree(folder / "one", folder / "other")
    (other / "recipe.yaml").write_text("model_type: gbm\n")
    bare = shutil.copytree(folder / "one", folder / "bare")
    (bare / "manifest.json").unlink()
    found = {run.name: run.status for run in list_runs(folder)}
    readable = {"one": "finished", "two": "finished"}
    assert found == {**readable, **dict.fromkeys(["empty", "torn", "other", "bare"], "unreadable")}


def test_a_run_whose_manifest_or_scores_are_torn_is_told_and_not_a_traceback(folder: Path) -> None:
    (folder / "two" / "eval" / "summary.json").write_text('{"verdict": {}, "metrics": {}}')
    assert {run.name: run.status for run in list_runs(folder)} == {"one": "finished", "two": "unreadable"}
    for name in ("one", "two"):
        (folder / name / "manifest.json").write_text('{"status": ')
        assert "can't be shown: its manifest.json or" in typed(name, "--folder", str(folder), code=2)


def test_figures_that_an_evaluation_could_not_make_are_hyphens(folder: Path) -> None:
    """A mean over no rows is null in `summary.json`."""
    nothing = {"base": None, "tuned": None, "difference": None, "interval": [None, None], "word": ""}
    summary = {**SUMMARY, "metrics": {**SUMMARY["metrics"], "chrf": nothing}}
    (folder / "two" / "eval" / "summary.json").write_text(json.dumps(summary))
    assert {run.status for run in list_runs(folder)} == {"finished"}
    assert re.search(r"^ +chrf +- \(-\) *$", typed("two", "--folder", str(folder)), re.M)


def test_a_terminal_of_80_columns_has_two_lines_a_run(folder: Path, monkeypatch) -> None:
    monkeypatch.setattr("finetune_kit.run_list_view.WIDE", 161)
    text = typed("--folder", str(folder))
    assert re.search(r"^two  finished in .+, \d\d-\d\d \d\d:\d\d$", text, re.M)
    assert re.search(
        r"^  tiny-llama, 1,234 rows, \d+ steps, val loss \d\.\d{3}, pass@1 0\.100 → 0\.500, better", text, re.M
    )


def test_a_run_that_goes_on_says_how_far_it_is(folder: Path) -> None:
    run = Run.open(folder / "one")
    kept = {key: value for key, value in run.manifest.items() if key in {"rows", "versions", "base_model"}}
    run.write_manifest({**kept, "status": "training"})
    run.log_path.write_text(
        '{"type": "step", "step": 1, "loss": 2.0}\n'
        '{"type": "validation", "step": 1, "loss": 1.5}\n'
        '{"type": "validation", "step": 2, "loss": 1.7}\n'
        '{"type": "step", "step": 2, "loss": 1.0}\n'
        '{"type": "st'
    )
    with locked(run.path):
        one = next(found for found in list_runs(folder) if found.name == "one")
    assert (one.status, one.steps, one.validation_loss, one.seconds) == ("running", 2, 1.5, None)
    assert next(found for found in list_runs(folder) if found.name == "one").status == "training"


def test_two_runs_differ_in_what_is_shown_and_in_nothing_else(folder: Path) -> None:
    runs = [Run.open(folder / name) for name in ("one", "two")]
    found = {(one.kind, one.key): one.values for one in compare_runs(runs)}
    hashed = f"50 rows, {runs[0].manifest['rows']['train']['sha256'][:12]}"
    assert found == {
        ("recipe", "trainer.learning_rate"): ("0.001", "0.002"),
        ("data", "train"): (hashed, "1234 rows, ffffffffffff"),
        ("versions", "torch"): (runs[0].manifest["versions"]["torch"], "9.9.9"),
        ("scores", "bleu"): ("", "10.00 → 20.00 (+10.00)"),
        ("scores", "pass@1"): ("", "0.100 → 0.500 (+0.400 [+0.200, +0.600], better)"),
    }
    text = typed("one", "two", "--folder", str(folder))
    assert re.search(r"^ +one +two\b.*^ recipe.*^   trainer.learning_rate +0\.001 +0\.002", text, re.M | re.S)
    assert "adapter.r" not in text
    assert json.loads(typed("one", "two", "--folder", str(folder), "--json"))["runs"] == ["one", "two"]


def test_runs_that_are_equal_are_said_to_be(folder: Path) -> None:
    assert typed(str(folder / "one"), str(folder / "one")).startswith("Nothing differs between one and one")


def test_one_run_is_shown_in_full(folder: Path) -> None:
    text = typed("two", "--folder", str(folder))
    for said in ("trainer.learning_rate", "adapter.target_modules", "1234 rows", "9.9.9"):
        assert said in text
    # rich would take a list for one of its marks
    assert '["q_proj", "k_proj"' in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["nowhere"], "There is no run"), (["--folder", "nowhere"], "There is no folder nowhere; `finetune-kit train`")],
)
def test_what_is_not_there_is_told(arguments: list[str], message: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert message in typed(*arguments, code=2)


def test_a_folder_without_runs_is_told(tmp_path: Path) -> None:
    assert typed("--folder", str(tmp_path)) == f"There is no run in {tmp_path} yet.\n"
    assert typed("--folder", str(tmp_path), "--json") == "[]\n"


def test_a_notebook_shows_the_facts_the_curve_the_scores_and_answers(folder: Path) -> None:
    run = Run.open(folder / "two")
    hostile = "</pre><script>alert(1)</script>"
    answers = [{"instruction": f"do {n}", "input": "", "output": "x", "completion": hostile} for n in range(7)]
    (run.path / "predictions").mkdir(exist_ok=True)
    run.predictions_path("tuned").write_text("".join(json.dumps(one) + "\n" for one in answers))
    html = run._repr_html_()
    for said in (
        "<strong>two</strong>: finished",
        "1234 rows",
        "validation loss",
        'src="data:image/png;base64,iVBOR',
        'alt="Loss curve of two"',
        "The tuned model is better: pass@1 +0.400.",
        "<td>pass@1</td><td>0.100</td><td>0.500</td>",
        "<th>generated output</th>",
        "white-space: pre-wrap",
        "&lt;/pre&gt;&lt;script&gt;",
        "2 more are in",
    ):
        assert said in html, said
    assert "<script" not in html and html.count("<pre") == 5 * 4


def test_a_notebook_shows_a_run_that_has_only_begun(folder: Path) -> None:
    run = Run.open(folder / "one")
    run.write_manifest({"status": "interrupted"})
    (run.path / "loss.png").unlink()
    shutil.rmtree(run.path / "predictions", ignore_errors=True)
    html = run._repr_html_()
    assert "<strong>one</strong>: interrupted" in html and "<img" not in html and "<table" not in html
