"""Batches on all cores give the ids of one by one, for tokenizers of several kinds; a row's text stays text."""

import os

import numpy as np
import pytest

from finetune_kit.encoding import (
    count_tokens,
    decode_texts,
    encode_chats,
    encode_texts,
    find_special_tokens,
    lead_ids,
    special_tokens,
)
from finetune_kit.errors import KitError
from finetune_kit.few_shot import FewShotPrompt
from finetune_kit.prompt import Prompt
from tests.finetune_kit.test_prompt import CHAT

KINDS = ["plain", "BOS", "EOS", "both", "slow"]


@pytest.fixture
def tokenizer_of(tokenizer_factory):
    """Makes a tokenizer of a kind; the slow one has bytes for tokens and needs no files."""

    def make(kind: str):
        if kind == "slow":
            from transformers import ByT5Tokenizer

            made = ByT5Tokenizer()
            assert not made.is_fast
            return made
        from tokenizers import processors

        made = tokenizer_factory()
        single = {"plain": "$A", "BOS": "<s> $A", "EOS": "$A </s>", "both": "<s> $A </s>"}[kind]
        added = [("<s>", 1), ("</s>", 2)]
        made.backend_tokenizer.post_processor = processors.TemplateProcessing(single=single, special_tokens=added)
        return made

    return make


def one_by_one(text: str, tokenizer) -> list[int]:
    """As transformers encodes it, special tokens and all, but for an end token at the end."""
    ids = tokenizer(text).input_ids
    return ids[:-1] if ids[-1] == tokenizer.eos_token_id else ids


@pytest.mark.parametrize("kind", KINDS)
def test_batches_have_the_ids_of_one_by_one(tokenizer_of, exercise_rows, kind: str) -> None:
    tokenizer = tokenizer_of(kind)
    prompt = Prompt("### Instruction: {instruction}\n\n### Input: {input}\n\n### Code:\n")
    rows = [{**row, "row_id": f"{row['row_id']}{n}"} for n in range(9) for row in exercise_rows]
    examples = prompt.encode_examples(rows, tokenizer)
    for row, example in zip(rows[:70], examples, strict=False):
        asked = one_by_one(prompt.render(row), tokenizer)
        answer = tokenizer(row["output"], add_special_tokens=False).input_ids
        assert example.input_ids == [*asked, *answer, tokenizer.eos_token_id]
        assert example.prompt_length == len(asked)
        assert prompt.encode_example(row, tokenizer).input_ids == example.input_ids
    assert [example.row_id for example in examples] == [row["row_id"] for row in rows]
    assert [one.input_ids for one in examples[:60]] == [one.input_ids for one in examples[-60:]]
    lead = {"plain": [], "BOS": [1], "EOS": [], "both": [1], "slow": []}[kind]
    assert lead_ids(tokenizer) == lead


@pytest.mark.parametrize("kind", KINDS)
def test_counts_are_those_of_the_ids(tokenizer_of, exercise_rows, kind: str) -> None:
    tokenizer = tokenizer_of(kind)
    texts = ["", *(row["output"] for row in exercise_rows), "x </s> y", ""]
    counts = count_tokens(texts, tokenizer)
    assert isinstance(counts, np.ndarray) and counts[0] == counts[-1] == 0
    assert counts.tolist() == [len(ids) for ids in encode_texts(texts, tokenizer)]
    assert count_tokens([], tokenizer).shape == (0,)


def test_chats_have_the_ids_of_one_by_one(tokenizer_of, exercise_rows) -> None:
    tokenizer = tokenizer_of("both")
    tokenizer.chat_template = CHAT
    prompt = Prompt("Task: {instruction}", chat_template=True)
    for row, ids in zip(exercise_rows, prompt.encode_all(exercise_rows, tokenizer), strict=True):
        turns = [{"role": "user", "content": prompt.render(row)}]
        assert ids == tokenizer.apply_chat_template(turns, add_generation_prompt=True).input_ids


