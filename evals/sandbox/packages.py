"""Which files a package consists of that programs may import beyond the standard library."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from importlib import metadata

from evals.errors import EvalError

_NAME_OF_REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def paths_of(packages: Iterable[str]) -> list[str]:
    """Return the folders and modules that packages and all they require are imported from.

    Args:
        packages: Import names, such as `numpy`; those of the standard library need no offering.

    Returns:
        Absolute paths, sorted.

    Raises:
        EvalError: If a package is not installed.
    """
    wanted = [name for name in packages if name not in sys.stdlib_module_names]
    if not wanted:
        return []
    distributions_of = metadata.packages_distributions()
    left: list[str] = []
    for name in wanted:
        if name not in distributions_of:
            raise EvalError(
                f"The sandbox shall offer the package {name!r}, which is not installed here; "
                f"install it beside evals, or leave it out."
            )
        left += distributions_of[name]
    paths: set[str] = set()
    seen: set[str] = set()
    while left:
        distribution_name = left.pop()
        if distribution_name in seen:
            continue
        seen.add(distribution_name)
        try:
            distribution = metadata.distribution(distribution_name)
        except metadata.PackageNotFoundError:
            continue  # An optional requirement that is not installed.
        paths |= _paths(distribution)
        left += [match.group() for text in distribution.requires or () if (match := _requirement(text))]
    return sorted(paths)


def _requirement(text: str) -> re.Match[str] | None:
    """Return a requirement's name; what only an extra asks for is not followed."""
    return None if "extra ==" in text or "extra==" in text else _NAME_OF_REQUIREMENT.match(text)


def _paths(distribution: metadata.Distribution) -> set[str]:
    tops = {file.parts[0] for file in distribution.files or () if file.parts}
    located = {os.path.abspath(str(distribution.locate_file(top))) for top in tops - {"..", "__pycache__"}}
    return {path for path in located if os.path.exists(path)}
