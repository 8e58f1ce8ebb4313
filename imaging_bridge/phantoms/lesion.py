"""Where a lesion may grow so that it makes a plausible biopsy target, and what it looks like."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.errors import StructureError
from halsted.imaging_bridge.phantoms.canvas import Part, pieces
from halsted.imaging_bridge.phantoms.shapes import Array, Bounds, Point, as_point
from halsted.imaging_bridge.phantoms.waves import Waves

LUMPINESS = 0.06
CONE_DEG = 60.0
REACH_MM = 150.0

_CANDIDATES = 6000
_MARGIN_MM = 2.5
_CLEARANCE_MM = 2.0
_STEP_MM = 2.0


@dataclass(frozen=True)
class Lump:
    """A slightly irregular ball.

    Attributes:
        centre: mm.
        radius: Of the ball of the same volume, mm.
        lumpiness: Standard deviation of the radius over directions, as a fraction.
        vectors: Angular frequencies (n, 3) of the bumps.
        phases: (n,), radians.
    """

    centre: Point
    radius: float
    lumpiness: float
    vectors: tuple[Point, ...]
    phases: tuple[float, ...]

    @property
    def bounds(self) -> Bounds:
        """See `Shape`."""
        reach = self.radius * (1.0 + 3.0 * self.lumpiness)
        x, y, z = self.centre
        return (x - reach, y - reach, z - reach), (x + reach, y + reach, z + reach)

    def distance(self, x: Array, y: Array, z: Array) -> Array:
        """See `Shape`."""
        dx, dy, dz = x - self.centre[0], y - self.centre[1], z - self.centre[2]
        apart = np.sqrt(dx * dx + dy * dy + dz * dz)
        scale = 1.0 / (apart + 1e-6)
        return np.asarray(apart - self._radius(dx * scale, dy * scale, dz * scale))

    def _radius(self, ux: Array, uy: Array, uz: Array) -> Array:
        factor = 1.0 + self._bumps(ux, uy, uz)
        return np.asarray(factor * (self.radius / self._mean_cube() ** (1.0 / 3.0)))

    def _bumps(self, ux: Array, uy: Array, uz: Array) -> Array:
        total = np.zeros_like(ux)
        for (a, b, c), phase in zip(self.vectors, self.phases, strict=True):
            total += np.sin(a * ux + b * uy + c * uz + phase)
        return total * (self.lumpiness * math.sqrt(2.0 / len(self.phases)))

    def _mean_cube(self) -> float:
        x, y, z = sphere_directions(400).T
        return float(np.mean((1.0 + self._bumps(x, y, z)) ** 3))


def lump(rng: np.random.Generator, centre: Point, radius: float, lumpiness: float) -> Lump:
    """An irregular ball whose bumps are drawn by `rng`."""
    vectors = rng.normal(0.0, 2.2, size=(5, 3)).tolist()
    phases = rng.uniform(0.0, 2.0 * math.pi, size=5).tolist()
    return Lump(centre, radius, lumpiness, tuple((a, b, c) for a, b, c in vectors), tuple(phases))


def sphere_directions(count: int) -> NDArray[np.float64]:
    """Unit vectors (count, 3) spread evenly over the sphere."""
    index = np.arange(count) + 0.5
    z = 1.0 - 2.0 * index / count
    angle = math.pi * (1.0 + math.sqrt(5.0)) * index
    flat = np.sqrt(1.0 - z * z)
    return np.stack([flat * np.cos(angle), flat * np.sin(angle), z], axis=1)


def place(
    rng: np.random.Generator,
    parts: Sequence[Part],
    hosts: Sequence[str],
    waves: Waves,
    box: Bounds,
    radius: float,
) -> Point:
    """Centre, LPS mm, of a lesion that is wholly inside one of `hosts` and can be reached.

    Reached means: of the straight lines that leave the centre within 60 degrees of the front, one
    gets to the skin within 150 mm, and stays 2 mm clear of everything but soft tissue and the host.

    Args:
        rng: Draws the candidates.
        parts: The body, skin first.
        hosts: Structures of which one holds the lesion.
        waves: The smooth deformation of the body.
        box: Where to look, lowest and highest corner, mm.
        radius: Of the lesion, mm.

    Raises:
        StructureError: none of 6000 candidates will do.
    """
    low, high = np.array(box)
    points = rng.uniform(low, high, size=(_CANDIDATES, 3))
    room = radius * (1.0 + 3.0 * LUMPINESS) + _MARGIN_MM
    bent = np.stack(waves.displace(*points.T), axis=1)
    depth = np.full(len(points), np.inf)  # signed distance to the host
    for part in parts:
        if part.name in hosts and not part.within:
            depth = np.minimum(depth, _distance(part, bent, room))
        else:  # what is painted after the host takes its place
            inside = np.flatnonzero(depth < -room)
            depth[inside[_distance(part, bent[inside], room) < room]] = np.inf
    for centre in points[depth < -room]:
        if _reachable(centre, parts, hosts, waves):
            return as_point(centre)
    raise StructureError(
        f"no place for a lesion of radius {radius:.1f} mm in {' or '.join(hosts)} was found among "
        f"{_CANDIDATES} candidates; draw a smaller lesion or another body"
    )


def _reachable(
    centre: NDArray[np.float64], parts: Sequence[Part], hosts: Sequence[str], waves: Waves
) -> bool:
    skin = parts[0]
    steps = np.arange(_STEP_MM, REACH_MM + _STEP_MM, _STEP_MM)
    lines = centre + _cone()[:, None, :] * steps[:, None]
    shape = lines.shape[:2]
    bent = np.stack(waves.displace(*lines.reshape(-1, 3).T), axis=1)
    outside = skin.shape.distance(*bent.T).reshape(shape) > 0.0
    open_ = np.asarray(outside.any(axis=1))
    passed = ~np.maximum.accumulate(outside, axis=1)
    for part in parts:
        if part.name == "body" or part.name in hosts:
            continue
        on_way = np.flatnonzero((passed & open_[:, None]).ravel())
        if len(on_way) == 0:
            return False
        hit = on_way[_distance(part, bent[on_way], _CLEARANCE_MM) < _CLEARANCE_MM]
        open_[np.unique(hit // shape[1])] = False
    return bool(open_.any())


def _cone() -> NDArray[np.float64]:
    """Unit vectors (n, 3) towards the front, evenly within the cone of approach."""
    around = sphere_directions(320)
    steep = -around[:, 1] > math.cos(math.radians(CONE_DEG - 2.0))
    return np.asarray(around[steep])


def _distance(part: Part, points: Array, within: float) -> Array:
    """Signed distance, mm, of points (n, 3) to a part; of those beyond `within`, only that."""
    found = np.full(len(points), within + 1.0)
    for piece in pieces(part.shape):
        low, high = np.array(piece.bounds)
        near = np.flatnonzero(((points > low - within) & (points < high + within)).all(axis=1))
        if len(near):
            found[near] = np.minimum(found[near], piece.distance(*points[near].T))
    return found
