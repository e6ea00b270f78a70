"""Programs that use more than they may, that hang, or that do not go away.

What would be without bounds bounds itself: at most 150 processes or threads, 600 MB of memory, 200 MB of files, and
an end on the clock.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from evals.sandbox.hostile.program import JUDGED, NAME_ITSELF, NOT_PASSED, PASSED, QUICK, Harm, Hostile
from evals.sandbox.verdict import Status

_TIMEOUT: frozenset[Status] = frozenset({"timeout_cpu", "timeout_wall"})
_ENDLESS: frozenset[Status] = _TIMEOUT | {"out_of_memory", "unsupported_type"}
_CRASH: frozenset[Status] = frozenset({"crashed"})
_CPU: frozenset[Status] = frozenset({"timeout_cpu"})
_WALL: frozenset[Status] = frozenset({"timeout_wall"})
_MEMORY: frozenset[Status] = frozenset({"out_of_memory"})
_FELL: frozenset[Status] = _TIMEOUT | {"crashed", "exception", "exited_early", "out_of_memory"}
_BRIEF = replace(QUICK, wall_seconds=1.5)
_HELD = "assert answer() == 'held', answer()"


def _use(name: str, harm: Harm, code: str, expected: frozenset[Status], tests: str = "", **changes: Any) -> Hostile:
    # What only waits is waited for no longer than need be.
    limits = _BRIEF if expected == _WALL else QUICK
    return Hostile(name, "resources", harm, NAME_ITSELF + code, tests, expected, limits, **changes)


def _bounded(name: str, code: str, **changes: Any) -> Hostile:
    """A program that counts what it got in `count`, and is stopped or refused before that is `enough`."""
    held = f"import os, sys, time\ncount = 0\nend = time.monotonic() + 8\n{code}\n"
    held += "def answer():\n    return 'held' if count < enough else f'got {count}'\n"
    settings: dict[str, Any] = {"expected": JUDGED - {"wrong_answer"}, **changes}
    return _use(name, "takes too much", held, tests=_HELD, **settings)


_CHILD_SLEEPS = """
    pid = os.fork()
    if not pid:
        while time.monotonic() < end: time.sleep(0.2)
        os._exit(0)
    count += 1
"""
_PROCESSES = (
    _bounded(
        "a fork bomb",
        "enough = 120\ntry:\n  while count < enough:" + _CHILD_SLEEPS.replace("\n", "\n  ") + "\nexcept OSError: pass",
    ),
    _bounded(
        "a fork bomb whose children fork",
        """
enough = 100
first = os.getpid()
def grow(depth):
    for _ in range(3):
        try:
            if os.fork() == 0:
                if depth: grow(depth - 1)
                time.sleep(max(0, end - time.monotonic() - 6))
                os._exit(0)
        except OSError:
            return
grow(3)
time.sleep(0.3)
for name in filter(str.isdigit, os.listdir('/proc')):
    try:
        with open(f'/proc/{name}/stat') as file:
            count += '@TAG@' in file.read()
    except OSError:
        pass
""",
    ),
    _bounded(
        "a thread bomb",
        """
import threading
enough = 120
stop = threading.Event()
try:
    while count < enough:
        threading.Thread(target=stop.wait, args=(6,), daemon=True).start()
        count += 1
except (RuntimeError, MemoryError): pass
stop.set()
""",
    ),
    _bounded(
        "a bomb of processes started by spawn",
        """
enough = 100
try:
    while count < enough:
        os.posix_spawn('/bin/sleep', ['sleep', '6'], {})
        count += 1
except OSError: pass
""",
    ),
    _bounded(
        "a shell's fork bomb",
        """
import subprocess
enough = 2
script = 'i=0; while [ $i -lt 120 ]; do i=$((i+1)); sleep 5 >/dev/null 2>&1 & done; : @TAG@; sleep 0.1'
done = subprocess.run(['sh', '-c', script], capture_output=True, text=True)
jobs = 0
for name in filter(str.isdigit, os.listdir('/proc')):
    try:
        with open(f'/proc/{name}/stat') as file:
            jobs += '(sleep)' in file.read()
    except OSError:
        pass
count = 2 if jobs >= 100 else 0
""",
    ),
    _use(
        "forks without end in new sessions",
        "takes too much",
        """
import os, time
end = time.monotonic() + 6
while time.monotonic() < end:
    try:
        if os.fork(): os.setsid()
    except OSError: time.sleep(0.001)
os._exit(0)
""",
        NOT_PASSED,
    ),
    _use(
        "children that are not waited for",
        "survives",
        """
import os, signal, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for _ in range(8):
    if os.fork() == 0:
        time.sleep(90)
        os._exit(0)
