"""One worker: a clean interpreter with two wardens below it, and the talk with them."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import os
import select
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from evals.errors import EvalError
from evals.sandbox.judge import completed, verdict
from evals.sandbox.users import lease_of_user
from evals.sandbox.verdict import Completed, Job, Limits, Tier, Verdict

_CHILD_FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "child")
# The folder is on the path for these imports only: programs must not find it there.
_BOOT = "import sys; sys.path.append(sys.argv.pop(1)); import launch; sys.path.pop(); launch.main()"
_START_SECONDS = 60.0
_END_SECONDS = 10.0
_GRACE_SECONDS = 30.0
_STARVED_FACTOR = 10
_LOOK_EVERY_MS = 200
_LINGER_SECONDS = 1.0


class Cancelled(Exception):
    """The caller wants no more verdicts."""


class TierUnavailable(Exception):
    """A tier cannot be reached here; the text says why."""


class WardenLost(Exception):
    """A warden ended, or did not answer."""


class _Warden:
    """The harness's end of the talk with one warden; `child/warden.py` says what is said."""

    def __init__(self, control: socket.socket) -> None:
        self.control = control

    def send(self, header: dict[str, Any], parts: Sequence[bytes] = (), descriptors: Sequence[int] = ()) -> None:
        data = json.dumps({**header, "parts": [len(part) for part in parts]}).encode()
        try:
            socket.send_fds(self.control, [len(data).to_bytes(8)], descriptors)
            self.control.sendall(b"".join([data, *parts]))
        except OSError as error:
            raise WardenLost(f"a warden does not listen ({error.strerror})") from error

    def receive(self) -> dict[str, Any]:
        data = self._exactly(int.from_bytes(self._exactly(8)))
        answer = json.loads(data)
        assert isinstance(answer, dict)
        if "failed" in answer:
            raise WardenLost(answer["failed"])
        return answer

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            try:
                part = self.control.recv(size - len(data))
            except OSError as error:
                raise WardenLost(f"a warden did not answer ({error})") from error
            if not part:
                raise WardenLost("a warden ended")
            data += part
        return data


@dataclass
class _Printed:
    """What comes through the pipes of one program.

    Attributes:
        kept: The beginning of what was printed, by descriptor.
        truncated: Whether some of it was thrown away.
        room: How many bytes may be kept yet.
    """

    kept: dict[int, bytearray]
    room: int
    truncated: bool = False

    def read(self, descriptor: int) -> bool:
        """Take what is there; False at the end."""
        data = os.read(descriptor, 2**18)
        self.truncated |= len(data) > self.room
        self.kept[descriptor] += data[: self.room]
        self.room -= min(len(data), self.room)
        return bool(data)


@dataclass
class Raw:
    """What the wardens and the pipes told of one job.

    Attributes:
        told: The wardens' answers: the program's, then the tests' where there are any.
        stdout: What was printed to it, as far as it was kept.
        stderr: What was printed to it, as far as it was kept.
        truncated: Whether more was printed.
        wall_seconds: From the start of the job to its end.
    """

    told: list[dict[str, Any]]
    stdout: bytes = b""
    stderr: bytes = b""
    truncated: bool = False
    wall_seconds: float = 0.0


