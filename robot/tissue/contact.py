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

from halsted.robot.tissue.elasticity import cross, dot
from halsted.robot.tissue.state import FREE, Floats

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
    a, b, c = _triple(x, i), _triple(x, j), _triple(x, k)
    square, along, (u, v, w) = closest(_triple(axis, 0), _triple(axis, 1), a, b, c)
    radius = tools.radii[tool]
    if square >= radius * radius:
        return
    weight = max(u * u * wi + v * v * wj + w * w * wk, LEAST_SHARE * max(wi, max(wj, wk)))
    point = _mix(a, b, c, u, v, w)
    on_axis = _between(_triple(axis, 0), _triple(axis, 1), along)
    moved = _minus(on_axis, _between(_triple(axis_from, 0), _triple(axis_from, 1), along))
    distance = np.sqrt(square)
    push = radius - distance
    if distance > _CLOSE:
        normal = _scale(_minus(point, on_axis), 1.0 / distance)
    else:
        normal, depth = _way_out(a, b, c, point, _triple(axis, 0), _triple(axis, 1))
        push += min(depth, _MOST_DEPTH)
    before = nodes.before
    past = _mix(_triple(before, i), _triple(before, j), _triple(before, k), u, v, w)
    slip = _minus(_minus(point, past), moved)
    slip = _minus(slip, _scale(normal, dot(slip, normal)))
    slipped = np.sqrt(dot(slip, slip))
    drag = min(1.0, tools.friction[tool] * push / slipped) if slipped > 0.0 else 0.0
    shift = _minus(_scale(normal, push), _scale(slip, drag))
    _move(x, i, u * wi / weight, shift)
    _move(x, j, v * wj / weight, shift)
    _move(x, k, w * wk / weight, shift)
    give(
        tools.impulses[tool], tools.ends[tool, 0], on_axis, _scale(shift, -1.0 / (weight * period))
    )


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
    normal = cross(_minus(b, a), _minus(c, a))
    normal = _scale(normal, 1.0 / max(np.sqrt(dot(normal, normal)), 1e-300))
    one, other = dot(_minus(p, point), normal), dot(_minus(q, point), normal)
    forwards, backwards = max(one, other), max(-one, -other)
    if forwards <= backwards:
        return normal, forwards
    return _scale(normal, -1.0), backwards


@njit(cache=True, error_model="numpy")
def _triple(points, row):  # type: ignore[no-untyped-def]
    return points[row, 0], points[row, 1], points[row, 2]


@njit(cache=True, error_model="numpy")
def _minus(a, b):  # type: ignore[no-untyped-def]
    return a[0] - b[0], a[1] - b[1], a[2] - b[2]


@njit(cache=True, error_model="numpy")
def _scale(a, s):  # type: ignore[no-untyped-def]
    return a[0] * s, a[1] * s, a[2] * s


@njit(cache=True, error_model="numpy")
def _between(a, b, s):  # type: ignore[no-untyped-def]
    return a[0] + s * (b[0] - a[0]), a[1] + s * (b[1] - a[1]), a[2] + s * (b[2] - a[2])


@njit(cache=True, error_model="numpy")
def _mix(a, b, c, u, v, w):  # type: ignore[no-untyped-def]
    return (
        u * a[0] + v * b[0] + w * c[0],
        u * a[1] + v * b[1] + w * c[1],
        u * a[2] + v * b[2] + w * c[2],
    )


@njit(cache=True, error_model="numpy")
def _move(positions, node, weight, shift):  # type: ignore[no-untyped-def]
    for a in range(3):
        positions[node, a] += weight * shift[a]


