"""The report of a training run in a real browser: no overflow, no network, and what axe-core finds."""

import json
import shutil
from pathlib import Path

import pytest

from finetune_kit.run import Run
from finetune_kit.run_report import write_report
from tests.evals.test_report_in_a_browser import CHROMIUM, OVERFLOW, browser  # noqa: F401
from tests.finetune_kit.test_run_report import answer

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")


@pytest.fixture(scope="module")
def report(tiny_run, tmp_path_factory) -> Path:
    """Of a run with all that one can have, overlong text among it."""
    run = Run.load(shutil.copytree(tiny_run.path, tmp_path_factory.mktemp("runs") / ("long" * 30)))
    answer(run)
    path = run.predictions_path("base")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[0] |= {"instruction": "i" * 300, "output": "x = " + "y" * 3_000, "completion": f"```python\n{'z' * 300}\n```"}
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    differences = [{"key": "trainer." + "k" * 80, "asked": "a" * 90, "used": "u" * 90}]
    run.write_manifest({**run.manifest, "notices": ["N" * 300], "differences": differences})
    return write_report(run)


@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (360, "dark"), (1280, "light"), (1280, "dark")])
def test_it_fits_asks_for_nothing_and_axe_finds_nothing(browser, report, width, scheme) -> None:  # noqa: F811
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-core is not installed")
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme, bypass_csp=True)
    page = context.new_page()
    asked, heard = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: heard.append(message.text))
    page.goto(report.as_uri())
    page.locator("details").evaluate_all("all => all.forEach(one => { one.open = true })")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate(OVERFLOW) == []
    assert [url for url in asked if not url.startswith("data:")] == [report.as_uri()] and heard == []
    shown = page.locator("img").evaluate_all("all => all.map(one => [one.alt.length > 20, one.naturalWidth > 100])")
    assert shown == [[True, True]] * 2
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    results = axe.Axe().run(page, options={"runOnly": {"type": "tag", "values": tags}})
    assert [
        (found["id"], [node["html"][:150] for node in found["nodes"][:3]]) for found in results.response["violations"]
    ] == []
    context.close()


def test_its_pictures_follow_the_system(browser, report) -> None:  # noqa: F811
    sources = set()
    for scheme in ("light", "dark"):
        page = browser.new_page(color_scheme=scheme)
        page.goto(report.as_uri())
        sources.add(page.locator("img").first.evaluate("one => one.currentSrc"))
        page.close()
    assert len(sources) == 2
