"""A run as a notebook shows it."""

import base64
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from finetune_kit.data import read_jsonl
from finetune_kit.progress import format_seconds
from finetune_kit.run import Run
from finetune_kit.scores import scores_of

SHOWN = 5
"""Answers that are shown."""

_TEMPLATE = Path(__file__).with_name("run_view.html.jinja")


def run_html(run: Run) -> str:
    """A run's facts, loss curve, scores and first answers, as HTML that stands in a page."""
    manifest, summary = run.manifest, run.summary
    answers = _answers(run)
    loss = run.path / "loss.png"
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, autoescape=True)
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8")).render(
        name=run.path.name,
        path=run.predictions_path("tuned"),
        facts=_facts(run, manifest),
        loss=base64.b64encode(loss.read_bytes()).decode() if loss.exists() else "",
        scores=scores_of(summary) if summary else [],
        verdict=summary["verdict"]["sentence"] if summary else "",
        columns=["instruction", "input", "output", "generated output"],
        answers=answers[:SHOWN],
        more=max(0, len(answers) - SHOWN),
    )


def _facts(run: Run, manifest: dict[str, Any]) -> list[str]:
    facts = [str(manifest.get("status", "without a manifest")), run.recipe.base_model]
    if "rows" in manifest:
        facts.append(f"{manifest['rows']['train']['rows']} rows")
    if "optimizer_steps" in manifest:
        took = f" in {format_seconds(manifest['seconds'])}" if "seconds" in manifest else ""
        facts.append(f"{manifest['optimizer_steps']} steps{took}")
    if loss := manifest.get("validation", {}).get("loss"):
        facts.append(f"validation loss {loss:.3f}")
    return facts


def _answers(run: Run) -> list[dict[str, str]]:
    """The tuned model's, in the guide's columns."""
    path = run.predictions_path("tuned")
    if not path.exists():
        return []
    return [{**line, "generated output": line["completion"]} for line in read_jsonl(path)]
