"""What a 7B model takes on a CUDA device: memory by part and seconds, beside what was forecast.

The model has Zephyr-7B's shape and random weights, made in a temporary folder (14.5 GB): what is computed and kept does
not depend on their values. It is trained by the shipped recipe `zephyr-7b-t4` on Code Alpaca's rows, with a tokenizer
made from them, in float16 as on a T4 and in bfloat16. In float16 torch may take no more memory than a T4 has; that part
is also measured with cuDNN's attention, which the kit leaves out.

    python -m benchmarks.gpu [--data FILE] [--json FILE] [--work FOLDER] [--parts model float16 ...]

Each part is measured in a process of its own, and leaves `FOLDER/PART.json`; one that is there is not measured again.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks.report import CODE_ALPACA

SHAPE = "HuggingFaceH4/zephyr-7b-beta"
T4 = 14.56 * 2**30
"""Bytes that a T4's driver leaves to programs."""
VOCABULARY = 8000
"""Of the tokenizer; the model's is the real one."""
SHARD = 2 * 10**9
"""Bytes."""
STEPS = {"float16": 30, "bfloat16": 10}
ROWS_PER_STEP = 16
LENGTHS = (64, 128, 256, 512, 1024, 2048, 4096)
"""Tokens of the batches whose step is measured by itself."""
GENERATED = {1: 48, 16: 48, 64: 64}
"""Rows of a batch, and how many tokens each is given; 64 rows are the most that the kit takes."""

Figures = dict[str, Any]


def main() -> None:
    """Measure the parts, each in a process of its own; print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default=CODE_ALPACA, help="a file of Code Alpaca's rows, or of others")
    parser.add_argument("--json", type=Path, help="where the result goes")
    parser.add_argument("--work", type=Path, help="folder for the model (14.5 GB) and the parts' figures")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=[*PARTS], help="which; all without it")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    work = options.work or Path(tempfile.mkdtemp(prefix="benchmark-gpu-"))
    work.mkdir(parents=True, exist_ok=True)
    if options.part:
        PARTS[options.part](work, options.data, Saved(work / f"{options.part}.json"))
        return
    for name in options.parts:
        if not (work / f"{name}.json").exists():
            command = [sys.executable, "-m", "benchmarks.gpu", "--part", name, "--work", str(work)]
            subprocess.run([*command, "--data", options.data], check=True)
    result = {name: json.loads((work / f"{name}.json").read_text()) for name in options.parts}
    print(json.dumps(result, indent=1))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")


class Saved(dict[str, Any]):
    """Figures that are on the disk as soon as they are there.

    Args:
        path: Where they go, as JSON.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, value)
        partial = self.path.with_suffix(".partial")
        partial.write_text(json.dumps(self, indent=1) + "\n")
        partial.replace(self.path)
        print(f"{time.strftime('%X')} {name}: {json.dumps(value)}", flush=True)


def machine() -> Figures:
    """The card, and the versions."""
    import torch

    from finetune_kit.training import versions

    card = torch.cuda.get_device_properties(0)
    return {
        "name": card.name,
        "bytes": int(card.total_memory),
        "capability": f"{card.major}.{card.minor}",
        "versions": versions(),
    }


