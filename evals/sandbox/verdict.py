"""What a program may use, and what is said of it afterwards."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal, get_args

from evals.errors import EvalError

MAX_DETAIL = 500

Tier = Literal["full", "confined", "limited"]
TIERS: tuple[Tier, ...] = get_args(Tier)
Kind = Literal["asserts", "doctest"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Status = Literal[
    "passed",
    "wrong_answer",
    "exception",
    "syntax_error",
    "missing_entry_point",
    "timeout_cpu",
    "timeout_wall",
    "inconclusive",
    "out_of_memory",
    "output_limit",
    "crashed",
    "exited_early",
    "forbidden",
    "missing_dependency",
    "unsupported_type",
    "harness_error",
]
STATUSES: tuple[Status, ...] = get_args(Status)
# These say nothing of the program.
UNJUDGED: tuple[Status, ...] = ("harness_error", "inconclusive")


@dataclass(frozen=True)
class Limits:
    """What one program may use, all its processes together unless said otherwise.

    Attributes:
        cpu_seconds: CPU time; the limit that decides, since the load of the machine does not change it.
        wall_seconds: Time on the clock, without what it waited for a core; a generous backstop for a program
            that waits.
        memory_bytes: Address space of each process, and resident memory of all.
        output_bytes: How much of stdout and stderr is kept; the rest is read and thrown away.
        file_bytes: The size of each file it writes.
        disk_bytes: What all its files hold.
        disk_files: Files and folders at a time.
        processes: Processes and threads at a time.
        open_files: Descriptors of each process.
    """

    cpu_seconds: float = 5.0
    wall_seconds: float = 20.0
    memory_bytes: int = 512 * 2**20
    output_bytes: int = 2**20
    file_bytes: int = 16 * 2**20
    disk_bytes: int = 64 * 2**20
    disk_files: int = 4096
    processes: int = 64
    open_files: int = 64

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not 0 < value < 2**62:
                raise EvalError(f"Limits: {field.name} is {value}; it must be a positive number.")


@dataclass(frozen=True)
class Job:
    """One program and how it is tested.

    Attributes:
        code: The program.
        tests: Assert lines, or text that holds doctest examples; with none, a program that runs to its end passes.
        kind: What `tests` holds.
    """

    code: str
    tests: str = ""
    kind: Kind = "asserts"

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise EvalError(f"Job: there is no kind of tests {self.kind!r}; it is one of {', '.join(KINDS)}.")


@dataclass(frozen=True)
class Verdict:
    """What came of running one program.

    Attributes:
        status: The outcome.

            - `passed`: the tests ran to their end; without tests, the program did.
            - `wrong_answer`: an assertion of the tests failed.
            - `exception`: the program, or a call from the tests, raised.
            - `syntax_error`: the program does not compile.
            - `missing_entry_point`: the tests use a name that the program does not define.
            - `missing_dependency`: it imports a package that the sandbox does not offer.
            - `unsupported_type`: the tests compare a plain value with an object whose class the program made up, so
              that the program would decide for itself.
            - `forbidden`: it ended by something that the sandbox does not allow.
            - `timeout_cpu`, `timeout_wall`, `out_of_memory`, `output_limit`: a limit was reached.
            - `crashed`: a signal ended the process.
            - `exited_early`: the process ended, or broke off its talk with the tests, before they had.
            - `inconclusive`: it was not done in time on a machine too busy to let it run.
            - `harness_error`: the program was not judged, through no fault of its own.
        detail: The failing assertion, or the last line of the exception; 500 characters at most.
        cpu_seconds: CPU time of the program with all its processes, start of the interpreter left out.
        wall_seconds: Time on the clock, start of the interpreter left out.
        memory_bytes: The most resident memory that was seen.
        output_truncated: Whether it printed more than was kept; not a failure.
        output: What it printed to stdout, as far as it was kept.
        relied_on_program: Whether an object of the program's own class decided a comparison of the tests.
        tier: The protections that it ran under.
    """

    status: Status
    detail: str = ""
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    memory_bytes: int = 0
    output_truncated: bool = False
    output: str = ""
    relied_on_program: bool = False
    tier: str = ""

    @property
    def passed(self) -> bool:
        """Whether the program passed its tests."""
        return self.status == "passed"


@dataclass(frozen=True)
class Completed:
    """What a whole program printed, and how it ended.

    Attributes:
        status: `exited`, or one of `Verdict`'s that are no judgement of an answer.
        stdout: What it printed, as far as it was kept.
        stderr: What it printed there, as far as it was kept.
        exit_code: Its exit code; None if a signal or a limit ended it.
        cpu_seconds: CPU time of all its processes.
        wall_seconds: Time on the clock.
        memory_bytes: The most resident memory that was seen.
        output_truncated: Whether it printed more than was kept.
        tier: The protections that it ran under.
        detail: The last line of the exception, or which limit was reached.
    """

    status: Status | Literal["exited"]
    stdout: bytes = b""
    stderr: bytes = b""
    exit_code: int | None = None
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    memory_bytes: int = 0
    output_truncated: bool = False
    tier: str = ""
    detail: str = ""
