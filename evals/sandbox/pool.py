"""One program or many: reserves users, starts checks, keeps the order."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

from evals.errors import EvalError
from evals.sandbox.protections import lease_of_user, runs_as_own_user
from evals.sandbox.runner import run_check
from evals.sandbox.verdict import Limits, Verdict

_DEFAULT_LIMITS = Limits()


def check(code: str, tests: str, limits: Limits = _DEFAULT_LIMITS) -> Verdict:
    """Run a program, then its tests, in a process of its own, and say what came of it.

    The program is run as a module named `solution`: code under `if __name__ == "__main__":` does not run. It
    has the standard library, no other package, empty input, a private folder, and no environment but `HOME`,
    `TMPDIR` and `LC_ALL`. The tests see its names, in a namespace of their own.

    As root, the program becomes a user that nobody else has, with no right to get any back; everything that
    user runs is killed at the end. As an ordinary user it stays that user, and this version then cannot keep
    it from that user's files, nor from killing that user's processes, this one included.

    The tests run in the program's own interpreter, after it. Printing, an early exit, a blind write to every
    descriptor and a search for a token in memory do not make a pass. A program that sets out to cheat from
    inside does: objects that equal everything, changed internals of the interpreter, or words of the
    harness's protocol, which anybody can read here. In this version a program can also reach the network,
    read files that are open to all users, and fill the disk with many small files for as long as it runs.

    Args:
        code: The program.
        tests: Assert lines; with none, a program that runs to its end has passed.
        limits: What it may use.

    Returns:
        The verdict.

    Raises:
        EvalError: If this is not Linux, or root without the right to change users.
    """
    with lease_of_user() as uid:
        return run_check(code, tests, limits, uid)


def check_many(
    jobs: Sequence[tuple[str, str]],
    limits: Limits = _DEFAULT_LIMITS,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Verdict]:
    """Run many programs, several at a time; `check` says how each is run.

    Args:
        jobs: Pairs of a program and its tests.
        limits: What each program may use.
        workers: How many run at a time; one a core if None.
        progress: Called in the calling thread with the number done and the number in all.

    Returns:
        The verdicts, in the order of the jobs.

    Raises:
        EvalError: If `workers` is not positive, or the sandbox cannot run here.
    """
    if workers is not None and workers < 1:
        raise EvalError(f"The number of workers is {workers}; it must be at least 1.")
    runs_as_own_user()
    workers = max(1, min(workers or len(os.sched_getaffinity(0)), len(jobs)))
    cancelled = threading.Event()
    users: queue.SimpleQueue[int | None] = queue.SimpleQueue()

    def run(job: tuple[str, str]) -> Verdict:
        uid = users.get()
        try:
            return run_check(*job, limits, uid, cancelled)
        finally:
            users.put(uid)

    with contextlib.ExitStack() as stack:
        for _ in range(workers):
            users.put(stack.enter_context(lease_of_user()))
        executor = stack.enter_context(ThreadPoolExecutor(workers, thread_name_prefix="evals-sandbox"))
        futures = [executor.submit(run, job) for job in jobs]
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
