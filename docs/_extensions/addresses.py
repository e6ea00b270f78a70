"""Where the project and its site live, for everything that names an address."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Addresses:
    """The addresses that the site's links are made of.

    Attributes:
        repository: `OWNER/NAME` on GitHub.
        folder: The folder of this version on the branch gh-pages, such as `latest` or `0.1`.
        ref: The branch or tag that the sources are of.
        base: Where the site is served, with a slash at the end.
    """

    repository: str
    folder: str
    ref: str
    base: str

    @classmethod
    def find(cls, root: Path) -> Addresses:
        """Read them from `pyproject.toml` and from what a host of the site says in the environment."""
        urls = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]
        repository = os.environ.get("GITHUB_REPOSITORY") or urls["Repository"].removeprefix("https://github.com/")
        folder = os.environ.get("DOCS_FOLDER") or "latest"
        owner, _, name = repository.partition("/")
        return cls(
            repository=repository,
            folder=folder,
            ref=os.environ.get("DOCS_REF") or "main",
            base=os.environ.get("READTHEDOCS_CANONICAL_URL") or f"https://{owner}.github.io/{name}/{folder}/",
        )

    @property
    def source(self) -> str:
        """The repository's page."""
        return f"https://github.com/{self.repository}"

    @property
    def raw(self) -> str:
        """Where the files of this version are served as they are."""
        return f"https://raw.githubusercontent.com/{self.repository}/{self.ref}"

    def colab(self, notebook: str) -> str:
        """The link that opens a notebook of the built site.

        Args:
            notebook: Its path below the site, such as `notebooks/guide/training.ipynb`.
        """
        return f"https://colab.research.google.com/github/{self.repository}/blob/gh-pages/{self.folder}/{notebook}"
