"""Closed contours in the slices of a grid, as the voxels that they enclose."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.distances import distance_to
from halsted.imaging_bridge.errors import GeometryError
from halsted.imaging_bridge.volume import Grid

Points = NDArray[np.float64]
Mask = NDArray[np.bool_]

# How far off a slice, as a part of the slice spacing, a contour still belongs to it.
_PLANE_TOLERANCE = 0.1
# Planning contours lie at most this far apart; across more, the shape between is not known.
_WIDEST_REGULAR_GAP_MM = 10.0


@dataclass(frozen=True)
class Filled:
    """What contours enclose.

    Attributes:
        voxels: Flat indices into the grid.
        interpolated: Number of slices between contours that were filled from both sides.
        left_empty: Number of slices between contours that were not.
    """

    voxels: NDArray[np.intp]
    interpolated: int
    left_empty: int


def fill(contours: Sequence[Points], grid: Grid, what: str) -> Filled:
    """Fill contours, and the slices that were regularly skipped between them.

    A structure that was drawn on every second slice, say, is whole all the same. So where most
    contours of a structure follow each other at one distance, at least two gaps long and at most
    10 mm, the slices in gaps up to that are filled with the shape between both sides: where the
    mean of the signed distances to the two shapes, weighted by nearness, is inside (Raya and Udupa
    1990, doi:10.1109/42.52980). Wider gaps stay empty, for they part one island from the next.
    Nothing is added beyond the first and the last contour.

    Args:
        contours: Points in LPS, mm, each of shape (n, 3).
        grid: Grid in whose slices (array axis z) the contours lie.
        what: The structure, as an error should name it.

    Raises:
        GeometryError: a contour lies off every slice.
    """
    masks = _masks(contours, grid, what)
    drawn = sorted(masks)
    gaps = [upper - lower for lower, upper in pairwise(drawn)]
    bridged = _regular_gap(gaps, float(grid.spacing[0]))
    for lower, upper in pairwise(drawn):
        if 1 < upper - lower <= bridged:
            masks.update(_between(lower, upper, masks[lower], masks[upper], grid))
    pixels = grid.shape[1] * grid.shape[2]
    inside = [number * pixels + np.flatnonzero(mask) for number, mask in masks.items()]
    voxels = np.concatenate(inside) if inside else np.empty(0, dtype=np.intp)
    interpolated = len(masks) - len(drawn)
    return Filled(voxels, interpolated, sum(gaps) - len(gaps) - interpolated)


def _masks(contours: Sequence[Points], grid: Grid, what: str) -> dict[int, Mask]:
    """The pixels inside, by slice."""
    in_slices: dict[int, list[Points]] = {}
    for points in contours:
        index = grid.to_index(points)
        in_slices.setdefault(_slice_of(index, points, grid, what), []).append(index[:, 1:])
    return {
        number: fill_even_odd(polygons, grid.shape[1:]) for number, polygons in in_slices.items()
    }


def _slice_of(index: Points, points: Points, grid: Grid, what: str) -> int:
    """The slice in whose plane all points lie."""
    nearest = round(float(index[0, 0]))
    off = np.abs(index[:, 0] - nearest)
    if off.max() <= _PLANE_TOLERANCE and 0 <= nearest < grid.shape[0]:
        return nearest
    worst = int(np.argmax(off))
    point = ", ".join(f"{coordinate:.2f}" for coordinate in points[worst])
    raise GeometryError(
        f"a contour of {what} passes through ({point}) mm, which lies in no slice of the scan or "
        f"leaves the contour's own slice (slices are {grid.spacing[0]:.2f} mm apart); pass the "
        "scan that the contours were drawn on"
    )


def _regular_gap(gaps: Sequence[int], spacing_mm: float) -> int:
    """The gap, in slices, that a structure's contours regularly leave; else 1."""
    counts = Counter(gaps)
    gap = max(counts, key=lambda gap: (counts[gap], -gap), default=1)
    return gap if counts[gap] > 1 and gap * spacing_mm <= _WIDEST_REGULAR_GAP_MM else 1


def _between(lower: int, upper: int, below: Mask, above: Mask, grid: Grid) -> dict[int, Mask]:
    """The shapes in the slices between two."""
    between = {number: np.zeros_like(below) for number in range(lower + 1, upper)}
    if not (below.any() and above.any()):
        return between
    box = _box(below | above)
    from_below, from_above = (_signed_distance(mask[box], grid) for mask in (below, above))
    for number, mask in between.items():
        part = (number - lower) / (upper - lower)
        mean = (1 - part) * from_below + part * from_above
        # Where the mean is zero the lower shape decides, so that a shift adds no pixel.
        mask[box] = (mean < 0) | ((mean == 0) & below[box])
    return between


def _box(mask: Mask) -> tuple[slice, slice]:
    """The smallest rectangle that holds all of a mask."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _signed_distance(mask: Mask, grid: Grid) -> NDArray[np.float32]:
    """Distance in mm to the nearest pixel on the other side; negative inside."""
    padded = np.pad(mask, 1)[np.newaxis]
    outside, inside = distance_to(padded, grid.spacing), distance_to(~padded, grid.spacing)
    return (outside - inside)[0, 1:-1, 1:-1]


def fill_even_odd(polygons: Sequence[Points], shape: tuple[int, int]) -> Mask:
    """Pixels whose centres lie inside an odd number of polygons.

    Args:
        polygons: Closed polygons as vertices (y, x) in pixels, shape (n, 2), not rounded.
        shape: Pixels along (y, x).

    Returns:
        Mask (y, x). Pixels that lie exactly on an edge belong to the side that x and y grow to,
        so that polygons which share an edge neither overlap nor leave a gap.
    """
    height, width = shape
    crossings = np.zeros((height, width + 1), dtype=np.int32)
    for start in polygons:
        end = np.roll(start, -1, axis=0)
        low, high = np.sort([start[:, 0], end[:, 0]], axis=0)
        first, stop = np.clip(np.ceil([low, high]), 0, height).astype(np.intp)
        count = stop - first  # of rows that an edge crosses
        edge = np.repeat(np.arange(len(start)), count)
        row = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count) + first[edge]
        along = (row - start[edge, 0]) / (end[edge, 0] - start[edge, 0])
        x = start[edge, 1] + along * (end[edge, 1] - start[edge, 1])
        np.add.at(crossings, (row, np.clip(np.ceil(x), 0, width).astype(np.intp)), 1)
    return np.asarray(np.cumsum(crossings[:, :-1], axis=1) % 2 == 1)
