"""One check: start the child, feed it the job, drain what it prints, read what came of it."""

from __future__ import annotations

import ast
import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import BinaryIO

from evals.sandbox.folder import private_folder, sweep_shared_folders
from evals.sandbox.verdict import MAX_DETAIL, STATUSES, Limits, Verdict

_CHILD_FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "child")
# The folder is on the path for these imports only: the program must not find it there.
_BOOT = "import sys; sys.path.append(sys.argv[1]); import supervisor; sys.path.pop(); supervisor.main(sys.argv[2:])"
# Beyond the wall limit, which the supervisor keeps: start of the interpreter and killing, on a busy machine.
_GRACE_SECONDS = 30.0
_LOOK_EVERY_MS = 200
_LINGER_SECONDS = 1.0


class Cancelled(Exception):
    """The caller wants no more verdicts."""


def run_check(
    code: str, tests: str, limits: Limits, uid: int | None, cancelled: threading.Event | None = None
) -> Verdict:
    """Run one program with its tests in a fresh process.

    Args:
        code: The program.
        tests: Assert lines, run after it; may be empty.
        limits: What it may use.
        uid: The user it becomes, which nobody else has; None to stay the caller.
        cancelled: Ends the check when set.

    Returns:
        The verdict; `harness_error` if the operating system would not carry out the check.

    Raises:
        Cancelled: If the event was set.
        EvalError: If there is no usable temporary folder.
    """
    try:
        with private_folder(uid) as folder, _started(folder, limits, uid) as exchange:
            exchange.run(_job(code, tests), time.monotonic() + limits.wall_seconds + _GRACE_SECONDS, cancelled)
    except OSError as error:
        return Verdict("harness_error", f"the check could not be carried out: {error}"[:MAX_DETAIL])
    finally:
        if uid is not None:
            sweep_shared_folders(uid)
    return _verdict(exchange, tests, uid)


class _Exchange:
    """The harness's side of one check.

    Attributes:
        result: What the supervisor told.
        printed: The tail end of stdout and stderr that was kept, by descriptor.
        truncated: Whether some of it was thrown away.
        timed_out: Whether the supervisor did not answer in time.
    """

    def __init__(self, process: subprocess.Popen[bytes], job: BinaryIO, result: BinaryIO, output_bytes: int) -> None:
        assert process.stdout is not None and process.stderr is not None
        self.process = process
        self.result = b""
        self.printed = {process.stdout.fileno(): bytearray(), process.stderr.fileno(): bytearray()}
        self.truncated = False
        self.timed_out = False
        self._room = output_bytes
        self._job = job
        self._result = result

    def last_line(self) -> str:
        """Return the last line that was printed to stderr, if any was kept."""
        lines = list(self.printed.values())[1].decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else ""

    def run(self, job: bytes, deadline: float, cancelled: threading.Event | None) -> None:
        """Write the job and read all that comes, until the result is told or it is too late."""
        writing, result = self._job.fileno(), self._result.fileno()
        os.set_blocking(writing, False)
        poller = select.poll()
        open_ends = {result, *self.printed}
        for descriptor in open_ends:
            poller.register(descriptor, select.POLLIN)
        poller.register(writing, select.POLLOUT)
        to_write = memoryview(job)
        while open_ends:
            for descriptor, _ in poller.poll(_LOOK_EVERY_MS):
                if descriptor == writing:
                    to_write = to_write[self._write(to_write) :]
                    if not to_write:
                        poller.unregister(writing)
                        self._job.close()
                    continue
                data = os.read(descriptor, 2**16)
                if not data:
                    poller.unregister(descriptor)
                    open_ends.discard(descriptor)
                    if descriptor == result:
                        # Its processes are dead, so their pipes end now; a survivor must not keep us here.
                        deadline = min(deadline, time.monotonic() + _LINGER_SECONDS)
                elif descriptor == result:
                    self.result += data
                else:
                    self._keep(self.printed[descriptor], data)
            if cancelled is not None and cancelled.is_set():
                raise Cancelled
            if time.monotonic() > deadline:
                self.timed_out = result in open_ends
                return

    def _write(self, data: memoryview) -> int:
        try:
            return os.write(self._job.fileno(), data)
        except BlockingIOError:
            return 0
        except BrokenPipeError:
            return len(data)  # The supervisor has ended; the missing result says so.

    def _keep(self, kept: bytearray, data: bytes) -> None:
        self.truncated |= len(data) > self._room
        kept += data[: self._room]
        self._room -= min(len(data), self._room)


