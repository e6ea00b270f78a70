"""Scores generated code against references, the base model against the fine-tuned one.

The package knows text, not models: it reads the predictions of a run folder, scores them, and runs generated code only
inside `evals.sandbox`. The public names are loaded when first used, so that `import evals` stays cheap.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evals.extract import extract, extract_code
    from evals.report import Summary
    from evals.sandbox import Limits, Verdict, check, check_many
    from evals.score import score_run
    from evals.scorers.bleu import bleu
    from evals.scorers.chrf import chrf
    from evals.scorers.code_bleu import code_bleu
    from evals.scorers.edit_similarity import edit_similarity
    from evals.scorers.exact_match import exact_match
    from evals.scorers.pass_at_k import pass_at_1, pass_at_k, pass_hat_k
    from evals.verdict import compare

    __version__: str

__all__ = [
    "Limits",
    "Summary",
    "Verdict",
    "__version__",
    "bleu",
    "check",
    "check_many",
    "chrf",
    "code_bleu",
    "compare",
    "edit_similarity",
    "exact_match",
    "extract",
    "extract_code",
    "pass_at_1",
    "pass_at_k",
    "pass_hat_k",
    "score_run",
]

_HOME_OF = {
    "Limits": "evals.sandbox",
    "Summary": "evals.report",
    "Verdict": "evals.sandbox",
    "bleu": "evals.scorers.bleu",
    "check": "evals.sandbox",
    "check_many": "evals.sandbox",
    "chrf": "evals.scorers.chrf",
    "code_bleu": "evals.scorers.code_bleu",
    "compare": "evals.verdict",
    "edit_similarity": "evals.scorers.edit_similarity",
    "exact_match": "evals.scorers.exact_match",
    "extract": "evals.extract",
    "extract_code": "evals.extract",
    "pass_at_1": "evals.scorers.pass_at_k",
    "pass_at_k": "evals.scorers.pass_at_k",
    "pass_hat_k": "evals.scorers.pass_at_k",
    "score_run": "evals.score",
}


def __getattr__(name: str) -> Any:
    """Load a public name from the module that defines it, the first time it is used."""
    if name == "__version__":
        value: Any = _installed_version()
    elif name in _HOME_OF:
        value = getattr(importlib.import_module(_HOME_OF[name]), name)
    else:
        raise AttributeError(f"module 'evals' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


def _installed_version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("finetune-kit")
    except PackageNotFoundError:
        return "0+not-installed"
