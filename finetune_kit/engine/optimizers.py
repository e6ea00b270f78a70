"""bitsandbytes' optimisers, as Ludwig makes them."""

import inspect
from collections.abc import Callable
from typing import Any

BITSANDBYTES_OPTIMIZERS = ("adamw_8bit", "paged_adamw", "paged_adamw_8bit")


def with_known_settings(optimizer: Callable[..., Any]) -> Callable[..., Any]:
    """An optimiser that is given only those settings that it takes.

    Ludwig 0.17.10 also passes `block_wise` and `percentile_clipping`, at values that change nothing; bitsandbytes 0.50
    has neither any more, and refuses them.

    Args:
        optimizer: Makes it.
    """
    known = inspect.signature(optimizer).parameters

    def make(parameters: Any, **settings: Any) -> Any:
        return optimizer(parameters, **{name: value for name, value in settings.items() if name in known})

    return make