def make_model(work: Path, data: str, found: Saved) -> None:
    """A folder with the config, random weights in shards, and a tokenizer."""
    import torch
    from safetensors.torch import save_file
    from transformers import AutoModelForCausalLM

    from finetune_kit.data import load_rows
    from finetune_kit.forecast.model_configs import model_config

    folder = work / "model"
    folder.mkdir(exist_ok=True)
    begun = time.perf_counter()
    config = model_config(SHAPE)
    config.dtype = torch.float16
    config.architectures = ["MistralForCausalLM"]
    config.save_pretrained(folder)
    with torch.device("meta"):
        shapes = {name: one.shape for name, one in AutoModelForCausalLM.from_config(config).state_dict().items()}
    shard: dict[str, torch.Tensor] = {}
    places: dict[str, str] = {}
    numbers = torch.Generator("cuda").manual_seed(0)

    def write() -> None:
        name = f"model-{len(set(places.values())) + 1:05}.safetensors"
        places.update(dict.fromkeys(shard, name))
        save_file(shard, folder / name, {"format": "pt"})
        shard.clear()

    for name, shape in shapes.items():
        plain = torch.empty(shape, dtype=torch.float16, device="cuda").normal_(0, 0.02, generator=numbers)
        shard[name] = (torch.ones_like(plain) if len(shape) == 1 else plain).cpu()
        if sum(one.nbytes for one in shard.values()) > SHARD:
            write()
    write()
    size = 2 * sum(shape.numel() for shape in shapes.values())
    index = {"metadata": {"total_size": size}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    found["bytes"] = size
    found["seconds_to_write"] = time.perf_counter() - begun
    _tokenizer([f"{row['instruction']}\n{row['input']}\n{row['output']}" for row in load_rows(data)]).save_pretrained(
        folder
    )
    found["machine"] = machine()


def _tokenizer(texts: list[str]) -> Any:
    """A byte-level BPE, with the ids of Zephyr's special tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<unk>", "<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    bpe.train_from_iterator(texts, trainer)
    bpe.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="</s>"
    )


def measure_float16(work: Path, data: str, found: Saved) -> None:
    """Training as on a T4, with no more memory than it has, and generation."""
    _as_on_a_t4(found)
    run = _train(work, data, "float16", "float16", found)
    _generation(run, found, unpacked=False)


def measure_float16_with_cudnn(work: Path, data: str, found: Saved) -> None:
    """The same training with cuDNN's attention, which makes a plan for each new length."""
    from finetune_kit import devices

    _as_on_a_t4(found)
    with patch.object(devices, "attention_of_any_length", nullcontext):
        _train(work, data, "float16", "float16_with_cudnn", found)


def measure_bfloat16(work: Path, data: str, found: Saved) -> None:
    """Training and generation with all the memory there is, and steps of many lengths."""
    run = _train(work, data, "bfloat16", "bfloat16", found, LENGTHS)
    _generation(run, found, unpacked=True)


PARTS: dict[str, Callable[[Path, str, Saved], None]] = {
    "model": make_model,
    "float16": measure_float16,
    "float16_with_cudnn": measure_float16_with_cudnn,
    "bfloat16": measure_bfloat16,
}


def _as_on_a_t4(found: Saved) -> None:
    """Let torch have no more memory than there would be on a T4."""
    import torch

    context = _context_bytes()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, (T4 - context) / total))
    found["context_bytes"] = context
    found["bytes_allowed"] = int(min(total, T4) - context)


def _context_bytes() -> int:
    """What CUDA and the libraries take beside torch's tensors; of the whole card, where nothing else uses it."""
    import torch

    one = torch.ones(256, 256, dtype=torch.float16, device="cuda")
    (one @ one).sum().item()
    free, total = torch.cuda.mem_get_info()
    return int(total - free - torch.cuda.memory_reserved())


def _train(work: Path, data: str, dtype: str, name: str, found: Saved, lengths: tuple[int, ...] = (256,)) -> Any:
    """Train by the recipe; what was forecast, what was measured."""
    from finetune_kit.outlook import look_ahead
    from finetune_kit.recipe import Recipe
    from finetune_kit.tokens import measure_tokens
    from finetune_kit.training import train

    settings = [
        f"base_model={work / 'model'}",
        f"data.source={data}",
        "data.split=hash",
        f"data.train_limit={STEPS[dtype] * ROWS_PER_STEP}",
        f"quantization.bnb_4bit_compute_dtype={dtype}",
        f"run.folder={work / 'runs'}",
        f"run.name={name}",
    ]
    recipe = Recipe.load("zephyr-7b-t4", settings)
    found["machine"] = machine()
    tokens = [int(one) for one in measure_tokens(recipe).splits["train"].total]
    found["tokens_of_rows"] = {"rows": len(tokens), "median": statistics.median(tokens), "most": max(tokens)}
    for forecast, gpu in (("forecast_for_a_t4", "T4"), ("forecast_here", None)):
        ahead = look_ahead(recipe, [one for one in tokens if one <= 256], gpu)
        fitted, seconds = ahead.fit, ahead.time
        found[forecast] = {
            "memory": fitted and fitted.as_dict(),
            "seconds": seconds and seconds.seconds,
            "tokens_per_second": seconds and seconds.tokens_per_second,
        }
    with _watched(found, recipe, lengths):
        run = train(recipe)
    kept = ("forecast", "rehearsal", "tokens", "tokens_per_second", "training_seconds", "seconds")
    kept += ("optimizer_steps", "skipped_steps", "notices", "validation", "trainable_parameters", "batches")
    found["manifest"] = {key: run.manifest[key] for key in kept}
    found["losses"] = [round(line["loss"], 4) for line in run.train_log() if line["type"] == "step"]
    return run


