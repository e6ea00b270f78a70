"""The model card: what the model was made from and how well it does, for whoever finds it."""

import re
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, StrictUndefined

from finetune_kit.base_models import EMBEDDED, EMBEDDED_ID
from finetune_kit.data import GIVEN
from finetune_kit.prompt import Prompt
from finetune_kit.run import Run
from finetune_kit.scores import scores_of

EMBEDDED_LICENCE = "apache-2.0"

_TEMPLATE = Path(__file__).with_name("model_card.md.jinja")


def licence_of(base_model: str, folder: Path) -> str | None:
    """The licence of a base model as its own card names it; None where that is not known.

    Args:
        base_model: Its name in the recipe.
        folder: Its files.
    """
    if base_model == EMBEDDED:
        return EMBEDDED_LICENCE
    try:
        card = (folder / "README.md").read_text(encoding="utf-8")
        header = re.match(r"---\n(.*?)\n---\n", card, re.DOTALL)
        licence = yaml.safe_load(header[1]).get("license") if header else None
    except (OSError, ValueError, AttributeError, yaml.YAMLError):
        return None
    return licence if isinstance(licence, str) else None


def model_card(run: Run, base_folder: Path, merged: bool, proof: str | None = None) -> str:
    """The text of a README.md with the header that the Hub reads.

    Args:
        run: A finished run.
        base_folder: The base model's files.
        merged: Whether the card is of the whole model, and not of the adapter.
        proof: What was found of the merge, in words.
    """
    recipe, manifest = run.recipe, run.manifest
    licence = licence_of(recipe.base_model, base_folder)
    base_id = EMBEDDED_ID if recipe.base_model == EMBEDDED else recipe.base_model
    is_id = re.fullmatch(r"[\w.-]+/[\w.-]+", base_id) is not None
    header: dict[str, Any] = {
        **({"base_model": base_id, "base_model_relation": "finetune" if merged else "adapter"} if is_id else {}),
        "library_name": "transformers" if merged else "peft",
        "pipeline_tag": "text-generation",
        "license": licence or "unknown",
        "tags": ["code", "lora", "finetune-kit"],
    }
    quantization = recipe.quantization
    settings = {
        "base_model": _name(recipe.base_model),
        "adapter": f"{'DoRA' if recipe.adapter.use_dora else 'LoRA'}, r {recipe.adapter.r}",
        "quantization": f"{quantization.bits} bits in training" if quantization else "none",
        "trainer.epochs": recipe.trainer.epochs,
        "trainer.learning_rate": recipe.trainer.learning_rate,
        "rows of a step": recipe.trainer.batch_size * recipe.trainer.gradient_accumulation_steps,
        "steps": manifest.get("optimizer_steps"),
        "run.seed": recipe.run.seed,
    }
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, autoescape=False)
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8")).render(
        header=yaml.safe_dump(header, sort_keys=False, allow_unicode=True),
        title=run.path.name,
        run=run.path.name,
        base_title=_name(manifest["base_model"]["title"]),
        merged=merged,
        own_chat=recipe.prompt.chat_template,
        template=recipe.prompt.template,
        columns=Prompt.of(recipe).columns,
        stop_strings=recipe.generation.stop_strings,
        source=_source(manifest.get("source", GIVEN)),
        rows=manifest["rows"],
        settings=settings,
        proof=proof,
        versions=manifest["versions"],
        **_scores(run),
    )


def _source(name: str) -> str:
    return name if name == GIVEN else f"`{_name(name)}`"


def _name(place: str) -> str:
    """Of what is a file or a folder here, its name alone: the rest is nobody's business on the Hub."""
    return Path(place).name if Path(place).exists() else place


def _scores(run: Run) -> dict[str, Any]:
    """What the evaluation found, if there was one."""
    summary = run.summary
    if summary is None:
        return {"scores": [], "verdict": "", "scored_rows": 0}
    return {"scores": scores_of(summary), "verdict": summary["verdict"]["sentence"], "scored_rows": summary["rows"]}
