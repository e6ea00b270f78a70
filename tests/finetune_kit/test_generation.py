import json
import subprocess
import sys
from typing import Any

import pytest
import torch

from finetune_kit import decoding
from finetune_kit.decoding import decode, growing_cache
from finetune_kit.errors import KitError
from finetune_kit.generation import Generator, generate, predict_file, predict_test_rows
from finetune_kit.recipe import Generation
from finetune_kit.run import Run


@pytest.fixture(scope="module")
def model(tiny_llama):
    from transformers import LlamaForCausalLM

    return LlamaForCausalLM.from_pretrained(tiny_llama).eval()


@pytest.fixture(scope="module")
def tokenizer(tiny_llama):
    from finetune_kit.loading import load_tokenizer

    return load_tokenizer(str(tiny_llama))


@pytest.fixture(scope="module")
def prompts(tokenizer, exercise_rows) -> list[list[int]]:
    return [tokenizer(row["instruction"]).input_ids for row in exercise_rows[:20]]


def plain(model, prompt: list[int], n: int) -> list[int]:
    """Greedy tokens by transformers itself, one prompt alone."""
    output = model.generate(torch.tensor([prompt]), do_sample=False, max_new_tokens=n, pad_token_id=2)
    return output[0, len(prompt) :].tolist()


def texts_of(*arguments: Any, **options: Any) -> list[str]:
    return [completion.text for completion in decode(*arguments, **options)]


GREEDY = Generation(max_new_tokens=16, do_sample=False)


@pytest.mark.parametrize("max_batch", [1, 7, 64])
def test_greedy_text_is_that_of_transformers_whatever_the_batch(model, tokenizer, prompts, max_batch: int) -> None:
    texts = texts_of(model, tokenizer, prompts, GREEDY, max_batch=max_batch)
    expected = [tokenizer.decode(plain(model, prompt, 16), skip_special_tokens=True) for prompt in prompts]
    assert texts == expected


@pytest.mark.parametrize("max_batch", [1, 7, 64])
@pytest.mark.parametrize("penalty", [1.0, 1.3])
def test_a_beginning_that_all_prompts_share_changes_no_token(
    model, tokenizer, prompts, max_batch: int, penalty: float, monkeypatch
) -> None:
    """It goes through the model once; one prompt is no longer than it but for a token, the others differ in length."""
    head = tokenizer("def solve(values): return sum(values) / len(values)  # " * 3).input_ids
    assert len(head) > decoding.SHARED_TOKENS
    asked = [[*head, *prompt] for prompt in prompts[:9]] + [[*head, prompts[0][0]]]
    settings = GREEDY.model_copy(update={"repetition_penalty": penalty})
    shared = texts_of(model, tokenizer, asked, settings, max_batch=max_batch)
    lengths: list[int] = []
    forward = type(model).forward

    def counted(self, *args: Any, **kwargs: Any) -> Any:
        lengths.append(kwargs["input_ids"].shape[1])
        return forward(self, *args, **kwargs)

    monkeypatch.setattr(type(model), "forward", counted)
    texts_of(model, tokenizer, asked, settings, max_batch=max_batch)
    assert sum(length >= len(head) for length in lengths) == 1
    monkeypatch.setattr(decoding, "SHARED_TOKENS", 10_000)
    assert texts_of(model, tokenizer, asked, settings, max_batch=max_batch) == shared


def test_rows_end_at_their_end_token_and_leave_the_batch(model, tokenizer, prompts) -> None:
    """Tokens that some rows produce early are declared end tokens, so that rows finish at different times."""
    produced = [plain(model, prompt, 16) for prompt in prompts]
    ends = {tokens[3] for tokens in produced[::3]}
    before = model.generation_config.eos_token_id
    model.generation_config.eos_token_id = sorted(ends)
    done: list[int] = []
    try:
        completions = decode(model, tokenizer, prompts, GREEDY, on_done=lambda: done.append(1))
    finally:
        model.generation_config.eos_token_id = before
    expected = []
    for tokens in produced:
        cut = next((i for i, token in enumerate(tokens) if token in ends), len(tokens))
        expected.append(tokenizer.decode(tokens[:cut], skip_special_tokens=True))
    assert [completion.text for completion in completions] == expected
    assert len(done) == len(prompts) and len({completion.tokens for completion in completions}) > 1
    ended = [any(token in ends for token in tokens) for tokens in produced]
    assert [completion.finish_reason == "end" for completion in completions] == ended
    assert {completion.finish_reason for completion in completions} == {"end", "length"}


