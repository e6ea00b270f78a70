"""Which protections there are here, found by trying."""

from __future__ import annotations

import functools
import os

from evals.errors import EvalError
from evals.sandbox.users import runs_as_own_user
from evals.sandbox.verdict import TIERS, Tier
from evals.sandbox.worker import TierUnavailable, Worker

_VARIABLE = "EVALS_SANDBOX_TIER"


def tier_for(asked: str | None = None) -> Tier:
    """Return the tier that programs will run at.

    Args:
        asked: The tier to have; None for the one that the environment variable `EVALS_SANDBOX_TIER` names, or else
            the best there is.

    Returns:
        The tier.

    Raises:
        EvalError: If the tier asked for is unknown or cannot be had here, or the sandbox cannot run here at all.
    """
    runs_as_own_user()
    wanted = asked or os.environ.get(_VARIABLE) or None
    if wanted is None:
        return _best()[0]
    tier = next((name for name in TIERS if name == wanted), None)
    if tier is None:
        raise EvalError(f"There is no tier {wanted!r} of the sandbox; it is one of {', '.join(TIERS)}.")
    if reason := _why_not(tier):
        raise EvalError(
            f"The sandbox was asked for the tier {tier!r}, which cannot be had here: {reason}. "
            "Run where it can, or ask for less."
        )
    return tier


def protections(tier: str | None = None) -> dict[str, bool | str]:
    """Say what generated code is held by on this machine, and what it is not.

    Args:
        tier: As `tier_for` takes it.

    Returns:
        One entry a kind of protection, `tier` first; `no_full` and `no_confined` give the reason where a better tier
        cannot be had.

    Raises:
        EvalError: As `tier_for` raises.
    """
    found = tier_for(tier)
    own_user = runs_as_own_user()
    full, held = found == "full", found != "limited"
    told: dict[str, bool | str] = {
        "tier": found,
        "user": "own, apart from the harness" if own_user else "the same as the harness",
        "namespaces": "process ids, mounts, network, IPC, host name, cgroups" if full else False,
        "verdict_out_of_reach": True,
        "harness_out_of_reach": own_user or held,
        "survivors_killed": "always" if own_user or held else "unless it kills its warden",
        "clean_environment": True,
        "no_new_privileges": True,
        "system_calls_filtered": held,
        "network_blocked": held,
        "files_hidden": held,
        "disk_bounded": "by a file system of its own" if full else "watched",
        "rlimits": "address space, CPU, file size, open files, processes, core",
        "tree_watched": "CPU and resident memory of all processes",
    }
    if asked_for_less := [better for better in TIERS[: TIERS.index(found)] if better]:
        told |= {f"no_{better}": _why_not(better) or "a lower tier was asked for" for better in asked_for_less}
    return told


@functools.cache
def _why_not(tier: Tier) -> str:
    """Return why a tier cannot be had here; empty if it can."""
    worker = Worker(tier)
    try:
        worker.start()
        worker.wait_until_ready()
    except TierUnavailable as error:
        return str(error)
    finally:
        worker.end()
    return ""


@functools.cache
def _best() -> tuple[Tier]:
    reasons = []
    for tier in TIERS:
        reason = _why_not(tier)
        if not reason:
            return (tier,)
        reasons.append(f"{tier}: {reason}")
    raise EvalError(f"The sandbox cannot run here ({'; '.join(reasons)}).")
