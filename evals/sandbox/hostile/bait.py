"""What is laid out for a hostile program to reach for, and how it is seen afterwards that it did.

No file, process or variable of the user is bait: all of it is made for the occasion and holds random words.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import select
import shutil
import signal
import socket
import stat
import subprocess
import sys
import sysconfig
import tempfile
import threading
from pathlib import Path

CANARY_VARIABLE = "EVALS_CANARY_TOKEN"
_SECRET_FILES = (".cache/huggingface/token", ".ssh/id_ed25519", ".netrc", "notes.txt")
_PLACEHOLDER = re.compile(r"@([A-Z0-9]+)@")

_BYSTANDER = """
import os, signal, sys
secret = os.environ["EVALS_CANARY_TOKEN"] * 2
def tell(number, frame):
    os.write(1, b"signal %d\\n" % number)
for number in set(signal.valid_signals()) - {signal.SIGKILL, signal.SIGSTOP}:
    signal.signal(number, tell)
os.write(1, b"ready\\n")
while sys.stdin.read(1):
    pass
"""


def canary() -> str:
    """Make a secret that a program can recognise without knowing it."""
    return f"canary-{secrets.token_hex(16)}"


class Bystander:
    """A process of the harness's user, with a secret in its environment and its memory, that nobody should touch."""

    def __init__(self, secret: str) -> None:
        """Start it and wait until it listens."""
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _BYSTANDER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={CANARY_VARIABLE: secret},
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self._told = self._process.stdout
        self._told.readline()
        self.pid = self._process.pid
        self._before = self._state()

    def _state(self) -> tuple[object, ...]:
        import resource

        status = Path(f"/proc/{self.pid}/status").read_text()
        tracer = status.split("TracerPid:", 1)[1].split()[0]
        stopped = status.split("State:", 1)[1].split()[0] in "Tt"
        return (
            ("its priority", os.getpriority(os.PRIO_PROCESS, self.pid)),
            ("the cores it may use", frozenset(os.sched_getaffinity(self.pid))),
            ("its limit of open files", resource.prlimit(self.pid, resource.RLIMIT_NOFILE)),
            ("whether it is traced", tracer),
            ("whether it is stopped", stopped),
        )

    def end(self) -> list[str]:
        """End it, and say what was done to it."""
        done = []
        if self._process.poll() is not None:
            done.append(f"a process of the harness's user was ended ({self._process.returncode})")
        else:
            with contextlib.suppress(OSError):
                done += [
                    f"{now[0]} was changed for a process of the harness's user"  # type: ignore[index]
                    for was, now in zip(self._before, self._state(), strict=True)
                    if was != now
                ]
            while select.select([self._told], [], [], 0)[0]:
                line = os.read(self._told.fileno(), 1000)
                if not line:
                    break
                done.append(f"a process of the harness's user got {line.decode().strip()}")
            self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()
        return done