@njit(cache=True, error_model="numpy")
def closest(p, q, a, b, c):  # type: ignore[no-untyped-def]
    """Where a segment p q and a triangle a b c come closest.

    Returns:
        The squared distance, the place on the segment (0 to 1) and the triangle's barycentric
        coordinates (Ericson 2005, "Real-time collision detection", chapter 5).
    """
    hit, along, weights = _crossing(p, q, a, b, c)
    if hit:
        return 0.0, along, weights
    best, weights = _point_triangle(p, a, b, c)
    along = 0.0
    square, others = _point_triangle(q, a, b, c)
    if square < best:
        best, along, weights = square, 1.0, others
    square, s, t = _segments(p, q, a, b)
    if square < best:
        best, along, weights = square, s, (1.0 - t, t, 0.0)
    square, s, t = _segments(p, q, b, c)
    if square < best:
        best, along, weights = square, s, (0.0, 1.0 - t, t)
    square, s, t = _segments(p, q, c, a)
    if square < best:
        best, along, weights = square, s, (t, 0.0, 1.0 - t)
    return best, along, weights


@njit(cache=True, error_model="numpy")
def _crossing(p, q, a, b, c):  # type: ignore[no-untyped-def]
    """Whether and where a segment goes through a triangle."""
    ab, ac, way = _minus(b, a), _minus(c, a), _minus(q, p)
    normal = cross(ab, ac)
    depth = dot(normal, way)
    none = (0.0, 0.0, 0.0)
    if depth == 0.0:
        return False, 0.0, none
    from_a = _minus(p, a)
    along = -dot(normal, from_a) / depth
    if along < 0.0 or along > 1.0:
        return False, 0.0, none
    turn = cross(from_a, way)
    v, w = dot(ac, turn) / -depth, dot(ab, turn) / depth
    if v < 0.0 or w < 0.0 or v + w > 1.0:
        return False, 0.0, none
    return True, along, (1.0 - v - w, v, w)


@njit(cache=True, error_model="numpy")
def _point_triangle(p, a, b, c):  # type: ignore[no-untyped-def]
    """Squared distance of a point from a triangle, and the nearest barycentric coordinates."""
    ab, ac, ap = _minus(b, a), _minus(c, a), _minus(p, a)
    normal = cross(ab, ac)
    size = dot(normal, normal)
    if size > 0.0:
        v, w = dot(cross(ap, ac), normal) / size, dot(cross(ab, ap), normal) / size
        if v >= 0.0 and w >= 0.0 and v + w <= 1.0:
            height = dot(ap, normal)
            return height * height / size, (1.0 - v - w, v, w)
    best, _, t = _segments(p, p, a, b)
    weights = (1.0 - t, t, 0.0)
    square, _, t = _segments(p, p, b, c)
    if square < best:
        best, weights = square, (0.0, 1.0 - t, t)
    square, _, t = _segments(p, p, c, a)
    if square < best:
        best, weights = square, (t, 0.0, 1.0 - t)
    return best, weights


@njit(cache=True, error_model="numpy")
def _segments(p, q, a, b):  # type: ignore[no-untyped-def]
    """Squared distance of two segments and the nearest places (0 to 1) on both."""
    d1, d2, r = _minus(q, p), _minus(b, a), _minus(p, a)
    one, two, f = dot(d1, d1), dot(d2, d2), dot(d2, r)
    s = 0.0
    if one > 0.0 and two > 0.0:
        c, mixed = dot(d1, r), dot(d1, d2)
        parallel = one * two - mixed * mixed
        if parallel > 1e-12 * one * two:
            s = min(1.0, max(0.0, (mixed * f - c * two) / parallel))
        t = (mixed * s + f) / two
        if t < 0.0 or t > 1.0:
            t = min(1.0, max(0.0, t))
            s = min(1.0, max(0.0, (mixed * t - c) / one))
    elif two > 0.0:
        t = min(1.0, max(0.0, f / two))
    else:
        t = 0.0
        if one > 0.0:
            s = min(1.0, max(0.0, -dot(d1, r) / one))
    gap = _minus(_between(p, q, s), _between(a, b, t))
    return dot(gap, gap), s, t
