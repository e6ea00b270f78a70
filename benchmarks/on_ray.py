"""What Ray costs: a run of some minutes against the same one without, and what a cluster's parts take on one machine.

The run is the default recipe's on SmolLM2-135M, as a user types it, with one worker; both sides take turns. The parts
are measured with 1, 2 and 4 workers that share the machine's cores and its loopback: what a worker adds, and not how
much faster it gets. `benchmarks.scaling` computes from them how far a cluster goes.

By itself a worker computes on all cores, and Ray's own processes interrupt it. With one thread on two cores they have
the other. The two results are those of

    python -m benchmarks.on_ray --data ROWS --json benchmarks/results/on_ray.json
    OMP_NUM_THREADS=1 python -m benchmarks.on_ray --data ROWS --rows 150 \\
        --json benchmarks/results/on_ray_one_thread.json
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.report import arguments, report

WORKERS = (1, 2, 4)
REPEATS = 30


def train(folder: Path, rows: int, *settings: str) -> float:
    """Seconds of a run, typed as a user does, from the command to its end."""
    name = f"run.name=run-{time.monotonic_ns()}"
    words = [f"run.folder={folder}", name, f"data.train_limit={rows}", "trainer.epochs=2", "data.test_limit=1"]
    command = [sys.executable, "-m", "finetune_kit", "train", "smollm2-135m", *words, *settings]
    begun = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


def median_seconds(work: Callable[[], Any], repeats: int = REPEATS) -> float:
    """Of so many times, after one that does not count."""
    work()
    taken = []
    for _ in range(repeats):
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


class _Meeting:
    """Times what workers do together, with weights of an adapter's size."""

    def __init__(self, rank: int, count: int, folder: str) -> None:
        self.rank, self.count, self.folder = rank, count, folder

    def meet(self) -> None:
        import torch.distributed

        place = f"file://{self.folder}/meeting-{self.count}"
        torch.distributed.init_process_group("gloo", init_method=place, rank=self.rank, world_size=self.count)

    def add(self, numbers: int) -> float:
        """Seconds to add so many float32 over the workers, as a step does with its gradients."""
        import torch

        flat = torch.randn(numbers)
        return median_seconds(lambda: torch.distributed.all_reduce(flat), 10)


def adding(folder: Path, sizes: Sequence[int]) -> list[dict[str, Any]]:
    """Seconds to add the gradients of adapters of these sizes, by workers."""
    import ray

    found = []
    for count in WORKERS[1:]:
        actors = [ray.remote(_Meeting).options(num_cpus=0).remote(rank, count, str(folder)) for rank in range(count)]
        ray.get([actor.meet.remote() for actor in actors])
        for numbers in sizes:
            seconds = max(ray.get([actor.add.remote(numbers) for actor in actors]))
            found.append({"workers": count, "bytes": 4 * numbers, "seconds": seconds})
        for actor in actors:
            ray.kill(actor)
    return found


class _Echo:
    """A worker that has nothing to do."""

    def work(self, chunk: list[Any]) -> list[Any]:
        return [{"text": "x" * 200, "tokens": 50} for _ in chunk]


def streaming() -> dict[int, float]:
    """Rows that the driver hands out and takes back in a second, by workers who do nothing with them."""
    import ray

    from evals.on_ray import as_they_come

    rows = [{"instruction": "x" * 400, "input": "", "row_id": str(number)} for number in range(64)]
    speeds = {}
    for count in WORKERS:
        actors = [ray.remote(_Echo).options(num_cpus=0).remote() for _ in range(count)]
        for tasks in (50, 1000):  # the first ones start the processes
            begun = time.perf_counter()
            done = as_they_come(actors, lambda actor, _: actor.work.remote(rows), range(tasks))
            handed = sum(len(result) for _, result in done)
            speeds[count] = handed / (time.perf_counter() - begun)
        for actor in actors:
            ray.kill(actor)
    return speeds


def scoring() -> dict[int, float]:
    """Programs that are judged in a second, by sandboxes."""
    from evals.on_ray import RaySandbox
    from evals.sandbox import Limits

    jobs = [(f"def f(x):\n    return x + {number}", f"assert f(1) == {number + 1}") for number in range(200)]
    speeds = {}
    for count in WORKERS[:2]:  # more than there are cores say nothing
        with RaySandbox(Limits(), count) as sandbox:
            sandbox.check_many(jobs[:20])
            begun = time.perf_counter()
            verdicts = sandbox.check_many(jobs)
            speeds[count] = len(jobs) / (time.perf_counter() - begun)
        assert all(verdict.status == "passed" for verdict in verdicts)
    return speeds


