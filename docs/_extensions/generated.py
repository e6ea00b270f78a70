"""Puts text that is made from the source into pages: a line `<!-- generated: NAME -->` becomes what NAME makes."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

from _extensions import api, commands, messages, models
from _extensions.pages import pages_in_order

ROOT = Path(__file__).parents[2]
_MARK = re.compile(r"^<!-- generated: ([\w-]+) -->$", re.MULTILINE)


def help_of(program: str) -> Callable[[], str]:
    """The help of a program and of its verbs, a section each."""

    def make() -> str:
        lines = []
        for name, text in commands.help_texts().items():
            if name.startswith(program):
                lines += [f"### `{name}`", "", "```text", text, "```", ""]
        return "\n".join(lines)

    return make


def pytest_options() -> str:
    """The options of the pytest plugin."""
    return f"```text\n{commands.pytest_options()}\n```"


def nox_sessions() -> str:
    """The sessions, a line each."""
    return "\n\n".join(f"`nox -s {name}`\n: {text}" for name, text in commands.nox_sessions().items())


def recipe_keys() -> str:
    """The keys of a recipe."""
    from finetune_kit.recipe import Recipe

    return models.markdown(Recipe, "recipe")


def shipped_recipes() -> str:
    """The recipes that ship, as they are."""
    from finetune_kit.recipe import SHIPPED_RECIPES

    shown = [f"### `{path.stem}`\n\n```yaml\n{path.read_text()}```" for path in sorted(SHIPPED_RECIPES.glob("*.yaml"))]
    return "\n\n".join(shown)


def suite_keys() -> str:
    """The keys of a suite file."""
    from evals.sandbox import Limits
    from evals.suite import _SuiteFile

    documented = _attributes_of(Limits.__doc__ or "")
    return models.markdown(_SuiteFile, "suite", notes={f"limits.{key}": text for key, text in documented.items()})


def statuses() -> str:
    """What a verdict's status may be, from the docstring of `Verdict`; every status must be there."""
    from evals.sandbox import Status, Verdict

    said = re.findall(r"^ +- ((?:`\w+`(?:, )?)+): (.*(?:\n {14,}\S.*)*)", Verdict.__doc__ or "", re.MULTILINE)
    named = {name for names, _ in said for name in re.findall(r"`(\w+)`", names)}
    if named != set(get_args(Status)):
        raise ExtensionError(f"The docstring of Verdict and Status differ in {sorted(named ^ set(get_args(Status)))}.")
    return "\n\n".join(
        f"{names}\n: {' '.join(text.split())[:1].upper()}{' '.join(text.split())[1:]}" for names, text in said
    )


def limits() -> str:
    """The limits of a program with their defaults."""
    from dataclasses import fields

    from evals.sandbox import Limits

    said = _attributes_of(Limits.__doc__ or "")
    return "\n\n".join(f"`{one.name}`\n: Default `{one.default:,}`. {said[one.name]}" for one in fields(Limits))


def error_messages() -> str:
    """Every message of an error, by module."""
    return messages.markdown(ROOT)


def _attributes_of(docstring: str) -> dict[str, str]:
    """The entries of a docstring's section `Attributes`."""
    section = docstring.partition("Attributes:\n")[2]
    found = re.findall(r"^ {4,8}(\w+): (.*(?:\n {9,}\S.*)*)", section, re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in found}


MAKERS: dict[str, Callable[[], str]] = {
    "finetune-kit": help_of("finetune-kit"),
    "evals": help_of("python -m evals"),
    "pytest-options": pytest_options,
    "nox-sessions": nox_sessions,
    "recipe-keys": recipe_keys,
    "shipped-recipes": shipped_recipes,
    "suite-keys": suite_keys,
    "statuses": statuses,
    "limits": limits,
    "errors": error_messages,
    "python-finetune-kit": lambda: api.package("finetune_kit"),
    "python-evals": lambda: api.package("evals"),
    "python-modules": api.modules,
}


def _fill(app: Sphinx, name: str, source: list[str]) -> None:
    def made(found: re.Match[str]) -> str:
        if found[1] not in MAKERS:
            raise ExtensionError(f"{name}: nothing makes {found[1]!r}; there is {', '.join(MAKERS)}.")
        return MAKERS[found[1]]()

    source[0] = _MARK.sub(made, source[0])


def _always(app: Sphinx, *_: Any) -> list[str]:
    """Pages with such text are read at every build, since it costs little to find that they are the same."""
    return [page.name for page in pages_in_order(Path(app.srcdir)) if _MARK.search(page.text)]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension."""
    app.connect("source-read", _fill)
    app.connect("env-get-outdated", _always)
    return {"parallel_read_safe": True}
