"""From a run and rows to completions, of the base model and of the tuned one: from one load, or from a server.

There are three sides: `base`, the base model with the recipe's prompt; `prompted`, the base model prompted at its best
(`finetune_kit.few_shot`); and `tuned`.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune_kit.answering import Rows, answer_rows, count_missing, in_chunks
from finetune_kit.base_models import resolve_base_model
from finetune_kit.data import Row, Source, load_questions, read_jsonl
from finetune_kit.errors import KitError
from finetune_kit.few_shot import FewShotPrompt, candidates, losses
from finetune_kit.progress import View
from finetune_kit.prompt import Prompt
from finetune_kit.question_file import QuestionFile
from finetune_kit.recipe import Generation
from finetune_kit.run import SIDES, Run, write_text

if TYPE_CHECKING:
    import pandas as pd

    from finetune_kit.decoding import Completion
    from finetune_kit.on_ray.generation import RayGenerator

CHUNK = 256
"""Rows that are answered together; when they are, the answers are on the disk."""
LARGE = 2**24
"""Bytes of a file of rows that is not read into memory."""


def asking(run: Run) -> tuple[Prompt, Any]:
    """What a run asks with: its prompt, and the tokenizer that it keeps."""
    from finetune_kit.loading import load_tokenizer

    return Prompt.of(run.recipe), load_tokenizer(str(run.adapter_path))


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
        self.prompt = Prompt.of(run.recipe)
        self.base = resolve_base_model(run.recipe.base_model)
        self._few_shot: FewShotPrompt | None = None

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
        return asking(self.run)[1]

    def complete(
        self,
        rows: Sequence[Mapping[str, str]],
        side: str = "tuned",
        on_done: Callable[[], None] = lambda: None,
        settings: Generation | None = None,
    ) -> "list[Completion]":
        """Generate an answer for each row.

        Args:
            rows: Rows with the columns that the prompt names.
            side: `tuned`; `base` for the same model without the adapter; `prompted` for that, prompted at its best.
            on_done: Called when a row is finished.
            settings: How to choose tokens and when to stop; as the run's recipe says without it.

        Returns:
            The completions, in the order of the rows.
        """
        from finetune_kit.decoding import decode

        settings, seed = settings or self.run.recipe.generation, self.run.recipe.run.seed
        asked: Prompt | FewShotPrompt = self.prompt
        if side == "prompted":
            asked = self.few_shot()
            settings = asked.generation(settings)
        prompts, end = asked.encode_all(rows, self._tokenizer), asked.end_token_id(self._tokenizer)
        if self.server is not None:
            from finetune_kit.serving import Server

            model = "tuned" if side == "tuned" else "base"
            more = None if end == self._tokenizer.eos_token_id else end
            server = Server(self.server, self.run, self.base.path)
            return server.complete(prompts, settings, model, seed, on_done, end_id=more)
        with nullcontext() if side == "tuned" else self._model.disable_adapter():
            model = self._model.get_base_model()
            return decode(model, self._tokenizer, prompts, settings, seed=seed, on_done=on_done, end_id=end)

    def complete_some(
        self, rows: Iterator[Row], side: str, on_done: Callable[[], None]
    ) -> "Iterator[tuple[list[Row], list[Completion]]]":
        """Answer rows, so many at a time that a process which is killed loses little, and neighbours have a length."""
        for some in in_chunks(rows, CHUNK):
            yield some, self.complete(some, side, on_done)

    def way_to_ask(self, view: View | None = None) -> str:
        """What the way is called that `few_shot` finds."""
        return self.few_shot(view).name

    def few_shot(self, view: View | None = None) -> FewShotPrompt:
        """How the base model is asked on the side `prompted`: of some ways, the one after which it expects the answers
        of training rows most. Chosen once, and kept in the run folder.

        A server is not asked for that; there it is the chat template with the most examples, where there is one.

        Args:
            view: Where progress is shown.
        """
        if self._few_shot is None:
            train_rows = self.run.rows("train")
            tried, rows = candidates(self.prompt, self.run.recipe.output_column, train_rows, self._tokenizer)
            found = dict(zip([way.name for way in tried], self._losses(tried, rows, view), strict=True))
            self._few_shot = min(tried, key=lambda way: found[way.name])
        return self._few_shot

    def _losses(self, tried: list[FewShotPrompt], rows: list[Row], view: View | None) -> list[float]:
        """The losses of the ways to ask, from the run folder where they are known."""
        if self.server is not None or not rows:
            return [0.0] * len(tried)
        names = [way.name for way in tried]
        measured = [row["row_id"] for row in (*tried[0].examples, *rows)]
        key = _digest({**self._base_settings(), "tried": names, "rows": measured})
        path = self.run.path / "predictions" / "prompted.json"
        try:
            known = json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):  # What is not there, or is torn, is measured again.
            known = {}
        if known.get("key") != key:
            title = "Choosing the base model's best prompt"
            shown = (view or View(quiet=True)).stage(title, len(tried) * len(rows), "row")
            with shown as stage, self._model.disable_adapter():
                found = losses(tried, rows, self._model.get_base_model(), self._tokenizer, stage.advance)
            known = {"key": key, "losses": dict(zip(names, found, strict=True))}
            path.parent.mkdir(exist_ok=True)
            write_text(path, json.dumps(known, indent=2) + "\n")
        return [known["losses"][name] for name in names]

    def settings_hash(self, side: str) -> str:
        """What a completion depends on beside its row: 16 hexadecimal digits."""
        adapter = self.run.adapter_path / "adapter_model.safetensors"
        settings = {
            **self._base_settings(),
            "generation": self.run.recipe.generation.model_dump(mode="json"),
            "seed": self.run.recipe.run.seed,
            "adapter": hashlib.sha256(adapter.read_bytes()).hexdigest() if side == "tuned" else None,
        }
        if side == "prompted":
            way = self.few_shot()
            settings["prompted"] = [way.name, *(one["row_id"] for one in way.examples)]
        return _digest(settings)

    def _base_settings(self) -> dict[str, Any]:
        """What tells the base model and the recipe's prompt apart from others."""
        from finetune_kit.devices import pick_device
        from finetune_kit.loading import compute_dtype

        recipe = self.run.recipe
        where = {"compute_dtype": "the server's", "quantization": "the server's"}
        if self.server is None:
            where = {
                "compute_dtype": compute_dtype(recipe.quantization, pick_device()),
                "quantization": recipe.model_dump(mode="json")["quantization"],
            }
        return {"base_model": self.base.name, "template": self.prompt.settings, **where}


