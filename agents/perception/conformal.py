"""Intervals that hold as often as they say, whatever the network: split conformal prediction.

Vovk, Gammerman and Shafer 2005, doi:10.1007/b106715; a tutorial: Angelopoulos and Bates 2021,
arXiv:2107.07511. They hold over cases, not voxels, and for cases like those they were calibrated
on: for others see `outliers`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.fields import signed_distance

SURFACE_SHARE = 0.95
"""Of a structure's surface, that its margin is to hold; the rest is voxels' roughness."""


def conformal_quantile(scores: Sequence[float], coverage: float) -> float:
    """The bound that a new case's score keeps with at least this probability.

    Infinite where there are too few cases to promise it, or where too many scores are.
    """
    rank = math.ceil((len(scores) + 1) * coverage - 1e-9)  # 110 x 0.9 is 99, not a hair more
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else math.inf


def p_value(score: float, scores: Sequence[float]) -> float:
    """How often a case like those of `scores` scores at least as high."""
    return (1 + sum(one >= score for one in scores)) / (len(scores) + 1)


def boundary_error_mm(seen: NDArray[np.bool_], true: NDArray[np.bool_], spacing_mm: float) -> float:
    """The least margin by which a seen structure must grow to hold most of the true surface.

    Args:
        seen: (z, y, x) or (y, x).
        true: The same; not empty.
        spacing_mm: Of the cubic or square grid.

    Returns:
        mm, 0 where nothing is missed; infinite where nothing was seen.
    """
    if not seen.any():
        return math.inf
    thick = [one.reshape((1, 1, 1, *one.shape)[-3:]) for one in (seen, true)]
    spacing = np.full(3, spacing_mm)
    inner = signed_distance(thick[1], spacing) <= 0.0
    depth = signed_distance(thick[1], spacing)[inner]
    surface = inner.copy()
    surface[inner] = depth > -1.01 * spacing_mm
    outside = signed_distance(thick[0], spacing)[surface]
    return max(0.0, float(np.quantile(outside, SURFACE_SHARE)))


def volume_error(seen: NDArray[np.bool_], true: NDArray[np.bool_]) -> float:
    """Size of the logarithm of true over seen volume; infinite where nothing was seen."""
    if not seen.any():
        return math.inf
    return abs(math.log(np.count_nonzero(true) / np.count_nonzero(seen)))