""",
        PASSED,
    ),
    _use("zombies", "takes too much", "import os\nfor _ in range(16):\n    if os.fork() == 0: os._exit(0)", PASSED),
    _use(
        "CPU time in children",
        "takes too much",
        """
import os, time
end = time.monotonic() + 12
for _ in range(3):
    if os.fork() == 0:
        while time.monotonic() < end: pass
        os._exit(0)
while True:
    try: os.wait()
    except ChildProcessError: break
""",
        _CPU,
    ),
    _use(
        "CPU time in children that nobody waits for",
        "takes too much",
        """
import os, signal, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
end = time.monotonic() + 12
for _ in range(8):
    if os.fork() == 0:
        while time.monotonic() < end: pass
        os._exit(0)
time.sleep(12)
""",
        _TIMEOUT,
    ),
    _use(
        "CPU time in short children, one after another",
        "takes too much",
        """
import os, signal, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
end = time.monotonic() + 12
while time.monotonic() < end:
    try:
        if os.fork() == 0:
            stop = time.process_time() + 0.05
            while time.process_time() < stop: pass
            os._exit(0)
    except OSError: pass
    time.sleep(0.06)
""",
        _TIMEOUT,
    ),
    _use(
        "CPU time in grandchildren whose parents have gone",
        "takes too much",
        """
import os, time
end = time.monotonic() + 12
while time.monotonic() < end:
    if os.fork() == 0:
        if os.fork() == 0:
            stop = time.process_time() + 0.1
            while time.process_time() < stop: pass
        os._exit(0)
    os.wait()
    time.sleep(0.05)
""",
        _TIMEOUT,
    ),
    _use(
        "CPU time in threads",
        "takes too much",
        "import threading\ndef spin():\n    import hashlib\n    while True: hashlib.sha256(bytes(10**6))\n"
        "ts = [threading.Thread(target=spin) for _ in range(4)]\n[t.start() for t in ts]\n[t.join() for t in ts]",
        _TIMEOUT,
    ),
)

_DAEMON = """
import os, signal, time
r, w = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        {setup}
        os.write(w, b'x')
        time.sleep(90)
        os._exit(0)
    os._exit(0)
os.wait()
assert os.read(r, 1) == b'x'
{end}
"""


def _daemon(name: str, setup: str, end: str = "", expected: frozenset[Status] = PASSED) -> Hostile:
    return _use(name, "survives", _DAEMON.format(setup=setup, end=end), expected)


_SURVIVORS = (
    _daemon("a daemon by two forks", "os.setsid()"),
    _daemon("a daemon that holds the output open", "pass"),
    _daemon("a daemon that closes everything", "os.closerange(0, w)"),
    _daemon(
        "a daemon that ignores every signal",
        "[signal.signal(n, signal.SIG_IGN) for n in set(signal.valid_signals()) - {9, 19}]",
    ),
    _daemon("a daemon that blocks every signal", "signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())"),
    _daemon("a daemon in a stopped state", "os.write(w, b'x'); os.kill(os.getpid(), signal.SIGSTOP)"),
    _daemon("a daemon, and then a hard exit", "os.setsid()", "os._exit(0)", NOT_PASSED),
    _daemon("a daemon, and then a signal", "os.setsid()", "os.kill(os.getpid(), 9)", NOT_PASSED),
    _daemon("a daemon, and then sleep", "os.setsid()", "time.sleep(60)", _WALL),
    _daemon("a daemon, and then no end", "os.setsid()", "while True: pass", _CPU),
    _daemon("a daemon that adopts what it starts", "_ctypes.CDLL(None).prctl(36, 1, 0, 0, 0); os.fork()"),
    _daemon("a daemon that wants no signal at its parent's death", "_ctypes.CDLL(None).prctl(1, 0, 0, 0, 0)"),
    _use(
        "a daemon that forks faster than it can be killed",
        "survives",
        """
import os, signal, time
end = time.monotonic() + 20
if os.fork() == 0:
    os.setsid()
    for n in set(signal.valid_signals()) - {9, 19}: signal.signal(n, signal.SIG_IGN)
    while time.monotonic() < end:
        try:
            if os.fork(): os._exit(0)
        except OSError: pass
        time.sleep(0.0005)
    os._exit(0)
time.sleep(0.1)
""",
        JUDGED,
    ),
    _use(
        "eight daemons that fork away from one another",
        "survives",
        """
import os, time
end = time.monotonic() + 20
for _ in range(8):
    if os.fork() == 0:
        os.setsid()
        while time.monotonic() < end:
            try:
                if os.fork(): os._exit(0)
            except OSError: pass
            time.sleep(0.001)
        os._exit(0)
time.sleep(0.1)
""",
        JUDGED,
    ),
    _use(
        "a child of its parent's parent",
        "survives",
        """
