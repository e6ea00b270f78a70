import json
import math

import pytest
import torch

from finetune_kit.few_shot import EXAMPLES, FewShotPrompt, candidates, losses
from finetune_kit.generation import Generator, predict_test_rows
from finetune_kit.prompt import Prompt
from finetune_kit.recipe import Generation
from finetune_kit.run import Run

TEMPLATE = "### Instruction: {instruction}\n\n### Input: {input}\n\n### Code:\n"
CHAT = (
    "{% for message in messages %}<{{ message['role'] }}>{{ message['content'] }}</>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


@pytest.fixture
def tokenizer(tokenizer_factory):
    made = tokenizer_factory()
    made.chat_template = CHAT
    return made


@pytest.fixture
def train_rows(exercise_rows) -> list[dict[str, str]]:
    return exercise_rows[:30]


def way(style: str, rows: list[dict[str, str]]) -> FewShotPrompt:
    return FewShotPrompt(style, tuple(rows), Prompt(TEMPLATE), "output")  # type: ignore[arg-type]


def test_both_forms_show_examples_then_the_row(tokenizer) -> None:
    solved = {"row_id": "a", "instruction": "Add", "input": "1, 2", "output": "print(3)\n"}
    asked = {"instruction": "Sub", "input": ""}
    chat = tokenizer.decode(way("chat", [solved]).encode(asked, tokenizer))
    assert chat == "<user>Add\n\n1, 2</><assistant>print(3)</><user>Sub</><assistant>"
    plain = tokenizer.decode(way("template", [solved]).encode(asked, tokenizer))
    assert plain == (
        "### Instruction: Add\n\n### Input: 1, 2\n\n### Code:\nprint(3)\n\n"
        "### Instruction: Sub\n\n### Input: \n\n### Code:\n"
    )


def test_without_examples_the_template_is_the_recipes_own_prompt(tokenizer, train_rows) -> None:
    assert way("template", []).encode(train_rows[0], tokenizer) == Prompt(TEMPLATE).encode(train_rows[0], tokenizer)


def test_an_answer_ends_where_the_next_example_would_begin(train_rows) -> None:
    settings = Generation(stop_strings=["\n### "])
    assert way("chat", train_rows[:2]).generation(settings).stop_strings == []
    assert way("template", []).generation(settings).stop_strings == ["\n### "]
    stops = way("template", train_rows[:2]).generation(settings).stop_strings
    assert stops == ["\n### ", "\n### Instruction: "]


def test_the_candidates_are_those_of_the_tokenizer_and_do_not_depend_on_the_order(tokenizer, train_rows) -> None:
    prompt = Prompt(TEMPLATE)
    tried, measured = candidates(prompt, "output", train_rows, tokenizer)
    assert [(one.style, len(one.examples)) for one in tried] == [
        (style, count) for style in ("chat", "template") for count in reversed(EXAMPLES)
    ]
    assert not {row["row_id"] for row in tried[0].examples} & {row["row_id"] for row in measured}
    assert candidates(prompt, "output", train_rows[::-1], tokenizer) == (tried, measured)
    tokenizer.chat_template = None
    assert {one.style for one in candidates(prompt, "output", train_rows, tokenizer)[0]} == {"template"}
    tried, measured = candidates(prompt, "output", train_rows[:1], tokenizer)
    assert [len(one.examples) for one in tried] == [0] and measured == train_rows[:1]


def test_the_losses_are_those_of_the_answers_alone(tiny_llama, tokenizer, train_rows) -> None:
    """Against transformers' own loss, with the prompt's labels masked."""
    from transformers import LlamaForCausalLM

    model = LlamaForCausalLM.from_pretrained(tiny_llama).eval()
    tried = [way("chat", train_rows[:2]), way("template", [])]
    found = losses(tried, train_rows[5:8], model, tokenizer)
    for one, loss in zip(tried, found, strict=True):
        total = tokens = 0
        for row in train_rows[5:8]:
            prompt = one.encode(row, tokenizer)
            answer = tokenizer(row["output"].strip("\n")).input_ids
            labels = torch.tensor([[-100] * len(prompt) + answer])
            with torch.no_grad():
                mean = model(input_ids=torch.tensor([prompt + answer]), labels=labels).loss.item()
            total, tokens = total + mean * len(answer), tokens + len(answer)
        assert loss == pytest.approx(total / tokens, rel=1e-5)


def test_a_way_that_does_not_fit_the_context_is_never_the_best(tiny_llama, tokenizer, train_rows) -> None:
    from transformers import LlamaForCausalLM

    model = LlamaForCausalLM.from_pretrained(tiny_llama).eval()
    shortest = len(way("template", []).encode(train_rows[5], tokenizer))
    model.config.max_position_embeddings = shortest + 200
    found = losses([way("chat", train_rows[:4]), way("template", [])], train_rows[5:6], model, tokenizer)
    assert math.isinf(found[0]) and math.isfinite(found[1])


@pytest.fixture
def own_run(tiny_run: Run, tmp_path) -> Run:
    """A copy of the run, to be changed."""
    import shutil

    shutil.copytree(tiny_run.path, tmp_path / "own", ignore=shutil.ignore_patterns("predictions"))
    return Run.load(tmp_path / "own")


def test_the_best_of_the_ways_is_taken_and_remembered(own_run: Run, monkeypatch) -> None:
    paths = predict_test_rows(own_run, sides=["prompted"])
    told = json.loads((own_run.path / "predictions" / "prompted.json").read_text())
    generator = Generator(own_run)
    # The tiny model's tokenizer has no chat template.
    assert set(told["losses"]) == {f"recipe's template, {count} examples" for count in EXAMPLES}
    assert generator.few_shot().name == min(told["losses"], key=told["losses"].get)
    lines = [json.loads(line) for line in paths["prompted"].read_text().splitlines()]
    assert [line["row_id"] for line in lines] == [row["row_id"] for row in own_run.rows("test")]
    hashes = [generator.settings_hash(side) for side in ("base", "prompted", "tuned")]
    assert lines[0]["settings_hash"] == hashes[1] and len(set(hashes)) == 3
    torn = own_run.path / "predictions" / "prompted.json"
    torn.write_text('{"key": "fe')
    assert Generator(own_run).few_shot().name == generator.few_shot().name
    assert json.loads(torn.read_text())["key"] == told["key"]
    monkeypatch.setattr("finetune_kit.generation.losses", lambda *args: pytest.fail("measured again"))
    monkeypatch.setattr(Generator, "complete", lambda *args: pytest.fail("generated again"))
    predict_test_rows(own_run, sides=["prompted"])


def test_the_base_model_is_asked_without_the_adapter(own_run: Run) -> None:
    """With the way that is the recipe's prompt alone, the answers are those of the side `base`."""
    generator = Generator(own_run)
    rows = own_run.rows("test")[:4]
    generator._few_shot = FewShotPrompt("template", (), generator.prompt, "output")
    answers = {side: [one.text for one in generator.complete(rows, side)] for side in ("base", "prompted", "tuned")}
    assert answers["prompted"] == answers["base"] != answers["tuned"]
