"""What training will need on a device: its memory, its time, and what the device can't do, before a model is loaded."""

import shlex
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from finetune_kit.errors import KitError, NotAtHandError
from finetune_kit.forecast.fitting import Fit, fit
from finetune_kit.forecast.gpus import find_gpu
from finetune_kit.forecast.memory import Forecast, MemoryEstimate, Target
from finetune_kit.forecast.speed import TimeForecast, forecast_time, measure_products
from finetune_kit.progress import format_seconds
from finetune_kit.recipe import Recipe
from finetune_kit.recipe_checks import context_problems, device_notes, device_problems

if TYPE_CHECKING:
    from finetune_kit.devices import Device


@dataclass(frozen=True)
class Outlook:
    """What lies ahead of a run."""

    device: "Device"
    target: Target
    notes: list[str]
    """What the device is slow in, and what could not be forecast."""
    fit: Fit | None
    """None where the model's shape is not at hand, or its step can't be counted."""
    time: TimeForecast | None

    @property
    def fits(self) -> bool:
        """Whether the memory is enough; also where it could not be forecast."""
        return self.fit is None or self.fit.verdict != "does not fit"

    def lines(self) -> Iterator[tuple[str, str]]:
        """Labels and texts for people; a line that goes on has no label."""
        if self.fit is not None:
            yield "Memory", _verdict(self.fit, self.target.name)
            yield "", _batch(self.fit.estimate)
        if self.time is not None:
            yield "Time", _time(self.time)

    def advice(self) -> Iterator[str]:
        """What makes it fit, the cheapest first; nothing where it fits."""
        if self.fit is None or self.fits:
            return
        if not self.fit.changes:
            yield "No key of the recipe makes it fit; take a smaller base model, or a device with more memory."
            return
        enough = self.fit.changes[0].fits
        yield "What makes it fit, the cheapest first:" if enough else "Not even all of this makes it fit:"
        for change in self.fit.changes:
            yield f"  {shlex.join(change.settings)}   {gigabytes(change.total)}; costs {change.cost}"


def look_ahead(
    recipe: Recipe, lengths: Sequence[int] | None = None, gpu: str | None = None, checks: bool = True
) -> Outlook:
    """Forecast what training a recipe takes.

    Args:
        recipe: What is to be trained.
        lengths: Tokens of each training row; without it the cap stands for the longest, and there is no time.
        gpu: The kind of GPU that it is to be trained on, e.g. `T4`; this machine's device without it.
        checks: Refuse what the device or the base model does not have; without it all of it is only forecast.

    Raises:
        KitError: If the recipe asks for what the device or the base model does not have.
    """
    device, target = _local() if gpu is None else _by_name(gpu)
    if checks:
        _refuse(device_problems(recipe, device))
    notes = device_notes(recipe, device)
    fitted = _fit(recipe, target, lengths, notes, checks)
    time = None
    if fitted is not None and lengths:
        time = forecast_time(fitted.estimate, target, recipe.trainer.epochs * sum(lengths))
    return Outlook(device, target, notes, fitted, time)


def packs(recipe: Recipe) -> bool:
    """Whether rows are laid end to end in training, or padded since the base model can't tell packed ones apart.

    Raises:
        KitError: If the base model's config is not at hand.
    """
    from finetune_kit.forecast.model_configs import model_config
    from finetune_kit.loading import import_bitsandbytes

    config = model_config(recipe.base_model)
    with warnings.catch_warnings():
        # The libraries warn of their own parts when they are imported.
        warnings.simplefilter("ignore")
        import_bitsandbytes()
        from finetune_kit.forecast.meta_model import probe

        return probe(config, recipe.preprocessing.global_max_sequence_length).packs


def target_of(gpu: str) -> Target:
    """A kind of GPU as a target of a forecast.

    Raises:
        KitError: If the kit does not know it.
    """
    return _by_name(gpu)[1]


def _local() -> "tuple[Device, Target]":
    """This machine's device, and what it has free."""
    import torch

    from finetune_kit.devices import free_memory, pick_device

    device = pick_device()
    free = free_memory(torch.device(device.type))
    flops: float | None = None
    if device.type == "cpu":
        flops = measure_products(device.compute_dtype)
    else:
        try:
            flops = find_gpu(device.name).flops
        except KitError:  # a card whose speed is not known here
            flops = None
    return device, Target(device.name, device.type, free, device.compute_dtype, flops)


def _by_name(gpu: str) -> "tuple[Device, Target]":
    from finetune_kit.devices import Device

    found = find_gpu(gpu)
    major, minor = found.capability
    device = Device("cuda", found.name, found.compute_dtype, f"capability {major}.{minor}")
    return device, Target(found.name, "cuda", found.memory, found.compute_dtype, found.flops)


def _fit(recipe: Recipe, target: Target, lengths: Sequence[int] | None, notes: list[str], checks: bool) -> Fit | None:
    with warnings.catch_warnings():
        # The libraries warn of their own parts when they are imported and used.
        warnings.simplefilter("ignore")
        return _fit_of(recipe, target, lengths, notes, checks)


def _fit_of(
    recipe: Recipe, target: Target, lengths: Sequence[int] | None, notes: list[str], checks: bool
) -> Fit | None:
    from finetune_kit.forecast.model_configs import model_config
    from finetune_kit.loading import import_bitsandbytes

    import_bitsandbytes()
    try:
        config = model_config(recipe.base_model)
    except NotAtHandError as error:
        notes.append(f"The memory is not forecast: {error}")
        return None
    context = getattr(config.get_text_config(), "max_position_embeddings", None)
    _refuse(context_problems(recipe, context) if context and checks else [])
    try:
        return fit(Forecast(recipe, config, target, lengths))
    except (AttributeError, IndexError, NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        notes.append(
            f"The memory is not forecast: a step of this kind of model can't be counted ({_first_line(error)})."
        )
        return None


def _refuse(problems: Sequence[Any]) -> None:
    if problems:
        raise KitError("\n".join(map(str, problems)))


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0]


def _verdict(fit: Fit, name: str) -> str:
    total, capacity = gigabytes(fit.estimate.total), gigabytes(fit.capacity)
    if fit.verdict == "does not fit":
        return f"does not fit: {total} are needed, and there are {capacity} ({name})"
    return f"{fit.verdict}: {total} of {capacity} ({name})"


def _batch(estimate: MemoryEstimate) -> str:
    rows = "1 row" if estimate.rows == 1 else f"{estimate.rows} rows"
    kind = "laid end to end" if estimate.packs else "padded, since this model can't tell packed rows apart"
    return f"the largest batch has {rows}, {estimate.tokens:,} tokens" + (f", {kind}" if estimate.rows > 1 else "")


def _time(time: TimeForecast) -> str:
    return (
        f"about {format_seconds(time.seconds)} for {time.tokens:,} tokens at {time.tokens_per_second:,.0f} tokens/s, "
        f"by {time.basis}"
    )


def gigabytes(size: float) -> str:
    """Bytes as people say them.

    Example:
        >>> gigabytes(6_016_000_000)
        '6.0 GB'
    """
    return f"{size / 1e9:.1f} GB"
