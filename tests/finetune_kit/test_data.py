import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from finetune_kit.data import BUILTIN, content_hash, load_rows
from finetune_kit.errors import KitError
from finetune_kit.splits import guide_split, split_rows
from tests.conftest import REAL_ROWS

ROWS = [
    {"instruction": "Add one", "input": "", "output": "x + 1"},
    {"instruction": 'Say "hi",\nplease', "input": "é", "output": "print('hi')"},
]


def write(path: Path, rows: list) -> Path:
    if path.suffix == ".json":
        path.write_text(json.dumps(rows))
    elif path.suffix == ".jsonl":
        path.write_text("\n".join(json.dumps(row) for row in rows) + "\n\n")
    elif path.suffix == ".csv":
        pd.DataFrame(rows).to_csv(path, index=False)
    else:
        pd.DataFrame(rows).to_parquet(path)
    return path


@pytest.mark.parametrize("suffix", [".json", ".jsonl", ".csv", ".parquet"])
def test_every_format_gives_the_same_rows(tmp_path: Path, suffix: str) -> None:
    loaded = load_rows(write(tmp_path / f"rows{suffix}", ROWS))
    assert [{k: row[k] for k in ROWS[0]} for row in loaded] == ROWS
    assert loaded == load_rows(pd.DataFrame(ROWS))


def test_columns_are_mapped_and_absent_input_is_empty() -> None:
    frame = pd.DataFrame([{"question": "Q", "answer": "A", "other": 1}])
    (row,) = load_rows(frame, {"instruction": "question", "output": "answer"})
    assert row == {"row_id": row["row_id"], "instruction": "Q", "output": "A", "input": ""}


def test_limit_takes_the_first_rows() -> None:
    assert [row["instruction"] for row in load_rows(pd.DataFrame(ROWS), limit=1)] == ["Add one"]


def test_text_in_csv_stays_text(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("instruction,input,output\n007,NA,None\n")
    (row,) = load_rows(path)
    assert (row["instruction"], row["input"], row["output"]) == ("007", "NA", "None")


def test_equal_rows_have_different_ids_and_the_same_split() -> None:
    rows = load_rows(pd.DataFrame([ROWS[0]] * 3))
    assert len({row["row_id"] for row in rows}) == 3
    assert len({content_hash(row) for row in rows}) == 1
    assert len(split_rows(rows, probabilities=(1.0, 0.0, 0.0)).train) == 3


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.jsonl", '{"instruction": "a", "output": "b"}\n{"instruction": ', r"rows.jsonl:2: not valid JSON"),
        ("rows.jsonl", '{"instruction": "a", "output": "b"}\n[1]\n', r"rows.jsonl:2: a row must be an object.*a list"),
        ("rows.jsonl", '{"instruction": "a"}\n', r"rows.jsonl:1: there is no column 'output' \(found: instruction\)"),
        (
            "rows.jsonl",
            '{"instruction": ["a"], "output": "b"}\n',
            r"rows.jsonl:1: 'instruction' must be text, and is a list",
        ),
        ("rows.json", '[\n{"instruction": 1,,}\n]', r"rows.json:2: not valid JSON"),
        ("rows.json", '{"instruction": "a"}\n{"instruction": "b"}', r"name it .jsonl"),
        ("rows.json", '{"data": []}', r"must hold a list of rows, and holds an object"),
        ("rows.json", "[]", r"holds no rows"),
        ("rows.json", "", r"is empty"),
        ("rows.csv", "", r"is empty"),
        ("rows.csv", "instruction,output\n", r"holds no rows"),
        ("rows.csv", "instruction,output\na,b\nc,d,e\n", r"rows.csv:3: 3 cells, and the header has 2"),
        ("rows.csv", "instruction,output\na,b,\n", r"rows.csv:2: 3 cells, and the header has 2"),
        ("rows.csv", "instruction,output\na\n", r"rows.csv:2: 1 cells, and the header has 2"),
        ("rows.csv", 'instruction,output\na,"b" c\n', r"rows.csv:2: not valid CSV"),
        ("rows.jsonl", '{"instruction": "a", "output": null}\n', r"rows.jsonl:1: 'output' is null"),
        (
            "rows.jsonl",
            '{"instruction": "a", "output": "\\ud800"}\n',
            r"rows.jsonl:1: 'output' holds half of a surrogate",
        ),
        ("rows.json", "[" * 100_000, r"rows.json"),
        ("rows.json", '[{"instruction": ' + "9" * 5000 + "}]", r"rows.json:1: not valid JSON \(a number of"),
        (
            "rows.csv",
            "question,output\na,b\n",
            r"no column 'instruction' \(found: question, output\).*data.columns.instruction",
        ),
        ("rows.parquet", "no parquet", r"is not a Parquet file"),
        ("rows.txt", "x", r"rows are read from"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(KitError, match=message):
        load_rows(tmp_path / name)


def test_a_file_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_bytes(b'{"instruction": "\xe9", "output": ""}')
    with pytest.raises(KitError, match="not UTF-8: byte 17 is 0xe9"):
        load_rows(tmp_path / "rows.jsonl")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("missing.json", "There is no file missing.json"),
        ("no/such/file.csv", "There is no file"),
        ("builtin:python", "there is builtin:python-exercises"),
        (".", "is a folder"),
        ("nobody/no-such-data", "is not in the Hub's cache"),
    ],
)
def test_a_source_that_is_not_there(source: str, message: str) -> None:
    with pytest.raises(KitError, match=message):
        load_rows(source)


