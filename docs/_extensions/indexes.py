"""What machines read: a sitemap, and the site for language models, as a list (`llms.txt`) and in full."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from sphinx.application import Sphinx

from _extensions.pages import Page, pages_in_order


def summary_of(page: Page) -> str:
    """The front matter's `description`; without it, the first sentence of the text."""
    if described := page.front_matter.get("description"):
        return str(described)
    text = re.sub(r"\A---\n.*?\n---\n", "", page.text, flags=re.DOTALL)
    for block in re.split(r"\n\s*\n", text):
        if block.strip() and re.match(r"[\w`*{\[]", block.strip()):
            plain = re.sub(r"\{\w+\}`(?:([^`<]+?) <[^>]+>|([^`]+))`", r"\1\2", " ".join(block.split()))
            return re.split(r"(?<=[.?])\s", plain)[0]
    return ""


def sitemap(names: list[str], base: str) -> str:
    """A sitemap of pages."""
    entries = "".join(f"<url><loc>{escape(f'{base}{name}.html')}</loc></url>\n" for name in sorted(names))
    head = '<?xml version="1.0" encoding="utf-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
    return f"{head}{entries}</urlset>\n"


def llms(title: str, pages: list[Page], base: str) -> str:
    """The list of pages, by section, each with what it is about."""
    lines = [f"# {title}", "", f"> {summary_of(pages[0])}"]
    section = ""
    for page in pages[1:]:
        folder = page.name.rpartition("/")[0]
        if folder != section or (not folder and len(lines) == 3):
            section = folder
            lines += ["", f"## {next((one.title for one in pages if one.name == f'{folder}/index'), 'More')}", ""]
        lines.append(f"- [{page.title}]({base}{page.name}.html): {summary_of(page)}")
    return "\n".join(lines) + "\n"


def _write(app: Sphinx, error: Exception | None) -> None:
    if error is not None or app.builder.format != "html":
        return
    out, base = Path(app.outdir), app.config.html_baseurl
    pages = pages_in_order(Path(app.srcdir))
    (out / "sitemap.xml").write_text(sitemap([page.name for page in pages], base), encoding="utf-8")
    (out / "llms.txt").write_text(llms(app.config.project, pages, base), encoding="utf-8")
    # As they were read, with what was made from the source.
    texts = [app.env.site_texts.get(page.name, page.text) for page in pages]  # type: ignore[attr-defined]
    (out / "llms-full.txt").write_text("\n\n".join(texts), encoding="utf-8")


def _keep(app: Sphinx, name: str, source: list[str]) -> None:
    if not hasattr(app.env, "site_texts"):
        app.env.site_texts = {}  # type: ignore[attr-defined]
    app.env.site_texts[name] = re.sub(r"\A---\n.*?\n---\n+", "", source[0], flags=re.DOTALL)  # type: ignore[attr-defined]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension."""
    app.connect("source-read", _keep, priority=900)
    app.connect("build-finished", _write)
    return {"parallel_read_safe": False}
