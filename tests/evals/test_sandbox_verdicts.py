"""Each status is reached by a real program, and correct programs of every kind pass."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from evals import Limits, Verdict, check, check_many
from evals.errors import EvalError
from evals.sandbox import Job, Sandbox, child, protections, run_program, users
from evals.sandbox.judge import verdict as verdict_of
from evals.sandbox.verdict import STATUSES, TIERS
from evals.sandbox.worker import Raw

PROJECT = Path(__file__).resolve().parents[2]
ADD = "def add(a, b):\n    return a + b\n"
TESTS = "assert add(1, 2) == 3"
SHORT = Limits(cpu_seconds=1, wall_seconds=3)

# Each: the program, its tests, the status, and the detail (None where its wording is the interpreter's own).
TABLE = {
    "right": (ADD, TESTS, "passed", ""),
    "right without tests": ("x = 1", "", "passed", ""),
    "wrong": (ADD.replace("+", "-"), TESTS, "wrong_answer", "assert add(1, 2) == 3"),
    "wrong with a message": (
        ADD,
        "x = 3\nassert add(1, 2) == x\nassert add(\n    1, 1\n) == 3, f'got {add(1, 1)}'",
        "wrong_answer",
        "assert add( 1, 1 ) == 3, f'got {add(1, 1)}': got 2",
    ),
    "wrong in a helper of the tests": (
        ADD,
        "def check(f):\n    assert f(1, 1) == 3\ncheck(add)",
        "wrong_answer",
        "assert f(1, 1) == 3",
    ),
    "an assertion of its own": (
        "def add(a, b):\n    assert a > b, 'order'",
        TESTS,
        "exception",
        "AssertionError: order",
    ),
    "raises when called": (
        "def add(a, b):\n    return a[b]",
        TESTS,
        "exception",
        "TypeError: 'int' object is not subscriptable",
    ),
    "raises at once": (
        "import no_such_module",
        TESTS,
        "missing_dependency",
        "ModuleNotFoundError: No module named 'no_such_module'",
    ),
    "a name is missing inside": (
        "def add(a, b):\n    return c",
        TESTS,
        "exception",
        "NameError: name 'c' is not defined",
    ),
    "a recursion without end": (
        "def add(a, b):\n    return add(a, b)",
        TESTS,
        "exception",
        "RecursionError: maximum recursion depth exceeded",
    ),
    "does not compile": (
        "def add(a, b:\n",
        TESTS,
        "syntax_error",
        "SyntaxError: '(' was never closed (solution.py, line 1)",
    ),
    "a null byte": ("x = 1\0", TESTS, "syntax_error", None),
    "a lone surrogate": ("x = '\ud800'", TESTS, "syntax_error", None),
    "too deep for the parser": ("(" * 100_000 + ")" * 100_000, TESTS, "syntax_error", None),
    "another name": (
        "def plus(a, b):\n    return a + b",
        TESTS,
        "missing_entry_point",
        "NameError: name 'add' is not defined",
    ),
    "nothing": ("", TESTS, "missing_entry_point", "NameError: name 'add' is not defined"),
    "busy for ever": ("while True:\n    pass", TESTS, "timeout_cpu", "it used more than 1 CPU seconds"),
    "busy in children unwaited for": (
        "import os, signal\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\nfor _ in range(2):\n"
        "    if os.fork() == 0:\n        while True: pass\nimport time\ntime.sleep(99)",
        TESTS,
        "timeout_cpu",
        None,
    ),
    "an object of its own for an answer": (
        "class Any:\n    def __eq__(self, other): return True\ndef add(a, b):\n    return Any()",
        TESTS,
        "unsupported_type",
        "the program's own Any object would decide how it compares with a value of the tests",
    ),
    "what is not allowed": (
        "import os\ndef add(a, b):\n    os.kill(1, 9)",
        TESTS,
        "forbidden",
        "PermissionError: [Errno 1] Operation not permitted",
    ),
    "files without end": (
        "import time\nfor n in range(99):\n    open(str(n), 'wb').write(bytes(10**6))\ntime.sleep(99)",
        TESTS,
        "output_limit",
        None,
    ),
    "busy in tests": ("def add(a, b):\n    while True:\n        pass", TESTS, "timeout_cpu", None),
    "busy, deaf to SIGXCPU": (
        "import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True:\n    pass",
        TESTS,
        "timeout_cpu",
        None,
    ),
    "busy in children": (
        "import os\nfor _ in range(3):\n    if os.fork() == 0:\n        while True: pass\nos.wait()",
        TESTS,
        "timeout_cpu",
        None,
    ),
    "asleep": ("import time\ntime.sleep(100)", TESTS, "timeout_wall", "it was not done after 2 seconds"),
    "stopped": ("import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)", TESTS, "timeout_wall", None),
    "memory at once": ("x = ' ' * 10**10", TESTS, "out_of_memory", "MemoryError"),
    "memory in small parts": (
        "x = []\nwhile True:\n    x.append(bytearray(10**6))",
        TESTS,
        "out_of_memory",
        "MemoryError",
    ),
    "memory in a dictionary": (
        "d, i = {}, 0\nwhile True:\n    i += 1\n    d[i] = str(i) * 1000",
        TESTS,
        "out_of_memory",
        None,
    ),
    "a signal": ("import os\nos.kill(os.getpid(), 11)", TESTS, "crashed", "killed by signal 11"),
    "an abort": ("import os\nos.abort()", TESTS, "crashed", "killed by signal 6"),
    "exits": ("import sys\nsys.exit(0)", TESTS, "exited_early", "SystemExit: 0"),
    "exits hard": (
        "import os\nos._exit(0)",
        TESTS,
        "exited_early",
        "the process ended with exit code 0 before the tests were done",
    ),
    "exits in the tests": ("import os\ndef add(a, b):\n    os._exit(0)", TESTS, "exited_early", None),
    "tests that do not compile": (ADD, "assert add(1, 2 == 3", "harness_error", None),
}


@pytest.fixture(scope="module", params=TIERS)
def verdicts(request) -> dict[str, Verdict]:
    # Little memory, so that filling it takes less than the CPU limit on a slow machine too; and a wall limit
    # out of the way of all but those that wait, so that the load of the machine does not matter.
    found = {}
    for waits, wall_seconds in ((True, 2), (False, 20)):
        names = [name for name in TABLE if (TABLE[name][2] == "timeout_wall") == waits]
        limits = Limits(cpu_seconds=1, wall_seconds=wall_seconds, memory_bytes=64 * 2**20)
        jobs = [TABLE[name][:2] for name in names]
        found.update(zip(names, check_many(jobs, limits, tier=request.param), strict=True))
    return found


@pytest.mark.parametrize("name", TABLE)
def test_the_verdict(verdicts, name):
    _, _, status, detail = TABLE[name]
    verdict = verdicts[name]
    if name == "files without end" and verdict.tier == "full":
        # Its disk is full before it has written too much.
        status, detail = "exception", "OSError: [Errno 28] No space left on device"
    assert verdict.status == status, verdict
    assert verdict.passed == (status == "passed")
    assert detail is None or verdict.detail == detail
    assert len(verdict.detail) <= 500
    assert not verdict.output_truncated


def test_every_status_is_in_the_table():
    assert {status for _, _, status, _ in TABLE.values()} == set(STATUSES) - {"inconclusive"}


def test_a_program_that_got_no_core_is_not_judged():
    told = {"stopped": "starved", "status": 9, "cpu": 0.1, "wall": 30.0, "memory": 0, "word": ""}
    verdict = verdict_of(Raw([told, {**told, "stopped": "asked"}]), Job(ADD, TESTS), SHORT, "full")
    assert (verdict.status, verdict.passed) == ("inconclusive", False)


def test_an_answer_may_not_be_larger_than_the_tests_can_take_in():
    verdict = check("def add(a, b):\n    return bytes(70 * 10**6)", TESTS)
    assert (verdict.status, verdict.detail) == (
        "output_limit",
        "its answer is too large or too deep to be carried",
    )


CORRECT = {
    "tempfile": """
