"""Namespaces of its own for a worker, and a root in them that shows only what programs need, read-only."""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from evals.sandbox.child import kernel
    from evals.sandbox.child.cell import Settings
else:
    import kernel

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/lib32")
SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/localtime", "/etc/mime.types")
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
PACKAGES = "/packages"
DISK = "/box/disk"
_INSIDE_USER = 1000


def leave_namespaces(settings: "Settings") -> None:
    """Leave this process's namespaces; its next child is the first process of the new ones.

    Raises:
        OSError: If the kernel does not allow it.
    """
    flags = (
        kernel.CLONE_NEWNS | kernel.CLONE_NEWPID | kernel.CLONE_NEWNET | kernel.CLONE_NEWIPC
        | kernel.CLONE_NEWUTS | kernel.CLONE_NEWCGROUP
    )  # fmt: skip
    if settings.uid >= 0:
        kernel.unshare(flags)
        return
    uid, gid = os.getuid(), os.getgid()
    kernel.unshare(kernel.CLONE_NEWUSER | flags)
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{_INSIDE_USER} {uid} 1"),
        ("gid_map", f"{_INSIDE_USER} {gid} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def keep_buffers_small() -> None:
    """Let TCP keep little in this network namespace: what lies in its buffers is counted as nobody's memory."""
    for name, sizes in (("rmem", "4096 65536 131072"), ("wmem", "4096 16384 65536")):
        try:
            with open(f"/proc/sys/net/ipv4/tcp_{name}", "w") as file:
                file.write(sizes)
        except OSError:
            return  # Read-only, as in a container; the machine's own bound on TCP's memory holds.


def build(settings: "Settings") -> None:
    """Make a root that holds the system's programs, the interpreter and the offered packages, all read-only.

    Raises:
        OSError: If something cannot be shown there.
    """
    kernel.mount("none", "/", "", kernel.MS_REC | kernel.MS_PRIVATE)
    shown = {path: path for path in [*SYSTEM, *SYSTEM_FILES, *settings.library, *DEVICES]}
    shown |= {path: f"{PACKAGES}/{os.path.basename(path)}" for path in settings.packages}
    # Opened before they are covered; a bind of an open folder does not ask for its path again.
    opened = {
        path: os.open(path, os.O_PATH | os.O_CLOEXEC)
        for path in shown
        if os.path.exists(path) and not os.path.islink(path)
    }
    links = {path: os.readlink(path) for path in SYSTEM if os.path.islink(path)}
    root = next(path for path in ("/tmp", "/mnt", "/var", "/usr") if os.path.isdir(path))
    kernel.mount("root", root, "tmpfs", kernel.MS_NOSUID, "size=1m,nr_inodes=2k,mode=755")
    for path in ("etc", "proc", "dev", "box/disk", PACKAGES[1:]):
        os.makedirs(f"{root}/{path}", 0o755, exist_ok=True)
    bound: list[str] = []
    for path, descriptor in opened.items():
        target = shown[path]
        if not any(target.startswith(f"{other}/") for other in bound):
            _show(descriptor, root + target, is_device=path in DEVICES)
            bound.append(target)
        os.close(descriptor)
    for path, target in links.items():
        os.symlink(target, root + path)
    standard = [(f"dev/{name}", f"/proc/self/fd/{number}") for number, name in enumerate(("stdin", "stdout", "stderr"))]
    links_of_ours = ("tmp", f"{DISK}/tmp"), ("dev/shm", f"{DISK}/shm"), ("dev/fd", "/proc/self/fd")
    for name, target in (*links_of_ours, *standard):
        os.symlink(target, f"{root}/{name}")
    uid = settings.uid if settings.uid >= 0 else _INSIDE_USER
    for name, text in (
        ("passwd", f"root:x:0:0::/:/bin/sh\nprogram:x:{uid}:{uid}::{DISK}/home:/bin/sh\n"),
        ("group", f"root:x:0:\nprogram:x:{uid}:\n"),
        ("hosts", "127.0.0.1 localhost\n"),
    ):
        with open(f"{root}/etc/{name}", "w") as file:
            file.write(text)
    flags = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
    try:
        kernel.mount("proc", f"{root}/proc", "proc", flags, "subset=pid,hidepid=ptraceable")
    except OSError:
        kernel.mount("proc", f"{root}/proc", "proc", flags)  # Before Linux 5.8.
    kernel.make_root(root)
    kernel.mount("none", "/", "", kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY | kernel.MS_NOSUID)


def _show(descriptor: int, target: str, *, is_device: bool) -> None:
    source = f"/proc/self/fd/{descriptor}"
    if os.path.isdir(source):
        os.makedirs(target, 0o755, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), 0o755, exist_ok=True)
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))
    kernel.mount(source, target, "", kernel.MS_BIND | kernel.MS_REC)
    # In a user namespace the flags that the mount came with must stay; their bits are those of mount(2).
    kept = os.statvfs(target).f_flag & (kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
    if not is_device:
        kept |= kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_RDONLY
    kernel.mount("none", target, "", kernel.MS_REMOUNT | kernel.MS_BIND | kept)
