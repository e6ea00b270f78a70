"""Many programs over as many workers as there are cores."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

from evals.errors import EvalError
from evals.sandbox.packages import paths_of
from evals.sandbox.tiers import tier_for
from evals.sandbox.verdict import Completed, Job, Kind, Limits, Verdict
from evals.sandbox.worker import TierUnavailable, Worker

_DEFAULT_LIMITS = Limits()
Progress = Callable[[int, int], None]
_Result = TypeVar("_Result", Verdict, Completed)


class Sandbox:
    """A set of workers that judge programs, until the `with` block ends.

    `check` says what holds a program.

    Attributes:
        tier: The protections that programs run under.
        limits: What each program may use.

    Examples:
        >>> with Sandbox(workers=1) as sandbox:
        ...     verdicts = sandbox.check_many([("x = 1", "assert x == 1"), ("x = 1", "assert x == 2")])
        >>> [verdict.status for verdict in verdicts]
        ['passed', 'wrong_answer']
    """

    def __init__(
        self,
        limits: Limits = _DEFAULT_LIMITS,
        workers: int | None = None,
        tier: str | None = None,
        packages: Sequence[str] = (),
    ) -> None:
        """Find the tier; the workers start with the `with` block.

        Args:
            limits: What each program may use.
            workers: How many programs run at a time; one a core if None.
            tier: `full`, `confined` or `limited`; the best there is if None.
            packages: Import names of installed packages that programs and tests may use beyond the standard library.

        Raises:
            EvalError: If `workers` is not positive, a package is not installed, or the tier cannot be had.
        """
        if workers is not None and workers < 1:
            raise EvalError(f"The number of workers is {workers}; it must be at least 1.")
        self.limits = limits
        self.tier = tier_for(tier)
        paths = paths_of(packages)
        count = workers or len(os.sched_getaffinity(0))
        self._workers = [Worker(self.tier, paths, limits) for _ in range(count)]

    def __enter__(self) -> Sandbox:
        try:
            for worker in self._workers:
                worker.start()
            for worker in self._workers:
                worker.wait_until_ready()
        except TierUnavailable as error:
            self.close()
            raise EvalError(f"The sandbox could not start: {error}.") from error
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the workers and all that they run."""
        for worker in self._workers:
            worker.end()

    def check_many(
        self, jobs: Sequence[Job | tuple[str, str]], progress: Progress | None = None, limits: Limits | None = None
    ) -> list[Verdict]:
        """Judge programs by their tests.

        What was not done in time on a busy machine is run once more, alone, after the others.

        Args:
            jobs: Programs with their tests.
            progress: Called in the calling thread with the number done and the number in all.
            limits: What each program may use; the sandbox's own limits if None.

        Returns:
            The verdicts, in the order of the jobs.
        """
        limits = limits or self.limits
        given = [job if isinstance(job, Job) else Job(*job) for job in jobs]
        verdicts = self._each(given, lambda worker, job, stop: worker.check(job, limits, stop), progress)
        return self._again_where_busy(verdicts, lambda index: self._workers[0].check(given[index], limits))

    def run_many(
        self, programs: Sequence[tuple[str, bytes]], progress: Progress | None = None, limits: Limits | None = None
    ) -> list[Completed]:
        """Run whole programs, each with its standard input.

        Args:
            programs: Pairs of a program and what it reads.
            progress: Called in the calling thread with the number done and the number in all.
            limits: What each program may use; the sandbox's own limits if None.

        Returns:
            What came of each, in the order of the programs.
        """
        limits = limits or self.limits
        done = self._each(programs, lambda worker, program, stop: worker.run(*program, limits, stop), progress)
        return self._again_where_busy(done, lambda index: self._workers[0].run(*programs[index], limits))

    def _again_where_busy(self, results: list[_Result], again: Callable[[int], _Result]) -> list[_Result]:
        for index, result in enumerate(results):
            if result.status == "inconclusive" or (result.status == "timeout_wall" and self._busy()):
                results[index] = again(index)
        return results

    def _busy(self) -> bool:
        """Whether more processes wanted to run of late than there are cores."""
        return os.getloadavg()[0] > len(os.sched_getaffinity(0))

    def _each(
        self,
        jobs: Sequence[_Job],
        run: Callable[[Worker, _Job, threading.Event], _Result],
        progress: Progress | None,
    ) -> list[_Result]:
        cancelled = threading.Event()
        free: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        for worker in self._workers:
            free.put(worker)

        def one(job: _Job) -> _Result:
            worker = free.get()
            try:
                return run(worker, job, cancelled)
            finally:
                free.put(worker)

        with ThreadPoolExecutor(len(self._workers), thread_name_prefix="evals-sandbox") as executor:
            futures = [executor.submit(one, job) for job in jobs]
            try:
                for done, future in enumerate(as_completed(futures), start=1):
                    future.result()
                    if progress is not None:
                        progress(done, len(jobs))
            except BaseException:
                cancelled.set()
                executor.shutdown(wait=True, cancel_futures=True)
                raise
            return [future.result() for future in futures]


