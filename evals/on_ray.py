"""Running programs on a Ray cluster: sandboxes as actors, on the nodes that hold the tier that is asked for."""

from __future__ import annotations

import logging
import os
import platform
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from evals.errors import EvalError
from evals.sandbox import Completed, Job, Limits, Sandbox, Verdict
from evals.sandbox.tiers import tier_for

Progress = Callable[[int, int], None]
CHUNK = 16
"""Programs of a task: what is run anew when a worker is lost."""


def as_they_come[Chunk](
    actors: Sequence[Any], submit: Callable[[Any, Chunk], Any], chunks: Iterable[Chunk]
) -> Iterator[tuple[Chunk, Any]]:
    """Have actors work on chunks, one each at a time, and give what comes of each as soon as it is there.

    No more chunks are on their way than there are actors, so that the memory does not grow with the rows. What an
    actor had that is lost for good goes to another.

    Args:
        actors: Their handles.
        submit: Hands an actor a chunk, and returns the reference to what will come of it.
        chunks: Taken one by one, when an actor is free.

    Yields:
        Each chunk with what came of it, once.

    Raises:
        EvalError: If no actor is left.
    """
    import ray

    free, running = list(actors), dict[Any, tuple[Any, Chunk]]()
    lost: list[Chunk] = []
    waiting = iter(chunks)

    def next_chunk() -> Chunk | None:
        return lost.pop() if lost else next(waiting, None)

    while True:
        while free and (chunk := next_chunk()) is not None:
            actor = free.pop()
            running[submit(actor, chunk)] = actor, chunk
        if not running:
            if lost or not actors:
                raise EvalError("No worker is left on the Ray cluster; what was done is kept.")
            return
        ((done, *_), _) = ray.wait(list(running), num_returns=1)
        actor, chunk = running.pop(done)
        try:
            result = ray.get(done)
        except ray.exceptions.RayActorError:
            lost.append(chunk)
            continue
        if (following := next_chunk()) is not None:
            running[submit(actor, following)] = actor, following
        else:
            free.append(actor)
        yield chunk, result


