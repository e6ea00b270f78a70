"""The process that starts programs one after the other, watches each, ends it and tells the harness what it used.

A worker has two wardens: one for programs and one for their tests, so that neither can reach the other but through the
socket they share. A warden never runs a line of either. It talks to the harness over one socket, in frames: the length
of a JSON header, the header, then the bytes that the header announces; descriptors travel with the first byte.
"""

import _socket
import json
import os
import resource
import select
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from evals.sandbox.child import candidate, cell, processes, script, tester
else:
    import candidate
    import cell
    import processes
    import script
    import tester

_LOOK_EVERY_MS = 50
_SLOW_LOOK_EVERY_MS = 200
_LEAVE_MS = 500
_STARVED_FACTOR = 10
_REAP_SECONDS = 10.0
_CELLS = {"full": cell.FullCell, "confined": cell.ConfinedCell, "limited": cell.LimitedCell}


def send(control: "_socket.socket", header: "dict[str, Any]") -> None:
    """Send a frame without further bytes."""
    data = json.dumps(header).encode()
    control.sendall(len(data).to_bytes(8) + data)


def receive(control: "_socket.socket") -> "tuple[dict[str, Any], list[bytes], list[int]] | None":
    """Receive a frame: its header, its further bytes and its descriptors; None at the end."""
    try:
        first, ancillary, _, _ = control.recvmsg(8, 256, _socket.MSG_WAITALL | _socket.MSG_CMSG_CLOEXEC)
        descriptors = [
            int.from_bytes(data[place : place + 4], sys.byteorder)
            for _, _, data in ancillary
            for place in range(0, len(data), 4)
        ]
        if len(first) < 8:
            return None
        header = json.loads(_exactly(control, int.from_bytes(first)))
        return header, [_exactly(control, size) for size in header.get("parts", ())], descriptors
    except (ConnectionError, EOFError):
        return None


def _exactly(control: "_socket.socket", size: int) -> bytes:
    data = bytearray(size)
    view, place = memoryview(data), 0
    while place < size:
        came = control.recv_into(view[place:])
        if not came:
            raise EOFError
        place += came
    return bytes(data)


class Warden:
    """Runs the jobs that come over one socket, until it ends."""

    def __init__(self, control: "_socket.socket", settings: "cell.Settings", limits: "dict[str, float]") -> None:
        """Make the cell; tell the harness `failed` and the reason where it cannot be made."""
        self._control = control
        self._limits = limits
        try:
            self._cell = _CELLS[settings.tier](settings)
            self._cell.renew(limits)
        except BaseException as error:
            send(control, {"failed": f"{type(error).__name__}: {error}"})
            os._exit(1)
        self._landlock = cell.filters.landlock_version() if settings.tier != "limited" else 0

    def serve(self) -> "NoReturn":
        """Tell the harness that the cell is there, and run jobs until it ends; never returns."""
        try:
            send(self._control, {"ready": True, "landlock": self._landlock})
            while (frame := receive(self._control)) is not None:
                header, parts, descriptors = frame
                if "stop" in header:
                    continue  # The job ended by itself meanwhile.
                result = self._run(header, parts, descriptors)
                send(self._control, result)
                self._cell.after_program()
                self._cell.renew(header["limits"])
        except ConnectionError:
            pass
        except BaseException as error:
            send(self._control, {"failed": f"{type(error).__name__}: {error}"})
        finally:
            self._cell.kill_all()
            self._reap()  # What is not dead yet may still write where the cell is being removed.
            self._cell.end()
            os._exit(0)

    def _run(self, header: "dict[str, Any]", parts: "list[bytes]", descriptors: "list[int]") -> "dict[str, Any]":
        limits = header["limits"]
        if any(limits[name] != self._limits[name] for name in ("disk_bytes", "disk_files")):
            self._cell.renew(limits)
        self._limits = limits
        before = _usage()
        word_out, word_in = os.pipe()
        begin = time.monotonic()
        pid = os.fork()
        if pid == 0:
            self._become(header, parts, descriptors, word_in)
        for descriptor in (word_in, *descriptors):
            os.close(descriptor)
        watch = _Watch(self._cell, limits, begin)
        ended = os.pidfd_open(pid)
        try:
            stopped = self._watch(watch, ended, header["number"])
            wall = time.monotonic() - begin
            self._cell.kill_all()
            status, peak = self._reap(pid)
            word = _drained(word_out)
        finally:
            os.close(ended)
            os.close(word_out)
        cpu = max(_usage() - before, watch.cpu_seconds)
        if not stopped and cpu > limits["cpu_seconds"]:
            stopped = "cpu"
        if not stopped and watch.disk_is_full():
            stopped = "disk"
        return {
            "number": header["number"],
            "stopped": stopped,
            "status": status,
            "cpu": cpu,
            "wall": wall,
            "memory": max(peak, watch.memory),
            "word": word.decode("latin-1"),
        }

    def _watch(self, watch: "_Watch", ended: int, number: int) -> str:
        """Wait for the end of a program or of its allowance; return what it was stopped for, empty if it was not."""
        poller = select.poll()
        poller.register(ended, select.POLLIN)
        poller.register(self._control.fileno(), select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in poller.poll(watch.pause_ms())}
            if ended in ready:
                return ""
            if self._control.fileno() in ready:
                frame = receive(self._control)
                if frame is None:
                    raise ConnectionError("the harness has ended")
                if frame[0].get("stop") == number:
                    # By now it is ending, or has been ended by something that shall be told.
                    poller.unregister(self._control.fileno())
                    return "" if poller.poll(_LEAVE_MS) else "asked"
            if reason := watch.look():
                return reason

    def _reap(self, pid: int = 0) -> "tuple[int, int]":
        """Wait for all processes, which were told to end.

        Args:
            pid: The program's own process, if it is not known to have ended.

        Returns:
            The program's wait status, -1 if there is none, and the most memory that one of them held.
        """
        status, peak = -1, 0
        end = time.monotonic() + _REAP_SECONDS
        while True:
            try:
                which, how, usage = os.wait4(-1, 0 if pid and status < 0 else os.WNOHANG)
            except ChildProcessError:
                return status, peak
            if which == 0:
                if time.monotonic() > end:
                    return status, peak
                time.sleep(0.001)
                self._cell.kill_all()
                continue
            peak = max(peak, usage.ru_maxrss * 1024)
            if which == pid:
                status = how

    def _become(
        self, header: "dict[str, Any]", parts: "list[bytes]", descriptors: "list[int]", word: int
    ) -> "NoReturn":
        """Be the program, or the tests; never returns."""
        try:
            given = [os.dup(descriptor) for descriptor in descriptors]
            for place, descriptor in enumerate(given[:3]):
                os.dup2(descriptor, place)
            os.environ.clear()
            os.environ.update(self._cell.environment())
            _close_all_but({0, 1, 2, word, *given[3:], *self._cell.descriptors})
            self._cell.enter(header["limits"])
            if self._cell.settings.packages:
                sys.path.append(self._cell.package_folder())
            sys.argv = ["solution.py"]
            candidate.hide_this_folder()
        except BaseException as error:
            os.write(word, b"setup: " + f"{type(error).__name__}: {error}".encode()[:2000])
            os._exit(1)
        try:
            self._play(header, parts, given, word)
        finally:
            os._exit(1)  # Never back into the warden's own code.

    def _play(self, header: "dict[str, Any]", parts: "list[bytes]", given: "list[int]", word: int) -> "NoReturn":
        mode = header["mode"]
        texts = [part.decode("utf-8", "surrogatepass") for part in parts]
        if mode == "program":
            os.close(word)
            candidate.become(texts[0], given[3])
        if mode == "tests":
            tester.become(texts[0], header["kind"], given[3], word)
        script.become(texts[0], word)


