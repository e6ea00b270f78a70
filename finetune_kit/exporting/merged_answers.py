"""What a merged model answers to its run's test rows, where the harness can score it as it scored the run."""

import shutil
from pathlib import Path

from finetune_kit.data import read_jsonl, write_jsonl
from finetune_kit.generation import asking, predict_test_rows
from finetune_kit.progress import View
from finetune_kit.run import Run


def answer_test_rows(run: Run, merged: Path, view: View) -> Path:
    """Let a merged model answer its run's test rows, with the run's prompt and settings.

    Args:
        run: The run; the sides `base` and `tuned` answer first where they have not yet.
        merged: The folder of the merged model.
        view: Where progress is shown.

    Returns:
        A folder beside the merged model's, in a run folder's form: `rows/`, and `predictions/` with the base model's
        answers and, as `tuned`, the merged model's.
    """
    from finetune_kit.decoding import decode
    from finetune_kit.devices import pick_device
    from finetune_kit.loading import load_model

    paths = predict_test_rows(run, sides=("base", "tuned"), view=view)
    base, adapter = (read_jsonl(paths[side]) for side in ("base", "tuned"))
    rows, settings = run.rows("test"), run.recipe.generation
    prompt, tokenizer = asking(run)
    with view.stage("Generating, merged", len(rows), "row") as stage:
        answers = decode(
            load_model(str(merged), None, pick_device()),
            tokenizer,
            prompt.encode_all(rows, tokenizer),
            settings,
            seed=run.recipe.run.seed,
            on_done=stage.advance,
            end_id=prompt.end_token_id(tokenizer),
        )
    said = {"completion": [one.text for one in answers], "finish_reason": [one.finish_reason for one in answers]}
    lines = [{**line, **{key: said[key][place] for key in said}} for place, line in enumerate(adapter)]
    same = sum(line == other for line, other in zip(lines, adapter, strict=True))
    view.say(f"The merged model answers {same} of {len(rows)} test rows as the adapter does, letter by letter")
    folder = merged.with_name(f"{merged.name}.eval")
    shutil.copytree(run.path / "rows", folder / "rows", dirs_exist_ok=True)
    (folder / "predictions").mkdir(exist_ok=True)
    write_jsonl(folder / "predictions" / "base.jsonl", base)
    write_jsonl(folder / "predictions" / "tuned.jsonl", lines)
    return folder
