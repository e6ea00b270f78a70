"""Token lengths against what is counted by hand: the tokenizer of these tests has a token for each byte."""

import io
import json
import re

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from finetune_kit.cli import app
from finetune_kit.plots import plot_token_lengths
from finetune_kit.prompt import Prompt
from finetune_kit.recipe import Recipe
from finetune_kit.splits import Splits
from finetune_kit.tokens import Histogram, TokenLengths, TokenReport, token_lengths, token_report
from finetune_kit.tokens_view import Cost, show_report
from tests.finetune_kit.test_prompt import CHAT


def row(instruction: int, input_: int, output: int) -> dict[str, str]:
    return {"row_id": "r", "instruction": "i" * instruction, "input": "n" * input_, "output": "o" * output}


@pytest.fixture(scope="module")
def byte_tokenizer():
    from transformers import ByT5Tokenizer

    return ByT5Tokenizer()


@pytest.fixture
def lengths(byte_tokenizer) -> TokenLengths:
    # The template has 3 characters and a line break, so a row has 5 tokens more than its columns, its end token too.
    rows = [row(2, 0, 4), row(3, 1, 6), row(4, 5, 0), row(10, 20, 65)]
    return token_lengths(rows, Prompt("T{instruction}|{input}|"), byte_tokenizer)


def test_columns_and_total_are_counted_as_by_hand(lengths) -> None:
    assert {name: values.tolist() for name, values in lengths.columns.items()} == {
        "instruction": [2, 3, 4, 10],
        "input": [0, 1, 5, 20],
        "output": [4, 6, 0, 65],
    }
    assert lengths.prompt.tolist() == [6, 8, 13, 34]
    assert lengths.total.tolist() == [11, 15, 14, 100]
    table = lengths.table()
    assert list(table) == ["instruction", "input", "output", "total"]
    assert table["total"] == {
        "average": 35.0,
        "min": 11.0,
        "max": 100.0,
        "median": 14.5,
        "75 %": pytest.approx(15 + 85 / 4),
        "90 %": pytest.approx(15 + 0.7 * 85),
        "95 %": pytest.approx(15 + 0.85 * 85),
        "99 %": pytest.approx(15 + 0.97 * 85),
    }


@pytest.mark.parametrize(
    ("cap", "over", "cut", "no_answer"),
    [
        (100, 0, 0, 0),
        (99, 1, 0, 0),  # the end token alone goes
        (90, 1, 9, 0),
        (35, 1, 64, 0),
        (34, 1, 65, 1),
        (14, 2, 65, 1),  # of the second row only the end token
        (13, 3, 66, 2),  # and the third, whose answer is empty, has nothing left either
        (6, 4, 75, 4),
    ],
)
def test_a_cap_cuts_what_ludwig_would_cut(lengths, cap: int, over: int, cut: int, no_answer: int) -> None:
    effect = lengths.effect_of(cap)
    assert (effect.rows_over, effect.share_over) == (over, over / 4)
    assert (effect.answer_tokens_cut, effect.rows_without_answer, effect.rows_without_end) == (cut, no_answer, over)


def test_the_effect_of_a_cap_is_that_of_cutting_the_ids(tokenizer_factory, exercise_rows) -> None:
    tokenizer = tokenizer_factory(adds_bos=True)
    prompt = Prompt("Do: {instruction} {input}")
    found = token_lengths(exercise_rows, prompt, tokenizer)
    examples = prompt.encode_examples(exercise_rows, tokenizer)
    assert found.total.tolist() == [len(example.input_ids) for example in examples]
    assert found.prompt.tolist() == [example.prompt_length for example in examples]
    for cap in (40, 80, 120):
        cut = [example.input_ids[:cap] for example in examples]
        answers = [ids[e.prompt_length :] for ids, e in zip(cut, examples, strict=True)]
        effect = found.effect_of(cap)
        assert effect.rows_without_end == sum(ids[-1] != tokenizer.eos_token_id for ids in cut)
        assert effect.rows_without_answer == sum(not answer for answer in answers)
        kept = sum(len(answer) - (answer[-1:] == [tokenizer.eos_token_id]) for answer in answers)
        assert effect.answer_tokens_cut == found.answer.sum() - kept


def test_chats_are_counted_as_they_are_sent(tokenizer_factory, exercise_rows) -> None:
    tokenizer = tokenizer_factory(adds_bos=True)
    tokenizer.chat_template = CHAT
    rows = [*exercise_rows[:20], {"row_id": "s", "instruction": "End </s> here", "input": "", "output": "</s>"}]
    prompt = Prompt("{instruction}", chat_template=True)
    found = token_lengths(rows, prompt, tokenizer)
    assert found.total.tolist() == [len(one.input_ids) for one in prompt.encode_examples(rows, tokenizer)]


@pytest.mark.parametrize(
    ("total", "cap", "expected"),
    [
        ([1, 2, 3, 3], 1000, Histogram(1, [0, 1, 1, 2], 0)),
        ([0, 9, 39, 39], 50, Histogram(4, [1, 0, 1, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0], 0)),
        ([10] * 999 + [5000], 9000, Histogram(1, [0] * 10 + [999, 0, 0], 1)),
        ([7_000_000], 1, Histogram(5000, [0] * 1400 + [1], 0)),
    ],
)
def test_bins_are_round_and_hold_every_row(total: list[int], cap: int, expected: Histogram) -> None:
    found = Histogram.of(np.array(total), cap)
    assert found == expected
    assert sum(found.rows) + found.longer == len(total)


