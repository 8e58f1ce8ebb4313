"""Tearing at a stretch, and cutting with a blade, both by taking tetrahedra away.

A tetrahedron whose largest principal stretch is over the limit tears. A blade is a segment; the
surface that it sweeps is two triangles, and every tetrahedron which meets them is cut, however
fast or fine the blade. What is left on both sides shares no node, unless the cut ends inside. A
node keeps its mass and momentum while any tetrahedron is left at it; then it stays where it is and
counts no more. Volume and stiffness of what is gone are lost. A mesh of the resolution of the
wanted cut is the remedy.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from halsted.robot.tissue.elasticity import largest_stretch
from halsted.robot.tissue.state import CUT, INTACT, TORN, find_surface, remove

_THICKNESS = 1e-9  # m: a blade in the plane between two tetrahedra cuts both


@njit(cache=True, error_model="numpy")
def tear(nodes, elements, limit):  # type: ignore[no-untyped-def]
    """Remove the tetrahedra that are stretched beyond the limit; returns their number."""
    torn = 0
    for tet in range(len(elements.tets)):
        if elements.fate[tet] != INTACT:
            continue
        corners, row = elements.tets[tet], elements.table[tet]
        if largest_stretch(nodes.positions, corners, row, limit) > limit:
            remove(nodes, elements, tet, TORN)
            torn += 1
    if torn:
        find_surface(elements)
    return torn


@njit(cache=True, error_model="numpy")
def sweep_blade(nodes, elements, start, end, cut_areas):  # type: ignore[no-untyped-def]
    """Cut along what a blade sweeps from `start` to `end`, (2, 3) each.

    Fills in the area, m^2, swept within each tetrahedron; returns how many were cut.
    """
    triangles = np.empty((2, 3, 3))
    triangles[0, 0], triangles[0, 1], triangles[0, 2] = start[0], start[1], end[1]
    triangles[1, 0], triangles[1, 1], triangles[1, 2] = start[0], end[1], end[0]
    polygon, other = np.empty((12, 3)), np.empty((12, 3))
    plane = np.empty(4)
    low, high = np.empty(3), np.empty(3)
    for a in range(3):
        low[a] = min(start[:, a].min(), end[:, a].min()) - _THICKNESS
        high[a] = max(start[:, a].max(), end[:, a].max()) + _THICKNESS
    count = 0
    for tet in range(len(elements.tets)):
        cut_areas[tet] = 0.0
        if elements.fate[tet] != INTACT:
            continue
        if _is_beside(nodes.positions, elements.tets[tet], low, high):
            continue
        is_met = False
        for triangle in range(2):
            polygon[:3] = triangles[triangle]
            left = _clip(nodes.positions, elements.tets[tet], polygon, other, plane)
            is_met |= left > 0
            cut_areas[tet] += _area(polygon, left)
        if is_met:
            remove(nodes, elements, tet, CUT)
            count += 1
    if count:
        find_surface(elements)
    return count


@njit(cache=True, error_model="numpy")
def _is_beside(positions, corners, low, high):  # type: ignore[no-untyped-def]
    """Whether a tetrahedron lies beside a box, along one of the axes."""
    for a in range(3):
        below, above = True, True
        for corner in corners:
            below &= positions[corner, a] < low[a]
            above &= positions[corner, a] > high[a]
        if below or above:
            return True
    return False


@njit(cache=True, error_model="numpy")
def _clip(positions, corners, polygon, other, plane):  # type: ignore[no-untyped-def]
    """Cut a triangle down to what lies in a tetrahedron (Sutherland and Hodgman 1974)."""
    count = 3
    for opposite in range(4):
        _inward_plane(positions, corners, opposite, plane)
        kept = 0
        for number in range(count):
            here, there = polygon[number], polygon[(number + 1) % count]
            inside_here, inside_there = _height(plane, here), _height(plane, there)
            if inside_here >= 0.0:
                other[kept] = here
                kept += 1
            if (inside_here >= 0.0) != (inside_there >= 0.0):
                share = inside_here / (inside_here - inside_there)
                other[kept] = here + share * (there - here)
                kept += 1
        polygon[:kept] = other[:kept]
        count = kept
        if count == 0:
            break
    return count


@njit(cache=True, error_model="numpy")
def _inward_plane(positions, corners, opposite, plane):  # type: ignore[no-untyped-def]
    """Unit normal and offset of the face opposite to a corner, positive towards the corner."""
    a = positions[corners[(opposite + 1) % 4]]
    b = positions[corners[(opposite + 2) % 4]]
    c = positions[corners[(opposite + 3) % 4]]
    normal = np.cross(b - a, c - a)
    length = np.sqrt((normal * normal).sum())
    if length > 0.0:
        normal /= length
    if (normal * (positions[corners[opposite]] - a)).sum() < 0.0:
        normal = -normal
    plane[:3] = normal
    plane[3] = _THICKNESS - (normal * a).sum()


@njit(cache=True, error_model="numpy")
def _height(plane, point):  # type: ignore[no-untyped-def]
    return plane[0] * point[0] + plane[1] * point[1] + plane[2] * point[2] + plane[3]


@njit(cache=True, error_model="numpy")
def _area(polygon, count):  # type: ignore[no-untyped-def]
    total = np.zeros(3)
    for number in range(1, count - 1):
        total += np.cross(polygon[number] - polygon[0], polygon[number + 1] - polygon[0])
    return 0.5 * np.sqrt((total * total).sum())
