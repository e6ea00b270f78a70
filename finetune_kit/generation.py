"""From a run and rows to completions, of the base model and of the tuned one: from one load, or from a server."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune_kit.base_models import resolve_base_model
from finetune_kit.data import Row, write_jsonl
from finetune_kit.errors import KitError
from finetune_kit.prompt import Prompt
from finetune_kit.run import SIDES, Run

if TYPE_CHECKING:
    from finetune_kit.decoding import Completion
    from finetune_kit.progress import View


class Generator:
    """A base model with a run's adapter, loaded on first use.

    Args:
        run: The run whose base model, adapter, prompt and generation settings are used.
        server: Address of an OpenAI-compatible server that serves both models, e.g. `http://localhost:8000`; nothing
            is loaded here then but the tokenizer.

    Raises:
        KitError: If the base model is not there.
    """

    def __init__(self, run: Run, server: str | None = None) -> None:
        self.run = run
        self.server = server
        self.prompt = Prompt(run.recipe.prompt.template)
        self.base = resolve_base_model(run.recipe.base_model)

    @cached_property
    def _model(self) -> Any:
        from peft import PeftModel

        from finetune_kit.devices import pick_device
        from finetune_kit.loading import dequantize, load_model

        device = pick_device()
        model = load_model(self.base.path, self.run.recipe.quantization, device)
        if device.type == "cpu":
            dequantize(model)
        return PeftModel.from_pretrained(model, self.run.adapter_path).eval()

    @cached_property
    def _tokenizer(self) -> Any:
        from finetune_kit.loading import load_tokenizer

        return load_tokenizer(str(self.run.adapter_path))

    def complete(
        self,
        rows: Sequence[Mapping[str, str]],
        side: str = "tuned",
        on_done: Callable[[], None] = lambda: None,
    ) -> "list[Completion]":
        """Generate an answer for each row.

        Args:
            rows: Rows with the columns that the prompt names.
            side: `tuned`, or `base` for the same model without the adapter.
            on_done: Called when a row is finished.

        Returns:
            The completions, in the order of the rows.
        """
        from finetune_kit.decoding import decode

        prompts = [self.prompt.encode(row, self._tokenizer) for row in rows]
        settings, seed = self.run.recipe.generation, self.run.recipe.run.seed
        if self.server is not None:
            from finetune_kit.serving import Server

            return Server(self.server, self.run, self.base.path).complete(prompts, settings, side, seed, on_done)
        with self._model.disable_adapter() if side == "base" else nullcontext():
            return decode(self._model.get_base_model(), self._tokenizer, prompts, settings, seed=seed, on_done=on_done)

    def settings_hash(self, side: str) -> str:
        """What a completion depends on beside its row: 16 hexadecimal digits."""
        from finetune_kit.devices import pick_device
        from finetune_kit.loading import compute_dtype

        adapter = self.run.adapter_path / "adapter_model.safetensors"
        settings = {
            "base_model": self.base.name,
            "compute_dtype": compute_dtype(self.run.recipe.quantization, pick_device()),
            "quantization": self.run.recipe.model_dump(mode="json")["quantization"],
            "template": self.prompt.template,
            "generation": self.run.recipe.generation.model_dump(mode="json"),
            "seed": self.run.recipe.run.seed,
            "adapter": hashlib.sha256(adapter.read_bytes()).hexdigest() if side == "tuned" else None,
        }
        if self.server is not None:
            settings |= {"compute_dtype": "the server's", "quantization": "the server's"}
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


def generate(run: Run, rows: Sequence[Mapping[str, str]], side: str = "tuned", server: str | None = None) -> list[str]:
    """Answers of a run's model.

    Args:
        run: A finished run.
        rows: Rows with the columns that the run's prompt names.
        side: `tuned`, or `base` for the model without the adapter.
        server: Address of an OpenAI-compatible server that is to do it.

    Returns:
        The completions, in the order of the rows.

    Raises:
        KitError: If a row lacks a column, the base model is not there, or the server does not do it.
    """
    generator = Generator(run, server)
    for number, row in enumerate(rows, start=1):
        missing = [name for name in generator.prompt.columns if name not in row]
        if missing:
            raise KitError(f"Row {number} has no column {missing[0]!r}, which the prompt names.")
    return [completion.text for completion in generator.complete(rows, side)]


def predict(
    run: Run,
    rows: Sequence[Row] | None = None,
    sides: Sequence[str] = SIDES,
    view: "View | None" = None,
    server: str | None = None,
) -> dict[str, Path]:
    """Generate for rows and keep the completions in the run folder; those that are there already are not made again.

    Args:
        run: A finished run.
        rows: The run's test rows without it.
        sides: Of `base` and `tuned`.
        view: Where progress is shown.
        server: Address of an OpenAI-compatible server that is to do it.

    Returns:
        The files, by side: `predictions/{base,tuned}.jsonl`.
    """
    from finetune_kit.progress import View

    view = view or View(quiet=True)
    rows = run.rows("test") if rows is None else rows
    if not rows:
        raise KitError(f"The run {run.path} has no test rows; train it on more rows, or name a file of rows.")
    generator = Generator(run, server)
    paths = {}
    for side in sides:
        path = run.predictions_path(side)
        path.parent.mkdir(exist_ok=True)
        settings_hash = generator.settings_hash(side)
        kept = _kept(path, settings_hash)
        missing = [row for row in rows if row["row_id"] not in kept]
        if missing:
            with view.stage(f"Generating, {side}", len(missing), "row") as stage:
                done = generator.complete(missing, side, stage.advance)
            answers = zip(missing, done, strict=True)
            kept |= {row["row_id"]: _line(run, row, completion, settings_hash) for row, completion in answers}
        write_jsonl(path, [kept[row["row_id"]] for row in rows])
        cut = sum(kept[row["row_id"]]["finish_reason"] == "length" for row in rows)
        limit = run.recipe.generation.max_new_tokens
        view.say(f"Wrote {path}" + (f"; {cut} of {len(rows)} answers were cut at {limit} tokens" if cut else ""))
        paths[side] = path
    return paths


def _kept(path: Path, settings_hash: str) -> dict[str, dict[str, Any]]:
    """The lines that were made with the same settings, by row."""
    if not path.exists():
        return {}
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
    return {line["row_id"]: line for line in lines if line["settings_hash"] == settings_hash}


def _line(run: Run, row: Row, completion: "Completion", settings_hash: str) -> dict[str, Any]:
    """A line of predictions; `instruction` and `output` are the recipe's features, whatever they are called."""
    return {
        "row_id": row["row_id"],
        "group": row.get("group"),
        "instruction": row[run.recipe.input_features[0].name],
        "input": row.get("input", ""),
        "output": row[run.recipe.output_column],
        "tests": row.get("tests", ""),
        "completion": completion.text,
        "settings_hash": settings_hash,
        "finish_reason": completion.finish_reason,
    }