@contextmanager
def _watched(found: Saved, recipe: Any, lengths: tuple[int, ...]) -> Iterator[None]:
    """Measure what a training does on its way, and single steps once it is done."""
    from finetune_kit.checkpoints import Checkpoints
    from finetune_kit.engine import llm
    from finetune_kit.engine.trainer import KitFineTuneTrainer

    load, train, step, save = llm.load_model, KitFineTuneTrainer.train, KitFineTuneTrainer.step, Checkpoints.save
    steps: list[float] = []
    saves: list[tuple[float, int]] = []

    def watched_load(*arguments: Any) -> Any:
        model, seconds = _timed(lambda: load(*arguments))
        found["load"] = {"seconds": seconds, **_memory()}
        return model

    def watched_step(trainer: Any, *arguments: Any) -> float:
        loss, seconds = _timed(lambda: step(trainer, *arguments))
        steps.append(seconds)
        return loss

    def watched_save(*arguments: Any, **words: Any) -> Any:
        file, seconds = _timed(lambda: save(*arguments, **words))
        saves.append((seconds, file.path.stat().st_size))
        return file

    def watched_train(trainer: Any, *arguments: Any, **words: Any) -> Any:
        _reset_memory()
        result = train(trainer, *arguments, **words)
        memory = _memory()
        found["peak_memory_bytes"] = max(found["load"]["allocated_at_most"], memory["allocated_at_most"])
        found["training"] = {
            **memory,
            "seconds_of_steps": [round(one, 4) for one in steps],
            "checkpoints": [{"seconds": seconds, "bytes": size} for seconds, size in saves],
            "gradient_checkpointing": trainer.gradient_checkpointing,
        }
        found["parts"] = _parts(trainer)
        found["moving_gradients"] = _moving(trainer)
        found["steps"] = list(_steps(trainer, recipe, lengths))
        return result

    with ExitStack() as patches:
        patches.enter_context(patch.object(llm, "load_model", watched_load))
        patches.enter_context(patch.object(KitFineTuneTrainer, "step", watched_step))
        patches.enter_context(patch.object(KitFineTuneTrainer, "train", watched_train))
        patches.enter_context(patch.object(Checkpoints, "save", watched_save))
        yield


def _timed[T](work: Callable[[], T]) -> tuple[T, float]:
    import torch

    torch.cuda.synchronize()
    begun = time.perf_counter()
    result = work()
    torch.cuda.synchronize()
    return result, time.perf_counter() - begun


def _memory() -> Figures:
    """Bytes of torch's tensors now and at most, of what it holds for them at most, and of all that is in use."""
    import torch

    free, total = torch.cuda.mem_get_info()
    return {
        "allocated": torch.cuda.memory_allocated(),
        "allocated_at_most": torch.cuda.max_memory_allocated(),
        "reserved_at_most": torch.cuda.max_memory_reserved(),
        "in_use": int(total - free),
        "in_use_beside_torch": int(total - free - torch.cuda.memory_reserved()),
    }


def _reset_memory() -> None:
    import torch

    from finetune_kit.devices import clear_cache

    clear_cache()
    torch.cuda.reset_peak_memory_stats()


def _parts(trainer: Any) -> Figures:
    """Bytes of the tensors that are there all the time, named as in the forecast."""
    from finetune_kit.forecast.step import _weights

    state = [one for kept in trainer.optimizer.state.values() for one in kept.values() if hasattr(one, "nbytes")]
    return {**_weights(trainer.model.model), "optimiser": sum(one.nbytes for one in state)}


