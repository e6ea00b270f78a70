"""Whether a recipe fits into a device's memory, and which change of the recipe makes it fit, the cheapest first."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from finetune_kit.forecast.memory import Forecast, MemoryEstimate
from finetune_kit.recipe import Quantization, Recipe
from finetune_kit.recipe_file import RecipeFile

Verdict = Literal["fits", "fits with gradient checkpointing", "does not fit"]
CAPS = (2048, 1024, 768, 512, 384, 256, 128)
"""Caps that are tried in the place of a higher one."""
USUAL_RANK = 16
CAP, BUDGET = "preprocessing.global_max_sequence_length", "trainer.max_tokens_per_batch"
Settings = Mapping[str, str | int]
"""Values by key."""


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
    candidates = list(_candidates(forecast))
    single = [_change(forecast, {key: value}, cost) for key, value, cost in candidates]
    if any(change.fits for change in single):
        yield from (change for change in single if change.fits)
        return
    together: dict[str, str | int] = {}
    costs: dict[str, str] = {}
    for key, value, cost in candidates:
        together[key], costs[key] = value, cost
        if key == CAP and BUDGET in together:
            together[BUDGET] = value  # or batches would stay as large as they were under the higher cap
        change = _change(forecast, together, "; ".join(costs.values()))
        if change.fits:
            break
    if candidates:
        yield change


def _change(forecast: Forecast, settings: Settings, cost: str) -> Change:
    recipe = changed(forecast.recipe, settings)
    total = forecast.estimate(
        recipe.trainer.enable_gradient_checkpointing is not False,
        max_tokens=recipe.token_budget.train,
        longest=min(forecast.longest, recipe.preprocessing.global_max_sequence_length),
        quantization=recipe.quantization,
        adapter=recipe.adapter,
    ).total
    named = tuple(f"{key}={value}" for key, value in settings.items())
    return Change(named, cost, total, total <= forecast.target.memory)


def changed(recipe: Recipe, settings: Settings) -> Recipe:
    """A recipe with keys set as the command line sets them.

    Raises:
        ValueError: If it is none then.
    """
    read = RecipeFile("", recipe.model_dump(mode="json", exclude_unset=True))
    for key, value in settings.items():
        read.override(f"{key}={value}")
    return Recipe.model_validate(read.tree)


def _candidates(forecast: Forecast) -> Iterator[tuple[str, str | int, str]]:
    """Key, value and cost of each change, in the order of what they cost."""
    recipe, longest = forecast.recipe, forecast.longest
    if recipe.token_budget.train > longest:
        yield BUDGET, longest, "a little speed"
    if recipe.trainer.enable_gradient_checkpointing is False:
        yield "trainer.enable_gradient_checkpointing", "true", "about a third of the speed"
    stored = recipe.quantization
    if stored is None or stored.bits == 8:
        # Other keys of a section for 8 bits do not go with 4.
        plain = stored is None or stored == Quantization(bits=8)
        key, value = ("quantization.bits", "4") if plain else ("quantization", "{bits: 4}")
        yield key, value, "some exactness of the frozen weights"
    modules = recipe.adapter.target_modules
    if modules is not None and set(modules) > {"q_proj", "v_proj"}:
        yield "adapter.target_modules", "[q_proj,v_proj]", "what the adapter can learn"
    if recipe.adapter.r > USUAL_RANK:
        yield "adapter.r", USUAL_RANK, "what the adapter can learn"
    if recipe.preprocessing.on_truncation != "error":  # a lower cap would stop the run
        yield from ((CAP, cap, cost) for cap in CAPS if cap < longest and (cost := _cost_of_cap(forecast, cap)))


def _cost_of_cap(forecast: Forecast, cap: int) -> str:
    """What becomes of longer rows; empty where no row would be left."""
    over = sum(length > cap for length in forecast.lengths)
    rows = f"{over:,} longer rows" if forecast.lengths else "the longer rows"
    if forecast.recipe.preprocessing.on_truncation != "drop":
        return f"the ends of {rows}"
    return rows if over < len(forecast.lengths) or not over else ""
