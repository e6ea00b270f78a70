"""`finetune-kit init`: a recipe made from rows loads, says what was found, and trains."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from finetune_kit.cli import app
from finetune_kit.errors import KitError
from finetune_kit.recipe import Recipe
from finetune_kit.scaffold import find_columns, scaffold


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["instruction", "input", "output"], {}),
        (["id", "Question", "answer"], {"instruction": "Question", "output": "answer"}),
        (["prompt", "completion"], {"instruction": "prompt", "output": "completion"}),
        (["text", "code"], {"instruction": "text", "output": "code"}),
        (["prompt", "instruction", "response"], {"output": "response"}),
        (["question", "context", "solution"], {"instruction": "question", "input": "context", "output": "solution"}),
    ],
)
def test_columns_are_found_by_what_they_are_called(names, expected) -> None:
    found = find_columns(names)
    assert {ours: theirs for ours, theirs in found.items() if ours != theirs} == expected
    assert set(found.values()) <= set(names)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a", "answer"], "No column looks like the question (there are: a, answer); call it 'instruction'"),
        (["question", "b"], "No column looks like the answer (there are: question, b); call it 'output'"),
        (["messages"], "'messages' holds whole talks; make rows of question and answer of it."),
    ],
)
def test_columns_that_are_not_found(names, message) -> None:
    with pytest.raises(KitError) as caught:
        find_columns(names)
    assert message in str(caught.value)


def write_rows(path: Path, rows: list[dict]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def load(text: str, folder: Path) -> Recipe:
    path = folder / "recipe.yaml"
    path.write_text(text)
    return Recipe.load(str(path))


def test_lengths_are_those_of_the_tokenizer(tmp_path, tiny_llama, tokenizer_factory) -> None:
    """By an independent route: one row in 150 is long, so that 99 % have as many tokens as all the others."""
    from finetune_kit.prompt import Prompt

    rows = [{"instruction": "Add one", "output": "x + 1"}] * 149 + [{"instruction": "Add one", "output": "x + 1" * 90}]
    text = scaffold(str(write_rows(tmp_path / "rows.jsonl", rows)), str(tiny_llama))
    recipe = load(text, tmp_path)
    tokenizer = tokenizer_factory()
    asked = len(tokenizer(Prompt(recipe.prompt.template).render(rows[0])).input_ids)
    most, longest = (asked + len(tokenizer(row["output"]).input_ids) + 1 for row in (rows[0], rows[-1]))
    cap = recipe.preprocessing.global_max_sequence_length
    assert cap % 64 == 0 and cap - 64 < most <= cap < longest
    assert f"99 % have {most} tokens at most, and the longest {longest}" in text
    assert recipe.adapter.target_modules is not None and "down_proj" in recipe.adapter.target_modules
    assert recipe.quantization is None, "a tiny model needs none"
    assert recipe.notes() == []


def test_answers_longer_than_the_context_make_a_recipe_that_is_right(tmp_path, tiny_llama) -> None:
    from finetune_kit import check

    rows = [{"instruction": f"Add {i}", "output": "x + 1 " * (3000 if i < 4 else 1)} for i in range(40)]
    recipe = load(scaffold(str(write_rows(tmp_path / "rows.jsonl", rows)), str(tiny_llama)), tmp_path)
    assert (recipe.preprocessing.global_max_sequence_length, recipe.generation.max_new_tokens) == (2048, 1024)
    assert check(recipe, "T4").outlook.fits


def test_a_base_model_that_is_not_here_makes_the_cap_a_guess(tmp_path, rows_file) -> None:
    text = scaffold(str(rows_file), "nobody/coder-7b")
    recipe = load(text, tmp_path)
    assert "a guess: the base model's tokenizer is not on this machine yet" in text
    assert (recipe.base_model, recipe.preprocessing.global_max_sequence_length) == ("nobody/coder-7b", 512)
    assert recipe.quantization is not None and recipe.quantization.bits == 4
    assert recipe.trainer.learning_rate == 0.0002
    assert load(scaffold(str(rows_file), "nobody/coder-0.5B"), tmp_path).quantization is None


@pytest.mark.parametrize(
    ("inputs", "template", "other"),
    [
        (["x"] * 10, True, False),
        (["x"] * 8 + [""] * 2, True, True),
        (["x"] * 39 + [""], True, False),
        ([""] * 10, False, False),
    ],
)
def test_the_input_is_in_the_template_where_there_is_one(tmp_path, inputs, template: bool, other: bool) -> None:
    rows = [{"question": f"q{i}", "context": text, "answer": "a"} for i, text in enumerate(inputs)]
    recipe = load(scaffold(str(write_rows(tmp_path / "rows.jsonl", rows)), "nobody/coder-7b"), tmp_path)
    assert ("{input}" in recipe.prompt.template) == template
    assert (recipe.prompt.template_without_input is not None) == other
    assert recipe.data is not None
    expected = {"instruction": "question", "output": "answer", **({"input": "context"} if template else {})}
    assert recipe.data.columns == expected


def test_few_rows_are_seen_more_often(tmp_path) -> None:
    seen = []
    for count in (100, 1000, 3000):
        rows = write_rows(tmp_path / "rows.jsonl", [{"instruction": str(i), "output": "a"} for i in range(count)])
        recipe = load(scaffold(str(rows), "nobody/coder-7b"), tmp_path)
        seen.append((recipe.trainer.epochs, recipe.trainer.batch_size * recipe.trainer.gradient_accumulation_steps))
    assert seen == [(3, 8), (2, 8), (1, 16)]


def test_names_that_yaml_would_misread_are_quoted(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("yes: no.csv").write_text("Question,Answer\na,b\n")
    recipe = load(scaffold("yes: no.csv", "nobody/coder-7b"), tmp_path)
    assert recipe.data is not None and recipe.data.source == "yes: no.csv"


def run_cli(*arguments: str):
    result = CliRunner().invoke(app, list(arguments))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_no_recipe_is_overwritten_unless_asked(tmp_path, rows_file, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["init", str(rows_file), "--base-model", "nobody/coder-7b"]
    done = run_cli(*command)
    assert done.exit_code == 0 and "finetune-kit train recipe.yaml" in done.stdout
    Path("recipe.yaml").write_text("mine")
    done = run_cli(*command)
    assert done.exit_code == 2 and "recipe.yaml exists already" in done.stderr
    assert Path("recipe.yaml").read_text() == "mine"
    assert run_cli(*command, "--force").exit_code == 0
    assert Recipe.load("recipe.yaml").base_model == "nobody/coder-7b"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["recipe.yaml", "rows.jsonl"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.jsonl"], "There is no file none.jsonl."),
        (["list.jsonl"], "list.jsonl:1: a row must be an object"),
        (["rows.jsonl", "--output", "no/such/recipe.yaml"], "no/such/recipe.yaml can't be written"),
        (["rows.jsonl", "--base-model", "."], "is a folder without a config.json"),
    ],
)
def test_a_mistake_is_one_sentence(arguments, message, tmp_path, rows_file, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("list.jsonl").write_text("[1]\n")
    model = [] if "--base-model" in arguments else ["--base-model", "nobody/coder-7b"]
    done = run_cli("init", *arguments, *model)
    assert done.exit_code == 2 and message in done.stderr
    assert not Path("recipe.yaml").exists()


@pytest.mark.slow
def test_what_it_writes_trains(tmp_path, tiny_llama, exercise_rows, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [{"Question": row["instruction"], "context": row["input"], "answer": row["output"]} for row in exercise_rows]
    write_rows(tmp_path / "mine.jsonl", rows)
    assert run_cli("init", "mine.jsonl", "--base-model", str(tiny_llama), "--output", "mine.yaml").exit_code == 0
    done = run_cli("train", "mine.yaml", "data.limit=20", "trainer.epochs=1", "run.name=mine")
    assert done.exit_code == 0, done.stderr
    assert "Trained" in done.stdout and Path("runs/mine/adapter/adapter_config.json").exists()
