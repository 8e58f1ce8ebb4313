"""Lift a block off one peg and put it over another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from halsted.envs.surgery.bench import Scene, Vector
from halsted.envs.surgery.dexterity.instrument_env import InstrumentEnv
from halsted.envs.surgery.dexterity.pegs import PEG_CLEARANCE_M, peg_scene, peg_things, pegged
from halsted.envs.surgery.dexterity.things import BLOCK_HEIGHT_M, block_edge
from halsted.robot.bodies import Body

_OTHERS = 3


class PegTransferEnv(InstrumentEnv):
    """Lift a block off one peg and put it over another.

    ## Description
    Four hollow blocks stand over pegs of the near half of a board (the Fundamentals of Laparoscopic
    Surgery's exercise). The instrument grips the red one by its rim, lifts it off its peg and
    lowers it over the goal's. SurRoL's PegTransfer.

    ## Starting State
    The tool stands 7 cm over a corner; blocks stand over four of six pegs, turned by up to 30
    degrees; the goal is one of the six free pegs.

    ## Episode End
    Terminated when the block is within 5 mm of the goal peg's axis and 4 mm of its height at
    rest there, unless the preset is `surrol`; truncated after `horizon` steps.

    It need not have been let go.

    Actions, observations, rewards, costs and arguments are those of `InstrumentEnv`.
    """

    handled = "block"
    grips = (block_edge(1),)
    rest_m = BLOCK_HEIGHT_M / 2
    open_share = 0.35
    carried_at_m = PEG_CLEARANCE_M

    def _bodies(self) -> Sequence[Body]:
        return peg_things(_OTHERS)

    def _sample_scene(self) -> Scene:
        return peg_scene(self.np_random, _OTHERS, [-0.05, 0.05, 0.07, 0.0])

    def _success(self, achieved: Vector, desired: Vector) -> NDArray[np.bool_]:
        return pegged(achieved, desired)
