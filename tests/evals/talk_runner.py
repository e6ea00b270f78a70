"""Runs programs and tests as the sandbox does, in two processes joined by a socket, but without its walls.

For trying out who decides: started as a script with the folder of the sandbox's modules, it reads jobs from standard
input, one JSON object a line, and writes an outcome for each. The programs must be harmless.
"""

import json
import os
import resource
import signal
import socket
import sys

sys.path.insert(0, sys.argv[1])

import candidate
import tester

_SECONDS = 20
_MEMORY = 2**30


def main() -> None:
    """Serve until standard input ends."""
    for line in sys.stdin:
        print(json.dumps(_outcome(json.loads(line))), flush=True)


def _outcome(job: dict) -> dict:  # type: ignore[type-arg]
    one, other = socket.socketpair()
    report_out, report_in = os.pipe()
    program = os.fork()
    if program == 0:
        _settle(other.fileno(), None)
        candidate.hide_this_folder()
        candidate.become(job["code"], 3)
    tests = os.fork()
    if tests == 0:
        _settle(one.fileno(), report_in)
        candidate.hide_this_folder()
        tester.become(job["tests"], job.get("kind", "asserts"), 3, 4)
    one.close()
    other.close()
    os.close(report_in)
    with open(report_out, "rb") as file:
        data = file.read()
    _, status = os.waitpid(tests, 0)
    os.kill(program, signal.SIGKILL)
    os.waitpid(program, 0)
    if len(data) < 8 or int.from_bytes(data[:8]) != len(data) - 8:
        return {"status": "no report", "detail": f"wait status {status}", "line": 0, "relied_on_program": False}
    return json.loads(data[8:])


def _settle(channel: int, report: int | None) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, *((2,) if "-q" in sys.argv else ())):
        os.dup2(null, descriptor)
    if report is None:
        os.dup2(channel, 3)
        os.closerange(4, 1024)
    else:
        channel, report = os.dup(channel), os.dup(report)
        os.dup2(channel, 3)
        os.dup2(report, 4)
        os.closerange(5, 1024)
    sys.argv[:] = ["solution.py"]
    signal.alarm(_SECONDS)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))


main()
