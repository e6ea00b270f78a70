"""What the wardens told of a job, as a verdict.

The tests' process decides whether a program is right, and the program's warden whether it kept to its limits. The
program's own process has no word in it.
"""

from __future__ import annotations

import ast
import json
import os
import signal
from typing import TYPE_CHECKING, Any, Literal

from evals.sandbox.verdict import MAX_DETAIL, STATUSES, Completed, Job, Limits, Status, Verdict

if TYPE_CHECKING:
    from evals.sandbox.worker import Raw

# What a process ends with that cannot even tell that its memory is used up; `child/candidate.py` has it too.
_OUT_OF_MEMORY_CODE = 77
_Found = tuple[Status, str]


def verdict(raw: Raw, job: Job, limits: Limits, tier: str) -> Verdict:
    """Compose the verdict on a program from what its warden and that of its tests told.

    Args:
        raw: What was told.
        job: The program and its tests.
        limits: What it could use.
        tier: The protections it ran under.

    Returns:
        The verdict.
    """
    program, tests = raw.told
    report = _report(tests["word"])
    status, detail = _stopped(program, limits) or _judged(program, tests, report, raw.stderr, limits, job)
    return Verdict(
        status,
        detail[:MAX_DETAIL],
        cpu_seconds=program["cpu"],
        wall_seconds=raw.wall_seconds,
        memory_bytes=program["memory"],
        output_truncated=raw.truncated,
        output=raw.stdout.decode("utf-8", "replace"),
        relied_on_program=bool(report.get("relied_on_program")),
        tier=tier,
    )


def completed(raw: Raw, limits: Limits, tier: str) -> Completed:
    """Say how a whole program ended.

    Args:
        raw: What its warden and its pipes told.
        limits: What it could use.
        tier: The protections it ran under.

    Returns:
        What came of it.
    """
    (program,) = raw.told
    code = os.waitstatus_to_exitcode(program["status"]) if program["status"] >= 0 else -1
    status: Status | Literal["exited"]
    word = program["word"].encode("latin-1").decode("utf-8", "replace")
    if program["word"].startswith("setup: "):
        status, detail = "harness_error", word
    elif stopped := _stopped(program, limits):
        status, detail = stopped
    elif code < 0:
        status, detail = _signalled(-code, limits)
    else:
        status, detail = "exited", ""
        told, _, text = word.partition(": ")
        named = next((name for name in STATUSES if name == told), None)
        # Only a failure is believed: the word comes from the program's own process.
        if code and named in ("exception", "syntax_error", "missing_dependency", "forbidden", "out_of_memory"):
            status, detail = named, text
    return Completed(
        status,
        raw.stdout,
        raw.stderr,
        code if code >= 0 and not program["stopped"] else None,
        cpu_seconds=program["cpu"],
        wall_seconds=raw.wall_seconds,
        memory_bytes=program["memory"],
        output_truncated=raw.truncated,
        tier=tier,
        detail=detail[:MAX_DETAIL],
    )


def _stopped(program: dict[str, Any], limits: Limits) -> _Found | None:
    """Say which limit a program passed, or that it never began; None if neither."""
    if program["word"].startswith("setup: "):
        return "harness_error", f"the program's process could not be made: {program['word'][7:]}"
    found: dict[str, _Found] = {
        "memory": ("out_of_memory", "its processes together held more than the limit"),
        "cpu": ("timeout_cpu", f"it used more than {limits.cpu_seconds:g} CPU seconds"),
        "wall": ("timeout_wall", f"it was not done after {limits.wall_seconds:g} seconds"),
        "disk": ("output_limit", "its files held more than the limit"),
        "starved": ("inconclusive", "the machine was too busy to let it run"),
    }
    return found.get(program["stopped"])


def _judged(
    program: dict[str, Any], tests: dict[str, Any], report: dict[str, Any], stderr: bytes, limits: Limits, job: Job
) -> _Found:
    if not report and tests["stopped"] != "asked":
        return _without_report(tests, limits)
    # Tests that have to be stopped after their program had ended have found nothing else.
    status = next((name for name in STATUSES if name == report.get("status", "exited_early")), None)
    detail = str(report.get("detail", ""))
    if status is None:
        return "harness_error", f"the tests' process told {report.get('status')!r}"
    code = os.waitstatus_to_exitcode(program["status"]) if program["status"] >= 0 else 0
    if status == "exited_early" and not detail.startswith("SystemExit"):
        if code < 0 and not program["stopped"]:
            found, text = _signalled(-code, limits)
            return found, f"{text}: {last}" if found == "crashed" and (last := _last_line(stderr)) else text
        if code == _OUT_OF_MEMORY_CODE:
            return "out_of_memory", "MemoryError"
        if code >= 0:
            detail = f"the process ended with exit code {code} before the tests were done"
    if status == "exception" and detail.startswith("MemoryError"):
        return "out_of_memory", detail
    if status == "exception" and detail.startswith("PermissionError"):
        return "forbidden", detail
    if status == "wrong_answer" and job.kind == "asserts":
        detail = _assertion(job.tests, int(report.get("line", 0)), detail)
    return status, detail


def _without_report(tests: dict[str, Any], limits: Limits) -> _Found:
    if tests["word"].startswith("setup: "):
        return "harness_error", f"the tests' process could not be made: {tests['word'][7:]}"
    stopped = _stopped(tests, limits)
    if stopped:
        return stopped[0], f"in the tests: {stopped[1]}"
    code = os.waitstatus_to_exitcode(tests["status"]) if tests["status"] >= 0 else 0
    if code == -signal.SIGXCPU:
        return "timeout_cpu", f"the tests used more than {limits.cpu_seconds:g} CPU seconds"
    return "harness_error", f"the tests' process ended with {code} and told nothing"


def _signalled(number: int, limits: Limits) -> _Found:
    if number == signal.SIGXCPU:
        return "timeout_cpu", f"it used more than {limits.cpu_seconds:g} CPU seconds"
    if number == signal.SIGSYS:
        return "forbidden", "it made a system call of another architecture"
    return "crashed", f"killed by signal {number}"


def _report(word: str) -> dict[str, Any]:
    """Return what the tests' process reported; empty if it is not whole."""
    data = word.encode("latin-1")
    if len(data) < 8 or len(data) - 8 < int.from_bytes(data[:8]):
        return {}
    try:
        report = json.loads(data[8 : 8 + int.from_bytes(data[:8])])
    except ValueError:
        return {}
    return report if isinstance(report, dict) else {}


def _last_line(stderr: bytes) -> str:
    lines = stderr.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else ""


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
