"""The report of a training run: what it says, that it escapes, and when it is written."""

import json
import re
import shutil
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path

import pytest

from finetune_kit.evaluating import evaluate
from finetune_kit.progress import View
from finetune_kit.run import Run
from finetune_kit.run_report import SHOWN, render, write_report
from finetune_kit.training import train
from tests.finetune_kit.test_run_list import SUMMARY

HOSTILE = '</code></pre><script>alert(1)</script>"><img src=x onerror=alert(2)>'


@pytest.fixture
def run(tiny_run, tmp_path: Path) -> Run:
    """A run in a folder of its own, of which nothing was asked yet."""
    asked = shutil.ignore_patterns("predictions", "eval")
    return Run.load(shutil.copytree(tiny_run.path, tmp_path / "runs" / "tiny", ignore=asked))


def answer(run: Run) -> None:
    """Answers of two sides to more rows than are shown, and scores."""
    for side in ("base", "tuned"):
        lines = [
            {"row_id": f"r{n}", "instruction": f"do {n}", "input": "", "output": "x = 1", "completion": HOSTILE}
            for n in range(SHOWN + 3)
        ]
        run.predictions_path(side).parent.mkdir(exist_ok=True)
        run.predictions_path(side).write_text("".join(json.dumps(line) + "\n" for line in lines))
    (run.path / "eval").mkdir(exist_ok=True)
    (run.path / "eval" / "summary.json").write_text(json.dumps(SUMMARY))


class Balanced(HTMLParser):
    """Fails where a tag is closed that is not open, and keeps the tags' names and addresses."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses += [value or "" for name, value in attrs if name in {"href", "src", "srcset"}]
        if tag not in {"meta", "source", "img", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, self.getpos()


def parsed(html: str) -> Balanced:
    """The document, read."""
    reader = Balanced()
    reader.feed(html)
    assert reader.open == []
    return reader


def test_a_finished_run_has_one(tiny_run: Run) -> None:
    html = (tiny_run.path / "report.html").read_text()
    manifest = tiny_run.manifest
    for said in (
        "<title>tiny · training report</title>",
        "Training run, finished",
        f"The validation loss is {manifest['validation']['loss']:.3f}.",
        "finetune-kit eval says it",
        f"<dd>{manifest['optimizer_steps']}</dd>",
        "Histogram of the tokens of a training row",
        "the cap 512",
        manifest["rows"]["train"]["sha256"][:16],
        "learning_rate",
        manifest["versions"]["ludwig"],
        manifest["device"]["reason"],
    ):
        assert said in html, said
    assert "Answers, before and after" not in html


def test_it_needs_no_network_and_no_script(run: Run) -> None:
    answer(run)
    reader = parsed(render(run))
    assert reader.tags.isdisjoint({"script", "link", "iframe", "object"})
    assert all(re.match(r"#|data:image/svg|eval/report\.html$", address) for address in reader.addresses)


def test_after_an_evaluation_it_has_answers_and_scores(run: Run) -> None:
    answer(run)
    html = write_report(run).read_text()
    assert "The tuned model is better: pass@1 +0.400." in html
    assert '<td class="figure">0.100</td><td class="figure">0.500</td>' in html
    assert html.count('<details class="card even"') == SHOWN
    assert f"The first {SHOWN} of {SHOWN + 3} test rows" in html
    assert "<img src=x" not in html and "onerror" in html  # shown, and no tag


def test_answers_have_the_colours_of_what_they_are(run: Run) -> None:
    """Words are no Python with errors, and a fenced program is one."""
    said = {"base": "Sure! I can't.", "tuned": "```python\ndef f():\n    return 1\n```"}
    for side, completion in said.items():
        line = {"row_id": "r", "instruction": "do", "input": "", "output": "x", "completion": completion}
        run.predictions_path(side).parent.mkdir(exist_ok=True)
        run.predictions_path(side).write_text(json.dumps(line) + "\n")
    base, tuned = render(run).split("<h4>base</h4>")[1].split("<h4>tuned</h4>")
    assert '<span class="line">Sure! I can\'t.\n</span>' in base
    assert re.search(r'<span class="k">def</span>', tuned)


def test_what_is_cut_says_so(run: Run) -> None:
    instruction = "sort " + "these " * 50
    line = {"row_id": "r", "instruction": instruction, "input": "", "output": "x", "completion": "y\n" * 5_000}
    run.predictions_path("tuned").parent.mkdir(exist_ok=True)
    run.predictions_path("tuned").write_text(json.dumps(line) + "\n")
    html = render(run)
    assert html.count(instruction) == 1 and "All test rows." in html
    kept = html.split("<h4>tuned</h4>")[1].count(">y\n</span>")
    assert f"… {10_000 - 2 * kept + 1:,} more characters</code>" in html


def test_a_report_that_fails_fails_nothing_else(
    tiny_recipe, exercise_rows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever goes wrong in a picture: the run is trained, and its answers are scored."""

    statuses = []

    def fail(*_: object) -> None:
        statuses.append(Run.open(tmp_path / "tiny").manifest["status"])
        raise ValueError("no such colour")

    monkeypatch.setattr("finetune_kit.run_report.draw_losses", fail)
    said = StringIO()
    recipe = tiny_recipe(f"run.folder={tmp_path}", "run.name=tiny", "generation.max_new_tokens=12")
    trained = train(recipe, exercise_rows, view=View(said))
    assert statuses == ["training"]  # finished is said last, or what is killed meanwhile is not gone on with
    assert Run.load(trained.path).manifest["status"] == "finished"
    assert (trained.path.parent / "latest").resolve() == trained.path.resolve()
    assert "could not be written (ValueError: no such colour); all else is there" in said.getvalue()
    assert not (trained.path / "report.html").exists()
    assert evaluate(trained).verdict.sentence


def test_what_happened_on_the_way_is_told(run: Run) -> None:
    told = {
        "notices": ["The memory was not enough for <9,999> tokens."],
        "resumed_at_steps": [3, 5],
        "left_out": {"cap": 512, "train": ["a", "b"], "validation": [], "trimmed": {}},
        "dropped": {"secrets": ["c"]},
        "differences": [{"key": "trainer.x", "asked": "1", "used": "2"}],
    }
    run.write_manifest({**run.manifest, **told})
    html = render(run)
    for said in (
        "not enough for &lt;9,999&gt; tokens",
        "went on at step 3, 5",
        "2 train rows were longer than 512 tokens and left out",
        "1 rows were left out: secrets",
        "<code>trainer.x</code>: asked for 1, used 2",
    ):
        assert said in html, said
    parsed(html)


def test_a_run_that_has_only_begun_can_be_shown(run: Run) -> None:
    run.write_manifest({"status": "interrupted"})
    run.log_path.unlink()
    html = render(run)
    assert "Training run, interrupted" in html and "Curves" not in html
    parsed(html)


def test_an_evaluation_from_a_script_writes_it_anew(run: Run) -> None:
    before = (run.path / "report.html").read_text()
    evaluate(run)
    after = (run.path / "report.html").read_text()
    assert "Answers, before and after" in after and "Answers, before and after" not in before
    assert "pass@1" in after
