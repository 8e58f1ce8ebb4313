"""Turn the endoscope's picture upright."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from halsted.envs.surgery.bench import GoalBenchEnv, Scene, Vector
from halsted.envs.surgery.endoscope.endoscope_env import JOINTS_STATE, EndoscopeEnv, drawn_joints
from halsted.robot.scope_motion import camera_pose, misorientation, roll_scope
from halsted.robot.specification import Entry, Specification

TOLERANCE_RAD = 0.01
START_LOWER = np.array([math.radians(-45.0), math.radians(-22.5), 0.0, math.radians(-45.0)])
START_UPPER = np.array([math.radians(45.0), math.radians(33.2), 0.24, math.radians(45.0)])
"""Of the joints at the start: half of their limits, as SurRoL's (surrol/tasks/ecm_misorient.py)."""
M_PER_RAD = 0.1
"""What a radian counts in the dense reward, which pays by the metre."""

_UPRIGHT = np.zeros(1)


class MisOrientEnv(EndoscopeEnv, GoalBenchEnv):
    """Turn the endoscope's picture upright by its roll.

    ## Description
    As the arm yaws and pitches about its remote centre, the picture turns. The task is to roll it
    back, so that the world's horizontal axes lie in it as they do with all joints at zero.
    SurRoL's MisOrient; its angle is that of an affine map of which it multiplies one factor by the
    transpose of what its own decomposition gives. Ours is the rotation of that map, for a distant
    camera; see `halsted.robot.scope_motion.misorientation`.

    ## Starting State
    Yaw, pitch, insertion and roll anywhere in the inner half of their ranges.

    ## Action Space
    `Box(-1, 1, (1,), float32)`: a step of the roll, which is not taken beyond its limits.

    ## Observation Space
    `Dict` of float32 in goal form: the joints; the goal is the misorientation, rad, wanted to be 0.

    ## Episode End
    Terminated when the misorientation is under 0.01 rad, unless the preset is `surrol`; truncated
    after `horizon` steps. The dense reward pays 10 for each radian gained.

    Rewards, costs and arguments are those of `EndoscopeEnv`.
    """

    command = Specification((Entry("roll_step", 1, "rad", math.radians(2.0), "step of the roll"),))
    specification = Specification(JOINTS_STATE)
    goal_scale = 1.0
    goal_size = 1

    @property
    def misorientation(self) -> float:
        """How far the picture is turned from upright, rad; a roll adds to it."""
        return float(self._angle[0])

    def _sample_scene(self) -> Scene:
        table, base, pose = self._table, self._mount.base_in_world, self._upright.copy()
        while abs(misorientation(pose, self._upright)) < TOLERANCE_RAD:
            joints = self.np_random.uniform(START_LOWER, START_UPPER)
            camera_pose(table.rows, table.tool, base, joints, pose)
        return {"joints": joints.tolist(), "cavity": self._draw_cavity()}

    def _apply(self, scene: Scene) -> None:
        self._start(drawn_joints(scene), scene["cavity"][0])

    def _steer(self, action: Vector) -> bool:
        arm = self._mount.arm
        turn = action[0] * self.preset.step_rad
        return bool(roll_scope(arm.lower, arm.upper, self._joints, turn))

    def _look_around(self) -> None:
        self._angle = np.array([misorientation(self._pose, self._upright)])

    def _state(self) -> Vector:
        return self.world.joints[0]

    def _achieved(self) -> Vector:
        return self._angle

    def _desired(self) -> Vector:
        return _UPRIGHT

    def _success(self, achieved: Vector, desired: Vector) -> NDArray[np.bool_]:
        return np.asarray(np.abs(achieved - desired)[..., 0] < TOLERANCE_RAD)

    def _potential(self, achieved: Vector, desired: Vector) -> float:
        return M_PER_RAD * abs(float(achieved[0] - desired[0]))

    def _target_in_world(self) -> Vector:
        """Where the view meets the plane of the tracking tasks' targets."""
        ahead = (0.05 - self._pose[2, 3]) / self._pose[2, 2]
        return np.asarray(self._pose[:3, 3] + ahead * self._pose[:3, 2])