class Listeners:
    """Sockets at which somebody listens, and what was said to them."""

    def __init__(self, folder: Path) -> None:
        """Listen on the loopback device and on Unix sockets, in a thread."""
        self.heard: list[bytes] = []
        self._sockets: list[socket.socket] = []
        self.names = {
            "TCP": self._listen(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
            "TCP6": self._listen(socket.AF_INET6, socket.SOCK_STREAM, ("::1", 0)),
            "UDP": self._listen(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
            "SOCKET": str(folder / "socket"),
            "DATAGRAMS": str(folder / "datagrams"),
            "ABSTRACT": f"evals-{secrets.token_hex(8)}",
        }
        self._listen(socket.AF_UNIX, socket.SOCK_STREAM, self.names["SOCKET"])
        self._listen(socket.AF_UNIX, socket.SOCK_DGRAM, self.names["DATAGRAMS"])
        for name in ("SOCKET", "DATAGRAMS"):
            os.chmod(self.names[name], 0o777)
        self._listen(socket.AF_UNIX, socket.SOCK_STREAM, "\0" + self.names["ABSTRACT"])
        self._wake, self._sleeper = socket.socketpair()
        self._thread = threading.Thread(target=self._serve, name="evals-bait", daemon=True)
        self._thread.start()

    def _listen(self, family: int, kind: int, address: object) -> str:
        try:
            listener = socket.socket(family, kind)
        except OSError:
            return "0"
        try:
            listener.bind(address)  # type: ignore[arg-type]
            if kind == socket.SOCK_STREAM:
                listener.listen(64)
        except OSError:
            listener.close()
            return "0"
        self._sockets.append(listener)
        return str(listener.getsockname()[1]) if isinstance(address, tuple) else ""

    def _serve(self) -> None:
        open_ones = [*self._sockets, self._sleeper]
        while True:
            for ready in select.select(open_ones, [], [])[0]:
                if ready is self._sleeper:
                    return
                with contextlib.suppress(OSError):
                    if ready.type == socket.SOCK_DGRAM:
                        self.heard.append(ready.recv(1000))
                        continue
                    talk, _ = ready.accept()
                    with talk:
                        talk.settimeout(0.5)
                        self.heard.append(talk.recv(1000))

    def end(self) -> None:
        """Stop listening."""
        self._wake.send(b"x")
        self._thread.join()
        for open_one in (*self._sockets, self._wake, self._sleeper):
            open_one.close()


class Bait:
    """What is laid out for one program."""

    def __init__(self, folder: Path, listeners: Listeners, shared_secret: str) -> None:
        """Choose the names; things are made when a program's text asks for them."""
        self.tag = f"ev{secrets.token_hex(6)}"
        self._folder = folder / self.tag
        self._listeners = listeners
        self.secrets = [shared_secret]
        self._bystander: Bystander | None = None
        self._laid_out: dict[str, dict[str, tuple[int, bytes]]] = {}
        self.key = str(secrets.randbelow(2**30) + 1)

    def lay_out(self, text: str) -> str:
        """Replace the names in a program's text by what they stand for, made now."""
        return _PLACEHOLDER.sub(lambda match: self._value(match[1], match[0]), text)

    def _value(self, name: str, otherwise: str) -> str:
        if name == "TAG":
            return self.tag
        if name == "KEY":
            return self.key
        if name in ("HARNESS", "UID"):
            return str(os.getpid() if name == "HARNESS" else os.getuid())
        if name in ("HOME", "PROJECT"):
            return self._make_folder(name.lower())
        if name == "BYSTANDER":
            if self._bystander is None:
                self.secrets.append(canary())
                self._bystander = Bystander(self.secrets[-1])
            return str(self._bystander.pid)
        return self._listeners.names.get(name, otherwise)

    def _make_folder(self, name: str) -> str:
        folder = self._folder / name
        if name not in self._laid_out:
            for number, path in enumerate(_SECRET_FILES):
                file = folder / path
                file.parent.mkdir(parents=True, exist_ok=True)
                self.secrets.append(canary())
                file.write_text(self.secrets[-1])
                # Open to all of its user's world or shut: neither is a sandboxed program's business.
                file.chmod(0o666 if number % 2 else 0o644)
            for place in [self._folder, folder, *(inside for inside in folder.rglob("*") if inside.is_dir())]:
                place.chmod(0o777)
            self._laid_out[name] = _snapshot(folder)
        return str(folder)

    def take_in(self) -> list[str]:
        """Take everything in, and say what the program touched or left."""
        found = self._bystander.end() if self._bystander else []
        for name, before in self._laid_out.items():
            after = _snapshot(self._folder / name)
            for changed in sorted(before.keys() | after.keys()):
                if before.get(changed) != after.get(changed):
                    found.append(f"{changed} in the {name} folder was changed")
        shutil.rmtree(self._folder, ignore_errors=True)
        if any(self.tag.encode() in words for words in self._listeners.heard):
            found.append("it talked to a socket of the harness's machine")
        found += [f"it left {path}" for path in _left_files(self.tag)]
        found += [f"it left {what} of System V" for what in _left_of_system_v(int(self.key))]
        return found

    def told(self, text: str) -> bool:
        """Whether a secret stands in a text."""
        return any(secret in text for secret in self.secrets)


def _snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    found = {}
    for path in folder.rglob("*"):
        mode = path.lstat().st_mode
        found[str(path.relative_to(folder))] = (mode, path.read_bytes() if stat.S_ISREG(mode) else b"")
    return found


def open_folders() -> list[Path]:
    """List the folders in which a program might leave something for others."""
    scheme = sysconfig.get_paths()
    names = [
        "/",
        "/etc",
        "/tmp",
        "/var/tmp",
        "/dev/shm",
        "/dev/mqueue",
        "/run",
        "/run/lock",
        "/var/lib",
        "/opt",
        "/srv",
    ]
    names += [tempfile.gettempdir(), os.getcwd(), scheme["stdlib"], scheme["purelib"], sys.prefix, sys.base_prefix]
    names += [os.path.dirname(sys.executable), str(Path(__file__).resolve().parents[3]), os.path.expanduser("~")]
    return list(dict.fromkeys(Path(name).resolve() for name in names))


def _left_files(tag: str) -> list[str]:
    """Find what carries the tag in its name, and remove it."""
    left = []
    for folder in open_folders():
        try:
            names = [name for name in os.listdir(folder) if tag in name]
        except OSError:
            continue
        for name in names:
            path = folder / name
            left.append(str(path))
            with contextlib.suppress(OSError):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink()
    return left


def _left_of_system_v(key: int) -> list[str]:
    left = []
    for kind, what in (("shm", "shared memory"), ("sem", "a semaphore"), ("msg", "a message queue")):
        try:
            lines = Path(f"/proc/sysvipc/{kind}").read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if int(fields[0]) == key:
                left.append(what)
                subprocess.run(["ipcrm", f"--{_IPCRM[kind]}", fields[1]], capture_output=True, check=False)
    return left


_IPCRM = {"shm": "shmem-id", "sem": "semaphore-id", "msg": "queue-id"}


def survivors(tags: list[str]) -> dict[str, list[int]]:
    """Find living processes that carry a tag in their name or their command, and end them.

    Returns:
        Their numbers by tag.
    """
    found: dict[str, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            status = (entry / "stat").read_text(errors="replace")
            words = status[: status.rindex(")")] + (entry / "cmdline").read_text(errors="replace")
        except (OSError, ValueError):
            continue
        # A zombie has ended.
        if status[status.rindex(")") :].split()[1] in "ZX":
            continue
        for tag in tags:
            if tag in words:
                found.setdefault(tag, []).append(int(entry.name))
                with contextlib.suppress(OSError):
                    os.kill(int(entry.name), signal.SIGKILL)
    return found
