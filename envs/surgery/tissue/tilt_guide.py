"""The commanded pose of a tool that leans, from straight down, about one axis of its own."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from halsted.envs.surgery.dexterity.bench_arms import ToolGuide, downward_pose
from halsted.robot.rigid import Mount

Vector = NDArray[np.float64]


class TiltGuide(ToolGuide):
    """A tool of fixed heading that is shifted, and tilted about a point and an axis of its own.

    What `ToolGuide` calls heading is the tilt here, rad; 0 points straight down.

    Attributes:
        azimuth: Heading of the tool when it points down, rad; set it before `place`.
    """

    def __init__(
        self, mount: Mount, lead_m: float, workspace: Vector, axis: Vector, point: Vector
    ) -> None:
        """A guide for this arm.

        Args:
            mount: The arm at the bench.
            lead_m: How far, m, the command may run ahead of a tool that is held up.
            workspace: (3, 2) bounds, world m, of where `point` may be commanded to.
            axis: (3,) unit vector of the tilt, in the tool frame.
            point: (3,) in the tool frame, m: what is commanded, and stays where it is in a tilt.
        """
        super().__init__(mount, lead_m, workspace)
        x, y, z = axis.tolist()
        self._cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
        self._point = point
        self.azimuth = 0.0

    def tool_pose(self, position: Vector, tilt: float) -> NDArray[np.float64]:
        """The 4x4 pose of the tool, world, m, with the commanded point at `position`."""
        pose = downward_pose(position, self.azimuth)
        turn = math.sin(tilt) * self._cross + (1.0 - math.cos(tilt)) * self._cross @ self._cross
        pose[:3, :3] += pose[:3, :3] @ turn
        pose[:3, 3] -= pose[:3, :3] @ self._point
        return pose

    def measured_pose(self, joints: Vector) -> tuple[Vector, float]:
        """Position (3,), world m, of the commanded point, and tilt, rad, at joint angles (n,)."""
        pose = self._base @ self._arm.forward(joints)
        upright = downward_pose(np.zeros(3), self.azimuth)[:3, :3]
        turn = upright.T @ pose[:3, :3]
        sine = -0.5 * float(np.sum(self._cross * turn.T))
        return pose[:3, :3] @ self._point + pose[:3, 3], math.atan2(sine, (turn.trace() - 1.0) / 2)

    def _go(self, position: Vector, tilt: float, near: Vector) -> bool:
        joints, reached = self._arm.inverse(self._to_base @ self.tool_pose(position, tilt), near)
        if not reached:
            return False
        self.position, self.heading, self.joints = position, tilt, joints
        return True