@pytest.fixture
def report(byte_tokenizer) -> TokenReport:
    recipe = Recipe.load("smollm2-135m", ["prompt.template='T{instruction}|{input}|'"])
    rows = [row(100, 20, 130), row(200, 0, 150), {**row(3, 0, 300), "output": "</s>" * 80}]
    return token_report(recipe, Splits(rows, [row(2, 0, 900)], []), byte_tokenizer)


def shown(report: TokenReport, width: int = 100, encoding: str = "utf-8", **options) -> str:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    show_report(report, Console(file=file, width=width), **options)
    file.flush()
    return file.buffer.getvalue().decode(encoding)


def cells(text: str, first: str) -> list[str]:
    """The cells of the line that begins so."""
    return next(line for line in text.splitlines() if line.strip().startswith(first)).split()


def test_the_report_shows_columns_splits_caps_and_special_tokens(report) -> None:
    text = shown(report)
    assert report.all.total.tolist() == [255, 355, 328, 907]
    assert cells(text, "total") == ["total", "461", "255", "907", "342", "493", "741", "824", "890"]
    assert cells(text, "train, 3 rows")[3:6] == ["313", "255", "355"]
    assert cells(text, "test, 0 rows")[3:] == ["-"] * 8
    assert cells(text, "256 ") == ["256", "3", "75.0%", str(98 + 72 - 1 + 650), "0", "3"]
    assert cells(text, "384 (recipe)") == ["384", "(recipe)", "1", "25.0%", "522", "0", "1"]
    assert cells(text, "2,048") == ["2,048", "0", "0.0%", "0", "0", "0"]
    assert "on_truncation: drop" in text and "memory" not in text
    assert "1 rows spell a special token of the tokenizer in 'output'; it stays text." in text


def test_the_report_has_room_for_what_a_cap_costs(report) -> None:
    costs = {256: Cost(90.0, 2.5e9), 384: Cost(None, None), 512: Cost(61, None)}
    text = shown(report, costs=costs.get)
    assert re.search(r"memory +time", text)
    assert cells(text, "256 ")[-6:] == ["2.5", "GB", "1", "min", "30", "s"]
    assert cells(text, "512 ")[-4:] == ["1", "min", "01", "s"]
    assert cells(text, "384 (recipe)") == ["384", "(recipe)", "1", "25.0%", "522", "0", "1"]


def test_the_histogram_has_bars_in_proportion_and_marks(report) -> None:
    text = shown(report)
    bars = {line.split("│")[0].strip(): line.split("│")[1] for line in text.splitlines() if "│" in line}
    assert len(bars) == 19 and bars["250-299"] == "█" * 36 + " 1  "[:2]
    assert bars["300-349"].startswith("█" * 36) and bars["300-349"].endswith("◂ median")
    assert bars["350-399"].endswith("◂ cap 384") and bars["400-449"].strip() == "0"
    plain = shown(report, encoding="ascii")
    assert "#" * 36 + " 1  <- median" in plain


def test_the_json_has_all_that_is_shown(report) -> None:
    told = json.loads(json.dumps(report.as_dict()))
    assert told["tokens"]["total"]["max"] == 907 and told["splits"]["train"]["rows"] == 3
    assert told["splits"]["test"] == {"rows": 0, "total": {}}
    assert [one["cap"] for one in told["caps"]] == [256, 384, 512, 1024, 2048]
    assert told["caps"][1] == {
        "cap": 384,
        "rows_over": 1,
        "share_over": 0.25,
        "answer_tokens_cut": 522,
        "rows_without_answer": 0,
        "rows_without_end": 1,
    }
    assert (told["cap"], told["on_truncation"], told["special_tokens"]) == (384, "drop", {"output": 1})
    assert told["histogram"]["bin"] == 50 and sum(told["histogram"]["rows"]) + told["histogram"]["longer"] == 4


def test_the_picture_is_drawn_also_where_little_is_there(tmp_path, report, lengths) -> None:
    one = TokenReport({"train": lengths, "validation": lengths, "test": lengths}, 384, "drop", {})
    for number, drawn in enumerate((report, one)):
        plot_token_lengths(drawn, tmp_path / f"{number}.png")
        assert (tmp_path / f"{number}.png").read_bytes().startswith(b"\x89PNG")


def test_the_verb_counts_prints_and_draws(tmp_path, tiny_llama, rows_file) -> None:
    arguments = ["tokens", f"base_model={tiny_llama}", f"data={rows_file}"]
    png = tmp_path / "lengths.png"
    done = CliRunner().invoke(app, [*arguments, "--png", str(png)], env={"COLUMNS": "120"})
    assert done.exit_code == 0, done.output
    assert "Tokens of 60 rows" in done.stdout and "384 (recipe)" in done.stdout and png.stat().st_size > 10_000
    done = CliRunner().invoke(app, [*arguments, "--json"])
    told = json.loads(done.stdout)
    assert sum(split["rows"] for split in told["splits"].values()) == 60
    wrong = CliRunner().invoke(app, [*arguments, "prompt.template='{instruction}</s>'"])
    assert wrong.exit_code == 2 and "prompt.template holds '</s>'" in wrong.stderr
    nowhere = CliRunner().invoke(app, [*arguments, "--png", str(tmp_path / "no" / "where.png")])
    assert nowhere.exit_code == 2 and "can't be written" in nowhere.stderr
    for also in ([], ["--json"]):
        unknown = CliRunner().invoke(app, [*arguments, "--gpu", "T5", *also])
        assert unknown.exit_code == 2 and "--gpu 'T5': the kit knows" in unknown.stderr and not unknown.stdout
