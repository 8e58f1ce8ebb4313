"""Where a segment and a triangle come closest."""

from __future__ import annotations

from numba import njit

from halsted.robot.tissue.triples import between, cross, dot, minus


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
    ab, ac, way = minus(b, a), minus(c, a), minus(q, p)
    normal = cross(ab, ac)
    depth = dot(normal, way)
    none = (0.0, 0.0, 0.0)
    if depth == 0.0:
        return False, 0.0, none
    from_a = minus(p, a)
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
    ab, ac, ap = minus(b, a), minus(c, a), minus(p, a)
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
    d1, d2, r = minus(q, p), minus(b, a), minus(p, a)
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
    gap = minus(between(p, q, s), between(a, b, t))
    return dot(gap, gap), s, t
