"""How long the HTML report of an evaluation takes to build and how large it gets: `--json PATH`, `--rows N`.

The results are made up from the built-in exercises, whose references are spoilt where a model is to fail, so that
the figure needs no model and no sandbox; all that the report does is real.
"""

import argparse
import json
import math
import random
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

CHANCES = {"base": 0.38, "prompted": 0.46, "tuned": 0.57}
"""How often each side passes."""
_SPOILT = (("return ", "return not "), (" + ", " - "), ("def ", "def my_"), ("    return", "    pass\n    result"))
_ENDS = ("wrong_answer", "exception", "missing_entry_point", "wrong_answer")


def made(rows: int, sides: Sequence[str] = ("base", "tuned"), seed: int = 0) -> tuple[dict[str, Any], list[Any]]:
    """Make up the results of an evaluation.

    Args:
        rows: How many rows; past the 1,648 exercises they repeat under other ids.
        sides: Which sides there are.
        seed: Of the chances.

    Returns:
        What `summary.json` and `samples.jsonl` hold, the latter as a list.
    """
    from finetune_kit.exercises import rows as exercises

    chance = random.Random(seed)
    known = sorted(exercises(), key=lambda row: row["instruction"])
    known = chance.sample(known, len(known))
    samples = [
        _sample(f"{known[i % len(known)]['family']}-{i}", known[i % len(known)], side, chance)
        for i in range(rows)
        for side in sides
    ]
    by_side = {side: [sample for sample in samples if sample["side"] == side] for side in sides}
    without_base = {side: part for side, part in by_side.items() if side != "base"}
    groups = {sample["group"] for sample in samples}
    summary = {
        "metrics": _metrics(by_side),
        "over_prompted": _metrics(without_base, "prompted") if "prompted" in sides else {},
        "groups": {
            name: {
                "rows": sum(sample["group"] == name for sample in by_side["tuned"]),
                "metrics": _metrics(
                    {side: [one for one in part if one["group"] == name] for side, part in by_side.items()}
                ),
            }
            for name in sorted(groups)
        },
        "rows": rows,
        "rows_with_tests": rows,
        "verdicts": {
            side: dict(Counter(one["status"] for one in part).most_common()) for side, part in by_side.items()
        },
        "languages": {},
        "rungs": {},
        "rungs_reached": {},
        "signatures": {"bleu": "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0", "pass@1": "n:1|k:1"},
        "settings_hash": {side: f"{chance.getrandbits(64):016x}" for side in sides},
        "sandbox": {
            "limits": {"cpu_seconds": 5.0, "wall_seconds": 20.0, "memory_bytes": 512 * 2**20, "processes": 64},
            "protections": {
                "tier": "confined",
                "user": "own, apart from the harness",
                "network_blocked": True,
                "files_hidden": True,
                "disk_bounded": False,
            },
        },
        "versions": {"evals": "0.1.0", "python": "3.12"},
        "duplicates": {},
        "warnings": [],
    }
    finding = summary["metrics"]["pass@1"]
    sentence = (
        f"The tuned model is {finding['word']} at pass@1: {finding['tuned']:.3f} against {finding['base']:.3f}, a "
        f"difference of {finding['difference']:+.3f} (95 % interval {finding['interval'][0]:+.3f} to "
        f"{finding['interval'][1]:+.3f}) on {rows} rows."
    )
    if finding["word"] == "no measurable difference":
        sentence = sentence.replace("The tuned model is no", "There is no")
    return {"verdict": {"word": finding["word"], "sentence": sentence, "metric": "pass@1"}, **summary}, samples


