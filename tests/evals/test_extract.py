"""The code in a completion."""

import time

import pytest

from evals import extract_code
from evals.extract import extract

ADD = "def add(a, b):\n    return a + b"

TABLE = {
    "no fence": (f"\n\n{ADD}\n\n", ADD),
    "indentation is kept": ("\n    return a + b\n", "    return a + b"),
    "a fence": (f"Here it is:\n```\n{ADD}\n```\nThat is all.", ADD),
    "tildes": (f"~~~python\n{ADD}\n~~~", ADD),
    "an info string with more than a language": (f"```python title=add.py\n{ADD}\n```", ADD),
    "an info string in braces": (f"```{{.python .numbered}}\n{ADD}\n```\n```\nclass Other: pass\n```", ADD),
    "py is python": (f"```\nclass ALongerBlockThanTheOther: pass  # and first\n```\n```py\n{ADD}\n```", ADD),
    "a capital": (f"```\nclass First: pass\n```\n```Python\n{ADD}\n```", ADD),
    "python beats shell": ("```bash\npip install a-very-long-name\n```\n```python\nx = 1\n```", "x = 1"),
    "the first definition": (
        f"```python\nadd(1, 2)\n```\n```python\n{ADD}\n```\n```python\ndef other(): pass  # and longer\n```",
        ADD,
    ),
    "an async definition": (
        "```python\nx = 11111111111111111111\n```\n```python\nasync def f(): 0\n```",
        "async def f(): 0",
    ),
    "no definition, so the longest": (
        "```python\nx = 1\n```\n```python\nx = 1\ny = 2\n```\n```python\nz\n```",
        "x = 1\ny = 2",
    ),
    "unmarked blocks, the first definition": (f"```\n$ run\n```\n```text\n{ADD}\n```", ADD),
    "never closed": (f"Sure.\n```python\n{ADD}\n", ADD),
    "closed, then one never closed": (f"```python\n{ADD}\n```\n```python\nadd(1, 2)", ADD),
    "only a closing fence": (f"{ADD}\n```", ADD),
    "a longer fence holds a shorter one": ("````python\ns = '''\n```\n'''\n````", "s = '''\n```\n'''"),
    "a fence of the other kind does not close": ("```python\ns = '''\n~~~\n'''\n```", "s = '''\n~~~\n'''"),
    "a fence in a list": (
        "1. So:\n   ```python\n   def f():\n       return 1\n   ```",
        "def f():\n    return 1",
    ),
    "line ends of Windows": ("```python\r\nx = 1\r\ny = 2\r\n```\r\n", "x = 1\ny = 2"),
    "backticks within a line are text": ("x = '```a```'", "x = '```a```'"),
    "a one-line fence is no fence": ("```print(1)```", "```print(1)```"),
    "two backticks are no fence": ("``\nx = 1\n``", "``\nx = 1\n``"),
    "an empty block": ("```python\n```", ""),
    "nothing": ("", ""),
    "blank": (" \n\t\n", ""),
    "only a fence": ("```", ""),
}


@pytest.mark.parametrize("name", TABLE)
def test_the_code_is_found(name):
    completion, code = TABLE[name]
    assert extract_code(completion) == code


@pytest.mark.parametrize(
    "text",
    [
        "`" * 2**20,
        "```\n" * 2**18,
        "```python\n" * 2**17,
        "~~~\n```\n" * 2**17,
        " " * 2**20,
        "\n" * 2**20,
        "```\n" + "async " * 2**18,
        "```\n" + ("async" + " " * 2**19 + "\n") * 2,
        " " * 2**19 + "```" + " " * 2**19,
        "".join("`" * length + "\n" for length in range(3, 1400)),
        "a " * 2**19,
        "lambda x" * 2**17,
        "f" * 2**20,
        "import " * 2**17,
        "f(" * 2**19,
        "a.b" * 2**18,
        ("Hello wor(ld" * 40 + "\n") * 2**11,
    ],
    ids=[
        "ticks",
        "fences",
        "openings",
        "mixed",
        "blanks",
        "lines",
        "async",
        "wide-async",
        "wide",
        "growing",
        "words",
        "lambda",
        "letters",
        "import",
        "calls",
        "dots",
        "prose",
    ],
)
def test_a_megabyte_is_read_in_linear_time(text):
    """It takes about a second or less; work in the square of the length would take minutes."""
    begin = time.process_time()
    extract_code(text)
    assert time.process_time() - begin < 20


REASONS = {
    "one block": (f"```\n{ADD}\n```", "the only fenced block", None, ()),
    "one Python block": (
        f"```sh\npip install x\n```\n```py\n{ADD}\n```",
        "the only Python block of 2 blocks",
        "python",
        ("pip install x",),
    ),
    "the first definition": (
        f"```python\nx = 1\n```\n```python\n{ADD}\n```\n```\ny\n```",
        "the first of 2 Python blocks that defines something",
        "python",
        ("x = 1", "y"),
    ),
    "the longest": ("```js\nlet x = 1;\n```\n```js\nx\n```", "the longest of 2 blocks", "js", ("x",)),
    "an empty block beside a full one": (f"```python\n```\n```\n{ADD}\n```", "the only fenced block", None, ()),
    "never closed": (f"```Python\n{ADD}", "the only fenced block, never closed", "python", ()),
    "no fence": (ADD, "no fence, so the whole text", None, ()),
    "only the closing fence": (f"{ADD}\n```", "the text before a fence that only closes", None, ()),
}


@pytest.mark.parametrize("name", REASONS)
def test_the_choice_is_explained_and_the_others_are_kept(name):
    completion, reason, language, alternatives = REASONS[name]
    found = extract(completion)
    assert (found.reason, found.language, found.alternatives) == (reason, language, alternatives)
    assert found.found
    assert found.code == extract_code(completion) != ""


CODE = [
    "    return a + b",
    "x = 1",
    "42",
    "[1, 2]",
    "def f(",
    "for i in range(3):\n    print(i",
    "SELECT name FROM people",
    "<p>Hello</p>",
    "let x = 1;",
    "public static void main(String[] args) {",
    "$ ls -l",
    "Here is the function:\ndef add(a, b):\n    return a + b",
    "import os",
    "body { color: red; }",
]
PROSE = [
    "",
    " \n\t\n",
    "x",
    "Yes",
    "I cannot help with that.",
    "The distinct values from the given list are 3, 5, 7 and 9.",
    "Sure! Here is how you would do it.\n\n1. Take the list.\n2. Sort it.\n3. Return the first one.",
    "You can print the value with the print() function, which writes it to the screen.",
    "There are two ways to do this: with a loop or with recursion.",
    "```python\n```",
    "```",
]


@pytest.mark.parametrize("text", CODE)
def test_code_without_a_fence_is_found(text):
    assert extract(text).found


@pytest.mark.parametrize("text", PROSE)
def test_an_answer_without_code_is_told_apart(text):
    assert not extract(text).found


def test_prose_is_kept_for_the_text_scorers():
    assert extract_code("I cannot help with that.\n") == "I cannot help with that."


def test_every_reference_of_the_built_in_exercises_is_code():
    from finetune_kit.exercises import rows

    assert [row["output"] for row in rows() if not extract(row["output"]).found] == []
