"""What several of the tests of `evals` need: rows on disk, processes by name, a user who is not root."""

from __future__ import annotations

import json
import os
import shlex
import stat
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from evals.evaluation import Evaluation
from evals.sandbox import child
from evals.suite import Suite

PROJECT = Path(__file__).resolve().parents[2]
NOBODY = 65_534
TALK_RUNNER = Path(__file__).with_name("talk_runner.py")
GOOD = "```python\ndef f():\n    return 1\n```"
"""An answer that passes the tests of `with_tests`."""


def _line(content: Any) -> bytes:
    if isinstance(content, bytes):
        return content
    return (content if isinstance(content, str) else json.dumps(content)).encode()


def written(folder: Path, text: str, name: str = "my.eval.yaml") -> Path:
    """Write a file, such as a suite."""
    path = folder / name
    path.write_text(text)
    return path


def with_tests(row_id: str, **more: Any) -> dict[str, Any]:
    """Make a row that asks for a function that gives 1."""
    return {"row_id": row_id, "instruction": "", "output": "def f():\n    return 1", "tests": "assert f() == 1", **more}


@pytest.fixture
def evaluation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Evaluation]:
    """Open an evaluation of rows and of answers by side, with more of a suite's keys; its verdicts are its own."""
    monkeypatch.setenv("EVALS_CACHE", str(tmp_path / "cache"))

    def make(rows: list[dict[str, Any]], answers: dict[str, list[dict[str, Any]]], text: str = "") -> Evaluation:
        for name, lines in {"r": rows, **answers}.items():
            written(tmp_path, "".join(json.dumps(line) + "\n" for line in lines), f"{name}.jsonl")
        sides = ", ".join(f"{side}: {side}.jsonl" for side in answers)
        suite = f"rows: {{source: r.jsonl}}\npredictions: {{{sides}}}\n{text}"
        return Evaluation(Suite.load(written(tmp_path, suite)))

    return make


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """Write a run folder from lists of lines; an object is written as JSON, a string or bytes as it is."""

    def write(base: Iterable[Any], tuned: Iterable[Any]) -> Path:
        folder = tmp_path / "run" / "predictions"
        folder.mkdir(parents=True)
        for side, lines in (("base", base), ("tuned", tuned)):
            encoded = [
                line
                if isinstance(line, bytes)
                else line.encode()
                if isinstance(line, str)
                else json.dumps(line).encode()
                for line in lines
            ]
            (folder / f"{side}.jsonl").write_bytes(b"".join(line + b"\n" for line in encoded))
        return folder.parent

    return write


@pytest.fixture
def row() -> Callable[..., dict[str, Any]]:
    """Make one good line, with changes."""

    def make(row_id: str | int = "r1", **changes: Any) -> dict[str, Any]:
        line: dict[str, Any] = {
            "row_id": row_id,
            "group": "seen",
            "instruction": "Add two numbers.",
            "input": "",
            "output": "def add(a, b):\n    return a + b",
            "tests": "assert add(1, 2) == 3",
            "completion": "def add(a, b):\n    return a + b",
            "settings_hash": "s1",
        }
        return {**line, **changes}

    return make


@pytest.fixture(scope="module")
def judged() -> Iterator[Callable[..., dict[str, Any]]]:
    """Judge programs by their tests in two processes, without the walls of the sandbox."""
    command = [sys.executable, "-S", "-s", "-P", str(TALK_RUNNER), str(Path(child.__file__).parent), "-q"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={}) as process:

        def judge(code: str, tests: str, kind: str = "asserts") -> dict[str, Any]:
            process.stdin.write(json.dumps({"code": code, "tests": tests, "kind": kind}) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        yield judge
        process.stdin.close()


@pytest.fixture
def processes_named() -> Callable[[str], list[int]]:
    """Find living processes by the name that they gave themselves with PR_SET_NAME."""

    def find(name: str) -> list[int]:
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    # Field 3 is the state; a zombie is dead already.
                    text = (entry / "stat").read_text()
                except OSError:
                    continue
                if f"({name})" in text and text.rsplit(")", 1)[1].split()[0] not in "ZX":
                    found.append(int(entry.name))
        return found

    return find


@pytest.fixture
def as_ordinary_user(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run Python code in a fresh interpreter as a user who is not root.

    Where the interpreter lies in a folder that only root may enter, that folder is covered, in a mount
    namespace of the test's own, by one that shows the interpreter to everybody.
    """

    def run(code: str, seconds: float = 50) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", code]
        if os.geteuid() == 0:
            command = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *command]
            needed = [Path(sys.base_prefix).resolve(), Path(sys.prefix).resolve(), PROJECT]
            command = _uncovered(command, needed, tmp_path)
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT)}
        environment |= {"TMPDIR": os.environ["TMPDIR"]} if "TMPDIR" in os.environ else {}
        return subprocess.run(
            command, env=environment, cwd="/", capture_output=True, text=True, timeout=seconds, check=False
        )

    return run


def _uncovered(command: list[str], needed: list[Path], tmp_path: Path) -> list[str]:
    hidden = {folder for path in needed for folder in path.parents if not folder.stat().st_mode & stat.S_IXOTH}
    if not hidden:
        return command
    steps = ["mount --make-rprivate /"]
    for number, folder in enumerate(sorted(hidden, key=lambda path: len(path.parts))[:1]):
        stage = tmp_path / f"stage-{number}"
        for path in needed:
            if folder in path.parents:
                target = stage / path.relative_to(folder)
                target.mkdir(parents=True)
                steps.append(shlex.join(["mount", "--bind", str(path), str(target)]))
        stage.chmod(0o755)
        steps.append(shlex.join(["mount", "--rbind", str(stage), str(folder)]))
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
        pytest.skip("the interpreter is in a folder of root's, and this root may not make a mount namespace")
    return ["unshare", "--mount", "sh", "-ec", "; ".join([*steps, "exec " + shlex.join(command)])]
