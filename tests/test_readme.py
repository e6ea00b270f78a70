"""The README's commands are the ones that work; tests/docs/test_markdown.py has what holds for all pages."""

import os
import re
import subprocess
import sys

from tests.conftest import ROOT

README = (ROOT / "README.md").read_text()
SOURCES = {**os.environ, "PYTHONPATH": str(ROOT)}
SETUP = 'python3 -m venv .venv && .venv/bin/python -m pip install "nox[uv]" && .venv/bin/nox -s'


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_two_commands_do_all_the_setup() -> None:
    lines = [line for block in blocks("console") for line in block.splitlines()]
    assert f"{SETUP} train eval" in lines
    assert f"{SETUP} tests" in lines


def test_the_python_example_runs_up_to_the_training(tmp_path) -> None:
    """Its names exist and its recipe loads; training itself is tested elsewhere."""
    example, _ = blocks("python")
    lines = example.splitlines()
    script = "\n".join([lines[0], 'Recipe.load("smollm2-135m")'])
    assert 'train(Recipe.load("smollm2-135m"), "rows.jsonl")' in example
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)


def test_the_check_says_what_is_wrong(tmp_path) -> None:
    _, example = blocks("python")
    done = subprocess.run(
        [sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True, check=True, env=SOURCES
    )
    assert done.stdout.startswith("Verdict(status='wrong_answer', detail='assert add(1, 2) == 3'")


def test_the_suite_loads(tmp_path) -> None:
    from evals.suite import Suite

    (example,) = blocks("yaml")
    (tmp_path / "exercises.eval.yaml").write_text(example)
    suite = Suite.load(tmp_path / "exercises.eval.yaml")
    assert [gate.text for gate, _ in suite.gates] == ["pass@1.tuned >= 0.30", "verdict == better"]


def test_nothing_names_a_package_index_or_a_path_of_a_machine() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    hosts = re.compile(r"(pythonhosted\.org|\bpy" + r"pi\.org|deb\.debian\.org|registry\.npmjs)")
    for name in tracked:
        if name.endswith((".py", ".md", ".toml", ".yaml", ".txt", "run")) and (ROOT / name).exists():
            assert not hosts.search((ROOT / name).read_text()), name
    assert all(
        re.fullmatch(r"#.*|[\w.-]+==[\w.+!-]+", line)
        for line in (ROOT / "constraints.txt").read_text().split("\n")
        if line
    )
