"""The instrument as tissue meets it: its jaws and wrist as capsules, and their pads.

Dimensions are those of the PSM's large needle driver in ``robot/arms/psm/arm.yaml``.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from halsted.robot.arm import Gripper

Vector = NDArray[np.float64]

JAW_RADIUS_M = 0.0011
_JAW_AXIS_M = (0.00295, 0.01145)
"""From the jaws' axis to both ends of a jaw's capsule."""
_PIVOT_M = 0.0102
"""From the grasp point back to the jaws' axis."""
_WRIST_M = 0.0091
_WRIST_RADIUS_M = 0.0032

RADII_M = np.array([JAW_RADIUS_M, JAW_RADIUS_M, _WRIST_RADIUS_M])
"""Of the capsules of `capsules`."""


def jaw_angle(gripper: Gripper, opening: float) -> float:
    """Angle of each jaw, rad, at a share of the gripper's opening."""
    return gripper.closed + opening * (gripper.open - gripper.closed)


def capsules(pose: Vector, angle: float) -> Vector:
    """(3, 2, 3) ends of the axes of both jaws and of the wrist, world, m.

    Args:
        pose: 4x4 of the tool frame in the world.
        angle: Of each jaw, rad.
    """
    local = np.empty((3, 2, 3))
    for jaw, side in enumerate((1.0, -1.0)):
        along = np.array([0.0, side * math.sin(angle), math.cos(angle)])
        out = np.array([0.0, side * math.cos(angle), -math.sin(angle)]) * JAW_RADIUS_M
        for end, distance in enumerate(_JAW_AXIS_M):
            local[jaw, end] = distance * along + out
    local[2] = (0.0, 0.0, -0.001), (0.0, 0.0, -_WRIST_M)
    local[..., 2] -= _PIVOT_M
    world: Vector = local @ pose[:3, :3].T + pose[:3, 3]
    return world


def pads(pose: Vector, angle: float) -> Vector:
    """(2, 3) grasping points of both jaws, world, m; arguments as of `capsules`."""
    across, along = _PIVOT_M * math.sin(angle), _PIVOT_M * (math.cos(angle) - 1.0)
    local = np.array([[0.0, across, along], [0.0, -across, along]])
    world: Vector = local @ pose[:3, :3].T + pose[:3, 3]
    return world
