"""GPUs that people fine-tune on: memory, speed and what they compute in, by their makers' data sheets."""

import difflib
import re
from dataclasses import dataclass

from finetune_kit.errors import KitError

GIB = 2**30


@dataclass(frozen=True)
class Gpu:
    """A kind of GPU.

    `memory` is what the driver leaves to programs, which is less than the number on the box.
    """

    name: str
    memory: int
    """Bytes."""
    flops: float
    """Dense 16-bit matrix products with sums in float32, operations a second."""
    bandwidth: float
    """Bytes a second."""
    capability: tuple[int, int]

    @property
    def compute_dtype(self) -> str:
        """As `finetune_kit.devices.pick_device` chooses it."""
        return "bfloat16" if self.capability >= (8, 0) else "float16"


def _gpu(name: str, gib: float, tera: float, gigabytes: float, capability: tuple[int, int]) -> Gpu:
    return Gpu(name, int(gib * GIB), tera * 1e12, gigabytes * 1e9, capability)


GPUS = (
    _gpu("T4", 14.56, 65, 320, (7, 5)),
    _gpu("V100-16GB", 15.77, 125, 900, (7, 0)),
    _gpu("V100-32GB", 31.73, 125, 900, (7, 0)),
    _gpu("L4", 22.03, 121, 300, (8, 9)),
    _gpu("A10G", 22.06, 70, 600, (8, 6)),
    _gpu("A10", 22.06, 125, 600, (8, 6)),
    _gpu("L40S", 44.39, 362, 864, (8, 9)),
    _gpu("A100-40GB", 39.38, 312, 1555, (8, 0)),
    _gpu("A100-80GB", 79.14, 312, 2039, (8, 0)),
    _gpu("H100", 79.18, 989, 3350, (9, 0)),
    _gpu("H200", 139.8, 989, 4800, (9, 0)),
    _gpu("RTX 2080 Ti", 10.57, 54, 616, (7, 5)),
    _gpu("RTX 3060", 11.63, 25, 360, (8, 6)),
    _gpu("RTX 3080", 9.64, 60, 760, (8, 6)),
    _gpu("RTX 3090", 23.57, 71, 936, (8, 6)),
    _gpu("RTX 4060 Ti 16GB", 15.56, 44, 288, (8, 9)),
    _gpu("RTX 4070", 11.59, 58, 504, (8, 9)),
    _gpu("RTX 4080", 15.56, 97, 717, (8, 9)),
    _gpu("RTX 4090", 23.52, 165, 1008, (8, 9)),
    _gpu("RTX 5090", 31.36, 210, 1792, (12, 0)),
)


def find_gpu(name: str) -> Gpu:
    """A kind of GPU by its name, as people or drivers write it; upper and lower case, spaces and hyphens do not count.

    Raises:
        KitError: If there is none of that name; it names those there are.

    Example:
        >>> find_gpu("rtx4090").name, find_gpu("A100").name, find_gpu("NVIDIA H100 80GB HBM3").name
        ('RTX 4090', 'A100-40GB', 'H100')
    """
    known = {_plain(gpu.name): gpu for gpu in GPUS}
    known |= {"a100": known["a10040gb"], "v100": known["v10016gb"], "h10080gb": known["h100"]}
    known |= {"rtx4060ti": known["rtx4060ti16gb"]}
    plain = re.sub("^(nvidia|tesla|geforce)+", "", _plain(name))
    # Drivers also name the socket and the kind of memory. An H100 for PCIe is another card, with other figures.
    plain = re.sub(r"sxm\d|hbm\de?|(?<!h100)pcie", "", plain)
    if plain in known:
        return known[plain]
    close = difflib.get_close_matches(plain, known, n=1)
    meant = f" Did you mean {known[close[0]].name!r}?" if close else ""
    raise KitError(f"--gpu {name!r}: the kit knows {', '.join(gpu.name for gpu in GPUS)}.{meant}")


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
