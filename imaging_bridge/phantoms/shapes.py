"""Analytic solids: where their surface is, as a signed distance.

Every distance is in mm, negative inside, right at the surface to first order and a fair estimate
away from it. Coordinates come as three arrays x, y, z of one shape (or shapes that broadcast), in
mm in the frame that the solid is given in.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.floating[Any]]
Point = tuple[float, float, float]
Bounds = tuple[Point, Point]
Poly = tuple[float, ...]

EVERYWHERE: Bounds = ((-math.inf,) * 3, (math.inf,) * 3)
_TINY = 1e-6


class Shape(Protocol):
    """A solid."""

    @property
    def bounds(self) -> Bounds:
        """Lowest and highest corner of a box around the solid, mm."""
        ...

    def distance(self, x: Array, y: Array, z: Array) -> Array:
        """Signed distance to the surface, mm, negative inside."""
        ...


def smooth_min(a: Array, b: Array, width: float) -> Array:
    """The lesser of `a` and `b`, rounded off where they differ by less than `width`."""
    if width <= 0.0:
        return np.minimum(a, b)
    overlap = np.maximum(width - np.abs(a - b), 0.0)
    return np.asarray(np.minimum(a, b) - overlap * overlap * (0.25 / width))


def smooth_max(a: Array, b: Array, width: float) -> Array:
    """The greater of `a` and `b`, rounded off where they differ by less than `width`."""
    return -smooth_min(-a, -b, width)


def rotation(degrees: Point) -> NDArray[np.float64]:
    """3x3 matrix that turns by `degrees` about x, then y, then z."""
    matrix = np.eye(3)
    for axis, angle in enumerate(np.radians(degrees)):
        turn = np.eye(3)
        i, j = (axis + 1) % 3, (axis + 2) % 3
        turn[[i, j], [i, j]] = math.cos(angle)
        turn[j, i] = math.sin(angle)
        turn[i, j] = -math.sin(angle)
        matrix = turn @ matrix
    return matrix


@dataclass(frozen=True)
class Ellipsoid:
    """An ellipsoid.

    Attributes:
        centre: mm.
        radii: Along its own three axes, mm.
        turn: Rotation of those axes about x, then y, then z, degrees.
    """

    centre: Point
    radii: Point
    turn: Point = (0.0, 0.0, 0.0)

    @property
    def bounds(self) -> Bounds:
        """See `Shape`."""
        reach = np.sqrt(np.square(rotation(self.turn) * np.array(self.radii)).sum(axis=1))
        return _box(np.array(self.centre) - reach, np.array(self.centre) + reach)

    def distance(self, x: Array, y: Array, z: Array) -> Array:
        """See `Shape`."""
        dx, dy, dz = (c - float(o) for c, o in zip((x, y, z), self.centre, strict=True))
        inner: Array | float = 0.0
        outer: Array | float = 0.0
        for axis, radius in zip(rotation(self.turn).T.tolist(), self.radii, strict=True):
            along = (axis[0] * dx + axis[1] * dy + axis[2] * dz) / radius
            inner = inner + along * along
            outer = outer + (along / radius) ** 2
        level = np.sqrt(inner)
        return np.asarray(level * (level - 1.0) / (np.sqrt(outer) + _TINY))


@dataclass(frozen=True)
class Drum:
    """An upright elliptical cylinder with rounded rims, such as a vertebral body.

    Attributes:
        centre: mm.
        radii: Half-widths along x and y and half the height along z, mm.
    """

    centre: Point
    radii: Point

    @property
    def bounds(self) -> Bounds:
        """See `Shape`."""
        return _box(np.subtract(self.centre, self.radii), np.add(self.centre, self.radii))

    def distance(self, x: Array, y: Array, z: Array) -> Array:
        """See `Shape`."""
        (a, b, half), (cx, cy, cz) = self.radii, self.centre
        u, v = (x - cx) / a, (y - cy) / b
        level = np.sqrt(u * u + v * v)
        slope = np.sqrt((u / a) ** 2 + (v / b) ** 2) + _TINY
        return smooth_max(level * (level - 1.0) / slope, np.abs(z - cz) - half, 5.0)


@dataclass(frozen=True)
class Capsule:
    """A straight round tube with round ends whose radius changes evenly.

    Attributes:
        start, end: Centres of the ends, mm.
        start_radius, end_radius: mm.
        stretch: Factors by which the cross-section is longer along x, y and z; a flat strap.
    """

    start: Point
    end: Point
    start_radius: float
    end_radius: float
    stretch: Point = (1.0, 1.0, 1.0)

    @property
    def bounds(self) -> Bounds:
        """See `Shape`."""
        reach = max(self.start_radius, self.end_radius) * np.array(self.stretch)
        return _box(
            np.minimum(self.start, self.end) - reach, np.maximum(self.start, self.end) + reach
        )

    def distance(self, x: Array, y: Array, z: Array) -> Array:
        """See `Shape`."""
        sx, sy, sz = (1.0 / s for s in self.stretch)
        dx, dy, dz = (x - self.start[0]) * sx, (y - self.start[1]) * sy, (z - self.start[2]) * sz
        ax, ay, az = (
            (e - s) * f for s, e, f in zip(self.start, self.end, (sx, sy, sz), strict=True)
        )
        length2 = ax * ax + ay * ay + az * az + _TINY
        along = np.clip((dx * ax + dy * ay + dz * az) * (1.0 / length2), 0.0, 1.0)
        apart2 = (dx - along * ax) ** 2 + (dy - along * ay) ** 2 + (dz - along * az) ** 2
        radius = self.start_radius + along * (self.end_radius - self.start_radius)
        return np.asarray(np.sqrt(apart2) - radius)


@dataclass(frozen=True)
class Section:
    """An endless upright trunk whose cross-section is a superellipse that changes with z.

    The half-widths are polynomials in z / 150 mm, lowest power first, so that a trunk can narrow
    towards the neck and the waist. Distances are taken along the ray from the axis, which for
    these cross-sections is within a tenth of the true ones.

    Attributes:
        side: Half-width along x, mm.
        front: Half-width towards the front (-y), mm.
        back: Half-width towards the back (+y), mm.
        exponent: 2 is an ellipse; more is boxier.
    """

    side: Poly
    front: Poly
    back: Poly
    exponent: float = 2.4

    @property
    def bounds(self) -> Bounds:
        """See `Shape`."""
        z = np.linspace(-1.4, 1.2, 27) * 150.0  # as far up and down as a torso is imaged
        widths = (self.side, self.front, self.back)
        side, front, back = (float(polynomial(width, z).max()) for width in widths)
        return (-side, -front, -math.inf), (side, back, math.inf)

    def level(self, x: Array, y: Array, z: Array) -> Array:
        """0 on the axis, 1 on the surface, growing evenly along rays across the trunk."""
        depth = np.where(y < 0.0, polynomial(self.front, z), polynomial(self.back, z))
        powers = (np.abs(x) / polynomial(self.side, z)) ** self.exponent
        powers += (np.abs(y) / depth) ** self.exponent
        return np.asarray(powers ** (1.0 / self.exponent))

    def distance(self, x: Array, y: Array, z: Array) -> Array:
        """See `Shape`."""
        return np.asarray(np.sqrt(x * x + y * y) * (1.0 - 1.0 / (self.level(x, y, z) + _TINY)))

    def surface(self, angle: Array, z: Array, outside: float = 0.0) -> NDArray[np.float64]:
        """Points (..., 3) on the surface, or `outside` mm beyond it.

        `angle` is in radians about the axis: 0 is the back, pi / 2 the left, pi the front.
        """
        x, y = np.sin(angle), np.cos(angle)
        radius = 1.0 / self.level(x, y, z) + outside
        return np.stack([radius * x, radius * y, z], axis=-1)


@dataclass(frozen=True)
class HalfSpace:
    """All points p with p . normal < offset.

    Attributes:
        normal: Unit vector that points out of the solid.
        offset: Distance of the plane from the origin along `normal`, mm.
    """

    normal: Point
    offset: float = 0.0

    @property
    def bounds(self) -> Bounds:
        """See `Shape`."""
        return EVERYWHERE

    def distance(self, x: Array, y: Array, z: Array) -> Array:
        """See `Shape`."""
        nx, ny, nz = self.normal
        return np.asarray(nx * x + ny * y + nz * z - self.offset)


@dataclass(frozen=True)
class Offset:
    """A solid grown by `mm`, or shrunk where that is negative."""

    shape: Shape
    mm: float

    @property
    def bounds(self) -> Bounds:
        """See `Shape`."""
        low, high = self.shape.bounds
        return _box(np.array(low) - self.mm, np.array(high) + self.mm)

    def distance(self, x: Array, y: Array, z: Array) -> Array:
        """See `Shape`."""
        return self.shape.distance(x, y, z) - self.mm


@dataclass(frozen=True)
class Outside:
    """All that is not in a solid."""

    shape: Shape

    @property
    def bounds(self) -> Bounds:
        """See `Shape`."""
        return EVERYWHERE

    def distance(self, x: Array, y: Array, z: Array) -> Array:
        """See `Shape`."""
        return -self.shape.distance(x, y, z)


@dataclass(frozen=True)
class Union:
    """All that is in any of several solids, their seams filleted over `smooth` mm."""

    shapes: tuple[Shape, ...]
    smooth: float = 0.0

    @property
    def bounds(self) -> Bounds:
        """See `Shape`."""
        boxes = np.array([shape.bounds for shape in self.shapes])
        return _box(boxes[:, 0].min(axis=0), boxes[:, 1].max(axis=0))

    def distance(self, x: Array, y: Array, z: Array) -> Array:
        """See `Shape`."""
        found = self.shapes[0].distance(x, y, z)
        for shape in self.shapes[1:]:
            found = smooth_min(found, shape.distance(x, y, z), self.smooth)
        return found


@dataclass(frozen=True)
class Intersection:
    """All that is in each of several solids, its edges rounded over `smooth` mm."""

    shapes: tuple[Shape, ...]
    smooth: float = 0.0

    @property
    def bounds(self) -> Bounds:
        """See `Shape`."""
        boxes = np.array([shape.bounds for shape in self.shapes])
        return _box(boxes[:, 0].max(axis=0), boxes[:, 1].min(axis=0))

    def distance(self, x: Array, y: Array, z: Array) -> Array:
        """See `Shape`."""
        found = self.shapes[0].distance(x, y, z)
        for shape in self.shapes[1:]:
            found = smooth_max(found, shape.distance(x, y, z), self.smooth)
        return found


def tube(
    points: ArrayLike, radii: Sequence[float] | float, stretch: Point = (1.0, 1.0, 1.0)
) -> Union:
    """A tube along a polyline.

    Args:
        points: The polyline, shape (n, 3), mm.
        radii: One radius, mm, or some that are spread evenly along the points.
        stretch: See `Capsule`.
    """
    path = [as_point(point) for point in np.asarray(points, dtype=np.float64)]
    knots = np.atleast_1d(np.asarray(radii, dtype=np.float64))
    along, given = np.linspace(0.0, 1.0, len(path)), np.linspace(0.0, 1.0, len(knots))
    radius = np.interp(along, given, knots).tolist()
    ends = zip(path, path[1:], radius, radius[1:], strict=False)
    return Union(tuple(Capsule(*end, stretch) for end in ends))


def curve(knots: ArrayLike, pieces: int = 4) -> NDArray[np.float64]:
    """Points (n, 3) of a Catmull-Rom spline through `knots` (m, 3), `pieces` per gap."""
    given = np.asarray(knots, dtype=np.float64)
    padded = np.vstack([2 * given[0] - given[1], given, 2 * given[-1] - given[-2]])
    t = np.linspace(0.0, 1.0, pieces, endpoint=False)[:, None]
    spans = []
    for a, b, c, d in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        bend, twist = 2 * a - 5 * b + 4 * c - d, 3 * b - a - 3 * c + d
        spans.append(b + 0.5 * t * ((c - a) + t * (bend + t * twist)))
    return np.vstack([*spans, given[-1:]])


def polynomial(coefficients: Poly, z: Array) -> Array:
    """The polynomial of `coefficients`, lowest power first, in z / 150 mm."""
    t = z * (1.0 / 150.0)
    value = np.full_like(t, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        value = value * t + coefficient
    return value


def as_point(values: ArrayLike) -> Point:
    """Three numbers as plain floats."""
    x, y, z = np.asarray(values, dtype=np.float64).tolist()
    return x, y, z


def _box(low: ArrayLike, high: ArrayLike) -> Bounds:
    return as_point(low), as_point(high)
