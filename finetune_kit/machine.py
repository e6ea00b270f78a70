"""What this machine has: processor, memory, driver, room on its disks, and whether it reaches the Hub."""

import os
import platform
import re
import shutil
import threading
from pathlib import Path

HUB_TIMEOUT = 3.0
"""Seconds."""
_DRIVER = Path("/proc/driver/nvidia/version")
_CGROUP = Path("/sys/fs/cgroup")


def processor_name() -> str:
    """The processor's own name."""
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine()


def usable_cores() -> float:
    """How many cores this process may use at once, by its affinity and the container's quota."""
    cores = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    quota, _, period = _limit("cpu.max").partition(" ")
    return min(cores, int(quota) / int(period)) if quota.isdigit() and period.isdigit() else cores


def total_memory() -> int:
    """Bytes of memory, the container's where it has less than the machine."""
    import psutil

    total, limit = int(psutil.virtual_memory().total), _limit("memory.max")
    return min(total, int(limit)) if limit.isdigit() else total


def nvidia_driver() -> str:
    """The version of NVIDIA's driver; empty where there is none."""
    try:
        found = re.search(r"Kernel Module.*?\s(\d+\.[\d.]+)", _DRIVER.read_text())
    except OSError:
        return ""
    return found[1] if found else "of an unknown version"


def free_bytes(folder: Path) -> int:
    """Bytes that are free where a folder is, or would be made."""
    return shutil.disk_usage(existing(folder)).free


def can_write(folder: Path) -> bool:
    """Whether a folder can be written, or made."""
    return os.access(existing(folder), os.W_OK | os.X_OK)


def size_of(folder: Path) -> int:
    """Bytes in the files below a folder; links are not followed, and what cannot be read counts nothing."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(parent, name)).st_size
            except OSError:
                continue
    return total


def reaches(url: str, seconds: float = HUB_TIMEOUT) -> bool:
    """Whether a server answers in time.

    Args:
        url: Its address.
        seconds: How long to wait in all, the look-up of its name included.
    """
    import httpx

    answered = threading.Event()

    def ask() -> None:
        try:
            httpx.head(url, timeout=seconds)
            answered.set()
        except (httpx.HTTPError, httpx.InvalidURL, OSError):
            pass

    # A name is looked up without a timeout of its own.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(seconds)
    return answered.is_set()


def existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    folder = folder.absolute()
    return next(one for one in (folder, *folder.parents) if one.exists())


def _limit(name: str) -> str:
    try:
        return (_CGROUP / name).read_text().strip()
    except OSError:
        return ""
