"""Where the instruments stand at the bench, and what their tools are asked to do.

The world's origin is the middle of the table, its z axis points up. A tool points straight down;
its heading is the angle, about z, of the line along which its closed jaws lie: the jaws open across
it, so that a wire of the same heading is gripped.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from halsted.envs.errors import EnvironmentOptionError
from halsted.robot.arm import Arm, arm_names, load_arm
from halsted.robot.kinematics.chain import rotation_from_rpy
from halsted.robot.rigid import Mount
from halsted.robot.rotations import wrapped

Vector = NDArray[np.float64]

WORKSPACE_M = np.array([[-0.07, 0.07], [-0.07, 0.07], [0.0, 0.15]])
"""Where a tool may be commanded to: SurRoL's workspace (10 cm square and 7 cm high) and the margin
of 2 cm aside and 8 cm above that its commands may go beyond it."""


def mounted(number: int, arm_name: str) -> Mount:
    """The arm of this number (0 or 1) at the bench.

    Raises:
        EnvironmentOptionError: the arm has no gripper, or no place at the bench.
    """
    arm = load_arm(arm_name)
    place = arm.description.bench
    if arm.gripper is None or place is None:
        able = [name for name in arm_names() if load_arm(name).description.bench is not None]
        raise EnvironmentOptionError(
            f"the arm {arm_name!r} has no gripper, or its arm.yaml names no place at the bench; "
            f"choose one of: {', '.join(able)}"
        )
    base = np.eye(4)
    base[:3, :3] = rotation_from_rpy(place.rpy_rad)
    x, y, z = place.xyz_m
    base[:3, 3] = x, y if number == 0 else -y, z
    return Mount(f"{arm_name}{number + 1}", arm, base)


def downward_pose(position: Vector, heading: float) -> NDArray[np.float64]:
    """The 4x4 pose of a tool that points straight down, m."""
    c, s = math.cos(heading), math.sin(heading)
    x, y, z = position.tolist()
    return np.array([[c, s, 0.0, x], [s, -c, 0.0, y], [0.0, 0.0, -1.0, z], [0.0, 0.0, 0.0, 1.0]])


class ToolGuide:
    """The commanded pose of one tool, moved in small steps within workspace and reach.

    Attributes:
        position: (3,) commanded, world m.
        heading: Commanded, rad.
        joints: (n,) joint angles that reach them, rad or m.
    """

    def __init__(self, mount: Mount, lead_m: float, workspace: Vector = WORKSPACE_M) -> None:
        """A guide for this arm; `place` it before use.

        Args:
            mount: The arm at the bench.
            lead_m: How far, m, the command may run ahead of a tool that is held up.
            workspace: (3, 2) bounds, world m, of where the tool may be commanded to.
        """
        self._lower, self._upper = workspace.T
        self._arm: Arm = mount.arm
        self._base = mount.base_in_world
        self._to_base = np.linalg.inv(mount.base_in_world)
        self._lead_m = lead_m
        self.position = np.zeros(3)
        self.heading = 0.0
        self.joints: Vector = np.array(mount.arm.home)

    def place(self, position: Vector, heading: float) -> bool:
        """Start at this pose; False, and nothing changed, if the arm cannot reach it."""
        return self._go(position, heading, self._arm.home)

    def move(self, shift: Vector, turn: float, measured: Vector) -> bool:
        """Take one step.

        Args:
            shift: (3,) translation, world m.
            turn: About z, rad.
            measured: (3,) where the tool is, world m; the command stays near it.

        Returns:
            False if the step was cut short at the workspace's edge, or, being out of the arm's
            reach, not taken at all.
        """
        asked = self.position + shift
        ahead = asked - measured
        distance = math.sqrt(ahead @ ahead)
        if distance > self._lead_m:
            asked = measured + ahead * (self._lead_m / distance)
        position = np.minimum(np.maximum(asked, self._lower), self._upper)
        reached = self._go(position, wrapped(self.heading + turn), self.joints)
        return reached and bool((position == asked).all())

    def measured_pose(self, joints: Vector) -> tuple[Vector, float]:
        """Position (3,), world m, and heading, rad, of the tool at joint angles (n,)."""
        pose = self._base @ self._arm.forward(joints)
        return pose[:3, 3], math.atan2(pose[1, 0], pose[0, 0])

    def _go(self, position: Vector, heading: float, near: Vector) -> bool:
        pose = self._to_base @ downward_pose(position, heading)
        joints, reached = self._arm.inverse(pose, near)
        if not reached:
            return False
        self.position, self.heading, self.joints = position, heading, joints
        return True