import ctypes, os, time
# clone(CLONE_PARENT | SIGCHLD): a sister of this process rather than a child.
number = {'x86_64': 56, 'aarch64': 220}[os.uname().machine]
pid = ctypes.CDLL(None).syscall(number, 0x8000 | 17, 0, 0, 0, 0)
if pid == 0:
    time.sleep(90)
    os._exit(0)
""",
        JUDGED,
    ),
    _use(
        "a shell in the background",
        "survives",
        "import subprocess\nsubprocess.Popen(['sh', '-c', 'sleep 90; : @TAG@'], start_new_session=True)",
        PASSED,
    ),
    _use("nohup", "survives", "import os\nos.system('nohup sh -c \"sleep 90; : @TAG@\" >/dev/null 2>&1 &')", PASSED),
    _use(
        "a thread that goes on",
        "survives",
        "import threading, time\nthreading.Thread(target=time.sleep, args=(90,)).start()",
        PASSED,
    ),
    _use(
        "a daemon from the tests",
        "survives",
        """
import os, time
def add(a, b):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(90)
        os._exit(0)
    os.wait()
    return a + b
""",
        PASSED,
        "assert add(1, 2) == 3",
    ),
    _use(
        "a daemon that waits on a queue",
        "survives",
        "import multiprocessing\nq = multiprocessing.SimpleQueue()\n"
        "multiprocessing.get_context('fork').Process(target=q.get, daemon=False).start()",
        JUDGED,
    ),
)

_WAITING = tuple(
    _use(f"hangs: {name}", "hangs", code, expected, tests)
    for name, code, expected, tests in (
        ("sleeps", "import time\ntime.sleep(1000)", _WALL, ""),
        ("sleeps when called", "import time\ndef f():\n    time.sleep(1000)", _WALL, "f()"),
        (
            "waits on a lock that it holds",
            "import threading\nlock = threading.Lock()\nlock.acquire()\nlock.acquire()",
            _WALL,
            "",
        ),
        ("waits on a pipe", "import os\nr, w = os.pipe()\nos.read(r, 1)", _WALL, ""),
        ("waits on a named pipe", "import os\nos.mkfifo('p')\nopen('p')", _WALL, ""),
        (
            "waits for a child that waits",
            "import os, time\nif os.fork() == 0:\n    time.sleep(60)\nos.wait()",
            _WALL,
            "",
        ),
        ("waits for a signal", "import signal\nsignal.pause()", _WALL, ""),
        ("stops itself", "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)", _WALL, ""),
        (
            "stops itself when called",
            "import os, signal\ndef f():\n    os.kill(os.getpid(), signal.SIGSTOP)",
            _WALL,
            "f()",
        ),
        ("stops its group", "import os, signal\nos.killpg(0, signal.SIGSTOP)", _WALL, ""),
        (
            "ignores every signal",
            "import signal, time\nfor n in set(signal.valid_signals()) - {9, 19}:\n"
            "    signal.signal(n, signal.SIG_IGN)\ntime.sleep(60)",
            _WALL,
            "",
        ),
        (
            "blocks every signal and spins",
            "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())\nwhile True: pass",
            _TIMEOUT,
            "",
        ),
        (
            "spins, deaf to SIGXCPU",
            "import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass",
            _CPU,
            "",
        ),
        ("spins", "while True: pass", _CPU, ""),
        ("spins when called", "def f():\n    while True: pass", _CPU, "f()"),
        (
            "catches everything and goes on",
            "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
            _CPU,
            "",
        ),
        ("gives way and spins", "import os\nwhile True: os.sched_yield()", _TIMEOUT, ""),
        ("spins inside of one call of C", "sum(iter(int, 1))", _CPU, ""),
        ("a regular expression that backtracks", "import re\nre.match(r'(a+)+$', 'a' * 64 + 'b')", _CPU, ""),
        ("a huge power", "x = 9 ** 9 ** 9", _TIMEOUT | _MEMORY, ""),
        ("a huge number as text", "import sys\nsys.set_int_max_str_digits(0)\nx = str(7 ** 5_000_000)", _TIMEOUT, ""),
        (
            "a generator without end",
            "def f():\n    while True: yield 1",
            _TIMEOUT | _MEMORY,
            "assert len(list(f())) == 3",
        ),
        (
            "an iterator without end",
            "class I:\n    def __iter__(self): return self\n    def __next__(self): return 0\nf = I",
            _ENDLESS,
            "assert sum(f()) == 3",
        ),
        (
            "a __repr__ that never returns",
            "class R:\n    def __repr__(self):\n        while True: pass\n    __str__ = __repr__\ndef f(): return R()",
            NOT_PASSED,
            "assert f() == 1, f()",
        ),
        (
            "a __str__ of an exception that never returns",
            "class E(Exception):\n    def __str__(self):\n"
            "        while True: pass\n    __repr__ = __str__\ndef f(): raise E",
            NOT_PASSED,
            "f()",
        ),
        (
            "a __str__ of an exception that sleeps",
            "import time\nclass E(Exception):\n    def __str__(self):\n"
            "        time.sleep(60)\n    __repr__ = __str__\nraise E",
            NOT_PASSED,
            "f()",
        ),
        (
            "a __reduce__ that never returns",
            "class R:\n    def __reduce__(self):\n        while True: pass\n"
            "    __reduce_ex__ = __getstate__ = __reduce__\ndef f(): return R()",
            NOT_PASSED,
            "assert f() == 1",
        ),
        (
            "an __eq__ that never returns",
            "class R:\n    def __eq__(self, other):\n        while True: pass\ndef f(): return R()",
            NOT_PASSED,
            "assert f() == 1",
        ),
        (
            "a __len__, __iter__ and __hash__ that never return",
            "def spin(self):\n    while True: pass\nclass R(list):\n"
            "    __len__ = __iter__ = __hash__ = __eq__ = spin\ndef f(): return R()",
            NOT_PASSED,
            "assert f() == [1]",
        ),
        (
            "a __getattribute__ that never returns",
            "class R:\n    def __getattribute__(self, name):\n        while True: pass\ndef f(): return R()",
            NOT_PASSED,
            "assert f() == 1",
        ),
        (
            "a __del__ that never returns",
            "class R:\n    def __del__(self):\n        while True: pass\ndef f():\n    R()\n    return 1",
            _TIMEOUT,
            "assert f() == 1",
        ),
        (
            "a __del__ that never returns, at the end",
            "class R:\n    def __del__(self):\n        while True: pass\nr = R()",
            PASSED | _TIMEOUT,
            "",
        ),
        (
            "an atexit that never returns",
            "import atexit\n@atexit.register\ndef spin():\n    while True: pass",
            PASSED | _TIMEOUT,
            "",
        ),
        ("an atexit that sleeps", "import atexit, time\natexit.register(time.sleep, 90)", PASSED | _TIMEOUT, ""),
        (
            "a __getattr__ of the module that never returns",
            "def __getattr__(name):\n    while True: pass",
            NOT_PASSED,
            "assert f() == 1",
        ),
        (
            "a __bool__ that sleeps",
            "import time\nclass B:\n    def __bool__(self): time.sleep(60)\ndef f(): return B()",
            NOT_PASSED,
            "assert f()",
        ),
        (
            "reads what is sent to it and never answers",
            "import os\ndef f():\n    while True:\n        for fd in range(3, 64):\n"
            "            try:\n                os.set_blocking(fd, False)\n                os.read(fd, 100)\n"
            "            except OSError: pass",
            NOT_PASSED,
            "f()",
        ),
        (
            "an answer that comes in drops",
            "import os, time\ndef f():\n    for _ in range(100):\n"
            "        for fd in range(3, 64):\n            try: os.write(fd, b'\\0')\n            except OSError: pass\n"
            "        time.sleep(0.5)",
            NOT_PASSED,
            "f()",
        ),
        (
            "a timer that interrupts all the time",
            "import signal\nsignal.signal(signal.SIGALRM, lambda *a: None)\n"
            "signal.setitimer(signal.ITIMER_REAL, 0.0001, 0.0001)\nimport time\nwhile True: time.sleep(0.01)",
            _TIMEOUT,
            "",
        ),
        (
            "a profile function that never returns",
            "import sys\ndef spin(*a):\n    while True: pass\nsys.setprofile(spin)\ndef f(): return 1",
            NOT_PASSED,
            "assert f() == 1",
        ),
    )
)

_MEMORY_TRIES = tuple(
    _use(f"memory: {name}", "takes too much", code, expected, tests)
    for name, code, expected, tests in (
        ("the heap at once", "x = bytearray(600 * 2**20)", _MEMORY, ""),
        ("the heap bit by bit", "x = []\nfor _ in range(600): x.append(bytearray(2**20))", _MEMORY, ""),
        ("small objects", "x = []\nwhile len(x) < 20_000_000: x.append(len(x))", _MEMORY | _CPU, ""),
        ("when called", "def f():\n    return len(bytearray(600 * 2**20))", _MEMORY, "assert f() == 0"),
        (
            "caught and tried again",
            "x = []\nfor _ in range(700):\n    try: x.append(bytearray(2**20))\n    except MemoryError: pass",
            JUDGED,
            "assert len(x) < 600",
        ),
        (
            "a private mapping",
            "import mmap\nm = mmap.mmap(-1, 600 * 2**20, flags=mmap.MAP_PRIVATE)\n"
            "for i in range(0, len(m), 4096): m[i] = 1",
            NOT_PASSED,
            "",
        ),
        (
            "a shared mapping",
            "import mmap\nm = mmap.mmap(-1, 600 * 2**20)\nfor i in range(0, len(m), 4096): m[i] = 1",
            NOT_PASSED,
            "",
        ),
        (
            "a memory file",
            "import os\nfd = os.memfd_create('@TAG@')\nfor _ in range(600): os.write(fd, bytes(2**20))",
            NOT_PASSED,
            "",
        ),
        (
            "many memory files",
            "import os\nfds = []\nfor _ in range(40):\n    fds.append(os.memfd_create('@TAG@'))\n"
            "    for _ in range(15): os.write(fds[-1], bytes(2**20))",
            NOT_PASSED,
            "",
        ),
        (
            "shared memory by name",
            "from multiprocessing import shared_memory\n"
            "s = shared_memory.SharedMemory('@TAG@', create=True, size=600 * 2**20)\n"
            "for i in range(0, s.size, 4096): s.buf[i] = 1",
            NOT_PASSED,
            "",
        ),
        (
            "children, each below its limit",
            "import os, time\nfor _ in range(6):\n    if os.fork() == 0:\n"
            "        x = bytearray(100 * 2**20)\n        time.sleep(6)\n        os._exit(0)\n"
            "for _ in range(6): os.wait()",
            _MEMORY,
            "",
        ),
        (
            "children that copy on write",
            "import os, time\nx = bytearray(100 * 2**20)\nfor _ in range(6):\n"
            "    if os.fork() == 0:\n        x[:] = bytes(1) * len(x)\n        time.sleep(6)\n        os._exit(0)\n"
            "for _ in range(6): os.wait()",
            _MEMORY,
            "",
        ),
        (
            "pipes filled",
            "import os, fcntl\nkept = []\nfor _ in range(300):\n    r, w = os.pipe()\n"
            "    fcntl.fcntl(w, 1031, 2**20)\n    os.set_blocking(w, False)\n    os.write(w, bytes(2**20))\n"
            "    kept += [r, w]",
            NOT_PASSED,
            "",
        ),
        (
            "socket buffers filled",
            "import socket\nkept = []\nfor _ in range(300):\n    a, b = socket.socketpair()\n"
            "    a.setsockopt(1, 7, 2**20)\n    a.setblocking(False)\n    try:\n"
            "        while True: a.send(bytes(65536))\n"
            "    except BlockingIOError: pass\n    kept += [a, b]",
            NOT_PASSED,
            "",
        ),
        ("a text that doubles", "x = 'x'\nwhile len(x) < 2**30: x += x", _MEMORY, ""),
        (
            "a packed bomb",
            "import zlib\npacked = zlib.compress(bytes(64 * 2**20), 1)\nfor _ in range(1):\n"
            "    x = [zlib.decompress(packed) for _ in range(12)]",
            _MEMORY | _CPU,
            "",
        ),
        (
            "a pickle bomb",
            "import pickle\nbomb = b'(lp0\\n' + b'g0\\n' * 10 + b'.'\n"
            "deep = b'\\x80\\x04' + b']' * 1 + b'(' + b'h\\0' * 0\n"
            "x = pickle.loads(b'\\x80\\x04\\x8e' + (700 * 2**20).to_bytes(8, 'little') + b'x.')",
            NOT_PASSED,
            "",
        ),
        (
            "shared text of twenty threads",
            "import threading, time\nx = []\ndef grow():\n    for _ in range(40):\n"
            "        x.append(bytearray(2**20))\n    time.sleep(1)\n"
            "ts = [threading.Thread(target=grow) for _ in range(16)]\n"
            "[t.start() for t in ts]\n[t.join() for t in ts]\nassert len(x) < 500",
            NOT_PASSED,
            "",
        ),
    )
)

_FILES = (
    _bounded(
        "disk: one large file",
        """
