"""The process between the harness and the program: it starts the program, watches it, judges it, and leaves
nothing.

It is the subreaper of all that the program starts, so no process gets out of its tree; it never runs a line
of the program; and as root it belongs to another user than the program does.
"""

import os
import select
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from evals.sandbox.child import kernel, program
else:
    import kernel
    import program

_TOLD_BY_CHILD = {
    b"passed", b"wrong_answer", b"exception", b"syntax_error", b"missing_entry_point", b"out_of_memory",
    b"exited_early",
}  # fmt: skip
_OVER = ("done", "broken", "refused")
_POLL_MS = 50
_LOOK_EVERY_SECONDS = 0.1
_GIVE_UP_SECONDS = 10.0


class Conversation:
    """The child's side of the talk, read without trusting a byte of it.

    Attributes:
        state: `setup`, `program`, `tests`, `nonce`, then `done`; `refused` if the child could not give up its
            rights; `broken` if what came is not what a child of ours says.
        to_send: Bytes that the child may have now.
        outcome: What the child told, once done: status, line, detail.
    """

    def __init__(self, tests: bytes) -> None:
        self.state = "setup"
        self.to_send = b""
        self.outcome = (b"", b"0", b"")
        self._tests = tests
        self._nonce = os.urandom(program.NONCE_BYTES)
        self._came = b""

    def hear(self, data: bytes) -> None:
        """Take in what the child wrote."""
        self._came += data
        while self._came and self.state not in _OVER:
            if self.state == "nonce":
                if not self._hear_outcome():
                    return
                continue
            letter, self._came = self._came[:1], self._came[1:]
            step = {
                ("setup", b"S"): "program",
                ("setup", b"E"): "refused",
                ("program", b"R"): "tests",
                ("program", b"D"): "nonce",
                ("tests", b"D"): "nonce",
            }
            self.state = step.get((self.state, letter), "broken")
            if self.state == "tests":
                self.to_send = len(self._tests).to_bytes(8) + self._tests
            elif self.state == "nonce":
                self.to_send += self._nonce
        if self.state == "refused":
            self.outcome = (
                b"harness_error",
                b"0",
                (self.outcome[2] + self._came)[: program.MAX_DETAIL_BYTES],
            )
            self._came = b""

    def _hear_outcome(self) -> bool:
        """Take in the nonce and the outcome; False if more must come."""
        head = program.NONCE_BYTES + 2
        if not self._nonce.startswith(self._came[: program.NONCE_BYTES]):
            self.state = "broken"
            return True
        size = int.from_bytes(self._came[program.NONCE_BYTES : head])
        if len(self._came) < head or len(self._came) < head + size:
            return False
        parts = self._came[head : head + size].split(b"\0", 2)
        if len(parts) != 3 or parts[0] not in _TOLD_BY_CHILD or not parts[1].isdigit():
            self.state = "broken"
            return True
        self.outcome = (parts[0], parts[1], parts[2])
        self.state = "done"
        return True


