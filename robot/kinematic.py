"""The kinematic tier: arms that are where they are told to be, without PyBullet.

It has what `rigid.RigidWorld` has of commands and measurements, and no contacts: for tasks in which
nothing is touched. The batched environments rest on the same closed forms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from halsted.robot.bodies import Body
from halsted.robot.bullet import RATE_HZ
from halsted.robot.camera import Camera, Frame
from halsted.robot.contact import NO_CONTACT, Contact
from halsted.robot.errors import ArmError
from halsted.robot.rigid import Mount, refuse_namesakes

Tier = Literal["kinematic", "rigid"]

_AT_ORIGIN = ([0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0])


class KinematicWorld:
    """Arms that reach what they are commanded within a control step, and bodies that lie still.

    Attributes:
        mounts: The arms.
        substeps: Steps of a 240th of a second in a control step, as in the rigid tier.
        joints: For each arm, (n,) joint angles, rad or m.
        held: For each arm None: nothing is grasped in this tier.
    """

    def __init__(
        self, mounts: Sequence[Mount], bodies: Sequence[Body] = (), substeps: int = 8
    ) -> None:
        """Place the arms at their home and the bodies at the origin.

        Args:
            mounts: Arms, at least one, of different names.
            bodies: Of different names.
            substeps: See the class.

        Raises:
            ArmError: two arms or two bodies have one name.
        """
        refuse_namesakes("arms", [mount.name for mount in mounts])
        refuse_namesakes("bodies", [body.name for body in bodies])
        self.mounts = tuple(mounts)
        self.substeps = substeps
        self.joints: list[NDArray[np.float64]] = [mount.arm.home.copy() for mount in mounts]
        self.held: list[str | None] = [None for _ in mounts]
        self._openings = [0.0 for _ in mounts]
        self._poses: dict[str, tuple[list[float], list[float]]] = {
            body.name: _AT_ORIGIN for body in bodies
        }
        self._contacts = [NO_CONTACT for _ in mounts]

    @property
    def control_period_s(self) -> float:
        """Simulated time of one control step, s."""
        return self.substeps / RATE_HZ

    def reset(
        self,
        joints: Sequence[NDArray[np.float64]],
        jaws: Sequence[float],
        poses: Mapping[str, Sequence[float]],
    ) -> None:
        """Put everything where it is asked for; see `RigidWorld.reset`."""
        self._place(joints, jaws)
        for name, pose in poses.items():
            self._poses[name] = list(pose[:3]), list(pose[3:])

    def step(
        self,
        joints: Sequence[NDArray[np.float64]],
        openings: Sequence[float],
        closing: Sequence[bool],
    ) -> list[Contact]:
        """Bring the arms to joint angles, rad or m; see `RigidWorld.step`. Nothing is touched."""
        self._place(joints, openings)
        return self._contacts

    def opening(self, number: int) -> float:
        """Share of the opening of an arm's gripper, 0 closed to 1 open."""
        return self._openings[number]

    def body_pose(self, name: str) -> tuple[list[float], list[float]]:
        """Position (3), m, and quaternion (x, y, z, w) of a body in the world."""
        return self._poses[name]

    def body_count(self) -> int:
        """How many arms and bodies there are."""
        return len(self.mounts) + len(self._poses)

    def is_sane(self) -> bool:
        """Whether every number is finite."""
        return all(bool(np.isfinite(joints).all()) for joints in self.joints)

    def attach(self, number: int, name: str) -> None:
        """Refused: this tier has no grasps.

        Raises:
            ArmError: always.
        """
        raise ArmError(
            f"arm {number} cannot hold {name!r} in the kinematic tier, which has no grasps; choose "
            "the rigid tier"
        )

    def look(self, camera: Camera) -> Frame:
        """Refused: this tier has no pictures of its own.

        Raises:
            ArmError: always.
        """
        raise ArmError("the kinematic tier has no pictures of the bench; choose the rigid tier")

    def close(self) -> None:
        """Nothing is held open."""

    def _place(self, joints: Sequence[NDArray[np.float64]], openings: Sequence[float]) -> None:
        for own, asked in zip(self.joints, joints, strict=True):
            own[:] = asked
        self._openings[:] = openings
