"""A glioma: where it grows, its rim and core, and the oedema that follows white matter."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from halsted.imaging_bridge.errors import StructureError
from halsted.imaging_bridge.phantoms.brain_anatomy import Head, cerebrum, noise_at, ventricles
from halsted.imaging_bridge.phantoms.brain_canvas import Field, MrCanvas, Space
from halsted.imaging_bridge.phantoms.lesion import lump
from halsted.imaging_bridge.phantoms.shapes import Point, Union, as_point

_CANDIDATES = 4000
_ROUGH_MM = 5.0  # half the wavelength of the bumps on the tumour's surface
_PATCH_MM = 11.0  # the same of the oedema's fingers
_CALLOSUM_MM = 14.0  # how much further oedema has to go to the other hemisphere


@dataclass(frozen=True)
class Glioma:
    """A tumour of the white matter.

    Attributes:
        centre: In the frame of the head, mm.
        radius_mm: Of the ball of the same volume.
        lumpiness: Standard deviation of the radius over directions, as a fraction.
        rim_mm: Thickness of the enhancing rim; 0 for a tumour that does not enhance.
        satellite_mm: Radius of a second nodule that has grown together with it; 0 for none.
        oedema_mm: How far the oedema reaches on average.
        push: Share by which tissue next to the centre is driven away.
    """

    centre: Point
    radius_mm: float
    lumpiness: float
    rim_mm: float
    satellite_mm: float
    oedema_mm: float
    push: float


def draw_glioma(rng: np.random.Generator, head: Head) -> Glioma:
    """A glioma of 9 to 22 mm radius; three of four enhance."""
    radius, enhances = rng.uniform(9.0, 22.0), rng.random() < 0.75
    return Glioma(
        centre=_place(rng, head, radius),
        radius_mm=radius,
        lumpiness=rng.uniform(0.08, 0.2),
        rim_mm=rng.uniform(2.8, 3.0 + 0.13 * radius) if enhances else 0.0,
        satellite_mm=radius * rng.uniform(0.45, 0.7) if rng.random() < 0.4 else 0.0,
        oedema_mm=rng.uniform(7.0, 26.0) if enhances else rng.uniform(4.0, 10.0),
        push=rng.uniform(0.1, 0.45),
    )


def _place(rng: np.random.Generator, head: Head, radius: float) -> Point:
    """A point deep enough in a hemisphere, clear of the midline and the ventricles' middle."""
    points = rng.uniform((-62.0, -75.0, -25.0), (62.0, 75.0, 60.0), size=(_CANDIDATES, 3))
    depth = -cerebrum(head).distance(*points.T)
    clear = ventricles(head).distance(*points.T)
    fits = (depth > 0.75 * radius + 5.0) & (clear > 0.5 * radius)
    fits &= np.abs(points[:, 0]) > 0.8 * radius + 4.0
    if not fits.any():
        raise StructureError(
            f"no place for a glioma of radius {radius:.1f} mm was found among {_CANDIDATES} "
            "candidates; draw a smaller tumour or another head"
        )
    return as_point(points[np.argmax(fits)])


def displace(space: Space, glioma: Glioma, hull_depth: Field) -> None:
    """Push the brain aside, but not the skull."""
    share = np.clip(hull_depth * np.float32(1.0 / 14.0), 0.0, 1.0) * np.float32(glioma.push)
    space.push(glioma.centre, share, 1.7 * glioma.radius_mm)


def tumour_distance(rng: np.random.Generator, glioma: Glioma, space: Space) -> Field:
    """Signed distance, mm, to the surface of the solid tumour, on the grid before the push."""
    shapes = [lump(rng, glioma.centre, glioma.radius_mm, glioma.lumpiness)]
    if glioma.satellite_mm > 0.0:
        way = rng.normal(size=3)
        way *= 0.9 * glioma.radius_mm / np.linalg.norm(way)
        beside = as_point(np.array(glioma.centre) + way)
        shapes.append(lump(rng, beside, glioma.satellite_mm, glioma.lumpiness))
    found = space.gentle(Union(tuple(shapes), smooth=6.0))
    return found + np.float32(0.9) * noise_at(rng, _ROUGH_MM, space.at)


def paint_glioma(
    rng: np.random.Generator,
    canvas: MrCanvas,
    space: Space,
    glioma: Glioma,
    distance: Field,
    white: Field,
    room: Field,
) -> None:
    """Oedema, then the solid tumour over it.

    Args:
        rng: Draws the fingers of the oedema and the texture of rim and core.
        canvas: What is painted on.
        space: Its points.
        glioma: The tumour.
        distance: What `tumour_distance` gave, mm.
        white: Share of white matter in each voxel.
        room: Share of each voxel that the tumour may fill.
    """
    patches = noise_at(rng, _PATCH_MM, space.at)
    _paint_oedema(canvas, space, glioma, distance, patches, white)
    solid = space.cover(distance) * room
    canvas.paint(solid, "tumour", "tumour_core")
    if glioma.rim_mm <= 0.0:
        return
    rim = np.float32(glioma.rim_mm) * np.clip(1.0 + 0.45 * patches, 0.65, 2.2)
    core = space.cover(distance + rim) * room
    bright = np.clip(0.85 + 0.12 * noise_at(rng, _ROUGH_MM, space.at), 0.6, 1.0)
    canvas.paint(solid * bright, "enhancing", None)
    canvas.mark(solid, "tumour_enhancing")
    canvas.paint(core, "tumour", "tumour_core")
    dead = np.clip(0.75 + 0.3 * noise_at(rng, _ROUGH_MM, space.at), 0.0, 1.0)
    canvas.paint(core * dead, "necrosis", None)


def _paint_oedema(
    canvas: MrCanvas,
    space: Space,
    glioma: Glioma,
    distance: Field,
    patches: Field,
    white: Field,
) -> None:
    across = space.at[0] * math.copysign(1.0, glioma.centre[0]) < 0.0
    reach = np.float32(glioma.oedema_mm) * np.clip(1.0 + 0.45 * patches, 0.2, 2.0)
    beyond = distance + np.float32(_CALLOSUM_MM) * across - reach
    wet = np.clip(0.5 - beyond * np.float32(1.0 / 6.0), 0.0, 1.0)
    wet *= np.clip(0.88 + 0.12 * patches, 0.6, 1.0)
    canvas.paint(np.asarray(wet * np.clip(0.12 + white, 0.0, 0.95)), "oedema", "oedema")
