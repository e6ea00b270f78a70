"""The HTML report in a real browser: no overflow, no network, no script, and what axe-core finds."""

import shutil

import pytest

from benchmarks.evaluation_report import made
from evals.html_chart import interval_plot
from evals.html_report import render_html
from tests.evals.test_html_report import HOSTILE

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SWITCHES = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
OVERFLOW = """() => [...document.querySelectorAll('body *')].filter(element => {
    const box = element.getBoundingClientRect();
    if (!box.width || box.right <= innerWidth + 1) return false;
    return !element.closest('.scroll, .code, nav ul, .skip, svg');
}).map(element => element.outerHTML.slice(0, 120))"""

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def summary_and_samples():
    """An evaluation with all that one can hold, hostile and overlong text among it."""
    summary, samples = made(60, ("base", "prompted", "tuned"), seed=3)
    for sample, text in zip(samples, HOSTILE * 3, strict=False):
        sample["code"] = sample["instruction"] = sample["completion"] = sample["detail"] = text
        sample["row_id"] = f"{sample['row_id']}{'-' + 'long' * 20}"
    samples[0]["code"] = "x = " + "y" * 3_000
    summary["warnings"] = ["W" * 300, *HOSTILE]
    summary["signatures"]["long"] = "s" * 280
    summary["groups"]["g" * 70] = summary["groups"]["seen"]
    summary["rungs"] = {"base": {"1": 2, "4": 3}, "tuned": {"4": 5}}
    summary["languages"] = {"c#": summary["groups"]["seen"], "l" * 70: summary["groups"]["unseen"]}
    summary["rungs_reached"] = {"runs": {**summary["metrics"]["pass@1"], "p_adjusted": 0.001}}
    summary["rungs_reached"]["behaves"] = summary["rungs_reached"]["runs"]
    summary["duplicates"] = {"near": ["a" * 90], "without_duplicates": {"pass@1": summary["metrics"]["pass@1"]}}
    return summary, samples


@pytest.fixture(scope="module")
def report(tmp_path_factory, summary_and_samples):
    """The evaluation's report."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render_html(*summary_and_samples), encoding="utf-8")
    return path


@pytest.fixture
def open_page(browser, report):
    """Open the report; what the browser complained of and asked for is kept on the page."""
    contexts = []

    def start(width=1200, scheme="light", **options):
        context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme, **options)
        contexts.append(context)
        page = context.new_page()
        page.heard, page.asked = [], []
        page.on("console", lambda message: page.heard.append(message.text))
        page.on("pageerror", lambda error: page.heard.append(str(error)))
        page.on("dialog", lambda dialog: (page.heard.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: page.asked.append(request.url))
        page.goto(report.as_uri())
        return page

    yield start
    for context in contexts:
        context.close()


def _open_all(page):
    page.locator("details").evaluate_all("all => all.forEach(one => { one.open = true })")


@pytest.mark.parametrize("width", [320, 360, 768, 1200])
def test_nothing_is_wider_than_the_window(open_page, width):
    page = open_page(width)
    _open_all(page)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate(OVERFLOW) == []
    widest = page.locator("pre.code").evaluate_all(
        "all => Math.max(...all.map(one => one.scrollWidth - one.clientWidth))"
    )
    assert widest > 1_000  # the long line is there, and scrolls in its own box


def test_the_page_asks_for_nothing_and_says_nothing(open_page, report):
    page = open_page(java_script_enabled=True)
    _open_all(page)
    page.wait_for_timeout(100)
    assert page.heard == []
    assert page.asked == [report.as_uri()]
    assert page.evaluate("document.querySelectorAll('script, img, iframe').length") == 0
    assert page.title() == "The tuned model is better · evaluation report"


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1200, "light")])
def test_axe_finds_nothing(open_page, width, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-core is not installed")
    page = open_page(width, scheme, bypass_csp=True)
    # A few of the cards, since axe takes its time, and all else.
    page.evaluate("[...document.querySelectorAll('details.card')].slice(3).forEach(one => one.remove())")
    _open_all(page)
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    results = axe.Axe().run(page, options={"runOnly": {"type": "tag", "values": tags}})
    assert [
        (found["id"], [node["html"][:150] for node in found["nodes"][:3]]) for found in results.response["violations"]
    ] == []
    assert len(results.response["passes"]) > 20


def test_dark_and_light_follow_the_system(open_page):
    grounds = {}
    for scheme in ("light", "dark"):
        page = open_page(scheme=scheme)
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        grounds[scheme] = sum(map(int, colour.removeprefix("rgb(").removesuffix(")").split(",")))
    assert grounds["light"] > 3 * 200
    assert grounds["dark"] < 3 * 60


def test_the_keyboard_reaches_the_report_its_rows_and_its_code(open_page):
    page = open_page()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.locator(".skip").bounding_box()["x"] == 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    card = page.locator("details.card").nth(1)
    assert not card.evaluate("card => card.open")
    card.locator("summary").first.focus()
    page.keyboard.press("Enter")
    assert card.evaluate("card => card.open")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.matches('pre.code, summary')")


def test_all_can_be_read_without_script(open_page):
    page = open_page(java_script_enabled=False)
    card = page.locator("details.card").first
    assert card.locator("pre.code").first.is_visible()
    closed = page.locator("details.card").nth(1)
    assert not closed.locator("pre.code").first.is_visible()
    closed.locator("summary").first.click()
    assert closed.locator("pre.code").first.is_visible()


def test_the_marks_of_the_charts_stand_where_the_numbers_say(open_page, summary_and_samples):
    summary, _ = summary_and_samples
    plot = interval_plot("pass@1", summary["metrics"]["pass@1"], summary["groups"])
    middles = """(list, [marks, frame]) => [...list.querySelectorAll(frame)].map(strip => {
        const whole = strip.getBoundingClientRect();
        return [...strip.querySelectorAll(marks)].map(mark => {
            const box = mark.getBoundingClientRect();
            return 100 * (box.left + box.width / 2 - whole.left) / whole.width;
        });
    })"""
    figure = open_page().locator("figure").first
    bars = figure.evaluate(middles, [".whisker, .point", ".strip"])
    assert len(bars) == len(plot.bars) == 4
    for drawn, bar in zip(bars, plot.bars, strict=True):
        assert drawn == pytest.approx([bar.low, bar.high, bar.at], abs=0.5)
    (ticks,) = figure.evaluate(middles, ["text", ".axis"])
    assert ticks == pytest.approx([tick.at for tick in plot.ticks], abs=2)
    frames = [figure.locator(name).first.bounding_box() for name in (".strip", ".axis")]
    assert [frames[0][key] for key in ("x", "width")] == pytest.approx(
        [frames[1][key] for key in ("x", "width")], abs=1
    )
