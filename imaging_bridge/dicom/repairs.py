"""Resampling slices that do not lie on a regular grid onto one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def resample_slices(
    slices: NDArray[np.float32],
    sources: NDArray[np.float64],
    shape: Sequence[int],
    outside: float,
) -> NDArray[np.float32]:
    """Interpolate displaced slices linearly, first within each slice, then between two.

    Args:
        slices: (n, y, x), in order of their place along z.
        sources: (n, 3); index (z, y, x) in the result of each slice's first voxel, not rounded.
        shape: Of the result, (z, y, x).
        outside: Value of voxels that no slice covers.

    Returns:
        float32 of `shape`.
    """
    result = np.full(tuple(shape), outside, dtype=np.float32)
    places = sources[:, 0]
    shifted: dict[int, NDArray[np.float32]] = {}
    for z in range(shape[0]):
        above = int(np.clip(np.searchsorted(places, z), 1, len(places) - 1))
        pair = (above - 1, above)
        for number in pair:
            if number not in shifted:
                shifted[number] = _shifted(slices[number], sources[number, 1:], shape[1:], outside)
        low, high = places[above - 1], places[above]
        weight = np.float32(np.clip((z - low) / (high - low), 0.0, 1.0))
        result[z] = shifted[pair[0]] * (1 - weight) + shifted[pair[1]] * weight
        shifted = {number: shifted[number] for number in pair}
    return result


def _shifted(
    image: NDArray[np.float32], start: NDArray[np.float64], shape: Sequence[int], outside: float
) -> NDArray[np.float32]:
    """A slice whose first voxel lies at index `start` (y, x) of the result."""
    for axis in (0, 1):
        whole = int(np.floor(start[axis]))
        part = np.float32(start[axis] - whole)
        length = shape[axis]
        room = [(0, 0), (0, 0)]
        room[axis] = (whole, length - whole - image.shape[axis])
        moved = np.pad(image, room, constant_values=outside) if min(room[axis]) >= 0 else image
        if part > 1e-6:
            before = np.roll(moved, 1, axis=axis)
            before[(slice(None),) * axis + (0,)] = outside
            moved = moved * (1 - part) + before * part
        image = moved
    return image
