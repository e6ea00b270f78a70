"""Whether a recipe fits into a device's memory, and which change of the recipe makes it fit, the cheapest first."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from finetune_kit.forecast.memory import Forecast, MemoryEstimate
from finetune_kit.recipe import Quantization

Verdict = Literal["fits", "fits with gradient checkpointing", "does not fit"]
CAPS = (2048, 1024, 768, 512, 384, 256, 128)
"""Caps that are tried in the place of a higher one."""


@dataclass(frozen=True)
class Change:
    """Keys of the recipe to set, and what comes of it."""

    settings: tuple[str, ...]
    """As on the command line, `trainer.enable_gradient_checkpointing=true`."""
    cost: str
    total: int
    """Bytes with it."""
    fits: bool


@dataclass(frozen=True)
class Fit:
    """What the memory of a device is enough for."""

    verdict: Verdict
    estimate: MemoryEstimate
    """As the recipe will be trained: with checkpointing where the recipe asks for it or nothing else fits."""
    other: MemoryEstimate
    """The same with checkpointing where `estimate` is without, and the other way round."""
    capacity: int
    """Bytes that the device has."""
    changes: tuple[Change, ...] = ()
    """Those that make it fit, the cheapest first; empty where it fits."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "verdict": self.verdict,
            "capacity": self.capacity,
            **self.estimate.as_dict(),
            "with_checkpointing" if self.other.checkpointing else "without_checkpointing": self.other.as_dict(),
            "changes": [vars(change) for change in self.changes],
        }


def fit(forecast: Forecast) -> Fit:
    """Say whether it fits, and what makes it fit.

    Args:
        forecast: Of a recipe on a device.
    """
    asked = forecast.recipe.trainer.enable_gradient_checkpointing
    capacity = forecast.target.memory
    without, checkpointed = forecast.estimate(False), forecast.estimate(True)
    if asked is not True and without.total <= capacity:
        return Fit("fits", without, checkpointed, capacity)
    if asked is True and checkpointed.total <= capacity:
        return Fit("fits", checkpointed, without, capacity)
    if asked is None and checkpointed.total <= capacity:
        return Fit("fits with gradient checkpointing", checkpointed, without, capacity)
    mine, other = (without, checkpointed) if asked is False else (checkpointed, without)
    return Fit("does not fit", mine, other, capacity, tuple(_changes(forecast)))


def _changes(forecast: Forecast) -> Iterator[Change]:
    """Every single change that is enough; where none is, all of them one after the other until it is."""
    single = [(settings, cost, _total(forecast, **how)) for settings, cost, how in _candidates(forecast)]
    capacity = forecast.target.memory
    enough = [Change((setting,), cost, total, True) for setting, cost, total in single if total <= capacity]
    if enough:
        yield from enough
        return
    settings: list[str] = []
    costs: list[str] = []
    together: dict[str, Any] = {}
    for setting, cost, how in _candidates(forecast):
        # Of the caps only the lowest one, after all else.
        if "longest" in how and "longest" in together:
            settings.pop(), costs.pop()
        settings.append(setting)
        costs.append(cost)
        together |= how
        total = _total(forecast, **together)
        if total <= capacity:
            yield Change(tuple(settings), "; ".join(costs), total, True)
            return
    yield Change(tuple(settings), "; ".join(costs), total, False)


def _total(forecast: Forecast, **how: Any) -> int:
    asked = forecast.recipe.trainer.enable_gradient_checkpointing
    return forecast.estimate(**{"checkpointing": asked is not False, **how}).total


def _candidates(forecast: Forecast) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Changes in the order of what they cost: a setting, its cost, and how to estimate it."""
    recipe, longest = forecast.recipe, forecast.longest
    if recipe.token_budget.train > longest:
        yield f"trainer.max_tokens_per_batch={longest}", "a little speed", {"max_tokens": longest}
    if recipe.trainer.enable_gradient_checkpointing is False:
        yield (
            "trainer.enable_gradient_checkpointing=true",
            "about a third of the speed",
            {"checkpointing": True},
        )
    stored = recipe.quantization
    if stored is None or stored.bits == 8:
        yield "quantization.bits=4", "some exactness of the frozen weights", {"quantization": Quantization(bits=4)}
    modules = recipe.adapter.target_modules
    if modules is not None and set(modules) > {"q_proj", "v_proj"}:
        yield (
            "adapter.target_modules=[q_proj,v_proj]",
            "what the adapter can learn",
            {"adapter": recipe.adapter.model_copy(update={"target_modules": ["q_proj", "v_proj"]})},
        )
    for cap in CAPS:
        if cap < longest:
            over = sum(length > cap for length in forecast.lengths)
            cost = f"{over:,} longer rows" if forecast.lengths else "the longer rows"
            yield (
                f"preprocessing.global_max_sequence_length={cap}",
                cost,
                {"longest": cap, "max_tokens": recipe.trainer.max_tokens_per_batch or recipe.trainer.batch_size * cap},
            )
