"""Contact of rigid capsules with the surface of a soft body.

A capsule's axis is tested against surface triangles, not nodes alone, so that a tool finer than
the elements cannot slip between nodes; and within a sub-step it is moved on in pieces of half its
radius, so that a fast one cannot jump over a triangle. Penetration is projected out (position-based
contact without compliance), friction is Coulomb's on the displacement within the sub-step. What is
given to the nodes is taken from the tool: the impulses balance exactly.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from halsted.robot.tissue.closeness import closest
from halsted.robot.tissue.state import FREE, Floats
from halsted.robot.tissue.triples import between, cross, dot, minus, mix, scale, triple

_PIECE = 0.5  # of the radius: how far a tool moves between two tests
LEAST_SHARE = 0.05
"""Least weight of a point over that of its freest node: a point beside a fixed node, which only
leaves the others a short lever, would throw them far away."""
_MOST_DEPTH = 0.002  # m that a pierced triangle is brought back at once: more would fling it away
_CLOSE = 1e-12  # below this distance, m, the axis counts as lying in the triangle


class Tools(NamedTuple):
    """Capsules during one step.

    Attributes:
        starts: (k, 2, 3) ends of the axes at the start of the step, world, m.
        ends: (k, 2, 3) the same at its end.
        radii: (k,) m.
        friction: (k,) Coulomb's coefficient.
        impulses: (k, 6) given to the tool so far: N s, and N m s about `ends[:, 0]`.
    """

    starts: Floats
    ends: Floats
    radii: Floats
    friction: Floats
    impulses: Floats


@njit(cache=True, error_model="numpy")
def touch(nodes, elements, tools, from_share, to_share, period, near):  # type: ignore[no-untyped-def]
    """Push the surface out of every tool that moves between two shares of its way."""
    low, high = np.empty(3), np.empty(3)
    axis_from, axis_to, axis = np.empty((2, 3)), np.empty((2, 3)), np.empty((2, 3))
    lowest, highest = box(nodes.positions, len(tools.radii) > 0)
    for tool in range(len(tools.radii)):
        start, end = tools.starts[tool], tools.ends[tool]
        axis_from[:] = start + from_share * (end - start)
        axis_to[:] = start + to_share * (end - start)
        radius = tools.radii[tool]
        travel = np.sqrt(
            max(_square(axis_to[0] - axis_from[0]), _square(axis_to[1] - axis_from[1]))
        )
        for a in range(3):
            low[a] = min(axis_from[:, a].min(), axis_to[:, a].min()) - radius
            high[a] = max(axis_from[:, a].max(), axis_to[:, a].max()) + radius
        if _are_apart(low, high, lowest, highest):
            continue
        count = _faces_within(nodes.positions, elements, low, high, near)
        if count == 0:
            continue
        pieces = 1 + int(travel / (_PIECE * radius))
        for piece in range(1, pieces + 1):
            axis[:] = axis_from + piece / pieces * (axis_to - axis_from)
            for number in range(count):
                face = elements.face_nodes[near[number]]
                _push(nodes, face, tools, tool, axis_from, axis, period)


@njit(cache=True, error_model="numpy")
def _square(v):  # type: ignore[no-untyped-def]
    return v[0] * v[0] + v[1] * v[1] + v[2] * v[2]


@njit(cache=True, error_model="numpy")
def box(positions, is_wanted):  # type: ignore[no-untyped-def]
    """The corners of the box around all nodes."""
    lowest, highest = np.full(3, np.inf), np.full(3, -np.inf)
    if is_wanted:
        for node in range(len(positions)):
            for a in range(3):
                lowest[a] = min(lowest[a], positions[node, a])
                highest[a] = max(highest[a], positions[node, a])
    return lowest, highest


@njit(cache=True, error_model="numpy")
def _are_apart(low, high, lowest, highest):  # type: ignore[no-untyped-def]
    for a in range(3):
        if low[a] > highest[a] or high[a] < lowest[a]:
            return True
    return False


@njit(cache=True, error_model="numpy")
def _faces_within(positions, elements, low, high, near):  # type: ignore[no-untyped-def]
    """Fill `near` with the surface faces whose boxes meet a box; returns their number."""
    count = 0
    for number in range(elements.surface_count[0]):
        face = elements.surface[number]
        i, j, k = elements.face_nodes[face]
        apart = False
        for a in range(3):
            x, y, z = positions[i, a], positions[j, a], positions[k, a]
            if min(x, min(y, z)) > high[a] or max(x, max(y, z)) < low[a]:
                apart = True
                break
        if not apart:
            near[count] = face
            count += 1
    return count


@njit(cache=True, error_model="numpy")
def _push(nodes, face, tools, tool, axis_from, axis, period):  # type: ignore[no-untyped-def]
    """Separate one triangle from a tool's axis at one place of its way."""
    i, j, k = face[0], face[1], face[2]
    wi, wj, wk = _mobility(nodes, i), _mobility(nodes, j), _mobility(nodes, k)
    if wi + wj + wk == 0.0:
        return
    x = nodes.positions
    a, b, c = triple(x, i), triple(x, j), triple(x, k)
    square, along, (u, v, w) = closest(triple(axis, 0), triple(axis, 1), a, b, c)
    radius = tools.radii[tool]
    if square >= radius * radius:
        return
    weight = max(u * u * wi + v * v * wj + w * w * wk, LEAST_SHARE * max(wi, max(wj, wk)))
    point = mix(a, b, c, u, v, w)
    on_axis = between(triple(axis, 0), triple(axis, 1), along)
    moved = minus(on_axis, between(triple(axis_from, 0), triple(axis_from, 1), along))
    distance = np.sqrt(square)
    push = radius - distance
    if distance > _CLOSE:
        normal = scale(minus(point, on_axis), 1.0 / distance)
    else:
        normal, depth = _way_out(a, b, c, point, triple(axis, 0), triple(axis, 1))
        push += min(depth, _MOST_DEPTH)
    before = nodes.before
    past = mix(triple(before, i), triple(before, j), triple(before, k), u, v, w)
    slip = minus(minus(point, past), moved)
    slip = minus(slip, scale(normal, dot(slip, normal)))
    slipped = np.sqrt(dot(slip, slip))
    drag = min(1.0, tools.friction[tool] * push / slipped) if slipped > 0.0 else 0.0
    shift = minus(scale(normal, push), scale(slip, drag))
    _move(x, i, u * wi / weight, shift)
    _move(x, j, v * wj / weight, shift)
    _move(x, k, w * wk / weight, shift)
    give(tools.impulses[tool], tools.ends[tool, 0], on_axis, scale(shift, -1.0 / (weight * period)))


