"""Pick a needle up."""

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


class NeedlePickEnv(InstrumentEnv):
    """Pick a needle up from the table and carry it to a point above.

    ## Description
    A 40 mm needle lies on the table. The instrument grips its wire in the middle and carries that
    point to the goal, 3 cm over the table. SurRoL's NeedlePick.

    ## Starting State
    The tool stands 4 cm over a corner of the workspace; the needle lies within 5 cm of the middle
    an axis, times the preset's spread, at any
    heading; the goal is drawn around the middle (1 cm standard deviation).

    ## Episode End
    Terminated when the middle of the wire is within 5 mm of
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
        goal = self.np_random.normal(scale=0.01, size=2).clip(-0.03, 0.03).tolist()
        return {
            "tools": [-0.05, 0.05, 0.04, 0.0],
            "pose_needle": pose_at(x, y, NEEDLE_WIRE_M, yaw),
            "goal": [*goal, 0.03],
        }

    def _achieved(self) -> Vector:
        return self.grip(0)[0]

    def _success(self, achieved: Vector, desired: Vector) -> NDArray[np.bool_]:
        return within(achieved, desired, _TOLERANCE_M)
