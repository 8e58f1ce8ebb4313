"""Vectors as triples of numbers, which compiled steps handle without memory of their own."""

from __future__ import annotations

from numba import njit


@njit(cache=True, error_model="numpy")
def cross(a, b):  # type: ignore[no-untyped-def]
    """Cross product of two triples."""
    return (
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    )


@njit(cache=True, error_model="numpy")
def dot(a, b):  # type: ignore[no-untyped-def]
    """Scalar product of two triples."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@njit(cache=True, error_model="numpy")
def triple(points, row):  # type: ignore[no-untyped-def]
    """A row of an array as a triple."""
    return points[row, 0], points[row, 1], points[row, 2]


@njit(cache=True, error_model="numpy")
def minus(a, b):  # type: ignore[no-untyped-def]
    """Difference of two triples."""
    return a[0] - b[0], a[1] - b[1], a[2] - b[2]


@njit(cache=True, error_model="numpy")
def scale(a, s):  # type: ignore[no-untyped-def]
    """A triple times a number."""
    return a[0] * s, a[1] * s, a[2] * s


@njit(cache=True, error_model="numpy")
def between(a, b, s):  # type: ignore[no-untyped-def]
    """The point at a share of the way from one point to another."""
    return a[0] + s * (b[0] - a[0]), a[1] + s * (b[1] - a[1]), a[2] + s * (b[2] - a[2])


@njit(cache=True, error_model="numpy")
def mix(a, b, c, u, v, w):  # type: ignore[no-untyped-def]
    """A sum of three triples with weights."""
    return (
        u * a[0] + v * b[0] + w * c[0],
        u * a[1] + v * b[1] + w * c[1],
        u * a[2] + v * b[2] + w * c[2],
    )
