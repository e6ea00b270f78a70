"""Verdicts that outlive the process: only what is missing runs, and nothing stale is ever found."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from evals import store as store_module
from evals.errors import EvalError
from evals.sandbox import Completed, Job, Limits, Verdict
from evals.store import VerdictStore

PROJECT = Path(__file__).resolve().parents[2]
GOOD, WRONG = ("def f():\n    return 1", "assert f() == 1"), ("def f():\n    return 1", "assert f() == 2")


@pytest.fixture
def store(tmp_path: Path) -> VerdictStore:
    return VerdictStore(tmp_path / "eval" / "verdicts.jsonl")


def keys_in(path: Path) -> list[str]:
    return [json.loads(line)["key"] for line in path.read_text().splitlines()]


def test_identical_programs_run_once_and_the_order_is_kept(store):
    jobs = [GOOD, WRONG, GOOD, Job(*GOOD), WRONG]
    told = []
    with store.sandbox(workers=2) as sandbox:
        verdicts = sandbox.check_many(jobs, lambda done, total: told.append((done, total)))
        assert sandbox.ran == 2
    assert [verdict.status for verdict in verdicts] == ["passed", "wrong_answer", "passed", "passed", "wrong_answer"]
    assert told[-1] == (5, 5)
    assert told == sorted(told)
    assert len(keys_in(store.path)) == len(store) == 2


def test_another_process_finds_every_field_again(store):
    first = store.judge([WRONG, ("print('é' * 2000)\nx = 1", "assert x == 1")], workers=1)
    again = VerdictStore(store.path)
    with again.sandbox(workers=1) as sandbox:
        assert sandbox.check_many([WRONG, ("print('é' * 2000)\nx = 1", "assert x == 1")]) == first
        assert sandbox.ran == 0
    assert first[0].detail == "assert f() == 2"


def test_whole_programs_are_kept_with_their_bytes(store):
    programs = [("import sys; sys.stdout.buffer.write(b'\\xff\\x00' + sys.stdin.buffer.read())", b"\xfe"), ("1/0", b"")]
    with store.sandbox(workers=1) as sandbox:
        first = sandbox.run_many(programs)
    with VerdictStore(store.path).sandbox(workers=1) as sandbox:
        assert sandbox.run_many(programs) == first
        assert sandbox.ran == 0
    assert first[0].stdout == b"\xff\x00\xfe"
    assert first[1].status == "exception"


CHANGES = {
    "the program": {"jobs": [(GOOD[0] + "\n", GOOD[1])]},
    "the tests": {"jobs": [(GOOD[0], GOOD[1] + "\n")]},
    "the kind": {"jobs": [Job(GOOD[0], ">>> f()\n1", "doctest")]},
    "a limit": {"limits": Limits(cpu_seconds=4)},
    "the tier": {"tier": "limited"},
    "the packages": {"packages": ("pluggy",)},
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_verdict_depends_on(store, what):
    settings = {"jobs": [GOOD], "limits": Limits(), "workers": 1}
    store.judge(**settings)
    store.judge(**(settings | CHANGES[what]))
    assert len(set(keys_in(store.path))) == 2


@pytest.mark.parametrize("part", ["sandbox", "python", "package_files"])
def test_a_verdict_depends_on_what_ran_it(store, monkeypatch, part):
    store.judge([GOOD], workers=1)
    known = store_module._context

    def changed(tier, packages):
        return {**known(tier, packages), part: "another"}

    monkeypatch.setattr(store_module, "_context", changed)
    with store.sandbox(workers=1) as sandbox:
        sandbox.check_many([GOOD])
        assert sandbox.ran == 1


def test_the_environments_tier_is_read_each_time(store, monkeypatch):
    store.judge([GOOD], workers=1)
    monkeypatch.setenv("EVALS_SANDBOX_TIER", "limited")
    assert store.judge([GOOD], workers=1)[0].tier == "limited"
    assert len(store) == 2


def test_the_sandboxs_version_is_that_of_its_source(tmp_path, monkeypatch):
    import shutil

    import evals.sandbox

    before = store_module.sandbox_version()
    copy = tmp_path / "sandbox"
    shutil.copytree(Path(evals.sandbox.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(evals.sandbox, "__file__", str(copy / "__init__.py"))
    store_module.sandbox_version.cache_clear()
    assert store_module.sandbox_version() == before
    script = next(iter(sorted((copy / "child").glob("*.py"))))
    script.write_text(script.read_text() + "# another\n")
    store_module.sandbox_version.cache_clear()
    assert store_module.sandbox_version() != before
    store_module.sandbox_version.cache_clear()


@pytest.mark.parametrize("status", ["harness_error", "inconclusive"])
def test_what_says_nothing_of_the_program_is_not_kept(store, status):
    store.put("a" * 64, Verdict(status))
    store.put("b" * 64, Completed(status))
    store.put("c" * 64, Verdict("timeout_cpu"))
    assert store.find(["a" * 64, "b" * 64, "c" * 64]) == {"c" * 64: Verdict("timeout_cpu")}
    assert len(store) == 1


def test_a_line_that_says_nothing_of_the_program_is_not_believed(store):
    store.put("a" * 64, Verdict("passed"))
    line = json.loads(store.path.read_text())
    for number, change in enumerate(["harness_error", None, 3]):
        line["key"], line["verdict"]["status"] = str(number), change
        with store.path.open("a") as file:
            file.write(json.dumps(line) + "\n")
    assert len(VerdictStore(store.path)) == 1


@pytest.mark.parametrize("cut", [1, 40, 200])
def test_a_torn_last_line_is_passed_over_and_ended_by_the_next(store, cut):
    store.judge([GOOD, WRONG], workers=1)
    whole = store.path.read_bytes()
    store.path.write_bytes(whole[:-cut])
    again = VerdictStore(store.path)
    assert len(again) == 1
    assert [verdict.status for verdict in again.judge([GOOD, WRONG], workers=1)] == ["passed", "wrong_answer"]
    assert len(VerdictStore(store.path)) == 2
    assert store.path.read_bytes().startswith(whole[:-cut] + b"\n")


@pytest.mark.parametrize("line", [b"[]", b"{}", b"\x00\x00", b'{"key": 1, "verdict": {}}', b"[" * 100_000, b"\xff"])
def test_a_spoilt_line_is_passed_over(store, line):
    store.put("a" * 64, Verdict("passed"))
    store.path.write_bytes(line + b"\n" + store.path.read_bytes())
    assert VerdictStore(store.path).find(["a" * 64]) == {"a" * 64: Verdict("passed")}


def test_a_file_that_was_replaced_is_read_anew(store):
    store.put("a" * 64, Verdict("passed"))
    other = VerdictStore(store.path.with_name("other.jsonl"))
    other.put("b" * 64, Verdict("crashed"))
    other.path.replace(store.path)
    assert store.find(["a" * 64, "b" * 64]) == {"b" * 64: Verdict("crashed")}
    store.path.unlink()
    assert len(store) == 0


SLOW_JOBS = """
import sys
from evals.store import VerdictStore
jobs = [(f"import time\\ntime.sleep(0.15)\\nx = {number}", f"assert x == {number}") for number in range(24)]
with VerdictStore(sys.argv[1]).sandbox(workers=2) as sandbox:
    print(len(jobs) == sum(verdict.passed for verdict in sandbox.check_many(jobs)), sandbox.ran)