def test_another_end_token_ends_a_completion_too(model, tokenizer, prompts) -> None:
    """What ends a turn in a chat template, where that is not the tokenizer's end token."""
    end = plain(model, prompts[0], 16)[3]
    (completion,) = decode(model, tokenizer, prompts[:1], GREEDY, end_id=end)
    before = plain(model, prompts[0], 16)[: plain(model, prompts[0], 16).index(end)]
    assert completion.text == tokenizer.decode(before) and completion.tokens == len(before) + 1
    assert completion.finish_reason == "end"
    assert decode(model, tokenizer, prompts[:1], GREEDY)[0].tokens == 16


def test_a_stop_string_ends_a_completion_before_it(model, tokenizer, prompts) -> None:
    whole = texts_of(model, tokenizer, prompts[:4], GREEDY)
    stop = whole[0][5:8]
    stopped = texts_of(model, tokenizer, prompts[:4], GREEDY.model_copy(update={"stop_strings": [stop]}))
    assert stopped == [text.split(stop)[0] for text in whole]


def test_a_sample_depends_on_the_seed_and_not_on_the_neighbours(model, tokenizer, prompts) -> None:
    hot = Generation(max_new_tokens=12, temperature=1.0, top_k=20, top_p=0.95)
    together = texts_of(model, tokenizer, prompts, hot, seed=1)
    assert texts_of(model, tokenizer, prompts, hot, seed=1, max_batch=3) == together
    assert texts_of(model, tokenizer, prompts, hot, seed=2) != together


def test_the_cache_keeps_the_rows_it_is_told_to(model) -> None:
    cache = growing_cache(model.config, new_tokens=2)
    states = torch.arange(3 * 2 * 4 * 16, dtype=torch.float32).view(3, 2, 4, 16)
    cache.layers[0].update(states, states + 1)
    cache.layers[0].batch_select_indices(torch.tensor([2, 0]))
    keys, values = cache.layers[0].update(states[:2, :, :1], states[:2, :, :1])
    assert torch.equal(keys[:, :, :4], states[[2, 0]]) and torch.equal(values[:, :, :4], states[[2, 0]] + 1)
    assert keys.shape == (2, 2, 5, 16) and cache.layers[0].get_seq_length() == 5


@pytest.mark.parametrize("kind", ["gemma2", "mistral"])
def test_models_with_other_attention_go_the_usual_way(kind: str, tokenizer, prompts) -> None:
    from transformers import CONFIG_MAPPING, AutoModelForCausalLM

    from finetune_kit.decoding import _attends_to_everything

    torch.manual_seed(0)
    config = CONFIG_MAPPING[kind](
        vocab_size=400,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        sliding_window=8,
        eos_token_id=2,
        pad_token_id=2,
    )
    model = AutoModelForCausalLM.from_config(config).eval()
    assert not _attends_to_everything(model.config, 100)
    texts = texts_of(model, tokenizer, prompts[:5], GREEDY)
    assert texts == [tokenizer.decode(plain(model, prompt, 16), skip_special_tokens=True) for prompt in prompts[:5]]