class Tally:
    """What the program's processes have used, and how its first one ended."""

    def __init__(self, child: int) -> None:
        self.child = child
        self.wait_status: int | None = None
        self.cpu_seconds = 0.0

    def reap(self) -> bool:
        """Collect every process that has ended; False once there is no process left at all."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            self.cpu_seconds += usage.ru_utime + usage.ru_stime
            if pid == self.child:
                self.wait_status = status


def main(arguments: "list[str]") -> "NoReturn":
    """Run one check; never returns.

    Args:
        arguments: `name=number`: the descriptors `job` and `result`, the limits `cpu`, `wall`, `memory`,
            `file`, `open` and `processes`, and `uid`, negative to stay the same user.
    """
    settings = {name: float(value) for name, _, value in (argument.partition("=") for argument in arguments)}
    job, result = int(settings["job"]), int(settings["result"])
    os.umask(0o077)
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
    # Nobody of the same user reads this process's memory or descriptors.
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    code_size, tests_size = (int.from_bytes(_read(job, 8)) for _ in range(2))
    code = _read(job, code_size)
    if settings["uid"] < 0:
        settings["processes"] += _tasks_of_this_user()
    from_child, child_talks = os.pipe()
    child_listens, to_child = os.pipe()
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        for descriptor in (job, result, from_child, to_child):
            os.close(descriptor)
        program.run(settings, code, child_talks, child_listens)
    os.close(child_talks)
    os.close(child_listens)
    # Read only now, so that the child never had them in its memory.
    tests = _read(job, tests_size)
    tally = Tally(child)
    problem = _problem_with(tests)
    conversation = Conversation(tests)
    stopped_for = "" if problem else _watch(settings, conversation, tally, from_child, to_child, result)
    wall_seconds = time.monotonic() - started
    if not _clear(int(settings["uid"]), tally):
        problem = "some of its processes could not be killed"
    if problem:
        verdict = (b"harness_error", b"0", problem.encode())
    else:
        verdict = _judge(settings, conversation, tally, stopped_for)
    try:
        numbers = b"%.6f\0%.6f" % (tally.cpu_seconds, wall_seconds)
        os.write(result, b"\0".join((verdict[0], numbers, verdict[1], verdict[2])))
    except BrokenPipeError:
        pass  # The harness is gone, and so is everything that was started for it.
    os._exit(0)


def _watch(
    settings: "dict[str, float]",
    conversation: Conversation,
    tally: Tally,
    source: int,
    sink: int,
    result: int,
) -> str:
    """Follow the program until it is done, has ended or must be stopped; say for which limit, if for one."""
    os.set_blocking(source, False)
    os.set_blocking(sink, False)
    poller = select.poll()
    poller.register(source, select.POLLIN)
    poller.register(result, 0)  # Tells only that the harness has closed its end.
    begin = next_look = time.monotonic()
    next_look += _LOOK_EVERY_SECONDS
    wait_ms = _POLL_MS
    while True:
        for descriptor, _ in poller.poll(wait_ms):
            if descriptor == result:
                return "gone"
            if descriptor == source and not _hear(source, conversation):
                poller.unregister(source)
                wait_ms = 0
        conversation.to_send = _send(sink, conversation.to_send)
        if conversation.state in _OVER:
            return ""
        tally.reap()
        if tally.wait_status is not None:
            _hear(source, conversation)
            return ""
        now = time.monotonic()
        if now - begin > settings["wall"]:
            return "wall"
        if now >= next_look:
            tree = kernel.descendants(os.getpid())
            if tally.cpu_seconds + sum(process.cpu_seconds for process in tree.values()) > settings["cpu"]:
                return "cpu"
            if kernel.memory_of(tree, int(settings["memory"])) > settings["memory"]:
                return "memory"
            # On a machine with very many processes a look is slow; it must not become the load itself.
            next_look = now + max(_LOOK_EVERY_SECONDS, 10 * (time.monotonic() - now))
        # A child closes its pipe a moment before it has ended: look again soon, then less and less often.
        wait_ms = min(_POLL_MS, wait_ms * 2 or 1)


def _hear(source: int, conversation: Conversation) -> bool:
    """Read what is there; False once nothing more is to come or to be heard."""
    while True:
        try:
            data = os.read(source, 4096)
        except BlockingIOError:
            return True
        if not data:
            return False
        conversation.hear(data)
        if conversation.state in _OVER:
            return False


def _send(sink: int, data: bytes) -> bytes:
    """Write what fits and return the rest; a child that does not read must not hold up its supervisor."""
    try:
        return data[os.write(sink, data) :] if data else b""
    except BlockingIOError:
        return data
    except BrokenPipeError:
        return b""


def _clear(uid: int, tally: Tally) -> bool:
    """Kill and collect every process that is left; False if some will not go."""
    give_up = time.monotonic() + _GIVE_UP_SECONDS
    while time.monotonic() < give_up:
        if uid >= 0:
            kernel.kill_user(uid)
        kernel.kill_tree(os.getpid())
        pause = 0.0005
        while pause < 0.1:
            if not tally.reap():
                return True
            time.sleep(pause)
            pause *= 2
    return False


def _judge(
    settings: "dict[str, float]", conversation: Conversation, tally: Tally, stopped_for: str
) -> "tuple[bytes, bytes, bytes]":
    status = tally.wait_status or 0
    signal_number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    exit_code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else 0
    if conversation.state == "refused":
        return conversation.outcome
    if conversation.state == "setup":
        return b"harness_error", b"0", b"the process ended before the program began"
    if stopped_for == "memory":
        return b"out_of_memory", b"0", b"its processes together held more than the limit"
    if stopped_for == "cpu" or tally.cpu_seconds > settings["cpu"] or signal_number == kernel.SIGXCPU:
        return b"timeout_cpu", b"0", b"it used more than %g CPU seconds" % settings["cpu"]
    if conversation.state == "done":
        return conversation.outcome
    if stopped_for == "wall":
        return b"timeout_wall", b"0", b"it was not done after %g seconds" % settings["wall"]
    if conversation.state == "broken":
        return b"exited_early", b"0", b"it wrote to the harness's own pipe"
    if exit_code == program.OUT_OF_MEMORY_CODE:
        return b"out_of_memory", b"0", b"MemoryError"
    if signal_number:
        return b"crashed", b"0", b"killed by signal %d" % signal_number
    return (
        b"exited_early",
        b"0",
        b"the process ended with exit code %d before the tests were done" % exit_code,
    )


def _problem_with(tests: bytes) -> str:
    """Say why the tests cannot be run by anybody; empty if they can."""
    try:
        compile(tests.decode("utf-8", "surrogatepass"), program.TESTS_FILE, "exec", dont_inherit=True)
    except BaseException as error:
        return f"the row's tests do not compile: {type(error).__name__}: {error}"[:500]
    return ""


def _tasks_of_this_user() -> int:
    """Count the processes and threads that the limit on them would count already."""
    total = 0
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/status", "rb") as file:
                    lines = dict(line.split(b":\t", 1) for line in file if b":\t" in line)
            except OSError:
                continue
            if int(lines[b"Uid"].split()[0]) == os.getuid():
                total += int(lines[b"Threads"])
    return total


def _read(descriptor: int, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = os.read(descriptor, size - len(data))
        if not part:
            sys.exit("the harness broke off before the job was told")
        data += part
    return data
