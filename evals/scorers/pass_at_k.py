"""pass@k and pass^k: what several samples of each problem say about k of them; pass@1 of programs that are run here."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from evals.errors import EvalError
from evals.figures import UNJUDGED
from evals.scorers.score import Score

if TYPE_CHECKING:
    from evals.sandbox import Limits, Verdict


@dataclass(frozen=True)
class ExecutionScore:
    """The verdicts and what they come to.

    Attributes:
        verdicts: One a program, in order.
        fraction: pass@1, 0 to 1; None if no verdict counts.
        counted: How many verdicts count: all but those that say nothing of the program.
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
    """Run each program with its tests in the sandbox, and return the share that passes.

    Args:
        codes: Programs, one completion each.
        tests: Assert lines for each program.
        limits: What a program may use; the defaults of `Limits` if None.
        workers: How many run at a time; one a core if None.
        progress: Called with the number done and the number in all.

    Returns:
        The verdicts and the fraction. `harness_error` and `inconclusive` count neither for nor against a program.

    Raises:
        EvalError: If the lengths differ, or the sandbox cannot run here.
    """
    from evals.sandbox import Limits, check_many

    if len(codes) != len(tests):
        raise EvalError(f"pass@1 needs tests for each program; it got {len(codes)} programs, {len(tests)} tests.")
    verdicts = check_many(list(zip(codes, tests, strict=True)), limits or Limits(), workers, progress)
    counted = [verdict.passed for verdict in verdicts if verdict.status not in UNJUDGED]
    fraction = sum(counted) / len(counted) if counted else None
    return ExecutionScore(tuple(verdicts), fraction, len(counted))


def pass_at_k(samples: int | Sequence[int], passed: Sequence[int], k: int) -> Score:
    """Estimate the chance that at least one of k samples passes, without bias.

    The estimator of Chen et al. (2021), `1 - C(n - c, k) / C(n, k)` for c of n samples that passed, the mean over
    the problems. It is computed in whole numbers, so nothing is lost for many samples.

    Args:
        samples: How many samples each problem has, one number for all or one for each; at least k.
        passed: How many of each problem's samples passed.
        k: How many samples a user would draw.

    Returns:
        The mean, 0 to 1, with each problem's own estimate and a signature.

    Raises:
        EvalError: If the lengths differ, there are no problems, or a problem has fewer than k samples.

    Examples:
        >>> pass_at_k(10, [1, 10], k=5)
        0.75
    """
    return _estimate("pass@k", samples, passed, k, _any_passes)


def pass_hat_k(samples: int | Sequence[int], passed: Sequence[int], k: int) -> Score:
    """Estimate the chance that all of k samples pass, without bias: how far the model can be relied on.

    The estimator of Yao et al. (2024, tau-bench), `C(c, k) / C(n, k)` for c of n samples that passed.

    Args:
        samples: How many samples each problem has, one number for all or one for each; at least k.
        passed: How many of each problem's samples passed.
        k: How many samples a user would draw.

    Returns:
        The mean, 0 to 1, with each problem's own estimate and a signature.

    Raises:
        EvalError: If the lengths differ, there are no problems, or a problem has fewer than k samples.

    Examples:
        >>> pass_hat_k(10, [9, 10], k=5)
        0.75
    """
    return _estimate("pass^k", samples, passed, k, _all_pass)


@lru_cache(maxsize=4096)
def _any_passes(samples: int, passed: int, k: int) -> float:
    every = math.comb(samples, k)
    return (every - math.comb(samples - passed, k)) / every


@lru_cache(maxsize=4096)
def _all_pass(samples: int, passed: int, k: int) -> float:
    return math.comb(passed, k) / math.comb(samples, k)


def _estimate(
    metric: str,
    samples: int | Sequence[int],
    passed: Sequence[int],
    k: int,
    estimator: Callable[[int, int, int], float],
) -> Score:
    drawn = [samples] * len(passed) if isinstance(samples, int) else list(samples)
    if not drawn or len(drawn) != len(passed):
        raise EvalError(f"{metric} needs one count of samples for each problem; it got {len(drawn)}, {len(passed)}.")
    if k < 1:
        raise EvalError(f"{metric} needs k of at least 1, not {k}.")
    for number, (total, right) in enumerate(zip(drawn, passed, strict=True)):
        if total < k:
            raise EvalError(f"{metric} with k = {k} needs {k} samples of each problem; problem {number} has {total}.")
        if not 0 <= right <= total:
            raise EvalError(f"Of problem {number}'s {total} samples {right} are said to pass; give 0 to {total}.")
    rows = [estimator(int(total), int(right), int(k)) for total, right in zip(drawn, passed, strict=True)]
    spread = str(min(drawn)) if min(drawn) == max(drawn) else f"{min(drawn)}-{max(drawn)}"
    return Score(sum(rows) / len(rows), rows, f"k:{k}|n:{spread}|estimator:unbiased|problems:{len(rows)}")
