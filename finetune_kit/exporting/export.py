"""A run's result, written so that other tools read it: the adapter, or the whole model with the adapter in it."""

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune_kit.base_models import EMBEDDED, EMBEDDED_ID, explain_hub_errors, resolve_base_model
from finetune_kit.data import Row
from finetune_kit.errors import KitError
from finetune_kit.exporting.chat_template import chat_template, messages
from finetune_kit.exporting.model_card import model_card
from finetune_kit.exporting.weights import DTYPES, Weights
from finetune_kit.progress import View
from finetune_kit.prompt import Prompt
from finetune_kit.run import Run, sweep, write_text
from finetune_kit.run_lock import LOCK, locked

if TYPE_CHECKING:
    from finetune_kit.exporting.merge import MergePlan
    from finetune_kit.exporting.merge_proof import MergeProof

ONTO = ("trained", "original")


@dataclass(frozen=True)
class Merged:
    """Merged weights."""

    dtype: str
    onto: str
    """What was merged into: the weights as they were `trained` on, or the `original` ones."""
    plan: "MergePlan"
    proof: "MergeProof | None"
    """None where none was asked for, or the run has no rows."""


@dataclass(frozen=True)
class Exported:
    """What was written."""

    folder: Path
    merged: Merged | None = None
    """None where it is the adapter alone."""
    same_prompts: tuple[int, int] | None = None
    """How many rows the chat template gives the training's token ids, of how many; None where it is the tokenizer's."""


def export(
    run: Run,
    output: Path | None = None,
    merge: bool = False,
    dtype: str | None = None,
    onto: str | None = None,
    prove: int = 8,
    force: bool = False,
    view: View | None = None,
) -> Exported:
    """Write the adapter, or the merged model, with tokenizer, chat template, generation config and model card.

    Args:
        run: A finished run.
        output: The folder; `RUN/export/adapter` or `RUN/export/merged` without it. It is written beside its place and
            renamed.
        merge: The whole model, and not the adapter alone.
        dtype: Of the merged weights: `bfloat16`, `float16` or `float32`; the base model's own where that has 16 bits,
            else `bfloat16`.
        onto: Merge into the weights as they were `trained` on (of a 4-bit run: what 4 bits make of them), or into the
            `original` ones; `trained` without it, but for 8-bit runs, whose weights are not what they computed with.
        prove: On how many test rows the merged model is compared with the adapter; 0 leaves it out.
        force: Replace an earlier export that is there.
        view: Where progress is shown.

    Returns:
        What was written.

    Raises:
        KitError: If something does not belong together, there is no room, or the merged model is not what it should be;
            then nothing is left.
    """
    view = view or View.of_a_script()
    _check(dtype, onto, prove)
    output = output or run.path / "export" / ("merged" if merge else "adapter")
    if output.exists() and not force:
        raise KitError(f"{output} exists already; --force replaces it, --output names another folder.")
    if output.exists() and not (output / "tokenizer_config.json").is_file():
        raise KitError(f"{output} is no earlier export, and is not replaced; name another folder with --output.")
    base = _base_folder(run)
    prompt, tokenizer = Prompt.of(run.recipe), _tokenizer(run)
    same = merged = None
    if not prompt.chat_template:
        tokenizer.chat_template = chat_template(prompt, tokenizer)
        same = _same_prompts(prompt, tokenizer, run.rows("test") or run.rows("train"))
    with _filled_aside(output) as partial:
        _save(tokenizer, partial)
        if merge:
            merged = _merge(run, base, partial, dtype, onto, prove, view)
            _write_generation_config(run, prompt, tokenizer, base, partial)
        else:
            _copy_adapter(run, partial)
        proof = str(merged.proof) if merged and merged.proof else None
        write_text(partial / "README.md", model_card(run, base, merge, proof))
    return Exported(output, merged, same)


@contextmanager
def _filled_aside(output: Path) -> Iterator[Path]:
    """A folder beside another's place, which it takes when a block has filled it.

    Raises:
        KitError: If it can't be written.
    """
    partial = output.with_name(f".{output.name}.{os.getpid()}.partial")
    replaced = output.with_name(f".{output.name}.{os.getpid()}.replaced.partial")
    try:
        sweep(output)
        partial.mkdir(parents=True)
        with locked(partial):
            yield partial
        (partial / LOCK).unlink(missing_ok=True)
        if output.exists():
            output.rename(replaced)
        partial.rename(output)
    except OSError as error:
        raise KitError(
            f"{output} can't be written ({error.strerror or error}); name another folder with --output."
        ) from None
    finally:
        for folder in (partial, replaced):
            shutil.rmtree(folder, ignore_errors=True)


def gguf_commands(folder: Path) -> list[str]:
    """The commands of llama.cpp that make a GGUF of a merged model, and then one in 4 bits."""
    name = folder.resolve().name
    return [
        f"python llama.cpp/convert_hf_to_gguf.py {folder} --outfile {name}.gguf --outtype auto",
        f"llama.cpp/build/bin/llama-quantize {name}.gguf {name}-Q4_K_M.gguf Q4_K_M",
    ]


def _check(dtype: str | None, onto: str | None, prove: int) -> None:
    for option, value, known in (("--dtype", dtype, DTYPES), ("--onto", onto, ONTO)):
        if value is not None and value not in known:
            raise KitError(f"{option} must be one of {', '.join(known)}, and is {value!r}.")
    if prove < 0:
        raise KitError(f"--prove is a number of rows, and is {prove}.")


