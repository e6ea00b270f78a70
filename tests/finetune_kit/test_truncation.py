import pytest

from finetune_kit.errors import KitError
from finetune_kit.prompt import Prompt
from finetune_kit.truncation import fit_rows

PROMPT = Prompt("T{instruction}|{input}|")


@pytest.fixture(scope="module")
def tokenizer():
    """A token for each byte: lengths can be counted by hand."""
    from transformers import ByT5Tokenizer

    return ByT5Tokenizer()


def row(row_id: str, instruction: int, input_: int, output: int) -> dict[str, str]:
    """A row of so many characters; its prompt has 4 more, its answer an end token. So all together 5 more."""
    return {"row_id": row_id, "instruction": "i" * instruction, "input": "n" * input_, "output": "o" * output}


ROWS = [row("fits", 2, 3, 5), row("by one", 2, 4, 5), row("no input", 7, 0, 5), row("no room", 20, 5, 1)]
# "T" + 2 + "|" + 3 + "|" + "\n" + 5 + end = 15 tokens.
CAP = 15


def fitted(tokenizer, how: str, rows=ROWS, cap: int = CAP):
    return fit_rows(rows, PROMPT, tokenizer, cap, "output", how)


def test_drop_leaves_longer_rows_out_whole(tokenizer) -> None:
    done = fitted(tokenizer, "drop")
    assert [len(example.input_ids) for example in done.examples] == [15]
    assert done.rows == ROWS[:1] and done.dropped == ["by one", "no input", "no room"] and done.trimmed == []


def test_error_names_the_first_rows_and_the_longest(tokenizer) -> None:
    with pytest.raises(KitError) as caught:
        fitted(tokenizer, "error")
    assert str(caught.value).startswith(
        "3 of 4 rows are longer than 15 tokens, the longest has 31 (by one has 16, no input has 17, no room has 31). "
        "Raise preprocessing.global_max_sequence_length"
    )
    assert fitted(tokenizer, "error", ROWS[:1]).rows == ROWS[:1]
    with pytest.raises(KitError, match=r"r4 has 115 and 3 more\)"):
        fitted(tokenizer, "error", [row(f"r{n}", 2, 3, 105) for n in range(8)])


def test_trim_input_cuts_the_end_of_the_input_and_nothing_else(tokenizer) -> None:
    rows = [*ROWS, {**row("far", 2, 0, 5), "input": "abcdefgh" * 50}]
    done = fitted(tokenizer, "trim_input", rows)
    assert [one["row_id"] for one in done.rows] == ["fits", "by one", "far"]
    assert [one["input"] for one in done.rows] == ["nnn", "nnn", "abc"]
    assert done.dropped == ["no input", "no room"] and done.trimmed == ["by one", "far"]
    for one, example in zip(done.rows, done.examples, strict=True):
        assert example == PROMPT.encode_example(one, tokenizer) and len(example.input_ids) == CAP
    assert rows[1]["input"] == "nnnn", "the rows themselves stay"


def test_trim_input_leaves_no_row_without_an_input(tokenizer) -> None:
    """Three tokens of white space fit, and the row would be another task."""
    hollow = {**row("hollow", 2, 0, 5), "input": "   n"}
    assert fitted(tokenizer, "trim_input", [hollow]).dropped == ["hollow"]
    assert fitted(tokenizer, "trim_input", [hollow], CAP + 1).rows == [hollow]


def test_trim_input_needs_an_input(tokenizer) -> None:
    with pytest.raises(KitError, match=r"^preprocessing\.on_truncation is trim_input, and prompt\.template names no"):
        fit_rows(ROWS, Prompt("{instruction}"), tokenizer, 10, "output", "trim_input")


def test_trim_answer_cuts_the_end_and_does_not_teach_to_stop_there(tokenizer) -> None:
    done = fitted(tokenizer, "trim_answer")
    assert done.trimmed == ["by one", "no input"] and done.dropped == ["no room"] and done.rows == ROWS[:3]
    end = tokenizer.eos_token_id
    assert [example.input_ids.count(end) for example in done.examples] == [1, 0, 0]
    said = [tokenizer.decode(e.input_ids[e.prompt_length :]) for e in done.examples]
    assert said == ["ooooo</s>", "ooooo", "oooo"]
    assert all(len(example.input_ids) == CAP for example in done.examples)
    # One token of the answer is left, and then none.
    assert fitted(tokenizer, "trim_answer", ROWS[3:], 30).trimmed == ["no room"]
    assert fitted(tokenizer, "trim_answer", ROWS[3:], 29).dropped == ["no room"]
