"""The report of a training run as one HTML file, from what its folder holds: no model, no script, no network."""

from base64 import b64encode
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from finetune_kit.data import read_jsonl
from finetune_kit.plots import draw_lengths, draw_losses
from finetune_kit.progress import format_seconds
from finetune_kit.run import SIDES, SPLITS, Run, write_text
from finetune_kit.scores import scores_of

NAME = "report.html"
SHOWN = 8
"""Rows whose answers are shown."""
_TEMPLATE = "run_report.html.jinja"
_SCHEMES = {
    "light": {"text": "#16191f", "lines": "#d5d9e0", "first": "#0b57b8", "second": "#b3501e"},
    "dark": {"text": "#e8eaee", "lines": "#373e4a", "first": "#84b6ff", "second": "#f5b78a"},
}
"""Colours of a picture, on the report's cards."""


def write_report(run: Run, manifest: Mapping[str, Any] | None = None) -> Path:
    """Write `report.html`, or write it anew: after an evaluation it has answers and scores.

    Args:
        run: The run.
        manifest: What is reported, where that is not the run's manifest yet.

    Returns:
        The file.
    """
    path = run.path / NAME
    write_text(path, render(run, manifest))
    return path


def try_report(run: Run, say: Callable[[str], None], manifest: Mapping[str, Any] | None = None) -> None:
    """Write the report; where that fails, say so, since what was trained and scored stands without it.

    Args:
        run: The run.
        say: Is called with the failure, if there is one.
        manifest: As of `write_report`.
    """
    try:
        write_report(run, manifest)
    except Exception as error:  # of a picture or a template, too
        say(f"Note        {run.path / NAME} could not be written ({type(error).__name__}: {error}); all else is there")


def render(run: Run, manifest: Mapping[str, Any] | None = None) -> str:
    """The report, as a whole HTML document."""
    from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PackageLoader, StrictUndefined
    from markupsafe import Markup

    from evals.html_code import code_html
    from evals.languages import detect_language
    from evals.plain_text import one_line, visible

    manifest, log, summary = manifest or run.manifest, run.train_log(), run.summary
    environment = Environment(
        # The style is that of the evaluation's report.
        loader=ChoiceLoader([FileSystemLoader(Path(__file__).parent), PackageLoader("evals", "templates")]),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        # What a reader can't see is written out.
        finalize=lambda value: value if isinstance(value, Markup) else visible(value),
    )

    def code(text: str, language: str = "") -> Markup:
        """Text in colours: an answer has those of its fences, or else of what it seems to be."""
        html, left_off = code_html(text, language or ("markdown" if "```" in text else detect_language(text).name))
        return html + (f"… {left_off:,} more characters" if left_off else "")

    answers = _answers(run)
    environment.filters |= {"brief": one_line, "code": code}
    return environment.get_template(_TEMPLATE).render(
        name=run.path.name,
        status=manifest.get("status", ""),
        sentence=summary["verdict"]["sentence"] if summary else _sentence(manifest),
        scored=summary is not None,
        tiles=_tiles(manifest),
        losses=_pictures(draw_losses, log) if any(line["type"] == "step" for line in log) else {},
        lengths=_pictures(draw_lengths, found) if (found := manifest.get("token_lengths")) else {},
        length_facts=[*found["summary"].items(), ("the cap", found["cap"])] if found else [],
        scores=scores_of(summary) if summary else [],
        answers=answers[:SHOWN],
        answered=len(answers),
        sides=SIDES,
        rows=[(split, manifest["rows"][split]) for split in SPLITS if split in manifest.get("rows", {})],
        warnings=_warnings(manifest),
        recipe=run.recipe_path.read_text(encoding="utf-8"),
        differences=manifest.get("differences") or [],
        facts=_facts(manifest),
        versions=manifest.get("versions", {}),
    )


def _sentence(manifest: Mapping[str, Any]) -> str:
    loss = manifest.get("validation", {}).get("loss")
    found = f"The validation loss is {loss:.3f}. " if loss else ""
    return f"{found}Whether the model got better is not known yet: finetune-kit eval says it."


def _tiles(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    tiles = [("rows", f"{rows['rows']:,}")] if (rows := manifest.get("rows", {}).get("train")) else []
    if "optimizer_steps" in manifest:
        tiles += [
            ("steps", f"{manifest['optimizer_steps']:,}"),
            ("tokens", f"{manifest['tokens']:,}"),
            ("tokens/s", f"{manifest['tokens_per_second']:,.0f}"),
            ("memory at most", f"{manifest['peak_memory_bytes'] / 1e9:.1f} GB"),
        ]
    if "seconds" in manifest:
        tiles.append(("time", format_seconds(manifest["seconds"])))
    return tiles


def _warnings(manifest: Mapping[str, Any]) -> list[str]:
    """What happened on the way that a reader of the figures should know."""
    told = list(manifest.get("notices") or [])
    if steps := manifest.get("resumed_at_steps"):
        told.append(f"It was interrupted, and went on at step {', '.join(map(str, steps))}.")
    left_out = manifest.get("left_out") or {}
    for split in ("train", "validation"):
        if ids := left_out.get(split):
            told.append(f"{len(ids)} {split} rows were longer than {left_out['cap']} tokens and left out.")
    for kind, ids in (manifest.get("dropped") or {}).items():
        told.append(f"{len(ids)} rows were left out: {kind}.")
    return told


def _facts(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    device, forecast = manifest.get("device") or {}, manifest.get("forecast") or {}
    facts = [
        ("base model", manifest.get("base_model", {}).get("title", "")),
        ("rows from", manifest.get("source", "")),
        ("device", device.get("name", "")),
        ("computed in", f"{device['compute_dtype']}: {device['reason']}" if device else ""),
        ("trained weights", f"{count:,}" if (count := manifest.get("trainable_parameters")) else ""),
        ("memory, forecast", f"{size / 1e9:.1f} GB" if (size := forecast.get("memory_bytes")) else ""),
        ("time, forecast", format_seconds(seconds) if (seconds := forecast.get("seconds")) else ""),
        ("seed", str(manifest.get("seed", ""))),
    ]
    facts += [(f"validation {key.replace('_', ' ')}", f"{value:.3f}") for key, value in _validation(manifest).items()]
    facts += [(f"rows: {kind}", str(count)) for kind, count in (manifest.get("data_findings") or {}).items() if count]
    return [(name, value) for name, value in facts if value]


def _validation(manifest: Mapping[str, Any]) -> Mapping[str, float]:
    found: Mapping[str, float] = manifest.get("validation") or {}
    return found


def _answers(run: Run) -> list[dict[str, Any]]:
    """The test rows that were answered: the row, and what each side said."""
    said: dict[str, dict[str, Any]] = {}
    for side in SIDES:
        path = run.predictions_path(side)
        for line in read_jsonl(path) if path.exists() else []:
            said.setdefault(line["row_id"], {**line, "said": {}})["said"][side] = line["completion"]
    return list(said.values())


def _pictures(draw: Any, found: Any) -> dict[str, str]:
    """A picture in both colour schemes, as data for an image."""
    pictures = {}
    for scheme, colours in _SCHEMES.items():
        file = BytesIO()
        draw(found, colours).savefig(file, format="svg", transparent=True)
        pictures[scheme] = f"data:image/svg+xml;base64,{b64encode(file.getvalue()).decode()}"
    return pictures
