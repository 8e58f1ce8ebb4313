"""Needle commands to joint angles, within reach and outside-the-skin rules."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from halsted.robot.arm import Arm
from halsted.robot.registration import ISOCENTRE_IN_WORLD

MAX_TILT_RAD = float(np.deg2rad(60.0))
_LOWER_M = np.add(ISOCENTRE_IN_WORLD, (-0.2, -0.2, -0.15))
_UPPER_M = np.add(ISOCENTRE_IN_WORLD, (0.2, 0.2, 0.3))
_MISS_M = 1e-4  # kinematics must do at least this well for a command to be taken
_WARM_ITERATIONS = 8
_COLD_ITERATIONS = 200


def direction_of_tilt(tilt: NDArray[np.float64]) -> NDArray[np.float64]:
    """The needle's unit direction (3,) in the world for a tilt (2,), rad.

    A tilt of zero points straight down; its size is the angle from the vertical, and it leans the
    way the tip points: towards world x and y.
    """
    x, y = tilt.tolist()  # plain floats: this runs every control step
    angle = math.hypot(x, y)
    reach = 1.0 if angle < 1e-9 else math.sin(angle) / angle
    return np.array([x * reach, y * reach, -math.cos(angle)])


def tilt_of_direction(direction: NDArray[np.float64]) -> NDArray[np.float64]:
    """The tilt (2,), rad, of a needle's unit direction (3,) in the world."""
    x, y, z = direction.tolist()
    across = math.hypot(x, y)
    stretch = math.atan2(across, -z) / across if across > 1e-9 else 1.0
    return np.array([x * stretch, y * stretch])


class NeedleGuide:
    """The commanded pose of an arm's needle, moved in small steps.

    Attributes:
        tip: (3,) commanded position, world m.
        tilt: (2,) commanded tilt, rad; see `direction_of_tilt`.
        joints: (n,) joint angles, rad, that reach them.
    """

    def __init__(self, arm: Arm) -> None:
        """A guide for this arm; `place` it before use."""
        self._arm = arm
        self.tip = np.zeros(3)
        self.tilt = np.zeros(2)
        self.joints = arm.home.copy()

    def place(self, tip: NDArray[np.float64], tilt: NDArray[np.float64]) -> bool:
        """Start at this pose; False, and nothing changed, if the arm cannot reach it."""
        joints, miss = self._arm.chain.solve(
            tip, direction_of_tilt(tilt), self._arm.home, self._arm.home, _COLD_ITERATIONS
        )
        if not miss <= _MISS_M:  # so that NaN is refused too
            return False
        self.tip, self.tilt, self.joints = tip.copy(), tilt.copy(), joints
        return True

    def move(self, command: NDArray[np.float64], is_inserted: bool) -> bool:
        """Take one step of lateral (2, m), tilt (2, rad) and advance (1, m).

        A step out of the workspace or out of the arm's reach is not taken; a tilt beyond the
        largest is taken as the largest. While the needle is inserted only the advance acts.

        Args:
            command: (5,) in SI units, see `specification.NEEDLE_COMMAND`.
            is_inserted: Whether the needle is in the skin.

        Returns:
            Whether the step was taken.
        """
        tip, tilt = self.tip.copy(), self.tilt
        if not is_inserted:
            tilt = tilt + command[2:4]
            angle = math.hypot(*tilt.tolist())
            if angle > MAX_TILT_RAD:
                tilt = tilt * (MAX_TILT_RAD / angle)
            tip[:2] += command[:2]
        direction = direction_of_tilt(tilt)
        tip += command[4] * direction
        if (tip < _LOWER_M).any() or (tip > _UPPER_M).any():
            return False
        joints, miss = self._arm.chain.solve(
            tip, direction, self.joints, self._arm.home, _WARM_ITERATIONS
        )
        if miss > _MISS_M:
            return False
        self.tip, self.tilt, self.joints = tip, tilt, joints
        return True