@pytest.mark.usefixtures("float32_device")
def test_plain_peft_gives_the_same_tokens_as_the_kit(tiny_run: Run, tiny_llama, tokenizer) -> None:
    """The adapter loads with PeftModel alone, on the base model quantised as it was in training."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    quantisation = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.float32,
    )
    base = AutoModelForCausalLM.from_pretrained(tiny_llama, quantization_config=quantisation, dtype=torch.float32)
    peft = PeftModel.from_pretrained(base, tiny_run.adapter_path).eval()
    generator = Generator(tiny_run)
    rows = tiny_run.rows("train")[:8]
    for row, text in zip(rows, generate(tiny_run, rows), strict=True):
        prompt = generator.prompt.encode(row, tokenizer)
        output = peft.generate(torch.tensor([prompt]), do_sample=False, max_new_tokens=12, pad_token_id=2)
        assert tokenizer.decode(output[0, len(prompt) :], skip_special_tokens=True) == text


def test_base_is_the_model_without_the_adapter(tiny_run: Run) -> None:
    generator = Generator(tiny_run)
    rows = tiny_run.rows("train")[:8]
    base = [completion.text for completion in generator.complete(rows, "base")]
    assert [completion.text for completion in generator.complete(rows, "tuned")] != base
    with torch.no_grad():
        for name, parameter in generator._model.named_parameters():
            if "lora_B" in name:
                parameter.zero_()
    assert [completion.text for completion in generator.complete(rows, "tuned")] == base


@pytest.mark.slow
def test_a_run_loaded_in_a_new_process_gives_the_same_text(tiny_run: Run) -> None:
    rows = tiny_run.rows("train")[:4]
    script = (
        "import json, sys; from finetune_kit import Run, generate\n"
        "print(json.dumps(generate(Run.load(sys.argv[1]), json.loads(sys.argv[2]))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tiny_run.path), json.dumps(rows)], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout.splitlines()[-1]) == generate(tiny_run, rows)


def test_predictions_carry_the_row_and_are_not_made_twice(tiny_run: Run, monkeypatch) -> None:
    paths = predict_test_rows(tiny_run)
    lines = [json.loads(line) for line in paths["tuned"].read_text().splitlines()]
    keys = [
        "row_id",
        "group",
        "instruction",
        "input",
        "output",
        "tests",
        "settings_hash",
        "completion",
        "finish_reason",
    ]
    assert [list(line) for line in lines] == [keys] * len(tiny_run.rows("test"))
    assert {line["settings_hash"] for line in lines} == {Generator(tiny_run).settings_hash("tuned")}
    assert Generator(tiny_run).settings_hash("base") != Generator(tiny_run).settings_hash("tuned")
    monkeypatch.setattr(Generator, "complete", lambda *args: pytest.fail("generated again"))
    assert predict_test_rows(tiny_run) == paths


def test_a_file_of_rows_keeps_its_ids_and_what_is_answered_already(tiny_run: Run, tmp_path, monkeypatch) -> None:
    """The rows of a suite, as `python -m evals rows` writes them: other ids, other columns, one without an answer."""
    rows = [
        {"row_id": f"Suite/{i}", "instruction": row["instruction"], "input": "", "output": row["output"], "entry": "f"}
        for i, row in enumerate(tiny_run.rows("test")[:3])
    ]
    del rows[2]["output"]
    source, output = tmp_path / "suite.rows.jsonl", tmp_path / "answers.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    predict_file(tiny_run, str(source), "tuned", output)
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    assert [line["row_id"] for line in lines] == ["Suite/0", "Suite/1", "Suite/2"]
    assert [line["completion"] for line in lines] == generate(tiny_run, rows)
    assert lines[0]["output"] == rows[0]["output"] and lines[2]["output"] == ""

    asked: list[str] = []
    complete = Generator.complete

    def counted(self, rows: Any, *args: Any) -> Any:
        asked.extend(row["row_id"] for row in rows)
        return complete(self, rows, *args)

    monkeypatch.setattr(Generator, "complete", counted)
    rows[1]["instruction"] = "Something else under the same id"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    predict_file(tiny_run, str(source), "tuned", output)
    assert asked == ["Suite/1"]
    assert [json.loads(line)["instruction"] for line in output.read_text().splitlines()][1] == rows[1]["instruction"]
    predict_file(tiny_run, str(source), "base", output)
    assert asked[1:] == ["Suite/0", "Suite/1", "Suite/2"]


def test_a_file_that_holds_no_predictions_is_not_written_over(tiny_run: Run, rows_file, tmp_path) -> None:
    output = tmp_path / "notes.jsonl"
    output.write_text("my notes\n")
    with pytest.raises(KitError, match=r"notes.jsonl holds something else than predictions; move it"):
        predict_file(tiny_run, str(rows_file), "tuned", output)
    assert output.read_text() == "my notes\n"


def test_a_row_without_a_column_of_the_prompt_is_named(tiny_run: Run) -> None:
    with pytest.raises(KitError, match="row 2: there is no column 'instruction' \\(found: input\\)"):
        generate(tiny_run, [{"instruction": "x"}, {"input": "x"}])


def test_a_recipe_with_features_of_other_names_is_scored_on_them(tmp_path, tiny_recipe, exercise_rows) -> None:
    import pandas as pd

    from finetune_kit.training import train

    frame = pd.DataFrame([{"question": row["instruction"], "answer": row["output"]} for row in exercise_rows[:24]])
    recipe = tiny_recipe(
        f"run.folder={tmp_path}",
        "run.name=names",
        "input_features=[{name: question}]",
        "output_features=[{name: answer}]",
        "prompt.template='{question}'",
        "generation.max_new_tokens=2",
        "preprocessing.split.probabilities=[0.7, 0.0, 0.3]",
    )
    run = train(recipe, frame)
    (line, *_) = [json.loads(line) for line in predict_test_rows(run)["tuned"].read_text().splitlines()]
    assert (line["instruction"], line["output"]) in set(zip(frame["question"], frame["answer"], strict=True))
