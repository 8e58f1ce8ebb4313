"""A phantom lumbar spine as a CT of the back, from T12 to the sacrum.

Sampling is apart from applying: `draw_spine` draws a small record, `build` paints and scans it.
Structures have TotalSegmentator's names; ``spinal_cord`` is what the dura holds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.labels import LabelMap
from halsted.imaging_bridge.patient import Patient
from halsted.imaging_bridge.phantoms.canvas import Canvas, Core, Part
from halsted.imaging_bridge.phantoms.chance import chance
from halsted.imaging_bridge.phantoms.grids import grid_affine
from halsted.imaging_bridge.phantoms.scanner import CtScanner, draw_ct_scanner, scan_ct
from halsted.imaging_bridge.phantoms.shapes import (
    Capsule,
    Drum,
    Ellipsoid,
    Offset,
    Section,
    Shape,
    Union,
    as_point,
    curve,
    rotation,
    tube,
)
from halsted.imaging_bridge.phantoms.tissue import hu
from halsted.imaging_bridge.phantoms.vertebrae import (
    LEVELS,
    SIZES,
    Moved,
    Size,
    hip,
    sacrum,
    vertebra,
)
from halsted.imaging_bridge.phantoms.waves import draw_waves
from halsted.imaging_bridge.volume import Volume

VERTEBRAE = tuple(f"vertebrae_{level}" for level in LEVELS)
STRUCTURES = (
    *("body", "intervertebral_disc", "spinal_cord", "sacrum", "hip_left", "hip_right"),
    *("aorta", "inferior_vena_cava", *VERTEBRAE),
)
VALUES = {name: value for value, name in enumerate(STRUCTURES, start=1)}

# Share of the lordosis at each disc from T12-L1 down: typical, growing downwards.
_LORDOSIS = (0.02, 0.06, 0.1, 0.14, 0.28, 0.4)
# Mean and standard deviation from T12 to S1 of 627 healthy volunteers lying down, degrees: Yukawa
# et al., Asian Spine J 2019;13(4):663-671. (Of theirs, 85 % lies between L4 and S1; here 68 %.)
LORDOSIS_DEG = (36.8, 13.2)

_HALF_WIDTH_MM, _FRONT_MM = 98.0, -78.0
_BELOW_MM, _ABOVE_MM = 58.0, 14.0


@dataclass(frozen=True)
class Spine:
    """All that was drawn for one spine; `build` replays it.

    Attributes:
        scale: Size of every vertebra over the reference's.
        lordosis_deg: From T12 to S1.
        slope_deg: Of the end plate of the sacrum.
        bend_deg: Sideways bend at each vertebra, from T12 down: scoliosis.
        twist_deg: Turn of each about the long axis.
        discs_mm: Height of each disc, from T12-L1 down.
        worn: How worn each disc is, 0 to 1, from T12-L1 down.
        marrow_hu: Attenuation of spongy bone, HU.
        cortex_mm: Thickness of compact bone.
        fat_mm: Thickness of the fat under the skin of the back.
        muscle: Width of the back's muscles over the reference's.
        marbling: Share of fat in those muscles.
        scanner: What measures it.
        warp_mm: Root mean square, per axis, of the smooth deformation of everything, mm.
        spacing_mm: Of the voxels before the scanner.
        seed: Seed of deformation and noise.
    """

    scale: float
    lordosis_deg: float
    slope_deg: float
    bend_deg: tuple[float, ...]
    twist_deg: tuple[float, ...]
    discs_mm: tuple[float, ...]
    worn: tuple[float, ...]
    marrow_hu: float
    cortex_mm: float
    fat_mm: float
    muscle: float
    marbling: float
    scanner: CtScanner
    warp_mm: float
    spacing_mm: float
    seed: int

    def rng(self, purpose: str) -> np.random.Generator:
        """The same generator of details for the same seed and purpose."""
        return chance(self.seed, purpose)


def spine(seed: int) -> Patient:
    """The lumbar spine of a seed; the same voxels, bit for bit, on one machine.

    Args:
        seed: Not negative.

    Raises:
        HalstedError: the seed is negative.
    """
    return build(draw_spine(seed))


def draw_spine(seed: int) -> Spine:
    """The record of a seed: dense young spines and worn old ones, straight and bent."""
    rng = chance(seed, "spine")
    age = rng.uniform(0.0, 1.0)
    lordosis = float(np.clip(rng.normal(*LORDOSIS_DEG), 15.0, 62.0))
    worn = np.clip(age * rng.uniform(0.0, 1.3, 6) * np.linspace(0.5, 1.2, 6), 0.0, 1.0)
    heights = np.array([6.5, 7.5, 8.8, 9.8, 10.8, 10.0]) * rng.uniform(0.9, 1.15)
    phase, curve_deg = rng.uniform(0.0, 2.0 * math.pi), abs(rng.normal(0.0, 4.0))
    bend = curve_deg * np.sin(phase + np.linspace(0.0, 2.0, 6))
    return Spine(
        scale=float(np.clip(rng.normal(1.0, 0.05), 0.9, 1.1)),
        lordosis_deg=lordosis,
        slope_deg=lordosis * rng.uniform(0.72, 0.88) + 4.0,
        bend_deg=tuple(bend.tolist()),
        twist_deg=tuple((0.8 * np.roll(bend, 1)).tolist()),
        discs_mm=tuple((heights * (1.0 - 0.5 * worn)).tolist()),
        worn=tuple(worn.tolist()),
        marrow_hu=rng.uniform(150.0, 260.0) - 100.0 * age,
        cortex_mm=rng.uniform(1.2, 1.8) - 0.3 * age,
        fat_mm=8.0 + 40.0 * float(rng.beta(1.5, 3.0)),
        muscle=rng.uniform(0.85, 1.15),
        marbling=rng.uniform(0.0, 0.15) + 0.25 * age * rng.uniform(0.0, 1.0),
        scanner=draw_ct_scanner(rng),
        warp_mm=rng.uniform(0.5, 1.3),
        spacing_mm=rng.uniform(1.4, 1.8),
        seed=seed,
    )


def build(drawn: Spine) -> Patient:
    """Paint a drawn spine and scan it."""
    return scan(drawn, *perfect(drawn))


def scan(drawn: Spine, volume: Volume, labels: LabelMap) -> Patient:
    """What the drawn scanner makes of a painted spine."""
    ct, seen = scan_ct(volume, labels, drawn.scanner, drawn.rng("noise"))
    return Patient(
        images={"ct": ct},
        labels=seen,
        kind="phantom",
        facts={"phantom": "spine", "seed": str(drawn.seed)},
    )


def perfect(drawn: Spine) -> tuple[Volume, LabelMap]:
    """The CT, HU, and labels of a drawn spine before any scanner."""
    frames = place_vertebrae(drawn)
    axes, affine = _grid(drawn, frames)
    waves = draw_waves(drawn.rng("waves"), drawn.warp_mm)
    canvas = Canvas(axes, drawn.spacing_mm, waves, VALUES, hu("air"))
    for part in _parts(drawn, frames):
        canvas.paint(part)
    labels = LabelMap(canvas.labels, affine, VALUES, "generated")
    return Volume(canvas.hu, affine, "CT", "HU"), labels


def place_vertebrae(drawn: Spine) -> Mapping[str, Moved]:
    """The body of each vertebra, and the end plate of the sacrum, where the curve puts them.

    The sacrum's end plate is at the origin; each vertebra stands on the disc below it.
    """
    plate = Drum((0.0, 0.0, -9.0), (25.0, 17.0, 10.0))
    frames = {"sacrum": Moved(plate, (0.0, 0.0, 0.0), (drawn.slope_deg, 0.0, 0.0))}
    top, lean = np.zeros(3), drawn.slope_deg
    for i in reversed(range(len(LEVELS))):
        size = scaled(drawn, LEVELS[i])
        lean -= drawn.lordosis_deg * _LORDOSIS[i]
        turn = (lean, drawn.bend_deg[i], drawn.twist_deg[i])
        up = rotation(turn)[:, 2]
        centre = top + up * (drawn.discs_mm[i] + 0.5 * size.height)
        body = Drum((0.0, 0.0, 0.0), (0.5 * size.width, 0.5 * size.depth, 0.5 * size.height))
        frames[LEVELS[i]] = Moved(body, as_point(centre), turn)
        top = centre + up * 0.5 * size.height
    return frames


def scaled(drawn: Spine, level: str) -> Size:
    """The size of a vertebra of this spine."""
    return SIZES[level].scaled(drawn.scale)


def _parts(drawn: Spine, frames: Mapping[str, Moved]) -> Iterator[Part]:
    """The back; of parts that overlap, the later one is what is there."""
    yield from _soft_parts(drawn, frames)
    yield from _discs(drawn, frames)
    bone, marrow = hu("cortical_bone") * 0.8, Core(drawn.cortex_mm, drawn.marrow_hu)
    base = frames["sacrum"]
    for name, shapes in (
        ("sacrum", sacrum()),
        ("hip_left", hip(1.0)),
        ("hip_right", hip(-1.0)),
    ):
        solid = Union(tuple(Moved(shape, base.centre, base.turn) for shape in shapes))
        yield Part(name, solid, bone, marrow)
    for i, level in enumerate(LEVELS):
        frame = frames[level]
        shapes = vertebra(scaled(drawn, level), drawn.worn[i])
        solid = Union(tuple(Moved(shape, frame.centre, frame.turn) for shape in shapes))
        yield Part(f"vertebrae_{level}", solid, bone, marrow)
    canal = curve(_canal(drawn, frames), 3)
    yield Part("body", tube(canal, 8.3, (1.3, 1.0, 1.0)), hu("fat"))
    yield Part("spinal_cord", tube(canal, 6.6, (1.25, 1.0, 1.0)), hu("spinal_canal"))


def _canal(drawn: Spine, frames: Mapping[str, Moved]) -> list[tuple[float, float, float]]:
    """Points along the middle of the spinal canal, from above T12 into the sacrum."""
    knots = []
    for level in LEVELS:
        size = scaled(drawn, level)
        behind = 0.5 * size.depth + 0.5 * size.canal
        if level == LEVELS[0]:
            knots.append(frames[level].point(0.0, behind, 2.0 * size.height))
        knots.append(frames[level].point(0.0, behind, 0.0))
    return [*knots, frames["sacrum"].point(0, 26, 2), frames["sacrum"].point(0, 27, -22)]


def _discs(drawn: Spine, frames: Mapping[str, Moved]) -> Iterator[Part]:
    for i, level in enumerate(LEVELS):
        size, frame = scaled(drawn, level), frames[level]
        radii = (0.5 * size.width + 0.8, 0.5 * size.depth + 0.8 + drawn.worn[i])
        half = 0.5 * drawn.discs_mm[i] + 5.0  # into the vertebrae, which are painted over it
        below = (0.0, 0.0, -0.5 * size.height - 0.5 * drawn.discs_mm[i])
        disc = Moved(Drum(below, (*radii, half)), frame.centre, frame.turn)
        yield Part("intervertebral_disc", disc, hu("disc"), Core(5.0, hu("disc") - 12.0))
        if drawn.worn[i] > 0.75:  # gas in a disc that has lost its water
            gap = Ellipsoid(below, (0.3 * size.width, 0.25 * size.depth, 1.3))
            yield Part("intervertebral_disc", Moved(gap, frame.centre, frame.turn), hu("air") * 0.6)


def _soft_parts(drawn: Spine, frames: Mapping[str, Moved]) -> Iterator[Part]:
    """Skin, fat, muscles, bowel and great vessels."""
    skin = _skin(drawn)
    yield Part("body", skin, hu("skin"), Core(2.2, hu("fat")), gentle=True)
    yield Part("body", Offset(skin, -drawn.fat_mm), hu("muscle"), gentle=True)
    inside = Offset(skin, -drawn.fat_mm - 14.0)
    yield Part("body", inside, hu("fat"), gentle=True)
    marbled = hu("muscle") + drawn.marbling * (hu("fat") - hu("muscle"))
    column = [frames[level] for level in LEVELS]
    wide = drawn.muscle
    for side in (-1.0, 1.0):
        back = [*(f.point(side * 31.0, 45.0, -8.0) for f in column), (side * 24.0, 58.0, -60.0)]
        yield Part("body", tube(curve(back, 2), 22.0 * wide, (1.35, 0.95, 1.0)), marbled)
        psoas = [*(f.point(side * 34.0, 4.0, 0.0) for f in column), (side * 52.0, -22.0, -60.0)]
        radii = tuple(wide * r for r in (4.0, 8.0, 12.0, 16.0, 19.0, 20.0, 18.0))
        yield Part("body", tube(curve(psoas, 2), radii), hu("muscle"))
        flank = [f.point(side * 66.0, 24.0, 0.0) for f in column]
        yield Part("body", tube(flank, (9.0, 14.0, 12.0), (1.5, 1.0, 1.0)), marbled)
        gluteal = Ellipsoid((side * 68.0, 58.0, -52.0), (38.0, 26.0, 42.0))
        yield Part("body", gluteal, marbled)
    rng = drawn.rng("bowel")
    for _ in range(14):
        x, y, z = rng.uniform((-95.0, -85.0, -60.0), (95.0, -48.0, 230.0))
        loop = Capsule((x, y, z), (x + rng.normal(0, 18), y - 8, z + rng.normal(0, 18)), 13.0, 12.0)
        yield Part("body", loop, hu("bowel_wall"), Core(3.0, float(rng.choice((20.0, -600.0)))))
    for name, side in (("aorta", 9.0), ("inferior_vena_cava", -12.0)):
        ahead = [f.point(side, -30.0, 0.0) for f in column[:-1]]
        yield Part(name, tube(curve(ahead, 2), 9.5), hu("artery" if side > 0 else "vein"))


def _skin(drawn: Spine) -> Shape:
    """Outside of the trunk; its back follows the muscles."""
    back = 56.0 + drawn.fat_mm
    return Section(side=(152.0 + drawn.fat_mm,), front=(125.0,), back=(back + 6.0,), exponent=2.6)


def _grid(
    drawn: Spine, frames: Mapping[str, Moved]
) -> tuple[tuple[NDArray[np.float64], ...], NDArray[np.float64]]:
    """Coordinates x, y and z of the voxel centres, mm, and the affine from (z, y, x)."""
    spacing = drawn.spacing_mm
    (_, _, _), (_, back, _) = _skin(drawn).bounds
    top = frames[LEVELS[0]].centre[2] + _ABOVE_MM
    spans = ((-_HALF_WIDTH_MM, _HALF_WIDTH_MM), (_FRONT_MM, back + 9.0), (-_BELOW_MM, top))
    axes = tuple(np.arange(low, high + spacing, spacing) for low, high in spans)
    return axes, grid_affine(axes, spacing)
