"""The healthy head: where its surfaces are.

Coordinates are in mm in the phantom's own frame: x to the left, y to the back, z up, the origin
near the foramen of Monro. Sizes have the proportions of textbooks, not of a person; what has a
published mean is named at its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from halsted.imaging_bridge.phantoms.shapes import (
    Array,
    Capsule,
    Ellipsoid,
    HalfSpace,
    Intersection,
    Point,
    Shape,
    Union,
    curve,
    smooth_min,
    tube,
)

Coordinates: TypeAlias = tuple[Array, Array, Array]

_SULCUS_SPHERE_MM = 72.0
_TILE, _TILE_STEPS = 64, 4  # a cube of noise, and its grid points per half wavelength


@dataclass(frozen=True)
class Head:
    """Sizes of a healthy head.

    Attributes:
        scale: Length over the reference's along x, y and z.
        csf_mm: Depth of the fluid between brain and skull.
        skull_mm: Thickness of the skull.
        scalp_mm: Thickness of the scalp.
        cortex_mm: Thickness of the cortex; 2.5 on average, Fischl and Dale, PNAS
            2000;97(20):11050-11055.
        sulcus_mm: Half the width of a sulcus.
        sulcus_depth_mm: How deep sulci reach on average.
        gyrus_mm: Distance from one sulcus to the next.
        ventricle: Width of the ventricles over the reference's.
        asymmetry: Share by which the left ventricle is wider than the right.
    """

    scale: Point
    csf_mm: float
    skull_mm: float
    scalp_mm: float
    cortex_mm: float
    sulcus_mm: float
    sulcus_depth_mm: float
    gyrus_mm: float
    ventricle: float
    asymmetry: float

    def at(self, x: float, y: float, z: float) -> Point:
        """A point of the reference head in this one."""
        sx, sy, sz = self.scale
        return x * sx, y * sy, z * sz

    def path(self, *points: Point) -> NDArray[np.float64]:
        """A smooth curve through points of the reference head."""
        return curve([self.at(*point) for point in points])

    def ellipsoid(self, centre: Point, radii: Point, turn: Point = (0.0, 0.0, 0.0)) -> Ellipsoid:
        """An ellipsoid of the reference head in this one."""
        return Ellipsoid(self.at(*centre), self.at(*radii), turn)


def draw_head(rng: np.random.Generator) -> Head:
    """A healthy adult; the older ones have wide sulci and ventricles."""
    size, age = float(np.clip(rng.normal(0.995, 0.02), 0.96, 1.02)), rng.uniform(0.0, 1.0)
    sx, sy, sz = (size * np.clip(rng.normal(1.0, 0.012, 3), 0.98, 1.02)).tolist()
    return Head(
        scale=(sx, sy, sz),
        csf_mm=rng.uniform(1.0, 1.8) + 1.2 * age,
        skull_mm=rng.uniform(5.5, 8.5),
        scalp_mm=rng.uniform(4.5, 8.0),
        cortex_mm=rng.uniform(2.6, 3.2) - 0.3 * age,
        sulcus_mm=rng.uniform(0.25, 0.45) + 0.5 * age,
        sulcus_depth_mm=rng.uniform(14.0, 19.0),
        gyrus_mm=rng.uniform(10.5, 13.0),
        ventricle=rng.uniform(0.75, 1.1) + 0.45 * age,
        asymmetry=rng.normal(0.0, 0.06),
    )


def cerebrum(head: Head) -> Shape:
    """Both hemispheres within their hull, sulci filled."""
    dome = head.ellipsoid((0.0, 0.0, 6.0), (67.0, 84.0, 66.0))
    floor = HalfSpace((0.0, -0.24, -0.971), 17.0 * head.scale[2])
    temporal = tuple(
        head.ellipsoid((41.0 * side, -8.0, -24.0), (24.0, 42.0, 21.0), (-14.0, 0.0, 6.0 * side))
        for side in (-1.0, 1.0)
    )
    return Union((Intersection((dome, floor), smooth=18.0), *temporal), smooth=7.0)


def cerebellum(head: Head) -> Shape:
    """Both hemispheres and the vermis."""
    halves = tuple(
        head.ellipsoid((23.0 * side, 46.0, -43.0), (29.0, 28.0, 22.0)) for side in (-1.0, 1.0)
    )
    return Union((*halves, head.ellipsoid((0.0, 46.0, -40.0), (14.0, 24.0, 22.0))), smooth=6.0)


def brainstem(head: Head) -> Shape:
    """Midbrain, pons, medulla and the upper cord."""
    path = head.path((0, 8, -4), (0, 8, -28), (0, 14, -46), (0, 24, -70), (0, 30, -130))
    stem = tube(path, (15.0, 12.0, 14.0, 9.0, 6.0, 6.0))
    return Union((*stem.shapes, head.ellipsoid((0.0, 4.0, -37.0), (16.0, 12.0, 13.0))))


def ventricles(head: Head) -> Shape:
    """Lateral, third and fourth ventricles."""
    shapes: list[Shape] = []
    for side in (-1.0, 1.0):
        wide = head.ventricle * (1.0 + side * head.asymmetry)
        body = ((9, -34, 8), (10, -20, 18), (12, 2, 23), (16, 24, 20), (25, 36, 8))
        shapes += _horn(head, side, body, (2.5, 5.5, 5.0, 5.5, 6.5), wide, (1.0, 1.0, 1.35))
        shapes += _horn(head, side, ((25, 36, 8), (24, 56, 4), (21, 66, 3)), (6.0, 4.0, 1.5), wide)
        shapes += _horn(
            head, side, ((26, 36, 4), (31, 26, -10), (34, 4, -18)), (5.5, 3.0, 2.0), wide
        )
    third = tube(head.path((0, -8, 6), (0, 14, 5)), 1.4 * head.ventricle, (1.0, 2.0, 5.5))
    fourth = tube(head.path((0, 24, -24), (0, 28, -38), (0, 32, -52)), (1.2, 4.5, 1.5))
    return Union((*shapes, *third.shapes, *fourth.shapes))


def _horn(
    head: Head,
    side: float,
    points: Sequence[Point],
    radii: Sequence[float],
    wide: float,
    stretch: Point = (1.0, 1.0, 1.0),
) -> Sequence[Shape]:
    path = head.path(*((x * side, y, z) for x, y, z in points))
    return tube(path, [wide * radius for radius in radii], stretch).shapes


def callosum(head: Head) -> Shape:
    """White matter from one hemisphere to the other, and what lies below it."""
    return head.ellipsoid((0.0, 6.0, 0.0), (14.0, 43.0, 25.0))


def deep_grey_matter(head: Head) -> Shape:
    """Thalami, putamina and heads of the caudate nuclei."""
    shapes: list[Shape] = []
    for side in (-1.0, 1.0):
        shapes += [
            head.ellipsoid((12.0 * side, 9.0, 7.0), (8.5, 15.0, 9.0), (0.0, 0.0, -20.0 * side)),
            head.ellipsoid((27.0 * side, -5.0, 4.0), (5.5, 18.0, 10.0), (0.0, 0.0, 12.0 * side)),
            head.ellipsoid((15.0 * side, -20.0, 9.0), (4.5, 9.0, 8.0)),
        ]
    return Union(tuple(shapes))


def cavity(head: Head) -> Shape:
    """What the skull holds, before the fluid around the brain is added."""
    stem = tube(head.path((0, 10, -40), (0, 24, -70), (0, 30, -130)), (18.0, 11.0, 9.0))
    return Union((cerebrum(head), cerebellum(head), *stem.shapes), smooth=16.0)


def face_and_neck(head: Head) -> Shape:
    """Soft parts below the skull."""
    jaw = head.ellipsoid((0.0, -48.0, -72.0), (58.0, 44.0, 62.0))
    neck = Capsule(head.at(0.0, 22.0, -60.0), head.at(0.0, 34.0, -150.0), 56.0, 54.0)
    return Union((jaw, neck), smooth=25.0)


def airways(head: Head) -> Shape:
    """Nose, sinuses and pharynx: air."""
    nose = tube(head.path((0, -76, -52), (0, -42, -54), (0, -16, -70), (0, -14, -120)), 8.0)
    sinuses = tuple(
        head.ellipsoid((24.0 * side, -56.0, -62.0), (12.0, 15.0, 15.0)) for side in (-1.0, 1.0)
    )
    frontal = head.ellipsoid((0.0, -84.0, -26.0), (16.0, 6.0, 9.0))
    return Union((*nose.shapes, *sinuses, frontal))


def vessels(head: Head, rng: np.random.Generator) -> list[Shape]:
    """Large arteries of the base and their courses, and the sinuses of the dura."""
    hull = cavity(head)
    found = [_sinus(head, hull)]
    basilar = ((0, -7, -24), (0, -6, -36), (2, 4, -52))
    found.append(tube(head.path(*basilar), 1.7))
    anterior = ((1, -14, -20), (2, -36, -8), (2, -46, 12), (2, -30, 32), (2, 5, 40))
    for side in (-1.0, 1.0):
        middle = ((4, -12, -21), (20, -13, -19), (36, -12, -10), (47, -2, 2), (52, 16, 14))
        for points, radii in ((middle, (1.7, 1.6, 1.3, 1.0)), (anterior, (1.3, 1.2, 0.9))):
            wobbly = head.path(*((x * side, y, z) for x, y, z in points))
            wobbly[:, 1:] += rng.normal(0.0, 1.0, wobbly[:, 1:].shape)
            found.append(tube(wobbly, radii))
        found.append(tube(head.path((12 * side, -8, -60), (6 * side, -10, -24)), 2.1))
        lateral = ((2, 84, -2), (34, 70, -18), (58, 34, -28), (50, 14, -40))
        found.append(tube(_onto(head.path(*((x * side, y, z) for x, y, z in lateral)), hull), 2.6))
    return found + [_bridging_vein(head, hull, rng) for _ in range(int(rng.integers(8, 15)))]


def _sinus(head: Head, hull: Shape) -> Shape:
    angles = np.radians(np.linspace(-60.0, 100.0, 17))
    arc = np.stack([0.0 * angles, 84.0 * np.sin(angles), 66.0 * np.cos(angles) + 6.0], axis=1)
    return tube(_onto(arc * np.array(head.scale), hull), (1.6, 3.2, 3.8))


def _bridging_vein(head: Head, hull: Shape, rng: np.random.Generator) -> Shape:
    along, side = rng.uniform(-0.8, 0.8), rng.choice((-1.0, 1.0))
    down = np.radians(np.linspace(4.0, rng.uniform(35.0, 75.0), 7))
    back = along + np.linspace(0.0, rng.normal(0.0, 0.3), 7) + rng.normal(0.0, 0.03, 7)
    points = np.stack([side * 67.0 * np.sin(down), 84.0 * np.sin(back), 66.0 * np.cos(down)], 1)
    return tube(_onto(points * np.array(head.scale), hull), (1.5, 0.9))


def _onto(points: NDArray[np.float64], hull: Shape) -> NDArray[np.float64]:
    """The points moved along their rays from the origin onto the hull."""
    reach = np.linspace(0.5, 1.6, 111)
    inside = hull.distance(*(points[:, None, :] * reach[:, None]).transpose(2, 0, 1)) < 0.0
    last = reach[inside.shape[1] - 1 - np.argmax(inside[:, ::-1], axis=1)]
    return np.asarray(points * last[:, None])


def sulcal_pattern(
    rng: np.random.Generator, head: Head, at: Coordinates, spacing_mm: float
) -> NDArray[np.float32]:
    """Distance (z, y, x), mm, to the nearest sheet on which a sulcus may lie.

    The sheets are where smooth noise of one wavelength is nought: a labyrinth. The noise is read
    nearly on a sphere, so that sheets run down from the surface of the brain.
    """
    x, y, z = at
    radius = np.sqrt(x * x + y * y + z * z + np.float32(30.0**2))
    pull = (_SULCUS_SPHERE_MM / radius) ** np.float32(0.8)
    value = noise_at(rng, head.gyrus_mm, (x * pull, y * pull, z * pull))
    steep = np.sqrt(sum(np.square(d) for d in np.gradient(value, spacing_mm)))
    return np.asarray(np.abs(value) / (steep + np.float32(0.25 / head.gyrus_mm)), dtype=np.float32)


def noise_at(rng: np.random.Generator, half_wave_mm: float, at: Coordinates) -> NDArray[np.float32]:
    """Smooth noise (z, y, x) of unit deviation whose wavelength is twice `half_wave_mm`."""
    x, y, z = at
    scale = np.float32(_TILE_STEPS / half_wave_mm)
    tile = _noise_tile(rng)
    knots = [c * scale for c in (z, y, x)]
    return np.asarray(
        ndimage.map_coordinates(tile, knots, order=1, mode="grid-wrap", output=np.float32)
    )


def _noise_tile(rng: np.random.Generator) -> NDArray[np.float32]:
    """Noise of unit deviation on a cube that repeats, mostly of one wavelength."""
    size = (_TILE,) * 3
    white = fft.rfftn(rng.standard_normal(size, dtype=np.float32))
    full, half = fft.fftfreq(_TILE), fft.rfftfreq(_TILE)
    there = np.sqrt(full[:, None, None] ** 2 + full[:, None] ** 2 + half**2)
    band = np.exp(-0.5 * ((there * (2 * _TILE_STEPS) - 1.0) / 0.22) ** 2)
    noise = fft.irfftn(white * band.astype(np.float32), s=size)
    return np.asarray(noise / noise.std(), dtype=np.float32)


def pial_depth(
    head: Head, at: Coordinates, hull_depth: Array, sheets: Array, floor: Array
) -> NDArray[np.float32]:
    """Depth (z, y, x), mm, below the surface of the cerebrum, sulci and midline fissure included.

    Args:
        head: The person.
        at: Coordinates, mm.
        hull_depth: Depth below the hull, mm.
        sheets: What `sulcal_pattern` gave.
        floor: How deep sulci reach at each place, mm.
    """
    x, y, z = at
    centre = head.ellipsoid((0.0, 6.0, 0.0), (40.0, 46.0, 27.0))
    fissure = np.maximum(np.abs(x) - 0.9, -centre.distance(x, y, z))
    envelope = smooth_min(hull_depth, fissure, 3.0)
    sulci = np.maximum(sheets - head.sulcus_mm, envelope - floor)
    return np.asarray(np.minimum(envelope, sulci), dtype=np.float32)


def motor_strip(head: Head, at: Coordinates) -> NDArray[np.bool_]:
    """Around the central sulcus, from the vertex down to the lateral fissure: movement."""
    x, y, z = (c / np.float32(s) for c, s in zip(at, head.scale, strict=True))
    across = y - (16.0 - 0.42 * np.abs(x))
    return np.asarray((np.abs(across) < 8.0) & (z > 14.0) & (np.abs(x) > 2.0))
