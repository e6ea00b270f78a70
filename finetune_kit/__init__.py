"""Fine-tune a code model on your own rows with Ludwig QLoRA.

The names below are the public ones. They are loaded on first use: importing the package itself loads neither torch
nor Ludwig.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from finetune_kit.base_models import resolve_base_model
    from finetune_kit.checking import check
    from finetune_kit.data import load_rows
    from finetune_kit.devices import clear_cache
    from finetune_kit.errors import KitError, TrainingInterrupted
    from finetune_kit.evaluating import evaluate
    from finetune_kit.exporting.export import export
    from finetune_kit.generation import generate, predict
    from finetune_kit.prompt import Prompt
    from finetune_kit.recipe import Recipe
    from finetune_kit.run import Run
    from finetune_kit.splits import split_rows
    from finetune_kit.tokens import measure_tokens, token_lengths
    from finetune_kit.training import resume, train

_HOMES = {
    "KitError": "errors",
    "Prompt": "prompt",
    "Recipe": "recipe",
    "Run": "run",
    "TrainingInterrupted": "errors",
    "check": "checking",
    "clear_cache": "devices",
    "evaluate": "evaluating",
    "export": "exporting.export",
    "generate": "generation",
    "load_rows": "data",
    "measure_tokens": "tokens",
    "predict": "generation",
    "resolve_base_model": "base_models",
    "resume": "training",
    "split_rows": "splits",
    "token_lengths": "tokens",
    "train": "training",
}

__all__ = [
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


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return version("finetune-kit")
    if name in _HOMES:
        return getattr(import_module(f"finetune_kit.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'finetune_kit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
