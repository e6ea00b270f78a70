"""The built-in data set: its size, its variety, and that every row's tests tell right from wrong."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from random import Random
from types import CodeType
from typing import Any

import pytest

from finetune_kit.exercises import families, rows
from finetune_kit.exercises.family import Family, Function, seen, telling

ROWS = rows()
OTHERS_PER_ROW = 8
DIGEST = "import hashlib, json; from finetune_kit.exercises import rows; "
DIGEST += "print(hashlib.sha256(json.dumps(rows()).encode()).hexdigest())"


def compiled(code: str) -> CodeType:
    """Compiles a row's code without this file's own future imports."""
    return compile(code, "<exercise>", "exec", dont_inherit=True)


def entry_point(output: str) -> str:
    """The name of the one function or class of a reference."""
    (name,) = (n.name for n in ast.parse(output).body if isinstance(n, ast.FunctionDef | ast.ClassDef))
    return name


def passes(code: CodeType, tests: CodeType, rename: tuple[str, str] | None = None) -> bool:
    """Runs code and then tests in one namespace; `rename` binds a name of the code to another one between."""
    namespace: dict[str, Any] = {"__name__": "exercise"}
    try:
        exec(code, namespace)
        if rename:
            namespace[rename[1]] = namespace[rename[0]]
        exec(tests, namespace)
    except Exception:
        return False
    return True


class ReturnNone(ast.NodeTransformer):
    """Empties every function and method."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        node.body = [ast.Return(ast.Constant(None))]
        return node


def test_size_and_groups() -> None:
    count = Counter(row["family"] for row in ROWS)
    groups = Counter(family.group for family in families())
    unseen = [row for row in ROWS if row["group"] == "unseen"]
    assert len(ROWS) >= 1500
    assert len(count) == len(families()) >= 90
    assert min(count.values()) >= 12
    assert set(groups) == {"seen", "unseen"}
    assert groups["unseen"] >= 12
    assert len(unseen) >= 150
    assert {family.topic for family in families() if family.group == "unseen"} >= {
        "strings",
        "lists",
        "numbers",
        "dictionaries",
        "recursion",
        "parsing",
        "dates",
        "classes",
    }


def test_columns() -> None:
    columns = {"instruction", "input", "output", "tests", "family", "group"}
    assert all(set(row) == columns for row in ROWS)
    assert all(isinstance(value, str) for row in ROWS for value in row.values())
    assert all(row[column].strip() for row in ROWS for column in columns - {"input"})
    groups = {family.name: family.group for family in families()}
    assert all(row["group"] == groups[row["family"]] for row in ROWS)


def test_no_row_and_no_reference_occurs_twice() -> None:
    assert len({(row["instruction"], row["input"]) for row in ROWS}) == len(ROWS)
    assert len({row["output"] for row in ROWS}) == len(ROWS)


def test_about_a_third_of_the_rows_have_an_input() -> None:
    assert 0.25 < sum(bool(row["input"]) for row in ROWS) / len(ROWS) < 0.45


def test_same_bytes_whatever_the_hash_seed() -> None:
    expected = hashlib.sha256(json.dumps(ROWS).encode()).hexdigest()
    for seed in ("0", "1", "4242"):
        environment = os.environ | {"PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", DIGEST]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == expected


def test_more_rows_leave_the_first_ones_alone() -> None:
    family = families()[0]
    assert family.rows(14)[:12] == family.rows(12) == ROWS[:12]


def test_the_instruction_names_the_entry_point() -> None:
    for row in ROWS:
        name = entry_point(row["output"])
        function = re.search(rf"^def {name}\((.*)\):$", row["output"], re.MULTILINE)
        named = f"`{name}({function.group(1)})`" if function else f"class `{name}`"
        assert named in row["instruction"], row


def test_outputs_are_short_plain_code() -> None:
    for row in ROWS:
        output, lines = row["output"], row["output"].splitlines()
        assert "```" not in output
        assert "\t" not in output
        assert "print(" not in output + row["tests"]
        assert "input(" not in output + row["tests"]
        assert output == output.strip()
        assert len(lines) <= 16, row
        assert all(line == line.rstrip() and len(line) <= 100 for line in lines), row
        for node in ast.walk(ast.parse(output)):
            if isinstance(node, ast.Import | ast.ImportFrom):
                modules = [node.module] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
                assert all(module in sys.stdlib_module_names for module in modules), row


def test_three_to_six_asserts_a_row() -> None:
    for row in ROWS:
        lines = row["tests"].splitlines()
        asserts = [line for line in lines if line.startswith("assert ")]
        assert 3 <= len(asserts) <= 6, row
        assert all(" == " in line for line in asserts), row
        assert asserts == lines or "\nclass " in "\n" + row["output"], row


def test_every_reference_passes_its_tests() -> None:
    failed = [row for row in ROWS if not passes(compiled(row["output"]), compiled(row["tests"]))]
    assert failed == []


def test_every_stub_fails() -> None:
    for row in ROWS:
        stub = ast.unparse(ast.fix_missing_locations(ReturnNone().visit(ast.parse(row["output"]))))
        assert not passes(compiled(stub), compiled(row["tests"])), row


def test_every_snippet_to_mend_or_complete_fails() -> None:
    snippets = [row for row in ROWS if row["instruction"].startswith(("Fix", "Complete"))]
    assert len(snippets) > 100
    for row in snippets:
        assert row["input"].splitlines()[0] in row["output"]
        assert not passes(compiled(row["input"]), compiled(row["tests"])), row


def test_references_of_other_families_fail() -> None:
    topics = {family.name: family.topic for family in families()}
    references: dict[str, list[tuple[CodeType, str]]] = {}
    for row in ROWS:
        reference = (compiled(row["output"]), entry_point(row["output"]))
        references.setdefault(row["family"], []).append(reference)
    for index, row in enumerate(ROWS):
        rng = Random(index)
        others = [name for name in references if name != row["family"]]
        related = [name for name in others if topics[name] == topics[row["family"]]]
        tests, name = compiled(row["tests"]), entry_point(row["output"])
        for other in rng.sample(related, 3) + rng.sample(others, OTHERS_PER_ROW - 3):
            code, other_name = rng.choice(references[other])
            assert not passes(code, tests, (other_name, name)), (row, other)


def draw_same(rng: Random) -> Function:
    """An instance that never varies."""
    return Function(name="f", params="n", ask="returns `n`", body="return n + 1", calls=[1, 2, 3, 4])


def draw_constant(rng: Random) -> Function:
    """An instance whose tests a constant would pass."""
    return Function(name=f"f{rng.randrange(10**9)}", params="n", ask="", body="return 1", calls=[1, 2, 3, 4])


@pytest.mark.parametrize("draw", [draw_same, draw_constant])
def test_a_family_that_does_not_vary_is_refused(draw: Callable[[Random], Function]) -> None:
    family = seen(draw)
    assert isinstance(family, Family)
    with pytest.raises(ValueError, match="gave no new instance"):
        family.rows(2)


def test_telling_results() -> None:
    assert telling([1, 2, 2])
    assert not telling([1, 1, 1, 2])
    assert not telling([1, 2])
    assert telling([True, False, True, False])
    assert not telling([True, False, True, True])
