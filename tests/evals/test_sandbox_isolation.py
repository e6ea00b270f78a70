"""What a program can reach, and what it leaves behind: nothing."""

import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from evals import Limits, check, check_many
from evals.errors import EvalError
from evals.sandbox import protections
from evals.sandbox.child.folder import remove_tree
from evals.sandbox.users import lease_of_user
from evals.sandbox.worker import Worker

PROJECT = Path(__file__).resolve().parents[2]
SHORT = Limits(cpu_seconds=1, wall_seconds=3)
IS_ROOT = os.geteuid() == 0
root_only = pytest.mark.skipif(not IS_ROOT, reason="only root can give a program a user of its own")

NAME_ITSELF = "import ctypes\nctypes.CDLL(None).prctl(15, {name!r}.encode(), 0, 0, 0)\n"


@pytest.fixture(autouse=True, params=["full", "confined"])
def tier(request, monkeypatch):
    """Every test here is run at both of the tiers that keep programs from files."""
    try:
        protections(request.param)
    except EvalError as error:
        pytest.skip(str(error))
    monkeypatch.setenv("EVALS_SANDBOX_TIER", request.param)
    return request.param


@pytest.fixture(autouse=True)
def nothing_is_left(monkeypatch, tmp_path_factory):
    """Every test here has a temporary folder of its own, and leaves it empty, and no child nor zombie."""
    tmp_path_factory.getbasetemp()  # pytest's own lies outside
    base = tempfile.mkdtemp()
    os.chmod(base, 0o1777)
    monkeypatch.setattr(tempfile, "tempdir", base)
    monkeypatch.setenv("TMPDIR", base)
    yield Path(base)
    left = os.listdir(base)
    remove_tree(base)
    assert left == []
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def _says(code: str, limits: Limits = SHORT) -> str:
    """Run a program that computes `answer`, and return that."""
    verdict = check(code, "raise Exception(str(answer))", limits)
    assert verdict.status == "exception", verdict
    assert verdict.detail.startswith("Exception: "), verdict
    return verdict.detail.removeprefix("Exception: ")


