"""pass@1: the share of programs that pass their tests in the sandbox."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from evals.errors import EvalError
from evals.sandbox import Limits, Verdict, check_many


@dataclass(frozen=True)
class ExecutionScore:
    """The verdicts and what they come to.

    Attributes:
        verdicts: One a program, in order.
        fraction: pass@1, 0 to 1; None if no verdict counts.
        counted: How many verdicts count: all but the harness errors.
    """

    verdicts: tuple[Verdict, ...]
    fraction: float | None
    counted: int


def pass_at_1(
    codes: Sequence[str],
    tests: Sequence[str],
    limits: Limits | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ExecutionScore:
    """Run each program with its tests and return the share that passes.

    Args:
        codes: Programs, one completion each.
        tests: Assert lines for each program.
        limits: What a program may use; the defaults of `Limits` if None.
        workers: How many run at a time; one a core if None.
        progress: Called with the number done and the number in all.

    Returns:
        The verdicts and the fraction. A harness error counts neither for nor against a program.

    Raises:
        EvalError: If the lengths differ, or the sandbox cannot run here.
    """
    if len(codes) != len(tests):
        raise EvalError(f"pass@1 needs tests for each program; it got {len(codes)} programs, {len(tests)} tests.")
    verdicts = check_many(list(zip(codes, tests, strict=True)), limits or Limits(), workers, progress)
    counted = sum(verdict.status != "harness_error" for verdict in verdicts)
    return ExecutionScore(tuple(verdicts), fraction_passed(verdicts), counted)


def fraction_passed(verdicts: Iterable[Verdict]) -> float | None:
    """Return the share of verdicts that passed, harness errors left out.

    Args:
        verdicts: Any verdicts.

    Returns:
        A fraction, 0 to 1; None if none counts.
    """
    counted = [verdict.passed for verdict in verdicts if verdict.status != "harness_error"]
    return sum(counted) / len(counted) if counted else None
