"""The cavity that the endoscope looks into: seeded, and only to be seen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from halsted.robot.camera import Camera, Frame
from halsted.robot.scope import Ball, DistanceField, Look, look_into

TARGET_RADIUS_M = 0.02
"""Half the edge of the cube that SurRoL tracks (surrol/assets/cube)."""

_VOXEL_M = 0.03
_CENTRE_M = (0.1, 0.0, 0.2)
_RADIUS_M = 0.9
_FLOOR_M = 0.02
_BUMP_M = 0.012
_WAVES = 6
_LOOK = Look(exposure_m=0.75)


class Cavity:
    """A dome over a wavy floor on which the target lies.

    Attributes:
        seed: Of the waves.
    """

    def __init__(self, seed: int) -> None:
        """Make the cavity of this seed."""
        self.seed = seed
        self._field = _field(np.random.default_rng(seed))

    def look(self, camera: Camera, target: NDArray[np.float64]) -> Frame:
        """A scope's picture of it, with the target at (3,), world m."""
        x, y, z = target.tolist()
        return look_into(self._field, camera, _LOOK, Ball((x, y, z), TARGET_RADIUS_M))


def _field(rng: np.random.Generator) -> DistanceField:
    lower = np.array(_CENTRE_M) - (_RADIUS_M, _RADIUS_M, _CENTRE_M[2] + 0.1)
    upper = np.array(_CENTRE_M) + _RADIUS_M
    counts = np.ceil((upper - lower) / _VOXEL_M).astype(int) + 1
    x, y, z = (
        (start + np.arange(count) * _VOXEL_M).reshape(shape)
        for start, count, shape in zip(
            lower, counts, ((-1, 1, 1), (1, -1, 1), (1, 1, -1)), strict=True
        )
    )
    waves = rng.uniform(-25.0, 25.0, (_WAVES, 2))
    phases = rng.uniform(0.0, 2.0 * np.pi, _WAVES)
    bumps = sum(np.sin(p * x + q * y + phase) for (p, q), phase in zip(waves, phases, strict=True))
    # Its slope is at most 0.43 (12 mm times 35 rad/m), by which its height overestimates distance.
    floor = (z - _FLOOR_M - _BUMP_M / _WAVES * bumps) / 1.1
    dome = _RADIUS_M - np.sqrt(
        (x - _CENTRE_M[0]) ** 2 + (y - _CENTRE_M[1]) ** 2 + (z - _CENTRE_M[2]) ** 2
    )
    to_world = np.diag([_VOXEL_M, _VOXEL_M, _VOXEL_M, 1.0])
    to_world[:3, 3] = lower
    return DistanceField(np.minimum(floor, dome).astype(np.float32), to_world)