def test_the_tokenizer_and_the_environment_are_as_they_were(tokenizer_of, monkeypatch) -> None:
    tokenizer = tokenizer_of("BOS")
    backend = tokenizer.backend_tokenizer
    backend.enable_truncation(3)
    backend.enable_padding(length=8)
    before = backend.to_str(), backend.encode_special_tokens
    for setting in (None, "true", "false"):
        if setting is None:
            monkeypatch.delenv("TOKENIZERS_PARALLELISM", raising=False)
        else:
            monkeypatch.setenv("TOKENIZERS_PARALLELISM", setting)
        assert len(encode_texts(["a b c d e f"], tokenizer)[0]) > 3, "neither cut nor padded"
        assert os.environ.get("TOKENIZERS_PARALLELISM") == setting
        assert (backend.to_str(), backend.encode_special_tokens) == before


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_row_spells_stays_text(tokenizer_of, kind: str) -> None:
    tokenizer = tokenizer_of(kind)
    row = {"row_id": "r", "instruction": "End </s> here", "output": "print('</s>')"}
    example = Prompt("{instruction}").encode_example(row, tokenizer)
    end = tokenizer.eos_token_id
    assert tokenizer("End </s> here").input_ids.count(end) > one_by_one("End here", tokenizer).count(end)
    assert example.input_ids.count(end) == 1 and example.input_ids[-1] == end
    said = decode_texts([example.input_ids[len(lead_ids(tokenizer)) :]], tokenizer)
    assert said == ["End </s> here\nprint('</s>')</s>"]


def test_what_a_turn_spells_stays_text_between_the_templates_own_tokens(tokenizer_of) -> None:
    tokenizer = tokenizer_of("both")
    for template in (CHAT, CHAT.replace("['content']", "['content'] | trim")):
        tokenizer.chat_template = template
        prompt = Prompt(" {instruction}\n", chat_template=True)
        row = {"row_id": "r", "instruction": "End </s> here", "output": "x"}
        ids = prompt.encode(row, tokenizer)
        space = "" if "trim" in template else " "
        assert decode_texts([ids], tokenizer) == [f"<s><s>user\n{space}End </s> here</s>\n<s>assistant\n"]
        assert (ids.count(1), ids.count(2)) == (3, 1)
        # The tokens beside it are those of a text that spells none.
        plain = prompt.encode({**row, "instruction": "End it here"}, tokenizer)
        assert ids[:6] == plain[:6] and ids[-6:] == plain[-6:]
    solved = {"row_id": "s", "instruction": "</s>", "input": "", "output": "<s>"}
    ids = FewShotPrompt("chat", (solved,), prompt, "output").encode(row, tokenizer)
    assert (ids.count(1), ids.count(2)) == (5, 3)


def test_a_chat_template_that_changes_what_a_turn_spells_is_an_error(tokenizer_of) -> None:
    tokenizer = tokenizer_of("plain")
    tokenizer.chat_template = "{{ messages[0]['content'] | upper }}"
    assert encode_chats([[{"role": "user", "content": "abc"}]], tokenizer) == encode_texts(["ABC"], tokenizer)
    with pytest.raises(KitError, match="changes the text around it"):
        encode_chats([[{"role": "user", "content": "abc </s>"}]], tokenizer)


def test_a_tokenizer_that_can_not_keep_text_apart_is_an_error(tokenizer_of) -> None:
    """`end` is a word of the vocabulary that was declared the end token, and nothing tells the two apart."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({"[unk]": 0, "the": 1, "end": 2}, unk_token="[unk]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, eos_token="end", unk_token="[unk]")
    with pytest.raises(KitError, match=r"A row holds 'end' in 'the end', and .* can't but read it as a special token"):
        encode_texts(["the", "the end"], tokenizer)


def test_rows_that_spell_special_tokens_are_found_by_column(tokenizer_of) -> None:
    tokenizer = tokenizer_of("plain")
    tokenizer.add_special_tokens({"additional_special_tokens": ["</s>>"]})
    assert special_tokens(tokenizer) == ["</s>>", "<unk>", "</s>", "<s>"]
    rows = [
        {"row_id": "a", "instruction": "x </s>", "output": "1"},
        {"row_id": "b", "instruction": "y", "input": "", "output": "2"},
        {"row_id": "c", "instruction": "<s>z", "input": "<unk> <s>", "output": "3"},
    ]
    assert find_special_tokens(rows, tokenizer, ["instruction", "input", "output"]) == {
        "instruction": {"a": ["</s>"], "c": ["<s>"]},
        "input": {"c": ["<unk>", "<s>"]},
    }
