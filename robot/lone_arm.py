"""The rigid tier for one arm that has nothing to touch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from halsted.robot.contact import NO_CONTACT, Contact
from halsted.robot.rigid import Mount, RigidWorld

_NOTHING = [NO_CONTACT]


class LoneArmWorld(RigidWorld):
    """A `RigidWorld` of one arm alone. It looks for no contacts, which is an eighth of a step."""

    def __init__(self, mount: Mount, substeps: int = 8) -> None:
        """Load the arm; see `RigidWorld`."""
        super().__init__([mount], (), substeps)

    def step(
        self,
        joints: Sequence[NDArray[np.float64]],
        openings: Sequence[float],
        closing: Sequence[bool],
    ) -> list[Contact]:
        """Drive the arm for one control step; see `RigidWorld.step`."""
        (limb,) = self._limbs
        limb.command(joints[0], openings[0])
        advance, client = self._bullet.stepSimulation, self._client
        for _ in range(self.substeps):
            advance(physicsClientId=client)
        limb.measure()
        return _NOTHING