def _moving(trainer: Any) -> Figures:
    """Seconds to bring the adapter's gradients to the processor and back, as adding them up over machines does."""
    import torch

    trained = [one for one in trainer.model.parameters() if one.requires_grad]

    def there_and_back() -> None:
        flat = torch.cat([torch.zeros_like(one).flatten() for one in trained]).cpu()
        flat.cuda()

    there_and_back()
    seconds = [_timed(there_and_back)[1] for _ in range(9)]
    return {"bytes": sum(one.nbytes for one in trained), "seconds": statistics.median(seconds)}


def _steps(trainer: Any, recipe: Any, lengths: tuple[int, ...]) -> Iterator[Figures]:
    """One batch of one row of each length, with and without gradient checkpointing; the adapter is put back."""
    import torch

    from finetune_kit.forecast.fitting import changed
    from finetune_kit.forecast.memory import Forecast
    from finetune_kit.forecast.model_configs import model_config
    from finetune_kit.outlook import look_ahead
    from finetune_kit.prompt import Example

    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    steps_before = trainer.optimizer_steps
    config, target, base = model_config(recipe.base_model), look_ahead(recipe).target, trainer.model.model
    trainer.dist_model.train()
    ends: list[int] = []
    layers = base.get_base_model().base_model
    hook = layers.register_forward_hook(lambda *_: ends.append(torch.cuda.memory_allocated()))
    for checkpointing in (False, True):
        if checkpointing:
            base.gradient_checkpointing_enable({"use_reentrant": False})
        for length in lengths:
            row = Example(str(length), [3 + 7 * i % (VOCABULARY - 3) for i in range(length)], length // 2)
            capped = changed(recipe, {"preprocessing.global_max_sequence_length": length})
            estimate = Forecast(capped, config, target, [length]).estimate(checkpointing)
            trainer.step([row])
            torch.cuda.empty_cache()
            resting = torch.cuda.memory_allocated()
            torch.cuda.reset_peak_memory_stats()
            ends.clear()
            seconds = [_timed(lambda row=row: trainer.step([row]))[1] for _ in range(3)]
            # The first time through the layers; with checkpointing there are more.
            yield {
                "tokens": length,
                "checkpointing": checkpointing,
                "seconds": statistics.median(seconds),
                "resting": resting,
                "after_the_layers": ends[0] - resting,
                "allocated_at_most": torch.cuda.max_memory_allocated(),
                "reserved_at_most": torch.cuda.max_memory_reserved(),
                "forecast_tensors": estimate.tensors,
                "forecast_total": estimate.total,
                "forecast_activations": estimate.activations,
                "forecast_parts": estimate.parts,
                "flops": estimate.flops,
            }
    hook.remove()
    base.gradient_checkpointing_disable()
    trainer.model.load_state_dict(before)
    trainer.optimizer_steps = steps_before


def _generation(run: Any, found: Saved, unpacked: bool) -> None:
    """New tokens a second of both sides, in batches of so many rows; and of weights unpacked to 16 bits once."""
    from finetune_kit.generation import Generator
    from finetune_kit.loading import dequantize

    generator = Generator(run)
    _, seconds = _timed(lambda: generator._model)
    found["seconds_to_load_for_generation"] = seconds
    rows = [*run.rows("test"), *run.rows("train")]
    # Warm: kernels are loaded when they are first needed.
    _tokens_per_second(generator, rows[:2], "tuned", 4)
    batches = [("tuned", count) for count in GENERATED] + [("base", max(GENERATED))]
    for side, count in batches:
        _reset_memory()
        found[f"generation, {side}, {count} rows"] = _tokens_per_second(generator, rows[:count], side, GENERATED[count])
    if unpacked:
        dequantize(generator._model.get_base_model())
        for count, most in GENERATED.items():
            found[f"generation, unpacked, {count} rows"] = _tokens_per_second(generator, rows[:count], "base", most)


def _tokens_per_second(generator: Any, rows: list[Any], side: str, most: int) -> Figures:
    settings = generator.run.recipe.generation.model_copy(update={"max_new_tokens": most})
    answers, seconds = _timed(lambda: generator.complete(rows, side, settings=settings))
    tokens = sum(one.tokens for one in answers)
    return {"tokens": tokens, "seconds": seconds, "tokens_per_second": tokens / seconds, **_memory()}


if __name__ == "__main__":
    main()
