"""Puts a built site into a folder of the branch gh-pages, and pushes it: `python publish.py SITE FOLDER`.

The root of the branch sends visitors to `latest/`, and `versions.json` there names every folder. It needs git alone.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

BRANCH = "gh-pages"
REDIRECT = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>finetune_kit</title>
<meta http-equiv="refresh" content="0; url=latest/">
<link rel="canonical" href="latest/">
<p><a href="latest/">To the documentation</a></p>
</html>
"""


def publish(site: Path, folder: str, repository: Path = Path(), remote: str = "origin") -> None:
    """Replace one version of the site and leave the others.

    Args:
        site: The built site.
        folder: Its folder on the branch, `latest` or a version such as `0.1`.
        repository: A clone that may push.
        remote: Where it pushes to.
    """
    if not re.fullmatch(r"latest|\d+\.\d+", folder):
        sys.exit(f"{folder!r} names no version of the site; it is 'latest' or as '0.1'.")
    with tempfile.TemporaryDirectory() as temporary:
        tree = Path(temporary) / "tree"
        known = _git(repository, "ls-remote", "--heads", remote, BRANCH)
        if known:
            _git(repository, "fetch", remote, BRANCH)
            _git(repository, "worktree", "add", "--detach", str(tree), "FETCH_HEAD")
        else:
            _git(repository, "worktree", "add", "--detach", str(tree))
            _git(tree, "checkout", "--orphan", BRANCH)
            _git(tree, "rm", "-rfq", "--ignore-unmatch", ".")
        try:
            shutil.rmtree(tree / folder, ignore_errors=True)
            shutil.copytree(site, tree / folder)
            versions = sorted(path.name for path in tree.iterdir() if re.fullmatch(r"latest|\d+\.\d+", path.name))
            (tree / "versions.json").write_text(json.dumps(versions) + "\n")
            (tree / "index.html").write_text(REDIRECT)
            # Without it, folders whose names begin with an underscore are not served.
            (tree / ".nojekyll").touch()
            _git(tree, "add", "--all")
            author = ["-c", "user.name=docs", "-c", "user.email=docs@localhost"]
            _git(tree, *author, "commit", "--allow-empty", "--quiet", "-m", f"Publish {folder}")
            _git(tree, "push", remote, f"HEAD:refs/heads/{BRANCH}")
        finally:
            _git(repository, "worktree", "remove", "--force", str(tree))


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=folder, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


if __name__ == "__main__":
    publish(Path(sys.argv[1]).resolve(), sys.argv[2])
