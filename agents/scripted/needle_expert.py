"""A scripted expert for needle biopsies: plans with privileged knowledge, then follows the plan."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from halsted.agents.scripted.biopsy_plan import NeedlePath, approach, plan_path
from halsted.agents.scripted.task import task_of
from halsted.envs.surgery.needle_biopsy import NeedleBiopsyEnv
from halsted.robot.anatomy import BODY, Anatomy
from halsted.robot.specification import NEEDLE_COMMAND

_ON_TARGET_M = 0.001


class NeedleExpert:
    """The scripted expert. It sees true anatomy and the commanded pose.

    Over the skin it turns the needle and moves it sideways onto the planned line, keeping away
    from the skin; then it drives the needle straight in, as deep as breathing has carried the
    target at that moment. The plan itself is made for organs at rest. Where no harmless path exists
    it takes the cheapest; where none is in reach at all, it stays where it is.
    """

    name = "expert"
    environment: str | None = None

    def reset(self, env: gym.Env[Any, Any], seed: int) -> None:
        """Plan the episode.

        Raises:
            PolicyError: the environment is no needle biopsy.
        """
        unwrapped = task_of(env, NeedleBiopsyEnv, "performs needle biopsies")
        self._env = unwrapped
        self.path: NeedlePath | None = plan_path(
            self._anatomy(),
            unwrapped.registration,
            unwrapped.limits,
            unwrapped.arm,
            unwrapped.commanded_pose[0],
        )

    def act(self, observation: Any) -> NDArray[np.float32]:
        """The next step along the plan; the observation is not looked at."""
        if self.path is None:
            return np.zeros(NEEDLE_COMMAND.size, dtype=np.float32)
        tip, tilt = self._env.commanded_pose
        if self._env.contact.is_inserted:
            command = self._drive(tip)
        else:
            skin_distance = float(self._env.contact.distances[BODY])
            command = approach(self.path, tip, tilt, skin_distance)
        return np.clip(command / NEEDLE_COMMAND.scales, -1.0, 1.0).astype(np.float32)

    def _drive(self, tip: NDArray[np.float64]) -> NDArray[np.float64]:
        """Advance until the target is reached, wherever breathing has carried it."""
        assert self.path is not None
        left = float((self._target() - tip) @ self.path.direction)
        return np.array([0.0, 0.0, 0.0, 0.0, left if abs(left) > _ON_TARGET_M else 0.0])

    def _anatomy(self) -> Anatomy:
        """What is planned on."""
        return self._env.patient.truth

    def _target(self) -> NDArray[np.float64]:
        """(3,) world m, where the needle is driven to."""
        return self._env.target_in_world


class NeedlePlanner(NeedleExpert):
    """The same plan, made on what perception sees: its scores tell what perception is worth."""

    name = "planner"

    def _anatomy(self) -> Anatomy:
        return self._env.patient.seen

    def _target(self) -> NDArray[np.float64]:
        return self._env.perceived_target_in_world