import tempfile
with tempfile.NamedTemporaryFile("w+") as file:
    file.write("3")
    file.seek(0)
    three = int(file.read())
def add(a, b):
    with tempfile.TemporaryDirectory() as folder:
        return three
""",
    "the null device": "print('x', file=open('/dev/null', 'w'))\n" + ADD,
    "a helper called check": "def check(x):\n    return x\ndef add(a, b):\n    return check(a + b)",
    "empty input": """
import sys
assert sys.stdin.read() == ""
try:
    input()
except EOFError:
    add = int.__add__
""",
    "its own class pickled": "import pickle\nclass P:\n    pass\npickle.loads(pickle.dumps(P()))\n" + ADD,
    "a dataclass": "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\n" + ADD,
    "much of the library": """
import asyncio, bisect, collections, csv, ctypes.util, datetime, decimal, encodings.idna, fractions, functools
import heapq, itertools, json, math, multiprocessing, random, re, sqlite3, ssl, statistics, typing, unittest
datetime.datetime.strptime("2020", "%Y")
add = int.__add__
""",
    "threads": """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(16) as pool:
    list(pool.map(lambda i: bytearray(10**6), range(64)))
add = int.__add__
""",
    "a child process": """
import subprocess
assert subprocess.run(["echo", "x"], capture_output=True).stdout == b"x\\n"
add = int.__add__
""",
    "its folder": """
