"""Hand a needle from one instrument to the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from halsted.envs.surgery.bench import Scene, Vector
from halsted.envs.surgery.bench_task import within
from halsted.envs.surgery.dexterity.instrument_env import (
    BIMANUAL_WORKSPACES_M,
    InstrumentEnv,
    instrument_command,
    instrument_state,
)
from halsted.envs.surgery.dexterity.things import needle, needle_point, table
from halsted.robot.bodies import Body
from halsted.robot.rotations import quaternion_of_yaw

_TOLERANCE_M = 0.005
_GRIP_RAD = np.pi / 3  # from the middle of the wire


class NeedleRegraspEnv(InstrumentEnv):
    """Hand a needle from one instrument to the other and carry it to a point.

    ## Description
    The first instrument holds a needle near one end. The second grips it near the other, the first
    lets go, and the second carries it to the goal, which the first cannot reach. SurRoL's
    NeedleRegrasp, with tools that point down and turn about the vertical instead of across.

    ## Starting State
    The first tool holds the needle within 2 cm of a point 4.5 cm over its half, turned by up to 45
    degrees (both times the preset's spread); the second waits over its half with open jaws.

    ## Episode End
    Terminated when the second instrument's grip point is within 5 mm of
    the goal, unless the preset is `surrol`; truncated after `horizon` steps.

    Actions, observations, rewards, costs and arguments are those of `InstrumentEnv`.
    """

    arms = 2
    command = instrument_command(2)
    specification = instrument_state(2)
    workspaces = BIMANUAL_WORKSPACES_M
    handled = "needle"
    grips = (needle_point(np.pi - _GRIP_RAD), needle_point(np.pi + _GRIP_RAD))
    in_hand = 0

    def _bodies(self) -> Sequence[Body]:
        return table(), needle("needle")

    def _sample_scene(self) -> Scene:
        x, y, z = 0.02 + self._draw(0.02), 0.045 + self._draw(0.02), 0.045 + self._draw(0.02)
        yaw = self._draw(np.deg2rad(45.0))
        along, across, _, heading = self.grips[0]
        c, s = np.cos(yaw), np.sin(yaw)
        middle = [x - c * along + s * across, y - s * along - c * across, z]
        goal = np.array([0.02, -0.062, 0.045]) + self.np_random.normal(scale=0.005, size=3)
        goal = goal.clip([0.0, -0.068, 0.03], [0.04, -0.06, 0.06])
        held = float(np.arctan(np.tan(yaw + heading)))
        return {
            "tools": [x, y, z, held, 0.02, -0.05, 0.05, 0.0],
            "pose_needle": [*map(float, middle), *quaternion_of_yaw(yaw)],
            "goal": goal.tolist(),
        }

    def _achieved(self) -> Vector:
        return self.grip(1)[0]

    def _success(self, achieved: Vector, desired: Vector) -> NDArray[np.bool_]:
        return within(achieved, desired, _TOLERANCE_M)
