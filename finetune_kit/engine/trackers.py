"""Ludwig's own trackers: callbacks that report a run to a service or a store of the user's."""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

from finetune_kit.errors import KitError

if TYPE_CHECKING:
    from ludwig.callbacks import Callback as Callback  # noqa: PLC0414  (for those outside the engine)

TRACKERS = {"aim": "aim", "comet": "comet_ml", "mlflow": "mlflow", "wandb": "wandb"}
"""Their names in a recipe, as in Ludwig's registry, and the packages that they need."""


def require_trackers(names: Sequence[str]) -> None:
    """See to it that what trackers need is installed.

    Raises:
        KitError: If a package is not.
    """
    for name in names:
        if find_spec(TRACKERS[name]) is None:
            raise KitError(
                f"run.trackers names {name!r}, whose package {TRACKERS[name]!r} is not installed here; install it, or "
                "take the name out."
            )


def load_trackers(names: Sequence[str]) -> "list[Callback]":
    """Ludwig's callbacks of these names.

    Raises:
        KitError: If one can't begin.
    """
    from ludwig.contribs import contrib_registry

    callbacks = []
    for name in names:
        try:
            contrib_registry[name].preload()
            callback = contrib_registry[name].load()
        except Exception as error:  # Each has its own kinds.
            raise KitError(f"The tracker {name!r} can't begin: {error}") from error
        # MLflow 3 has a run for each thread: what Ludwig logs in the background goes into one that nobody began.
        if hasattr(callback, "save_in_background"):
            callback.save_in_background = False
        callbacks.append(callback)
    return callbacks
