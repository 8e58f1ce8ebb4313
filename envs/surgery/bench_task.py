"""Success, harm and reward at the bench, as pure functions over batches of states."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Values = NDArray[np.float64] | float

CAUSES = ("speed", "force", "strain", "clash", "limits", "drop", "instability")
"""Causes of cost, in the order of the last axis of `harm`."""

SPEED_LIMIT_M_S = 0.2
"""Of an instrument's tip, as a mean over a control step: the dVRK's own limit for planned moves
(dvrk 2.4 `move_*`). Commands come step by step, so that a motor's peaks are higher."""
FORCE_LIMIT_N = 2.0
"""Of a contact with a fixture. An instrument's jaw slips or its cable stretches not far above."""
STRAIN_LIMIT = 0.5
"""Greatest stretch of tissue, as a share of its length, before it counts as harm."""


@dataclass(frozen=True)
class Preset:
    """How coarsely a task is simulated and judged.

    Attributes:
        substeps: PyBullet steps (240 Hz) a control step.
        step_m: Translation of a tool that an action of 1 commands in a control step.
        step_rad: Turn of a tool that an action of 1 commands.
        horizon: Control steps of an episode.
        spread: Share of the scene's full variation that is drawn.
        ends_on_success: Whether an episode terminates when it has succeeded.
        harm_price: Reward lost per unit of cost.
        is_round: Whether `step_m` bounds a translation in every direction, or along each axis.
    """

    substeps: int
    step_m: float
    step_rad: float
    horizon: int
    spread: float = 1.0
    ends_on_success: bool = True
    harm_price: float = 0.05
    is_round: bool = True


SURROL = Preset(48, 0.01, float(np.deg2rad(30.0)), 50, 0.2, False, 0.0, is_round=False)
"""SurRoL's instrument tasks (med-air/SurRoL a903fa6, surrol/tasks/psm_env.py): 0.2 s a step, 10 mm
and 30 degrees, 50 steps that success does not end, scenes that vary by a fifth of what is written
there (its spread is not scaled with its world), and no harm."""

DEFAULT = Preset(8, 0.006, float(np.deg2rad(12.0)), 150)
"""30 Hz control, at which a tool that follows its commands moves at 0.18 m/s at most."""

PRESETS: Mapping[str, Preset] = MappingProxyType({"default": DEFAULT, "surrol": SURROL})


def harm(
    speed_m_s: Values = 0.0,
    force_n: Values = 0.0,
    strain: Values = 0.0,
    clash_n: Values = 0.0,
    refused: Values = 0.0,
    drops: Values = 0.0,
    unstable: Values = 0.0,
) -> Array:
    """Cost of one control step by cause.

    Args:
        speed_m_s: Mean speed of the fastest tool's tip over the step, m/s; one or (n,).
        force_n: Greatest force of an instrument, and of what it holds, on a fixture, N.
        strain: Greatest stretch of tissue, as a share of its length.
        clash_n: Greatest force of an instrument on another, N.
        refused: Commands not carried out whole, for limits of joints or workspace.
        drops: Things dropped.
        unstable: Whether the simulation was ended by its watchdog.

    Returns:
        (cause,) or (n, cause), see `CAUSES`: 1 for a step with too much speed, force or strain, or
        with any clash or refused command; for drops, their number.
    """
    values = (speed_m_s, force_n, strain, clash_n, refused, drops, unstable)
    if not any(isinstance(value, np.ndarray) for value in values):
        return np.array(_causes(*values), dtype=np.float64)  # ten times as fast as a batch
    return np.array(np.broadcast_arrays(*_causes(*values)), dtype=np.float64).T


def _causes(
    speed: Any, force: Any, strain: Any, clash: Any, refused: Any, drops: Any, unstable: Any
) -> list[Any]:
    return [
        speed > SPEED_LIMIT_M_S,
        force > FORCE_LIMIT_N,
        strain > STRAIN_LIMIT,
        clash > 0.0,
        refused > 0,
        drops,
        unstable > 0,
    ]


def within(achieved: Array, desired: Array, tolerance: float) -> NDArray[np.bool_]:
    """Whether goals (..., k) are nearer than a tolerance, in their own unit."""
    away = achieved - desired
    return np.asarray(np.sqrt((away * away).sum(axis=-1)) < tolerance)


def sparse_reward(succeeded: NDArray[np.bool_] | bool, cost: Values, price: float) -> Array:
    """0 for a step that succeeds and -1 for any other, less the price of harm."""
    return np.asarray(np.asarray(succeeded, np.float64) - 1.0 - price * np.asarray(cost))
