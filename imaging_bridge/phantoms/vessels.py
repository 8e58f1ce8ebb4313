"""A phantom CT angiography: a tree of arteries among veins, soft tissue and bone.

Sampling is apart from applying: `draw_vessels` draws a small record, `build` paints and scans it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.labels import LabelMap
from halsted.imaging_bridge.patient import Patient
from halsted.imaging_bridge.phantoms.canvas import Canvas, Core, Part
from halsted.imaging_bridge.phantoms.chance import chance
from halsted.imaging_bridge.phantoms.grids import grid_affine
from halsted.imaging_bridge.phantoms.lesion import lump
from halsted.imaging_bridge.phantoms.scanner import CtScanner, draw_ct_scanner, scan_ct
from halsted.imaging_bridge.phantoms.shapes import (
    Capsule,
    Drum,
    Ellipsoid,
    Offset,
    Point,
    Section,
    Union,
    as_point,
    tube,
)
from halsted.imaging_bridge.phantoms.tissue import hu
from halsted.imaging_bridge.phantoms.vessel_tree import Branch, grow, solid
from halsted.imaging_bridge.phantoms.waves import draw_waves
from halsted.imaging_bridge.volume import Volume

STRUCTURES = ("body", "vessel", "aneurysm", "vein", "bone")
VALUES = {name: value for value, name in enumerate(STRUCTURES, start=1)}

_REACH: Point = (74.0, 48.0, 78.0)  # half the size of what vessels grow in, mm
_HEIGHT_MM = 80.0
_VEIN_TRIES, _ENOUGH_VEINS = 12, 9


@dataclass(frozen=True)
class Aneurysm:
    """A sac at a fork: its centre and radius, mm."""

    centre: Point
    radius_mm: float


@dataclass(frozen=True)
class Vessels:
    """All that was drawn for one tree; `build` replays it.

    Attributes:
        arteries: From the root on.
        veins: The same.
        aneurysm: Its place, or None.
        plaques: Centre and radius, mm, of lumps of chalk in the wall of arteries.
        artery_hu, vein_hu, plaque_hu: Attenuation, HU; typical of the arterial phase.
        fat_mm: Thickness of the fat under the skin.
        scanner: What measures it.
        spacing_mm: Of the voxels before the scanner.
        seed: Seed of tissue and noise.
    """

    arteries: tuple[Branch, ...]
    veins: tuple[Branch, ...]
    aneurysm: Aneurysm | None
    plaques: tuple[tuple[Point, float], ...]
    artery_hu: float
    vein_hu: float
    plaque_hu: float
    fat_mm: float
    scanner: CtScanner
    spacing_mm: float
    seed: int

    def rng(self, purpose: str) -> np.random.Generator:
        """The same generator of details for the same seed and purpose."""
        return chance(self.seed, purpose)


def vessels(seed: int) -> Patient:
    """The vessels of a seed; the same voxels, bit for bit, on one machine.

    Args:
        seed: Not negative.

    Raises:
        HalstedError: the seed is negative.
    """
    return build(draw_vessels(seed))


def draw_vessels(seed: int) -> Vessels:
    """The record of a seed; six of ten have an aneurysm."""
    rng = chance(seed, "vessels")
    root = rng.uniform(4.0, 6.5)
    x, y = rng.uniform(-20.0, 20.0), rng.uniform(-25.0, 5.0)
    heading = as_point((rng.normal(0.0, 0.2), rng.normal(0.0, 0.2), 1.0))
    arteries = grow(rng, (x, y, -60.0), heading, root, _REACH, most=70)
    scanner = draw_ct_scanner(rng)
    thin = replace(scanner.prescription, slice_mm=rng.uniform(1.0, 2.0))
    return Vessels(
        arteries=arteries,
        veins=_draw_veins(rng, arteries, 1.1 * root),
        aneurysm=_draw_aneurysm(rng, arteries) if rng.random() < 0.6 else None,
        plaques=tuple(_draw_plaque(rng, arteries) for _ in range(rng.poisson(4.0))),
        artery_hu=rng.uniform(240.0, 420.0),
        vein_hu=rng.uniform(90.0, 210.0),
        plaque_hu=rng.uniform(500.0, 1000.0),
        fat_mm=rng.uniform(6.0, 22.0),
        scanner=replace(scanner, prescription=thin, blur_mm=rng.uniform(0.6, 1.3), vessel_hu=0.0),
        spacing_mm=rng.uniform(1.0, 1.3),
        seed=seed,
    )


def _draw_veins(
    rng: np.random.Generator, arteries: tuple[Branch, ...], radius: float
) -> tuple[Branch, ...]:
    """A tree that finds its way between the arteries, or the largest of a few that get stuck."""
    best: tuple[Branch, ...] = ()
    for _ in range(_VEIN_TRIES):
        start = (rng.uniform(-45.0, 45.0), rng.uniform(-25.0, 20.0), 58.0)
        heading = as_point((rng.normal(0.0, 0.3), rng.normal(0.0, 0.3), -1.0))
        tree = grow(rng, start, heading, radius, _REACH, most=40, around=arteries)
        best = max(best, tree, key=len)
        if len(best) >= _ENOUGH_VEINS:
            break
    return best


def _draw_aneurysm(rng: np.random.Generator, arteries: tuple[Branch, ...]) -> Aneurysm:
    """A sac on the crotch of a fork, where the stream of the parent hits the wall."""
    parents = sorted({branch.parent for branch in arteries if branch.parent >= 0})
    trunk = arteries[int(rng.choice(parents[:10]))] if parents else arteries[0]
    radius = trunk.radius_mm * rng.uniform(0.9, 1.6) + 1.0
    ahead = trunk.heading * (0.75 * radius + 0.8 * trunk.radius_mm)
    return Aneurysm(as_point(np.array(trunk.knots[-1]) + ahead), radius)


def _draw_plaque(rng: np.random.Generator, arteries: tuple[Branch, ...]) -> tuple[Point, float]:
    branch = arteries[int(rng.integers(min(len(arteries), 15)))]
    path = branch.path
    aside = rng.normal(size=3)
    aside *= 0.9 * branch.radius_mm / np.linalg.norm(aside)
    place = path[int(rng.integers(2, len(path) - 2))] + aside
    return as_point(place), float(rng.uniform(0.25, 0.5)) * branch.radius_mm


def build(drawn: Vessels) -> Patient:
    """Paint drawn vessels and scan them."""
    return scan(drawn, *perfect(drawn))


def scan(drawn: Vessels, volume: Volume, labels: LabelMap) -> Patient:
    """What the drawn scanner makes of a painted tree."""
    ct, seen = scan_ct(volume, labels, drawn.scanner, drawn.rng("noise"))
    return Patient(
        images={"ct": ct},
        labels=seen,
        kind="phantom",
        facts={"phantom": "vessels", "seed": str(drawn.seed)},
    )


def perfect(drawn: Vessels) -> tuple[Volume, LabelMap]:
    """The CT, HU, and labels of drawn vessels before any scanner."""
    axes, affine = _grid(drawn)
    canvas = Canvas(axes, drawn.spacing_mm, draw_waves(drawn.rng("waves"), 0.8), VALUES, hu("air"))
    for part in _parts(drawn):
        canvas.paint(part)
    labels = LabelMap(canvas.labels, affine, VALUES, "generated")
    return Volume(canvas.hu, affine, "CT", "HU"), labels


def _parts(drawn: Vessels) -> Iterator[Part]:
    """The body; of parts that overlap, the later one is what is there."""
    yield from _tissue(drawn)
    if drawn.veins:
        yield Part("vein", solid(drawn.veins), drawn.vein_hu)
    if drawn.aneurysm is not None:
        sac = drawn.aneurysm
        shape = lump(drawn.rng("sac"), sac.centre, sac.radius_mm, 0.08)
        yield Part("aneurysm", shape, drawn.artery_hu)
    yield Part("vessel", solid(drawn.arteries), drawn.artery_hu)
    chalk = tuple(Ellipsoid(centre, (r, r, 1.6 * r)) for centre, r in drawn.plaques)
    if chalk:
        yield Part("vessel", Union(chalk), drawn.plaque_hu)


def _tissue(drawn: Vessels) -> Iterator[Part]:
    """Skin, fat, muscle, organs of several densities, and bone."""
    skin = _skin(drawn)
    rng = drawn.rng("tissue")
    yield Part("body", skin, hu("skin"), Core(2.2, hu("fat")), gentle=True)
    yield Part("body", Offset(skin, -drawn.fat_mm), hu("muscle"), gentle=True)
    yield Part("body", Offset(skin, -drawn.fat_mm - 12.0), hu("fat") + 10.0, gentle=True)
    for _ in range(16):
        place = rng.uniform((-60.0, -45.0, -75.0), (60.0, 40.0, 75.0))
        shape = lump(rng, as_point(place), rng.uniform(12.0, 30.0), 0.12)
        yield Part("body", shape, float(rng.choice((45.0, 60.0, 85.0, 110.0, 150.0))))
    column = tube(((0, 68, -90), (0, 66, 0), (0, 68, 90)), 13.0, (1.2, 1.0, 1.0))
    yield Part("body", column, hu("disc"))
    bone, marrow = hu("cortical_bone") * 0.8, Core(1.5, hu("vertebral_bone"))
    for z in np.arange(-96.0, 97.0, 32.0) + rng.uniform(0.0, 32.0):
        yield Part("bone", Drum((0.0, 66.0, float(z)), (19.0, 15.0, 12.5)), bone, marrow)
        for side in (-1.0, 1.0):
            knots = ((14, 80, z), (50, 74, z - 6), (84, 34, z - 18), (86, -8, z - 28))
            rib = tube([(side * x, y, h) for x, y, h in knots], 4.0, (1.0, 1.0, 1.5))
            yield Part("bone", rib, bone, Core(1.5, hu("cancellous_bone")))
    yield Part("body", Capsule((0.0, 88.0, -95.0), (0.0, 88.0, 95.0), 7.0, 7.0), hu("spinal_canal"))


def _skin(drawn: Vessels) -> Section:
    fat = drawn.fat_mm
    return Section(side=(96.0 + fat,), front=(66.0 + fat,), back=(104.0 + fat,), exponent=2.4)


def _grid(
    drawn: Vessels,
) -> tuple[tuple[NDArray[np.float64], ...], NDArray[np.float64]]:
    """Coordinates x, y and z of the voxel centres, mm, and the affine from (z, y, x)."""
    spans = ((-86.0, 86.0), (-72.0, 86.0), (-_HEIGHT_MM, _HEIGHT_MM))
    axes = tuple(np.arange(low, high, drawn.spacing_mm) for low, high in spans)
    return axes, grid_affine(axes, drawn.spacing_mm)
