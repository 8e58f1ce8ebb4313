"""Lay a piece into the frame that fits it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from halsted.envs.surgery.bench import Scene, Vector
from halsted.envs.surgery.dexterity.instrument_env import InstrumentEnv, pose_at
from halsted.envs.surgery.dexterity.things import BLUE, RED, frame, piece, table
from halsted.robot.bodies import Body
from halsted.robot.rotations import wrapped, yaw_of

_SIZE_M = (0.014, 0.005, 0.006)
_ACROSS_M = 0.003
_HEIGHT_M = 0.003
_LEVER_M = 0.02
"""Makes a length of a direction: 10 degrees of heading are 3.5 mm of half a piece's turn."""
_TURN_M = 2 * _LEVER_M * float(np.sin(np.deg2rad(10.0)))


class MatchBoardEnv(InstrumentEnv):
    """Lay a piece into the frame that fits it.

    ## Description
    A bar lies on the table beside two others. The instrument takes the red one and lays it into a
    frame, which it fits only along its own heading. After SurRoL v2's MatchBoard, whose success
    is a point in the air; here the piece must lie where and as it fits.

    ## Starting State
    The tool stands 4 cm over a corner; the pieces lie on one side and the frame on the other, each
    turned by up to 60 degrees.

    ## Episode End
    Terminated when the piece is within 3 mm and 10 degrees of the frame's middle and heading, and
    within 3 mm of its height at rest there, unless the preset is `surrol`; truncated after
    `horizon` steps.

    It need not have been let go.

    Actions, observations, rewards, costs and arguments are those of `InstrumentEnv`.
    """

    handled = "piece"
    goal_size = 5
    rest_m = _SIZE_M[2] / 2
    carried_at_m = 0.02

    def _bodies(self) -> Sequence[Body]:
        others = [piece(f"other_{number}", _SIZE_M, "object", BLUE) for number in range(2)]
        slot = frame("frame", _SIZE_M[0] + 0.006, _SIZE_M[1] + 0.006)
        return table(), piece("piece", _SIZE_M, "target", RED), *others, slot

    def _sample_scene(self) -> Scene:
        lanes = self.np_random.permutation([-0.02, 0.0, 0.02]).tolist()
        scene: Scene = {"tools": [-0.05, 0.05, 0.04, 0.0]}
        for name, x in zip(("piece", "other_0", "other_1"), lanes, strict=True):
            y = 0.03 + self._draw(0.01)
            scene[f"pose_{name}"] = pose_at(x, y, self.rest_m, self._draw(np.pi / 3))
        x, y, yaw = self._draw(0.03), -0.03 + self._draw(0.01), self._draw(np.pi / 3)
        scene["pose_frame"] = pose_at(x, y, 0.0, yaw)
        scene["goal"] = [x, y, self.rest_m, yaw]
        return scene

    def turn_to_goal(self) -> float:
        """How far the piece still has to be turned, rad; half turns are alike."""
        return wrapped(2.0 * (self._goal_in_world[3] - yaw_of(self._turn))) / 2.0

    def _achieved(self) -> Vector:
        return _with_heading(self._thing, yaw_of(self._turn))

    def _desired(self) -> Vector:
        return _with_heading(self._goal_in_world[:3], float(self._goal_in_world[3]))

    def _success(self, achieved: Vector, desired: Vector) -> NDArray[np.bool_]:
        away = achieved - desired
        across = np.linalg.norm(away[..., :2], axis=-1)
        turned = np.linalg.norm(away[..., 3:], axis=-1)
        level = np.abs(away[..., 2]) < _HEIGHT_M
        return np.asarray((across < _ACROSS_M) & level & (turned < _TURN_M))


def _with_heading(position: Vector, heading: float) -> Vector:
    """A position (3,), m, and a heading as a point on a circle (2,), m, the same for half turns."""
    return np.array([*position, _LEVER_M * np.cos(2.0 * heading), _LEVER_M * np.sin(2.0 * heading)])
