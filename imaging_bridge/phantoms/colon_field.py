"""How far it is from a point in the colon to its wall or a polyp, and what a ray meets."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from halsted.imaging_bridge.phantoms.colon_anatomy import Floats, Lumen, Polyps

WALL = -1
NOTHING = -2
_BLEND_MM = 1.2  # width of the fillet between a polyp and the wall
_SAFE = 0.7  # steep folds make the field grow faster than the distance
_CLOSE_MM = 0.08
_STEPS = 90
_FAR_MM = 260.0


@njit(cache=True, nogil=True, fastmath=True)
def nearest_index(lumen: Lumen, x: float, y: float, z: float, start: int) -> int:
    """Index of the centreline's point that is nearest, downhill from `start`."""
    centre, best = lumen.centre, start
    here = _apart2(centre, best, x, y, z)
    for way in (1, -1):
        while 0 <= best + way < len(centre):
            there = _apart2(centre, best + way, x, y, z)
            if there >= here:
                break
            best, here = best + way, there
    return best


@njit(cache=True, nogil=True, fastmath=True)
def cylinder(lumen: Lumen, x: float, y: float, z: float, index: int) -> tuple[float, float, float]:
    """Place along the centreline (mm), angle (radians) and distance from it (mm) of a point."""
    centre = lumen.centre
    index = min(max(index, 1), len(centre) - 2)
    ax = centre[index + 1, 0] - centre[index - 1, 0]
    ay = centre[index + 1, 1] - centre[index - 1, 1]
    az = centre[index + 1, 2] - centre[index - 1, 2]
    px, py, pz = x - centre[index, 0], y - centre[index, 1], z - centre[index, 2]
    share = 2.0 * (px * ax + py * ay + pz * az) / (ax * ax + ay * ay + az * az)
    share = min(max(share, -1.0), 1.0)
    other = index + 1 if share > 0.0 else index - 1
    part = abs(share)
    along_n = along_b = apart2 = 0.0
    for axis, at in enumerate((x, y, z)):
        middle = centre[index, axis] + part * (centre[other, axis] - centre[index, axis])
        n, b = lumen.normal[index, axis], lumen.binormal[index, axis]
        off = at - middle
        along_n += off * (n + part * (lumen.normal[other, axis] - n))
        along_b += off * (b + part * (lumen.binormal[other, axis] - b))
        apart2 += off * off
    return index + share, math.atan2(along_b, along_n), math.sqrt(apart2)


@njit(cache=True, nogil=True, fastmath=True)
def outline_radius(lumen: Lumen, place: float, angle: float) -> float:
    """Distance of the wall from the centreline, mm, without folds and polyps."""
    at = min(max(place, 0.0), len(lumen.radius) - 1.001)
    low = int(at)
    radius = lumen.radius[low] + (at - low) * (lumen.radius[low + 1] - lumen.radius[low])
    bands = lumen.corner[0] * (0.5 + 0.5 * math.cos(3.0 * angle + lumen.corner[1]))
    return float(radius * (1.0 - bands))


@njit(cache=True, nogil=True, fastmath=True)
def wall_radius(lumen: Lumen, place: float, angle: float) -> float:
    """Distance of the wall from the centreline, mm, with folds and without polyps."""
    at = min(max(place, 0.0), len(lumen.radius) - 1.001)
    low = int(at)
    folds, lowered, middle = lumen.folds, 0.0, lumen.nearest_fold[low]
    for number in range(max(middle - 1, 0), min(middle + 2, len(lumen.folds))):
        off = (place - folds[number, 0]) / folds[number, 4]
        if abs(off) < 3.5:
            apart = abs(angle - folds[number, 1])
            turn = min(apart, 2.0 * math.pi - apart) / folds[number, 2]
            if turn < 1.0:
                span = 1.0 - turn * turn
                lowered += folds[number, 3] * math.exp(-0.5 * off * off) * span * span
    return float(outline_radius(lumen, place, angle) - lowered)