enough = 200
try:
    with open('big', 'wb', 0) as file:
        while count < enough:
            file.write(bytes(2**20))
            count += 1
except OSError: pass
""",
    ),
    _bounded(
        "disk: many large files",
        """
enough = 150
try:
    while count < enough:
        with open(f'f{count}', 'wb', 0) as file:
            assert file.write(bytes(2**20)) == 2**20
        count += 1
except (OSError, AssertionError): pass
""",
    ),
    _bounded(
        "disk: a file in the folder of temporary files",
        """
import tempfile
enough = 150
kept = []
try:
    while count < enough:
        fd, path = tempfile.mkstemp(prefix='@TAG@')
        assert os.write(fd, bytes(2**20)) == 2**20
        os.close(fd)
        count += 1
except (OSError, AssertionError): pass
""",
    ),
    _bounded(
        "disk: a removed file that stays open",
        """
enough = 150
kept = []
try:
    while count < enough:
        kept.append(open(f'f{count % 30}', 'wb', 0))
        os.unlink(f'f{count % 30}')
        for _ in range(10):
            assert kept[-1].write(bytes(2**20)) == 2**20
            count += 1
except (OSError, AssertionError): pass
""",
        needs="a file system of its own: where the disk is watched, what has no name any more is not seen",
    ),
    _bounded(
        "disk: every folder that all may write to",
        """
