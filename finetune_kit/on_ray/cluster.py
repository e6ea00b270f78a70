"""The Ray cluster: one that is there already, or one on this machine for as long as it is needed."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

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
    # Ray reports what it is used for unless it is told not to.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise KitError(
            "backend.type is ray, and Ray is not installed here: pip install 'finetune-kit[ray]', also on the "
            "cluster's nodes; or set backend.type to local."
        ) from None
    return ray


@contextmanager
def connected(backend: Backend, view: View) -> Iterator[None]:
    """Be connected to the cluster that a recipe names while a block runs, or to the one that a script has chosen.

    Args:
        backend: The recipe's section; without an address it is the cluster that `RAY_ADDRESS` names, or one that was
            started on this machine, or else one that is started here and ends with the block.
        view: Where it is said.

    Raises:
        KitError: If there is none at the address.
    """
    ray = require_ray()
    if ray.is_initialized():
        yield
        return
    words: dict[str, Any] = {"log_to_driver": False, "namespace": "finetune_kit"}
    if not (backend.address or "").startswith("ray://"):
        words |= {"logging_level": logging.ERROR, "configure_logging": False}
    with view.stage(f"Connecting to Ray at {backend.address}" if backend.address else "Starting Ray"):
        try:
            ray.init(address=backend.address, **words)
        except (ConnectionError, RuntimeError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise KitError(
                f"There is no Ray cluster at {backend.address or 'this machine'} ({reason}). Start one with "
                "`ray start --head`, or set backend.address to ray://HOST:10001."
            ) from None
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
    return count, {"CPU": 1.0, **({"GPU": 1.0} if use_gpu else {}), **asked.resources_per_worker}
