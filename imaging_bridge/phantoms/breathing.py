"""A trunk that breathes: tissue slides along the patient's length while the skeleton stays."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.phantoms.anatomy import TOP
from halsted.imaging_bridge.phantoms.canvas import Part
from halsted.imaging_bridge.phantoms.chest import LUNGS
from halsted.imaging_bridge.phantoms.shapes import Array, Point, Section
from halsted.imaging_bridge.phantoms.tissue import hu
from halsted.imaging_bridge.phantoms.waves import Waves
from halsted.imaging_bridge.structures import role_of

EXCURSION_MM = (10.0, 20.0)
"""Least and greatest way of the diaphragm from the end of one phase of quiet breathing to the end
of the other: typical. A tumour moves by its height in the lung, which for the lower lobe agrees
with the 12 ± 2 mm from head to foot that Seppenwoolde et al. measured (Int J Radiat Oncol Biol
Phys 2002; 53:822-834); upper lobes moved less."""


@dataclass(frozen=True)
class Breath:
    """How far the diaphragm lies below its middle position.

    Attributes:
        drop_mm: Downwards; negative after breathing out.
        apex_mm: Height over the diaphragm's centre at which the lung no longer moves, mm.
    """

    drop_mm: float
    apex_mm: float

    @property
    def slope(self) -> float:
        """Change of the displacement per mm of height, below the apex and above the diaphragm."""
        return -self.drop_mm / self.apex_mm

    def drop_at(self, z: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
        """How far tissue, that is now at heights z, has come down, mm."""
        return np.asarray(self.drop_mm * np.clip(1.0 - z / self.apex_mm, 0.0, 1.0))

    def moved(self, point: Point) -> Point:
        """Where a point of the lung or below goes, mm."""
        x, y, z = point
        if z >= self.apex_mm:
            return point
        below = z - self.drop_mm
        return x, y, below if below <= 0.0 else below / (1.0 + self.slope)


@dataclass(frozen=True, eq=False)
class BreathingWaves(Waves):
    """A body's smooth deformation, after its tissue has moved with a breath.

    Attributes:
        breath: Where the diaphragm is.
    """

    breath: Breath

    @property
    def reach(self) -> float:
        """See `Waves`."""
        return super().reach + abs(self.breath.drop_mm)

    def displace(self, x: Array, y: Array, z: Array) -> tuple[Array, Array, Array]:
        """See `Waves`."""
        return super().displace(x, y, z + self.breath.drop_at(z))

    def displace_grid(self, x: Array, y: Array, z: Array) -> tuple[Array, Array, Array]:
        """See `Waves`; a moved grid is one still, because heights move alike."""
        heights = np.asarray(z, dtype=np.float64)
        return super().displace_grid(x, y, (heights + self.breath.drop_at(heights)).astype(z.dtype))


def breathing(waves: Waves, breath: Breath) -> BreathingWaves:
    """The deformation of a body at a breath."""
    return BreathingWaves(waves.vectors, waves.phases, waves.amplitudes, breath)


def breaths(excursion_mm: float, stretch: float, count: int) -> tuple[Breath, ...]:
    """One breath in `count` even steps: from the end of breathing in, out, and on to the next.

    The phases are named as 4-D CT names them: the first is 0 %, the end of inspiration, and the
    end of expiration is 50 %.
    """
    return tuple(
        Breath(0.5 * excursion_mm * math.cos(2.0 * math.pi * number / count), TOP * stretch)
        for number in range(count)
    )


def is_still(part: Part) -> bool:
    """Whether a part stays where it is: bones, cartilage, the spinal canal and the outer walls."""
    bone = role_of(part.name) == "bone" or part.name == "spinal_cord"
    return bone or isinstance(part.shape, Section)


def filled(part: Part, breath: Breath) -> Part:
    """The part with the air of this breath: a lung's tissue keeps its mass as it widens."""
    if part.name not in LUNGS:
        return part
    air = hu("air")
    return replace(part, hu=air + (part.hu - air) * (1.0 + breath.slope))
