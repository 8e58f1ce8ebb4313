"""The way of a target that moves: a closed curve through drawn points."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

CURVE_POINTS = 2000
POINTS_PER_S = 100.0
"""SurRoL's target takes 10 of 2000 points in 0.1 s (surrol/tasks/ecm_active_track.py)."""

_A_BLOCK = 3


def draw_waypoints(
    rng: np.random.Generator, lower: NDArray[np.float64], upper: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Twelve points (12, 2), m: three in each of four blocks, in order around their middle.

    Args:
        rng: Drawn from.
        lower: (2,) bounds, m.
        upper: (2,) bounds, m.
    """
    middle = (lower + upper) / 2 + rng.uniform(-0.1, 0.1, 2) * (upper - lower)
    blocks: tuple[tuple[Any, Any, Callable[[Any], Any]], ...] = (
        ((lower[0], middle[1]), (middle[0], upper[1]), lambda p: -p[:, 1]),
        ((lower[0], lower[1]), (middle[0], middle[1]), lambda p: -p[:, 1]),
        ((middle[0], lower[1]), (upper[0], middle[1]), lambda p: p[:, 0]),
        ((middle[0], middle[1]), (upper[0], upper[1]), lambda p: -p[:, 0]),
    )
    points: list[Any] = []
    for low, high, order in blocks:
        drawn = rng.uniform(low, high, (_A_BLOCK, 2))
        points.append(drawn[np.argsort(order(drawn))])
    return np.concatenate(points)


def closed_curve(waypoints: NDArray[np.float64]) -> NDArray[np.float64]:
    """`CURVE_POINTS` points (n, 2) of the periodic cubic spline through waypoints (m, 2), m.

    Its parameter is the length of the chords, so that the points are about evenly spaced.
    """
    from scipy.interpolate import CubicSpline

    closed = np.vstack([waypoints, waypoints[:1]])
    chords = np.maximum(np.linalg.norm(np.diff(closed, axis=0), axis=1), 1e-6)
    length = np.concatenate([[0.0], np.cumsum(chords)])
    spline = CubicSpline(length, closed, bc_type="periodic")
    at = np.linspace(0.0, length[-1], CURVE_POINTS, endpoint=False)
    return np.asarray(spline(at))
