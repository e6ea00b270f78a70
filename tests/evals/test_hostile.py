"""None of the hostile programs forges, hangs, survives, reads or damages; all the awkward ones pass."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from evals.errors import EvalError
from evals.sandbox import Verdict, check_many, protections
from evals.sandbox.doctor import Diagnosis, doctor, write_diagnosis
from evals.sandbox.hostile import PROGRAMS, Hostile, Outcome, run_hostile
from evals.sandbox.hostile.bait import CANARY_VARIABLE, open_folders
from evals.sandbox.hostile.program import QUICK

PROJECT = Path(__file__).resolve().parents[2]
CATEGORIES = ("forging", "resources", "reaching_out", "awkward")
# At tier confined too, and nothing excuses it.
NEVER_EXCUSED = {"forges", "hangs", "survives", "reads a secret"}

# Not held yet. A name goes from here as soon as it is; none may come.


def _of(category: str, share: int = 1) -> list[Hostile]:
    return [program for program in PROGRAMS if program.category == category][::share]


def _holes(outcomes: list[Outcome]) -> dict[str, str]:
    return {outcome.name: outcome.why for outcome in outcomes if not outcome.held and not outcome.excused}


def _skip_unless_there_is(tier: str) -> None:
    try:
        protections(tier)
    except EvalError as error:
        pytest.skip(str(error))


# Programs that wait for a limit take most of the time: every fourth of those, and all of them where there is time.
SHARES = [
    ("forging", 1),
    ("resources", 4),
    pytest.param("resources", 1, marks=pytest.mark.slow),
    ("reaching_out", 1),
    ("awkward", 1),
]


@pytest.mark.parametrize("tier", ["full", "confined"])
@pytest.mark.parametrize(("category", "share"), SHARES)
def test_at_tier(tier, category, share):
    _skip_unless_there_is(tier)
    assert _holes(run_hostile(_of(category, share), tier)) == {}


ORDINARY = """
import os
from evals.errors import EvalError
from evals.sandbox import protections
from evals.sandbox.hostile import PROGRAMS, run_hostile
assert os.geteuid() != 0
try:
    protections({tier!r})
except EvalError as error:
    print("no such tier:", error)
else:
    programs = [program for program in PROGRAMS if program.category == {category!r}][::{share}]
    outcomes = run_hostile(programs, {tier!r})
    print(len(outcomes), {{o.name: o.why for o in outcomes if not o.held and not o.excused}})
