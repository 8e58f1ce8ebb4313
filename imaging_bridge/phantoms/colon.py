"""A phantom of a colon for CT colonography, and endoscopic pictures from inside it.

The patient lies on the back; the bowel is cleansed and blown up with carbon dioxide, and at times
a little tagged fluid stays behind. The scanner is drawn. CT and pictures of one seed are of the
same anatomy.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.errors import HalstedError
from halsted.imaging_bridge.labels import LabelMap
from halsted.imaging_bridge.patient import Patient
from halsted.imaging_bridge.phantoms.canvas import Canvas, Core, Part
from halsted.imaging_bridge.phantoms.chance import chance
from halsted.imaging_bridge.phantoms.colon_anatomy import Colon, draw_colon
from halsted.imaging_bridge.phantoms.colon_field import WALL, fill
from halsted.imaging_bridge.phantoms.endoscopy import draw_view, look, photograph
from halsted.imaging_bridge.phantoms.grids import grid_affine
from halsted.imaging_bridge.phantoms.kinds import MOST_FRAMES
from halsted.imaging_bridge.phantoms.lesion import lump
from halsted.imaging_bridge.phantoms.scanner import CtScanner, draw_ct_scanner, scan_ct
from halsted.imaging_bridge.phantoms.shapes import Offset, Section, Union, tube
from halsted.imaging_bridge.phantoms.textures import as_volumes, picture_affine
from halsted.imaging_bridge.phantoms.tissue import hu
from halsted.imaging_bridge.phantoms.waves import draw_waves
from halsted.imaging_bridge.volume import Volume

STRUCTURES = ("body", "colon_wall", "colon_lumen", "polyp")
VALUES = {name: value for value, name in enumerate(STRUCTURES, start=1)}

_SPACING_MM = (1.6, 2.3)
WALL_HU = 45.0  # typical, without contrast medium; folds and polyps are made of the same
_MARGIN_MM = 16.0
_LEAST_BRIGHTNESS = 45
_LEAST_PIXELS = 150  # fewer of a polyp, such as far off in the dark, nobody would outline
_REACH_MM = 46.0  # beyond the widest calibre with its wall


def colon(seed: int) -> Patient:
    """The abdomen of a seed with its colon blown up, as a CT without contrast medium.

    Args:
        seed: Not negative.

    Returns:
        ``ct`` (HU, float32, whole numbers), pixels of 1.6 to 2.3 mm in slices of up to 5 mm, with
        the labels ``body``, ``colon_wall``, ``colon_lumen`` and ``polyp``. The facts name the
        polyps' classes of Paris, also of one so small that it is lost between thick slices.

    Raises:
        HalstedError: the seed is negative.
    """
    anatomy = draw_colon(chance(seed, "colon"))
    rng = chance(seed, "scanner")
    painted = perfect(seed, float(rng.uniform(*_SPACING_MM)))
    ct, labels = scan_ct(*painted, _without_contrast(draw_ct_scanner(rng)), chance(seed, "noise"))
    return Patient(
        {"ct": ct},
        LabelMap(labels.voxels, labels.affine, VALUES, labels.provenance),
        kind="phantom",
        facts={"phantom": "colon", "seed": str(seed), "polyps": " ".join(anatomy.paris)},
    )


def perfect(seed: int, spacing_mm: float) -> tuple[Volume, LabelMap]:
    """The CT, HU, and labels of a seed before any scanner, in cubic voxels.

    Raises:
        HalstedError: the seed is negative.
    """
    anatomy = draw_colon(chance(seed, "colon"))
    rng = chance(seed, "abdomen")
    canvas, affine = _abdomen(rng, anatomy, spacing_mm)
    _paint(rng, canvas, anatomy, affine[:3, 3], spacing_mm)
    labels = LabelMap(canvas.labels, affine, VALUES, "generated")
    return Volume(canvas.hu, affine, "CT", "HU"), labels


def _without_contrast(scanner: CtScanner) -> CtScanner:
    return replace(scanner, vessel_hu=0.0, organ_hu=0.0)


def frames(seed: int, count: int) -> list[Patient]:
    """Endoscopic pictures from inside the colon of a seed.

    A polyp is labelled that a reader could see: large enough, and mostly in the light.

    Args:
        seed: Not negative.
        count: Up to `MOST_FRAMES`; the first are the same for any count.

    Returns:
        `count` patients of one picture each: ``red``, ``green`` and ``blue`` (uint8) of shape
        (1, 256, 256); labels: ``polyp``, of which about one picture in five shows none.

    Raises:
        HalstedError: the seed is negative, or so many are not made.
    """
    if not 0 <= count <= MOST_FRAMES:
        raise HalstedError(
            f"{count} pictures of a colon were asked for; ask for up to {MOST_FRAMES} at a time"
        )
    anatomy = draw_colon(chance(seed, "colon"))
    return [_frame(seed, anatomy, number) for number in range(count)]


def _frame(seed: int, anatomy: Colon, number: int) -> Patient:
    scene = look(anatomy, draw_view(chance(seed, f"view {number}"), anatomy))
    picture, is_shown = photograph(chance(seed, f"picture {number}"), scene)
    is_lit = picture.max(axis=-1) > _LEAST_BRIGHTNESS
    shown, lit = (
        np.bincount(scene.polyp[there & (scene.polyp >= 0)], minlength=len(anatomy.paris))
        for there in (is_shown, is_shown & is_lit)
    )
    visible = np.flatnonzero((lit >= _LEAST_PIXELS) & (2 * lit > shown))
    seen = (is_shown & np.isin(scene.polyp, visible)).astype(np.uint8)[np.newaxis]
    labels = LabelMap(seen, picture_affine(None), {"polyp": 1}, "generated")
    facts = {"phantom": "colon", "seed": str(seed), "frame": str(number)}
    return Patient(as_volumes(picture, "ES", None), labels, "phantom", facts)


def _abdomen(
    rng: np.random.Generator, anatomy: Colon, spacing_mm: float
) -> tuple[Canvas, NDArray[np.float64]]:
    """Body wall, spine and small bowel; the affine from (z, y, x)."""
    low = anatomy.lumen.centre.min(axis=0) - 40.0
    high = anatomy.lumen.centre.max(axis=0) + 40.0
    muscle, fat = rng.uniform(8.0, 13.0), rng.uniform(10.0, 40.0)
    cavity = Section((high[0],), (-low[1],), (high[1] + 22.0,), 2.3)
    skin = Offset(cavity, muscle + fat)
    (left, front, _), (right, back, _) = skin.bounds
    starts = np.array([left - _MARGIN_MM, front - _MARGIN_MM, low[2]])
    stops = np.array([right + _MARGIN_MM, back + _MARGIN_MM, high[2]])
    axes = [np.arange(a, b, spacing_mm) for a, b in zip(starts, stops, strict=True)]
    canvas = Canvas(axes, spacing_mm, draw_waves(rng, 0.01), VALUES, hu("air"))
    canvas.paint(Part("body", skin, hu("skin"), Core(2.0, hu("fat")), gentle=True))
    canvas.paint(Part("body", Offset(cavity, muscle), 55.0, Core(muscle, hu("fat")), gentle=True))
    for part in _inner_parts(rng, low, high):
        canvas.paint(part)
    return canvas, grid_affine(axes, spacing_mm)


def _inner_parts(
    rng: np.random.Generator, low: NDArray[np.float64], high: NDArray[np.float64]
) -> list[Part]:
    """Spine, psoas muscles and loops of small bowel."""
    y, bottom, top = high[1] + 2.0, low[2] - 20.0, high[2] + 20.0
    parts = []
    for side in (-1.0, 1.0):
        psoas = tube([(44.0 * side, y - 12.0, bottom), (30.0 * side, y - 4.0, top)], (24.0, 14.0))
        parts.append(Part("body", psoas, 55.0))
    column = tube([(0.0, y, bottom), (0.0, y, top)], 22.0)
    parts.append(Part("body", column, hu("cortical_bone") * 0.6, Core(2.5, hu("vertebral_bone"))))
    loops = []
    for _ in range(22):
        place = rng.uniform((-75.0, low[1] + 35.0, -110.0), (75.0, 25.0, 60.0))
        loops.append(lump(rng, tuple(place.tolist()), float(rng.uniform(12.0, 20.0)), 0.12))
    parts.append(Part("body", Union(tuple(loops)), 30.0, Core(2.5, 15.0)))
    return parts


def _paint(
    rng: np.random.Generator,
    canvas: Canvas,
    anatomy: Colon,
    first: NDArray[np.float64],
    spacing_mm: float,
) -> None:
    """Put wall, polyps, gas and residual fluid into the abdomen."""
    lumen, polyps, shape = anatomy.lumen, anatomy.polyps, canvas.hu.shape
    gaps, inside, what = fill(lumen, polyps, first, spacing_mm, _REACH_MM, shape)
    thick = rng.uniform(1.6, 3.0)
    tissue = np.clip(0.5 + (inside + thick) / spacing_mm, 0.0, 1.0)
    gas = np.clip(0.5 + gaps / spacing_mm, 0.0, 1.0)
    canvas.hu += tissue * (WALL_HU - canvas.hu)
    canvas.hu += gas * (_content(rng, canvas.hu.shape, anatomy, first, spacing_mm) - canvas.hu)
    canvas.labels[inside > -max(thick, spacing_mm)] = VALUES["colon_wall"]
    canvas.labels[(inside > -thick) & (what != WALL)] = VALUES["polyp"]
    canvas.labels[gaps > 0.0] = VALUES["colon_lumen"]


def _content(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    anatomy: Colon,
    first: NDArray[np.float64],
    spacing_mm: float,
) -> NDArray[np.float32]:
    """HU of what fills the lumen: gas, and below a level, towards the back, fluid at times."""
    content = np.full(shape, hu("air"), dtype=np.float32)
    if rng.random() < 0.5:
        deepest = anatomy.lumen.centre[:, 1].max() + anatomy.lumen.radius.mean()
        level = deepest - rng.uniform(4.0, 14.0)
        y = first[1] + np.arange(shape[1]) * spacing_mm
        content[:, y > level] = rng.uniform(20.0, 500.0)  # tagged with barium or iodine, or not
    return content