def test_secrets_in_the_environment_are_not_seen(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    names = _says("import os\nanswer = sorted(os.environ)")
    settings = ["LC_ALL", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PATH", "PYTHONDONTWRITEBYTECODE"]
    assert names == str(sorted(["HOME", "TMPDIR", *settings]))


def test_the_environment_of_the_harness_is_out_of_reach_for_another_user():
    code = """
import os
answer = "clean"
for pid in (os.getppid(), *range(1, 100_000)):
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            if b"hf_" + b"secret" in file.read():
                answer = "seen"
    except OSError:
        pass
raise Exception(answer)
"""
    done = subprocess.run(
        [sys.executable, "-c", f"import evals; print(evals.check({code!r}, '').detail)"],
        env={**os.environ, "HF_TOKEN": "hf_secret"},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout == "Exception: clean\n"


def test_descriptors_of_the_harness_are_not_inherited(tmp_path):
    secret = tmp_path / "secret-file"
    with open(secret, "w") as file:
        os.set_inheritable(file.fileno(), True)
        links = _says(
            "import os\nanswer = []\nfor fd in range(64):\n"
            "    try:\n        answer.append(os.readlink(f'/proc/self/fd/{fd}').split(':')[0])\n"
            "    except OSError:\n        pass"
        )
    assert "secret-file" not in links
    library = [os.path.dirname(os.__file__), os.path.join(os.path.dirname(os.__file__), "lib-dynload")]
    # Empty input, two for output, one for the talk; and the library where it must be held open.
    assert [link for link in eval(links) if link not in library] == ["/dev/null", "pipe", "pipe", "socket"]


def test_the_program_has_a_session_of_its_own_and_gets_no_rights_back():
    code = """
import ctypes, os
PR_GET_NO_NEW_PRIVS = 39
answer = [os.getsid(0) == os.getpid(), ctypes.CDLL(None).prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)]
"""
    assert _says(code) == "[True, 1]"


@root_only
def test_root_is_gone():
    code = """
import ctypes, os
tries = (
    lambda: os.setuid(0),
    lambda: os.setgroups([0]),
    lambda: open("/etc/shadow", "rb"),
    lambda: os.kill(os.getppid(), 0),
    lambda: open(f"/proc/{os.getppid()}/mem", "rb"),
)
refused = 0
for attempt in tries:
    try:
        attempt()
    except OSError:
        refused += 1
header, rights = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
ctypes.CDLL(None).capget(header, rights)
answer = [refused == len(tries), 0 in os.getresuid() + os.getresgid(), os.getgroups(), sum(rights)]
"""
    assert _says(code) == "[True, False, [], 0]"


@root_only
def test_two_programs_at_a_time_are_two_users():
    jobs = [("import os, time\ntime.sleep(0.5)\nuid = os.getuid()", "raise Exception(str(uid))")] * 2
    users = {verdict.detail for verdict in check_many(jobs, SHORT, workers=2)}
    assert len(users) == 2


@root_only
def test_a_user_id_is_leased_to_one_at_a_time_on_the_whole_machine():
    with lease_of_user() as mine:
        code = "from evals.sandbox.users import lease_of_user\nwith lease_of_user() as uid: print(uid)"
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, timeout=30, check=True
        )
        with lease_of_user() as another:
            assert mine not in (another, int(done.stdout))


@root_only
def test_a_user_id_with_living_processes_is_not_leased():
    with lease_of_user() as free:
        assert free is not None
        sleeper = subprocess.Popen(["sleep", "30"], user=free, group=free, extra_groups=[])
        time.sleep(0.2)
    try:
        with lease_of_user() as other:
            assert other != free
    finally:
        sleeper.kill()
        sleeper.wait()


def _daemon(name: str, end: str) -> str:
    """A program that starts a daemon in a session of its own and goes on once it lives."""
    return (
        "import os, time\nr, w = os.pipe()\n"
        "if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        os.setsid()\n"
        f"        exec({NAME_ITSELF.format(name=name)!r})\n"
        "        for fd in range(3): os.close(fd)\n"
        "        os.write(w, b'x')\n        time.sleep(60)\n    os._exit(0)\n"
        "os.wait()\nassert os.read(r, 1) == b'x'\n" + end
    )


@pytest.mark.parametrize(
    ("end", "status"),
    [
        ("", "passed"),
        ("os._exit(0)", "exited_early"),
        ("os.kill(os.getpid(), 9)", "crashed"),
        ("time.sleep(9)", "timeout_wall"),
    ],
)
def test_a_daemon_does_not_outlive_the_check(processes_named, end, status):
    name = f"ev-{secrets.token_hex(4)}"
    verdict = check(_daemon(name, end), "", Limits(cpu_seconds=1, wall_seconds=1.5))
    assert verdict.status == status
    assert processes_named(name) == []


def test_processes_that_hold_the_output_open_do_not_hold_up_the_check():
    begin = time.monotonic()
    assert check("import os, time\nif os.fork() == 0:\n    time.sleep(60)", "", SHORT).passed
    assert time.monotonic() - begin < 30


# It cannot take the machine down even if nothing holds it: 40 children with 3 more each, 160 processes at the
# most, and each ends by itself after 8 seconds.
FORK_BOMB = """
import os, time
first, answer, end = os.getpid(), "unbounded", time.monotonic() + 8
try:
    for _ in range(40):
        if os.fork() == 0:
            os.fork(), os.fork()
            break
except OSError as error:
    answer = type(error).__name__
if os.getpid() != first:
    while time.monotonic() < end:
        time.sleep(0.5)
    os._exit(0)
"""


def test_a_fork_bomb_is_bounded_and_gone_afterwards(processes_named):
    limit = Limits(cpu_seconds=5, wall_seconds=6, processes=32)
    assert _says("import resource\nanswer = resource.getrlimit(resource.RLIMIT_NPROC)[1]", limit) == "32"
    name = f"ev-{secrets.token_hex(4)}"
    begin = time.monotonic()
    assert _says(NAME_ITSELF.format(name=name) + FORK_BOMB, limit) == "BlockingIOError"
    assert time.monotonic() - begin < 6
    assert processes_named(name) == []


# Bounded by its own clock too: whichever process it has become by then, it ends 6 seconds after the first.
KEEPS_FORKING = """
import os, time
end = time.monotonic() + 12
while time.monotonic() < end:
    try:
        if os.fork():
            os.setsid()
    except OSError:
        time.sleep(0.001)
os._exit(0)
"""


def test_a_program_that_keeps_forking_is_stopped(processes_named):
    name = f"ev-{secrets.token_hex(4)}"
    verdict = check(
        NAME_ITSELF.format(name=name) + KEEPS_FORKING, "", Limits(cpu_seconds=1, wall_seconds=12, processes=16)
    )
    assert verdict.status == "timeout_cpu", verdict
    assert processes_named(name) == []


def test_memory_is_bounded_over_all_processes():
    # 8 processes of 100 MB, each by far below its own limit, for 5 seconds at the most.
    code = """
import os, time
for _ in range(8):
    if os.fork() == 0:
        x = os.urandom(1) * (100 * 2**20)
        time.sleep(5)
        os._exit(0)
for _ in range(8):
    os.wait()
"""
    verdict = check(code, "", Limits(memory_bytes=400 * 2**20, wall_seconds=8))
    assert (verdict.status, verdict.wall_seconds < 4) == ("out_of_memory", True), verdict


def test_memory_that_processes_share_counts_once():
    code = (
        "import os, time\nx = b'x' * (100 * 2**20)\nfor _ in range(6):\n    if os.fork() == 0:\n"
        "        time.sleep(0.5)\n        os._exit(0)\nfor _ in range(6): os.wait()"
    )
    verdict = check(code, "", Limits(memory_bytes=300 * 2**20))
    assert verdict.passed, verdict


ENDED = """
import os, sys
sys.path.append(sys.argv[1])
from processes import Process, memory_of
pid = os.fork()
if pid == 0:
    os._exit(0)
os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
fields = [b"0"] * 50
fields[21] = b"1000"  # As it was when the table was read.
print(memory_of({pid: Process(b"1 (x) " + b" ".join(fields))}, 1))
"""


def test_a_process_that_has_given_its_memory_back_holds_none():
    command = [sys.executable, "-c", ENDED, str(PROJECT / "evals" / "sandbox" / "child")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "0\n"


FILLS_TCP = """
import socket
def fill():
    sent = 0
    with socket.create_server(("127.0.0.1", 0)) as server:
        for _ in range(10):
            with socket.create_connection(server.getsockname()) as out, server.accept()[0]:
                out.setblocking(False)
                try:
                    while True:
                        sent += out.send(bytes(2**16))
                except BlockingIOError:
                    pass
    return sent
"""


def test_what_lies_in_the_buffers_of_tcp_is_little(tier):
    if os.statvfs("/proc/sys").f_flag & os.ST_RDONLY:
        pytest.skip("the sizes of buffers cannot be set here")
    verdict = check(FILLS_TCP, "assert 0 < fill() < 5 * 2**20", SHORT)
    assert verdict.status == ("passed" if tier == "full" else "forbidden"), verdict


LEAVINGS = {
    "read-only files": """
open("a", "w").close()
os.mkdir("d")
open("d/b", "w").close()
for path in ("d/b", "d", "."):
    os.chmod(path, 0)
""",
    "a folder in a read-only folder": """
os.makedirs("a/b/c")
for path in ("a/b/c", "a/b", "a"):
    os.chmod(path, 0o500)
""",
    "an emptied folder": "open('f', 'w').close()\nfor name in os.listdir('.'): os.remove(name)",
    "folders too deep for a path": "for _ in range(1100):\n    os.mkdir('deep')\n    os.chdir('deep')",
    "odd names": """
open(b"\\xff\\n", "w").close()
os.mkdir(b"-rf *")
os.mkfifo("pipe")
os.symlink("/", "root")
os.symlink(".", "loop")
""",
    "many files": "for n in range(1000):\n    open(str(n), 'w').close()",
}


@pytest.mark.parametrize("name", LEAVINGS)
def test_no_folder_is_left(name):
    verdict = check("import os\n" + LEAVINGS[name], "")
    assert verdict.status == "passed", verdict  # That nothing is left, the fixture finds.


def test_what_a_link_points_to_is_spared(tmp_path):
    (tmp_path / "precious").write_text("gold")
    assert check(f"import os\nos.symlink({str(tmp_path)!r}, 'link')", "", SHORT).passed
    assert (tmp_path / "precious").read_text() == "gold"


def test_a_tree_is_removed_though_it_is_read_only_and_deep(tmp_path):
    folder = tmp_path / "tree"
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / "file").touch()
    (folder / "link").symlink_to(tmp_path)
    for path in ("a/b", "a", "."):
        (folder / path).chmod(0o500)
    remove_tree(str(folder))
    assert list(tmp_path.iterdir()) == []


def test_removing_what_is_gone_is_fine(tmp_path):
    folder = tmp_path / "gone"
    remove_tree(str(folder))


@root_only
def test_nothing_is_left_in_folders_that_all_may_write_to():
    name = f"left-{secrets.token_hex(4)}"
    code = f"""
import os
for base in ("/tmp", "/dev/shm"):
    os.makedirs(f"{{base}}/{name}/d")
    open(f"{{base}}/{name}-f", "w").close()
"""
    assert check(code, "", SHORT).status in ("passed", "forbidden")
    assert [base for base in ("/tmp", "/dev/shm") for left in os.listdir(base) if left.startswith(name)] == []


@root_only
def test_a_program_that_kills_all_it_can_reaches_only_itself():
    code = "import os\nos.kill(os.getppid(), 9)"
    assert check(code, "", SHORT).detail == "PermissionError: [Errno 1] Operation not permitted"
    bystander = subprocess.Popen(["sleep", "30"], user=65_534, group=65_534, extra_groups=[])
    try:
        assert check("import os\nos.kill(-1, 9)", "", SHORT).status in ("passed", "exception")
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_nothing_outlives_a_harness_that_is_killed(processes_named, nothing_is_left):
    name = f"ev-{secrets.token_hex(4)}"
    code = _daemon(name, "time.sleep(50)")
    harness = subprocess.Popen(
        [sys.executable, "-c", f"import evals; evals.check({code!r}, '', evals.Limits(wall_seconds=50))"],
        cwd=PROJECT,
    )
    try:
        _wait_until(lambda: processes_named(name))
    finally:
        harness.send_signal(signal.SIGKILL)
        harness.wait()
    _wait_until(lambda: not processes_named(name))
    _wait_until(lambda: not os.listdir(nothing_is_left))


def test_nothing_is_left_of_a_worker_that_ends_before_it_is_ready(tier):
    worker = Worker(tier)
    worker.start()
    worker.end()


def _wait_until(condition, seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


ORDINARY = """
import os, tempfile
from pathlib import Path
from evals import Limits, check, check_many
from evals.errors import EvalError
from evals.sandbox import protections

def living():
    mine = []
    for folder in Path("/proc").glob("[0-9]*"):
        if folder.exists() and folder.stat().st_uid == os.getuid():
            if (folder / "stat").read_text().rsplit(")", 1)[1].split()[0] != "Z":
                mine.append(int(folder.name))
    return mine

assert os.geteuid() != 0
others = set(living())
short = Limits(cpu_seconds=1, wall_seconds=4)
jobs = {
    "passed": "import json, sqlite3, tempfile; tempfile.TemporaryFile()",
    "wrong_answer": "x = 2",
    "timeout_cpu": "while True: pass",
    "timeout_wall": "import time; time.sleep(9)",
    "out_of_memory": "x = ' ' * 10**10",
    "exited_early": "import os; os._exit(0)",
    "crashed": "import os; os.kill(os.getpid(), 11)",
    "exception": "import os; os.makedirs('a/b'); [os.chmod(path, 0) for path in ('a/b', 'a', '.')]; 1 / 0",
}
tests = "try:\\n    value = x\\nexcept NameError:\\n    value = 1\\nassert value == 1"
before = set(os.listdir(tempfile.gettempdir()))
found = [verdict.status for verdict in check_many([(code, tests) for code in jobs.values()], short)]
print(found == list(jobs), found)
daemons = '''
import os, time
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(60)
        os._exit(0)
for _ in range(3):
    os.wait()
'''
print(check(daemons, "", short).status)
bomb = '''
import os, time
end = time.monotonic() + 5
for _ in range(40):
    if os.fork() == 0:
        while time.monotonic() < end:
            time.sleep(0.2)
        os._exit(0)
'''
print(check(bomb, "", Limits(processes=16, wall_seconds=6)).detail)
print(set(living()) - others)
print(sorted(set(os.listdir(tempfile.gettempdir())) - before))
print(protections()["user"])
"""


def test_it_works_for_an_ordinary_user(as_ordinary_user):
    done = as_ordinary_user(ORDINARY)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("True "), lines[0]
    assert lines[1] == "passed"
    assert lines[2] == "BlockingIOError: [Errno 11] Resource temporarily unavailable"
    assert lines[3:] == ["set()", "[]", "the same as the harness"]


def test_the_protections_are_told(tier):
    told = protections()
    assert told["tier"] == tier
    held = ("harness_out_of_reach", "verdict_out_of_reach", "network_blocked", "files_hidden", "system_calls_filtered")
    assert all(told[name] is True for name in held)
    assert (told["disk_bounded"] == "watched", "no_full" in told) == ((tier == "confined",) * 2)
