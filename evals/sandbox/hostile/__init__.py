"""Hostile and awkward programs, kept as data, that show what the sandbox holds on this machine.

`PROGRAMS` are four kinds: wrong programs that want to be scored correct (`forging`, `crossing`
and `passing_over`), programs that use
more than they may or do not go away (`resources`), programs that reach for what is not theirs (`reaching_out`), and
correct programs that a careless guard would fail (`awkward`). `run_hostile` runs them and looks at what came of each.

Each hostile program bounds itself, so that a hole does no harm on the machine where it is found: it ends after a
while, starts few processes, takes little memory, and reaches for nothing but what `run_hostile` has laid out.
"""

from evals.sandbox.hostile import awkward, crossing, forging, passing_over, reaching_out, resources
from evals.sandbox.hostile.program import Hostile
from evals.sandbox.hostile.run import Outcome, run_hostile

PROGRAMS: tuple[Hostile, ...] = (
    forging.PROGRAMS
    + crossing.PROGRAMS
    + passing_over.PROGRAMS
    + resources.PROGRAMS
    + reaching_out.PROGRAMS
    + awkward.PROGRAMS
)

__all__ = ["PROGRAMS", "Hostile", "Outcome", "run_hostile"]
