"""What the sandbox asks of Linux, by system calls that Python does not offer."""

import ctypes
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38

# The numbers of x86 and ARM; importing `signal` for them takes a third of the interpreter's start.
SIGKILL = 9
SIGSTOP = 19
SIGXCPU = 24
SIGSYS = 31

CLONE_NEWTIME = 0x80
CLONE_NEWNS = 0x20000
CLONE_NEWCGROUP = 0x2000000
CLONE_NEWUTS = 0x4000000
CLONE_NEWIPC = 0x8000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MNT_DETACH = 2

_M_ARENA_MAX = -8
_CAPABILITY_VERSION_3 = 0x20080522
_LAST_CAPABILITY = 63
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_libc = ctypes.CDLL(None, use_errno=True)
_NOTHING = ctypes.c_ulong(0)


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def prctl(option: int, value: int) -> None:
    """Call prctl(2).

    Args:
        option: One of the `PR_` numbers.
        value: Its argument.

    Raises:
        OSError: If the kernel refuses.
    """
    _checked(_libc.prctl(option, ctypes.c_ulong(value), _NOTHING, _NOTHING, _NOTHING), f"prctl option {option}")


def syscall(number: int, *arguments: "int | ctypes.Array[ctypes.c_char] | ctypes.Structure | bytes | None") -> int:
    """Make a system call by its number; integers go as longs, buffers and structures by their address.

    Raises:
        OSError: If the kernel refuses.
    """
    values: list[Any] = []
    for argument in arguments:
        if argument is None:
            values.append(_NOTHING)
        elif isinstance(argument, int):
            values.append(ctypes.c_ulong(argument & (2**64 - 1)))
        elif isinstance(argument, bytes):
            values.append(ctypes.c_char_p(argument))
        else:
            values.append(ctypes.byref(argument))
    return _checked(_libc.syscall(ctypes.c_long(number), *values), f"system call {number}")


def unshare(flags: int) -> None:
    """Leave the namespaces that the flags name for new ones.

    Args:
        flags: `CLONE_NEW...` flags, joined by `|`.

    Raises:
        OSError: If the kernel refuses.
    """
    _checked(_libc.unshare(flags), "unshare")


def mount(source: str, target: str, kind: str, flags: int = 0, options: str = "") -> None:
    """Call mount(2).

    Args:
        source: What to mount: a path for a bind, else a label.
        target: Where.
        kind: The file system's type; empty for binds and changes of flags.
        flags: `MS_...` flags.
        options: The file system's own options.

    Raises:
        OSError: If the kernel refuses.
    """
    arguments = [ctypes.c_char_p(os.fsencode(text)) for text in (source, target, kind)]
    result = _libc.mount(*arguments, ctypes.c_ulong(flags), ctypes.c_char_p(options.encode()))
    _checked(result, f"mount {source} on {target}")


def unmount(target: str) -> None:
    """Take a mount off its place now; it ends when the last user of it does.

    Raises:
        OSError: If the kernel refuses.
    """
    _checked(_libc.umount2(ctypes.c_char_p(os.fsencode(target)), MNT_DETACH), f"umount {target}")


def make_root(folder: str) -> None:
    """Let a mounted folder be the root of this mount namespace, and forget the old root.

    Raises:
        OSError: If the kernel refuses.
    """
    os.chdir(folder)
    here = b"."
    syscall(_PIVOT_ROOT[os.uname().machine], here, here)
    unmount(".")
    os.chdir("/")


def drop_capabilities() -> None:
    """Give up every capability of this process for good.

    Raises:
        OSError: If the kernel refuses.
    """
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    _checked(_libc.capset(ctypes.byref(header), ctypes.byref(nothing)), "capset")


def empty_bounding_set() -> None:
    """See to it that no program started from here gains a capability.

    Raises:
        OSError: If the kernel refuses.
    """
    for capability in range(_LAST_CAPABILITY + 1):
        try:
            prctl(PR_CAPBSET_DROP, capability)
        except OSError as error:
            if error.errno == 22:  # EINVAL: the kernel knows no more capabilities.
                return
            raise


def use_one_arena() -> None:
    """Let all threads allocate from one arena; glibc's own for each takes 64 MB of address space."""
    if hasattr(_libc, "mallopt"):
        _libc.mallopt(_M_ARENA_MAX, 1)


def use_spare_memory() -> None:
    """Let this process have what memory its hard limit leaves, to tell that it has used up what it was given."""
    import resource

    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def bring_up_loopback() -> None:
    """Turn on the loopback device of an own network namespace, so that a program can talk to itself only.

    Raises:
        OSError: If the kernel refuses.
    """
    import _socket  # The C half alone: `socket` takes ten milliseconds to import.

    with_flags = b"lo".ljust(16, b"\0") + (1).to_bytes(2, "little") + bytes(22)
    device = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
    try:
        request = ctypes.create_string_buffer(with_flags, len(with_flags))
        _checked(_libc.ioctl(device.fileno(), ctypes.c_ulong(0x8914), ctypes.byref(request)), "SIOCSIFFLAGS")
    finally:
        device.close()
