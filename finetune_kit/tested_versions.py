"""The set of versions that is tested together, and what is installed of it; nothing is imported to see that."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

KIT = "finetune-kit"
ONE_BUILD = ("torchaudio", "torchvision")
"""Packages that work with the one version of torch that they name, and no other."""


@dataclass(frozen=True)
class PackageVersion:
    """A package of the tested set, or one that the kit needs."""

    name: str
    found: str
    """The version that is installed; empty where it is not."""
    tested: str
    """The version of the tested set; empty where it is not in it."""
    problem: str = ""
    """Why the kit cannot work with it; empty where it can."""

    @property
    def same(self) -> bool:
        """Whether the tested version is installed; a build for another device (`+cpu`) counts as the same."""
        return self.found.partition("+")[0] == self.tested


def constraints_path() -> Path:
    """The file of the tested set: in the installed package, or in the clone that an editable install points to."""
    packaged = Path(__file__).with_name("constraints.txt")
    return packaged if packaged.is_file() else Path(__file__).parents[1] / "constraints.txt"


def tested_versions() -> dict[str, str]:
    """Versions by the names of packages."""
    lines = constraints_path().read_text(encoding="utf-8").splitlines()
    return dict(line.split("==", 1) for line in lines if "==" in line and not line.startswith("#"))


def package_versions() -> list[PackageVersion]:
    """What is installed of the tested set, and what the kit needs and does not find.

    Returns:
        By name; packages of the tested set that are neither installed nor needed are left out.
    """
    tested = tested_versions()
    installed: dict[str, str] = {}
    for one in metadata.distributions():
        if one.name:
            installed.setdefault(_normal(one.name), one.version)  # The first on the path is the one that is imported.
    problems = dict(_unmet(installed))
    names = sorted((tested.keys() & installed.keys()) | problems.keys())
    return [
        PackageVersion(name, installed.get(name, ""), tested.get(name, ""), problems.get(name, "")) for name in names
    ]


def _unmet(installed: dict[str, str]) -> Iterator[tuple[str, str]]:
    """What is required and not there, by name: of the kit, and of those that must be of one build with torch."""
    for owner in (KIT, *ONE_BUILD):
        for line in (metadata.requires(owner) or []) if owner in installed else []:
            requirement = Requirement(line)
            name = _normal(requirement.name)
            if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
                continue
            if name not in installed:
                yield name, f"{owner} needs it, and it is not installed"
            elif not requirement.specifier.contains(installed[name], prereleases=True):
                yield name, f"{owner} needs {name}{requirement.specifier}"


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
