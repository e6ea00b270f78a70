"""How long training will take, from the operations of a step and what the device can do."""

import time
from dataclasses import dataclass
from functools import cache

from finetune_kit.forecast.memory import MemoryEstimate, Target

SHARE = {"cpu float32": 0.5, "cpu bfloat16": 0.3, "cpu float16": 0.3, "cuda": 0.25}
"""Of the device's matrix products that training reaches: on CPUs as `benchmarks/training.py` measured it; of a GPU's
data sheet it is assumed. The one GPU that was measured, an H100, was never that busy: see `LAUNCH`."""
LAUNCH = {False: 0.011, True: 0.018}
"""Seconds that a layer takes for a batch at the least, forward and back, without and with gradient checkpointing, on
however fast a GPU: it waits for the processor, which sends it the work. By `benchmarks/gpu.py` on one H100, for a 7B
model in 4 bits with an adapter on two layers out of seven and batches of a few rows."""


@dataclass(frozen=True)
class TimeForecast:
    """How long it will take."""

    seconds: float
    """Of all epochs, validation and loading not counted."""
    tokens: int
    """Of all epochs."""
    tokens_per_second: float
    basis: str
    """What the forecast rests on."""


def forecast_time(estimate: MemoryEstimate, target: Target, tokens: int) -> TimeForecast | None:
    """Forecast the time of training.

    Args:
        estimate: Of the largest batch.
        target: The device.
        tokens: Tokens of all rows and epochs.

    Returns:
        The forecast; None where the device's speed is not known.
    """
    if target.flops is None:
        return None
    on_gpu = target.type == "cuda"
    share = SHARE["cuda" if on_gpu else f"cpu {target.compute_dtype}"]
    seconds = estimate.flops / (share * target.flops)
    how = "assumed, by its data sheet" if on_gpu else "measured now"
    basis = f"{share:.0%} of {target.flops / 1e12:.3g} TFLOP/s ({how})"
    launching = LAUNCH[estimate.checkpointing] * estimate.layers
    if on_gpu and launching > seconds:
        seconds = launching
        basis = f"{1000 * launching:.0f} ms a batch, which a faster GPU waits for (measured on an H100)"
    rate = estimate.tokens / seconds
    return TimeForecast(tokens / rate, tokens, rate, basis)


@cache  # forecasts that are compared, of one cap and another, must rest on one speed
def measure_products(dtype_name: str, seconds: float = 0.3) -> float:
    """How fast this machine's CPU multiplies matrices.

    Args:
        dtype_name: `float32`, `float16` or `bfloat16`.
        seconds: How long to measure.

    Returns:
        Operations a second, the best of some turns.
    """
    import torch

    dtype = getattr(torch, dtype_name)
    left, right = torch.ones(1024, 576, dtype=dtype), torch.ones(576, 1536, dtype=dtype)
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        begun = time.perf_counter()
        left @ right
        best = min(best, time.perf_counter() - begun)
    return 2 * 1024 * 576 * 1536 / best
