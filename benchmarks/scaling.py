"""How far a cluster goes: what the parts of a training on it take, computed from costs that were measured.

`results/gpu.json` has what one GPU does (a 7B model in 4 bits on one H100), `results/on_ray.json` what is added by
workers (1, 2 and 4 of them on one machine's loopback) and what rows take. Where a figure can't be measured on one
machine, the network between machines for one, it is an assumption: a field of `Cluster`.
"""

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Cluster:
    """Machines that nobody here has."""

    gpus: int
    gpus_per_node: int = 8
    network: float = 12.5e9
    """Bytes a second between two nodes: 100 Gbit/s."""
    hop: float = 30e-6
    """Seconds for a message from one node to the next."""
    storage: float = 5e9
    """Bytes a second that the shared storage gives to all nodes together."""
    hours_between_failures: float = 50_000.0
    """Of one GPU with its share of a node."""
    driver_memory: float = 64e9
    """Bytes of the machine that leads the run."""
    cores_per_gpu: int = 8
    """For the sandbox, when the GPUs are done."""


@dataclass(frozen=True)
class Job:
    """What is trained on what."""

    rows: int
    rows_per_worker: int = 16
    """Of a step; with more workers a step has more rows."""
    minutes_between_checkpoints: float = 10.0


@dataclass(frozen=True)
class Measured:
    """Costs by the two results."""

    tokens_per_second: float
    """Of one GPU in training."""
    weights: float
    """Bytes of the base model's files."""
    quantise: float
    """Seconds to read them from memory and put them into 4 bits."""
    adapter: float
    """Bytes of its gradients."""
    checkpoint: float
    to_cpu_and_back: float
    """Seconds for the gradients."""
    overhead: float
    """Of a run of five minutes: its seconds on Ray with one worker, start and all, over those without, less one. The
    worker computes with one thread, and Ray's processes have the machine's other core."""
    overhead_on_shared_cores: float
    """The same where the worker computes on all cores that there are, two, and Ray's processes interrupt it."""
    start: float
    """Seconds that Ray, its workers and their libraries take to start."""
    tokens_per_row: float
    encoded_rows: float
    """A second, on the driver."""
    row_in_the_driver: float
    """Bytes of an encoded row, before it is sent; the row's own text is as much again."""
    row_in_the_store: float
    """Bytes on every node."""
    balance: dict[int, float]
    """By workers: mean tokens of a share over those of the largest."""
    streamed_rows: float
    """A second, through the driver, in generation and scoring."""
    programs: float
    """A second, that one core judges."""
    add_base: float
    """Seconds to add nothing over two workers."""
    add_per_byte: float
    """More for each byte, on a loopback that the workers share."""

    @classmethod
    def read(cls, folder: Path = RESULTS) -> "Measured":
        """What the two files hold."""
        names = ("gpu", "on_ray", "on_ray_one_thread")
        gpu, ray, one_thread = (json.loads((folder / f"{name}.json").read_text()) for name in names)
        run, parts = gpu["float16"], ray["parts"]
        two = [one for one in parts["adding"] if one["workers"] == 2]
        (small, large) = min(two, key=lambda one: one["bytes"]), max(two, key=lambda one: one["bytes"])
        per_byte = (large["seconds"] - small["seconds"]) / (large["bytes"] - small["bytes"])
        alone, on_ray = (min(seconds) for seconds in ray["seconds"].values())
        return cls(
            tokens_per_second=run["manifest"]["tokens_per_second"],
            weights=gpu["model"]["bytes"],
            quantise=run["load"]["seconds"],
            adapter=run["parts"]["adapter"],
            checkpoint=run["training"]["checkpoints"][-1]["bytes"],
            to_cpu_and_back=run["moving_gradients"]["seconds"],
            overhead=one_thread["ratios"]["ray_overhead"],
            overhead_on_shared_cores=ray["ratios"]["ray_overhead"],
            start=max(30.0, on_ray - alone),
            tokens_per_row=parts["rows"]["tokens"],
            encoded_rows=parts["rows"]["encoded_in_a_second"],
            row_in_the_driver=parts["rows"]["bytes_in_the_driver"],
            row_in_the_store=parts["rows"]["bytes_in_the_store"],
            balance={int(count): share for count, share in parts["rows"]["balance_by_workers"].items() if share},
            streamed_rows=min(parts["streamed_rows_in_a_second"].values()),
            programs=parts["programs_in_a_second"]["1"],
            add_base=max(0.0, small["seconds"] - per_byte * small["bytes"]),
            add_per_byte=per_byte,
        )