class RaySandbox:
    """What `Sandbox` is on this machine, on a cluster; `with` starts and ends it.

    Each node is probed first: one that does not hold the tier, or has another Python or another version of the
    sandbox, has no part in it, so that a verdict means the same wherever it was made.

    Attributes:
        tier: The protections that programs run under.
        left_out: Why nodes have no part in it, by their address.
    """

    tell: Callable[[Any, Verdict | Completed], None] | None = None

    def __init__(
        self,
        limits: Limits,
        workers: int | None = None,
        tier: str | None = None,
        packages: Sequence[str] = (),
        address: str | None = None,
    ) -> None:
        """Find the tier; the workers start with the `with` block.

        Args:
            limits: What each program may use.
            workers: How many programs run at a time; one a CPU of the cluster if None.
            tier: `full`, `confined` or `limited`; the best that this machine has if None.
            packages: Import names of packages that programs may use; they must be installed on the nodes.
            address: Of the cluster, as `ray.init` takes it.

        Raises:
            EvalError: If Ray is not installed, or the tier cannot be had here.
        """
        self.limits, self.tier, self.packages = limits, tier_for(tier), tuple(packages)
        self.left_out: dict[str, str] = {}
        self._asked, self._address = workers, address
        self._actors: list[Any] = []
        self._connected = False

    def __enter__(self) -> RaySandbox:
        ray = load_ray()
        if not ray.is_initialized():
            connect(self._address)
            self._connected = True
        try:
            nodes = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) >= 1]
            found = dict(zip([node["NodeManagerAddress"] for node in nodes], self._probe(nodes), strict=True))
            self.left_out = {address: reason for address, reason in found.items() if reason}
            good = [node for node in nodes if not found[node["NodeManagerAddress"]]]
            places = [node for node in good for _ in range(int(node["Resources"]["CPU"]))][: self._asked]
            if not places:
                reasons = "; ".join(f"{address}: {reason}" for address, reason in self.left_out.items())
                raise EvalError(f"No node of the Ray cluster can run the sandbox ({reasons or 'there is none'}).")
            actor = ray.remote(_Judge)
            self._actors = [
                actor.options(num_cpus=1, max_restarts=-1, max_task_retries=-1, scheduling_strategy=_on(node)).remote(
                    self.limits, self.tier, self.packages
                )
                for node in places
            ]
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the workers and all that they run."""
        ray = load_ray()
        if ray.is_initialized():
            for actor in self._actors:
                ray.kill(actor)
        self._actors = []
        if self._connected:
            ray.shutdown()
            self._connected = False

    def check_many(
        self, jobs: Sequence[Job | tuple[str, str]], progress: Progress | None = None, limits: Limits | None = None
    ) -> list[Verdict]:
        """Judge programs by their tests, as `Sandbox.check_many` does."""
        given = [job if isinstance(job, Job) else Job(*job) for job in jobs]
        return self._each("check_many", given, progress, limits)

    def run_many(
        self, programs: Sequence[tuple[str, bytes]], progress: Progress | None = None, limits: Limits | None = None
    ) -> list[Completed]:
        """Run whole programs, as `Sandbox.run_many` does."""
        return self._each("run_many", list(programs), progress, limits)

    def _each(self, method: str, inputs: Sequence[Any], progress: Progress | None, limits: Limits | None) -> list[Any]:
        limits = limits or self.limits
        results: dict[int, Any] = {}

        def submit(actor: Any, places: range) -> Any:
            return actor.run.remote(method, [inputs[place] for place in places], limits)

        # Small enough that all have something to do.
        size = max(1, min(CHUNK, len(inputs) // (2 * len(self._actors))))
        chunks = (range(start, min(start + size, len(inputs))) for start in range(0, len(inputs), size))
        for places, found in as_they_come(self._actors, submit, chunks):
            for place, result in zip(places, found, strict=True):
                results[place] = result
                if self.tell is not None:
                    self.tell(inputs[place], result)
                if progress is not None:
                    progress(len(results), len(inputs))
        return [results[place] for place in range(len(inputs))]

    def _probe(self, nodes: Sequence[dict[str, Any]]) -> list[str]:
        """Why each node can have no part in it; empty where it can."""
        import ray

        probe = ray.remote(_why_not)
        refs = [
            probe.options(num_cpus=0, scheduling_strategy=_on(node)).remote(self.tier, self.packages, _versions())
            for node in nodes
        ]
        found = []
        for ref in refs:
            try:
                found.append(ray.get(ref, timeout=120))
            except Exception as error:  # a node that is lost, or lacks the package, in one of Ray's many kinds
                found.append(str(error).strip().splitlines()[-1][:200])
        return found


class _Judge:
    """An actor: one sandbox worker on its node."""

    def __init__(self, limits: Limits, tier: str, packages: tuple[str, ...]) -> None:
        self.sandbox = Sandbox(limits, 1, tier, packages).__enter__()

    def run(self, method: str, inputs: Sequence[Any], limits: Limits) -> list[Any]:
        return list(getattr(self.sandbox, method)(inputs, None, limits))


def _why_not(tier: str, packages: tuple[str, ...], versions: dict[str, str]) -> str:
    """Runs on a node: why its verdicts would not be those of the machine that asks."""
    here = _versions()
    for name, version in versions.items():
        if here[name] != version:
            return f"it has {name} {here[name]}, and not {version}"
    try:
        with Sandbox(Limits(), 1, tier, packages) as sandbox:
            verdict = sandbox.check_many([("x = 1", "assert x == 1")])[0]
    except EvalError as error:
        return str(error)
    return "" if verdict.status == "passed" else f"a first program ended with {verdict.status}"


def _versions() -> dict[str, str]:
    from evals.store import sandbox_version

    return {
        "Python": platform.python_version(),
        "the machine type": platform.machine(),
        "the sandbox's version": sandbox_version(),
    }


def _on(node: dict[str, Any]) -> Any:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)


def load_ray() -> Any:
    """Import Ray, so that it reports nothing, and shows the cluster's token where there is one.

    Raises:
        EvalError: If it is not installed.
    """
    if "ray" in sys.modules:  # it has read the environment
        import ray

        return ray
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    token = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token")
    if "RAY_AUTH_TOKEN" in os.environ or token.is_file():
        # `ray start` asks for a token as soon as there is one, and a driver of Ray 2.60 shows none by itself.
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    try:
        import ray
    except ImportError:
        raise EvalError(f"Ray is not installed for {sys.executable}: pip install 'finetune-kit[ray]'") from None
    logger = logging.getLogger("ray")
    logger.setLevel(logging.ERROR)
    for handler in logger.handlers:
        # It holds what standard error was just now, which may be a file that is closed later.
        if isinstance(handler, logging.StreamHandler) and sys.__stderr__ is not None:
            handler.setStream(sys.__stderr__)
    return ray


def connect(address: str | None) -> None:
    """Connect to a cluster.

    Args:
        address: As `ray.init` takes it: `HOST:6379` from a node of the cluster, `ray://HOST:10001` from elsewhere,
            `auto` for one that runs on this machine, `local` for a new one that ends with this process. Without it the
            one that `RAY_ADDRESS` names, or else a new one; by itself Ray would look for one that has been here, and
            wait for it.

    Raises:
        EvalError: If there is none at the address.
    """
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    words: dict[str, Any] = {"namespace": "finetune_kit"}
    if not address.startswith("ray://"):
        words |= {"log_to_driver": False, "logging_level": logging.ERROR}
    if address == "local":  # nobody else looks at it, and no other machine can be taken away from it
        words["include_dashboard"] = False
        os.environ.setdefault("RAY_TRAIN_ENABLE_PREEMPTION_WATCHER", "0")
    try:
        load_ray().init(address=address, **words)
    except (ConnectionError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise EvalError(
            f"There is no Ray cluster at {address} ({reason}). Start one with `ray start --head`, "
            "and where it has a token put the same one into ~/.ray/auth_token here."
        ) from None
