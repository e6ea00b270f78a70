"""Runs the pages in the order of the toctrees, and keeps what they showed for as long as it would be the same.

Two rules make a stale output impossible. The cache's folder is named by a hash of all that a page's code may reach:
the packages, the tested versions, these helpers. And the pages that share a run (the guide, and whatever says that it
goes on from one of its pages) have one key together: if the code of any of them changed, or the run is gone, all of
them run again.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jupyter_cache import get_cache
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import ExtensionError

from _extensions.pages import pages_in_order

GUIDE = "guide"
_MARK = "built_by_the_pages"


def cache_folder(root: Path) -> Path:
    """Where the outputs are kept that the present sources give; those of others are removed.

    Args:
        root: The repository.
    """
    inputs = [root / "constraints.txt", root / "docs" / "conf.py", root / "docs" / "_figures.py"]
    for folder in ("finetune_kit", "evals", "docs/_extensions", "benchmarks/results"):
        inputs += (path for path in (root / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    key = _hash(part for path in sorted(inputs) for part in (str(path.relative_to(root)), path.read_bytes()))
    folder = root / "docs" / "_build" / "cells"
    for other in folder.glob("*"):
        if other.name != key:
            shutil.rmtree(other)
    return folder / key


class Chain:
    """The pages that share the guide's run."""

    def __init__(self, app: Sphinx) -> None:
        source = Path(app.srcdir)
        pages = pages_in_order(source)
        begun = {page.goes_on_from for page in pages}
        self.pages = [
            page
            for page in pages
            if page.code and (page.name.startswith(f"{GUIDE}/") or page.goes_on_from or page.name in begun)
        ]
        self.cache = Path(app.config.nb_execution_cache_path)
        self.runs = source / GUIDE / "runs"
        self.key = _hash([self.cache.name, *(part for page in self.pages for part in (page.name, *page.code))])

    def is_stale(self) -> bool:
        """Whether the pages must run again."""
        mark = self.runs / "latest" / _MARK
        return not (mark.is_file() and mark.read_text() == self.key and self.cache.is_dir())

    def forget(self) -> None:
        """Remove the run and what is kept of the pages' outputs; lay out the folders for the next run."""
        shutil.rmtree(self.runs, ignore_errors=True)
        if self.cache.is_dir():
            cache = get_cache(self.cache)
            for page in self.pages:
                try:
                    cache.remove_cache(cache.match_cache_notebook(page.notebook()).pk)
                except KeyError:
                    continue
        # Pages of other sections find the run where they look for it: beside themselves.
        for folder in {page.path.parent for page in self.pages} - {self.runs.parent}:
            link = folder / "runs"
            if not link.is_symlink():
                link.symlink_to(self.runs, target_is_directory=True)

    def remember(self) -> None:
        """Say which code the run is of; for a build in which every page was run."""
        if (self.runs / "latest").is_dir():
            (self.runs / "latest" / _MARK).write_text(self.key)


def _hash(parts: Iterable[str | bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8) + data)
    return digest.hexdigest()[:16]


def _begin(app: Sphinx, env: BuildEnvironment, *_: Any) -> list[str]:
    """Find out whether the guide's pages must be read again."""
    chain = Chain(app)
    if not chain.is_stale():
        return []
    chain.forget()
    return [page.name for page in chain.pages]


def _order(app: Sphinx, env: BuildEnvironment, names: list[str]) -> None:
    """Read pages in the order of the toctrees; those outside them come last."""
    place: dict[str, int] = {}
    for page in pages_in_order(Path(app.srcdir)):
        if page.goes_on_from and page.goes_on_from not in place:
            raise ExtensionError(f"{page.path} goes on from {page.goes_on_from!r}: no page before it has that name.")
        place[page.name] = len(place)
    names.sort(key=lambda name: place.get(name, len(place)))


def _end(app: Sphinx, env: BuildEnvironment) -> None:
    """All pages were read, so that the run is of the code that they show; a cell that failed would not come here."""
    Chain(app).remember()


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension; pages are read one by one, since a later one uses what an earlier one made."""
    app.connect("env-get-outdated", _begin)
    app.connect("env-before-read-docs", _order)
    app.connect("env-updated", _end)
    return {"parallel_read_safe": False}
