"""Nodules of the lung and lesions of the liver, in more sizes and looks than a needle's target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from halsted.imaging_bridge.phantoms.anatomy import Body
from halsted.imaging_bridge.phantoms.canvas import Core, Part
from halsted.imaging_bridge.phantoms.lesion import LUMPINESS, lump, sphere_directions
from halsted.imaging_bridge.phantoms.shapes import Capsule, Point, Shape, Union, as_point
from halsted.imaging_bridge.phantoms.thorax_abdomen import lesion_place
from halsted.imaging_bridge.phantoms.tissue import hu

Texture = Literal["solid", "part-solid", "spiculated", "dark", "bright", "rim"]

# Diameters, mm. A nodule is at most 30 mm by definition (Fleischner Society's glossary, Hansell et
# al., Radiology 2008; 246:697-722); what is larger is a mass.
_DIAMETERS = {"lung": (5.0, 30.0), "liver": (8.0, 36.0)}
_TEXTURES: dict[str, tuple[Texture, ...]] = {
    "lung": ("solid", "solid", "spiculated", "part-solid"),
    "liver": ("dark", "dark", "rim", "bright"),
}


@dataclass(frozen=True)
class TrunkLesion:
    """A lesion of the trunk.

    Attributes:
        organ: ``liver`` or ``lung``.
        centre_in_patient: LPS, mm.
        radius_mm: Of the ball of the same volume, without spicules.
        texture: What it looks like.
        hu: Attenuation of its rind, HU.
        core_hu: The same further in, HU.
    """

    organ: str
    centre_in_patient: Point
    radius_mm: float
    texture: Texture
    hu: float
    core_hu: float


def draw_trunk_lesion(rng: np.random.Generator, body: Body, organ: str) -> TrunkLesion:
    """Draw a lesion in the liver or lung of a body.

    Raises:
        StructureError: no place for it was found.
    """
    radius = rng.uniform(*_DIAMETERS[organ]) / 2.0
    textures = _TEXTURES[organ]
    texture = textures[int(rng.integers(len(textures)))]
    rind, core = _attenuation(rng, texture)
    return TrunkLesion(organ, lesion_place(rng, body, organ, radius), radius, texture, rind, core)


def trunk_lesion_part(body: Body, lesion: TrunkLesion, centre: Point) -> Part:
    """The lesion as a solid about a centre, LPS mm, which may have moved with a breath."""
    rng, radius = body.rng("lesion"), lesion.radius_mm
    ball = lump(rng, centre, radius, LUMPINESS)
    shape: Shape = ball
    if lesion.texture == "spiculated":
        shape = Union((ball, *_spicules(rng, centre, radius)), smooth=2.0)
    depth = 0.35 * radius
    return Part("lesion", shape, lesion.hu, Core(depth, lesion.core_hu), warped=False)


def _attenuation(rng: np.random.Generator, texture: Texture) -> tuple[float, float]:
    """HU of rind and core; typical values."""
    liver = hu("liver")
    if texture == "part-solid":
        return rng.uniform(-650.0, -450.0), rng.uniform(-50.0, 30.0)
    if texture == "dark":
        value = liver - rng.uniform(25.0, 65.0)
        return value, value
    if texture == "bright":
        value = liver + rng.uniform(30.0, 60.0)
        return value, value
    if texture == "rim":  # an enhancing rim about a necrotic middle
        return liver + rng.uniform(25.0, 50.0), liver - rng.uniform(40.0, 80.0)
    value = hu("lung_lesion") + rng.uniform(-25.0, 35.0)
    return value, value


def _spicules(rng: np.random.Generator, centre: Point, radius: float) -> list[Capsule]:
    """Thin strands that leave the surface in all directions."""
    directions = sphere_directions(int(rng.integers(10, 18)))
    directions = directions + rng.normal(0.0, 0.2, directions.shape)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    middle = np.array(centre)
    strands = []
    for direction in directions:
        tip = radius + rng.uniform(0.25, 0.6) * radius + 1.5
        start, end = middle + 0.7 * radius * direction, middle + tip * direction
        strands.append(Capsule(as_point(start), as_point(end), 0.22 * radius, 0.5))
    return strands
