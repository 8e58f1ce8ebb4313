"""Signed distance fields of structures."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def signed_distance(mask: NDArray[np.bool_], spacing_mm: ArrayLike) -> NDArray[np.float32]:
    """Distance in mm from every voxel centre to the border of `mask`, negative inside.

    SimpleITK's exact Euclidean map (Maurer et al. 2003, doi:10.1109/TPAMI.2003.1177156) is zero
    at the border voxels on the inner side, so it lies half a voxel inwards. The mean of the map
    of the mask and the negated map of its complement is zero between the voxels.

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
    outwards = _maurer(mask, spacing_mm)
    inwards = _maurer(~mask, spacing_mm)
    return np.asarray((outwards - inwards) * np.float32(0.5), dtype=np.float32)


def _maurer(mask: NDArray[np.bool_], spacing_mm: ArrayLike) -> NDArray[np.float32]:
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    image.SetSpacing(np.asarray(spacing_mm, dtype=float)[::-1].tolist())
    distances: NDArray[Any] = sitk.GetArrayFromImage(
        sitk.SignedMaurerDistanceMap(
            image, insideIsPositive=False, squaredDistance=False, useImageSpacing=True
        )
    )
    return distances