enough = 150
for folder in ('/tmp', '/var/tmp', '/dev/shm', '/run/lock', '/dev/mqueue', '.'):
    try:
        for number in range(60):
            with open(f'{folder}/@TAG@-{number}', 'wb', 0) as file:
                assert file.write(bytes(2**20)) == 2**20
            count += 1
    except (OSError, AssertionError): pass
""",
    ),
    _bounded(
        "disk: a sparse file of a terabyte",
        """
enough = 1
try:
    with open('sparse', 'wb') as file:
        file.truncate(2**40)
    count = 1
except OSError: pass
""",
    ),
    _bounded(
        "disk: a sparse file by seeking",
        """
enough = 1
try:
    with open('sparse', 'wb') as file:
        file.seek(2**40)
        file.write(b'x')
        file.flush()
    count = 1
except OSError: pass
""",
    ),
    _bounded(
        "disk: space set aside",
        """
enough = 2
try:
    with open('aside', 'wb') as file:
        os.posix_fallocate(file.fileno(), 0, 200 * 2**20)
    count = 2
except OSError: pass
""",
    ),
    _bounded(
        "disk: many files",
        """
enough = 3000
try:
    while count < enough:
        os.close(os.open(f'n{count}', os.O_CREAT | os.O_WRONLY))
        count += 1
