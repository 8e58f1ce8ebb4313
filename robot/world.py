"""Arm and patient in one simulated place."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from halsted.robot.arm import Arm
from halsted.robot.bullet import POSITION_GAIN, RATE_HZ, start_bullet
from halsted.robot.errors import ArmError
from halsted.robot.needle import NeedleContact

_NEAR_SKIN_M = 0.03
"""Contact is followed only where the tip can reach the skin within one control step."""


_FORCE_EVERY = 2
"""Sub-steps between two evaluations of the tissue's force (120 Hz), which holds in between."""


class World:
    """A rigid PyBullet world with one needle-carrying arm; anatomy enters as distance fields.

    The arm is loaded once. `reset` restores it; nothing is added or removed afterwards, so that
    memory stays flat and the same commands give the same trajectory bit for bit. Every call names
    this world's own client, so that any number of worlds live in one process.

    Attributes:
        arm: The arm.
        substeps: PyBullet steps a control step; 8 at 240 Hz make 30 Hz control.
        joints: (n,) measured joint angles, rad.
    """

    def __init__(self, arm: Arm, substeps: int = 8) -> None:
        """Start a PyBullet client without a window and load the arm into it.

        Raises:
            ArmError: the number of sub-steps is odd.
        """
        if substeps % _FORCE_EVERY:
            raise ArmError(
                f"a control step has {substeps} sub-steps, but they come in twos; choose an even "
                "number"
            )
        self.arm = arm
        self.substeps = substeps
        pybullet, client = start_bullet()
        self._bullet: Any = pybullet
        self._client: int | None = client
        # Self-collision is off unless asked for by a flag.
        self._body: int = pybullet.loadURDF(
            str(arm.urdf(visual=False)), useFixedBase=True, physicsClientId=self._client
        )
        infos = [
            pybullet.getJointInfo(self._body, number, physicsClientId=self._client)
            for number in range(pybullet.getNumJoints(self._body, physicsClientId=self._client))
        ]
        numbers = {info[1].decode(): info[0] for info in infos}
        self._movable = [numbers[name] for name in arm.chain.names]
        self._needle_link: int = numbers["needle_mount"]
        self._max_force = [infos[number][10] for number in self._movable]
        self._gains = [POSITION_GAIN] * len(self._movable)
        self.joints: NDArray[np.float64] = np.array(arm.home)
        self._saved: int = pybullet.saveState(physicsClientId=self._client)

    @property
    def control_period_s(self) -> float:
        """Simulated time of one control step, s."""
        return self.substeps / RATE_HZ

    def reset(self, joints: NDArray[np.float64]) -> None:
        """Bring the arm to rest at joint angles (n,), rad, in the state it was loaded in."""
        bullet, client = self._bullet, self._client
        bullet.restoreState(stateId=self._saved, physicsClientId=client)
        for number, angle in zip(self._movable, joints, strict=True):
            bullet.resetJointState(self._body, number, angle, 0.0, physicsClientId=client)
        # Motors are no part of a saved state.
        self._command(joints)
        self.joints[:] = joints

    def step(self, target: NDArray[np.float64], contact: NeedleContact) -> None:
        """Drive the joints towards target angles (n,), rad, for one control step.

        The tissue's force acts on the needle at its tip.
        """
        bullet, client = self._bullet, self._client
        self._command(target)
        contact.begin_step()
        if contact.distances[0] > _NEAR_SKIN_M:
            for _ in range(self.substeps):
                bullet.stepSimulation(physicsClientId=client)
            self._measure()
            contact.update(self.joints, self.control_period_s)
            return
        for _ in range(self.substeps // _FORCE_EVERY):
            push = (-contact.force * contact.direction).tolist()
            tip = contact.tip.tolist()
            for _ in range(_FORCE_EVERY):
                if contact.force != 0.0:
                    bullet.applyExternalForce(
                        self._body,
                        self._needle_link,
                        push,
                        tip,
                        bullet.WORLD_FRAME,
                        physicsClientId=client,
                    )
                bullet.stepSimulation(physicsClientId=client)
            self._measure()
            contact.update(self.joints, _FORCE_EVERY / RATE_HZ)

    def body_count(self) -> int:
        """Number of bodies in the world."""
        return int(self._bullet.getNumBodies(physicsClientId=self._client))

    def tip_by_bullet(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Position (3,), m, and direction (3,) of the needle as PyBullet itself computes them."""
        state = self._bullet.getLinkState(
            self._body, self._needle_link, computeForwardKinematics=1, physicsClientId=self._client
        )
        rotation = np.array(self._bullet.getMatrixFromQuaternion(state[5])).reshape(3, 3)
        direction = rotation[:, 2]
        return np.array(state[4]) + direction * self.arm.description.needle_length_m, direction

    def close(self) -> None:
        """End the client; safe to call twice."""
        if self._client is not None:
            self._bullet.disconnect(physicsClientId=self._client)
            self._client = None

    def _command(self, target: NDArray[np.float64]) -> None:
        self._bullet.setJointMotorControlArray(
            self._body,
            self._movable,
            self._bullet.POSITION_CONTROL,
            targetPositions=target.tolist(),
            forces=self._max_force,
            positionGains=self._gains,
            physicsClientId=self._client,
        )

    def _measure(self) -> None:
        states = self._bullet.getJointStates(
            self._body, self._movable, physicsClientId=self._client
        )
        self.joints[:] = [state[0] for state in states]
