"""Says what the sandbox holds on this machine, by running hostile programs in it."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evals.errors import EvalError
from evals.sandbox.hostile import PROGRAMS, Hostile, Outcome, run_hostile
from evals.sandbox.tiers import protections

if TYPE_CHECKING:
    from rich.console import Console

# One program in so many gives a first answer within about twenty seconds.
_QUICK_STEP = 8
_KINDS = {
    "forging": "a wrong program is not scored correct",
    "resources": "limits hold, and nothing survives",
    "reaching_out": "nothing else is read, reached or changed",
    "awkward": "a correct program passes",
}
_MISSING = {
    "namespaces": "no namespaces: programs see the machine's network devices and process numbers",
    "verdict_out_of_reach": "the verdict is not out of a program's reach",
    "harness_out_of_reach": "programs can signal and read processes of the user who runs this",
    "clean_environment": "programs see this process's environment",
    "no_new_privileges": "programs may gain rights through set-user-id files",
    "system_calls_filtered": "no seccomp: every system call is open to programs",
    "network_blocked": "programs can reach the network",
    "files_hidden": "programs can read what the user who runs them can read",
}


@dataclass(frozen=True)
class Diagnosis:
    """What the sandbox held.

    Attributes:
        protections: What `evals.sandbox.protections` says.
        outcomes: One outcome a program.
        seconds: How long it took on the clock.
    """

    protections: dict[str, bool | str]
    outcomes: list[Outcome]
    seconds: float

    @property
    def tier(self) -> str:
        """The tier that the programs ran at."""
        return str(self.protections["tier"])

    @property
    def holes(self) -> list[Outcome]:
        """The programs that were not held, where the tier promises to."""
        return [outcome for outcome in self.outcomes if not outcome.held and not outcome.excused]

    @property
    def accepted(self) -> list[Outcome]:
        """The programs that were not held, where the tier does not promise to."""
        return [outcome for outcome in self.outcomes if not outcome.held and outcome.excused]

    @property
    def missing(self) -> list[str]:
        """One line for each protection that is not there."""
        lines = [text for name, text in _MISSING.items() if not self.protections.get(name, True)]
        for name, reason in self.protections.items():
            if name.startswith("no_") and isinstance(reason, str):
                lines.append(f"tier {name.removeprefix('no_')} is not used: {reason}")
        return lines

    def as_dict(self) -> dict[str, Any]:
        """Return all of it in types that JSON has."""
        return {
            "tier": self.tier,
            "protections": self.protections,
            "missing": self.missing,
            "seconds": round(self.seconds, 1),
            "held": self._count(held=True),
            "tried": self._count(held=None),
            "holes": [_told(outcome) for outcome in self.holes],
            "accepted": [_told(outcome) for outcome in self.accepted],
            "programs": [_told(outcome) for outcome in self.outcomes],
        }

    def _count(self, *, held: bool | None) -> dict[str, int]:
        found = Counter(outcome.category for outcome in self.outcomes if held is None or outcome.held is held)
        return {kind: found[kind] for kind in _KINDS}  # type: ignore[index]


def doctor(
    tier: str | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    *,
    quick: bool = False,
    programs: Sequence[Hostile] = PROGRAMS,
) -> Diagnosis:
    """Run hostile programs at a tier, and say what was held.

    Args:
        tier: The tier to try; the best there is if None.
        workers: How many programs run at a time; one a core if None.
        progress: Called with the number of programs done and of all.
        quick: Run one program in eight only.
        programs: The programs.

    Returns:
        What came of it.

    Raises:
        EvalError: If the sandbox cannot run here, or the tier cannot be had.
    """
    told = protections(tier)
    chosen = list(programs)[::_QUICK_STEP] if quick else list(programs)
    begin = time.monotonic()
    outcomes = run_hostile(chosen, str(told["tier"]), workers, progress)
    return Diagnosis(told, outcomes, time.monotonic() - begin)


def print_diagnosis(diagnosis: Diagnosis, console: Console) -> None:
    """Print the tier, what is missing, a table by kind, and every hole."""
    from rich.markup import escape
    from rich.table import Table

    console.print(f"The sandbox runs at tier [bold]{diagnosis.tier}[/bold].")
    for line in diagnosis.missing:
        console.print(f"- {escape(line)}", highlight=False)
    table = Table("kind", "what must be", "held", "tried", box=None, pad_edge=False)
    told = diagnosis.as_dict()
    for kind, meaning in _KINDS.items():
        table.add_row(kind, meaning, str(told["held"][kind]), str(told["tried"][kind]))
    console.print(table)
    for title, outcomes in (("Hole", diagnosis.holes), ("Not promised", diagnosis.accepted)):
        for outcome in outcomes:
            line = f"{title}: {outcome.category}, {outcome.name}: {outcome.why}"
            console.print(escape(line), highlight=False, soft_wrap=True)
    count = len(diagnosis.holes)
    words = "no hole" if not count else "1 hole" if count == 1 else f"{count} holes"
    console.print(f"{words} in {len(diagnosis.outcomes)} programs, {diagnosis.seconds:.0f} s")


def write_diagnosis(diagnosis: Diagnosis, path: Path) -> None:
    """Write it as JSON, aside first, then under its name.

    Raises:
        EvalError: If it cannot be written.
    """
    try:
        aside = path.with_name(f"{path.name}.{os.getpid()}.part")
        try:
            aside.write_text(json.dumps(diagnosis.as_dict(), indent=1) + "\n", encoding="utf-8")
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)
    except OSError as error:
        raise EvalError(f"The diagnosis cannot be written to {path}: {error.strerror}; choose another path.") from error


def _told(outcome: Outcome) -> dict[str, Any]:
    verdict = outcome.verdict
    return {
        "name": outcome.name,
        "category": outcome.category,
        "harm": outcome.harm,
        "held": outcome.held,
        "why": outcome.why,
        "excused": outcome.excused,
        "status": verdict.status if verdict else None,
        "detail": verdict.detail if verdict else "",
    }
