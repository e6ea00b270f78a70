"""The forecast of memory against a real run: what torch's profiler counts in a step of the embedded model.

The run is the default's, with its largest batch, once as it is and once with gradient checkpointing. The resident
memory of the process stands beside: it holds the interpreter, the libraries and the profiler too.

    python -m benchmarks.memory [--json FILE]
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from finetune_kit.training import versions

CASES = {"as it is": "false", "with checkpointing": "true"}


def main() -> None:
    """Measure both cases, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="where the result goes")
    parser.add_argument("--case", choices=CASES.values(), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        print(json.dumps(measure(f"trainer.enable_gradient_checkpointing={options.case}")))
        return
    result: dict[str, Any] = {"versions": versions()}
    for name, value in CASES.items():
        command = [sys.executable, "-m", "benchmarks.memory", "--case", value]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        one = result[name] = json.loads(done.stdout.splitlines()[-1])
        tensors = f"forecast {one['forecast'] / 1e6:.0f} MB, counted {one['counted'] / 1e6:.0f} MB"
        off = f"{one['forecast'] / one['counted'] - 1:+.1%}"
        process = f"forecast {one['forecast_with_overhead'] / 1e6:.0f} MB, at most {one['resident'] / 1e6:.0f} MB"
        print(f"{name}: tensors {tensors} ({off}); resident {process}")
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")


def measure(*overrides: str) -> dict[str, Any]:
    """Train on a few rows, and count the second step of the largest batch.

    Args:
        overrides: Of the default recipe.

    Returns:
        Bytes: `forecast` of the tensors, with its `parts`, `counted` at most, and `resident`, the peak of the process.
    """
    from finetune_kit.forecast.memory import Forecast
    from finetune_kit.forecast.model_configs import model_config
    from finetune_kit.outlook import look_ahead
    from finetune_kit.recipe import Recipe
    from finetune_kit.tokens import measure_tokens
    from finetune_kit.training import train

    counted: list[int] = []
    with tempfile.TemporaryDirectory() as folder:
        recipe = Recipe.load("smollm2-135m", ["data.train_limit=32", f"run.folder={folder}", *overrides])
        with _second_step_counted(counted):
            train(recipe)
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    lengths = measure_tokens(recipe).splits["train"].total
    target = look_ahead(recipe).target
    forecast = Forecast(recipe, model_config(recipe.base_model), target, [*map(int, lengths)])
    estimate = forecast.estimate(bool(recipe.trainer.enable_gradient_checkpointing))
    return {
        "forecast": estimate.tensors,
        "counted": counted[0],
        "forecast_with_overhead": estimate.total,
        "resident": resident,
        "tokens": estimate.tokens,
        "parts": estimate.parts,
        "dtype": target.compute_dtype,
    }


class _second_step_counted:
    """The first step that a run takes, its rehearsal, is of the largest batch: it is taken twice, and counted then.

    Args:
        counted: Gets the bytes of the model, of the optimiser, and of what the step made at most.
    """

    def __init__(self, counted: list[int]) -> None:
        self.counted = counted

    def __enter__(self) -> None:
        from finetune_kit.engine.trainer import KitFineTuneTrainer

        self.step = step = KitFineTuneTrainer.train_step

        def twice(trainer: Any, rows: Any, *rest: Any, **words: Any) -> Any:
            if self.counted:
                return step(trainer, rows, *rest, **words)
            step(trainer, rows, *rest, **words)
            trainer.distributed.zero_grad(trainer.optimizer)
            before = _bytes_of_model(trainer)
            result, most = _most_while(lambda: step(trainer, rows, *rest, **words))
            self.counted.append(before + most)
            return result

        KitFineTuneTrainer.train_step = twice

    def __exit__(self, *_: Any) -> None:
        from finetune_kit.engine.trainer import KitFineTuneTrainer

        KitFineTuneTrainer.train_step = self.step


def _bytes_of_model(trainer: Any) -> int:
    """Of the distinct storages of the weights, with what bitsandbytes keeps, and of the optimiser's state."""
    from finetune_kit.forecast.meta_model import stored_tensors

    tensors = [tensor for module in trainer.model.model.modules() for tensor in stored_tensors(module)]
    tensors += [one for state in trainer.optimizer.state.values() for one in state.values() if hasattr(one, "nbytes")]
    storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors}
    return sum(storages.values())


def _most_while(work: Any) -> tuple[Any, int]:
    """What work returns, and the most bytes that it held at once beside what was there, by torch's profiler."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        result = work()
    live = most = 0
    for event in sorted(profiler.profiler.kineto_results.events(), key=lambda event: event.start_ns()):
        if event.name() == "[memory]":
            live += event.nbytes()
            most = max(most, live)
    return result, most


if __name__ == "__main__":
    main()
