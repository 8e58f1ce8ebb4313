"""Exact Euclidean distances to the nearest of some voxels.

One axis after the other, each in linear time, by the lower envelope of parabolas (Felzenszwalb and
Huttenlocher 2012, doi:10.4086/toc.2012.v008a019).
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray


def distance_to(seeds: NDArray[np.bool_], spacing_mm: NDArray[np.float64]) -> NDArray[np.float32]:
    """Distance in mm from every voxel centre to the nearest seed's; infinite where there is none.

    Args:
        seeds: Array (z, y, x).
        spacing_mm: Voxel spacing along (z, y, x), mm.
    """
    squared = np.empty(seeds.shape, np.float32)
    z, y, x = (float(distance) for distance in spacing_mm)
    _along_x(np.ascontiguousarray(seeds), x, squared)
    _along_y(squared, y)
    _along_z(squared, z)
    return np.asarray(np.sqrt(squared, out=squared))


@njit(cache=True, error_model="numpy")
def _along_x(seeds: NDArray[np.bool_], step: float, out: NDArray[np.float32]) -> None:
    """Squared distances within each row: the last seed on the left, then the next on the right."""
    depth, height, width = seeds.shape
    for z in range(depth):
        for y in range(height):
            apart = np.inf
            for x in range(width):
                apart = 0.0 if seeds[z, y, x] else apart + step
                out[z, y, x] = apart
            apart = np.inf
            for x in range(width - 1, -1, -1):
                apart = 0.0 if seeds[z, y, x] else apart + step
                nearest = min(apart, out[z, y, x])
                out[z, y, x] = nearest * nearest


@njit(cache=True, error_model="numpy")
def _along_y(squared: NDArray[np.float32], step: float) -> None:
    depth, height, width = squared.shape
    lines = np.empty((width, height), np.float32)
    for z in range(depth):
        for y in range(height):
            for x in range(width):
                lines[x, y] = squared[z, y, x]
        _envelopes(lines, step)
        for y in range(height):
            for x in range(width):
                squared[z, y, x] = lines[x, y]


@njit(cache=True, error_model="numpy")
def _along_z(squared: NDArray[np.float32], step: float) -> None:
    depth, height, width = squared.shape
    lines = np.empty((width, depth), np.float32)
    for y in range(height):
        for z in range(depth):
            for x in range(width):
                lines[x, z] = squared[z, y, x]
        _envelopes(lines, step)
        for z in range(depth):
            for x in range(width):
                squared[z, y, x] = lines[x, z]


@njit(cache=True, error_model="numpy")
def _envelopes(lines: NDArray[np.float32], step: float) -> None:
    """Replace each line by the lowest of the parabolas that stand on its finite values."""
    count = lines.shape[1]
    apex = np.empty(count, np.int64)  # of the parabolas that are lowest somewhere
    height = np.empty(count, np.float64)
    start = np.empty(count + 1, np.float64)  # where each begins to be lowest
    halves = np.empty(count + 1, np.float64)
    for apart in range(1, count + 1):
        halves[apart] = 0.5 / (step * step * apart)
    for number in range(lines.shape[0]):
        line = lines[number]
        last = -1
        for position in range(count):
            value = line[position]
            if not np.isfinite(value):
                continue
            raised = value + step * step * position * position
            begin = -np.inf
            while last >= 0:
                begin = (raised - height[last]) * halves[position - apex[last]]
                if begin > start[last]:
                    break
                last -= 1
                begin = -np.inf
            last += 1
            apex[last], height[last], start[last] = position, raised, begin
        if last < 0:
            continue
        start[last + 1] = np.inf
        lowest = 0
        for position in range(count):
            while start[lowest + 1] < position:
                lowest += 1
            apart = position - apex[lowest]
            base = height[lowest] - step * step * apex[lowest] * apex[lowest]
            line[position] = step * step * apart * apart + base


def contours(mask: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Voxels inside and outside a mask that share a face with the other side."""
    inner, outer = np.zeros(mask.shape, np.bool_), np.zeros(mask.shape, np.bool_)
    _contours(np.ascontiguousarray(mask), inner, outer)
    return inner, outer


@njit(cache=True, error_model="numpy")
def _contours(mask: NDArray[np.bool_], inner: NDArray[np.bool_], outer: NDArray[np.bool_]) -> None:
    depth, height, width = mask.shape
    for z in range(depth):
        below, above = max(z - 1, 0), min(z + 1, depth - 1)
        for y in range(height):
            front, back = max(y - 1, 0), min(y + 1, height - 1)
            for x in range(width):
                here = mask[z, y, x]
                is_border = (
                    mask[below, y, x] != here
                    or mask[above, y, x] != here
                    or mask[z, front, x] != here
                    or mask[z, back, x] != here
                    or mask[z, y, max(x - 1, 0)] != here
                    or mask[z, y, min(x + 1, width - 1)] != here
                )
                inner[z, y, x] = is_border and here
                outer[z, y, x] = is_border and not here
