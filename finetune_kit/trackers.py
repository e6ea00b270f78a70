"""Ludwig's own trackers: callbacks that report a run to a service or a store of the user's."""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

from finetune_kit.errors import KitError

if TYPE_CHECKING:
    from ludwig.callbacks import Callback

TRACKERS = {"aim": "aim", "comet": "comet_ml", "mlflow": "mlflow", "wandb": "wandb"}
"""Their names in a recipe, as in Ludwig's registry, and the packages that they need."""


def require_trackers(names: Sequence[str]) -> None:
    """See to it that what trackers need is installed.

    Raises:
        KitError: If a package is not.
    """
    for name in names:
        if find_spec(TRACKERS[name]) is None:
            raise KitError(f"run.trackers names {name!r}, whose package {TRACKERS[name]!r} is not installed here.")


def load_trackers(names: Sequence[str]) -> "list[Callback]":
    """Ludwig's callbacks of these names."""
    from ludwig.contribs import contrib_registry

    for name in names:
        contrib_registry[name].preload()
    return [contrib_registry[name].load() for name in names]
