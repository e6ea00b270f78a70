"""A reader who types only what the guide shows, page after page in an empty folder, reaches the verdict table."""

import os
import re
import time
from pathlib import Path

import nbclient
import nbformat
import pytest
from myst_nb.core.read import is_myst_markdown_notebook, read_myst_markdown_notebook

from tests.conftest import ROOT

GUIDE = ROOT / "docs" / "guide"
VERDICT = {"rows", "metric", "base", "tuned", "difference"}


def page_names() -> list[str]:
    """The pages, in the order of the guide's table of contents."""
    (toctree,) = re.findall(r"```\{toctree\}\n(.*?)```", (GUIDE / "index.md").read_text(), re.DOTALL)
    return re.findall(r"^\w+$", toctree, re.MULTILINE)


def what_a_reader_types(name: str) -> nbformat.NotebookNode:
    """The code cells of a page, without those whose source the page hides."""
    text = (GUIDE / f"{name}.md").read_text()
    cells = read_myst_markdown_notebook(text).cells if is_myst_markdown_notebook(text) else []
    shown = [cell for cell in cells if cell.cell_type == "code" and "remove-input" not in cell.metadata.get("tags", [])]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python", "language": "python"}}
    return nbformat.v4.new_notebook(cells=shown, metadata=kernel)


def plain_text(notebook: nbformat.NotebookNode) -> str:
    """What the cells of a page have shown, tables as they stand in its HTML."""
    outputs = [output for cell in notebook.cells for output in cell.outputs]
    shown = [output.get("text", "") or output.get("data", {}).get("text/html", "") for output in outputs]
    return re.sub(r"<style.*?</style>|<[^>]*>", " ", "\n".join(shown), flags=re.DOTALL)


def test_every_page_is_in_the_guides_order() -> None:
    assert set(page_names()) == {path.stem for path in GUIDE.glob("*.md")} - {"index"}


def test_no_hidden_cell_is_needed_on_its_page() -> None:
    """A page that reads the project's own files, or the drawing code, does it in hidden cells alone."""
    for name in page_names():
        for cell in what_a_reader_types(name).cells:
            assert not re.search(r"\bfigures\b|\.\./|benchmarks", cell.source), name


@pytest.mark.slow
def test_a_reader_who_types_it_all_reaches_the_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    shown, seconds = {}, {}
    for name in page_names():
        notebook = what_a_reader_types(name)
        begun, used = time.monotonic(), sum(os.times()[2:4])
        # A kernel of its own for each page, and all of them in the one folder.
        nbclient.NotebookClient(notebook, timeout=1200, resources={"metadata": {"path": str(tmp_path)}}).execute()
        seconds[name] = (round(time.monotonic() - begun), round(sum(os.times()[2:4]) - used))
        shown[name] = plain_text(notebook)
    print("seconds by page, on the clock and of the processor:", seconds)
    assert shown["scoring"].split() and VERDICT <= set(shown["scoring"].split())
    rows = re.findall(r"(seen|unseen|all)\s+(pass@1|bleu|exact_match)\s+(-?[\d.]+)\s+(-?[\d.]+)", shown["scoring"])
    assert {(group, metric) for group, metric, *_ in rows} >= {
        (group, metric) for group in ("seen", "unseen", "all") for metric in ("pass@1", "bleu")
    }
    (tuned,) = (float(tuned) for group, metric, _, tuned in rows if (group, metric) == ("all", "bleu"))
    (base,) = (float(base) for group, metric, base, _ in rows if (group, metric) == ("all", "bleu"))
    assert tuned > base + 10
    assert re.search(r"better|worse|no measurable difference", shown["scoring"])
    # What the pages leave is the run, and nothing beside it.
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
