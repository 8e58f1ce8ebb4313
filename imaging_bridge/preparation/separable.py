"""Interpolation along one axis after the other, for grids whose axes are parallel.

A triangle that is as wide as the coarser of both spacings weighs the voxels around each new centre:
linear interpolation where the grid gets finer, and an anti-aliasing filter where it gets coarser
(the tent filter of Heckbert 1989, "Fundamentals of Texture Mapping and Image Warping", and what
Pillow and torch do with ``antialias``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class AxisWeights:
    """What each new index takes from the old ones along one axis.

    Attributes:
        first: (n,) int64 old index that its first weight is for.
        weights: (n, taps) float32; rows add up to one.
        inside: (n,) whether the new centre lies in the old field of view.
    """

    first: NDArray[np.int64]
    weights: NDArray[np.float32]
    inside: NDArray[np.bool_]


def triangle_weights(count: int, centres: NDArray[np.float64], step: float) -> AxisWeights:
    """Weights for new centres along an axis.

    Args:
        count: Old voxels.
        centres: (n,) old indices, fractional, of the new voxels' centres.
        step: New spacing in old spacings.
    """
    radius = max(abs(step), 1.0)
    taps = min(int(np.ceil(2.0 * radius)), count)
    first = np.clip(np.floor(centres - radius).astype(np.int64) + 1, 0, count - taps)
    within = np.clip(centres, 0, count - 1)
    apart = first[:, np.newaxis] + np.arange(taps) - within[:, np.newaxis]
    is_whole = (within - radius > -1) & (within + radius < count)
    weights = _balanced(np.clip(1.0 - np.abs(apart) / radius, 0.0, None), apart, is_whole)
    inside = (centres >= -0.5) & (centres <= count - 0.5)  # half a voxel beyond the last centre
    return AxisWeights(first, weights.astype(np.float32), inside)


def _balanced(
    weights: NDArray[np.float64], apart: NDArray[np.float64], is_whole: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Weights that add up to one and whose mean is the centre, so that ramps are kept exactly.

    Args:
        weights: (n, taps).
        apart: (n, taps) old voxels from the centre.
        is_whole: (n,) whether the old voxels go on all round; elsewhere the mean is left as it is.
    """
    total, lean, spread = ((weights * apart**power).sum(axis=1)[:, None] for power in range(3))
    scale = total * spread - lean**2
    is_leaning = is_whole[:, np.newaxis] & (scale > 1e-9)
    straight = weights * (spread - lean * apart) / np.where(is_leaning, scale, 1.0)
    return np.asarray(np.where(is_leaning, straight, weights / total))


def weigh(
    voxels: NDArray[Any], axes: tuple[AxisWeights, AxisWeights, AxisWeights], fill: float
) -> NDArray[np.float32]:
    """The old voxels (z, y, x) at the new centres, as float32; `fill` outside the old ones."""
    z, y, x = axes
    size = len(y.first), len(x.first)
    slices = np.empty((voxels.shape[0], *size), np.float32)
    needed = np.zeros(voxels.shape[0], np.bool_)
    needed[(z.first[:, np.newaxis] + np.arange(z.weights.shape[1])).ravel()] = True
    _within_slices(voxels, needed, y.first, y.weights, x.first, x.weights, slices)
    out = np.empty((len(z.first), *size), np.float32)
    _across_slices(slices, z.first, z.weights, out)
    for axis, one in enumerate(axes):
        if not one.inside.all():
            np.moveaxis(out, axis, 0)[~one.inside] = fill
    return out


# fastmath: sums may be taken in any order, so that the loops use the whole width of the processor.
@njit(cache=True, fastmath=True, error_model="numpy")
def _within_slices(
    voxels: NDArray[Any],
    needed: NDArray[np.bool_],
    first_y: NDArray[np.int64],
    weights_y: NDArray[np.float32],
    first_x: NDArray[np.int64],
    weights_x: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    """Reduce rows, then columns, of one slice after the other: each stays in the cache."""
    width = voxels.shape[2]
    row = np.empty(width, np.float32)
    for z in range(voxels.shape[0]):
        if not needed[z]:
            continue
        for y in range(out.shape[1]):
            for i in range(width):
                row[i] = weights_y[y, 0] * voxels[z, first_y[y], i]
            for tap in range(1, weights_y.shape[1]):
                weight = weights_y[y, tap]
                if weight != 0.0:
                    for i in range(width):
                        row[i] += weight * voxels[z, first_y[y] + tap, i]
            for x in range(out.shape[2]):
                total = np.float32(0.0)
                for tap in range(weights_x.shape[1]):
                    total += weights_x[x, tap] * row[first_x[x] + tap]
                out[z, y, x] = total


@njit(cache=True, fastmath=True, error_model="numpy")
def _across_slices(
    slices: NDArray[np.float32],
    first: NDArray[np.int64],
    weights: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    height, width = out.shape[1:]
    for z in range(out.shape[0]):
        for y in range(height):
            for x in range(width):
                out[z, y, x] = weights[z, 0] * slices[first[z], y, x]
            for tap in range(1, weights.shape[1]):
                weight = weights[z, tap]
                if weight != 0.0:
                    for x in range(width):
                        out[z, y, x] += weight * slices[first[z] + tap, y, x]