"""


# What tells the two users apart is mostly what a program can reach.
AS_ORDINARY = [
    ("full", "forging", 1),
    ("full", "reaching_out", 1),
    ("confined", "reaching_out", 1),
    *(
        pytest.param(*rest, marks=pytest.mark.slow)
        for rest in (
            ("full", "resources", 1),
            ("full", "awkward", 1),
            ("confined", "forging", 1),
            ("confined", "resources", 1),
            ("confined", "awkward", 1),
        )
    ),
]


@pytest.mark.parametrize(("tier", "category", "share"), AS_ORDINARY)
def test_as_an_ordinary_user(as_ordinary_user, tier, category, share):
    done = as_ordinary_user(ORDINARY.format(tier=tier, category=category, share=share), 500)
    assert done.returncode == 0, done.stderr
    if done.stdout.startswith("no such tier:"):
        pytest.skip(done.stdout)
    assert done.stdout.strip() == f"{len(_of(category, share))} {{}}"


def test_the_limitations_are_still_there():
    # A correct program that has come to pass is no longer one.
    limited = [program for program in PROGRAMS if program.limitation]
    assert {program.category for program in limited} == {"awkward"}
    assert [outcome.name for outcome in run_hostile(limited) if outcome.held] == []


def test_what_is_excused_at_a_lower_tier_is_none_of_the_worst():
    assert {program.name for program in PROGRAMS if program.needs and program.harm in NEVER_EXCUSED} == set()


def test_the_programs_are_many_and_each_has_a_name_of_its_own():
    assert len(PROGRAMS) == len({program.name for program in PROGRAMS})
    counts = Counter(program.category for program in PROGRAMS)
    assert set(counts) == set(CATEGORIES)
    assert sum(counts.values()) - counts["awkward"] >= 75
    for program in PROGRAMS:
        assert not program.expected & {"harness_error", "inconclusive"}, program.name
        assert ("passed" in program.expected) is False or program.category != "forging", program.name


@pytest.mark.parametrize("category", CATEGORIES)
def test_the_programs_can_be_read_by_python(category):
    for program in _of(category):
        if not program.name.startswith(("parsing:", "wrong: no syntax")):
            compile(re.sub("@[A-Z0-9]+@", "1", program.code), "program", "exec")


class Careless:
    """Runs programs as careless harnesses do: in an interpreter that anybody could have started, judged by its exit.

    What it is given here harms nobody: it runs with the rights of the test, on bait alone.
    """

    @staticmethod
    def check_many(jobs, limits, workers=None, progress=None, **_):
        verdicts = []
        for code, tests in jobs:
            # To a file: a pipe would be waited for until the last daemon lets go of it.
            with tempfile.TemporaryFile("w+", errors="replace") as said:
                command = [sys.executable, "-c", f"{code}\n{tests}"]
                try:
                    done = subprocess.run(command, stdout=said, stderr=said, timeout=20, check=False)
                    status = "exception" if done.returncode else "passed"
                except subprocess.TimeoutExpired:
                    status = "timeout_wall"
                said.seek(0)
                verdicts.append(Verdict(status, output=said.read()))
        return verdicts


# None of these does anything outside of what was laid out for it, whoever runs it.
HARMLESS = {
    "an object that equals everything": "a wrong program was scored correct",
    "leaves: os._exit(0) when called": "a wrong program was scored correct",
    "leaves: a thread that leaves with 0": "a wrong program was scored correct",
    "a name of its own for all": "a wrong program was scored correct",
    "finds the answer in the constants of the frames below": "a wrong program was scored correct",
    "StopIteration ends a loop of the tests early": "a wrong program was scored correct",
    "secrets: the environment": "it read a secret",
    "secrets: the Hub's token file": "it read a secret",
    "secrets: the environment of a bystander": "it read a secret",
    "others: ends a bystander": "a process of the harness's user was ended (-9)",
    "others: stops a bystander": "whether it is stopped was changed",
    "others: the cores of a bystander": "the cores it may use was changed",
    "network: TCP on this machine": "it talked to a socket",
    "network: UDP on this machine": "it talked to a socket",
    "network: a Unix socket without a path": "it talked to a socket",
    "plants: in the home folder": ".bashrc in the home folder was changed",
    "plants: a deletion of the home folder": "notes.txt in the home folder was changed",
    "plants: by a shell": "in the home folder was changed",
    "plants: a System V segment": "it left shared memory of System V",
    "leaves: files in /dev/shm": "it left /dev/shm/planted-",
    "leaves: files in /tmp and /var/tmp": "it left /tmp/planted-",
    "a daemon by two forks": "1 of its processes outlived it",
    "a shell in the background": "outlived it",
}


@pytest.mark.parametrize("name", HARMLESS)
def test_a_careless_harness_is_found_out(name):
    (program,) = (program for program in PROGRAMS if program.name == name)
    if "cores" in name and len(os.sched_getaffinity(0)) == 1:
        pytest.skip("there is one core only")
    (outcome,) = run_hostile([program], sandbox=Careless)
    assert not outcome.held
    assert HARMLESS[name] in outcome.why, outcome


def test_the_awkward_programs_are_right_by_plain_python():
    programs = [p for p in _of("awkward") if p.kind == "asserts" and not p.name.startswith("wrong:")]
    # One would write to the home folder of who runs this; three want their names apart from those of the tests.
    skipped = (
        "files: the home folder",
        "in and out: a guarded main part",
        "names: a helper called check",
        "names: the tests' helper of the same name",
        "together: tests that import the program",
    )
    programs = [p for p in programs if p.name not in skipped][::4]
    outcomes = run_hostile(programs, sandbox=_InAFolder)
    assert {outcome.name: outcome.why for outcome in outcomes if not outcome.held} == {}


class _InAFolder:
    @staticmethod
    def check_many(jobs, limits, workers=None, progress=None, **_):
        before = os.getcwd()
        verdicts = []
        for job in jobs:
            with tempfile.TemporaryDirectory() as folder:
                os.chdir(folder)
                try:
                    verdicts += Careless.check_many([job], limits)
                finally:
                    os.chdir(before)
        return verdicts


def test_what_was_laid_out_is_taken_in():
    before = {folder: set(os.listdir(folder)) for folder in map(Path, ("/var/tmp", "/dev/shm")) if folder.is_dir()}
    assert CANARY_VARIABLE not in os.environ
    run_hostile(_of("reaching_out", 9))
    assert CANARY_VARIABLE not in os.environ
    for folder, names in before.items():
        assert {name for name in set(os.listdir(folder)) - names if name.startswith(("evals-bait", "planted"))} == set()


def test_what_a_killed_run_laid_out_is_taken_in_by_the_next():
    gone = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True
    )
    stale = Path(f"/var/tmp/evals-bait-{gone.stdout.strip()}-x")
    if not os.access(stale.parent, os.W_OK):
        pytest.skip("there is no /var/tmp")
    stale.mkdir()
    run_hostile(_of("awkward")[:1])
    assert not stale.exists()


def test_outcomes_keep_the_order_and_progress_is_told():
    programs = [_of("awkward")[0], _of("forging")[0], _of("awkward")[1]]
    heard = []
    outcomes = run_hostile(programs, progress=lambda done, total: heard.append((done, total)))
    assert [outcome.name for outcome in outcomes] == [program.name for program in programs]
    assert heard[-1] == (3, 3)


def test_a_sandbox_that_hangs_is_told_of(monkeypatch):
    monkeypatch.setattr("evals.sandbox.hostile.run._PATIENCE_SECONDS", 0.1)
    release = threading.Event()

    class Stuck:
        @staticmethod
        def check_many(jobs, limits, workers=None, progress=None, **_):
            if any("@" not in code and "stuck" in code for code, _ in jobs):
                release.wait(30)
            return [Verdict("passed")] * len(jobs)

    limits = replace(QUICK, cpu_seconds=0.1, wall_seconds=0.1)
    good = Hostile("good", "awkward", "fails", "x = 1", "", frozenset({"passed"}), limits)
    outcomes = run_hostile([good, replace(good, name="bad", code="stuck = 1")], sandbox=Stuck)
    release.set()
    assert [outcome.held for outcome in outcomes] == [True, False]
    assert "did not come back" in outcomes[1].why


def test_an_error_of_the_sandbox_is_passed_on():
    with pytest.raises(EvalError, match="no tier 'none'"):
        run_hostile(PROGRAMS[:1], "none")


def _outcome(**changes: object) -> Outcome:
    return replace(Outcome("a program", "forging", True, "", Verdict("wrong_answer"), "forges"), **changes)


def test_a_diagnosis_counts_and_tells():
    told = {"tier": "confined", "namespaces": False, "network_blocked": True, "no_full": "no user namespaces"}
    outcomes = [_outcome(), _outcome(held=False, why="bad"), _outcome(held=False, why="so", excused="a namespace")]
    diagnosis = Diagnosis(told, outcomes, 1.25)
    assert [hole.why for hole in diagnosis.holes] == ["bad"]
    assert [hole.why for hole in diagnosis.accepted] == ["so"]
    assert diagnosis.missing == [
        "no namespaces: programs see the machine's network devices and process numbers",
        "tier full is not used: no user namespaces",
    ]
    told = diagnosis.as_dict()
    assert (told["held"]["forging"], told["tried"]["forging"], told["tried"]["awkward"]) == (1, 3, 0)
    assert [program["why"] for program in told["holes"]] == ["bad"]


def test_a_diagnosis_is_written_aside_and_renamed(tmp_path):
    path = tmp_path / "doctor.json"
    path.write_text("old")
    diagnosis = Diagnosis({"tier": "full"}, [_outcome()], 1.0)
    write_diagnosis(diagnosis, path)
    assert json.loads(path.read_text())["tier"] == "full"
    assert os.listdir(tmp_path) == ["doctor.json"]
    with pytest.raises(EvalError, match=r"cannot be written to .*nowhere"):
        write_diagnosis(diagnosis, tmp_path / "nowhere" / "doctor.json")


def test_the_doctor_runs_one_in_eight_when_quick():
    diagnosis = doctor(quick=True, programs=_of("forging")[:17])
    assert [outcome.name for outcome in diagnosis.outcomes] == [program.name for program in _of("forging")[:17:8]]
    assert diagnosis.tier == protections()["tier"]


def _doctor(*arguments: str, code: str = "") -> subprocess.CompletedProcess[str]:
    program = f"import sys, runpy\n{code}\nsys.argv = ['evals', 'doctor', *{list(arguments)!r}]\n"
    program += "runpy.run_module('evals', run_name='__main__')"
    return subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, timeout=300, check=False
    )


FEW = "import evals.sandbox.doctor as d\nd.doctor.__kwdefaults__['programs'] = {programs}"


def test_the_command_ends_with_0_where_there_is_no_hole(tmp_path):
    path = tmp_path / "doctor.json"
    done = _doctor("--json", str(path), code=FEW.format(programs="[p for p in d.PROGRAMS if 'os._exit' in p.name]"))
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(path.read_text())
    assert f"The sandbox runs at tier {told['tier']}." in done.stdout
    assert told["tried"]["forging"] == told["held"]["forging"] == 2
    assert "no hole in 2 programs" in done.stdout
    assert {program["status"] for program in told["programs"]} <= {"exited_early", "crashed"}


def test_the_command_ends_with_1_where_there_is_a_hole():
    wrong = "[d.Hostile('a [bold] name', 'forging', 'forges', 'x = 1', 'assert x == 1', frozenset({'exception'}))]"
    done = _doctor(code=FEW.format(programs=wrong))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Hole: forging, a [bold] name: a wrong program was scored correct" in done.stdout
    assert "1 hole in 1 programs" in done.stdout


def test_the_command_ends_with_2_where_the_sandbox_cannot_run(tmp_path):
    for arguments, words in (
        (("--tier", "best"), "no tier 'best'"),
        (("--json", str(tmp_path / "nowhere" / "x.json")), "There is no folder"),
    ):
        done = _doctor(*arguments)
        assert (done.returncode, done.stdout) == (2, ""), done
        assert words in done.stderr
        assert "Traceback" not in done.stderr
    done = _doctor(
        code="import sysconfig, evals.__main__, evals.sandbox.doctor\nsysconfig.get_paths()\nsys.platform = 'darwin'"
    )
    assert done.returncode == 2, done
    assert "needs Linux" in done.stderr


def test_the_folders_that_are_searched_hold_the_usual_ones():
    assert {Path("/tmp"), Path("/etc"), Path(os.__file__).resolve().parent} <= set(open_folders())


def test_check_many_takes_what_run_hostile_gives():
    (verdict,) = check_many([("x = 1", "assert x == 1")], QUICK, 1)
    assert verdict.passed
