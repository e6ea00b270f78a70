import ast
import inspect
import subprocess
import sys

import pytest

import finetune_kit
from tests.conftest import ROOT

HEAVY = ["torch", "transformers", "evaluate", "ludwig", "pandas", "datasets", "peft", "matplotlib"]


def test_the_public_names_are_these() -> None:
    assert finetune_kit.__all__ == [
        "KitError",
        "Prompt",
        "Recipe",
        "Run",
        "TrainingInterrupted",
        "__version__",
        "check",
        "clear_cache",
        "evaluate",
        "export",
        "generate",
        "load_rows",
        "measure_tokens",
        "predict",
        "resolve_base_model",
        "resume",
        "split_rows",
        "token_lengths",
        "train",
    ]
    for name in finetune_kit.__all__:
        assert not inspect.ismodule(getattr(finetune_kit, name))
    with pytest.raises(AttributeError):
        finetune_kit.no_such_name  # noqa: B018


@pytest.mark.parametrize("module", ["finetune_kit", "evals", "finetune_kit.cli"])
def test_importing_loads_nothing_heavy(module: str) -> None:
    script = f"import sys, {module}; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


AVX512_BF16 = """
import ctypes
real = ctypes.CDLL.__getattr__
ctypes.CDLL.__getattr__ = lambda self, name: (lambda: True) if name == "has_avx512bf16_cpu" else real(self, name)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "alone"),
    [
        ("import bitsandbytes", True),
        ("from finetune_kit.loading import import_bitsandbytes; import_bitsandbytes()", False),
    ],
)
def test_bitsandbytes_alone_imports_the_compiler_and_warns(line: str, alone: bool) -> None:
    """Once `alone` no longer does either, `import_bitsandbytes` can go."""
    script = f"{AVX512_BF16}{line}; import sys; print('torch._inductor' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == str(alone)
    assert ("gemm_4bit_forward" in done.stderr) == alone


def test_an_older_python_is_told_so(monkeypatch, capsys) -> None:
    from finetune_kit import __main__

    monkeypatch.setattr(sys, "version_info", (3, 11, 7, "final", 0))
    with pytest.raises(SystemExit) as caught:
        __main__.main()
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith(
        "finetune_kit needs Python 3.12 or later (Ludwig does); this is Python 3.11."
    )
    ast.parse((ROOT / "finetune_kit" / "__main__.py").read_text(), feature_version=(3, 7))


def test_the_older_python_reaches_the_message() -> None:
    """`python3.11 -m finetune_kit` runs the package's `__init__` first: it must be readable there too."""
    ast.parse((ROOT / "finetune_kit" / "__init__.py").read_text(), feature_version=(3, 7))