except OSError: pass
""",
    ),
    _bounded(
        "disk: many folders",
        """
enough = 3000
try:
    while count < enough:
        os.mkdir(f'd{count}')
        count += 1
except OSError: pass
""",
    ),
    _bounded(
        "disk: many links and pipes",
        """
enough = 3000
try:
    while count < enough:
        os.symlink('x' * 200, f's{count}')
        os.mkfifo(f'p{count}')
        count += 2
except OSError: pass
""",
    ),
    _use(
        "disk: folders in folders in folders",
        "damages",
        "import os\ntry:\n    for _ in range(1100):\n        os.mkdir('deep')\n        os.chdir('deep')\n"
        "except OSError: pass",
        PASSED | {"output_limit"},
    ),
    _use(
        "disk: what cannot be entered",
        "damages",
        "import os\nos.makedirs('a/b/c')\nopen('a/b/c/f', 'w').close()\n"
        "for path in ('a/b/c/f', 'a/b/c', 'a/b', 'a', '.'): os.chmod(path, 0)",
        PASSED,
    ),
    _use(
        "disk: odd names",
        "damages",
        "import os\nopen(b'\\xff\\n', 'w').close()\nos.mkdir(b'-rf *')\n"
        "os.symlink('/', 'root')\nos.symlink('.', 'loop')\nopen('n' * 255, 'w').close()",
        PASSED,
    ),
    _bounded(
        "10,000 descriptors",
        """
enough = 5000
import resource
try: resource.setrlimit(resource.RLIMIT_NOFILE, (10_000, 10_000))
except (OSError, ValueError): pass
try:
    while count < 10_000:
        os.dup(0)
        count += 1
except OSError: pass
os.closerange(100, 10_000)
""",
    ),
    _bounded(
        "limits raised again",
        """
