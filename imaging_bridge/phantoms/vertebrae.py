"""Solids of a lumbar spine: vertebrae, discs, sacrum, in frames that follow its curve."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.phantoms.shapes import (
    Array,
    Bounds,
    Capsule,
    Drum,
    Ellipsoid,
    Point,
    Shape,
    as_point,
    rotation,
    tube,
)


@dataclass(frozen=True)
class Size:
    """Size of a vertebra, mm.

    Attributes:
        width, depth, height: Of its body.
        canal: Depth of the spinal canal.
        pedicle: Width of a pedicle.
        span: From the tip of one transverse process to that of the other.
    """

    width: float
    depth: float
    height: float
    canal: float
    pedicle: float
    span: float

    def scaled(self, by: float) -> Size:
        """A larger or smaller vertebra; its canal is as deep, as that hardly grows with it."""
        width, depth, height = by * self.width, by * self.depth, by * self.height
        return Size(width, depth, height, self.canal, by * self.pedicle, by * self.span)


# Bodies and canals: near the means of Panjabi et al., Spine 1992;17(3):299-306, of adult vertebrae
# from cadavers. T12, pedicles and transverse processes: typical.
SIZES = {
    "T12": Size(39.5, 32.5, 23.0, 18.0, 8.0, 48.0),
    "L1": Size(42.0, 34.1, 24.5, 19.0, 8.5, 71.0),
    "L2": Size(44.0, 34.6, 25.0, 18.2, 8.5, 76.0),
    "L3": Size(46.0, 35.2, 25.0, 17.5, 10.0, 86.0),
    "L4": Size(48.0, 35.5, 25.0, 18.6, 13.0, 80.0),
    "L5": Size(48.5, 34.7, 24.5, 19.7, 17.0, 88.0),
}
LEVELS = tuple(SIZES)  # from the top


@dataclass(frozen=True)
class Moved:
    """A solid that is turned, then moved.

    Attributes:
        shape: The solid in its own frame.
        centre: Where that frame's origin comes to lie, mm.
        turn: Rotation about x, then y, then z, degrees.
    """

    shape: Shape
    centre: Point
    turn: Point

    @cached_property
    def _matrix(self) -> NDArray[np.float64]:
        return rotation(self.turn)

    @property
    def bounds(self) -> Bounds:
        """See `Shape`."""
        low, high = np.array(self.shape.bounds)
        middle = self._matrix @ (0.5 * (low + high)) + np.array(self.centre)
        reach = np.abs(self._matrix) @ (0.5 * (high - low))
        return as_point(middle - reach), as_point(middle + reach)

    def distance(self, x: Array, y: Array, z: Array) -> Array:
        """See `Shape`."""
        gone = [c - float(o) for c, o in zip((x, y, z), self.centre, strict=True)]
        columns = self._matrix.T.tolist()
        local = (a * gone[0] + b * gone[1] + c * gone[2] for a, b, c in columns)
        return self.shape.distance(*(np.asarray(axis) for axis in local))

    def point(self, x: float, y: float, z: float) -> Point:
        """A point of the solid's own frame."""
        return as_point(self._matrix @ np.array((x, y, z)) + np.array(self.centre))


def vertebra(size: Size, worn: float) -> Iterator[Shape]:
    """Body, arch and processes about the middle of the body; `worn` is 0 to 1.

    Worn ones have bony spurs around their end plates.
    """
    half, deep = 0.5 * size.height, 0.5 * size.depth
    yield Drum((0.0, 0.0, 0.0), (0.5 * size.width, deep, half))
    if worn > 0.3:
        spur = 3.5 * worn
        for end in (-1.0, 1.0):
            lip = (0.5 * size.width + spur, deep + 0.6 * spur, 2.6)
            yield Drum((0.0, -0.4 * spur, end * (half - 2.4)), lip)
    for side in (-1.0, 1.0):
        yield from _half_arch(size, worn, side)
    back = deep + size.canal + 3.0
    yield Capsule((0.0, back, -7.0), (0.0, back + 25.0, -13.0), 2.6, 3.4, (1.0, 1.0, 3.0))


def _half_arch(size: Size, worn: float, side: float) -> Iterator[Shape]:
    deep, canal = 0.5 * size.depth, size.canal
    out, joint = 0.5 * canal + 6.5, 4.6 + 1.4 * worn
    root, elbow = (side * out, deep - 3.0, 4.0), (side * (out + 1.0), deep + 0.75 * canal, 2.0)
    yield Capsule(root, elbow, 0.5 * size.pedicle, 0.5 * size.pedicle, (1.0, 1.0, 1.45))
    yield Capsule(elbow, (0.0, deep + canal + 4.0, -8.0), 3.4, 3.2, (1.0, 1.0, 2.2))
    upper = (side * (out + 3.5), deep + 0.75 * canal, 15.0)
    lower = (side * (out + 0.5), deep + canal + 2.0, -18.0)
    yield Capsule(elbow, upper, joint, joint)
    yield Capsule((side * 10.0, deep + canal + 2.0, -4.0), lower, 4.0, joint)
    tip = (side * 0.5 * size.span, deep + 0.95 * canal, 4.0)
    yield Capsule(elbow, tip, 4.2, 3.0, (1.0, 1.0, 1.3))


def sacrum() -> Iterator[Shape]:
    """The sacrum below the middle of its end plate at the origin."""
    middle = ((0, 0, -10), (0, 5, -30), (0, 18, -52), (0, 33, -72), (0, 42, -88))
    yield Drum((0.0, 0.0, -9.0), (25.0, 17.0, 10.0))
    yield from tube(middle, (17.0, 14.0, 10.0, 7.0, 4.0), (1.5, 1.0, 1.0)).shapes
    for side in (-1.0, 1.0):
        wing = ((14, 4, -10), (38, 15, -16), (44, 22, -26), (34, 28, -50), (18, 32, -68))
        flipped = tuple((side * x, y, z) for x, y, z in wing)
        yield from tube(flipped, (12.0, 12.0, 14.0, 9.0, 5.0)).shapes
        yield Capsule((side * 22.0, 26.0, -4.0), (side * 21.0, 24.0, 6.0), 5.5, 4.5)
    yield from tube(((0, 34, -16), (0, 42, -40), (0, 46, -66)), (5.0, 4.0, 3.0)).shapes


def hip(side: float) -> Iterator[Shape]:
    """The upper part of a hip bone, in the frame of the sacrum; `side` is 1 left, -1 right."""
    turn = (10.0, 0.0, 38.0 * side)
    yield Ellipsoid((side * 76.0, 8.0, -22.0), (7.0, 52.0, 46.0), turn)
