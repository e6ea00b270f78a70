"""Checkpoints on disk, of which the last good one survives whatever happens while the next is written."""

import contextlib
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from finetune_kit.errors import KitError

_NAME = re.compile(r"step-(\d+)\.([0-9a-f]{64})\.pt")
_PARTIAL = ".checkpoint.partial"
ELSEWHERE = "elsewhere"
"""A file that says where the checkpoints are, if it is not the run folder."""
_MARGIN = 1.1
"""How much more room than the last checkpoint took there must be for the next."""


@dataclass(frozen=True)
class SavedFile:
    """A checkpoint's file, by its name."""

    path: Path
    step: int
    """Steps that were done."""
    sha256: str
    """Of what was written."""

    @property
    def is_whole(self) -> bool:
        """Whether the file holds what was written."""
        try:
            with self.path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == self.sha256
        except OSError:
            return False


class Checkpoints:
    """The checkpoints of a run: a folder with a file each, `step-STEP.SHA256.pt`.

    A file is written beside its place, flushed to the disk and renamed, so that its name is there only with all of it;
    and its name is the hash of what it holds, so that a file which was torn later is told from a good one.

    Args:
        folder: Where they are; made with the first.
        keep_last: How many of the newest are kept.
        tell: Is told of what is odd with them.
    """

    def __init__(self, folder: Path, keep_last: int = 2, tell: Callable[[str], None] = lambda text: None) -> None:
        self.folder = folder
        self.keep_last = keep_last
        self.tell = tell
        self.expected_bytes = 0
        """How large the next one will be, as far as is known."""

    def files(self) -> list[SavedFile]:
        """What is there, the newest first, whole or not; Ray's are in folders of their own."""
        names = {path: _NAME.fullmatch(path.name) for path in self.folder.rglob("step-*")}
        found = [SavedFile(path, int(name[1]), name[2]) for path, name in names.items() if name]
        return sorted(found, key=lambda file: (file.step, file.sha256), reverse=True)

    def exist(self) -> bool:
        """Whether there is one, here or where Ray keeps it."""
        return bool(self.files()) or (self.folder / ELSEWHERE).exists()

    def save(self, state: dict[str, Any], step: int, keep: Collection[int] = ()) -> SavedFile:
        """Write a checkpoint; then take away those that are no longer kept.

        Args:
            state: Tensors, numbers, texts, lists and dicts of them.
            step: Steps that were done. A checkpoint of the same step is replaced.
            keep: Steps whose checkpoints are kept besides the newest: the best one's.

        Raises:
            KitError: If it can't be written; those that were there stay, but for what had to make room.
        """
        import torch

        partial = self.folder / _PARTIAL
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._make_room(keep)
            with partial.open("wb") as file:
                hashing = _HashingWriter(file)
                torch.save(state, hashing)
                file.flush()
                os.fsync(file.fileno())
            saved = SavedFile(
                self.folder / f"step-{step:08}.{hashing.sha256.hexdigest()}.pt", step, hashing.sha256.hexdigest()
            )
            partial.replace(saved.path)
            _sync_folder(self.folder)
        except (OSError, RuntimeError) as error:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
            reason = getattr(error, "strerror", None) or " ".join(str(error).split())
            raise KitError(
                f"A checkpoint can't be written into {self.folder} ({reason}). {self.how_to_go_on()}"
            ) from None
        self.expected_bytes = saved.path.stat().st_size
        self._prune(keep, saved)
        return saved

    def load(self, file: SavedFile) -> dict[str, Any]:
        """What was saved, on the CPU. Only data is read, no code.

        Raises:
            KitError: If the file is torn.
        """
        import torch

        if not file.is_whole:
            raise KitError(f"The checkpoint {file.path} is torn: it does not hold what was written.")
        state: dict[str, Any] = torch.load(file.path, weights_only=True, map_location="cpu")
        return state

    def newest(self) -> dict[str, Any] | None:
        """The newest whole checkpoint; None where there is none. Torn ones are told of and set aside."""
        for file in self.files():
            if file.is_whole:
                self.expected_bytes = file.path.stat().st_size
                return self.load(file)
            self.tell(f"The checkpoint of step {file.step} is torn; the one before it is taken.")
            with contextlib.suppress(OSError):
                file.path.replace(file.path.with_suffix(".torn"))
        return None

    def of_step(self, step: int) -> dict[str, Any] | None:
        """The checkpoint of a step; None where there is no whole one."""
        return next((self.load(file) for file in self.files() if file.step == step and file.is_whole), None)

    def how_to_go_on(self) -> str:
        """What to do after a run ended before its time."""
        kept = self.kept()
        if not kept:
            return "There is no checkpoint yet: once that is mended, the same command starts anew."
        return f"{kept} Once that is mended, the same command goes on from there."

    def kept(self) -> str:
        """Which checkpoint a run would go on from, in a sentence; empty where there is none."""
        newest = next((file for file in self.files() if file.is_whole), None)
        return f"The checkpoint of step {newest.step} is kept." if newest else ""

    def _make_room(self, keep: Collection[int]) -> None:
        """Take away what is not needed for going on, if there is no room for the next.

        Raises:
            OSError: If there is none even so.
        """
        if self._has_room():
            return
        files = self.files()
        whole = next((file for file in files if file.is_whole), None)
        for file in files:
            if file != whole and file.step not in keep:
                file.path.unlink()
        if not self._has_room():
            free = shutil.disk_usage(self.folder).free
            raise OSError(28, f"it takes {self.expected_bytes / 1e6:.1f} MB, and {free / 1e6:.1f} MB are free")

    def _has_room(self) -> bool:
        return shutil.disk_usage(self.folder).free >= _MARGIN * self.expected_bytes

    def _prune(self, keep: Collection[int], saved: SavedFile) -> None:
        """Keep the newest steps, and those of `keep`; of the step just saved only this file."""
        steps = sorted({file.step for file in self.files()}, reverse=True)
        kept = {*steps[: self.keep_last], *keep}
        for file in self.files():
            if file.step not in kept or (file.step == saved.step and file != saved):
                file.path.unlink(missing_ok=True)