import os
open("here", "w").close()
assert os.listdir(".") == ["here"] and os.getcwd() == os.environ["HOME"]
add = int.__add__
""",
    "a guarded main part": ADD + "if __name__ == '__main__':\n    add(int(input()), 1)",
    "letters beyond ASCII": "ä = 'größe ✓'\nprint(ä)\nopen('ä', 'w').write(ä)\n" + ADD,
    "an asyncio loop": """
import asyncio
async def plus(a, b):
    return a + b
def add(a, b):
    return asyncio.run(plus(a, b))
""",
    "a thread that does not end": """
import threading, time
threading.Thread(target=time.sleep, args=(99,)).start()
add = int.__add__
""",
    "closed output": "import os\nos.close(1)\nos.close(2)\n" + ADD,
}


def test_correct_programs_pass():
    helper_tests = f"def check(f):\n    assert f(1, 2) == 3\ncheck(add)\n{TESTS}"
    verdicts = check_many([(code, helper_tests) for code in CORRECT.values()], SHORT)
    assert {name: verdict for name, verdict in zip(CORRECT, verdicts, strict=True) if not verdict.passed} == {}


@pytest.mark.parametrize("where", ["sys.stdout", "sys.stderr"])
def test_twenty_megabytes_of_output_are_cut_and_no_failure(where):
    verdict = check(f"import sys\nfor _ in range(20):\n    print('x' * 10**6, file={where})\n" + ADD, TESTS)
    assert (verdict.status, verdict.output_truncated) == ("passed", True)


def test_output_below_the_cap_is_not_flagged():
    limits = Limits(output_bytes=1000)
    assert not check("print('x' * 999)\n" + ADD, TESTS, limits).output_truncated
    assert check("print('x' * 1000, flush=True)\n" + ADD, TESTS, limits).output_truncated


def test_a_file_has_a_size_limit_and_a_sparse_one_too():
    code = "f = open('big', 'wb')\nf.seek(2**40)\nf.write(b'x')\nf.flush()"
    assert check(code, "").detail == "OSError: [Errno 27] File too large"


def test_cpu_time_is_measured_over_all_processes():
    work = "import time\ndef work():\n    while time.process_time() < 0.2: pass\n"
    verdict = check(work + "import os\npid = os.fork()\nwork()\nif not pid: os._exit(0)\nos.wait()", "")
    assert verdict.passed
    assert 0.4 <= verdict.cpu_seconds < 0.7


def test_waiting_costs_no_cpu_time():
    verdict = check("import time\ntime.sleep(0.5)", "")
    assert verdict.cpu_seconds < 0.3
    assert 0.5 <= verdict.wall_seconds < 3


WRITE_EVERYWHERE = """
import os, time
for descriptor in range(3, 64):
    try:
        os.write(descriptor, {data!r})
    except OSError:
        pass
time.sleep({seconds})
def add(a, b):
    return 0
"""
FORGERIES = {
    "prints a verdict": "print('passed')\nprint('{\"status\": \"passed\"}')",
    "leaves with success": "import sys\nsys.exit(0)",
    "leaves hard": "import os\nos._exit(0)",
    "leaves when called": "import os\ndef add(a, b):\n    os._exit(0)",
    "writes to every descriptor": WRITE_EVERYWHERE.format(data=b"passed\n", seconds=0),
    "skips to the end of the talk": WRITE_EVERYWHERE.format(
        data=b"D" + bytes(16) + b"\0\x09passed\x000\x00", seconds=9
    ),
    "skips to the end while tested": """
import os
def add(a, b):
    for descriptor in range(3, 64):
        try:
            os.write(descriptor, b"D" + bytes(16) + b"\\0\\x09passed\\x000\\x00")
        except OSError:
            pass
    return 0
