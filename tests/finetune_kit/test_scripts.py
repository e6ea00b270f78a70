"""What a script gives and gets: rows from a path, a list or a DataFrame, and answers as a DataFrame."""

import ast
import json
import subprocess
import sys

import pandas as pd
import pytest

from finetune_kit import KitError, Run, check, evaluate, generate, load_rows, measure_tokens, predict, train
from finetune_kit.data import GIVEN
from tests.conftest import ROOT

HOWTO = ROOT / "docs" / "howto" / "scripts.md"
ROW = {"instruction": "Add one to x.", "input": "", "output": "x + 1"}


def the_script() -> str:
    """The first cell of the how-to that a reader sees."""
    return HOWTO.read_text().split("```{code-cell} ipython3\n")[2].split("```")[0]


def test_the_same_rows_make_the_same_run_whatever_holds_them(
    tiny_recipe, exercise_rows, rows_file, tmp_path, float32_device
) -> None:
    rows = [{name: value for name, value in row.items() if name != "row_id"} for row in exercise_rows[:24]]
    rows_file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    sources = {"path": rows_file, "list": rows, "frame": pd.DataFrame(rows)}
    runs = {
        name: train(tiny_recipe(f"run.folder={tmp_path}", f"run.name={name}", "data.drop=[duplicates]"), source)
        for name, source in sources.items()
    }
    assert {name: run.manifest["source"] for name, run in runs.items()} == {
        "path": str(rows_file),
        "list": GIVEN,
        "frame": GIVEN,
    }
    assert len({json.dumps(run.manifest["rows"]) for run in runs.values()}) == 1
    assert len({(run.adapter_path / "adapter_model.safetensors").read_bytes() for run in runs.values()}) == 1


def test_the_script_of_the_page_runs_and_is_short(
    tiny_recipe, tiny_llama, exercise_rows, tmp_path, monkeypatch, capsys
) -> None:
    script = the_script()
    assert 0 < len([line for line in script.splitlines() if line.strip()]) <= 15
    monkeypatch.chdir(tmp_path)
    small = (f"base_model={tiny_llama}", "preprocessing.global_max_sequence_length=512", "adapter.r=4")
    settings = ", ".join(map(repr, [*small, "generation.max_new_tokens=4"]))
    assert script.count("overrides = [") == 1
    exec(script.replace("overrides = [", f"overrides = [{settings}, "), {"display": print})
    run = Run.load("runs/latest")
    assert run.manifest["source"] == GIVEN
    assert (run.path / "eval" / "report.html").is_file()
    assert "generated output" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (pd.DataFrame([{"instruction": "x"}]), "row 1: there is no column 'output' (found: instruction)"),
        (pd.DataFrame([ROW, {**ROW, "output": float("nan")}]), "row 2: 'output' is null"),
        (pd.DataFrame([ROW, {**ROW, "output": pd.NA}]), "row 2: 'output' is null"),
        (pd.DataFrame([ROW, {**ROW, "output": float("inf")}]), "row 2: 'output' is inf"),
        (pd.DataFrame([{**ROW, "output": pd.Timestamp("2020-01-01")}]), "row 1: 'output' must be text, and is a Times"),
        (pd.DataFrame([{**ROW, "output": ["x"]}]), "row 1: 'output' must be text, and is a list"),
        (pd.DataFrame([ROW, {**ROW, "output": None}], index=["a", "b"]), "row 2 (index b): 'output' is null"),
        (pd.DataFrame([["x", "y", "z"]], columns=["instruction", "output", "output"]), "has the column 'output' twice"),
        (pd.DataFrame(columns=["instruction", "output"]), "There are no rows in what the script gave."),
        ([], "There are no rows in what the script gave."),
        ([ROW, "text"], "row 2: a row must be an object with columns, and this is text."),
        ([ROW, {**ROW, "output": None}], "row 2: 'output' is null"),
        ({"instruction": ["x"]}, "Rows are given as a path, a DataFrame or a list of dicts, and not as an object."),
        (7, "Rows are given as a path, a DataFrame or a list of dicts, and not as a number."),
    ],
)
def test_what_is_wrong_with_rows_is_named(rows, message: str, tiny_recipe, tmp_path) -> None:
    for use in (load_rows, lambda rows: train(tiny_recipe(f"run.folder={tmp_path}"), rows)):
        with pytest.raises(KitError) as caught:
            use(rows)
        assert message in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_numbers_become_the_text_that_a_file_of_them_gives(tmp_path) -> None:
    rows = [{"instruction": "How many?", "output": 7}, {"instruction": "How much?", "output": 8}]
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    assert load_rows(pd.DataFrame(rows)) == load_rows(rows) == load_rows(tmp_path / "rows.json")