_SECONDS = {"s": 1, "min": 60, "h": 3600}


class Interval:
    """How often a checkpoint is written besides those after each evaluation: after so many steps, or so much time.

    Args:
        text: As `30 s`, `10 min`, `1 h`, `200 steps`, or `1 epoch` for no more than there are anyway.

    Raises:
        ValueError: If it is none of these.

    Example:
        >>> Interval("10 min").seconds, Interval("200 steps").steps
        (600.0, 200)
    """

    def __init__(self, text: str) -> None:
        self.steps: int | None = None
        self.seconds: float | None = None
        if match := re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|min|h)\s*", text):
            self.seconds = float(match[1]) * _SECONDS[match[2]]
        elif match := re.fullmatch(r"\s*(\d+)\s*steps?\s*", text):
            self.steps = int(match[1])
        if self.seconds == 0 or self.steps == 0 or (not match and text.split() != ["1", "epoch"]):
            raise ValueError(
                "this must be a time, a number of steps, or an epoch, as '10 min', '200 steps' or '1 epoch', and is "
                f"{text!r}"
            )

    def is_over(self, steps: int, seconds: float) -> bool:
        """Whether a checkpoint is due within an epoch.

        Args:
            steps: Steps since the last one.
            seconds: Seconds since the last one, by a clock that nobody sets.
        """
        return (self.steps is not None and steps >= self.steps) or (
            self.seconds is not None and seconds >= self.seconds
        )


class _HashingWriter:
    """A binary file that hashes what goes through it; torch writes archives from front to back."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.sha256 = hashlib.sha256()

    def write(self, data: Any) -> int:
        self.sha256.update(data)
        return self.file.write(data)

    def flush(self) -> None:
        self.file.flush()


def _sync_folder(folder: Path) -> None:
    """Have the system write the folder's names to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
