"""Users that programs run as where the harness is root."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import sys
from collections.abc import Iterator

from evals.errors import EvalError

# The two stretches that systemd's table of user ids leaves to nobody; containers often map only the second.
_USER_IDS = (range(65_536, 66_536), range(60_706, 61_184))
_NEEDED_BY_ROOT = {"CAP_CHOWN": 0, "CAP_KILL": 5, "CAP_SETGID": 6, "CAP_SETUID": 7}


def runs_as_own_user() -> bool:
    """Say whether a program gets a user of its own, which takes root.

    Returns:
        True for root, False for an ordinary user.

    Raises:
        EvalError: If this is not Linux, or root without the right to change users.
    """
    if sys.platform != "linux":
        raise EvalError(
            f"The sandbox needs Linux, and this is {sys.platform}; run the evaluation on Linux, "
            "or in a Linux container or virtual machine."
        )
    if os.geteuid() != 0:
        return False
    held = int(_status_of("self").get("CapEff", "0"), 16)
    missing = [name for name, bit in _NEEDED_BY_ROOT.items() if not held >> bit & 1]
    if missing:
        raise EvalError(
            f"The sandbox does not run generated code as root, and cannot leave root without "
            f"{', '.join(missing)}; "
            "run the evaluation as an ordinary user, or give the container these capabilities."
        )
    return True


@contextlib.contextmanager
def lease_of_user() -> Iterator[int]:
    """Reserve a user id, on the whole machine, until the block ends.

    An abstract socket marks the id as taken: the kernel gives it to one process only, and frees it when that
    one ends.

    Yields:
        The id; -1 for an ordinary user, whose programs run as himself.

    Raises:
        EvalError: If no id is free.
    """
    if not runs_as_own_user():
        yield -1
        return
    mapped = [_mapped_ids("uid_map"), _mapped_ids("gid_map")]
    for uid in (uid for stretch in _USER_IDS for uid in stretch):
        if not all(any(uid in ids for ids in kind) for kind in mapped) or _has_a_name(uid):
            continue
        with socket.socket(socket.AF_UNIX) as mark:
            try:
                mark.bind(f"\0evals-sandbox-user-{uid}")
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    continue
                raise EvalError(f"The sandbox cannot reserve a user id ({error.strerror}).") from error
            if uid in _users_of_processes():
                continue
            yield uid
            return
    raise EvalError("The sandbox found no free user id; run fewer evaluations at a time on this machine.")


def _has_a_name(uid: int) -> bool:
    import pwd  # Not there on Windows, where only the call of `check` shall fail.

    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _mapped_ids(name: str) -> list[range]:
    try:
        with open(f"/proc/self/{name}") as file:
            rows = [[int(word) for word in line.split()] for line in file]
    except OSError as error:
        raise EvalError(f"The sandbox needs /proc, and cannot read /proc/self/{name} ({error.strerror}).") from error
    return [range(first, first + count) for first, _, count in rows]


def _users_of_processes() -> set[int]:
    users: set[int] = set()
    for name in filter(str.isdigit, os.listdir("/proc")):
        users.update(int(word) for word in _status_of(name).get("Uid", "").split())
    return users


def _status_of(process: str) -> dict[str, str]:
    try:
        with open(f"/proc/{process}/status", errors="replace") as file:
            return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    except OSError:
        return {}