def generate(run: Run, rows: Source, side: str = "tuned", server: str | None = None) -> list[str]:
    """Answers of a run's model.

    Args:
        run: A finished run.
        rows: Rows with the columns that the run's prompt names: a list of dicts, a DataFrame or a path.
        side: `tuned`; `base` for the model without the adapter; `prompted` for that, prompted at its best.
        server: Address of an OpenAI-compatible server that is to do it.

    Returns:
        The completions, in the order of the rows.

    Raises:
        KitError: If a row lacks a column, the base model is not there, or the server does not do it.
    """
    _require_sides([side])
    with _generator(run, server, View(quiet=True)) as generator:
        return [completion.text for completion in generator.complete(_questions(run, rows), side)]


def predict(
    run: Run,
    data: Source | None = None,
    sides: str | Sequence[str] = "tuned",
    view: View | None = None,
    server: str | None = None,
) -> "pd.DataFrame":
    """Answer rows, and show the answers beside them.

    Args:
        run: A finished run.
        data: Rows to answer, with or without answers of their own: a path, a DataFrame or a list of dicts. Without it
            the run's test rows, whose answers are kept in the run folder and not made again.
        sides: `base`, `prompted`, `tuned`, or several of them.
        view: Where progress is shown; without it on the page of a notebook, and nowhere in a script.
        server: Address of an OpenAI-compatible server that is to do it.

    Returns:
        A line a row, in their order and with a DataFrame's own index: the recipe's columns (`instruction`, `input`,
        `output`; empty where a row has none), and `generated output`; of several sides `generated output (base)` and
        so on.

    Raises:
        KitError: If a row lacks a column, the base model is not there, or the server does not do it.
    """
    import pandas as pd

    names = [sides] if isinstance(sides, str) else list(sides)
    _require_sides(names)
    if data is None:
        rows = run.rows("test")
        paths = predict_test_rows(run, names, view, server)
        answers = {side: [line["completion"] for line in read_jsonl(path)] for side, path in paths.items()}
    else:
        view = view or View.of_a_script()
        rows = _questions(run, data)
        answers = {}
        with _generator(run, server, view) as generator:
            for side in names:
                with view.stage(f"Generating, {side}", len(rows), "row") as stage:
                    answers[side] = [one.text for one in generator.complete(rows, side, stage.advance)]
    recipe = run.recipe
    columns = [recipe.input_features[0].name, "input", *Prompt.of(recipe).columns, recipe.output_column]
    table = {column: [row.get(column, "") for row in rows] for column in dict.fromkeys(columns)}
    for side in names:
        table["generated output" if len(names) == 1 else f"generated output ({side})"] = answers[side]
    return pd.DataFrame(table, index=data.index if isinstance(data, pd.DataFrame) else None)


