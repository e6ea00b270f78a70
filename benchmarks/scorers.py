"""How long the text scorers take over 20,000 rows, corpus score and rows together, each in turn in one process.

The rows are those of `--data` where there is such a file, else the built-in exercises, repeated until there are enough.
Predictions are the references with some of their tokens left out, one in ten as it is and one in ten cut short, as
models' answers are; no two of them are the same, so that nothing is gained by remembering.
"""

import argparse
import json
import platform
import random
import re
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.report import CODE_ALPACA, draw

SCORERS = ("bleu", "chrf", "code_bleu", "edit_similarity", "exact_match")


def pairs(data: Path, count: int) -> tuple[list[str], list[str], str]:
    """Predictions, references, and where the references are from."""
    if data.exists():
        outputs, source = [row["output"] for row in json.loads(data.read_text())], data.name
    else:
        from finetune_kit.exercises import rows

        outputs, source = [row["output"] for row in rows()], "builtin:python-exercises"
    rng = random.Random(0)
    references = [f"{outputs[row % len(outputs)]}\n# {row}" for row in range(count)]
    return [spoilt(text, row, rng) for row, text in enumerate(references)], references, source


def spoilt(text: str, row: int, rng: random.Random) -> str:
    """A text with some of its tokens left out; one in ten is left as it is, one in ten is cut short."""
    if row % 10 == 0:
        return text
    if row % 10 == 1:
        return text[: 2 * len(text) // 3]
    return "".join(part for part in re.split(r"(\w+)", text) if rng.random() > 0.05)


def main() -> None:
    """Measure, print a table, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default=CODE_ALPACA, help="a JSON file of rows with `output`")
    parser.add_argument("--rows", type=int, default=20_000, help="how many rows are scored")
    parser.add_argument("--json", dest="path", type=Path, help="where the figures go; the bar chart goes beside them")
    options = parser.parse_args()
    predictions, references, source = pairs(Path(options.data), options.rows)

    import evals

    seconds, scores = {}, {}
    for name in SCORERS:
        begun = time.perf_counter()
        scores[name] = getattr(evals, name)(predictions, references)
        seconds[name] = time.perf_counter() - begun
    begun = time.perf_counter()
    by_tree = evals.exact_match(predictions, references, "ast")
    seconds["exact_match, ast"], scores["exact_match, ast"] = time.perf_counter() - begun, by_tree
    show(options, source, seconds, scores)


def show(options: argparse.Namespace, source: str, seconds: dict[str, float], scores: dict[str, Any]) -> None:
    """Print the table; write it, with the bar chart, where the options say so."""
    from rich.console import Console
    from rich.table import Table

    title = f"Text scorers over {options.rows:,} rows of {source}"
    table = Table("scorer", "seconds", "rows/s", "score", "signature", title=title, title_justify="left", box=None)
    for name, took in seconds.items():
        table.add_row(name, f"{took:.2f}", f"{options.rows / took:,.0f}", f"{scores[name]:.4g}", scores[name].signature)
    total = sum(seconds.values())
    console = Console()
    console.print(table)
    console.print(f"all = {total:.1f} s")
    if options.path:
        result = {
            "title": title,
            "rows": options.rows,
            "source": source,
            "processes": 1,
            "seconds": round(total, 2),
            "seconds_by_scorer": {name: round(took, 2) for name, took in seconds.items()},
            "signatures": {name: score.signature for name, score in scores.items()},
            "python": platform.python_version(),
            "versions": {name: version(name) for name in ("numpy", "rapidfuzz", "sacrebleu")},
        }
        partial = options.path.with_name(options.path.name + ".partial")
        partial.write_text(json.dumps(result, indent=1) + "\n")
        partial.replace(options.path)
        draw("seconds", {"all": total, **seconds}, title, options.path.with_suffix(".png"))


if __name__ == "__main__":
    main()
