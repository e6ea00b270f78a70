"""What a program may use, and what is said of it afterwards."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal, get_args

from evals.errors import EvalError

MAX_DETAIL = 500

Status = Literal[
    "passed",
    "wrong_answer",
    "exception",
    "syntax_error",
    "missing_entry_point",
    "timeout_cpu",
    "timeout_wall",
    "out_of_memory",
    "crashed",
    "exited_early",
    "harness_error",
]
STATUSES: tuple[Status, ...] = get_args(Status)


@dataclass(frozen=True)
class Limits:
    """What one program may use, all its processes together unless said otherwise.

    Attributes:
        cpu_seconds: CPU time; the limit that decides, since the load of the machine does not change it.
        wall_seconds: Time on the clock; a generous backstop for a program that waits.
        memory_bytes: Address space of each process, and resident memory of all.
        output_bytes: How much of stdout and stderr is kept; the rest is read and thrown away.
        file_bytes: The size of each file it writes.
        processes: Processes and threads at a time.
        open_files: Descriptors of each process.
    """

    cpu_seconds: float = 5.0
    wall_seconds: float = 20.0
    memory_bytes: int = 512 * 2**20
    output_bytes: int = 2**20
    file_bytes: int = 16 * 2**20
    processes: int = 64
    open_files: int = 64

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not 0 < value < 2**62:
                raise EvalError(f"Limits: {field.name} is {value}; it must be a positive number.")


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
            - `timeout_cpu`, `timeout_wall`, `out_of_memory`: a limit was reached.
            - `crashed`: a signal ended the process.
            - `exited_early`: the process ended, or broke off its talk with the harness, before its tests had.
            - `harness_error`: the program was not judged, through no fault of its own.
        detail: The failing assertion, or the last line of the exception; 500 characters at most.
        cpu_seconds: CPU time of the program with all its processes, start of the interpreter left out.
        wall_seconds: Time on the clock, start of the interpreter left out.
        output_truncated: Whether it printed more than was kept; not a failure.
    """

    status: Status
    detail: str = ""
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    output_truncated: bool = False

    @property
    def passed(self) -> bool:
        """Whether the program passed its tests."""
        return self.status == "passed"