def rows(data: str) -> dict[str, float]:
    """What a row takes on its way to the workers."""
    import psutil

    from finetune_kit.base_models import resolve_base_model
    from finetune_kit.data import load_rows
    from finetune_kit.engine.packing import deal
    from finetune_kit.example_table import ExampleTable
    from finetune_kit.loading import load_tokenizer
    from finetune_kit.prompt import Prompt
    from finetune_kit.recipe import Recipe
    from finetune_kit.truncation import fit_rows

    recipe = Recipe.load("smollm2-135m")
    prompt = Prompt.of(recipe)
    tokenizer = load_tokenizer(resolve_base_model(recipe.base_model).path)
    given = [{**row, "row_id": f"{row['row_id']}-{copy}"} for copy in range(5) for row in load_rows(data)]
    before, begun = psutil.Process().memory_info().rss, time.perf_counter()
    fitted = fit_rows(given, prompt, tokenizer, 512, "output", "drop")
    seconds = time.perf_counter() - begun
    table = ExampleTable(fitted.examples)
    lengths = [len(example.input_ids) for example in fitted.examples]
    shares = {}
    for count in (8, 64, 512):
        step = [
            deal(fitted.examples[at : at + 8 * count], count) for at in range(0, len(lengths) - 8 * count, 8 * count)
        ]
        tokens = [[sum(len(one.input_ids) for one in share) for share in shares] for shares in step]
        shares[count] = statistics.mean(statistics.mean(one) / max(one) for one in tokens) if tokens else None
    return {
        "encoded_in_a_second": len(given) / seconds,
        "bytes_in_the_driver": (psutil.Process().memory_info().rss - before) / len(given),
        "bytes_in_the_store": sum(one.nbytes for one in vars(table).values()) / len(table),
        "tokens": statistics.mean(lengths),
        "balance_by_workers": shares,
    }


def main() -> None:
    """Measure, print, write."""
    parser = arguments(__doc__, rounds=2)
    parser.add_argument("--rows", type=int, default=260, help="rows of the run that both sides make, twice each")
    options = parser.parse_args()
    if sys.dont_write_bytecode:
        parser.error(
            "unset PYTHONDONTWRITEBYTECODE: a cluster starts ten processes, which would compile all they import"
        )
    sides = {"the kit alone": [], "on Ray, one worker": ["backend=ray"]}
    taken: dict[str, list[float]] = {name: [] for name in sides}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(options.rounds):
            # One way and then the other, so that a machine that gets slower or faster does so for both.
            for side in list(sides)[:: -1 if number % 2 else 1]:
                taken[side].append(train(folder, options.rows, *sides[side]))
                print(f"{side}: {taken[side][-1]:.0f} s", flush=True)
        medians = {side: statistics.median(seconds) for side, seconds in taken.items()}
        # In bytes, the adapters of SmolLM2-135M, of a 7B model with rank 8, and of one of 70B with rank 64.
        parts = parts_of(folder, options.data, (1_000_000, 5_000_000, 20_000_000))
    local, on_ray = medians.values()
    report(
        options,
        "What Ray costs",
        ["side", "seconds", "against alone"],
        [[side, seconds, seconds / local] for side, seconds in medians.items()],
        {"ray_overhead": on_ray / local - 1},
        ("seconds of a run", medians),
        seconds=taken,
        parts=parts,
    )


def parts_of(folder: Path, data: str, sizes: Sequence[int]) -> dict[str, Any]:
    """What a cluster's parts take."""
    import ray

    from evals.on_ray import connect

    connect("local")
    try:
        parts = {
            "adding": adding(folder, sizes),
            "streamed_rows_in_a_second": streaming(),
            "programs_in_a_second": scoring(),
        }
    finally:
        ray.shutdown()
    return {**parts, "rows": rows(data)}


if __name__ == "__main__":
    if sys.argv[1:] == ["--parts"]:
        with tempfile.TemporaryDirectory() as name:
            print(
                json.dumps(
                    parts_of(Path(name), arguments(None, 1).parse_args([]).data, (1_000_000, 5_000_000)), indent=1
                )
            )
    else:
        main()