def _sample(row_id: str, row: dict[str, str], side: str, chance: random.Random) -> dict[str, Any]:
    passes = chance.random() < CHANCES[side] + (0.08 if row["group"] == "seen" and side == "tuned" else 0.0)
    code, status, detail = row["output"], "passed", ""
    if not passes:
        which = chance.choice([place for place, (part, _) in enumerate(_SPOILT) if part in row["output"]])
        code, status = row["output"].replace(*_SPOILT[which], 1), _ENDS[which]
        detail = row["tests"].split("\n")[0] if status == "wrong_answer" else f"{status} while the tests ran"
    return {
        "row_id": row_id,
        "group": row["group"],
        "side": side,
        "instruction": row["instruction"],
        "input": row["input"],
        "reference": row["output"],
        "tests": row["tests"],
        "completion": code if side == "tuned" else f"Sure! Here it is:\n\n```python\n{code}\n```\n",
        "code": code,
        "extraction": {
            "reason": "whole text" if side == "tuned" else "first block",
            "alternatives": [],
            "language": "",
        },
        "language": "python",
        "status": status,
        "detail": detail,
        "rung": 4 if passes else 3,
        "exact_match": passes and chance.random() < 0.8,
        "code_bleu": 100.0 if code == row["output"] else chance.uniform(30, 95),
        "edit_similarity": 1.0 if code == row["output"] else chance.uniform(0.4, 0.97),
        "cpu_seconds": round(chance.uniform(0.01, 0.2), 4),
        "wall_seconds": round(chance.uniform(0.02, 0.3), 4),
        "memory_bytes": chance.randrange(8, 24) * 2**20,
        "relied_on_program": False,
        "tier": "confined",
    }


def _metrics(by_side: dict[str, list[dict[str, Any]]], against: str = "base") -> dict[str, Any]:
    of_row = {
        "pass@1": lambda one: float(one["status"] == "passed"),
        "code_bleu": lambda one: one["code_bleu"],
        "exact_match": lambda one: float(one["exact_match"]),
        "edit_similarity": lambda one: one["edit_similarity"],
    }
    return {
        name: _finding({side: [score(one) for one in part] for side, part in by_side.items()}, against)
        for name, score in of_row.items()
    }


def _finding(scores: dict[str, list[float]], against: str) -> dict[str, Any]:
    """A finding with the normal interval of the mean difference."""
    count = len(scores["tuned"])
    differences = [tuned - base for base, tuned in zip(scores[against], scores["tuned"], strict=True)]
    mean = sum(differences) / count
    spread = math.sqrt(sum((one - mean) ** 2 for one in differences) / max(1, count - 1) / count)
    low, high = mean - 1.96 * spread, mean + 1.96 * spread
    p_value = math.erfc(abs(mean) / spread / math.sqrt(2)) if spread else 1.0
    word = "better" if low > 0 else "worse" if high < 0 else "no measurable difference"
    return {
        "base": None,
        **{side: round(sum(values) / count, 6) for side, values in scores.items()},
        "difference": round(mean, 6),
        "interval": [round(low, 6), round(high, 6)],
        "p_value": float(f"{p_value:.6g}"),
        "p_adjusted": None,
        "wins": sum(one > 0 for one in differences),
        "losses": sum(one < 0 for one in differences),
        "ties": sum(one == 0 for one in differences),
        "word": word,
        "rows": count,
        "rows_needed": None if word == "better" or not mean else math.ceil(count * (2.8 * spread / mean) ** 2),
    }


def main() -> None:
    """Build, print, write."""
    from evals.html_report import render_html
    from evals.report import read_evaluation, write_text

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000, help="of the evaluation")
    parser.add_argument("--json", dest="path", type=Path, help="where the figures go")
    options = parser.parse_args()
    summary, samples = made(options.rows)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "summary.json").write_text(json.dumps(summary))
        (folder / "samples.jsonl").write_text("".join(json.dumps(sample) + "\n" for sample in samples))
        begun = time.perf_counter()
        report = folder / "report.html"
        write_text(report, render_html(*read_evaluation(folder)))
        seconds = time.perf_counter() - begun
        figures = {
            "rows": options.rows,
            "samples": len(samples),
            "build_seconds": round(seconds, 3),
            "bytes": report.stat().st_size,
        }
    print(json.dumps(figures, indent=1))
    if options.path:
        partial = options.path.with_name(options.path.name + ".partial")
        partial.write_text(json.dumps(figures, indent=1) + "\n")
        partial.replace(options.path)


if __name__ == "__main__":
    main()
