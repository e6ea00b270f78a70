"""Folders of programs, removed whatever the programs did to them."""

import os
import stat

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_SHARED_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm")


def make_private(base: str, owner: int) -> str:
    """Make a folder of the caller's with a name of its own, which nobody else can list.

    Args:
        base: The folder that it shall be in.
        owner: The user id that what is in it shall belong to, and who may pass through it; -1 for the caller's.

    Returns:
        Its path.

    Raises:
        OSError: If it cannot be made, or the owner could not enter it.
    """
    if owner >= 0:
        folder = base
        while not _others_may_enter(folder):
            if base == "/tmp":
                raise PermissionError(
                    f"the sandbox's users cannot enter {folder}; set TMPDIR to one that all may enter"
                )
            folder = base = "/tmp"
    path = os.path.join(base, f"evals-{os.urandom(8).hex()}")
    os.mkdir(path, 0o700)
    if owner >= 0:
        os.chmod(path, 0o711)
    return path


def _others_may_enter(path: str) -> bool:
    while os.stat(path).st_mode & stat.S_IXOTH:
        if path == os.path.dirname(path):
            return True
        path = os.path.dirname(path)
    return False


def size_of_tree(path: str, entries: int) -> "tuple[int, int]":
    """Return what a folder holds: bytes on disk, and the number of entries, counted no further than asked.

    Args:
        path: The folder.
        entries: Where to stop counting.

    Returns:
        Bytes and entries.
    """
    size = count = 0
    left = [path]
    while left and count <= entries:
        try:
            with os.scandir(left.pop()) as found:
                for entry in found:
                    count += 1
                    try:
                        size += entry.stat(follow_symlinks=False).st_blocks * 512
                        if entry.is_dir(follow_symlinks=False):
                            left.append(entry.path)
                    except OSError:
                        continue
        except OSError:
            continue
    return size, count


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
            try:
                if entry.is_dir(follow_symlinks=False):
                    remove_tree(entry.path)
                else:
                    os.unlink(entry.path)
            except OSError:
                continue


def _unlink_files(folder: int) -> "list[str]":
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
