"""Put a cube into the bowl of its colour."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from halsted.envs.surgery.bench import Scene, Vector
from halsted.envs.surgery.dexterity.instrument_env import InstrumentEnv, pose_at
from halsted.envs.surgery.dexterity.things import BLUE, RED, bowl, piece, table
from halsted.robot.bodies import Body

_EDGE_M = 0.006
_BOWL_RADIUS_M = 0.014
_ACROSS_M = 0.008
_HEIGHT_M = 0.003
_CORNERS_M = np.array([[0.02, 0.0], [-0.02, 0.0], [0.0, 0.02], [0.0, -0.02]])


class PickAndPlaceEnv(InstrumentEnv):
    """Put a cube into the bowl of its colour.

    ## Description
    Four cubes lie on a table with two bowls. The instrument takes the red cube and lays it into the
    bowl that the goal names. After SurRoL v2's task of this name, whose success is a point in the
    air; here it is the cube's place in its bowl.

    ## Starting State
    The tool stands 4 cm over a corner; the cubes lie around the middle at any heading, the bowls on
    either side of them.

    ## Episode End
    Terminated when the cube is within 8 mm of the bowl's axis and 3 mm of its height at rest there,
    unless the preset is `surrol`; truncated after `horizon` steps.

    It need not have been let go.

    Actions, observations, rewards, costs and arguments are those of `InstrumentEnv`.
    """

    handled = "cube"
    rest_m = _EDGE_M / 2
    carried_at_m = 0.02

    def _bodies(self) -> Sequence[Body]:
        edges = (_EDGE_M, _EDGE_M, _EDGE_M)
        others = [piece(f"other_{number}", edges, "object", BLUE) for number in range(3)]
        bowls = [bowl("bowl_red", _BOWL_RADIUS_M, RED), bowl("bowl_blue", _BOWL_RADIUS_M, BLUE)]
        return table(), piece("cube", edges, "target", RED), *others, *bowls

    def _sample_scene(self) -> Scene:
        places = self.np_random.permutation(_CORNERS_M)
        bowls = self.np_random.permutation([[0.0, 0.05], [0.0, -0.05]])
        scene: Scene = {"tools": [-0.05, 0.05, 0.04, 0.0]}
        for name, (x, y) in zip(("cube", "other_0", "other_1", "other_2"), places, strict=True):
            at = float(x) + self._draw(0.006), float(y) + self._draw(0.006)
            scene[f"pose_{name}"] = pose_at(*at, self.rest_m, self._draw(np.pi))
        for name, (x, y) in zip(("bowl_red", "bowl_blue"), bowls.tolist(), strict=True):
            scene[f"pose_{name}"] = pose_at(x + self._draw(0.03), y, 0.0)
        scene["goal"] = [*scene["pose_bowl_red"][:2], self.rest_m]
        return scene

    def _success(self, achieved: Vector, desired: Vector) -> NDArray[np.bool_]:
        away = achieved - desired
        across = np.linalg.norm(away[..., :2], axis=-1)
        return np.asarray((across < _ACROSS_M) & (np.abs(away[..., 2]) < _HEIGHT_M))
