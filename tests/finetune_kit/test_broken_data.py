"""Files of rows that are broken in one way each: what the command says, where, and that it stops before any model."""

import gzip
import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from finetune_kit.cli import app

VERB = "check"
ROW = '{"instruction": "Add.", "output": "a + b"}'
BAD = '{"instruction": "Add."}'


@dataclass(frozen=True)
class Broken:
    """A file, and what must be said of it."""

    name: str
    content: str | bytes
    says: tuple[str, ...]


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("rows.json", f"[{ROW}]")
    return file.getvalue()


def parquet(rows: list[dict]) -> bytes:
    file = io.BytesIO()
    pd.DataFrame(rows).to_parquet(file)
    return file.getvalue()


FILES = {
    "nothing": Broken("rows.jsonl", "", ("rows.jsonl is empty.",)),
    "a byte order mark alone": Broken("rows.json", b"\xef\xbb\xbf\n", ("rows.json is empty.",)),
    "an empty list": Broken("rows.json", "[ ]\n", ("rows.json holds an empty list",)),
    "a header alone": Broken("rows.csv", "instruction,output\n", ("rows.csv holds no rows.",)),
    "an object with the list": Broken(
        "rows.json",
        f'{{"version": 2, "data": [{ROW}]}}',
        ("must hold a list of rows, and holds an object; its key 'data' holds a list", "jq '.[\"data\"]' rows.json"),
    ),
    "an object of columns": Broken(
        "rows.json", '{"instruction": {"0": "a"}, "output": {"0": "b"}}', ("object of objects", "orient='records'")
    ),
    "one row without its list": Broken("rows.json", ROW, ("If that is a row, put it between [ and ].",)),
    "lines by the name of a list": Broken("rows.json", f"{ROW}\n{ROW}", ("rows.json:2:", "name it .jsonl")),
    "a list by the name of lines": Broken(
        "rows.jsonl", json.dumps([json.loads(ROW)], indent=1), ("rows.jsonl holds one JSON list", "name it .json")
    ),
    "a list that is cut off in a row": Broken(
        "rows.json",
        f'[\n{ROW},\n{{"instruction": "Ad',
        ("rows.json:3: not valid JSON (the row that begins here never",),
    ),
    "a list that is cut off behind a row": Broken(
        "rows.json", f"[\n{ROW},\n{ROW}\n", ("rows.json:4: not valid JSON (the list is not closed; was the file cut",)
    ),
    "a comma before the end": Broken("rows.json", f"[\n{ROW},\n]", ("rows.json:2: not valid JSON (a comma stands",)),
    "a comma that is missing": Broken("rows.json", f"[\n{ROW}\n{ROW}]", ("rows.json:3: not valid JSON (a comma is",)),
    "text behind the list": Broken("rows.json", f"[{ROW}]\n[]", ("rows.json:1: not valid JSON (more text follows",)),
    "a quote that is not escaped": Broken(
        "rows.json",
        f'[\n{ROW},\n{{"instruction": "Say "hi".", "output": "b"}},\n{ROW}\n]',
        ("Error: rows.json:3: not valid JSON (Expecting ',' delimiter, column 23).",),
    ),
    "a line break within a text": Broken(
        "rows.json",
        '[{"instruction": "a",\n"output": "x\ny"}]',
        ("rows.json:2: not valid JSON (a line break", "which is written \\n, column 13; the row begins in line 1)"),
    ),
    "not a number": Broken(
        "rows.jsonl", f'{ROW}\n{{"instruction": "a", "output": NaN}}', ("rows.jsonl:2: 'output' is NaN",)
    ),
    "infinity in the input": Broken(
        "rows.jsonl", '{"instruction": "a", "input": -Infinity, "output": ""}', ("rows.jsonl:1: 'input' is -Infinity",)
    ),
    "a number without end": Broken(
        "rows.json", '[{"instruction": ' + "9" * 5000 + "}]", ("rows.json:1: not valid JSON (a number of thousands",)
    ),
    "nested too deeply": Broken(
        "rows.jsonl", ROW + "\n" + "[" * 100_000, ("rows.jsonl:2: not valid JSON (nested too",)
    ),
    "a key twice": Broken(
        "rows.jsonl",
        '{"output": "a", "output": "b"}',
        ("rows.jsonl:1: not valid JSON (the key 'output' stands twice)",),
    ),
    "a row that is a list": Broken(
        "rows.json", f"[{ROW},\n[1]]", ("rows.json:2: a row must be an object with columns",)
    ),
    "no rows but numbers in a line": Broken("rows.json", "[1, 2]", ("rows.json:1: a row", "The same at :1, row 2")),
    "latin letters": Broken(
        "rows.csv",
        "instruction,output\nAdd,café\n".encode("latin-1"),
        ("rows.csv:2: not UTF-8: byte 26 is 0xe9.", "iconv -f ISO-8859-1 -t UTF-8 rows.csv > rows-utf8.csv"),
    ),
    "quotes of Windows": Broken(
        "rows.csv", "instruction,output\nAdd,“a”\n".encode("cp1252"), ("rows.csv:2:", "iconv -f WINDOWS-1252 -t UTF-8")
    ),
    "wide letters with a mark": Broken(
        "rows.json", f"[{ROW}]".encode("utf-16"), ("rows.json:1:", "iconv -f UTF-16 -t UTF-8")
    ),
    "wide letters without a mark": Broken("rows.json", f"[{ROW}]".encode("utf-16-le"), ("iconv -f UTF-16LE -t UTF-8",)),
    "two encodings": Broken(
        "rows.jsonl",
        ROW.replace("Add", "é").encode() + b"\n" + ROW.replace("Add", "é").encode("latin-1") + b"\n\xff\n",
        ("rows.jsonl:2: not UTF-8: byte 59 is 0xe9.", "so mend that line, and line 3."),
    ),
    "half a letter at the end": Broken(
        "rows.jsonl", ROW.encode() + b"\n\xc3", ("rows.jsonl:2:", "ends in the middle of a character; was it cut off?")
    ),
    "half of a surrogate pair": Broken(
        "rows.jsonl",
        r'{"instruction": "\ud800", "output": ""}',
        ("rows.jsonl:1: 'instruction' holds half of a surrogate",),
    ),
    "gzip": Broken(
        "rows.json", gzip.compress(b"[]"), ("compressed (gzip)", "gunzip -c rows.json > rows-unpacked.json")
    ),
    "zip": Broken("rows.json", zipped(), ("rows.json is a zip archive",)),
    "a web page": Broken("rows.json", "\n<!DOCTYPE html>\n<html><body>404</body></html>", ("is a web page (HTML)",)),
    "a pointer": Broken(
        "rows.parquet",
        "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n",
        ("pointer of Git LFS", "git lfs pull"),
    ),
    "Parquet by another name": Broken("rows.json", parquet([{"a": 1}]), ("is a Parquet file; name it .parquet.",)),
    "no Parquet": Broken("rows.parquet", "PAR1", ("rows.parquet is not a Parquet file",)),
    "a null in Parquet": Broken(
        "rows.parquet",
        parquet([{"instruction": "a", "output": "b"}, {"instruction": "a", "output": None}]),
        ("rows.parquet, row 2: 'output' is null",),
    ),
    "a column twice": Broken(
        "rows.csv", "instruction,output,output\na,b,c\n", ("rows.csv:1: the header has the column 'output'",)
    ),
    "semicolons": Broken("rows.csv", "instruction;output\na;b\n", ("rows.csv:1: the cells are parted by ';'",)),
    "a quote that is never closed": Broken(
        "rows.csv",
        'instruction,output\na,b\nc,"d\ne,f\n',
        ("rows.csv:3: not valid CSV (a quote in the row that begins here",),
    ),
    "a quote within a cell": Broken(
        "rows.csv",
        'instruction,output\na,"b\n" c,d\n',
        ("rows.csv:2: not valid CSV (',' expected after '\"' in line 3)",),
    ),
    "a cell without end": Broken(
        "rows.csv",
        "instruction,output\na," + "b" * 131_073,
        ("rows.csv:2: not valid CSV (a cell", "more than 131,072 characters"),
    ),
    "cells too few and too many": Broken(
        "rows.csv",
        'instruction,output\n"a\nb",c\nd\n1,2,3\n',
        ("2 rows of rows.csv can't be used", "  rows.csv:4: 1 cells", "  rows.csv:5: 3 cells"),
    ),
    "no such column": Broken(
        "rows.csv", "question,output\na,b\n", ("rows.csv:2: there is no column 'instruction' (found: question",)
    ),
    "many in one way": Broken(
        "rows.jsonl",
        f"{ROW}\n{BAD}\n" * 13,
        ("13 rows of rows.jsonl", "rows.jsonl:2: there is no column", ":18, :20 and 3 more."),
    ),
    "many in many ways": Broken(
        "rows.jsonl",
        "".join(f'{{"instruction": [], "wrong {i}": 1}}\n{{"x{i}": "a"}}\n{ROW}\n' for i in range(11)),
        (
            "22 rows of rows.jsonl",
            "rows.jsonl:1: 'instruction' must be text",
            ":25, :28 and 1 more.",
            "found: x8)",
            "and 2 more\n",
        ),
    ),
}