import resource
enough = 1
for name in ('RLIMIT_AS', 'RLIMIT_NPROC', 'RLIMIT_FSIZE', 'RLIMIT_NOFILE', 'RLIMIT_CPU', 'RLIMIT_CORE'):
    limit = getattr(resource, name)
    before = resource.getrlimit(limit)
    try:
        resource.setrlimit(limit, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        count += before[1] != resource.RLIM_INFINITY
    except (OSError, ValueError): pass
""",
    ),
)

_OUTPUT = (
    _use(
        "output: 40 MB in lines", "takes too much", "for _ in range(40): print('x' * 2**20)", PASSED | {"output_limit"}
    ),
    _use(
        "output: 40 MB to stderr",
        "takes too much",
        "import sys\nfor _ in range(40): print('x' * 2**20, file=sys.stderr)",
        PASSED | {"output_limit"},
    ),
    _use("output: without an end", "takes too much", "while True: print('x' * 1000)", _TIMEOUT | {"output_limit"}),
    _use(
        "output: without an end, from a child",
        "takes too much",
        "import os, time\nend = time.monotonic() + 10\nif os.fork() == 0:\n    while time.monotonic() < end: "
        "os.write(1, b'x' * 65536)\n    os._exit(0)\nos.wait()",
        _TIMEOUT | {"output_limit"},
    ),
    _use(
        "output: a child that goes on when all is done",
        "takes too much",
        "import os, time\nend = time.monotonic() + 10\nif os.fork() == 0:\n    while time.monotonic() < end: "
        "os.write(1, b'x' * 65536)\n    os._exit(0)",
        PASSED | _TIMEOUT | {"output_limit"},
    ),
    _use(
        "output: made blocking and full",
        "hangs",
        "import fcntl, os\nfor fd in (1, 2):\n    os.set_blocking(fd, True)\n"
        "    for _ in range(300): os.write(fd, bytes(65536))",
        PASSED | {"output_limit"},
    ),
    _use(
        "output: odd bytes",
        "hangs",
        "import os\nos.write(1, bytes(range(256)) * 100)\nos.write(1, '\\ud800'.encode("
        "'utf-8', 'surrogatepass'))\nprint('\\x1b[2J\\x1b]0;owned\\x07')",
        PASSED,
    ),
)

_PARSING = tuple(
    Hostile(f"parsing: {name}", "resources", "hangs", code, "assert add(1, 2) == 3", expected)
    for name, code, expected in (
        ("brackets", "(" * 100_000 + ")" * 100_000, NOT_PASSED),
        ("signs", "x = " + "-" * 200_000 + "1", NOT_PASSED),
        ("a long sum", "x = " + "+".join("1" * 50_000), NOT_PASSED),
        ("attributes", "x = a" + ".a" * 50_000, NOT_PASSED),
        ("lambdas", "x = " + "lambda: " * 20_000 + "0", NOT_PASSED),
        ("calls", "x = " + "f(" * 50_000 + ")" * 50_000, NOT_PASSED),
        ("a power to fold", "x = ((((9 ** 999) ** 999) ** 999) ** 999)", NOT_PASSED),
        ("a text to fold", "x = (('x' * 4096) * 4096) * 4096 * 99", NOT_PASSED),
        ("nested texts with braces", "x = " + "f'{" * 300 + "1" + "}'" * 300, NOT_PASSED),
        ("many else ifs", "if 0: pass\n" + "elif 0: pass\n" * 5_000, NOT_PASSED),
        ("deep blocks", "\n".join(" " * n + "if 1:" for n in range(150)) + "\n" + " " * 151 + "pass", NOT_PASSED),
        ("nested comprehensions", "x = " + "[" * 60 + "0" + " for _ in [0]]" * 60, NOT_PASSED),
        ("10 MB of text", "x = '" + "y" * 10_000_000 + "'", NOT_PASSED),
        ("a million lines", "x = 1\n" * 300_000, NOT_PASSED),
        ("a null byte", "x = 1\0", NOT_PASSED),
        ("a lone surrogate", "x = '\ud800'", NOT_PASSED),
        ("another encoding", "# -*- coding: utf-7 -*-\nx = '+AGE-'", NOT_PASSED),
        ("an encoding that is none", "# -*- coding: no-such -*-\nx = 1", NOT_PASSED),
        ("a byte order mark", "\ufeffdef add(a, b):\n    return a + b\n", JUDGED),
        ("a byte order mark in the middle", "x = 1\n\ufeffy = 2", NOT_PASSED),
        ("a number of 100,000 digits", "x = " + "9" * 100_000, NOT_PASSED),
        ("a syntax error with a huge line", "x = (" + "y " * 500_000, NOT_PASSED),
        ("only tabs and form feeds", "\t\f\x0b" * 1000, NOT_PASSED),
    )
)

_FALLING = tuple(
    _use(f"falls: {name}", "hangs", code, expected, tests)
    for name, code, expected, tests in (
        ("a null pointer", "import ctypes\nctypes.string_at(0)", _CRASH, ""),
        (
            "a null pointer when called",
            "import ctypes\ndef f():\n    ctypes.string_at(0)",
            _CRASH,
            "f()",
        ),
        ("abort", "import os\nos.abort()", _CRASH, ""),
        ("SIGKILL to itself", "import os\nos.kill(os.getpid(), 9)", _CRASH, ""),
        (
            "an illegal instruction",
            "import os, signal\nos.kill(os.getpid(), signal.SIGILL)",
            _CRASH,
            "",
        ),
        (
            "a stack without end",
            "import sys\nsys.setrecursionlimit(10**9)\ndef f(n):\n    return [f(n + 1)]\nf(0)",
            _FELL,
            "",
        ),
        (
            "a stack of C without end",
            "import sys\nsys.setrecursionlimit(10**9)\nclass C:\n    def __repr__(self): return repr(self)\nrepr(C())",
            _FELL,
            "",
        ),
        (
            "a stack of __getattr__",
            "class C:\n    def __getattr__(self, n): return getattr(self, n + 'x')\nC().y",
            _FELL,
            "",
        ),
        (
            "a broken code object",
            "def f(): pass\nf.__code__ = f.__code__.replace(co_code=b'\\x64\\xff' * 8)\nf()",
            NOT_PASSED,
            "",
        ),
        (
            "a core",
            "import os, resource\ntry: resource.setrlimit(resource.RLIMIT_CORE, (2**20, 2**20))\n"
            "except ValueError: pass\nos.abort()",
            _CRASH,
            "",
        ),
    )
)

_ANSWERS = tuple(
    _use(f"answers: {name}", "hangs", code, expected, tests)
    for name, code, expected, tests in (
        (
            "a list that holds itself",
            "def f():\n    x = []\n    x.append(x)\n    return x",
            NOT_PASSED,
            "assert f() == [1]",
        ),
        (
            "a dict that holds itself",
            "def f():\n    x = {}\n    x['x'] = x\n    return x",
            NOT_PASSED,
            "assert f() == {'x': 1}",
        ),
        (
            "100,000 nested lists",
            "def f():\n    x = []\n    for _ in range(100_000): x = [x]\n    return x",
            NOT_PASSED,
            "assert f() == []",
        ),
        (
            "a billion laughs",
            "def f():\n    x = ['ha']\n    for _ in range(30): x = [x, x]\n    return x",
            NOT_PASSED,
            "assert f() == []",
        ),
        (
            "a billion laughs of one text",
            "def f():\n    s = 'x' * 10**6\n    return [s] * 10**5",
            NOT_PASSED,
            "assert f() == []",
        ),
        ("a text of 200 MB", "def f():\n    return 'x' * (200 * 2**20)", NOT_PASSED, "assert f() == ''"),
        ("a number of ten million digits", "def f():\n    return 1 << 33_000_000", NOT_PASSED, "assert f() == 1"),
        (
            "a million objects",
            "class O: pass\ndef f():\n    return [O() for _ in range(10**6)]",
            NOT_PASSED,
            "assert f() == []",
        ),
        ("ten million numbers", "def f():\n    return list(range(10**7))", NOT_PASSED, "assert f() == []"),
        ("a range of 10**18", "def f():\n    return range(10**18)", NOT_PASSED, "assert list(f()) == []"),
        ("an exception with a text of 100 MB", "def f():\n    raise ValueError('x' * (50 * 2**20))", NOT_PASSED, "f()"),
        (
            "an exception with 100,000 causes",
            "def f():\n    e = None\n    for _ in range(100_000):\n        n = ValueError()\n"
            "        n.__cause__ = e\n        e = n\n    raise e",
            NOT_PASSED,
            "f()",
        ),
        (
            "an exception that causes itself",
            "def f():\n    e = ValueError()\n    e.__context__ = e\n    e.__cause__ = e\n    raise e",
            NOT_PASSED,
            "f()",
        ),
        (
            "nested groups of exceptions",
            "def f():\n    e = ValueError()\n    for _ in range(10_000): e = ExceptionGroup('g', [e])\n    raise e",
            NOT_PASSED,
            "f()",
        ),
        (
            "a class with a name of 10 MB",
            "def f():\n    raise type('E' * 10_000_000, (Exception,), {})",
            NOT_PASSED,
            "f()",
        ),
        ("lone surrogates", "def f():\n    return '\\ud800' * 10", NOT_PASSED, "assert f() == 'x'"),
        (
            "an exception with lone surrogates and nulls",
            "def f():\n    raise ValueError('\\ud800\\0\\n' * 10)",
            NOT_PASSED,
            "f()",
        ),
        (
            "its own arguments, grown",
            "def f(xs):\n    xs.extend(range(5_000_000))\n    return xs",
            NOT_PASSED,
            "assert f([]) == []",
        ),
        ("calls the test back without end", "def f(g):\n    while True: g(1)", NOT_PASSED, "f(lambda x: x)"),
        (
            "calls the test back from within the call back",
            "def f(g):\n    return g(g)",
            NOT_PASSED,
            "def g(h):\n    return f(h)\nf(g)",
        ),
        (
            "a generator that is closed and goes on",
            "def f():\n    while True:\n        try: yield 1\n        except GeneratorExit: pass",
            JUDGED,
            "g = f()\nassert next(g) == 1\ntry:\n    g.close()\nexcept RuntimeError: pass",
        ),
    )
)

PROGRAMS: tuple[Hostile, ...] = (
    _PROCESSES + _SURVIVORS + _WAITING + _MEMORY_TRIES + _FILES + _OUTPUT + _PARSING + _FALLING + _ANSWERS
)
