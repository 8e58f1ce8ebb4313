"""Grips: nodes between two jaws that follow a tool's pose.

A grip needs real contact of both jaws: the line from pad to pad must go through intact tissue that
comes within the pads' radius of either pad. Then the nodes within that radius of the line are held;
where there are none, the mesh being coarser than the jaws, the nearest corner of each tetrahedron
on the line. Held nodes are put where the pose has them, without compliance; what that takes is the
force on the grip.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from halsted.robot.tissue.contact import give
from halsted.robot.tissue.elasticity import inside
from halsted.robot.tissue.state import INTACT, Floats, Ints


class Grips(NamedTuple):
    """Held nodes during one step.

    Attributes:
        nodes: (h,) held nodes.
        owners: (h,) the grip that holds each.
        starts: (h, 3) where its pose has them at the start of the step, world, m.
        ends: (h, 3) the same at its end.
        origins: (g, 3) of each grip's pose at the end of the step, world, m.
        impulses: (g, 6) given to each grip's tool so far: N s, and N m s about its origin.
    """

    nodes: Ints
    owners: Ints
    starts: Floats
    ends: Floats
    origins: Floats
    impulses: Floats


@njit(cache=True, error_model="numpy")
def carry(nodes, grips, share, period):  # type: ignore[no-untyped-def]
    """Put held nodes where they are at a share of the step."""
    for number in range(len(grips.nodes)):
        node = grips.nodes[number]
        weight = nodes.inverse_masses[node]
        if weight == 0.0:
            continue
        at = nodes.positions[node]
        start, end = grips.starts[number], grips.ends[number]
        target = (
            start[0] + share * (end[0] - start[0]),
            start[1] + share * (end[1] - start[1]),
            start[2] + share * (end[2] - start[2]),
        )
        scale = 1.0 / (weight * period)
        impulse = (
            scale * (at[0] - target[0]),
            scale * (at[1] - target[1]),
            scale * (at[2] - target[2]),
        )
        owner = grips.owners[number]
        give(grips.impulses[owner], grips.origins[owner], target, impulse)
        at[0], at[1], at[2] = target


@njit(cache=True, error_model="numpy")
def between_jaws(positions, elements, first, second, radius):  # type: ignore[no-untyped-def]
    """The nodes (h,) that two jaws with pads at two points hold; none without tissue between."""
    length = np.sqrt(((second - first) ** 2).sum())
    taken = np.zeros(len(positions), np.bool_)
    on_line = np.zeros(len(positions), np.bool_)
    nearest, farthest = np.inf, -np.inf
    for tet in range(len(elements.tets)):
        if elements.fate[tet] != INTACT:
            continue
        corners = elements.tets[tet]
        enters, leaves = _chord(positions, corners, first, second)
        if enters <= leaves:
            nearest, farthest = min(nearest, enters), max(farthest, leaves)
            best, chosen = np.inf, 0
            for node in corners:
                gap = _from_line(positions[node], first, second)
                if gap < best:
                    best, chosen = gap, node
            on_line[chosen] = True
        for node in corners:
            if _from_line(positions[node], first, second) <= radius:
                taken[node] = True
    if not (nearest * length <= radius and (1.0 - farthest) * length <= radius):
        return np.empty(0, np.int64)
    if not taken.any():
        taken = on_line
    return np.nonzero(taken)[0]


@njit(cache=True, error_model="numpy")
def _from_line(point, first, second):  # type: ignore[no-untyped-def]
    """Distance of a point from a segment."""
    way, gap = second - first, point - first
    square = (way * way).sum()
    share = min(1.0, max(0.0, (way * gap).sum() / square)) if square > 0.0 else 0.0
    gap = gap - share * way
    return np.sqrt((gap * gap).sum())


@njit(cache=True, error_model="numpy")
def _chord(positions, corners, first, second):  # type: ignore[no-untyped-def]
    """Shares of a segment at which it enters and leaves a tetrahedron; (1, 0) where it misses."""
    start, end = np.empty(4), np.empty(4)
    start[1], start[2], start[3] = inside(positions, corners, first)
    end[1], end[2], end[3] = inside(positions, corners, second)
    start[0], end[0] = 1.0 - start[1:].sum(), 1.0 - end[1:].sum()
    enters, leaves = 0.0, 1.0
    for corner in range(4):
        value, slope = start[corner], end[corner] - start[corner]
        if slope > 0.0:
            enters = max(enters, -value / slope)
        elif slope < 0.0:
            leaves = min(leaves, -value / slope)
        elif not value >= 0.0:
            return 1.0, 0.0
    return enters, leaves
