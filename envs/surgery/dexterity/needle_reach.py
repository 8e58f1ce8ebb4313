"""Bring an instrument's tip to a needle."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from halsted.envs.surgery.bench import Scene, Vector
from halsted.envs.surgery.bench_task import within
from halsted.envs.surgery.dexterity.instrument_env import InstrumentEnv, pose_at
from halsted.envs.surgery.dexterity.things import NEEDLE_WIRE_M, needle, needle_point, table
from halsted.robot.bodies import Body

_TOLERANCE_M = 0.005
_ABOVE_M = 0.005


class NeedleReachEnv(InstrumentEnv):
    """Bring an instrument's tip to a point over a needle.

    ## Description
    A needle lies on the table. The tool goes to a point 5 mm above the middle of its wire. Turn and
    jaws of the action have no effect, as in SurRoL's NeedleReach, which this task is.

    ## Starting State
    The tool stands 7 cm over a corner of the workspace; the needle lies within 5 cm of the middle,
    times the preset's spread, at any heading.

    ## Episode End
    Terminated when the tool is within 5 mm of
    the goal, unless the preset is `surrol`; truncated after `horizon` steps.

    Actions, observations, rewards, costs and arguments are those of `InstrumentEnv`.
    """

    handled = "needle"
    grips = (needle_point(np.pi),)
    rest_m = NEEDLE_WIRE_M

    def _bodies(self) -> Sequence[Body]:
        return table(), needle("needle")

    def _sample_scene(self) -> Scene:
        x, y = self._draw(0.05), self._draw(0.05)
        yaw = float(self.np_random.uniform(-np.pi / 2, np.pi / 2))
        return {
            "tools": [-0.05, 0.05, 0.07, 0.0],
            "pose_needle": pose_at(x, y, NEEDLE_WIRE_M, yaw),
            "goal": [],
        }

    def _apply(self, scene: Scene) -> None:
        super()._apply(scene)
        self._goal_in_world = self.grip(0)[0] + (0.0, 0.0, _ABOVE_M)

    def _advance(self, action: Vector) -> Vector:
        action[3:] = 0.0, -1.0
        return super()._advance(action)

    def _achieved(self) -> Vector:
        return self._tools[0]

    def _potential(self, achieved: Vector, desired: Vector) -> float:
        return float(np.linalg.norm(achieved - desired))

    def _success(self, achieved: Vector, desired: Vector) -> NDArray[np.bool_]:
        return within(achieved, desired, _TOLERANCE_M)
