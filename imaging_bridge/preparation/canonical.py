"""Axes in one order and direction for every scan, exactly, and back."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.errors import GeometryError
from halsted.imaging_bridge.labels import LabelMap
from halsted.imaging_bridge.volume import Grid, Volume

AnyGrid = TypeVar("AnyGrid", Volume, LabelMap)

CANONICAL = "SPL"
"""Array axes (z, y, x) grow towards superior, posterior and left: DICOM's LPS, read backwards."""

_OPPOSITE = dict(zip("LRAPSI", "RLPAIS", strict=True))


def reorient(grid: AnyGrid, orientation: str = CANONICAL) -> AnyGrid:
    """The same voxels at the same place, with axes permuted and flipped and nothing interpolated.

    ``reorient(reorient(grid), grid.orientation)`` gives every voxel back, and the affine to
    rounding.

    Args:
        grid: A volume or labels. An oblique one keeps its angle: each axis goes to its nearest
            direction.
        orientation: Direction in which the array axes (z, y, x) shall grow, e.g. ``SPL``.

    Raises:
        GeometryError: the orientation does not name each of the three axes of the body once, or two
            axes of the grid are nearest to the same one.
    """
    now = grid.orientation
    _check(orientation, "the orientation asked for")
    _check(now, "the orientation of this grid")
    order = [_find(letter, now) for letter in orientation]
    is_flipped = [now[axis] != letter for axis, letter in zip(order, orientation, strict=True)]
    voxels = np.transpose(grid.voxels, order)
    voxels = voxels[tuple(slice(None, None, -1 if flip else 1) for flip in is_flipped)]
    step = _index_change(grid, order, is_flipped)
    return replace(grid, voxels=np.ascontiguousarray(voxels), affine=grid.affine @ step)


def _index_change(grid: Grid, order: list[int], is_flipped: list[bool]) -> NDArray[np.float64]:
    """4x4 from new array indices to old ones."""
    step = np.zeros((4, 4))
    step[3, 3] = 1.0
    for new, (old, flip) in enumerate(zip(order, is_flipped, strict=True)):
        step[old, new] = -1.0 if flip else 1.0
        step[old, 3] = grid.shape[old] - 1 if flip else 0.0
    return step


def _find(letter: str, orientation: str) -> int:
    """The axis that grows towards a direction or away from it."""
    position = orientation.find(letter)
    return position if position >= 0 else orientation.index(_OPPOSITE[letter])


def _check(orientation: str, what: str) -> None:
    axes = {frozenset((letter, _OPPOSITE.get(letter, letter))) for letter in orientation}
    if len(orientation) != 3 or len(axes) != 3 or not set(orientation) <= set(_OPPOSITE):
        raise GeometryError(
            f"{what} is {orientation!r}, but three letters were expected, one each of S or I, P or "
            f"A, and L or R; pass one such as {CANONICAL!r}, or resample an oblique scan first"
        )
