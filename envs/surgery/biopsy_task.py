"""Success, harm and reward of a needle biopsy, as pure functions over batches of states."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Values = NDArray[np.float64] | float
"""A batch of quantities, or one."""

CAUSES = ("vessel", "bone", "pleura", "organ_at_risk", "force")
"""Causes of cost, in the order of the last axis of `harm`."""


@dataclass(frozen=True)
class BiopsyLimits:
    """What counts as success and as harm.

    Attributes:
        tolerance_mm: The tip succeeds this near the lesion's centre.
        risk_margin_mm: An organ at risk is harmed within this distance of the tip.
        pleura_allowed: Pleural punctures that the procedure cannot do without.
        force_limit_n: Greater force along the needle is excess.
        harm_price: Reward lost per unit of cost.
    """

    tolerance_mm: float = 5.0
    risk_margin_mm: float = 2.0
    pleura_allowed: int = 0
    force_limit_n: float = 8.0
    harm_price: float = 0.2


def success(distance_m: Values, limits: BiopsyLimits) -> NDArray[np.bool_]:
    """Whether a tip at these distances, m, from the lesion's centre is in it; same shape."""
    return np.asarray(np.asarray(distance_m) <= limits.tolerance_mm * 1e-3)


def harm(
    vessel_m: Values,
    bone_m: Values,
    risk_m: Values,
    force_n: Values,
    pleura_before: Values,
    pleura_after: Values,
    limits: BiopsyLimits,
) -> Array:
    """Cost of one control step by cause.

    Args:
        vessel_m: Least signed distance of the tip to a vessel during the step, m; one or (n,).
        bone_m: The same to bone.
        risk_m: The same to an organ at risk.
        force_n: Greatest force along the needle during the step, N.
        pleura_before: Pleural punctures in the episode before the step.
        pleura_after: And after it.
        limits: What counts as harm.

    Returns:
        (cause,) or (n, cause), see `CAUSES`: 1 for a step that pierces a vessel or bone, comes
        within the margin of an organ at risk or exceeds the force limit; for the pleura, the number
        of punctures beyond those allowed.
    """
    excess_before = np.maximum(np.subtract(pleura_before, limits.pleura_allowed), 0.0)
    excess_after = np.maximum(np.subtract(pleura_after, limits.pleura_allowed), 0.0)
    causes = [
        np.less(vessel_m, 0.0),
        np.less(bone_m, 0.0),
        excess_after - excess_before,
        np.less(risk_m, limits.risk_margin_mm * 1e-3),
        np.greater(force_n, limits.force_limit_n),
    ]
    return np.array(causes, dtype=np.float64).T


def sparse_reward(distance_m: Values, cost: Values, limits: BiopsyLimits) -> Array:
    """-1 for every step that does not succeed, less the price of harm; shape of `distance_m`."""
    missed = ~success(distance_m, limits)
    return np.asarray(-missed.astype(np.float64) - limits.harm_price * np.asarray(cost))


def dense_reward(
    distance_before_m: Values, distance_after_m: Values, cost: Values, limits: BiopsyLimits
) -> Array:
    """1 a centimetre gained, 10 for success, 0.05 off a step, less the price of harm."""
    gained = (np.asarray(distance_before_m) - np.asarray(distance_after_m)) * 100.0
    succeeded = success(distance_after_m, limits)
    return np.asarray(gained + 10.0 * succeeded - 0.05 - limits.harm_price * np.asarray(cost))
