"""Place of, interpolation and noise on voxel grids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.phantoms.shapes import Array

Coordinates = NDArray[np.number[Any]]


def refine(values: Array, coarse: Sequence[Coordinates], fine: Sequence[Coordinates]) -> Array:
    """Trilinear interpolation of `values` (z, y, x) from one grid to a finer one in the same box.

    Args:
        values: At the coarse grid's points.
        coarse: Increasing coordinates along z, y and x of the points given.
        fine: The same of those wanted.
    """
    for axis in (2, 1, 0):
        knots, wanted = coarse[axis], fine[axis]
        if len(knots) == 1:
            continue
        low = np.clip(np.searchsorted(knots, wanted, side="right") - 1, 0, len(knots) - 2)
        shape = [1, 1, 1]
        shape[axis] = -1
        weight = ((wanted - knots[low]) / (knots[low + 1] - knots[low])).astype(np.float32)
        first = np.take(values, low, axis=axis)
        following = np.take(values, low + 1, axis=axis)
        following -= first
        following *= weight.reshape(shape)
        following += first
        values = following
    return values


def grid_affine(axes: Sequence[Array], spacing_mm: float) -> NDArray[np.float64]:
    """The affine from (z, y, x) of a grid along the patient's axes.

    Args:
        axes: Coordinates x, y and z of the voxel centres, mm.
        spacing_mm: Distance between them.
    """
    affine = np.eye(4)
    affine[:3, :3] = np.eye(3)[:, ::-1] * spacing_mm
    affine[:3, 3] = [axis[0] for axis in axes]
    return affine


def blurred_noise(
    rng: np.random.Generator, shape: tuple[int, int, int], sd: float
) -> NDArray[np.float32]:
    """Gaussian noise (z, y, x) of standard deviation `sd`, correlated with the next voxels."""
    noise = rng.standard_normal(shape, dtype=np.float32)
    side, middle = 0.22, 0.56
    for axis in (1, 2):  # in the slice only, as a scanner's reconstruction filter does
        neighbours = np.roll(noise, 1, axis) + np.roll(noise, -1, axis)
        noise *= middle
        neighbours *= side
        noise += neighbours
    noise *= sd / (middle**2 + 2 * side**2)
    return noise