def adding(cluster: Cluster, cost: Measured) -> float:
    """Seconds a step to add the gradients: a ring over all workers, slowest between nodes."""
    if cluster.gpus == 1:
        return 0.0
    nodes = math.ceil(cluster.gpus / cluster.gpus_per_node)
    share = 2 * (cluster.gpus - 1) / cluster.gpus
    per_byte = max(cost.add_per_byte / 2, 1 / cluster.network) if nodes > 1 else cost.add_per_byte / 2
    hops = 2 * (nodes - 1) * cluster.hop
    return cost.add_base + cost.adapter * share * per_byte + hops + cost.to_cpu_and_back


def costs(cluster: Cluster, job: Job, cost: Measured) -> dict[str, Any]:
    """Seconds of an epoch by part, what of them is training, and what does not fit."""
    rows_of_a_step = min(job.rows, cluster.gpus * job.rows_per_worker)
    steps = math.ceil(job.rows / rows_of_a_step)
    ideal = job.rows * cost.tokens_per_row / cost.tokens_per_second / cluster.gpus
    known = [share for count, share in sorted(cost.balance.items()) if count <= max(cluster.gpus, min(cost.balance))]
    balance = 1.0 if cluster.gpus == 1 else known[-1]
    nodes = math.ceil(cluster.gpus / cluster.gpus_per_node)
    seconds = {
        "training": ideal,
        "waiting for the largest share": ideal / balance - ideal,
        "adding gradients": steps * adding(cluster, cost),
        "reading the rows": job.rows / cost.encoded_rows,
        "loading the model": cost.start + nodes * cost.weights / cluster.storage + cost.quantise,
    }
    worked = sum(seconds.values())
    every = 60 * job.minutes_between_checkpoints
    seconds["checkpoints"] = worked / every * (cost.checkpoint / 1e9 + 1.0)
    failures = worked / 3600 * cluster.gpus / cluster.hours_between_failures
    seconds["going on after failures"] = failures * (min(every, worked) / 2 + seconds["loading the model"] + 60)
    total = sum(seconds.values())
    driver = 2 * job.rows * cost.row_in_the_driver
    return {
        "seconds": seconds,
        "hours": total / 3600,
        "efficiency": ideal / total,
        "steps": steps,
        "driver_bytes": driver,
        "store_bytes": job.rows * cost.row_in_the_store,
        "fits": driver <= cluster.driver_memory,
        "scoring_hours": job.rows
        / min(cost.streamed_rows, cost.programs * cluster.cores_per_gpu * cluster.gpus)
        / 3600,
    }


def most_rows(cluster: Cluster, cost: Measured) -> float:
    """Rows that the driver can hold."""
    return cluster.driver_memory / (2 * cost.row_in_the_driver)


def most_gpus(job: Job, cost: Measured, least: float = 0.5) -> int:
    """The most GPUs, of powers of two, that are in use for so much of their time."""
    sizes = [2**power for power in range(14)]
    good = [size for size in sizes if costs(Cluster(size), job, cost)["efficiency"] >= least]
    return max(good, default=1)


TABLE = ((20_000, 1), (20_000, 8), (2_000_000, 8), (2_000_000, 64), (20_000_000, 256), (100_000_000, 1000))
"""Rows and GPUs that are shown."""


def table(cost: Measured) -> list[dict[str, str]]:
    """A line for each of them, as it is shown."""
    lines = []
    for rows, gpus in TABLE:
        found = costs(Cluster(gpus), Job(rows), cost)
        lost = {name: part for name, part in found["seconds"].items() if name != "training"}
        most = max(lost, key=lambda name: lost[name])
        lines.append(
            {
                "rows": f"{rows:,}",
                "GPUs": f"{gpus:,}",
                "hours of an epoch": f"{found['hours']:,.2f}",
                "training of that": f"{found['efficiency']:.0%}",
                "what takes most of the rest": f"{most}, {lost[most] / 3600 / found['hours']:.0%}",
                "steps": f"{found['steps']:,}",
                "driver, GB": f"{found['driver_bytes'] / 1e9:,.1f}" + ("" if found["fits"] else ": too much"),
                "scoring, hours": f"{found['scoring_hours']:,.2f}",
            }
        )
    return lines


def main() -> None:
    """Print the table, and where it ends."""
    from rich.console import Console
    from rich.table import Table

    cost = Measured.read()
    lines = table(cost)
    shown = Table(*lines[0], title="How far it goes", title_justify="left", box=None, header_style="bold")
    for line in lines:
        shown.add_row(*line.values())
    console = Console()
    console.print(shown)
    for rows in (20_000, 2_000_000, 100_000_000):
        console.print(f"{rows:,} rows keep {most_gpus(Job(rows), cost):,} GPUs busy half of their time.")
    larger = replace(cost, adapter=40 * cost.adapter, tokens_per_second=cost.tokens_per_second / 10)
    console.print(
        f"Adding the gradients of a 70B model's adapter of rank 64: {adding(Cluster(1000), larger):.2f} s a step."
    )
    console.print(f"The driver holds {most_rows(Cluster(1), cost):,.0f} rows.")


if __name__ == "__main__":
    main()