def test_the_builtin_rows_split_keeps_unseen_families_apart() -> None:
    splits = split_rows(load_rows(BUILTIN), probabilities=(0.84, 0.04, 0.12))
    unseen = [row for row in splits.test if row["group"] == "unseen"]
    assert len(unseen) >= 150 and len({row["family"] for row in unseen}) >= 10
    assert len(splits.test) - len(unseen) >= 150
    families = {row["family"] for row in unseen}
    assert not [row for row in [*splits.train, *splits.validation] if row["family"] in families]


def test_adding_rows_moves_none() -> None:
    rows = load_rows(BUILTIN)
    before, after = split_rows(rows[100:]), split_rows(rows)
    for part in ("train", "validation", "test"):
        ids = {row["row_id"] for row in getattr(after, part)}
        assert {row["row_id"] for row in getattr(before, part)} <= ids


def test_the_shares_are_about_what_was_asked() -> None:
    rows = [row for row in load_rows(BUILTIN) if row["group"] == "seen"]
    splits = split_rows(rows)
    assert len(splits.train) / len(rows) == pytest.approx(0.9, abs=0.03)
    assert len(splits.validation) / len(rows) == pytest.approx(0.05, abs=0.02)


def guides_own_code(n: int, n_rows: int) -> list[int]:
    """The steps that the fine-tuning guide takes, with numpy's global generator."""
    np.random.seed(123)
    first, second = int(n * 0.9), int(n * 0.05)
    values = np.concatenate([np.zeros(first), np.ones(second), np.full(n - first - second, 2)])
    np.random.shuffle(values)
    frame = pd.DataFrame({"row": range(n)})
    frame["split"] = values.astype(int)
    return frame.head(n=n_rows)["split"].tolist()


@pytest.mark.parametrize(("n", "n_rows"), [(20, 20), (2017, 1000), (1999, 1999)])
def test_the_guides_split_is_the_guides_row_for_row(n: int, n_rows: int) -> None:
    assert guide_split(n)[:n_rows] == guides_own_code(n, n_rows)
    rows = load_rows(pd.DataFrame([{"instruction": str(i), "output": ""} for i in range(n)]))
    splits = split_rows(rows, "guide", limit=n_rows)
    expected = guides_own_code(n, n_rows)
    for number, part in enumerate((splits.train, splits.validation, splits.test)):
        assert [int(row["instruction"]) for row in part] == [i for i, s in enumerate(expected) if s == number]


def test_a_column_of_splits_is_followed_and_checked() -> None:
    frame = pd.DataFrame([{"instruction": str(i), "output": "", "split": i % 3} for i in range(6)])
    splits = split_rows(load_rows(frame), "column")
    assert [row["instruction"] for row in splits.test] == ["2", "5"]
    with pytest.raises(KitError, match="Row 1 has the split '7'"):
        split_rows(load_rows(frame.assign(split=7)), "column")
    with pytest.raises(KitError, match="has no column 'split'"):
        split_rows(load_rows(pd.DataFrame(ROWS)), "column")


def test_the_train_limit_does_not_depend_on_the_order_of_the_file() -> None:
    rows = load_rows(BUILTIN, limit=200)
    one, other = (split_rows(order, train_limit=30).train for order in (rows, rows[::-1]))
    assert len(one) == 30 and {row["row_id"] for row in one} == {row["row_id"] for row in other}


def test_no_training_row_is_an_error() -> None:
    with pytest.raises(KitError, match="No training row is left"):
        split_rows(load_rows(pd.DataFrame(ROWS)), probabilities=(0.0, 0.5, 0.5))


@pytest.mark.skipif(not REAL_ROWS.exists(), reason="the Code Alpaca rows are not beside this checkout")
def test_real_rows_load() -> None:
    rows = load_rows(REAL_ROWS)
    assert len(rows) == 2017
    assert all(row["instruction"] and "input" in row for row in rows)


def test_the_test_limit_holds_for_each_group() -> None:
    splits = split_rows(load_rows(BUILTIN), probabilities=(0.84, 0.04, 0.12), test_limit=20)
    groups = [row["group"] for row in splits.test]
    assert (groups.count("seen"), groups.count("unseen")) == (20, 20)


def test_a_data_set_of_the_hub_gives_the_same_rows_as_a_file(monkeypatch) -> None:
    """`datasets` answers from memory, since no test reaches for the network."""
    import datasets

    asked = []

    def answer(name: str, split: str) -> datasets.Dataset:
        asked.append((name, split))
        return datasets.Dataset.from_list(ROWS)

    monkeypatch.setattr(datasets, "load_dataset", answer)
    monkeypatch.setattr("finetune_kit.data._is_cached", lambda name: True)
    assert load_rows("sahil2801/CodeAlpaca-20k") == load_rows(pd.DataFrame(ROWS))
    assert asked == [("sahil2801/CodeAlpaca-20k", "train")]
