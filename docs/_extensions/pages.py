"""The pages as files: their order, their front matter, their code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import nbformat
import yaml
from myst_nb.core.read import is_myst_markdown_notebook, read_myst_markdown_notebook

_TOCTREE = re.compile(r"^(`{3,}|:{3,})\{toctree\}.*?\n(.*?)^\1", re.MULTILINE | re.DOTALL)
_ENTRY = re.compile(r"(?:.*<)?([\w./-]+)>?")


@dataclass(frozen=True)
class Page:
    """A page's source.

    Attributes:
        name: As Sphinx names it, such as `guide/training`.
        path: Its file.
    """

    name: str
    path: Path

    @cached_property
    def text(self) -> str:
        """The source."""
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def front_matter(self) -> dict[str, Any]:
        """What stands between the dashes at the top."""
        found = re.match(r"---\n(.*?\n)---\n", self.text, re.DOTALL)
        return (yaml.safe_load(found[1]) if found else None) or {}

    @property
    def title(self) -> str:
        """The first heading."""
        found = re.search(r"^# (.+)$", self.text, re.MULTILINE)
        return found[1] if found else self.name

    @property
    def goes_on_from(self) -> str | None:
        """The page whose run this one uses; None if it stands alone."""
        return self.front_matter.get("goes_on_from")

    def notebook(self) -> nbformat.NotebookNode:
        """The page as a notebook without outputs, as it is run."""
        return read_myst_markdown_notebook(self.text, path=self.path)

    @cached_property
    def code(self) -> list[str]:
        """The code cells; none on a page that runs nothing."""
        if not is_myst_markdown_notebook(self.text):
            return []
        return [cell.source for cell in self.notebook().cells if cell.cell_type == "code"]

    @property
    def typed(self) -> list[str]:
        """The code cells that a reader sees and types; hidden ones draw for the page only."""
        if not self.code:
            return []
        return [cell.source for cell in self.notebook().cells if cell.cell_type == "code" and not is_hidden(cell)]

    def toctree(self) -> Iterator[str]:
        """The names of the pages in this page's toctrees."""
        folder = PurePosixPath(self.name).parent
        for _, entries in _TOCTREE.findall(self.text):
            for line in filter(None, map(str.strip, entries.splitlines())):
                if found := _ENTRY.fullmatch(line):
                    yield found[1].removeprefix("/") if found[1].startswith("/") else str(folder / found[1])


def is_hidden(cell: nbformat.NotebookNode) -> bool:
    """Say whether a cell's code is not on the page."""
    return "remove-input" in cell.metadata.get("tags", ())


def pages_in_order(source: Path, root: str = "index") -> list[Page]:
    """Every page below a root, in the order of the toctrees.

    Args:
        source: The folder of the sources.
        root: The page to begin with.
    """
    found: dict[str, Page] = {}

    def visit(name: str) -> None:
        path = source / f"{name}.md"
        if name in found or not path.is_file():
            return
        found[name] = Page(name, path)
        for below in found[name].toctree():
            visit(below)

    visit(root)
    return list(found.values())
