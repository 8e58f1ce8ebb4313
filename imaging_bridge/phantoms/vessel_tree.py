"""A tree of vessels that is grown branch by branch.

At each fork the cubes of the radii add up, and the angles are those of least work: Murray, Proc
Natl Acad Sci USA 1926;12(3):207-214, and J Gen Physiol 1926;9(6):835-841.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.phantoms.shapes import Point, Shape, Union, as_point, curve, tube

_THINNEST_MM = 1.0
_TRIES = 30
_APART_MM = 1.5  # between the walls of branches that do not meet
_BEND = 0.1  # how far a branch strays from a straight line, over its length
_STEPS = 4  # pieces between the knots of a branch


@dataclass(frozen=True)
class Branch:
    """A vessel from one fork to the next.

    Attributes:
        parent: Index of the branch it leaves, -1 for the root.
        knots: Points it passes through, mm.
        radius_mm: Of its lumen.
    """

    parent: int
    knots: tuple[Point, ...]
    radius_mm: float

    @cached_property
    def path(self) -> NDArray[np.float64]:
        """Points (n, 3) along the middle, mm."""
        return curve(self.knots, _STEPS)

    @property
    def heading(self) -> NDArray[np.float64]:
        """Unit vector at the far end."""
        end = np.subtract(self.knots[-1], self.knots[-2])
        return np.asarray(end / np.linalg.norm(end))


def grow(
    rng: np.random.Generator,
    start: Point,
    heading: Point,
    radius_mm: float,
    half_size: Point,
    most: int,
    around: tuple[Branch, ...] = (),
) -> tuple[Branch, ...]:
    """A tree whose branches neither touch each other nor leave an ellipsoid about the origin.

    Args:
        rng: The only source of chance.
        start: Where the root begins, mm.
        heading: Where it goes.
        radius_mm: Of the root.
        half_size: Radii of the ellipsoid, mm.
        most: After so many branches no more fork.
        around: Branches of other trees that are there already; where the root would touch one
            of them, or leaves the ellipsoid, there is no tree.
    """
    way = np.array(heading) / np.linalg.norm(heading)
    branches = [_branch(rng, -1, np.array(start), way, radius_mm)]
    if not _fits(branches[0], list(around), np.array(half_size)):
        return ()
    waiting = deque([0])
    while waiting and len(branches) < most:
        parent = waiting.popleft()
        for child in _fork(rng, branches, parent, np.array(half_size), around):
            branches.append(child)
            waiting.append(len(branches) - 1)
    return tuple(branches)


def fork_angles(parent: float, first: float, second: float) -> tuple[float, float]:
    """Angles, radians, between a parent of a radius and its two children, of least work."""

    def angle(own: float, other: float) -> float:
        cosine = (parent**4 + own**4 - other**4) / (2.0 * parent**2 * own**2)
        return math.acos(min(max(cosine, -1.0), 1.0))

    return angle(first, second), angle(second, first)


def solid(branches: tuple[Branch, ...]) -> Union:
    """All branches as one solid; each tapers into its children."""
    shapes: list[Shape] = []
    for branch in branches:
        before = branches[branch.parent].radius_mm if branch.parent >= 0 else branch.radius_mm
        first = 0.5 * (before + branch.radius_mm) if branch.parent >= 0 else before
        radii = (first, *(branch.radius_mm,) * 6)
        shapes += tube(branch.path, radii).shapes
    return Union(tuple(shapes))


def _fork(
    rng: np.random.Generator,
    branches: list[Branch],
    parent: int,
    half_size: NDArray[np.float64],
    around: tuple[Branch, ...],
) -> list[Branch]:
    """Two children that fit, or none."""
    trunk = branches[parent]
    share = rng.uniform(0.25, 0.75)  # of the parent's cube
    radii = [trunk.radius_mm * part ** (1.0 / 3.0) for part in (share, 1.0 - share)]
    if min(radii) < _THINNEST_MM:
        return []
    angles = fork_angles(trunk.radius_mm, *radii)
    start = np.array(trunk.knots[-1])
    for _ in range(_TRIES):
        aside = _across(rng, trunk.heading)
        children = [
            _branch(
                rng,
                parent,
                start,
                math.cos(angle) * trunk.heading + side * math.sin(angle) * aside,
                radius,
            )
            for radius, angle, side in zip(radii, angles, (1.0, -1.0), strict=True)
        ]
        if all(_fits(child, [*branches, *around], half_size) for child in children):
            return children
    return []


def _branch(
    rng: np.random.Generator,
    parent: int,
    start: NDArray[np.float64],
    way: NDArray[np.float64],
    radius: float,
) -> Branch:
    length = 5.0 + radius * rng.uniform(3.0, 5.5)
    knots = [start + way * length * part for part in (0.0, 0.33, 0.67, 1.0)]
    stray = _across(rng, way) * length * _BEND * rng.normal()
    knots[2] = knots[2] + stray
    knots[3] = knots[3] + 2.0 * stray
    return Branch(parent, tuple(as_point(knot) for knot in knots), radius)


def _across(rng: np.random.Generator, way: NDArray[np.float64]) -> NDArray[np.float64]:
    """A random unit vector at right angles to `way`."""
    drawn = rng.normal(size=3)
    drawn -= way * float(drawn @ way)
    return np.asarray(drawn / np.linalg.norm(drawn))


def _fits(child: Branch, branches: list[Branch], half_size: NDArray[np.float64]) -> bool:
    path = child.path
    if (np.linalg.norm(path / half_size, axis=1) > 1.0).any():
        return False
    if not branches:
        return True
    beyond = path[len(path) // 2 :]  # clear of the fork itself
    others = np.concatenate([other.path for other in branches])
    radii = np.repeat([other.radius_mm for other in branches], len(path))
    apart = np.linalg.norm(beyond[:, None] - others, axis=2) - radii
    return bool(apart.min() > child.radius_mm + _APART_MM)
