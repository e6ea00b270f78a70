"""A private folder for one program, removed whatever the program did to it."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
import time
import warnings
from collections.abc import Iterator

from evals.errors import EvalError

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_SHARED_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm")


@contextlib.contextmanager
def private_folder(owner: int | None) -> Iterator[str]:
    """Make a folder of mode 0700, and remove it at the end with all that is in it.

    Args:
        owner: The user id that it shall belong to; None for the caller.

    Yields:
        Its path.

    Raises:
        EvalError: If no folder can be made that the owner can reach.
    """
    try:
        path = tempfile.mkdtemp(prefix="evals-", dir=_reachable_base(owner))
    except OSError as error:
        raise EvalError(f"The sandbox cannot make a temporary folder ({error}); free space or set TMPDIR.") from error
    try:
        if owner is not None:
            os.chown(path, owner, owner)
        yield path
    finally:
        _remove_in_the_end(path)


def _remove_in_the_end(path: str) -> None:
    """Remove a folder, or warn: the verdict stands, lest a program choose not to be judged."""
    for pause in (0.0, 0.05, 0.5):
        time.sleep(pause)
        try:
            remove_tree(path)
        except OSError as error:
            reason = str(error)
        else:
            return
    warnings.warn(f"The sandbox could not remove its folder {path} ({reason}); remove it by hand.", stacklevel=2)


def remove_tree(path: str) -> None:
    """Remove a folder, read-only ones and very deep ones included, without following links.

    One folder is open at a time, and the way back up is `..`, so that neither descriptors, nor the stack, nor
    the length of a path set a bound to the depth. Nothing else may be at work in the folder.

    Args:
        path: The folder; fine if it is gone already.

    Raises:
        OSError: If something in it cannot be removed.
    """
    try:
        os.chmod(path, 0o700)
        here = os.open(path, _FOLDER)
    except FileNotFoundError:
        return
    try:
        trail: list[tuple[str, os.stat_result]] = []  # How each folder on the way is called, and what it is in.
        left = [_unlink_files(here)]
        while trail or left[-1]:
            if left[-1]:
                name = left[-1].pop()
                trail.append((name, os.fstat(here)))
                os.chmod(name, 0o700, dir_fd=here)
                here = _moved_to(name, here)
                left.append(_unlink_files(here))
            else:
                left.pop()
                name, parent = trail.pop()
                here = _moved_to("..", here)
                if not os.path.samestat(os.fstat(here), parent):
                    raise OSError(f"{path} was changed while it was being removed")
                os.rmdir(name, dir_fd=here)
    finally:
        os.close(here)
    os.rmdir(path)


def _moved_to(name: str, here: int) -> int:
    there = os.open(name, _FOLDER, dir_fd=here)
    os.close(here)
    return there


def sweep_shared_folders(owner: int) -> None:
    """Remove what a program left in the folders that everybody may write to.

    Args:
        owner: A user id that only programs of the sandbox have.
    """
    for folder in _SHARED_FOLDERS:
        try:
            entries = [entry for entry in os.scandir(folder) if entry.stat(follow_symlinks=False).st_uid == owner]
        except OSError:
            continue
        for entry in entries:
            with contextlib.suppress(OSError):
                if entry.is_dir(follow_symlinks=False):
                    remove_tree(entry.path)
                else:
                    os.unlink(entry.path)


def _unlink_files(folder: int) -> list[str]:
    """Unlink all but the folders, and return the names of those."""
    folders = []
    with os.scandir(folder) as entries:
        listed = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_folder in listed:
        if is_folder:
            folders.append(name)
        else:
            os.unlink(name, dir_fd=folder)
    return folders


def _reachable_base(owner: int | None) -> str:
    usual = os.path.abspath(tempfile.gettempdir())
    if owner is None or _everybody_may_enter(usual):
        return usual
    if _everybody_may_enter("/tmp"):
        return "/tmp"
    raise EvalError(f"The sandbox's users cannot enter {usual}, nor /tmp; set TMPDIR to a folder that all may enter.")


def _everybody_may_enter(path: str) -> bool:
    try:
        while True:
            if not os.stat(path).st_mode & stat.S_IXOTH:
                return False
            if path == os.path.dirname(path):
                return True
            path = os.path.dirname(path)
    except OSError:
        return False
