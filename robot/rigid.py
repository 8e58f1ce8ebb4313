"""Arms, fixtures and loose bodies on one bench, simulated by PyBullet."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from halsted.robot.arm import Arm
from halsted.robot.bodies import LABELS, Body, create_body
from halsted.robot.bullet import RATE_HZ, start_bullet
from halsted.robot.camera import Camera, Frame, take_frame
from halsted.robot.contact import NO_CONTACT, Contact, greatest_sum, worse
from halsted.robot.errors import ArmError
from halsted.robot.limb import Limb

_GRIP_FORCE_N = 5.0
_SOLVER_ITERATIONS = 10
"""Of 50: an instrument then still ends a 10 mm step where 50 leave it (to 0.01 mm), at half the
cost; with 5 it sags by a millimetre."""
GRASP_EVERY = 8
"""PyBullet steps between two looks at the jaws; squeezed for longer, a light thing shoots away."""
_RUNAWAY_M = 1.0
_PARK_M = 10.0
_CLEANINGS = 40  # Bullet looks at a few pairs a time for those that no longer overlap
_UPRIGHT = (0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True, eq=False)
class Mount:
    """An arm on the bench.

    Attributes:
        name: Unique in its world.
        arm: The arm.
        base_in_world: 4x4 pose of its base frame, m.
    """

    name: str
    arm: Arm
    base_in_world: NDArray[np.float64]


class RigidWorld:
    """A PyBullet client with arms and bodies that are loaded once.

    `reset` restores them; nothing is added or removed afterwards but grasp constraints, so memory
    stays flat, and the same commands give the same trajectory bit for bit. Every call names this
    world's own client, so any number of worlds live in one process.

    A grasp begins when a closing gripper touches a loose body with both of its jaws from opposite
    sides: the body is then held to the tool by a fixed constraint, and the jaws stop where they
    are. Jaws that have closed on nothing must open again first.
    It ends when the gripper opens, or when the constraint would need more than 5 N
    (`grip_force_n`). Friction alone does not hold small things in PyBullet.

    Attributes:
        mounts: The arms.
        substeps: PyBullet steps a control step, at 240 Hz.
        joints: For each arm, (n,) measured joint angles, rad or m.
        held: For each arm, name of the body that it holds, or None.
    """

    def __init__(
        self,
        mounts: Sequence[Mount],
        bodies: Sequence[Body],
        substeps: int = 8,
        visual: bool = False,
        grip_force_n: float = _GRIP_FORCE_N,
    ) -> None:
        """Start a client without a window and load everything into it.

        Args:
            mounts: Arms, at least one, of different names.
            bodies: Of different names; a body without mass is a fixture.
            substeps: See the class.
            visual: Whether a camera will look at it.
            grip_force_n: Greatest force, N, that a grasp withstands.

        Raises:
            ArmError: two arms or two bodies have one name.
        """
        refuse_namesakes("arms", [mount.name for mount in mounts])
        refuse_namesakes("bodies", [body.name for body in bodies])
        self.mounts = tuple(mounts)
        self.substeps = substeps
        self.grip_force_n = grip_force_n
        self._bullet, self._client = start_bullet()
        self._bullet.setPhysicsEngineParameter(
            numSolverIterations=_SOLVER_ITERATIONS, physicsClientId=self._client
        )
        self._open = True
        self._limbs = [Limb(self._bullet, self._client, mount, visual) for mount in mounts]
        self._numbers = {
            body.name: create_body(self._bullet, self._client, body, visual) for body in bodies
        }
        self._names = {number: name for name, number in self._numbers.items()}
        self._arms = {limb.body for limb in self._limbs}
        self._loose = {self._numbers[body.name] for body in bodies if body.mass_kg > 0.0}
        self._can_touch = len(mounts) + len(bodies) > 1
        self._labels = {limb.body: LABELS.index("arm") for limb in self._limbs}
        self._labels |= {self._numbers[body.name]: LABELS.index(body.label) for body in bodies}
        self.joints = [limb.joints for limb in self._limbs]
        self.held: list[str | None] = [None for _ in mounts]
        self._pushes: dict[int, tuple[list[float], list[float]]] = {}
        self._park()
        self._saved = int(self._bullet.saveState(physicsClientId=self._client))

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
        """Put everything at rest.

        Args:
            joints: For each arm, (n,) joint angles, rad or m.
            jaws: For each arm, share of its gripper's opening, 0 to 1.
            poses: For each loose body, position (3), m, and quaternion (x, y, z, w), in the world.
        """
        bullet, client = self._bullet, self._client
        for number in range(len(self._limbs)):
            self.release(number)
        self._pushes.clear()
        bullet.restoreState(stateId=self._saved, physicsClientId=client)
        for limb in self._limbs:
            limb.place(limb.home, 0.0)
        # Old contacts, which would warm-start the solver, end where nothing touches anything.
        for _ in range(_CLEANINGS):
            bullet.performCollisionDetection(physicsClientId=client)
        for name, pose in poses.items():
            bullet.resetBasePositionAndOrientation(
                self._numbers[name], pose[:3], pose[3:], physicsClientId=client
            )
        for limb, angles, opening in zip(self._limbs, joints, jaws, strict=True):
            limb.place(angles, opening)

    def step(
        self,
        joints: Sequence[NDArray[np.float64]],
        openings: Sequence[float],
        closing: Sequence[bool],
    ) -> list[Contact]:
        """Drive the arms for one control step, in which grasps begin and end.

        Args:
            joints: For each arm, (n,) target angles, rad or m.
            openings: For each arm, target share of its gripper's opening, 0 to 1.
            closing: For each arm, whether its gripper may hold what it closes on.

        Returns:
            What each arm touched.
        """
        for limb, angles, opening in zip(self._limbs, joints, openings, strict=True):
            limb.command(angles, opening)
        advance, client = self._bullet.stepSimulation, self._client
        contacts = [NO_CONTACT for _ in self._limbs]
        done = 0
        while done < self.substeps:
            count = min(GRASP_EVERY, self.substeps - done)
            for _ in range(count):
                for number, (force, point) in self._pushes.items():
                    self._limbs[number].push(force, point)
                advance(physicsClientId=client)
            done += count
            if self._can_touch:
                contacts = [
                    worse(contact, self._update_grasp(number, closing[number]))
                    for number, contact in enumerate(contacts)
                ]
        for limb in self._limbs:
            limb.measure()
        return contacts

    def push(self, number: int, force_n: NDArray[np.float64], point_m: NDArray[np.float64]) -> None:
        """Let a force (3,), N, act on an arm's tool at a point (3,), m, both in the world.

        It acts in every PyBullet step until another is given, or the world is reset.
        """
        self._pushes[number] = force_n.tolist(), point_m.tolist()

    def opening(self, number: int) -> float:
        """Measured share of the opening of an arm's gripper, 0 closed to 1 open."""
        return self._limbs[number].opening

    def look(self, camera: Camera) -> Frame:
        """A camera's view; the world must have been made with `visual`."""
        return take_frame(self._bullet, self._client, camera, self._labels)

    def attach(self, number: int, name: str) -> None:
        """Begin a scene with a loose body in an arm's gripper."""
        self._limbs[number].hold(self._numbers[name])
        self.held[number] = name

    def release(self, number: int) -> None:
        """End the grasp of an arm, if it has one."""
        self._limbs[number].release()
        self.held[number] = None

    def body_pose(self, name: str) -> tuple[list[float], list[float]]:
        """Position (3), m, and quaternion (x, y, z, w) of a body in the world."""
        position, turn = self._bullet.getBasePositionAndOrientation(
            self._numbers[name], physicsClientId=self._client
        )
        return position, turn

    def body_count(self) -> int:
        """Number of bodies in the world."""
        return int(self._bullet.getNumBodies(physicsClientId=self._client))

    def is_sane(self) -> bool:
        """Whether no loose body has run away, and every number is finite."""
        for body in self._loose:
            position, _ = self._bullet.getBasePositionAndOrientation(
                body, physicsClientId=self._client
            )
            if not -_RUNAWAY_M < min(position) <= max(position) < _RUNAWAY_M:
                return False
        return all(bool(np.isfinite(joints).all()) for joints in self.joints)

    def close(self) -> None:
        """End the client; safe to call twice."""
        if self._open:
            self._bullet.disconnect(physicsClientId=self._client)
            self._open = False

    def _park(self) -> None:
        """Put every loose body where it touches nothing."""
        for place, number in enumerate(sorted(self._loose)):
            self._bullet.resetBasePositionAndOrientation(
                number, (_PARK_M * (place + 1), 0.0, 0.0), _UPRIGHT, physicsClientId=self._client
            )

    def _update_grasp(self, number: int, closing: bool) -> Contact:
        """Begin, keep or end the grasp of an arm, by the rule of the class; what it touches."""
        limb = self._limbs[number]
        contacts = limb.contacts()
        lost = False
        let_go_m = -math.inf
        if limb.constraint is not None:
            lost = closing and limb.grip_force() > self.grip_force_n
            if lost or not closing:
                let_go_m = self._let_go(number)
        elif closing:
            touched = limb.between_jaws(contacts)
            if touched in self._loose:
                limb.hold(touched)
                self.held[number] = self._names[touched]
        if not contacts and limb.constraint is None and let_go_m == -math.inf:
            return NO_CONTACT
        forces = [(touch.body, touch.force) for touch in contacts]
        own = self._loose | self._arms
        fixed = [one for one in forces + limb.forces_of_held() if one[0] not in own]
        arms = [one for one in forces if one[0] in self._arms]
        return Contact(greatest_sum(fixed), greatest_sum(arms), let_go_m, lost)

    def _let_go(self, number: int) -> float:
        """End the grasp of an arm; the height, m, of what then nobody holds, or -inf."""
        name = self.held[number]
        self.release(number)
        if name is None or name in self.held:
            return -math.inf
        return self.body_pose(name)[0][2]


def refuse_namesakes(kind: str, names: Sequence[str]) -> None:
    """Make sure that no two arms, or bodies, of a world have one name.

    Raises:
        ArmError: two have.
    """
    if len(set(names)) < len(names):
        raise ArmError(
            f"two {kind} of one world have the same name ({', '.join(names)}); give each its own"
        )
