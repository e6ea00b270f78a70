import pytest

from finetune_kit.errors import KitError
from finetune_kit.prompt import IGNORE_INDEX, Prompt, encode_rows
from finetune_kit.recipe import Recipe

ROW = {"row_id": "r", "instruction": "Add {x} to 1", "input": "", "output": "x + 1"}


@pytest.mark.parametrize("name", ["smollm2-135m", "zephyr-7b-t4"])
def test_the_answer_does_not_stick_to_the_prompt(name: str) -> None:
    rendered = Prompt(Recipe.load(name).prompt.template).render(ROW)
    assert rendered.endswith(":\n") and not rendered.endswith("\n\n")
    assert "### Instruction: Add {x} to 1\n" in rendered


def test_the_guides_template_renders_as_the_guide_has_it() -> None:
    assert Prompt(Recipe.load("zephyr-7b-t4").prompt.template).render({"instruction": "Do", "input": "this"}) == (
        "Below is an instruction that describes a task, paired with an input that may provide further context. "
        "Write a response that appropriately completes the request.\n"
        "### Instruction: Do\n### Input: this\n### Response:\n"
    )


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("no column", "names no column"),
        ("{instruction", "is not valid"),
        ("{instruction.x}", "must be a column's name"),
        ("{instruction!r}", "must be a column's name"),
        ("{}", "must be a column's name"),
        ("{task}", r"names \{task\}, and rows have no such column \(they have: instruction, input\)"),
    ],
)
def test_a_wrong_template_is_named(template: str, message: str) -> None:
    with pytest.raises(KitError, match=message):
        Prompt(template, ["instruction", "input"])


@pytest.mark.parametrize("adds_bos", [False, True])
def test_prompt_and_example_share_their_tokens(tokenizer_factory, adds_bos: bool) -> None:
    tokenizer = tokenizer_factory(adds_bos)
    prompt = Prompt("Task: {instruction}")
    ids = prompt.encode(ROW, tokenizer)
    example = prompt.encode_example(ROW, tokenizer)
    assert example.input_ids[: example.prompt_length] == ids
    answer = example.input_ids[len(ids) :]
    assert answer[-1] == tokenizer.eos_token_id and tokenizer.eos_token_id not in answer[:-1]
    assert tokenizer.decode(answer[:-1]) == "x + 1"
    assert example.input_ids.count(tokenizer.bos_token_id) == int(adds_bos)
    assert example.labels == [IGNORE_INDEX] * len(ids) + answer


def test_long_rows_are_left_out_whole_and_named(tokenizer_factory) -> None:
    tokenizer = tokenizer_factory()
    prompt = Prompt("{instruction}")
    long = {**ROW, "row_id": "long", "output": "x + 1\n" * 100}
    exact = len(prompt.encode_example(ROW, tokenizer).input_ids)
    examples, dropped = encode_rows([ROW, long], prompt, tokenizer, exact)
    assert [example.row_id for example in examples] == ["r"] and dropped == ["long"]
    assert encode_rows([ROW], prompt, tokenizer, exact - 1)[1] == ["r"]