def _base_folder(run: Run) -> Path:
    """The base model's files; from the Hub they are fetched into its cache."""
    base = resolve_base_model(run.recipe.base_model)
    if Path(base.path).is_dir():
        return Path(base.path)
    from huggingface_hub import snapshot_download

    with explain_hub_errors(base.name):
        return Path(snapshot_download(base.name, allow_patterns=["*.safetensors", "*.json", "README.md"]))


def _tokenizer(run: Run) -> Any:
    from finetune_kit.loading import load_tokenizer

    return load_tokenizer(str(run.adapter_path))


def _save(tokenizer: Any, folder: Path) -> None:
    try:
        tokenizer.save_pretrained(folder)
    except Exception as error:  # tokenizers has no kind of its own for a full disk.
        raise OSError(str(error)) from error


def _copy_adapter(run: Run, folder: Path) -> None:
    """The adapter's files. Where the base model is the embedded one, they name its original on the Hub."""
    shutil.copyfile(run.adapter_path / "adapter_model.safetensors", folder / "adapter_model.safetensors")
    config = json.loads((run.adapter_path / "adapter_config.json").read_text(encoding="utf-8"))
    if run.recipe.base_model == EMBEDDED:
        config["base_model_name_or_path"] = EMBEDDED_ID
    write_text(folder / "adapter_config.json", json.dumps(config, indent=2) + "\n")


def _merge(
    run: Run,
    base: Path,
    partial: Path,
    dtype: str | None,
    onto: str | None,
    prove: int,
    view: View,
) -> Merged:
    with view.stage("Loading the libraries"):
        from finetune_kit.exporting.merge import merge, write_config
        from finetune_kit.exporting.merge_proof import prove_merge

    weights = Weights(base)
    dtype = dtype or ("float16" if weights.dtype == "F16" else "bfloat16")
    quantization = run.recipe.quantization
    onto = onto or ("original" if quantization and quantization.bits == 8 else "trained")
    if onto == "trained" and quantization and quantization.bits == 8:
        raise KitError(
            "An 8-bit run rounds what goes into its layers, too, which no merged weights do; use --onto original."
        )
    trained_dtype = run.manifest["device"]["compute_dtype"]
    four_bit = quantization if onto == "trained" else None
    through = trained_dtype if onto == "trained" else None
    with view.stage("Merging", len(weights.stored), "tensor") as stage:
        plan = merge(base, run.adapter_path, partial, dtype, four_bit, through, stage.advance)
    write_config(base, partial, dtype)
    view.say(
        f"Merged      {plan.bytes / 1e9:.2f} GB in {dtype}, holding at most {plan.peak_bytes / 1e9:.2f} GB at once"
    )
    proof = None
    rows = [row for split in ("test", "validation", "train") for row in run.rows(split)][:prove]
    if rows:
        prompt, tokenizer = Prompt.of(run.recipe), _tokenizer(run)
        examples = prompt.encode_examples(rows, tokenizer, run.recipe.output_column)
        with view.stage("Proving", 2 * len(rows), "row") as stage:
            proof = prove_merge(
                partial,
                run.adapter_path,
                str(base),
                four_bit,
                through,
                examples,
                prompt.end_token_id(tokenizer),
                dtype,
                on_row=stage.advance,
            )
        if not proof.holds:
            raise KitError(f"The merged model is not what its adapter is: {proof}. Nothing is kept.")
        view.say(f"Proved      {proof}")
        write_text(partial / "merge_proof.json", json.dumps(asdict(proof), indent=2) + "\n")
    return Merged(dtype, onto, plan, proof)


def _same_prompts(prompt: Prompt, tokenizer: Any, rows: Sequence[Row], most: int = 64) -> tuple[int, int]:
    """How many rows have the same token ids by the chat template and in training, of how many.

    Rows that spell a special token have not: in training it is text, and in a chat template it is the token.

    Raises:
        KitError: If none has.
    """
    rows = rows[:most]
    same = 0
    for row, ids in zip(rows, prompt.encode_all(rows, tokenizer), strict=True):
        asked = tokenizer.apply_chat_template(messages(prompt, row), add_generation_prompt=True, return_dict=False)
        same += list(asked) == ids
    if rows and not same:
        raise KitError(
            "The chat template does not render what the training rendered; this tokenizer needs another one."
        )
    return same, len(rows)


def _write_generation_config(run: Run, prompt: Prompt, tokenizer: Any, base: Path, partial: Path) -> None:
    """The recipe's generation, in transformers' words. A plain `generate` refuses stop strings; they are left out."""
    from transformers import GenerationConfig

    settings = run.recipe.generation
    sampling = {
        "temperature": settings.temperature,
        "top_k": settings.top_k,
        "top_p": settings.top_p,
    }
    config = json.loads((base / "config.json").read_text(encoding="utf-8"))
    end = prompt.end_token_id(tokenizer)
    GenerationConfig(
        do_sample=not settings.is_greedy,
        **({} if settings.is_greedy else sampling),
        repetition_penalty=settings.repetition_penalty,
        max_new_tokens=settings.max_new_tokens,
        bos_token_id=config.get("bos_token_id"),
        eos_token_id=end,
        pad_token_id=tokenizer.pad_token_id if tokenizer.pad_token_id is not None else end,
    ).save_pretrained(partial)