@njit(cache=True, nogil=True, fastmath=True)
def polyp_distance(polyps: Polyps, number: int, x: float, y: float, z: float) -> float:
    """Distance to a polyp's surface, mm, negative inside; right near the surface."""
    centre, axes, radii = polyps.centre, polyps.axes, polyps.radii
    dx, dy, dz = x - centre[number, 0], y - centre[number, 1], z - centre[number, 2]
    inner = outer = 0.0
    bump = 1.0
    height, waves = polyps.bumps[number, 0], polyps.bumps[number, 1]
    for axis in range(3):
        along = axes[number, axis, 0] * dx + axes[number, axis, 1] * dy
        along = (along + axes[number, axis, 2] * dz) / radii[number, axis]
        inner += along * along
        outer += (along / radii[number, axis]) ** 2
        bump *= math.cos(waves * along + axis)
    level = math.sqrt(inner) - height * bump
    found = level * (level - 1.0) / (math.sqrt(outer) + 1e-6)
    if polyps.stalk[number] > 0.0:
        stalk = _capsule(polyps.foot[number], centre[number], polyps.stalk[number], x, y, z)
        found = min(found, stalk)
    return float(found)


@njit(cache=True, nogil=True, fastmath=True)
def gap(
    lumen: Lumen, polyps: Polyps, x: float, y: float, z: float, index: int
) -> tuple[float, int]:
    """How far the wall or a polyp is, mm, negative inside them, and which: WALL or its number."""
    place, angle, apart = cylinder(lumen, x, y, z, index)
    wall = wall_radius(lumen, place, angle) - apart
    found, what = wall, WALL
    for number in range(len(polyps.stalk)):
        dx, dy = polyps.foot[number, 0] - x, polyps.foot[number, 1] - y
        dz = polyps.foot[number, 2] - z
        if dx * dx + dy * dy + dz * dz < polyps.reach[number] ** 2:
            polyp = polyp_distance(polyps, number, x, y, z)
            if polyp < wall:
                what = number
            overlap = max(_BLEND_MM - abs(polyp - wall), 0.0)
            found = min(found, min(polyp, wall) - overlap * overlap * 0.25 / _BLEND_MM)
    return found, what


@njit(cache=True, nogil=True, fastmath=True)
def trace(
    lumen: Lumen, polyps: Polyps, start: Floats, ways: Floats, free_until: Floats, index: int
) -> tuple[Floats, NDArray[np.int64], Floats, Floats]:
    """Follow rays through the lumen to what they meet (sphere tracing).

    Args:
        lumen: Where the gas is.
        polyps: What stands in it.
        start: (3,) where the rays begin, mm, in the lumen.
        ways: (n, 3) their unit directions.
        free_until: (n,) distance, mm, up to which each is known to meet nothing.
        index: Of the centreline's point nearest to `start`.

    Returns:
        (n,) distances in mm; (n,) what was met: WALL, a polyp's number, or NOTHING; (n, 3) unit
        normals into the lumen there; (n, 3) place, angle and distance from the centreline there.
    """
    count = len(ways)
    far, what = np.empty(count), np.empty(count, np.int64)
    normals, places = np.zeros((count, 3)), np.empty((count, 3))
    for ray in range(count):
        dx, dy, dz = ways[ray]
        at, here, gone, met = index, start, free_until[ray], NOTHING
        x, y, z = here[0], here[1], here[2]
        for _ in range(_STEPS):
            x, y, z = here[0] + gone * dx, here[1] + gone * dy, here[2] + gone * dz
            at = nearest_index(lumen, x, y, z, at)
            free, what_here = gap(lumen, polyps, x, y, z, at)
            if free < _CLOSE_MM * (1.0 + 0.02 * gone):
                met = what_here
                break
            gone += max(_SAFE * free, 0.03)
            if gone > _FAR_MM:
                break
        far[ray], what[ray] = gone, met
        places[ray, 0], places[ray, 1], places[ray, 2] = cylinder(lumen, x, y, z, at)
        _normal(lumen, polyps, x, y, z, at, normals[ray])
    return far, what, normals, places


