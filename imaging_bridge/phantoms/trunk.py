"""Skin, fat, muscle and skeleton of the trunk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.phantoms.anatomy import BOTTOM, TOP, Frame
from halsted.imaging_bridge.phantoms.canvas import Core, Part
from halsted.imaging_bridge.phantoms.shapes import (
    Array,
    Bounds,
    Capsule,
    Drum,
    Ellipsoid,
    Intersection,
    Offset,
    Section,
    Union,
    curve,
    tube,
)
from halsted.imaging_bridge.phantoms.tissue import hu

THORACIC_PITCH = 26.0
LUMBAR_PITCH = 34.0
_CORTEX_MM = 1.6

# Where each rib's bone ends, degrees from the back: cartilage goes on from there, except that the
# last two float. The first rib is above the picture.
_BONE_END = {
    2: 150, 3: 149, 4: 148, 5: 146, 6: 143, 7: 139, 8: 131, 9: 121, 10: 111, 11: 92, 12: 58,
}  # fmt: skip
_STERNUM_Z = {2: 130.0, 3: 108.0, 4: 86.0, 5: 64.0, 6: 43.0, 7: 26.0}


@dataclass(frozen=True)
class Dome:
    """All that is below the diaphragm.

    A vault over the trunk: flat in the middle, with a dome on each side, and falling to the
    costodiaphragmatic recess at the wall, deepest at the back.

    Attributes:
        trunk: Inside of the rib cage.
        right, left: Centre x and y of each dome, mm, and its height over the middle, mm.
        recess: How far the diaphragm falls from middle to flank, mm.
        tilt: How much further it falls at the back, and less at the front, mm.
        spread: How wide the domes are, mm.
    """

    trunk: Section
    right: tuple[float, float, float]
    left: tuple[float, float, float]
    recess: float
    tilt: float
    spread: float = 46.0

    @property
    def bounds(self) -> Bounds:
        """See `Shape`."""
        low, high = self.trunk.bounds
        return low, (high[0], high[1], max(self.right[2], self.left[2], 0.0))

    def distance(self, x: Array, y: Array, z: Array) -> Array:
        """See `Shape`."""
        level = self.trunk.level(x, y, z)
        depth = np.where(y < 0.0, self.trunk.front[0], self.trunk.back[0])
        cube = level * level * level
        height = -(self.recess * level + self.tilt * (y / depth)) * cube
        for cx, cy, peak in (self.right, self.left):
            height += peak * np.exp(((x - cx) ** 2 + 0.6 * (y - cy) ** 2) * (-0.5 / self.spread**2))
        slope = 4.0 * self.recess * cube * (1.0 / self.trunk.side[0])
        return np.asarray((z - height) / np.sqrt(1.0 + slope * slope))


def diaphragm(frame: Frame) -> Dome:
    """All that is below the diaphragm of a body."""
    cage, sz = frame.body.cage, frame.scale[2]
    right, left = frame.at(-66.0, -8.0, cage.right_dome), frame.at(68.0, -5.0, cage.left_dome)
    return Dome(frame.cage, right, left, cage.recess * sz, 0.45 * cage.recess * sz)


def wall_parts(frame: Frame) -> Iterator[Part]:
    """Skin, subcutaneous fat, muscles and the fat of the cavities."""
    yield Part("body", frame.skin, hu("skin"), Core(2.2, hu("fat")), gentle=True)
    yield Part("body", frame.wall, hu("muscle"), gentle=True)
    for side in (-1.0, 1.0):  # fat between the erector muscles of the back and the ribs' muscles
        seam = frame.path((62 * side, 92, TOP), (66 * side, 93, 0), (64 * side, 90, BOTTOM - 9))
        yield Part("body", tube(curve(seam), 1.5, (1.0, 7.0, 1.0)), hu("fat"))
    yield Part("body", frame.cage, hu("fat"), gentle=True)
    below = Intersection((diaphragm(frame), Offset(frame.cage, 0.5)), smooth=8.0)
    yield Part("body", below, hu("muscle"), Core(3.0, hu("fat")), gentle=True)
    for side in (-1.0, 1.0):
        upper, lower = ((20, 52, -72), (31, 50, -110)), ((40, 42, -150), (44, 34, -190))
        psoas = frame.path(*((x * side, y, z) for x, y, z in (*upper, *lower)))
        yield Part("body", tube(curve(psoas), (5.0, 15.0, 19.0, 22.0)), hu("muscle"))
        lumborum = frame.path((50 * side, 72, -80), (66 * side, 66, -190))
        yield Part("body", tube(lumborum, (6.0, 12.0), (1.7, 1.0, 1.0)), hu("muscle"))
        crus = frame.path((10 * side, 30, -10), (13 * side, 26, -50), (9 * side, 24, -110))
        yield Part("body", tube(curve(crus), (3.0, 5.0, 3.0), (1.0, 2.2, 1.0)), hu("muscle"))


def skeleton_parts(frame: Frame) -> Iterator[Part]:
    """Vertebrae, spinal canal, ribs, costal cartilages, sternum and shoulder blades."""
    marrow = Core(_CORTEX_MM, hu("cancellous_bone"))
    yield from _spine(frame)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        for number in _BONE_END:
            path = _rib_path(frame, number, sign)
            radius = 0.62 * frame.body.cage.thickness
            yield Part(
                f"rib_{side}_{number}",
                tube(path, radius, (1.0, 1.0, 1.0 / 0.62)),
                hu("cortical_bone"),
                marrow,
            )
    cartilage = Union(
        tuple(
            capsule
            for number in range(2, 11)
            for sign in (-1.0, 1.0)
            for capsule in tube(_cartilage_path(frame, number, sign), 4.2, (1.0, 1.0, 1.35)).shapes
        )
    )
    yield Part("costal_cartilages", cartilage, hu("cartilage"))
    yield _sternum(frame)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        turn = (-6.0, 6.0 * sign, -33.0 * sign)
        blade = Ellipsoid(frame.at(88 * sign, 87, 150), (34.0, 4.5, 52.0), turn)
        yield Part(f"scapula_{side}", blade, hu("cortical_bone"), marrow)


def _rib_path(frame: Frame, number: int, sign: float) -> NDArray[np.float64]:
    """Points (n, 3), mm, of the middle of a rib's bone; `sign` is 1 left, -1 right."""
    end = np.radians(_BONE_END[number])
    angle = np.linspace(np.radians(27.0), end, 18)
    around = frame.cage.surface(
        sign * angle, _rib_z(frame, number, angle), frame.body.cage.thickness * 0.62 + 0.5
    )
    head = _level(number)
    y = frame.spine_y(head)
    neck = frame.path((14 * sign, y + 9, head + 3), (27 * sign, y + 24, head - 1))
    return np.vstack([curve([*neck, around[0]], 2), around[1:]])


