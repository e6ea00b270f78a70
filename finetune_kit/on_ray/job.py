"""What a worker is given."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from finetune_kit.recipe import Recipe

if TYPE_CHECKING:
    from finetune_kit.engine.trackers import Callback


@dataclass(frozen=True)
class Job:
    """A training, as each of its workers gets it."""

    recipe: Recipe
    rows: Any
    """Reference to the training and the validation rows in Ray's object store, a table each."""
    board: Any
    """Handle of the actor that hears the news."""
    callbacks: "Sequence[Callback]"
    """More of Ludwig's callbacks; every worker has them, and Ludwig calls the first one's."""
