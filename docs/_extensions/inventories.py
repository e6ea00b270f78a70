"""Links to other projects' pages without their inventories: `inventories.toml` holds the few names that are used.

Run as a program it looks each name up in the project's own inventory, and writes the file anew.
"""

from __future__ import annotations

import sys
import tomllib
import zlib
from pathlib import Path
from urllib.request import urlopen

from sphinx.util.inventory import InventoryFile

FILE = Path(__file__).parents[1] / "inventories.toml"


def mapping(out: Path, file: Path = FILE) -> dict[str, tuple[str, str]]:
    """Write an inventory for each project and return what `intersphinx_mapping` wants.

    Args:
        out: The folder for them.
        file: The names.
    """
    found = {}
    out.mkdir(parents=True, exist_ok=True)
    for project, section in tomllib.loads(file.read_text(encoding="utf-8")).items():
        path = out / f"{project}.inv"
        path.write_bytes(_inventory(project, section["names"]))
        found[project] = (section["url"], str(path))
    return found


def refresh(file: Path = FILE) -> list[str]:
    """Look each name up where its project is served.

    Args:
        file: The names; written anew.

    Returns:
        The names that are no longer there; they are kept as they were.
    """
    text = file.read_text(encoding="utf-8")
    head = text[: text.index("\n[")].rstrip("\n")
    missing, lines = [], [head]
    for project, section in tomllib.loads(text).items():
        with urlopen(f"{section['url']}objects.inv", timeout=60) as answer:
            inventory = InventoryFile.loads(answer.read(), uri="")
        lines += ["", f"[{project}]", f'url = "{section["url"]}"', "", f"[{project}.names]"]
        for name, place in sorted(section["names"].items()):
            kind, _, target = name.partition(" ")
            if target in inventory.data.get(kind, {}):
                lines.append(f'"{name}" = "{inventory.data[kind][target].uri}"')
            else:
                missing.append(f"{project}: {name}")
                lines.append(f'"{name}" = "{place}"')
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return missing


def _inventory(project: str, names: dict[str, str]) -> bytes:
    head = f"# Sphinx inventory version 2\n# Project: {project}\n# Version: \n"
    head += "# The remainder of this file is compressed using zlib.\n"
    entries = []
    for name, place in names.items():
        kind, _, target = name.partition(" ")
        entries.append(f"{target} {kind} 1 {place} -\n")
    return head.encode() + zlib.compress("".join(entries).encode())


if __name__ == "__main__":
    gone = refresh()
    print(
        "\n".join(f"not in its project's inventory any more: {name}" for name in gone)
        or "All names are where they say."
    )
    sys.exit(bool(gone))
