"""The proof that training and use see the same prompts, on run folders as they are before the model is loaded."""

import json
from dataclasses import replace

import pandas as pd
import pytest

from finetune_kit import proof
from finetune_kit.errors import KitError
from finetune_kit.generation import Generator
from finetune_kit.loading import load_tokenizer
from finetune_kit.prompt import Prompt
from finetune_kit.proof import prove_prompts
from finetune_kit.recipe import Recipe
from finetune_kit.run import Run
from finetune_kit.truncation import Fitted, fit_rows
from tests.finetune_kit.test_prompt import CHAT

KEYS = [
    "prompt.template='Task: {instruction}\n\n{input}\n\nCode:'",
    "prompt.template_without_input='Task: {instruction}'",
]


@pytest.fixture
def rows(exercise_rows) -> list[dict[str, str]]:
    odd = {"instruction": " é\u2028\u0301\ufb01 \U0001f600\t </s>\r\n", "input": "", "output": "x", "row_id": "odd"}
    long = {"instruction": "Sum it", "input": "1, 2, 3\n" * 200, "output": "6", "row_id": "long"}
    return [*exercise_rows[:40], odd, long]


@pytest.fixture
def prepared(tmp_path, rows, tokenizer_factory):
    """Makes a run folder with recipe, rows and tokenizer, and fits the rows."""

    def make(*overrides: str, tokenizer=None, how: str = "drop") -> tuple[Run, dict[str, Fitted]]:
        recipe = Recipe.load("smollm2-135m", [*KEYS, f"run.folder={tmp_path}", "run.name=made", *overrides])
        tokenizer = tokenizer or tokenizer_factory()
        splits = {"train": rows[:30], "validation": rows[30:]}
        with Run.create(recipe, "made", {**splits, "test": []}, {}) as run:
            pass
        fitted = {}
        for split, chosen in splits.items():
            fitted[split] = fit_rows(chosen, Prompt.of(recipe), tokenizer, 300, "output", how)
        tokenizer.save_pretrained(run.adapter_path)
        return run, fitted

    return make


@pytest.mark.parametrize("adds_bos", [False, True])
@pytest.mark.parametrize("chat", [False, True])
@pytest.mark.parametrize("how", ["drop", "trim_input", "trim_answer"])
def test_every_row_is_proved_trimmed_ones_too(prepared, rows, tokenizer_factory, adds_bos, chat, how) -> None:
    tokenizer = tokenizer_factory(adds_bos)
    tokenizer.chat_template = CHAT
    run, fitted = prepared(f"prompt.chat_template={str(chat).lower()}", tokenizer=tokenizer, how=how)
    assert len(fitted["validation"].trimmed) == int(how == "trim_input")
    assert prove_prompts(run, fitted) == len(rows) - int(how != "trim_input")


def test_what_is_proved_is_what_generation_sends(prepared, monkeypatch, tiny_llama) -> None:
    run, fitted = prepared(f"base_model={tiny_llama}")
    sent = []
    monkeypatch.setattr("finetune_kit.serving.Server.complete", lambda self, prompts, *a, **k: sent.extend(prompts))
    Generator(run, "http://localhost:1").complete(fitted["train"].rows)
    assert sent == [example.input_ids[: example.prompt_length] for example in fitted["train"].examples]


def test_another_prompt_in_the_folder_is_named_and_both_are_shown(prepared) -> None:
    run, fitted = prepared()
    recipe = Recipe.load(str(run.recipe_path), ["prompt.template_without_input='Tasks: {instruction}'"])
    run.recipe_path.write_text(recipe.to_yaml())
    first = next(row for row in fitted["train"].rows if not row["input"])
    with pytest.raises(KitError) as caught:
        prove_prompts(run, fitted)
    message = str(caught.value)
    assert f"two prompts of the row {first['row_id']} (token " in message
    assert "'Task: " in message and "'Tasks: " in message


def test_a_tokenizer_that_changes_on_the_way_is_found(prepared) -> None:
    from tokenizers.processors import TemplateProcessing

    run, fitted = prepared()
    saved = load_tokenizer(str(run.adapter_path))
    saved.backend_tokenizer.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    saved.save_pretrained(run.adapter_path)
    with pytest.raises(KitError, match=rf"the row {fitted['train'].rows[0]['row_id']} \(token 1, \d+ and 1\)"):
        prove_prompts(run, fitted)


def test_tokens_that_do_not_say_the_text_are_found(prepared, monkeypatch) -> None:
    """The probe passes, and a row holds what the tokenizer loses all the same."""
    from tokenizers.normalizers import Replace

    run, fitted = prepared()
    tokenizer = load_tokenizer(str(run.adapter_path))
    tokenizer.backend_tokenizer.normalizer = Replace("\u2028", "")
    tokenizer.save_pretrained(run.adapter_path)
    examples = {
        split: replace(one, examples=Prompt.of(run.recipe).encode_examples(one.rows, tokenizer))
        for split, one in fitted.items()
    }
    with pytest.raises(KitError, match=r"the row odd \(the text and what its tokens say\)"):
        prove_prompts(run, examples)
    # A tokenizer that is known to lose such things is not held to that.
    monkeypatch.setattr(proof, "PROBE", "a\u2028b")
    assert prove_prompts(run, examples) == 41


def test_a_row_that_the_folder_has_otherwise_is_found(prepared) -> None:
    run, fitted = prepared()
    kept = run.rows("train")
    kept[3]["instruction"] += "!"
    run.write_rows("train", kept)
    with pytest.raises(KitError, match=kept[3]["row_id"]):
        prove_prompts(run, fitted)


def test_a_run_that_can_not_be_proved_leaves_nothing(tmp_path, tiny_recipe, exercise_rows, monkeypatch) -> None:
    from finetune_kit import training

    def changed(run, fitted):
        raise KitError("Training and use would see two prompts")

    monkeypatch.setattr(training, "prove_prompts", changed)
    monkeypatch.setattr(training, "_fit", lambda *args: pytest.fail("the model is loaded"))
    with pytest.raises(KitError, match="two prompts"):
        training.train(tiny_recipe(f"run.folder={tmp_path / 'runs'}"), pd.DataFrame(exercise_rows))
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_runs_manifest_counts_its_proved_rows(tiny_run: Run) -> None:
    manifest = json.loads((tiny_run.path / "manifest.json").read_text())
    assert manifest["prompts_proved"] == manifest["rows"]["train"]["rows"] + manifest["rows"]["validation"]["rows"]
    assert manifest["left_out"]["trimmed"] == {"train": [], "validation": []} and manifest["special_tokens"] == {}