""",
    "closes every descriptor": "import os\nos.closerange(3, 64)\n" + ADD,
    "rebinds the harness's tools": """
import os
os.write = lambda descriptor, data: 0
os._exit = lambda code: None
def add(a, b):
    return 0
""",
    "rebinds builtins": """
import builtins
builtins.sum = builtins.AssertionError = builtins.compile = lambda *a, **k: 3
def add(a, b):
    return 0
""",
}


def test_simple_forgeries_do_not_pass():
    tests = "assert sum([add(1, 2)]) == 3"
    verdicts = check_many([(code, tests) for code in FORGERIES.values()], SHORT)
    statuses = {name: verdict.status for name, verdict in zip(FORGERIES, verdicts, strict=True)}
    assert "passed" not in statuses.values(), statuses
    # Nor does a forger get his row left out.
    assert "harness_error" not in statuses.values(), statuses


def test_the_tests_are_not_in_memory_while_the_program_runs():
    code = """
import gc, sys
values, frame = [], sys._getframe()
while frame:
    values += frame.f_locals.values()
    frame = frame.f_back
values += [value for thing in gc.get_objects() if isinstance(thing, dict) for value in thing.values()]
token = "only" + "_in_the_tests"
assert any(isinstance(value, str) and "sys._getframe" in value for value in values), "no search"
assert not any(isinstance(value, bytes) and token.encode() in value for value in values)
assert not any(isinstance(value, str) and token in value and value != token for value in values)
x = 1
"""
    verdict = check(code, "# only_in_the_tests\nassert x == 1")
    assert verdict.passed, verdict


def test_many_keep_their_order_and_tell_progress():
    heard = []
    jobs = [(f"import time\ntime.sleep({0.2 if n == 0 else 0})\nx = {n}", f"assert x == {n % 4}") for n in range(8)]
    verdicts = check_many(jobs, SHORT, workers=3, progress=lambda done, total: heard.append((done, total)))
    assert [verdict.status for verdict in verdicts] == ["passed"] * 4 + ["wrong_answer"] * 4
    assert heard == [(done, 8) for done in range(1, 9)]


def test_no_jobs_give_no_verdicts():
    assert check_many([], SHORT) == []


def test_an_error_of_the_caller_stops_the_programs_that_run():
    def fail(done, total):
        raise KeyboardInterrupt

    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        check_many([("x = 1", ""), *[("import time\ntime.sleep(15)", "")] * 9], workers=2, progress=fail)
    assert time.monotonic() - begin < 8
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("evals-sandbox")]


def test_workers_must_be_positive():
    with pytest.raises(EvalError, match="number of workers is 0; it must be at least 1"):
        check_many([], workers=0)


@pytest.mark.parametrize("field", ["cpu_seconds", "memory_bytes", "processes"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
def test_limits_must_be_positive(field, value):
    with pytest.raises(EvalError, match=rf"Limits: {field} is .*; it must be a positive number"):
        Limits(**{field: value})


def test_another_system_than_linux_is_refused(monkeypatch):
    monkeypatch.setattr(users.sys, "platform", "darwin")
    with pytest.raises(EvalError, match="needs Linux, and this is darwin"):
        check("x = 1", "")
    with pytest.raises(EvalError, match="needs Linux"):
        check_many([("x = 1", "")])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has capabilities to lack")
def test_root_that_cannot_change_users_is_refused(monkeypatch):
    monkeypatch.setattr(users, "_status_of", lambda process: {"CapEff": "0000000000000021"})
    with pytest.raises(EvalError, match="cannot leave root without CAP_SETGID, CAP_SETUID;"):
        check("x = 1", "")


def test_a_sandbox_that_the_system_refuses_is_an_error(monkeypatch):
    monkeypatch.setattr("sys._base_executable", "/no/such/python")
    with pytest.raises(EvalError, match=r"cannot start a process \(No such file or directory\)"):
        check("x = 1", "")


def test_a_worker_that_is_killed_is_a_harness_error_and_the_next_check_has_a_new_one():
    with Sandbox(SHORT, workers=1) as sandbox:
        (worker,) = sandbox._workers
        for warden in worker._wardens:
            warden.control.shutdown(2)
        lost, good = sandbox.check_many([(ADD, TESTS), (ADD, TESTS)])
    assert lost.status == "harness_error"
    assert good.passed


def test_an_unknown_tier_is_an_error():
    with pytest.raises(EvalError, match="no tier 'ful' of the sandbox; it is one of full, confined, limited"):
        check("x = 1", "", tier="ful")


def test_an_unknown_kind_of_tests_is_an_error():
    with pytest.raises(EvalError, match="no kind of tests 'doctests'"):
        check("x = 1", "", kind="doctests")


def test_the_variable_names_the_tier(monkeypatch):
    monkeypatch.setenv("EVALS_SANDBOX_TIER", "limited")
    assert (check("x = 1", "").tier, protections()["tier"]) == ("limited", "limited")


def test_packages_are_offered_by_name():
    code = "import numpy\ndef add(a, b):\n    return int(numpy.sum([a, b]))"
    assert check(code, TESTS).status == "missing_dependency"
    for tier in ("full", "confined"):
        verdict = check(code, TESTS, packages=["numpy"], tier=tier)
        assert verdict.passed, verdict
    with pytest.raises(EvalError, match="package 'no_such_package', which is not installed"):
        check(code, TESTS, packages=["no_such_package"])


# From standard input to standard output: the program, what it reads, the status, the exit code, what it prints.
WHOLE = {
    "echoes": ("print(input())", b"hello\n", "exited", 0, b"hello\n"),
    "reads to the end": ("import sys\nprint(sum(map(int, sys.stdin)))", b"1\n2\n3\n", "exited", 0, b"6\n"),
    "is main": ("if __name__ == '__main__':\n    print('main')", b"", "exited", 0, b"main\n"),
    "exits with a code": ("print(1)\nraise SystemExit(3)", b"", "exited", 3, b"1\n"),
    "exits with words": ("raise SystemExit('words')", b"", "exited", 1, b""),
    "opens its standard streams by name": (
        "with open('/dev/stdin') as given, open('/dev/stdout', 'w') as out:\n    out.write(given.read())",
        b"hello\n",
        "exited",
        0,
        b"hello\n",
    ),
    "opens an empty input by name": ("print(len(open('/dev/stdin').read()))", b"", "exited", 0, b"0\n"),
    "shows its own source": (
        "import inspect\ndef f(): return 1\nprint(inspect.getsource(f))",
        b"",
        "exited",
        0,
        b"def f(): return 1\n\n",
    ),
    "calls exit": ("print(1)\nexit()\nprint(2)", b"", "exited", 0, b"1\n"),
    "calls quit with a code": ("print(1)\nquit(4)", b"", "exited", 4, b"1\n"),
    "raises": ("print(1)\n1 / 0", b"", "exception", 1, b"1\n"),
    "does not compile": ("print(", b"", "syntax_error", 1, b""),
    "lacks a package": ("import no_such_module", b"", "missing_dependency", 1, b""),
    "imports what only the sandbox has": ("import names", b"", "missing_dependency", 1, b""),
    "is busy": ("print(1, flush=True)\nwhile True: pass", b"", "timeout_cpu", None, b"1\n"),
    "is killed": ("import os\nos.kill(os.getpid(), 11)", b"", "crashed", None, b""),
    "waits for threads": (
        "import threading\nthreading.Timer(0.2, print, ['late']).start()\nprint('soon')",
        b"",
        "exited",
        0,
        b"soon\nlate\n",
    ),
    "has exit handlers": ("import atexit\natexit.register(print, 'bye')", b"", "exited", 0, b"bye\n"),
    "ends of an empty input": ("input()", b"", "exception", 1, b""),
    "tells a lie of its end": (
        "import os\nfor fd in range(3, 64):\n    try: os.write(fd, b'exception: no')\n"
        "    except OSError: pass\nprint(1)",
        b"",
        "exited",
        0,
        b"1\n",
    ),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_program(name):
    code, stdin, status, exit_code, stdout = WHOLE[name]
    done = run_program(code, stdin, SHORT)
    assert (done.status, done.exit_code, done.stdout) == (status, exit_code, stdout), done


def test_a_whole_program_may_have_the_names_of_the_sandboxs_own_modules():
    ours = sorted(path.stem for path in Path(child.__file__).parent.glob("*.py"))
    assert "standin" in ours
    done = run_program(f"import sys\nprint([name for name in {ours} if name in sys.modules])", b"", SHORT)
    assert done.stdout == b"[]\n", done


def test_a_traceback_shows_the_program_alone():
    done = run_program("def f():\n    1 / 0\nf()", b"", SHORT)
    files = [line.split('"')[1] for line in done.stderr.decode().splitlines() if line.startswith("  File")]
    assert files == ["solution.py", "solution.py"]
    assert done.detail == "ZeroDivisionError: division by zero"


CPU_BOUND = """
import time
def work():
    end = time.process_time() + 1.2
    while time.process_time() < end:
        pass
    return 1