def test_a_data_set_of_the_library_is_a_list_of_rows() -> None:
    import datasets

    assert load_rows(datasets.Dataset.from_list([ROW])) == load_rows([ROW])


def test_check_and_tokens_take_rows_too(tiny_recipe, exercise_rows) -> None:
    recipe = tiny_recipe()
    frame = pd.DataFrame(exercise_rows)
    assert check(recipe, data=frame).as_dict()["tokens"] == measure_tokens(recipe, exercise_rows).as_dict()


def test_the_table_is_what_the_files_say(tiny_run: Run) -> None:
    table = predict(tiny_run)
    kept = [json.loads(line) for line in tiny_run.predictions_path("tuned").read_text().splitlines()]
    assert list(table) == ["instruction", "input", "output", "generated output"]
    assert table["generated output"].tolist() == [line["completion"] for line in kept]
    for column in ("instruction", "input", "output"):
        assert table[column].tolist() == [line[column] for line in kept]
    both = predict(tiny_run, sides=["base", "tuned"])
    assert list(both)[3:] == ["generated output (base)", "generated output (tuned)"]
    assert both["generated output (tuned)"].tolist() == table["generated output"].tolist()


def test_other_rows_are_answered_without_leaving_files(tiny_run: Run, tmp_path) -> None:
    predict(tiny_run)
    before = {path: path.read_bytes() for path in (tiny_run.path / "predictions").iterdir()}
    frame = pd.DataFrame([{"instruction": "Add."}, {"instruction": "Double."}], index=[7, 7])
    table = predict(tiny_run, frame)
    assert table.index.tolist() == [7, 7]
    assert table["input"].tolist() == table["output"].tolist() == ["", ""]
    (tmp_path / "rows.csv").write_text("instruction\nAdd.\nDouble.\n")
    for source in (frame, frame.to_dict(orient="records"), tmp_path / "rows.csv"):
        assert table["generated output"].tolist() == generate(tiny_run, source)
    assert {path: path.read_bytes() for path in (tiny_run.path / "predictions").iterdir()} == before


def test_a_side_that_there_is_not_is_refused(tiny_run: Run) -> None:
    for ask in (lambda: predict(tiny_run, sides="best"), lambda: generate(tiny_run, [ROW], side="best")):
        with pytest.raises(KitError, match="A side is one of base, prompted, tuned, and not 'best'"):
            ask()


def test_what_cannot_be_scored_is_the_kits_error(tiny_run: Run, monkeypatch) -> None:
    from evals.errors import EvalError

    def fail(*_: object, **__: object) -> None:
        raise EvalError("no row can be scored")

    monkeypatch.setattr("evals.score.score_run", fail)
    monkeypatch.setitem(sys.modules["evals"].__dict__, "score_run", fail)
    with pytest.raises(KitError, match="no row can be scored"):
        evaluate(tiny_run)


@pytest.mark.slow
def test_the_script_of_the_page_is_typed(tmp_path) -> None:
    pytest.importorskip("mypy")
    ast.parse(the_script())
    (tmp_path / "script.py").write_text(the_script())
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", str(ROOT / "pyproject.toml")]
    done = subprocess.run(
        [*command, str(tmp_path / "script.py")], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_packages_say_that_they_are_typed() -> None:
    assert (ROOT / "finetune_kit" / "py.typed").is_file() and (ROOT / "evals" / "py.typed").is_file()
