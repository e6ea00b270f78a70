"""What a host of the site runs: the branch of versions, and the look-up of other projects' names."""

import functools
import http.server
import importlib.util
import json
import subprocess
import threading
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.site


def load(name: str):
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / "_extensions" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True).stdout


def test_versions_of_the_site_stand_beside_each_other(tmp_path: Path) -> None:
    publish = load("publish").publish
    clone, remote, site = tmp_path / "clone", tmp_path / "remote.git", tmp_path / "site"
    git(tmp_path, "init", "--bare", "--quiet", str(remote))
    git(tmp_path, "clone", "--quiet", str(remote), str(clone))
    git(clone, "-c", "user.name=n", "-c", "user.email=e", "commit", "--allow-empty", "--quiet", "-m", "begin")
    site.mkdir()
    for folder, text in (("latest", "one"), ("0.1", "two"), ("latest", "three")):
        (site / "index.html").write_text(text)
        publish(site, folder, clone)
    assert git(remote, "show", "gh-pages:latest/index.html") == "three"
    assert git(remote, "show", "gh-pages:0.1/index.html") == "two"
    assert json.loads(git(remote, "show", "gh-pages:versions.json")) == ["0.1", "latest"]
    with pytest.raises(SystemExit, match="names no version"):
        publish(site, "../elsewhere", clone)


def test_names_are_looked_up_again_and_lost_ones_are_told(tmp_path: Path) -> None:
    inventories = load("inventories")
    served, file = tmp_path / "served", tmp_path / "inventories.toml"
    served.mkdir()
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(served))
    ) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/"
        names = {"py:class a.Moved": "old.html#a.Moved", "py:class a.Gone": "old.html#a.Gone"}
        lines = [f'"{name}" = "{place}"' for name, place in names.items()]
        file.write_text("\n".join(["# A head.", "", "[a]", f'url = "{url}"', "", "[a.names]", *lines]) + "\n")
        # The inventory that the project serves is one that this module wrote, read by Sphinx.
        newer = file.with_name("newer.toml")
        newer.write_text(file.read_text().replace("old.html#a.Moved", "new.html#a.Moved").replace(lines[1], ""))
        (path,) = (Path(path) for _, path in inventories.mapping(served, newer).values())
        path.rename(served / "objects.inv")
        assert inventories.refresh(file) == ["a: py:class a.Gone"]
        server.shutdown()
    assert '"py:class a.Moved" = "new.html#a.Moved"' in file.read_text()
    assert file.read_text().startswith("# A head.\n\n[a]\n")
