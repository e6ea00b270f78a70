"""What one hostile program is, and what the programs share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from evals.sandbox.verdict import STATUSES, Limits, Status

Category = Literal["forging", "resources", "reaching_out", "awkward"]
Harm = Literal[
    "forges", "hangs", "survives", "takes too much", "reads a secret", "damages", "reaches the network", "fails"
]

PASSED: frozenset[Status] = frozenset({"passed"})
# The program was judged, and it did not pass.
NOT_PASSED: frozenset[Status] = frozenset(STATUSES) - {"passed", "harness_error", "inconclusive"}
JUDGED: frozenset[Status] = PASSED | NOT_PASSED

MIB = 2**20
QUICK = Limits(
    cpu_seconds=1.0, wall_seconds=3.0, memory_bytes=256 * MIB, disk_bytes=32 * MIB, disk_files=512, processes=32
)
ROOMY = Limits(cpu_seconds=10.0, wall_seconds=60.0)


@dataclass(frozen=True)
class Hostile:
    """A program, and what must come of it.

    In `code` and `tests` stand names that `run_hostile` replaces by what it has laid out for this program alone:

    - `@TAG@`: a random word; what carries it in its name or text was made by this program.
    - `@HOME@`, `@PROJECT@`: folders with secrets in them, such as a home folder and a project have.
    - `@BYSTANDER@`: the number of a process that belongs to the user of the harness.
    - `@TCP@`, `@TCP6@`, `@UDP@`: ports at which somebody listens on this machine's loopback device; 0 where there is
      no such protocol.
    - `@SOCKET@`, `@DATAGRAMS@`, `@ABSTRACT@`: the paths of two Unix sockets, one for streams and one for datagrams, and
      the name of one without a path.
    - `@HARNESS@`, `@UID@`: the numbers of the harness's own process and of its user; `@KEY@`: a key for what System V
      shares.

    Attributes:
        name: A few words, different for each program.
        category: The kind of program.
        harm: What it does where it is not held.
        code: The program.
        tests: Its tests.
        expected: The statuses that are right. Whatever the status, nothing may be left of it, and nothing that was
            laid out may have been touched or told.
        limits: What it may use.
        kind: What `tests` holds.
        marked: Whether a pass that is marked as `relied_on_program` is right too: the tests hand the decision to the
            program's own class.
        needs: What it takes to hold it beyond tier confined, and why; empty where each tier from there up must.
        limitation: Why a correct program fails at every tier; empty for all but a few.
    """

    name: str
    category: Category
    harm: Harm
    code: str
    tests: str
    expected: frozenset[Status]
    limits: Limits = QUICK
    kind: Literal["asserts", "doctest"] = "asserts"
    marked: bool = False
    needs: str = ""
    limitation: str = ""


# Gives the process and all that it forks a name that the harness finds.
NAME_ITSELF = """
import ctypes as _ctypes
_ctypes.CDLL(None).prctl(15, b"@TAG@", 0, 0, 0)
"""
