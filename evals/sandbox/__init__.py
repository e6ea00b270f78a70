"""The one door to running code that a model wrote.

`check` runs a program and its tests in a fresh process and says what came of it; `check_many` does so for
many at a time. Everything behind these names may change, the names may not.
"""

from evals.sandbox.pool import check, check_many
from evals.sandbox.protections import protections
from evals.sandbox.verdict import Limits, Status, Verdict

__all__ = ["Limits", "Status", "Verdict", "check", "check_many", "protections"]
