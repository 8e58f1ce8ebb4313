"""Hand a block from one instrument to the other, from peg to peg."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from halsted.envs.surgery.bench import Scene, Vector
from halsted.envs.surgery.dexterity.instrument_env import (
    BIMANUAL_WORKSPACES_M,
    InstrumentEnv,
    instrument_command,
    instrument_state,
)
from halsted.envs.surgery.dexterity.pegs import PEG_CLEARANCE_M, peg_scene, peg_things, pegged
from halsted.envs.surgery.dexterity.things import BLOCK_HEIGHT_M, block_edge
from halsted.robot.bodies import Body

_OTHERS = 5


class BiPegTransferEnv(InstrumentEnv):
    """Hand a block from one instrument to the other, from peg to peg.

    ## Description
    As `PegTransferEnv`, with six blocks and two instruments that each keep to their half of the
    board: the second lifts the red block and hands it over in the middle, the first puts it over
    the goal's peg. SurRoL's BiPegTransfer.

    ## Starting State
    The tools stand 7 cm over two corners; six blocks stand over the pegs of the second half, turned
    by up to 30 degrees; the goal is one of the six pegs of the first.

    ## Episode End
    Terminated when the block is within 5 mm of the goal peg's axis and 4 mm of its height at
    rest there, unless the preset is `surrol`; truncated after `horizon` steps.

    It need not have been let go.

    Actions, observations, rewards, costs and arguments are those of `InstrumentEnv`.
    """

    arms = 2
    command = instrument_command(2)
    specification = instrument_state(2)
    workspaces = BIMANUAL_WORKSPACES_M
    handled = "block"
    grips = (block_edge(0), block_edge(2))
    rest_m = BLOCK_HEIGHT_M / 2
    open_share = 0.35
    carried_at_m = PEG_CLEARANCE_M

    def _bodies(self) -> Sequence[Body]:
        return peg_things(_OTHERS)

    def _sample_scene(self) -> Scene:
        tools = [-0.05, 0.05, 0.07, 0.0, -0.05, -0.05, 0.07, 0.0]
        return peg_scene(self.np_random, _OTHERS, tools)

    def _success(self, achieved: Vector, desired: Vector) -> NDArray[np.bool_]:
        return pegged(achieved, desired)