_Job = TypeVar("_Job", Job, tuple[str, bytes])


def check(
    code: str,
    tests: str,
    limits: Limits = _DEFAULT_LIMITS,
    *,
    tier: str | None = None,
    packages: Sequence[str] = (),
    kind: Kind = "asserts",
) -> Verdict:
    """Run a program and, in a process that it cannot reach, its tests, and say what came of it.

    The program is run as a module named `solution`: code under `if __name__ == "__main__":` does not run. It has the
    standard library and the packages offered, empty input, private folders, and no environment but `HOME`, `TMPDIR`,
    `PATH` and settings of libraries. The tests call it over a socket that carries plain values; what is compared is
    compared by them, so that nothing the program does to its own process makes a wrong answer right.

    At the tier `full` it sees a root of its own without the files of any user, a network without any other machine and
    no process but its own, may make none of the system calls that reach further, and all that it wrote and started is
    gone afterwards. `docs/explanation/sandbox.md` says what the lower tiers hold.

    Args:
        code: The program.
        tests: Assert lines, or doctest examples; with none, a program that runs to its end has passed.
        limits: What it may use.
        tier: `full`, `confined` or `limited`; the best there is if None.
        packages: Import names of installed packages that both may use beyond the standard library.
        kind: `asserts`, or `doctest` where `tests` is text with examples of an interactive session.

    Returns:
        The verdict.

    Raises:
        EvalError: If this is not Linux, the tier cannot be had, or a package is not installed.
    """
    with Sandbox(limits, 1, tier, packages) as sandbox:
        return sandbox.check_many([Job(code, tests, kind)])[0]


def check_many(
    jobs: Sequence[Job | tuple[str, str]],
    limits: Limits = _DEFAULT_LIMITS,
    workers: int | None = None,
    progress: Progress | None = None,
    *,
    tier: str | None = None,
    packages: Sequence[str] = (),
) -> list[Verdict]:
    """Run many programs, several at a time; `check` says how each is run.

    Args:
        jobs: Pairs of a program and its tests, or `Job`s.
        limits: What each program may use.
        workers: How many run at a time; one a core if None.
        progress: Called in the calling thread with the number done and the number in all.
        tier: As `check` takes it.
        packages: As `check` takes it.

    Returns:
        The verdicts, in the order of the jobs.

    Raises:
        EvalError: If `workers` is not positive, or as `check` raises.
    """
    if workers is not None and workers < 1:
        raise EvalError(f"The number of workers is {workers}; it must be at least 1.")
    given = [job if isinstance(job, Job) else Job(*job) for job in jobs]
    with contextlib.ExitStack() as stack:
        count = max(1, min(workers or len(os.sched_getaffinity(0)), len(given)))
        sandbox = stack.enter_context(Sandbox(limits, count, tier, packages))
        return sandbox.check_many(given, progress)


def run_program(
    code: str,
    stdin: bytes = b"",
    limits: Limits = _DEFAULT_LIMITS,
    *,
    tier: str | None = None,
    packages: Sequence[str] = (),
) -> Completed:
    """Run a whole program as `__main__`, from its standard input to its end.

    Args:
        code: The program.
        stdin: What it reads.
        limits: What it may use.
        tier: As `check` takes it.
        packages: As `check` takes it.

    Returns:
        What it printed, and how it ended.

    Raises:
        EvalError: As `check` raises.
    """
    with Sandbox(limits, 1, tier, packages) as sandbox:
        return sandbox.run_many([(code, stdin)])[0]
