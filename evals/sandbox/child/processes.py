"""The tree of processes below a warden: what it uses, and how it ends."""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from evals.sandbox.child import kernel
else:
    import kernel

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Process:
    """One line of the kernel's table of processes.

    Attributes:
        parent: Its parent's id.
        zombie: Whether it has ended already.
        cpu_seconds: CPU time of itself and of the children it waited for.
        resident_bytes: Resident memory, shared pages included.
    """

    __slots__ = ("cpu_seconds", "parent", "resident_bytes", "zombie")

    def __init__(self, stat: bytes) -> None:
        # The name before the last parenthesis may hold anything, blanks and parentheses too.
        values = stat[stat.rindex(b")") + 2 :].split()
        self.zombie = values[0] in (b"Z", b"X")
        self.parent = int(values[1])
        self.cpu_seconds = sum(map(int, values[11:15])) / _TICKS_PER_SECOND
        self.resident_bytes = int(values[21]) * _PAGE_BYTES


def descendants(root: int) -> "dict[int, Process]":
    """Return the processes below one of them.

    Args:
        root: A process id. If it is a subreaper or the first of its namespace, no process below it can leave
            the tree.

    Returns:
        The processes by id, without the root.
    """
    table: dict[int, Process] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    table[int(name)] = Process(file.read())
            except (OSError, ValueError):
                continue  # It ended between the listing and the reading.
    children: dict[int, list[int]] = {}
    for pid, process in table.items():
        children.setdefault(process.parent, []).append(pid)
    found: dict[int, Process] = {}
    waiting = [root]
    while waiting:
        for pid in children.get(waiting.pop(), ()):
            if pid not in found:
                found[pid] = table[pid]
                waiting.append(pid)
    return found


def memory_of(tree: "dict[int, Process]", limit: int) -> int:
    """Return the resident memory of a tree in bytes, a shared page counted once where that matters.

    Args:
        tree: Processes by id.
        limit: In bytes; below it the sum of the resident sizes, which is quick and never too small, is good
            enough.

    Returns:
        Bytes.
    """
    total = sum(process.resident_bytes for process in tree.values())
    if total <= limit:
        return total
    return sum(_proportional(pid, process.resident_bytes) for pid, process in tree.items())


def _proportional(pid: int, resident: int) -> int:
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
            for line in file:
                if line.startswith(b"Pss:"):
                    return int(line.split()[1]) * 1024
            return 0  # It has given its memory back, and is about to end.
    except ProcessLookupError:
        return 0
    except FileNotFoundError:
        return 0 if not os.path.exists(f"/proc/{pid}") else resident
    except OSError:
        return resident


def seconds_waited_for_a_core(pids: "list[int]") -> float:
    """Return how long the process that waited longest was ready to run and had no core to run on.

    Args:
        pids: Processes.

    Returns:
        Seconds; 0 where the kernel keeps no such count.
    """
    longest = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/schedstat", "rb") as file:
                longest = max(longest, int(file.read().split()[1]))
        except (OSError, ValueError, IndexError):
            continue
    return longest / 1e9


def kill_tree(root: int) -> None:
    """Send SIGKILL to everything below a process, winning against a program that keeps forking.

    Everything is stopped first. A stopped process cannot fork and still counts against the limit on
    processes, so the rest runs out of forks and the stopping comes to an end.

    Args:
        root: A process id, which is spared.
    """
    stopped: set[int] = set()
    while True:
        new = {pid for pid, process in descendants(root).items() if not process.zombie} - stopped
        if not new:
            break
        for pid in new:
            _send(pid, kernel.SIGSTOP)
        stopped |= new
    for pid in stopped:
        _send(pid, kernel.SIGKILL)


def kill_user(uid: int) -> None:
    """Send SIGKILL to every process of a user in one step, which no fork can slip through.

    Args:
        uid: A user that nobody else has; the caller must be root, and is spared.
    """
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            # Sent as root it would end every process of the machine.
            if uid > 0 and os.getresuid() == (uid, uid, uid):
                os.kill(-1, kernel.SIGKILL)
        finally:
            os._exit(0)
    os.waitpid(pid, 0)


def _send(pid: int, signal_number: int) -> None:
    try:
        os.kill(pid, signal_number)
    except (ProcessLookupError, PermissionError):
        return
