"""The built site in a real browser: every page, narrow and wide, light and dark; search, copying, notebooks."""

import functools
import http.server
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.evals.test_report_in_a_browser import CHROMIUM, SWITCHES

SITE = ROOT / "docs" / "_build" / "html"
PAGES = sorted(path.relative_to(SITE).as_posix() for path in SITE.rglob("*.html") if "_static" not in path.parts)
# What reaches past the window's right edge, and neither lies in a box that scrolls nor waits outside of the window.
OVERFLOW = """() => {
    const may = element => {
        for (let one = element; one && one !== document.body; one = one.parentElement) {
            const style = getComputedStyle(one);
            if (style.position === 'fixed' || (one !== element && style.overflowX !== 'visible')) return true;
        }
        return false;
    };
    return [...document.querySelectorAll('body *')].filter(element => {
        const box = element.getBoundingClientRect();
        return box.width && box.height && box.right > innerWidth + 1 && !may(element);
    }).map(element => element.outerHTML.slice(0, 120));
}"""
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]

pytestmark = pytest.mark.site


def test_there_is_a_site_and_a_browser() -> None:
    assert CHROMIUM, "There is no Chromium; `nox -s docs-test` installs it where it may."
    assert len(PAGES) > 15, "There is no site to look at; build it with `nox -s docs`."


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="session")
def address():
    """Where the site is served; the clipboard needs more than a file's address."""
    handler = functools.partial(_Quiet, directory=str(SITE))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser, address):
    """Open a page; what the browser complained of, and what it asked for in vain or elsewhere, is kept on it."""
    contexts = []

    def start(name: str, width: int = 1280, scheme: str = "light", **options):
        context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme, **options)
        contexts.append(context)
        page = context.new_page()
        page.heard = []
        page.on("console", lambda told: page.heard.append(told.text) if told.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: page.heard.append(str(error)))
        page.on("requestfailed", lambda request: page.heard.append(f"failed: {request.url}"))
        page.on("response", lambda got: page.heard.append(f"{got.status}: {got.url}") if got.status >= 400 else None)
        page.on(
            "request", lambda asked: page.heard.append(f"elsewhere: {asked.url}") if is_elsewhere(asked.url) else None
        )
        page.goto(f"{address}{name}")
        return page

    def is_elsewhere(url: str) -> bool:
        return not url.startswith((address, "data:", "blob:", "about:"))

    yield start
    for context in contexts:
        context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_quiet_and_fits(open_page, name: str, width: int, scheme: str) -> None:
    page = open_page(name, width, scheme)
    page.locator("details").evaluate_all("all => all.forEach(one => { one.open = true })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(OVERFLOW) == []
    assert page.locator("img:not([alt]), img[alt='']").evaluate_all("all => all.map(one => one.outerHTML)") == []
    assert page.heard == []


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1280, "light")])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing(open_page, name: str, width: int, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-core is not installed")
    page = open_page(name, width, scheme)
    found = axe.Axe().run(page, options={"runOnly": {"type": "tag", "values": TAGS}}).response
    assert [(one["id"], [node["html"][:150] for node in one["nodes"][:3]]) for one in found["violations"]] == []
    assert len(found["passes"]) > 10


def test_dark_and_light_follow_the_system(open_page) -> None:
    grounds = {}
    for scheme in ("light", "dark"):
        colour = open_page("index.html", scheme=scheme).evaluate("getComputedStyle(document.body).backgroundColor")
        grounds[scheme] = sum(map(int, colour.removeprefix("rgb(").removesuffix(")").split(",")))
    assert grounds["light"] > 3 * 200
    assert grounds["dark"] < 3 * 60


def test_the_keyboard_skips_to_the_text_and_reaches_the_cards(open_page) -> None:
    page = open_page("index.html")
    page.keyboard.press("Tab")
    assert "content" in page.evaluate("document.activeElement.innerText").lower()
    page.keyboard.press("Enter")
    page.locator("a.sd-stretched-link").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/guide/**")


def test_search_finds_quantization(open_page) -> None:
    page = open_page("search.html?q=quantization")
    page.locator("#search-results li a").first.wait_for()
    found = page.locator("#search-results li a").evaluate_all("all => all.map(one => one.getAttribute('href'))")
    assert any("reference/recipe" in link for link in found)
    assert page.heard == []


def test_a_copy_button_copies_the_command_without_its_prompt(open_page) -> None:
    page = open_page("index.html", permissions=["clipboard-read", "clipboard-write"])
    block = page.locator(".highlight-console").first
    block.hover()
    block.locator("button.copybtn").click()
    page.wait_for_function("navigator.clipboard.readText().then(text => text.includes('nox -s train eval'))")
    assert page.evaluate("navigator.clipboard.readText()").startswith("python3 -m venv .venv")


def test_a_notebook_downloads_and_runs_alone(open_page, tmp_path: Path) -> None:
    page = open_page("explanation/sandbox.html")
    with page.expect_download() as started:
        page.get_by_role("link", name="Download this page as a notebook").click()
    path = tmp_path / "sandbox.ipynb"
    started.value.save_as(path)
    program = shutil.which("jupyter", path=str(Path(sys.executable).parent))
    subprocess.run([program, "execute", "--inplace", str(path)], cwd=tmp_path, check=True)
    assert "wrong_answer" in path.read_text()


def test_every_notebook_that_a_page_offers_is_there() -> None:
    linked = [name for name in PAGES if 'class="notebook-bar"' in (SITE / name).read_text()]
    assert len(linked) > 3
    for name in linked:
        assert (SITE / "notebooks" / name).with_suffix(".ipynb").is_file()


def test_machines_find_the_pages() -> None:
    sitemap, listed = (SITE / "sitemap.xml").read_text(), (SITE / "llms.txt").read_text()
    for name in PAGES:
        if name not in ("genindex.html", "search.html", "py-modindex.html", "index.html"):
            assert f"/{name}</loc>" in sitemap
            assert f"/{name})" in listed
    assert len((SITE / "llms-full.txt").read_text()) > 50_000
