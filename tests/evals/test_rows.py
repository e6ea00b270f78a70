"""Rows: every kind of file, and every problem with its place."""

from __future__ import annotations

import gzip
import json

import pytest

from evals.errors import EvalError
from evals.rows import read_rows
from evals.suite import Suite
from tests.evals.conftest import written

ROWS = [{"instruction": "a", "output": "x"}, {"instruction": "b", "output": "y\u2028z"}]


@pytest.mark.parametrize("name", ["r.json", "r.jsonl", "r.csv", "r.jsonl.gz"])
def test_rows_are_read_with_their_places(tmp_path, name):
    lines = [json.dumps(row, ensure_ascii=False) for row in ROWS]
    text = {"json": "[\n" + ",\n".join(lines) + "]", "csv": "instruction,output\na,x\nb,y\u2028z\n"}
    raw = text.get(name.split(".")[1], "\n".join([*lines, "\n"])).encode()
    (tmp_path / name).write_bytes(gzip.compress(raw) if name.endswith("gz") else raw)
    rows = read_rows(name, tmp_path)
    assert [row.values for row in rows] == ROWS
    first = 1 if "jsonl" in name else 2
    assert [row.where.rpartition(":")[2] for row in rows] == [str(first), str(first + 1)]
    assert len(read_rows(name, tmp_path, limit=1)) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": 1}\n{"a": \n', r"r\.jsonl:2: this is not valid JSON"),
        (b'{"a": 1}\n[1]\n', r"r\.jsonl:2: a row must be a JSON object"),
        (b'{"a": 1}\n\xff\n', r"r\.jsonl:2: the line is not UTF-8"),
        (b"\n", r"r\.jsonl: it holds no row"),
    ],
)
def test_a_row_that_cannot_be_read_is_named(tmp_path, content, message):
    (tmp_path / "r.jsonl").write_bytes(content)
    with pytest.raises(EvalError, match=message):
        read_rows("r.jsonl", tmp_path)


def test_rows_that_are_nowhere_are_named(tmp_path):
    with pytest.raises(EvalError, match=r"nowhere\.jsonl: there is no such file of rows"):
        read_rows("nowhere.jsonl", tmp_path)
    with pytest.raises(EvalError, match=r"'no-such-package', which is not installed: pip install --no-deps no-"):
        read_rows("package:no-such-package/x.jsonl", tmp_path)
    with pytest.raises(EvalError, match=r"'pytest' has no file x\.jsonl"):
        read_rows("package:pytest/x.jsonl", tmp_path)


def test_a_data_set_that_the_hub_does_not_have_is_named(tmp_path):
    with pytest.raises(EvalError, match=r"'nobody/nothing' .* cannot be had from the Hub"):
        read_rows("nobody/nothing", tmp_path)


def test_a_missing_column_and_a_double_id_are_named(tmp_path):
    (tmp_path / "r.jsonl").write_text('{"q": "a", "row_id": 1}\n{"q": "b", "row_id": "1"}\n')
    with pytest.raises(EvalError, match=r"r\.jsonl:1: the row has no column 'qq'.* Did you mean 'q'"):
        Suite.load(written(tmp_path, "rows: {source: r.jsonl, columns: {instruction: qq}}")).read_rows()
    with pytest.raises(EvalError, match=r"r\.jsonl:2: row_id '1' stands at .*r\.jsonl:1 already"):
        Suite.load(written(tmp_path, "rows: {source: r.jsonl, columns: {instruction: q}}")).read_rows()
