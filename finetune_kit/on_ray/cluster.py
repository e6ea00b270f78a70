"""The Ray cluster: one that is there already, or one on this machine for as long as it is needed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from evals.errors import EvalError
from evals.on_ray import connect, load_ray
from finetune_kit.errors import KitError
from finetune_kit.progress import View
from finetune_kit.recipe import Backend

_ON_THE_HEAD = {"node:__internal_head__": 0.001}
"""Ray's own name for the node that holds the cluster's state, without which nothing goes on anyway."""


def require_ray() -> Any:
    """Import Ray.

    Raises:
        KitError: If it is not installed.
    """
    try:
        return load_ray()
    except EvalError as error:
        raise KitError(f"backend.type is ray. {error}, also on the cluster's nodes; or set it to local.") from None


@contextmanager
def connected(backend: Backend, view: View) -> Iterator[None]:
    """Be connected to the cluster that a recipe names while a block runs, or to the one that a script has chosen.

    Args:
        backend: The recipe's section; without an address it is the cluster that `RAY_ADDRESS` names, or else one that
            is started here and ends with the block.
        view: Where it is said.

    Raises:
        KitError: If there is none at the address.
    """
    ray = require_ray()
    if ray.is_initialized():
        yield
        return
    with view.stage(f"Connecting to Ray at {backend.address}" if backend.address else "Starting Ray"):
        try:
            connect(backend.address)
        except EvalError as error:
            raise KitError(str(error)) from None
    try:
        yield
    finally:
        ray.shutdown()


def on_the_head(**options: Any) -> dict[str, Any]:
    """What makes a task or an actor run on the head node, beside whatever is there."""
    return {"num_cpus": 0, "resources": _ON_THE_HEAD, **options}


def workers_of(backend: Backend) -> tuple[int, dict[str, float]]:
    """How many workers a recipe means in this cluster, and what each takes.

    Returns:
        Their number: as the recipe says, or else one a GPU, or one. And the resources of each, in Ray's words.
    """
    import ray

    there = ray.cluster_resources()
    gpus, asked = int(there.get("GPU", 0)), backend.trainer
    use_gpu = bool(gpus) if asked.use_gpu is None else asked.use_gpu
    if use_gpu and not gpus:
        raise KitError("backend.trainer.use_gpu is true, and no node of the Ray cluster has a GPU.")
    count = asked.num_workers or (gpus if use_gpu else 1)
    if use_gpu:
        return count, {"CPU": 1.0, "GPU": 1.0, **asked.resources_per_worker}
    # Ray lets a worker have as many threads as it has CPUs.
    of_nodes = [int(cpus) for node in ray.nodes() if node["Alive"] and (cpus := node["Resources"].get("CPU", 0)) >= 1]
    share = min(min(of_nodes, default=1), sum(of_nodes) // count)
    return count, {"CPU": float(max(1, share)), **asked.resources_per_worker}


def run_as_worker(backend: Backend, function: Callable[..., Any], *args: Any) -> Any:
    """Call a function where a worker will be, with a worker's resources; here, if there is no other machine.

    Raises:
        KitError: As the function raises it.
    """
    import ray

    nodes = [node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]]
    if not (backend.address or "").startswith("ray://") and nodes == [ray.util.get_node_ip_address()]:
        return function(*args)
    _, resources = workers_of(backend)
    more = {name: amount for name, amount in resources.items() if name not in ("CPU", "GPU")}
    task = ray.remote(function).options(
        num_cpus=resources.get("CPU", 1), num_gpus=resources.get("GPU", 0), resources=more
    )
    with kit_errors():
        return ray.get(task.remote(*args))


@contextmanager
def kit_errors() -> Iterator[None]:
    """A user's mistake that a worker found is one here."""
    import ray

    try:
        yield
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, KitError):
            raise KitError(str(error.cause)) from None
        raise