@pytest.mark.parametrize("broken", FILES)
def test_a_broken_file_is_named_with_its_line_and_leaves_nothing(
    broken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from finetune_kit import base_models, loading

    monkeypatch.setattr(loading, "load_model", lambda *_, **__: pytest.fail("a model was loaded"))
    monkeypatch.setattr(base_models, "_embedded_folder", lambda: pytest.fail("a base model was looked for"))
    monkeypatch.chdir(tmp_path)
    file = FILES[broken]
    content = file.content if isinstance(file.content, bytes) else file.content.encode()
    Path(file.name).write_bytes(content)
    result = CliRunner().invoke(app, [VERB, "smollm2-135m", f"data={file.name}"])
    assert result.exit_code == 2, result.output
    for words in file.says:
        assert words in result.stderr
    assert result.stderr.startswith("Error: ") and "Traceback" not in result.stderr
    assert result.stderr.count("\n") <= 12
    assert [path.name for path in tmp_path.rglob("*")] == [file.name]
    assert Path(file.name).read_bytes() == content


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    from finetune_kit.data import load_rows

    for name, text in (
        ("rows.json", f"[{ROW}]"),
        ("rows.jsonl", ROW),
        ("rows.csv", "instruction,output\nAdd.,a + b\n"),
    ):
        (tmp_path / name).write_text(text, encoding="utf-8-sig")
        assert load_rows(tmp_path / name)[0]["instruction"] == "Add."
