"""A reader who types only what the guide shows, page after page in an empty folder, reaches the verdict table."""

import os
import re
import time
from io import StringIO
from pathlib import Path

import nbclient
import nbformat
import pandas as pd
import pytest

from tests.conftest import ROOT

GUIDE = ROOT / "docs" / "guide"


def page_names() -> list[str]:
    """The pages, in the order of the guide's table of contents."""
    (toctree,) = re.findall(r"```\{toctree\}\n(.*?)```", (GUIDE / "index.md").read_text(), re.DOTALL)
    return re.findall(r"^\w+$", toctree, re.MULTILINE)


def what_a_reader_types(name: str) -> list[str]:
    """The code cells of a page, without those whose source the page hides."""
    text = (GUIDE / f"{name}.md").read_text()
    cells = re.findall(r"^```\{code-cell\} ipython3\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [cell for cell in cells if not cell.startswith(":tags: [remove-input]")]


def type_in(cells: list[str], folder: Path) -> list[pd.DataFrame]:
    """Run cells in a fresh kernel in a folder; the tables that they show."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(
        notebook, kernel_name="python3", timeout=1200, resources={"metadata": {"path": str(folder)}}
    ).execute()
    outputs = [output.get("data", {}) for cell in notebook.cells for output in cell.outputs]
    return [pd.read_html(StringIO(data["text/html"]))[0] for data in outputs if "<table" in data.get("text/html", "")]


def test_every_page_has_its_place_in_the_order() -> None:
    assert sorted(page_names()) == sorted(path.stem for path in GUIDE.glob("*.md") if path.stem != "index")


def test_only_hidden_cells_reach_for_what_a_reader_does_not_have() -> None:
    cells = [(name, cell) for name in page_names() for cell in what_a_reader_types(name)]
    assert len(cells) > 20
    assert [name for name, cell in cells if re.search(r"\b_figures\b|\.\./|benchmarks", cell)] == []


@pytest.mark.slow
def test_a_reader_who_types_it_all_reaches_the_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    tables: dict[str, list[pd.DataFrame]] = {}
    for name in filter(what_a_reader_types, page_names()):
        begun, used = time.monotonic(), os.times().children_user
        tables[name] = type_in(what_a_reader_types(name), tmp_path)
        print(f"{name}: {time.monotonic() - begun:.0f} s, {os.times().children_user - used:.0f} s of a processor")
    verdict, words, over = tables["scoring"]
    assert list(over.columns) == ["metric", "prompted", "tuned", "word"] and "pass@1" in set(over["metric"])
    scores = verdict.set_index(["group", "metric"])
    for group in ("seen", "unseen", "all"):
        assert {"pass@1", "bleu", "exact_match"} <= set(scores.loc[group].index)
    assert scores.loc[("all", "bleu"), "tuned"] > scores.loc[("all", "bleu"), "base"] + 10
    assert set(words["word"]) <= {"better", "worse", "no measurable difference"}
    assert "better" in set(words["word"])
    # The guide leaves its run, and nothing beside it.
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
