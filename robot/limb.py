"""An arm in a PyBullet client: its motors, its jaws and what they hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from halsted.robot.bullet import POSITION_GAIN
from halsted.robot.rotations import quaternion_of

if TYPE_CHECKING:
    from halsted.robot.rigid import Mount

_RELIEF = 0.02
"""Share of its opening by which a gripper that holds something gives way, so that its jaws do not
fight the constraint that holds."""


_LEAST_OPENING = 0.02
"""Share of its opening below which a gripper has closed on nothing."""
_WIDE_OPENING = 0.2
"""Share to which a gripper that has closed on nothing must have been opened before it may grip; so
closed jaws that are pressed on a thing, and wedged open by it, do not."""
_LEAST_OPPOSITION = 0.5
"""Cosine, negative, of the angle between the jaws' contact normals on what they grip."""


class Touch(NamedTuple):
    """A point at which an arm touches something.

    Attributes:
        link: Which link of the arm.
        body: What it touches.
        normal: (3,) of the contact, towards the arm, in the world.
        force: Along it, N.
    """

    link: int
    body: int
    normal: tuple[float, float, float]
    force: float


class Limb:
    """An arm, loaded once into a client.

    Attributes:
        body: Its number in the client.
        home: (n,) joint angles of its rest, rad or m.
        joints: (n,) measured joint angles, rad or m.
        opening: Measured share of its gripper's opening, 0 closed to 1 open.
        constraint: Number of the constraint that holds a body, or None.
    """

    def __init__(self, bullet: Any, client: int, mount: Mount, visual: bool) -> None:
        """Load the arm at its mount, at rest in its home posture."""
        self._bullet, self._client = bullet, client
        self._arm = arm = mount.arm
        self.body = int(
            bullet.loadURDF(
                str(arm.urdf(visual=visual)),
                mount.base_in_world[:3, 3].tolist(),
                quaternion_of(mount.base_in_world[:3, :3]),
                useFixedBase=True,
                # Without it Bullet takes inertias from the shapes, and a wrist has hardly any.
                flags=bullet.URDF_USE_INERTIA_FROM_FILE,
                physicsClientId=client,
            )
        )
        infos = [
            bullet.getJointInfo(self.body, number, physicsClientId=client)
            for number in range(bullet.getNumJoints(self.body, physicsClientId=client))
        ]
        by_joint = {info[1].decode(): info for info in infos}
        by_link = {info[12].decode(): info[0] for info in infos}
        names = list(arm.joint_names)
        self._jaw_links: tuple[int, ...] = ()
        if arm.gripper is not None:
            names += arm.gripper.joints
            self._jaw_links = tuple(by_link[link] for link in arm.gripper.links)
        self._tool: int = by_link["tool"]
        self._numbers = [by_joint[name][0] for name in names]
        self._forces = [by_joint[name][10] for name in names]
        self._gains = [POSITION_GAIN] * len(names)
        self._targets = [0.0] * len(names)
        self._count = len(arm.joint_names)
        self.home = arm.home
        self.joints: NDArray[np.float64] = np.array(arm.home)
        self.opening = 0.0
        self._wanted_opening = 0.0
        self._may_grip = False
        self.constraint: int | None = None
        self._holding: int | None = None
        self._held_opening = 0.0

    def place(self, joints: NDArray[np.float64], opening: float) -> None:
        """Put the arm at rest at joint angles (n,) and an opening, and command both."""
        self._set_targets(joints, opening)
        for number, value in zip(self._numbers, self._targets, strict=True):
            self._bullet.resetJointState(
                self.body, number, value, 0.0, physicsClientId=self._client
            )
        # Motors are no part of a saved state.
        self._drive()
        self._may_grip = False
        self.measure()

    def command(self, joints: NDArray[np.float64], opening: float) -> None:
        """Drive the motors towards joint angles (n,) and an opening."""
        self._set_targets(
            joints, opening if self.constraint is None else self._held_opening + _RELIEF
        )
        self._drive()

    def push(self, force_n: list[float], point_m: list[float]) -> None:
        """Let a force act on the tool in the next PyBullet step, world, N, at a point, m."""
        self._bullet.applyExternalForce(
            self.body,
            self._tool,
            force_n,
            point_m,
            self._bullet.WORLD_FRAME,
            physicsClientId=self._client,
        )

    def measure(self) -> None:
        """Read the joints."""
        states = self._bullet.getJointStates(self.body, self._numbers, physicsClientId=self._client)
        self.joints[:] = [state[0] for state in states[: self._count]]
        if self._arm.gripper is not None:
            gripper = self._arm.gripper
            middle = (states[-1][0] + states[-2][0]) / 2
            self.opening = (middle - gripper.closed) / (gripper.open - gripper.closed)
            if self.opening < _LEAST_OPENING:
                self._may_grip = False
            elif min(self.opening, self._wanted_opening) > _WIDE_OPENING:
                self._may_grip = True

    def contacts(self) -> list[Touch]:
        """Every point at which the arm touches another body."""
        points = self._bullet.getContactPoints(bodyA=self.body, physicsClientId=self._client)
        return [Touch(point[3], point[2], point[7], point[9]) for point in points]

    def forces_of_held(self) -> list[tuple[int, float]]:
        """Other body and normal force, N, of each point at which the held body touches one."""
        if self._holding is None:
            return []
        points = self._bullet.getContactPoints(bodyA=self._holding, physicsClientId=self._client)
        return [(point[2], point[9]) for point in points if point[2] != self.body]

    def between_jaws(self, contacts: list[Touch]) -> int | None:
        """The body on which the jaws have closed from opposite sides, if any."""
        if len(self._jaw_links) < 2:
            return None
        one, other = ([touch for touch in contacts if touch.link == jaw] for jaw in self._jaw_links)
        held = [
            touch.body
            for touch in one
            for against in other
            if touch.body == against.body and _oppose(touch.normal, against.normal)
        ]
        if not held:
            return None
        self.measure()
        return min(held) if self._may_grip else None

    def hold(self, body: int) -> None:
        """Fix a body to the tool where it is now; the jaws stop and let it be."""
        bullet, client = self._bullet, self._client
        tool = bullet.getLinkState(
            self.body, self._tool, computeForwardKinematics=1, physicsClientId=client
        )
        pose = bullet.getBasePositionAndOrientation(body, physicsClientId=client)
        back = bullet.invertTransform(tool[0], tool[1])
        position, turn = bullet.multiplyTransforms(*back, *pose)
        self.constraint = bullet.createConstraint(
            parentBodyUniqueId=self.body,
            parentLinkIndex=self._tool,
            childBodyUniqueId=body,
            childLinkIndex=-1,
            jointType=bullet.JOINT_FIXED,
            jointAxis=(0.0, 0.0, 0.0),
            parentFramePosition=position,
            parentFrameOrientation=turn,
            childFramePosition=(0.0, 0.0, 0.0),
            physicsClientId=client,
        )
        self.measure()
        self._holding, self._held_opening = body, self.opening

    def release(self) -> None:
        """Let go of what is held, if anything is."""
        if self.constraint is not None:
            self._bullet.removeConstraint(self.constraint, physicsClientId=self._client)
        self.constraint = self._holding = None

    def grip_force(self) -> float:
        """Force, N, by which the constraint held in the last step; 0 without one."""
        if self.constraint is None:
            return 0.0
        state = self._bullet.getConstraintState(self.constraint, physicsClientId=self._client)
        return float(np.linalg.norm(state[:3]))

    def _set_targets(self, joints: NDArray[np.float64], opening: float) -> None:
        self._wanted_opening = opening
        self._targets[: self._count] = joints.tolist()
        if self._arm.gripper is not None:
            gripper = self._arm.gripper
            jaw = gripper.closed + opening * (gripper.open - gripper.closed)
            self._targets[self._count :] = [jaw, jaw]

    def _drive(self) -> None:
        self._bullet.setJointMotorControlArray(
            self.body,
            self._numbers,
            self._bullet.POSITION_CONTROL,
            targetPositions=self._targets,
            forces=self._forces,
            positionGains=self._gains,
            physicsClientId=self._client,
        )


def _oppose(one: tuple[float, float, float], other: tuple[float, float, float]) -> bool:
    return sum(a * b for a, b in zip(one, other, strict=True)) < -_LEAST_OPPOSITION
