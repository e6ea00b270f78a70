"""Tokens and trees of Python source, of broken Python, and of texts made to break the reader."""

import re
import time

import pytest

from evals.parsing import MAX_SOURCE, parse_python
from evals.python_source import MAX_LINE, python_tokens, tolerant_tokens
from evals.scorers.code_bleu import code_bleu
from evals.scorers.exact_match import is_exact_match

HOSTILE = {
    "brackets": "(" * 10**6,
    "pairs of brackets": "(" * 10**5 + ")" * 10**5,
    "signs": "-" * 10**5 + "1",
    "attributes": "a" + ".b" * 90_000,
    "calls": "f" + "()" * 90_000,
    "sums": "1+" * 90_000 + "1",
    "a wide line": "a," * 10**5,
    "a wide f-string": "f'" + "{x}" * 60_000 + "'",
    "a long f-string": "f'''" + "{x}\n" * 50_000 + "'''",
    "many lines": "a\n" * 10**6,
    "deep indentation": "".join(" " * depth + "if 1:\n" for depth in range(600)),
    "a null byte": "x = 1\0",
    "a lone surrogate": "x = '\ud800'",
    "a huge whole number": "x = " + "9" * 10**5,
    "a huge hexadecimal": "x = 0x" + "f" * 10**5,
    "escaped quotes": "\\'" * 10**6,
    "triple quotes": "'''" * 10**5 + "'",
    "backslashes": "\\" * 10**6,
    "prefixes": "rb" * 10**6,
    "nested f-strings": "f'{" * 70_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_text_breaks_or_stalls_the_reader(name):
    """Each takes well under a second; work in the square of the length would take minutes or all memory."""
    text = HOSTILE[name]
    begin = time.process_time()
    python_tokens(text)
    assert tolerant_tokens(text)
    parse_python(text)
    assert is_exact_match(text + "\n#", text, "ast") in (True, False)
    assert time.process_time() - begin < 20
    assert code_bleu([text[:1000]], [text[:1000]]) == pytest.approx(100)


def test_what_is_too_long_is_refused_not_read():
    assert python_tokens("a\n" * (MAX_SOURCE // 2 + 1)) is None
    assert python_tokens("a" * (MAX_LINE + 1)) is None
    assert parse_python("a\n" * (MAX_SOURCE // 2 + 1))[0] is None
    assert parse_python("a\n" * 10)[0] is not None


def test_python_that_is_whole_has_the_same_tokens_either_way():
    from finetune_kit.exercises import rows

    # Python takes an f-string apart, the tolerant tokenizer does not.
    programs = [row["output"] for row in rows() if not re.search(r"\bf['\"]", row["output"])]
    assert len(programs) > 500
    assert [code for code in programs if tolerant_tokens(code) != python_tokens(code)] == []


def test_an_open_bracket_does_not_swallow_the_layout_of_the_rest():
    broken = "def f():\n    x = (1,\n    2\ndef g():\n    pass"
    whole = "def g():\n    pass"
    assert tolerant_tokens(broken)[-10:] == python_tokens(whole)
    assert len(python_tokens(whole)) == 10


def test_strings_are_one_token_and_comments_none():
    assert tolerant_tokens('x = "a # b"  # c') == ["x", "=", '"a # b"', "<newline>"]
    assert tolerant_tokens("x = 'a") == ["x", "=", "'a", "<newline>"]
    assert tolerant_tokens('"""a\n  b') == ['"""a\n  b', "<newline>"]