@njit(cache=True, error_model="numpy")
def give(impulses, origin, point, impulse):  # type: ignore[no-untyped-def]
    """Add an impulse at a point, and its moment about an origin, to six numbers."""
    arm = (point[0] - origin[0], point[1] - origin[1], point[2] - origin[2])
    moment = cross(arm, impulse)
    for a in range(3):
        impulses[a] += impulse[a]
        impulses[3 + a] += moment[a]


@njit(cache=True, error_model="numpy")
def _mobility(nodes, node):  # type: ignore[no-untyped-def]
    return nodes.inverse_masses[node] if nodes.hold[node] == FREE else 0.0


@njit(cache=True, error_model="numpy")
def _way_out(a, b, c, point, p, q):  # type: ignore[no-untyped-def]
    """The way and distance by which a pierced triangle leaves the axis over its nearer end."""
    normal = cross(minus(b, a), minus(c, a))
    normal = scale(normal, 1.0 / max(np.sqrt(dot(normal, normal)), 1e-300))
    one, other = dot(minus(p, point), normal), dot(minus(q, point), normal)
    forwards, backwards = max(one, other), max(-one, -other)
    if forwards <= backwards:
        return normal, forwards
    return scale(normal, -1.0), backwards


@njit(cache=True, error_model="numpy")
def _move(positions, node, weight, shift):  # type: ignore[no-untyped-def]
    for a in range(3):
        positions[node, a] += weight * shift[a]