"""


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_load_does_not_change_the_verdict_on_a_program_that_works(workers):
    # At eight workers on two cores it takes more than the three seconds on the clock.
    limits = Limits(cpu_seconds=3, wall_seconds=3)
    verdicts = check_many([(CPU_BOUND, "assert work() == 1")] * workers, limits, workers=workers)
    assert {verdict.status for verdict in verdicts} == {"passed"}


DOCTESTS = {
    "right": ("def f(x):\n    return [x]", "Doubles:\n\n    >>> f(3)\n    [3]\n", "passed", 0),
    "wrong": ("def f(x):\n    return x", "\n>>> f(3)\n3\n>>> f(3)\n4\n", "wrong_answer", "expected '4', got '3'"),
    "prints": ("def f(x):\n    print(x)\n    return x", ">>> f('a')\na\n'a'\n", "passed", 0),
    "raises as it shall": (
        "def f(x):\n    raise KeyError(x)",
        ">>> f(1)\nTraceback (most recent call last):\nKeyError: 1\n",
        "passed",
        0,
    ),
    "raises": ("def f(x):\n    raise KeyError(x)", ">>> f(1)\n1\n", "exception", "KeyError: 1"),
    "an option": ("def f(x):\n    return 'a  b'", ">>> f(1)  # doctest: +NORMALIZE_WHITESPACE\n'a b'\n", "passed", 0),
    "imports": ("def f(x):\n    return x", ">>> from solution import f as g\n>>> g(1)\n1\n", "passed", 0),
}


def test_examples_of_an_interactive_session():
    verdicts = check_many([Job(code, tests, "doctest") for code, tests, _, _ in DOCTESTS.values()], SHORT)
    found = {name: (verdict.status, verdict.detail or 0) for name, verdict in zip(DOCTESTS, verdicts, strict=True)}
    assert found == {name: (status, detail) for name, (_, _, status, detail) in DOCTESTS.items()}


def test_the_harness_keeps_its_own_signal_handlers_and_folder():
    before = [signal.getsignal(number) for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGXCPU)]
    folder = os.getcwd()
    check("x = 1", "")
    assert [signal.getsignal(number) for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGXCPU)] == before
    assert os.getcwd() == folder


UNUSUAL_CALLERS = {
    "ignores SIGCHLD": "signal.signal(signal.SIGCHLD, signal.SIG_IGN)",
    "ignores SIGINT": "signal.signal(signal.SIGINT, signal.SIG_IGN)",
    "blocks every signal": "signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())",
    "has a default timeout of sockets": "socket.setdefaulttimeout(0.001)",
    "has closed its standard streams": "os.closerange(0, 3)",
    "is in a folder that is gone": "here = tempfile.mkdtemp(); os.chdir(here); os.rmdir(here)",
    "has few descriptors": "resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))",
}
CALL = """
import os, resource, signal, socket, sys, tempfile
sys.path.insert(0, {project!r})
from evals.sandbox import check_many
{setup}
jobs = [
    ("import subprocess\\ndef code(): return subprocess.run(['/bin/false']).returncode", "assert code() == 1"),
    ("import os\\ndef fall(): os.abort()", "fall()"),
    (
        "import signal\\ndef stop():\\n    try: signal.raise_signal(signal.SIGINT)\\n"
        "    except KeyboardInterrupt: return 3",
        "assert stop() == 3",
    ),
]
found = [verdict.status for verdict in check_many(jobs, workers=1)]
with open({answer!r}, "w") as file:
    file.write(" ".join(found))
"""


@pytest.mark.parametrize("setup", UNUSUAL_CALLERS.values(), ids=UNUSUAL_CALLERS)
def test_what_is_unusual_about_the_caller_does_not_change_the_verdicts(setup, tmp_path):
    answer = tmp_path / "answer"
    code = CALL.format(project=str(PROJECT), setup=setup, answer=str(answer))
    subprocess.run([sys.executable, "-c", code], timeout=60, check=True)
    assert answer.read_text() == "passed crashed passed"