def _rib_z(frame: Frame, number: int, angle: Array) -> Array:
    """Height, mm, of a rib at an angle from the back, radians."""
    cage = frame.body.cage
    fall = cage.drop + cage.fan * (number - 5)
    return np.asarray((_level(number) - fall * (1.0 - np.cos(angle)) / 2.0) * frame.scale[2])


def _cartilage_path(frame: Frame, number: int, sign: float) -> NDArray[np.float64]:
    """Points (n, 3), mm, from a rib's bone to the sternum or to the cartilage above."""
    outside = frame.body.cage.thickness * 0.62 + 0.5
    start = np.radians(_BONE_END[number])
    low = float(_rib_z(frame, number, start)) / frame.scale[2]
    if number <= 7:
        stop, high = np.radians(172.0), _STERNUM_Z[number]
    else:
        upper = _cartilage_path(frame, number - 1, sign)
        joint = upper[5 if number > 8 else 7]
        stop, high = float(np.arctan2(sign * joint[0], joint[1])), joint[2] / frame.scale[2]
    part = np.linspace(0.0, 1.0, 11)
    z = low + (high - low) * part**1.4
    return frame.cage.surface(sign * (start + (stop - start) * part), z * frame.scale[2], outside)


def _sternum(frame: Frame) -> Part:
    z = np.array([18.0, 45.0, 80.0, 115.0, 135.0, 160.0]) * frame.scale[2]
    path = frame.cage.surface(np.full(len(z), np.pi), z, 4.0)
    plate = tube(curve(path, 2), (4.2, 5.0, 5.0, 4.8, 5.5, 6.5), (3.6, 1.0, 1.0))
    return Part(
        "sternum", plate, hu("cortical_bone") * 0.7, Core(_CORTEX_MM, hu("cancellous_bone"))
    )


