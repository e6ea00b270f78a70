import io
import re
import sys

import pytest

from finetune_kit.logs import captured
from finetune_kit.progress import View


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_plain_lines_say_how_far_it_is() -> None:
    shown = io.StringIO()
    with View(shown).stage("Training", 4, "step") as stage:
        for _ in range(4):
            stage.advance(1, "loss 1.0")
    assert shown.getvalue() == "Training ...\n  step 4 of 4, loss 1.0\n"


def test_a_bar_on_a_terminal_shows_the_note_and_not_what_the_libraries_print(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    shown = Terminal()
    view = View(shown)
    with captured(tmp_path / "log"), view.stage("Training", 2, "step") as stage:
        print("a banner")
        print("a warning", file=sys.stderr)
        stage.advance(1, "loss 0.5")
        stage.advance(1, "loss 0.4")
    assert "loss 0.4" in shown.getvalue() and "2/2" in shown.getvalue()
    assert "banner" not in shown.getvalue() and "warning" not in shown.getvalue()
    assert (tmp_path / "log").read_text() == "a banner\na warning\n"


def test_quiet_is_quiet() -> None:
    shown = io.StringIO()
    view = View(shown, quiet=True)
    with view.stage("Training", 2) as stage:
        stage.advance()
    view.say("x")
    assert shown.getvalue() == ""


def test_the_live_line_fits_a_terminal_of_80_columns(monkeypatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    shown = Terminal()
    note = "loss 12.345, val 12.345, 12345 tokens/s, 13.4 GB"
    with View(shown).stage("Training", 1900, "step") as stage:
        stage.advance(1000, note)
    lines = re.split(r"[\r\n]", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.getvalue()))
    assert any(note in line and "1000/1900" in line for line in lines)
    assert max(map(len, lines)) <= 80


def test_a_stage_of_unknown_length_counts_nothing(monkeypatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    shown = Terminal()
    with View(shown).stage("Loading the libraries"):
        pass
    assert "Loading the libraries" in shown.getvalue() and "0/" not in shown.getvalue()


@pytest.mark.parametrize(("term", "colour", "file"), [("dumb", "", Terminal()), ("xterm", "1", io.StringIO())])
def test_plain_lines_where_no_line_can_be_written_anew(term, colour, file, monkeypatch) -> None:
    """A terminal that knows no control codes; a file, which `FORCE_COLOR` makes rich take for a terminal."""
    monkeypatch.setenv("TERM", term)
    monkeypatch.setenv("FORCE_COLOR", colour)
    with View(file).stage("Training", 2, "step") as stage:
        stage.advance(2, "loss 1.0")
    assert file.getvalue() == "Training ...\n  step 2 of 2, loss 1.0\n"


def test_the_time_left_is_told_by_what_was_done_since(monkeypatch) -> None:
    """A run that was gone on with at step 900 of 1,000 took 20 s for 10 steps: 90 more take 180 s."""
    now = 0.0
    monkeypatch.setattr("finetune_kit.progress.time.monotonic", lambda: now)
    shown = io.StringIO()
    with View(shown).stage("Training", 1000, "step", done=900) as stage:
        now = 20.0
        stage.advance(10, "loss 1.0")
    assert shown.getvalue() == "Training ...\n  step 910 of 1000, loss 1.0, 3 min 00 s left\n"


NOTEBOOK = """
import time

from finetune_kit.progress import View

with View.of_a_script().stage("Training", 300, "step") as stage:
    for step in range(300):
        stage.advance(1, "loss <1.0>")
with View.of_a_script().stage("Half", 2, "step") as stage:
    time.sleep(0.6)
    stage.advance(1, "loss 1.0")
View.of_a_script().say("done")
"""


def test_a_notebook_shows_one_line_that_is_written_anew(tmp_path) -> None:
    """In a kernel, as Jupyter and Colab run one."""
    import nbformat
    from nbclient import NotebookClient

    cells = [nbformat.v4.new_code_cell(NOTEBOOK)]
    book = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(book, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    line, half, said = book.cells[0].outputs
    assert "Training: step 300 of 300, loss &lt;1.0&gt;" in line["data"]["text/html"]
    assert 'aria-label="Training" value="300" max="300"' in line["data"]["text/html"]
    assert "Half: step 1 of 2, loss 1.0, 1 s left" in half["data"]["text/html"]
    assert said["text"] == "done\n"


def test_a_script_shows_nothing_unless_it_asks(capsys) -> None:
    with View.of_a_script().stage("Training", 2) as stage:
        stage.advance(2)
    assert capsys.readouterr().out == ""
