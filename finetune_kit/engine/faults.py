"""What can go wrong in a step and need not end a run."""

from collections.abc import Sequence


class NotFiniteError(Exception):
    """The loss or the gradient of a step is infinite or no number.

    Args:
        what: E.g. `loss is nan`.
        rows: The ids of the rows at which it happened.
    """

    def __init__(self, what: str, rows: Sequence[str]) -> None:
        self.what = what
        self.rows = list(rows)
        super().__init__(what, self.rows)  # so that it travels between processes

    def __str__(self) -> str:
        return f"the {self.what} at the batch of rows {', '.join(self.rows)}"
