"""What training with another cap on the length of rows would take: memory and time."""

from collections.abc import Callable

from finetune_kit.outlook import look_ahead
from finetune_kit.recipe import Recipe
from finetune_kit.tokens import TokenReport
from finetune_kit.tokens_view import Cost


def cap_costs(recipe: Recipe, tokens: TokenReport, gpu: str | None = None) -> Callable[[int], Cost | None]:
    """A function from a cap to what it costs.

    The largest batch grows with the cap where the recipe bounds it by `batch_size`, and goes by the rows that are left.

    Args:
        recipe: What is to be trained.
        tokens: The lengths of its rows.
        gpu: The kind of GPU, e.g. `T4`; this machine's device without it.
    """
    total = tokens.splits["train"].total

    def cost(cap: int) -> Cost | None:
        section = recipe.preprocessing.model_copy(update={"global_max_sequence_length": cap})
        other = recipe.model_copy(update={"preprocessing": section})
        lengths = [int(length) for length in total[total <= cap]]
        ahead = look_ahead(other, lengths, gpu, checks=False) if lengths else None
        if ahead is None or ahead.fit is None:
            return None
        return Cost(ahead.time.seconds if ahead.time else None, ahead.fit.estimate.total)

    return cost
