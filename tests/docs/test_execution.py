"""The execution contract, on a small project that is built with the site's own settings."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.site

TRAINING = """\
from pathlib import Path
folder = Path("runs/run")
folder.mkdir(parents=True)
Path("runs/latest").symlink_to(folder.name)
(folder / "word").write_text("first")
"""
USING = 'print("it says", open("runs/latest/word").read())'


def page(code: str, title: str = "A page", goes_on_from: str = "") -> str:
    more = f"goes_on_from: {goes_on_from}\n" if goes_on_from else ""
    top = f"---\nfile_format: mystnb\nkernelspec:\n  name: python3\n{more}---\n\n"
    return f"{top}# {title}\n\n```{{code-cell}} ipython3\n{code}\n```\n"


def index(*names: str) -> str:
    return "# An index\n\n```{toctree}\n" + "\n".join(names) + "\n```\n"


class Site:
    """A small project, and what came of building it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.source = folder / "source"
        self.write("index", index("guide/index", "howto/index"))
        # The page that trains comes last by name, and first by the toctree.
        self.write("guide/index", index("z_training", "a_use"))
        self.write("guide/z_training", page(TRAINING))
        self.write("guide/a_use", page(USING, goes_on_from="guide/z_training"))
        self.write("howto/index", index("b_more", "alone"))
        self.write("howto/b_more", page(USING.replace("it", "more"), goes_on_from="guide/z_training"))
        self.write("howto/alone", page("print(6 * 7)"))

    def write(self, name: str, text: str) -> None:
        path = self.source / f"{name}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def build(self) -> subprocess.CompletedProcess[str]:
        program = [sys.executable, "-m", "sphinx", "-n", "-W", "--keep-going", "-E", "-c", str(ROOT / "docs")]
        cache = ["-D", f"nb_execution_cache_path={self.folder / 'cells'}"]
        return subprocess.run(
            [*program, *cache, str(self.source), str(self.folder / "html")], capture_output=True, text=True, check=False
        )

    def built(self) -> str:
        done = self.build()
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def html(self, name: str) -> str:
        return (self.folder / "html" / f"{name}.html").read_text()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_pages_run_in_order_and_only_when_what_they_show_may_have_changed(site: Site) -> None:
    first = site.built()
    assert first.count("Executing notebook") == 4
    assert "it says first" in site.html("guide/a_use")
    assert "more says first" in site.html("howto/b_more")

    assert site.built().count("Executing notebook") == 0

    # The text of a page is not its code.
    site.write("guide/z_training", page(TRAINING, title="Another title"))
    assert site.built().count("Executing notebook") == 0

    # New code in one page of the chain, and all of them run; the page that stands alone does not.
    site.write("guide/z_training", page(TRAINING.replace("first", "second")))
    assert site.built().count("Executing notebook") == 3
    assert "it says second" in site.html("guide/a_use")
    assert "more says second" in site.html("howto/b_more")

    shutil.rmtree(site.source / "guide" / "runs")
    assert site.built().count("Executing notebook") == 3


def test_a_cell_that_fails_fails_the_build_each_time(site: Site) -> None:
    site.built()
    site.write("howto/alone", page("print(6 / 0)"))
    for _ in range(2):
        done = site.build()
        assert done.returncode != 0
        assert "ZeroDivisionError" in done.stdout + done.stderr


def test_a_page_stands_after_the_one_that_it_goes_on_from(site: Site) -> None:
    site.write("guide/index", index("a_use", "z_training"))
    done = site.build()
    assert done.returncode != 0
    assert "goes on from 'guide/z_training'" in done.stderr
