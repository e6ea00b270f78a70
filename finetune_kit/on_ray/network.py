"""Which network interface the workers meet on."""

import os
from dataclasses import dataclass
from typing import Any

from ray.train.torch import TorchConfig
from ray.train.torch.config import _TorchBackend


def use_the_nodes_interface() -> None:
    """Have Gloo use the interface that has the address by which Ray knows this node, unless the user has named one.

    By itself it takes what the host's name stands for, and on Debian that is the loopback.
    """
    import psutil
    import ray

    address = ray.util.get_node_ip_address()
    names = (name for name, of_it in psutil.net_if_addrs().items() if any(one.address == address for one in of_it))
    if (name := next(names, None)) is not None:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", name)


class _Backend(_TorchBackend):
    def on_start(self, worker_group: Any, backend_config: Any) -> None:
        worker_group.execute(use_the_nodes_interface)
        super().on_start(worker_group, backend_config)


@dataclass
class MeetOnTheNodesInterface(TorchConfig):
    """Ray Train's way to bring the workers together, after each of them has been told where."""

    @property
    def backend_cls(self) -> Any:
        """What does it."""
        return _Backend
