import io
import sys

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