@contextlib.contextmanager
def _started(folder: str, limits: Limits, uid: int | None) -> Iterator[_Exchange]:
    """Start the supervisor, and see to its end."""
    with contextlib.ExitStack() as stack:
        job_out, job_in = _pipe(stack)
        result_out, result_in = _pipe(stack)
        settings = {
            "job": job_out.fileno(),
            "result": result_in.fileno(),
            "cpu": limits.cpu_seconds,
            "wall": limits.wall_seconds,
            "memory": limits.memory_bytes,
            "file": limits.file_bytes,
            "open": limits.open_files,
            "processes": limits.processes,
            "uid": -1 if uid is None else uid,
        }
        arguments = [f"{name}={value}" for name, value in settings.items()]
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-X", "utf8", "-c", _BOOT, _CHILD_FOLDER, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            cwd=folder,
            env={"HOME": folder, "LC_ALL": "C.UTF-8", "TMPDIR": folder},
            pass_fds=(job_out.fileno(), result_in.fileno()),
            start_new_session=True,
        )
        try:
            job_out.close()
            result_in.close()
            yield _Exchange(process, job_in, result_out, limits.output_bytes)
        finally:
            # The supervisor notices that nobody listens any more, kills what it started and ends.
            for end in (job_in, result_out, process.stdout, process.stderr):
                if end is not None:
                    end.close()
            try:
                process.wait(_GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _pipe(stack: contextlib.ExitStack) -> tuple[BinaryIO, BinaryIO]:
    reading, writing = os.pipe()
    return (
        stack.enter_context(open(reading, "rb", buffering=0)),
        stack.enter_context(open(writing, "wb", buffering=0)),
    )


def _job(code: str, tests: str) -> bytes:
    parts = [text.encode("utf-8", "surrogatepass") for text in (code, tests)]
    return b"".join([*(len(part).to_bytes(8) for part in parts), *parts])


def _verdict(exchange: _Exchange, tests: str, uid: int | None) -> Verdict:
    fields = exchange.result.decode("utf-8", "replace").split("\0", 4)
    if len(fields) != 5 or fields[0] not in STATUSES:
        return _verdict_without_result(exchange, uid)
    status, cpu_seconds, wall_seconds, line, detail = fields
    known = next(name for name in STATUSES if name == status)
    if known == "wrong_answer":
        detail = _assertion(tests, int(line), detail)
    elif known == "crashed" and exchange.last_line():
        detail = f"{detail}: {exchange.last_line()}"
    return Verdict(known, detail[:MAX_DETAIL], float(cpu_seconds), float(wall_seconds), exchange.truncated)


def _verdict_without_result(exchange: _Exchange, uid: int | None) -> Verdict:
    if uid is None and exchange.timed_out:
        return Verdict("timeout_wall", "it held up its supervisor", output_truncated=exchange.truncated)
    if uid is None and exchange.process.returncode < 0:
        return Verdict("crashed", "its supervisor was killed", output_truncated=exchange.truncated)
    code = exchange.process.returncode
    reason = "did not answer" if exchange.timed_out else f"ended with exit code {code} and no result"
    return Verdict("harness_error", f"the supervisor {reason}: {exchange.last_line()}"[:MAX_DETAIL])


def _assertion(tests: str, line: int, message: str) -> str:
    """Return the source of the assertion on a line of the tests, on one line, with its message."""
    source = ""
    for node in ast.walk(ast.parse(tests)):
        if isinstance(node, ast.Assert) and node.lineno <= line <= (node.end_lineno or node.lineno):
            source = ast.get_source_segment(tests, node) or ""
    if not source:
        lines = tests.splitlines()
        source = lines[line - 1].strip() if 0 < line <= len(lines) else "an assertion of the tests"
    source = " ".join(source.split())
    return f"{source}: {message}" if message and message not in source else source
