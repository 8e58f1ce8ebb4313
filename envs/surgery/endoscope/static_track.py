"""Bring a target into the middle of an upright picture."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from halsted.envs.surgery.bench import GoalBenchEnv, Scene, Vector
from halsted.envs.surgery.endoscope.endoscope_env import check_scene, drawn_joints
from halsted.envs.surgery.endoscope.mis_orient import M_PER_RAD
from halsted.envs.surgery.endoscope.stand import HALF_ANGLE_TAN
from halsted.envs.surgery.endoscope.track_env import TARGET_HEIGHT_M, TrackEnv
from halsted.robot.scope_motion import camera_pose, project

TOLERANCE = 0.01
TOLERANCE_RAD = 0.01
TARGETS_M = np.array([[-0.5, 0.5], [-0.4, 0.4]])
"""Where targets lie, as SurRoL's (surrol/tasks/ecm_static_track.py)."""
START = (0.0, 0.0, 0.04, 0.0)

_MIDDLE_AND_UPRIGHT = np.zeros(3)


class StaticTrackEnv(TrackEnv, GoalBenchEnv):
    """Bring a target into the middle of an upright picture.

    ## Description
    The endoscope turns its view about the remote centre until the target, which lies still on the
    floor of the cavity, is in the middle of the picture and the picture is upright. SurRoL's
    StaticTrack, whose check of the picture's turn subtracts a value from itself; ours checks it.

    ## Starting State
    The endoscope looks down at 60 degrees to the floor; the target lies anywhere in a field of
    1 m by 0.8 m, in the picture or not.

    ## Episode End
    Terminated when the target is within 0.01 half-widths of the picture's middle and the picture
    within 0.01 rad of upright, unless the preset is `surrol`; truncated after `horizon` steps.
    Goals are the target's place in the picture and the misorientation. The dense reward pays 10 for
    a half-width or a radian gained.

    Actions and observations (here in goal form) are those of `TrackEnv`: three numbers, which turn
    the view to the right and down and move it ahead. Rewards, costs and arguments are those of
    `EndoscopeEnv`.
    """

    def _sample_scene(self) -> Scene:
        table, pose = self._table, np.empty((4, 4))
        camera_pose(table.rows, table.tool, self._mount.base_in_world, np.array(START), pose)
        off = 0.0
        while off < TOLERANCE:
            target = self.np_random.uniform(TARGETS_M[:, 0], TARGETS_M[:, 1])
            place = np.array([*target, TARGET_HEIGHT_M])
            u, v, _ = project(pose, place, HALF_ANGLE_TAN)
            off = math.hypot(u, v)
        return {
            "joints": list(START),
            "target": place.tolist(),
            "cavity": self._draw_cavity(),
        }

    def _apply(self, scene: Scene) -> None:
        lower, upper = np.column_stack([TARGETS_M.T, [TARGET_HEIGHT_M] * 2])
        check_scene("target", scene["target"], lower, upper)
        self._target = np.array(scene["target"])
        self._start(drawn_joints(scene), scene["cavity"][0])

    def _achieved(self) -> Vector:
        return np.array(self._seen)

    def _desired(self) -> Vector:
        return _MIDDLE_AND_UPRIGHT

    def _success(self, achieved: Vector, desired: Vector) -> NDArray[np.bool_]:
        off = achieved - desired
        return np.asarray(
            (np.hypot(off[..., 0], off[..., 1]) < TOLERANCE) & (np.abs(off[..., 2]) < TOLERANCE_RAD)
        )

    def _potential(self, achieved: Vector, desired: Vector) -> float:
        off = np.abs(achieved - desired)
        return M_PER_RAD * float(np.hypot(off[0], off[1]) + off[2])