@dataclass
class Worker:
    """Runs one program at a time.

    Attributes:
        tier: The protections that it has.
        packages: Paths of what programs may import beyond the standard library.
        limits: What the first program may use; each job brings its own.
        landlock: The kernel's version of Landlock, once started; 0 where it is not used.
    """

    tier: Tier
    packages: Sequence[str] = ()
    limits: Limits = field(default_factory=Limits)
    landlock: int = 0

    def __post_init__(self) -> None:
        self._numbers = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None
        self._wardens: list[_Warden] = []
        self._leases = contextlib.ExitStack()

    def start(self) -> None:
        """Start the processes without waiting for them; `wait_until_ready` does.

        Raises:
            EvalError: If the system has no process, descriptor or user for it.
        """
        with _low_numbers_taken(), contextlib.ExitStack() as stack:
            leases = stack.enter_context(contextlib.ExitStack())
            wardens, told, theirs = [], [], []
            for _ in range(2):
                ours, other = _blocking_pair()
                theirs.append(stack.enter_context(other))
                wardens.append(_Warden(stack.enter_context(ours)))
                told.append({"control": other.fileno(), "uid": leases.enter_context(lease_of_user())})
            settings = {
                "wardens": told,
                "tier": self.tier,
                "library": sorted({os.path.realpath(sys.base_prefix), os.path.realpath(sys.base_exec_prefix)}),
                "packages": list(self.packages),
                "temporary": os.path.abspath(tempfile.gettempdir()),
                "limits": asdict(self.limits),
            }
            interpreter = os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)
            try:
                self._process = subprocess.Popen(
                    [interpreter, "-s", "-S", "-P", "-X", "utf8", "-c", _BOOT, _CHILD_FOLDER, json.dumps(settings)],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    cwd="/",
                    env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin", "PYTHONHASHSEED": "0"},
                    pass_fds=[other.fileno() for other in theirs],
                    start_new_session=True,
                )
            except OSError as error:
                raise EvalError(f"The sandbox cannot start a process ({error.strerror}).") from error
            for other in theirs:
                other.close()
            self._wardens = wardens
            self._leases = leases.pop_all()
            stack.pop_all()

    def wait_until_ready(self) -> None:
        """Wait until both wardens have their cells.

        Raises:
            TierUnavailable: If one cannot be made here.
        """
        for warden in self._wardens:
            warden.control.settimeout(_START_SECONDS)
            try:
                told = warden.receive()
            except WardenLost as error:
                self.end()
                raise TierUnavailable(str(error)) from error
            self.landlock = told["landlock"]

    def end(self) -> None:
        """End the processes; the wardens kill what still runs and remove their folders."""
        for warden in self._wardens:
            warden.control.close()
        self._wardens = []
        if self._process is not None:
            try:
                self._process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        self._leases.close()

    def check(self, job: Job, limits: Limits, cancelled: threading.Event | None = None) -> Verdict:
        """Run a program and its tests in a process each.

        Args:
            job: Both.
            limits: What the program may use, and the tests beside it.
            cancelled: Ends the job when set.

        Returns:
            The verdict; `harness_error` if the operating system would not carry out the check.

        Raises:
            Cancelled: If the event was set.
        """
        ours, other = _blocking_pair()
        with ours, other:
            jobs = [
                ({"mode": "program"}, [_encoded(job.code)], [ours.fileno()]),
                ({"mode": "tests", "kind": job.kind}, [_encoded(job.tests)], [other.fileno()]),
            ]
            raw = self._guarded(jobs, [ours, other], None, limits, cancelled)
        if isinstance(raw, str):
            return Verdict("harness_error", raw, tier=self.tier)
        return verdict(raw, job, limits, self.tier)

    def run(self, code: str, stdin: bytes, limits: Limits, cancelled: threading.Event | None = None) -> Completed:
        """Run a program as a whole, from its standard input to its end.

        Args:
            code: The program.
            stdin: What it reads.
            limits: What it may use.
            cancelled: Ends the job when set.

        Returns:
            What came of it.

        Raises:
            Cancelled: If the event was set.
        """
        raw = self._guarded([({"mode": "script"}, [_encoded(code)], [])], [], stdin, limits, cancelled)
        if isinstance(raw, str):
            return Completed("harness_error", tier=self.tier, detail=raw)
        return completed(raw, limits, self.tier)

    def _guarded(
        self,
        jobs: list[tuple[dict[str, Any], list[bytes], list[int]]],
        lent: list[socket.socket],
        stdin: bytes | None,
        limits: Limits,
        cancelled: threading.Event | None,
    ) -> Raw | str:
        """Run a job; if a warden is lost on the way, start the worker anew and say why there is no result."""
        try:
            if self._process is None:
                self.start()
                self.wait_until_ready()
            return self._run(jobs, lent, stdin, limits, cancelled)
        except (WardenLost, TierUnavailable, OSError) as error:
            self.end()
            return f"the check could not be carried out: {error}"
        except BaseException:
            self.end()
            raise

    def _run(
        self,
        jobs: list[tuple[dict[str, Any], list[bytes], list[int]]],
        lent: list[socket.socket],
        stdin: bytes | None,
        limits: Limits,
        cancelled: threading.Event | None,
    ) -> Raw:
        number = next(self._numbers)
        begin = time.monotonic()
        with contextlib.ExitStack() as stack:
            nothing = stack.enter_context(open(os.devnull, "r+b", buffering=0)).fileno()
            standard_input = nothing if stdin is None else stack.enter_context(_file_of(stdin)).fileno()
            pipes = [os.pipe(), os.pipe()]
            for _, into in pipes:
                os.fchmod(into, 0o622)  # So that another user may open /dev/stdout.
            reading = [stack.enter_context(open(out, "rb", buffering=0)).fileno() for out, _ in pipes]
            writing = [stack.enter_context(open(into, "wb", buffering=0)) for _, into in pipes]
            program_gets = [standard_input, *(file.fileno() for file in writing)]
            wardens = self._wardens[: len(jobs)]
            for warden, (header, parts, descriptors) in zip(wardens, jobs, strict=True):
                standard = program_gets if warden is wardens[0] else [nothing] * 3
                allowed = asdict(limits)
                if warden is not wardens[0]:
                    # Tests wait for their program, and so for the core that it waits for; its warden keeps the time.
                    allowed["wall_seconds"] *= _STARVED_FACTOR
                told = {**header, "number": number, "limits": allowed}
                warden.send(told, parts, [*standard, *descriptors])
            for file in writing:
                file.close()
            for end in lent:
                end.close()
            printed = _Printed({out: bytearray() for out in reading}, limits.output_bytes)
            answers = self._listen(wardens, printed, number, limits, cancelled)
        stdout, stderr = (bytes(kept) for kept in printed.kept.values())
        return Raw(answers, stdout, stderr, printed.truncated, time.monotonic() - begin)

    def _listen(
        self,
        wardens: list[_Warden],
        printed: _Printed,
        number: int,
        limits: Limits,
        cancelled: threading.Event | None,
    ) -> list[dict[str, Any]]:
        """Read all that comes until every warden has answered and the pipes are empty."""
        poller = select.poll()
        waiting = {warden.control.fileno(): warden for warden in wardens}
        pipes = set(printed.kept)
        for descriptor in (*waiting, *pipes):
            poller.register(descriptor, select.POLLIN)
        told: dict[int, dict[str, Any]] = {}
        deadline = time.monotonic() + limits.wall_seconds * _STARVED_FACTOR + _GRACE_SECONDS
        alone = lingering = float("inf")
        while waiting or pipes:
            for descriptor, _ in poller.poll(_LOOK_EVERY_MS):
                if descriptor in waiting:
                    answer = waiting[descriptor].receive()
                    poller.unregister(descriptor)
                    warden = waiting.pop(descriptor)
                    told[wardens.index(warden)] = answer
                    for other in waiting.values():
                        # Without its tests a program has nothing to do; tests may yet tell what they have found.
                        if other is wardens[0] or answer["stopped"]:
                            other.send({"stop": number})
                        alone = time.monotonic() + limits.wall_seconds
                    if not waiting:
                        # All processes are dead, so their pipes end now; a survivor must not keep us here.
                        lingering = time.monotonic() + _LINGER_SECONDS
                elif not printed.read(descriptor):
                    poller.unregister(descriptor)
                    pipes.discard(descriptor)
            if cancelled is not None and cancelled.is_set():
                raise Cancelled
            if time.monotonic() > alone:
                alone = float("inf")
                for other in waiting.values():
                    other.send({"stop": number})
            if time.monotonic() > deadline and waiting:
                raise WardenLost("a warden did not answer in time")
            if time.monotonic() > lingering:
                break
        return [told[index] for index in range(len(wardens))]


def _blocking_pair() -> tuple[socket.socket, socket.socket]:
    """Return two connected sockets that wait, whatever the caller has set with `socket.setdefaulttimeout`."""
    pair = socket.socketpair()
    for one in pair:
        one.settimeout(None)
    return pair


@contextlib.contextmanager
def _low_numbers_taken() -> Iterator[None]:
    """Keep descriptors 0 to 2 from what a child is given, even if the caller has closed them: there they are others."""
    with contextlib.ExitStack() as stack:
        while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
            stack.callback(os.close, number)
        os.close(number)
        yield


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _file_of(data: bytes) -> Any:
    """Return a file in memory that holds the data, at its beginning, and cannot be changed; any user may open it."""
    descriptor = os.memfd_create("stdin", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    file = open(descriptor, "r+b")  # noqa: SIM115 (the caller closes it)
    file.write(data)
    file.seek(0)
    fcntl.fcntl(file, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK)
    return file
