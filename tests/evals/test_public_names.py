"""The public surface of `evals`, and what importing it costs."""

import doctest
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import evals

PROJECT = Path(__file__).resolve().parents[2]
PUBLIC = {
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
}
SLOW = (
    "torch",
    "transformers",
    "evaluate",
    "ludwig",
    "sacrebleu",
    "pandas",
    "numpy",
    "scipy",
    "finetune_kit",
    "datasets",
)


def test_the_public_names_are_these_and_all_of_them_load():
    assert set(evals.__all__) == PUBLIC
    assert {name for name in PUBLIC if getattr(evals, name) is None} == set()
    assert set(dir(evals)) == PUBLIC


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'chekc'"):
        _ = evals.chekc  # type: ignore[attr-defined]


def test_the_version_is_the_distributions_or_says_that_there_is_none(monkeypatch):
    def not_installed(name):
        assert name == "finetune-kit"
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", not_installed)
    monkeypatch.delitem(vars(evals), "__version__", raising=False)
    assert evals.__version__ == "0+not-installed"
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "1.2.3")
    monkeypatch.delitem(vars(evals), "__version__")
    assert evals.__version__ == "1.2.3"
    monkeypatch.delitem(vars(evals), "__version__")


def test_the_import_loads_nothing_slow():
    assert _python(f"import sys, evals; print([name for name in {SLOW!r} if name in sys.modules])") == "[]"


def test_scoring_loads_no_model_library():
    code = (
        "import sys, evals; evals.score_run; evals.bleu(['a b c d'], ['a b c d']);"
        f"print([name for name in {SLOW!r} if name in sys.modules])"
    )
    assert _python(code) == "['sacrebleu', 'numpy']"


@pytest.mark.parametrize(
    "module",
    [
        "evals.extract",
        "evals.near_duplicates",
        "evals.plain_text",
        "evals.python_source",
        "evals.figures",
        "evals.scorers.bleu",
        "evals.scorers.chrf",
        "evals.scorers.code_bleu",
        "evals.scorers.edit_similarity",
        "evals.scorers.exact_match",
        "evals.scorers.pass_at_k",
        "evals.sandbox.pool",
        "evals.scorers.score",
        "evals.statistics",
        "evals.verdict",
    ],
)
def test_the_examples_in_docstrings_hold(module):
    results = doctest.testmod(importlib.import_module(module))
    assert results.attempted > 0
    assert results.failed == 0


def _python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.strip()