@njit(cache=True, nogil=True, fastmath=True)
def _normal(
    lumen: Lumen, polyps: Polyps, x: float, y: float, z: float, index: int, out: Floats
) -> None:
    """The direction in which the gap grows, from four corners of a tetrahedron."""
    for sx, sy, sz in ((1, -1, -1), (-1, -1, 1), (-1, 1, -1), (1, 1, 1)):
        free, _ = gap(lumen, polyps, x + 0.2 * sx, y + 0.2 * sy, z + 0.2 * sz, index)
        out[0] += sx * free
        out[1] += sy * free
        out[2] += sz * free
    out /= math.sqrt(out[0] ** 2 + out[1] ** 2 + out[2] ** 2) + 1e-12


@njit(cache=True, nogil=True, fastmath=True)
def fill(
    lumen: Lumen,
    polyps: Polyps,
    first: Floats,
    spacing: float,
    reach: float,
    shape: tuple[int, int, int],
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int16]]:
    """The gap at every voxel (z, y, x) of a grid within `reach` mm of the centreline.

    Returns:
        Gap in mm, -1000 further out; how far inside the outline, which has neither folds nor
        polyps, mm, the same further out; and what is nearest, WALL or a polyp's number.
    """
    near = _nearest(lumen.centre, first, spacing, reach, shape)
    gaps = np.full(shape, -1000.0, np.float32)
    inside = np.full(shape, -1000.0, np.float32)
    what = np.full(shape, WALL, np.int16)
    for k in range(shape[0]):
        for j in range(shape[1]):
            for i in range(shape[2]):
                if near[k, j, i] >= 0:
                    x, y = first[0] + i * spacing, first[1] + j * spacing
                    z = first[2] + k * spacing
                    gaps[k, j, i], what[k, j, i] = gap(lumen, polyps, x, y, z, near[k, j, i])
                    place, angle, apart = cylinder(lumen, x, y, z, near[k, j, i])
                    inside[k, j, i] = outline_radius(lumen, place, angle) - apart
    return gaps, inside, what


@njit(cache=True, nogil=True, fastmath=True)
def _nearest(
    centre: Floats, first: Floats, spacing: float, reach: float, shape: tuple[int, int, int]
) -> NDArray[np.int32]:
    """Index of the nearest point of the centreline, -1 where none is within reach; (z, y, x)."""
    best = np.full(shape, reach * reach, np.float32)
    index = np.full(shape, -1, np.int32)
    for number in range(len(centre)):
        x, y, z = centre[number]
        k0, k1 = _span(z - first[2], reach, spacing, shape[0])
        j0, j1 = _span(y - first[1], reach, spacing, shape[1])
        i0, i1 = _span(x - first[0], reach, spacing, shape[2])
        for k in range(k0, k1):
            dz2 = (first[2] + k * spacing - z) ** 2
            for j in range(j0, j1):
                dyz2 = dz2 + (first[1] + j * spacing - y) ** 2
                for i in range(i0, i1):
                    apart2 = dyz2 + (first[0] + i * spacing - x) ** 2
                    if apart2 < best[k, j, i]:
                        best[k, j, i] = apart2
                        index[k, j, i] = number
    return index


@njit(cache=True, nogil=True, fastmath=True)
def _span(at: float, reach: float, spacing: float, count: int) -> tuple[int, int]:
    low, high = math.ceil((at - reach) / spacing), math.floor((at + reach) / spacing)
    return max(low, 0), min(high + 1, count)


@njit(cache=True, nogil=True, fastmath=True)
def _apart2(centre: Floats, index: int, x: float, y: float, z: float) -> float:
    dx, dy, dz = centre[index, 0] - x, centre[index, 1] - y, centre[index, 2] - z
    return float(dx * dx + dy * dy + dz * dz)


@njit(cache=True, nogil=True, fastmath=True)
def _capsule(start: Floats, end: Floats, radius: float, x: float, y: float, z: float) -> float:
    ax, ay, az = end[0] - start[0], end[1] - start[1], end[2] - start[2]
    px, py, pz = x - start[0], y - start[1], z - start[2]
    along = (px * ax + py * ay + pz * az) / (ax * ax + ay * ay + az * az + 1e-9)
    along = min(max(along, 0.0), 1.0)
    qx, qy, qz = px - along * ax, py - along * ay, pz - along * az
    return math.sqrt(qx * qx + qy * qy + qz * qz) - radius
