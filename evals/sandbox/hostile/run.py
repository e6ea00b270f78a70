"""Runs hostile programs in the sandbox and looks at what came of them."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evals.sandbox.hostile.bait import CANARY_VARIABLE, Bait, Listeners, canary, survivors
from evals.sandbox.hostile.program import Category, Hostile
from evals.sandbox.verdict import Limits, Verdict

_BATCH = 24
# More than any program may take: past it, the sandbox itself is held up.
_PATIENCE_SECONDS = 60.0
_PREFIX = "evals-bait-"


@dataclass(frozen=True)
class Outcome:
    """What came of one hostile program.

    Attributes:
        name: The program's name.
        category: Its kind.
        held: Whether all was as it must be.
        why: What was not; empty where it held.
        verdict: What the sandbox said; None where it said nothing in time.
        harm: What the program does where it is not held.
        excused: What it would take to hold it, where the tier does not promise to; empty otherwise.
    """

    name: str
    category: Category
    held: bool
    why: str
    verdict: Verdict | None
    harm: str = ""
    excused: str = ""


def run_hostile(
    programs: Sequence[Hostile],
    tier: str | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    *,
    sandbox: Any = None,
) -> list[Outcome]:
    """Run programs in the sandbox and say of each whether it was held.

    A secret is planted in this process's environment, and others in files, for as long as this takes.

    Args:
        programs: The programs, such as `PROGRAMS`.
        tier: The tier to run them at; the best there is if None.
        workers: How many run at a time; one a core if None.
        progress: Called with the number of programs done and of all.
        sandbox: Something else than `evals.sandbox` that has its `check_many`.

    Returns:
        The outcomes, in the order of the programs.

    Raises:
        EvalError: If the sandbox cannot run here, or the tier cannot be met.
    """
    if sandbox is None:
        from evals import sandbox
    outcomes: dict[str, Outcome] = {}
    with _laid_out() as (folder, listeners, secret):
        for batch in _batches(programs):
            baits = [Bait(folder, listeners, secret) for _ in batch]
            jobs = [
                _job(sandbox, program, bait.lay_out(program.code), bait.lay_out(program.tests))
                for program, bait in zip(batch, baits, strict=True)
            ]
            verdicts = _verdicts(sandbox, jobs, batch[0].limits, tier, workers)
            alive = survivors([bait.tag for bait in baits])
            for program, bait, verdict in zip(batch, baits, verdicts, strict=True):
                found = _faults(program, verdict)
                if bait.tag in alive:
                    count = len(alive[bait.tag])
                    found.append(f"{count} of its processes outlived it")
                if verdict and bait.told(f"{verdict.detail}\n{getattr(verdict, 'output', '')}"):
                    found.insert(0, "it read a secret")
                found += bait.take_in()
                below_full = verdict is not None and getattr(verdict, "tier", "full") != "full"
                excused = program.limitation or (program.needs if below_full else "")
                outcomes[program.name] = Outcome(
                    program.name, program.category, not found, "; ".join(found), verdict, program.harm, excused
                )
            if progress is not None:
                progress(len(outcomes), len(programs))
    return [outcomes[program.name] for program in programs]


def _faults(program: Hostile, verdict: Verdict | None) -> list[str]:
    if verdict is None:
        return [f"the sandbox did not come back within {_PATIENCE_SECONDS:g} seconds past its limits"]
    if verdict.status in program.expected:
        return []
    if program.marked and verdict.status == "passed" and getattr(verdict, "relied_on_program", False):
        return []
    said = f"{verdict.status}: {verdict.detail}" if verdict.detail else verdict.status
    if program.harm == "forges" and verdict.passed:
        return ["a wrong program was scored correct"]
    return [f"the verdict is {said}"]


def _batches(programs: Sequence[Hostile]) -> Iterator[list[Hostile]]:
    """Put together what has the same limits, few enough that what survives is still there to be seen."""
    by_limits: dict[Limits, list[Hostile]] = {}
    for program in programs:
        by_limits.setdefault(program.limits, []).append(program)
    for same in by_limits.values():
        for start in range(0, len(same), _BATCH):
            yield same[start : start + _BATCH]


def _job(sandbox: Any, program: Hostile, code: str, tests: str) -> Any:
    return (code, tests) if program.kind == "asserts" else sandbox.Job(code, tests, program.kind)


def _verdicts(
    sandbox: Any, jobs: list[Any], limits: Limits, tier: str | None, workers: int | None
) -> list[Verdict | None]:
    """Run the jobs; should the sandbox be held up, run each by itself to find the one that does it."""
    budget = _PATIENCE_SECONDS + len(jobs) * (limits.wall_seconds + limits.cpu_seconds)
    try:
        return list(_in_time(sandbox, jobs, limits, tier, workers, budget))
    except TimeoutError:
        pass
    verdicts: list[Verdict | None] = []
    for job in jobs:
        try:
            verdicts += _in_time(sandbox, [job], limits, tier, 1, _PATIENCE_SECONDS + 2 * limits.wall_seconds)
        except TimeoutError:
            verdicts.append(None)
    return verdicts


def _in_time(
    sandbox: Any, jobs: list[Any], limits: Limits, tier: str | None, workers: int | None, seconds: float
) -> list[Verdict]:
    found: list[Verdict] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            found.extend(sandbox.check_many(jobs, limits, workers, **({"tier": tier} if tier else {})))
        except BaseException as error:
            errors.append(error)

    # A thread that is given up does not keep the interpreter from ending.
    thread = threading.Thread(target=run, name="evals-hostile", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise TimeoutError
    if errors:
        raise errors[0]
    return found


@contextlib.contextmanager
def _laid_out() -> Iterator[tuple[Path, Listeners, str]]:
    """Plant a secret in the environment, a folder for bait, and sockets."""
    secret = canary()
    # Not in /tmp: a sandbox that hides that hides the bait without hiding what the user has.
    base = "/var/tmp" if os.access("/var/tmp", os.W_OK | os.X_OK) else tempfile.gettempdir()
    _sweep(base)
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=base))
    listeners = None
    before = os.environ.get(CANARY_VARIABLE)
    try:
        folder.chmod(0o755)
        listeners = Listeners(folder)
        os.environ[CANARY_VARIABLE] = secret
        yield folder, listeners, secret
    finally:
        if before is None:
            os.environ.pop(CANARY_VARIABLE, None)
        else:
            os.environ[CANARY_VARIABLE] = before
        if listeners:
            listeners.end()
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(base: str) -> None:
    """Remove what was laid out by processes of this user that were killed before they could take it in."""
    for folder in Path(base).glob(f"{_PREFIX}*"):
        owner = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if owner.isdigit() and not Path(f"/proc/{owner}").exists() and folder.lstat().st_uid == os.getuid():
            shutil.rmtree(folder, ignore_errors=True)