def _level(number: int) -> float:
    """Height of a thoracic vertebra, reference mm; 13 and more are the lumbar ones."""
    if number <= 12:
        return THORACIC_PITCH * (10 - number) - 10.0
    return _level(12) - 30.0 - LUMBAR_PITCH * (number - 13)


def _spine(frame: Frame) -> Iterator[Part]:
    heights = np.linspace(TOP + 30.0, BOTTOM - 30.0, 14)
    bodies = [frame.at(0.0, frame.spine_y(z), z) for z in heights]
    yield Part("body", tube(bodies, (12.0, 15.5), (1.2, 1.0, 1.0)), hu("disc"))
    for number in range(2, 17):
        name = f"vertebrae_T{number}" if number <= 12 else f"vertebrae_L{number - 12}"
        yield Part(
            name,
            Union(tuple(_vertebra(frame, number))),
            hu("cortical_bone") * 0.75,
            Core(_CORTEX_MM, hu("vertebral_bone")),
        )
    canal = [frame.at(0.0, frame.spine_y(z), z) for z in heights]
    depths = [_half_depth(z) + 7.0 for z in heights]
    path = [(x, y + depth, z) for (x, y, z), depth in zip(canal, depths, strict=True)]
    yield Part("spinal_cord", tube(path, 7.5, (1.2, 1.0, 1.0)), hu("spinal_canal"))


def _half_depth(z: float) -> float:
    """Half the depth of a vertebral body at a height in reference mm; lower ones are larger."""
    return float(np.clip(13.5 + 3.0 * (70.0 - z) / 240.0, 12.0, 17.0))


def _vertebra(frame: Frame, number: int) -> Iterator[Drum | Capsule]:
    """Body, arch and processes."""
    z = _level(number)
    lumbar = number > 12
    pitch = LUMBAR_PITCH if lumbar else THORACIC_PITCH
    deep, sz = _half_depth(z), frame.scale[2]
    _, y, height = frame.at(0.0, frame.spine_y(z), z)
    yield Drum((0.0, y, height), (deep * 1.28, deep, (pitch / 2 - 3.0) * sz))
    canal = y + deep + 7.0
    arch, behind = pitch * 0.24 * sz, canal + 1.0
    ends = (0.0, behind, height - arch), (0.0, behind, height + arch)
    yield Capsule(*ends, 11.5, 11.5, (1.15, 1.0, 1.0))
    fall, tall = (6.0, 2.6) if lumbar else (16.0, 1.3)
    ends = (0.0, canal + 10, height - 3), (0.0, canal + 31, height - 3 - fall)
    yield Capsule(*ends, 3.4, 3.8, (1.0, 1.0, tall))
    for sign in (-1.0, 1.0):
        tip = (sign * 37.0, canal + 1, height) if lumbar else (sign * 30.0, canal + 9, height + 3)
        yield Capsule((sign * 11.0, canal + 2, height), tip, 4.8, 3.6, (1.0, 1.0, 1.3))
