"""A row as the model sees it, against what is read by hand."""

import io

import pytest
from rich.console import Console

from finetune_kit.prompt import Prompt
from finetune_kit.row_view import STYLES, Token, read_tokens, show_example, show_row
from finetune_kit.truncation import fit_rows
from tests.finetune_kit.test_prompt import CHAT

ROW = {"row_id": "ab12", "instruction": "Sum\t中", "input": "", "output": "if x:\n    y = '</s>'"}


@pytest.fixture
def tokenizer(tokenizer_factory):
    made = tokenizer_factory(adds_bos=True)
    made.chat_template = CHAT
    return made


def shown(show, width: int = 80, encoding: str = "utf-8", **options) -> str:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=file, width=width, **options)
    show(console)
    file.flush()
    return file.buffer.getvalue().decode(encoding)


def the_row(tokenizer, prompt: Prompt | None = None, padded_to: int | None = None):
    chosen = prompt or Prompt("Do: {instruction}")
    return lambda console: show_row(ROW, chosen, tokenizer, "output", console, padded_to)


def test_the_pieces_are_the_text_and_each_has_its_kind(tokenizer) -> None:
    example = Prompt("{instruction}").encode_example(ROW, tokenizer)
    tokens = read_tokens(example, tokenizer, 2)
    assert len(tokens) == len(example.input_ids)
    assert "".join(token.text for token in tokens) == "<s>Sum\t中\nif x:\n    y = '</s>'</s>"
    assert tokens[0] == Token("masked", "<s>", True) and tokens[-1] == Token("end", "</s>", True)
    assert [token.kind for token in tokens].count("trained") == len(tokens) - example.prompt_length - 1
    assert not any(token.is_special for token in tokens[1:-1]), "what the row spells is text"
    # A character of three bytes that the tokenizer has no word for: its first two tokens add nothing.
    place = [token.text for token in tokens].index("中")
    assert [token.text for token in tokens[place - 2 : place]] == ["", ""]


def test_without_colours_lines_and_strokes_tell_it(tokenizer) -> None:
    text = shown(the_row(tokenizer))
    lines = text.splitlines()
    example = Prompt("Do: {instruction}").encode_example(ROW, tokenizer)
    trained = len(example.input_ids) - example.prompt_length - 1
    assert lines[0] == (
        f"Row ab12: {len(example.input_ids)} tokens = {example.prompt_length} masked + {trained} trained + 1 end"
    )
    body = lines[2 : lines.index("", 2)]
    assert {line.split()[0] for line in body} == {"masked", "trained", "end"}
    joined = "\n".join(line[8:] for line in body).replace("│", "")
    assert joined == "⟦<s>⟧Do:·Sum→⋯⋯中↵\nif·x:↵\n····y·=·'</s>'\n⟦</s>⟧"
    strokes = sum(line.count("│") for line in body)
    # A token that goes on behind its line break has a part on each line.
    assert strokes + len(body) == len(example.input_ids) + int("\n " in "".join(_split_tokens(tokenizer, example)))
    legend = "\n".join(lines[lines.index("", 2) :])
    for word in (
        "masked  the prompt",
        "trained the answer",
        "end     ends the answer",
        "padding none: rows are packed",
    ):
        assert word in legend
    for sign in ("⟦⟧ special token", "· space", "↵ line break", "→ tab", "⋯ part of a character", "│ between tokens"):
        assert sign in legend
    assert "\x1b" not in text


def _split_tokens(tokenizer, example) -> list[str]:
    return [token.text for token in read_tokens(example, tokenizer, 2) if token.text.strip("\n") != token.text]


def test_with_colours_each_kind_has_two_shades_and_no_strokes(tokenizer) -> None:
    text = shown(the_row(tokenizer), force_terminal=True, color_system="truecolor", no_color=False)
    console = Console(force_terminal=True, color_system="truecolor")
    for kind in ("masked", "trained", "end"):
        for style in STYLES[kind]:
            code = console.get_style(style)._make_ansi_codes(console._color_system)
            assert f"\x1b[{code}m" in text, (kind, style)
    assert "│" not in text


def test_padding_is_shown_where_rows_are_padded(tokenizer) -> None:
    length = len(Prompt("Do: {instruction}").encode_example(ROW, tokenizer).input_ids)
    text = shown(the_row(tokenizer, padded_to=length + 7))
    assert "padding ⟦<unk>⟧ x 7" in text and f"padding fills the row up to {length + 7} tokens" in text
    assert "x 0" not in shown(the_row(tokenizer, padded_to=length))


def test_the_chat_templates_tokens_are_special_and_the_rows_are_not(tokenizer) -> None:
    prompt = Prompt("{instruction}", chat_template=True)
    body = shown(the_row(tokenizer, prompt)).replace("│", "")
    assert "masked  ⟦<s>⟧⟦<s>⟧user↵" in body and "⟦</s>⟧↵\nmasked  ⟦<s>⟧assistant↵\n" in body
    assert "'</s>'\nend     ⟦</s>⟧" in body


def test_an_answer_that_was_cut_has_no_end(tokenizer) -> None:
    prompt = Prompt("{instruction}")
    whole = len(prompt.encode_example(ROW, tokenizer).input_ids)
    (example,) = fit_rows([ROW], prompt, tokenizer, whole - 3, "output", "trim_answer").examples
    text = shown(lambda console: show_example(example, tokenizer, 2, console))
    assert "+ 0 end" in text and "end     none: the answer is cut before it" in text


def test_lines_keep_to_the_width_and_to_the_consoles_letters(tokenizer) -> None:
    text = shown(the_row(tokenizer), width=24, encoding="ascii")
    body = text.split("\n\n")[1].splitlines()
    assert len(body) > 5 and all(len(line) <= 24 for line in body)
    assert "[[<s>]]" in text and "\\u4e2d" in text and "\\t" in text
