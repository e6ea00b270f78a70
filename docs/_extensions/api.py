"""The Python reference: directives for autodoc, one for each public name, so that none can be left out."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import BaseModel
from sphinx.application import Sphinx

# Classes that public functions take and give back, although the packages do not name them.
PASSED_AROUND = {
    "finetune_kit": (
        "base_models.BaseModel",
        "checking.Checked",
        "data.Source",
        "data_care.DataReport",
        "data_care.Finding",
        "data_care.Findings",
        "decoding.Completion",
        "devices.Device",
        "exporting.merge.MergePlan",
        "exporting.merge_proof.MergeProof",
        "exporting.export.Exported",
        "exporting.export.Merged",
        "exporting.weights.Stored",
        "few_shot.FewShotPrompt",
        "forecast.fitting.Change",
        "forecast.fitting.Fit",
        "forecast.memory.MemoryEstimate",
        "forecast.memory.Target",
        "forecast.speed.TimeForecast",
        "generation.Generator",
        "outlook.Outlook",
        "progress.Stage",
        "progress.View",
        "prompt.Example",
        "recipe.Generation",
        "recipe.TokenBudget",
        "splits.Splits",
        "tokens.CapEffect",
        "tokens.TokenLengths",
        "tokens.TokenReport",
    ),
    "evals": ("extract.Extraction", "scorers.score.Score", "scorers.pass_at_k.ExecutionScore"),
}
# Modules that are public although the package does not give their names.
MODULES = (
    "finetune_kit.run_list",
    "evals.sandbox",
    "evals.errors",
    "evals.verdict",
    "evals.statistics",
    "evals.suite",
    "evals.checks",
    "evals.ladder",
    "evals.data_checks",
    "evals.near_duplicates",
    "evals.languages",
    "evals.gates",
    "evals.report",
    "evals.html_report",
)


# Importing these takes many seconds; a class of the right name serves an annotation as well.
_SLOW = ("finetune_kit.engine", "ludwig", "peft", "torch", "transformers")


def public_names(module: ModuleType) -> list[str]:
    """The names of a module's `__all__`; without it, of the functions and classes that it defines."""
    if hasattr(module, "__all__"):
        return list(module.__all__)
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isfunction(value) or inspect.isclass(value))
        and value.__module__ == module.__name__
    ]


def package(name: str) -> str:
    """Directives for the names that a package gives, then for the classes that come with them."""
    given = [one for one in public_names(importlib.import_module(name)) if not one.startswith("__")]
    return "\n".join(
        [
            _directives([f"{name}.{one}" for one in given]),
            f"What the functions of `{name}` take and return besides:",
            "",
            _directives([f"{name}.{one}" for one in PASSED_AROUND[name]]),
        ]
    )


def modules() -> str:
    """Directives for the other modules; what a package gives as well stands there only."""
    import evals

    shown = {id(getattr(evals, name)) for name in evals.__all__}
    lines = []
    for name in MODULES:
        module = importlib.import_module(name)
        names = public_names(module)
        own = [one for one in names if id(getattr(module, one)) not in shown]
        also = [f"{{py:obj}}`evals.{one}`" for one in names if one not in own]
        lines += [f"### {name}", "", inspect.cleandoc(module.__doc__ or "").split("\n\n")[0], ""]
        if also:
            lines += [f"Also here: {', '.join(also)}.", ""]
        lines += [_directives([f"{name}.{one}" for one in own]), ""]
    return "\n".join(lines)


def _directives(names: list[str]) -> str:
    lines = ["```{eval-rst}"]
    for name in sorted(names, key=str.lower):
        module, _, last = name.rpartition(".")
        value = getattr(importlib.import_module(module), last)
        if not inspect.isclass(value):
            lines += [f".. auto{'function' if inspect.isfunction(value) else 'data'}:: {name}", ""]
        elif issubclass(value, Exception):
            lines += [f".. autoexception:: {name}", ""]
        else:
            # A model's keys have a page of their own.
            keys = value.model_fields if issubclass(value, BaseModel) else ()
            hidden = ", ".join(["model_config", *keys])
            lines += [f".. autoclass:: {name}", "   :members:", f"   :exclude-members: {hidden}", ""]
    return "\n".join([*lines, "```", ""])


def load_what_only_types_need() -> None:
    """Import into each module what it imports for type checkers alone, so that annotations can be resolved."""
    for name in [*PASSED_AROUND, *MODULES]:
        module = importlib.import_module(name)
        for one in public_names(module):
            getattr(module, one)  # Loads its home.
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] not in PASSED_AROUND or not getattr(module, "__file__", None):
            continue
        for node in ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8")).body:
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
                for one in node.body:
                    if isinstance(one, ast.ImportFrom) and str(one.module).startswith(_SLOW):
                        vars(module).update(
                            {alias.name: type(alias.name, (), {"__module__": one.module}) for alias in one.names}
                        )
                    elif isinstance(one, ast.Import | ast.ImportFrom):
                        exec(compile(ast.Module([one], []), str(module.__file__), "exec"), vars(module))


def _as_rst(app: Sphinx, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Code in single backticks, as our docstrings write it, becomes reStructuredText's."""
    text = re.sub(
        r"(?<!`)`([^`]+)`(?!`)(\w?)", lambda one: f"``{one[1]}``" + (f"\\ {one[2]}" if one[2] else ""), "\n".join(lines)
    )
    # Napoleon takes what stands before a colon for a type.
    text = re.sub(r"^( *(?:Returns|Yields):\n +)(?=.*: )", r"\1: ", text, flags=re.MULTILINE)
    lines[:] = text.split("\n")
    if what in ("attribute", "data", "property") and lines:
        lines[0] = f": {lines[0]}"


def _signature(app: Sphinx, what: str, name: str, value: Any, options: Any, signature: str, returns: str) -> Any:
    """Leave out a model's, which is all its keys; they have a page of their own. Write a made default as Python can."""
    if inspect.isclass(value) and issubclass(value, BaseModel):
        return "", returns
    return (signature.replace("<factory>", "..."), returns) if signature else None


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension."""
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("builder-inited", lambda _: load_what_only_types_need())
    app.connect("autodoc-process-docstring", _as_rst, priority=400)
    app.connect("autodoc-process-signature", _signature)
    return {"parallel_read_safe": True}