class _Watch:
    """Looks at what a program uses.

    Attributes:
        cpu_seconds: The most CPU time that was seen.
        memory: The most memory that was seen, in bytes.
    """

    def __init__(self, where: "cell.LimitedCell", limits: "dict[str, float]", begin: float) -> None:
        self.cpu_seconds = 0.0
        self.memory = 0
        self._cell = where
        self._limits = limits
        self._begin = begin
        self._looks = 0

    def pause_ms(self) -> int:
        """Say how long to wait until the next look; looking costs more where the whole machine is to be seen."""
        return _LOOK_EVERY_MS if self._cell.bytes_are_bounded or not self._looks else _SLOW_LOOK_EVERY_MS

    def disk_is_full(self) -> bool:
        """Say whether the program's files hold more than they may, where no file system bounds them."""
        if self._cell.bytes_are_bounded:
            return False
        used, entries = self._cell.disk_used(self._limits)
        return used > self._limits["disk_bytes"] or entries > self._limits["disk_files"]

    def look(self) -> str:
        """Return which limit was passed; empty if none."""
        self._looks += 1
        limits = self._limits
        tree = processes.descendants(os.getpid())
        self.cpu_seconds = max(self.cpu_seconds, sum(process.cpu_seconds for process in tree.values()))
        if self.cpu_seconds > limits["cpu_seconds"]:
            return "cpu"
        memory = processes.memory_of(tree, int(limits["memory_bytes"]))
        self.memory = max(self.memory, memory)
        if memory > limits["memory_bytes"]:
            return "memory"
        if self.disk_is_full():
            return "disk"
        elapsed = time.monotonic() - self._begin
        if elapsed > limits["wall_seconds"]:
            if elapsed > limits["wall_seconds"] * _STARVED_FACTOR:
                return "starved"
            if elapsed - processes.seconds_waited_for_a_core(list(tree)) > limits["wall_seconds"]:
                return "wall"
        return ""


def _usage() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _drained(descriptor: int) -> bytes:
    """Read what is in a pipe whose writers have all ended."""
    os.set_blocking(descriptor, False)
    data = b""
    while len(data) < 2**20:
        try:
            part = os.read(descriptor, 2**16)
        except BlockingIOError:
            break
        if not part:
            break
        data += part
    return data


def _close_all_but(kept: "set[int]") -> None:
    first = 0
    for descriptor in [*sorted(kept), 2**20]:
        if first < descriptor:  # An empty range closes everything above its beginning.
            os.closerange(first, descriptor)
        first = descriptor + 1
