"""The one door to running code that a model wrote.

`check` runs a program and its tests in fresh processes and says what came of it; `check_many` does so for many at a
time, `run_program` runs a whole program from its input to its output, and `Sandbox` keeps the workers between calls.
Everything behind these names may change, the names may not.
"""

from evals.sandbox.pool import Sandbox, check, check_many, run_program
from evals.sandbox.tiers import protections
from evals.sandbox.verdict import Completed, Job, Limits, Status, Verdict

__all__ = [
    "Completed", "Job", "Limits", "Sandbox", "Status", "Verdict", "check", "check_many", "protections", "run_program",
]  # fmt: skip
