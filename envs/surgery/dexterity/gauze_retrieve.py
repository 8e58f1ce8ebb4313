"""Pick a piece of gauze up."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from halsted.envs.surgery.bench import Scene, Vector
from halsted.envs.surgery.bench_task import within
from halsted.envs.surgery.dexterity.instrument_env import InstrumentEnv, pose_at
from halsted.envs.surgery.dexterity.things import gauze, table
from halsted.robot.bodies import Body

_TOLERANCE_M = 0.005


class GauzeRetrieveEnv(InstrumentEnv):
    """Pick a piece of gauze up from the table and carry it to a point above.

    ## Description
    A wad of gauze lies on the table. The instrument grips it and carries it to the goal, 4 cm over
    the table. SurRoL's GauzeRetrieve, whose gauze is a rigid box too.

    ## Starting State
    The tool stands 4 cm over a corner of the workspace; the gauze lies within 5 cm of the middle
    an axis, times the preset's spread; the
    goal is drawn around the middle (2 cm standard deviation). The turn of the action has no effect.

    ## Episode End
    Terminated when the gauze is within 5 mm of
    the goal, unless the preset is `surrol`; truncated after `horizon` steps.

    Actions, observations, rewards, costs and arguments are those of `InstrumentEnv`.
    """

    handled = "gauze"
    rest_m = 0.002

    def _bodies(self) -> Sequence[Body]:
        return table(), gauze("gauze")

    def _sample_scene(self) -> Scene:
        goal = self.np_random.normal(scale=0.02, size=2).clip(-0.05, 0.05).tolist()
        return {
            "tools": [-0.05, 0.05, 0.04, 0.0],
            "pose_gauze": pose_at(self._draw(0.05), self._draw(0.05), self.rest_m),
            "goal": [*goal, 0.04],
        }

    def _advance(self, action: Vector) -> Vector:
        action[3] = 0.0
        return super()._advance(action)

    def _success(self, achieved: Vector, desired: Vector) -> NDArray[np.bool_]:
        return within(achieved, desired, _TOLERANCE_M)