"""


def start(store: VerdictStore) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SLOW_JOBS, str(store.path)]
    return subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)


def test_after_a_kill_only_what_is_missing_runs(store):
    killed = start(store)
    try:
        while not store.path.exists() or store.path.read_bytes().count(b"\n") < 5:
            assert killed.poll() is None
            time.sleep(0.01)
    finally:
        os.kill(killed.pid, signal.SIGKILL)
        killed.communicate()
    kept = len(VerdictStore(store.path))
    assert 5 <= kept < 24
    output, _ = start(store).communicate(timeout=60)
    assert output.split() == ["True", str(24 - kept)]
    assert len(set(keys_in(store.path))) == 24


def test_two_processes_share_the_work_and_run_nothing_twice(store):
    both = [start(store), start(store)]
    answers = [process.communicate(timeout=60)[0].split() for process in both]
    assert [answer[0] for answer in answers] == ["True", "True"]
    assert sum(int(answer[1]) for answer in answers) == 24
    assert len(keys_in(store.path)) == len(set(keys_in(store.path))) == 24


def test_the_users_store_is_in_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("EVALS_CACHE", str(tmp_path))
    assert VerdictStore.of_user("a/../b c").path == tmp_path / "verdicts" / "a_.._b_c.jsonl"
    assert VerdictStore.of_run(tmp_path).path == tmp_path / "eval" / "verdicts.jsonl"


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(EvalError, match=r"file/eval.*EVALS_CACHE"):
        VerdictStore(tmp_path / "file" / "eval" / "verdicts.jsonl").judge([GOOD], workers=1)


def test_a_verdict_with_a_changed_field_is_another(store):
    kept = Verdict("passed", detail="x", memory_bytes=3, tier="full")
    store.put("a" * 64, kept)
    assert VerdictStore(store.path).find(["a" * 64])["a" * 64] == kept != replace(kept, tier="limited")