def predict_test_rows(
    run: Run,
    sides: Sequence[str] = SIDES,
    view: View | None = None,
    server: str | None = None,
) -> dict[str, Path]:
    """Answer the test rows and keep the answers in the run folder; those that are there already are not made again.

    Args:
        run: A finished run.
        sides: Of `base`, `prompted` and `tuned`.
        view: Where progress is shown.
        server: Address of an OpenAI-compatible server that is to do it.

    Returns:
        The files, by side: `predictions/{base,prompted,tuned}.jsonl`.
    """
    rows = run.rows("test")
    if not rows:
        raise KitError(f"The run {run.path} has no test rows; train it on more rows, or name a file of rows.")
    view = view or View.of_a_script()
    paths = {side: run.predictions_path(side) for side in sides}
    with _generator(run, server, view) as generator:
        for side, path in paths.items():
            _answer(generator, rows, side, path, view)
    return paths


def predict_file(
    run: Run,
    source: str | Path,
    side: str = "tuned",
    output: Path | None = None,
    view: View | None = None,
    server: str | None = None,
) -> Path:
    """Generate for a file of rows, those of a suite for instance; what the output holds already is not made again.

    Args:
        run: A finished run.
        source: A file of rows; the columns that the run's prompt names must be there, the answer need not.
        side: `base`, `prompted` or `tuned`.
        output: Where the answers go; `SOURCE.predictions.jsonl` in the working folder without it.
        view: Where progress is shown.
        server: Address of an OpenAI-compatible server that is to do it.

    Returns:
        The file: a line a row, as in the run folder, with the row's own `row_id` where it has one.

    Raises:
        KitError: If the rows can't be read, or the output can't be written.
    """
    large = Path(source).suffix == ".jsonl" and Path(source).is_file() and Path(source).stat().st_size > LARGE
    rows: Rows = QuestionFile(Path(source), *_columns(run)) if large else _questions(run, source)
    path = output or Path(f"{Path(source).stem}.predictions.jsonl")
    try:
        # Found out now, and not when the answers are there and have no place to go.
        probe = path.with_name(path.name + ".partial")
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise KitError(f"{path} can't be written ({error.strerror}); name another file with --output.") from None
    view = view or View(quiet=True)
    with _generator(run, server, view) as generator:
        _answer(generator, rows, side, path, view)
    return path


def _require_sides(sides: Sequence[str]) -> None:
    unknown = [side for side in sides if side not in SIDES]
    if unknown or not sides:
        raise KitError(f"A side is one of {', '.join(SIDES)}, and not {unknown[0]!r}." if unknown else "Name a side.")


def _columns(run: Run) -> tuple[Mapping[str, str], list[str]]:
    """What columns of rows to answer are called, and which must be there: the prompt's, of which `input` may not."""
    section = run.recipe.data
    return section.columns if section else {}, [name for name in Prompt.of(run.recipe).columns if name != "input"]


def _questions(run: Run, source: Source) -> list[Row]:
    """Rows to answer."""
    return load_questions(source, *_columns(run))


@contextmanager
def _generator(run: Run, server: str | None, view: View) -> "Iterator[Generator | RayGenerator]":
    """What answers: this process, a server, or the Ray cluster that the run's recipe names."""
    if server is None and run.recipe.backend.type == "ray":
        from finetune_kit.on_ray.generation import ray_generator

        with ray_generator(run, view) as generator:
            yield generator
    else:
        yield Generator(run, server)


def _answer(generator: "Generator | RayGenerator", rows: Rows, side: str, path: Path, view: View) -> None:
    """Make a file of predictions whole: what it holds of these rows and settings stays, the rest is generated."""
    if side == "prompted":
        view.say(f"The base model is prompted with: {generator.way_to_ask(view)}")
    settings_hash = generator.settings_hash(side)

    def line_of(row: Row) -> dict[str, Any]:
        return _line(generator.run, row, settings_hash)

    def complete(missing: Iterator[Row]) -> Iterator[tuple[list[Row], "list[Completion]"]]:
        with view.stage(f"Generating, {side}", count_missing(rows, line_of, path), "row") as stage:
            yield from generator.complete_some(missing, side, stage.advance)

    cut = answer_rows(rows, line_of, complete, path)
    limit = generator.run.recipe.generation.max_new_tokens
    view.say(f"Wrote {path}" + (f"; {cut} of {len(rows)} answers were cut at {limit} tokens" if cut else ""))


def _line(run: Run, row: Row, settings_hash: str) -> dict[str, Any]:
    """What a line of predictions says before its answer; `instruction` and `output` are the recipe's features."""
    return {
        "row_id": row["row_id"],
        "group": row.get("group"),
        "instruction": row[run.recipe.input_features[0].name],
        "input": row.get("input", ""),
        "output": row.get(run.recipe.output_column, ""),
        "tests": row.get("tests", ""),
        "settings_hash": settings_hash,
    }


def _digest(settings: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]
