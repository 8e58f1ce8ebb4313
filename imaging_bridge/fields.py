"""Signed distance fields of structures."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from halsted.imaging_bridge.distances import contours, distance_to


def signed_distance(mask: NDArray[np.bool_], spacing_mm: ArrayLike) -> NDArray[np.float32]:
    """Distance in mm from every voxel centre to the border of `mask`, negative inside.

    The border runs between the voxels inside and outside that share a face. The distance to the
    nearest centre of either is exact, as in Maurer et al. 2003 (doi:10.1109/TPAMI.2003.1177156);
    their mean is zero in the middle. SimpleITK's map of the mask alone is zero on the voxels
    inside, which puts the border half a voxel inwards.

    On balls and slabs that were cut into voxels up to three times as long as wide it is within 0.6
    of a voxel's longest edge, on average within a quarter; on planes along the axes it is exact.

    Args:
        mask: Array (z, y, x).
        spacing_mm: Voxel spacing along (z, y, x), mm.

    Returns:
        Array (z, y, x). Infinite where the mask is empty, minus infinite where it is full.
    """
    if not mask.any():
        return np.full(mask.shape, np.inf, dtype=np.float32)
    if mask.all():
        return np.full(mask.shape, -np.inf, dtype=np.float32)
    spacing = np.broadcast_to(np.asarray(spacing_mm, dtype=np.float64), (3,))
    inner, outer = contours(mask)
    distance = distance_to(inner, spacing)
    distance += distance_to(outer, spacing)
    distance *= np.where(mask, np.float32(-0.5), np.float32(0.5))
    return distance
