"""What can go wrong in a step and need not end a run."""

from collections.abc import Sequence

from finetune_kit.prompt import Example


class NotFiniteError(Exception):
    """The loss or the gradient of a step is infinite or no number.

    Args:
        what: E.g. `loss is nan`.
        examples: The rows at which it happened.
    """

    def __init__(self, what: str, examples: Sequence[Example]) -> None:
        self.rows = [example.row_id for example in examples]
        super().__init__(f"the {what} at the batch of rows {', '.join(self.rows)}")
