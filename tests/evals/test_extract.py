"""The code in a completion."""

import time

import pytest

from evals import extract_code

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
    ],
    ids=["ticks", "fences", "openings", "mixed", "blanks", "lines", "async", "wide-async", "wide", "growing"],
)
def test_a_megabyte_is_read_in_linear_time(text):
    """It takes about a second or less; work in the square of the length would take minutes."""
    begin = time.process_time()
    extract_code(text)
    assert time.process_time() - begin < 20
