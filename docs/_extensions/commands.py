"""What can be called from a shell, as it says of itself."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
WIDTH = "76"

# One process prints the help of all verbs, since starting Python and typer is most of the time that it takes.
_HELP_OF_ALL = """
import json, sys, typer
from typer.testing import CliRunner
from finetune_kit.cli import app
from evals import __main__ as evals

runner, texts = CliRunner(), {}
def ask(app, name, *words):
    done = runner.invoke(app, [*words, "--help"], prog_name=name)
    assert done.exit_code == 0, (name, done.output)
    texts[" ".join([name, *words])] = done.stdout
ask(app, "finetune-kit")
for verb in typer.main.get_command(app).commands:
    ask(app, "finetune-kit", verb)
for verb, function in {"": evals.main, **evals.VERBS}.items():
    one = typer.Typer(add_completion=False)
    one.command()(function)
    ask(one, f"python -m evals {verb}".strip())
json.dump(texts, sys.stdout)
"""


@cache
def help_texts() -> dict[str, str]:
    """The help of every command and verb, by what one types."""
    return {name: _trimmed(text) for name, text in json.loads(_run(["-c", _HELP_OF_ALL])).items()}


@cache
def pytest_options() -> str:
    """What `pytest --help` says of the plugin's options."""
    text = _run(["-m", "pytest", "--help", "-p", "evals.plugin", "-c", os.devnull])
    group = text[text.index("evaluation suites") :]
    return _trimmed(group[: group.index("\n\n")].partition("\n")[2])


def nox_sessions(noxfile: Path = ROOT / "noxfile.py") -> dict[str, str]:
    """The sessions of the noxfile with what `nox -l` says of each."""
    found = {}
    for node in ast.parse(noxfile.read_text(encoding="utf-8")).body:
        decorators = node.decorator_list if isinstance(node, ast.FunctionDef) else []
        for one in decorators:
            if not ast.unparse(one).startswith("nox.session"):
                continue
            words = {word.arg: word.value for word in one.keywords} if isinstance(one, ast.Call) else {}
            name = ast.literal_eval(words["name"]) if "name" in words else node.name
            found[name] = (ast.get_docstring(node) or "").splitlines()[0]
    return found


def _run(arguments: list[str]) -> str:
    environment = {**os.environ, "TERMINAL_WIDTH": WIDTH, "COLUMNS": WIDTH, "NO_COLOR": "1", "TERM": "dumb"}
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    ).stdout


def _trimmed(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.splitlines()).strip("\n")
