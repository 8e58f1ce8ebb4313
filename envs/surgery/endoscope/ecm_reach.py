"""Bring the endoscope's optical centre to a point."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from halsted.envs.errors import EnvironmentOptionError
from halsted.envs.surgery.bench import GoalBenchEnv, Scene, Vector
from halsted.envs.surgery.bench_task import within
from halsted.envs.surgery.endoscope.endoscope_env import JOINTS_STATE, EndoscopeEnv, check_scene
from halsted.robot.scope_motion import point_scope, shift_scope
from halsted.robot.specification import Entry, Specification

TOLERANCE_M = 0.005
GOALS_M = np.array([[0.45, 0.55], [-0.05, 0.05], [0.60, 0.70]])
"""Where goals lie: SurRoL's workspace (surrol/tasks/ecm_reach.py)."""
MARGIN_M = 0.02
BOX_M = GOALS_M + np.array([-MARGIN_M, MARGIN_M])
START_M = np.array([0.5, 0.0, 0.70])


class ECMReachEnv(EndoscopeEnv, GoalBenchEnv):
    """Bring the endoscope's optical centre to a point.

    ## Description
    The goal lies in a cube of 10 cm below the arm's remote centre. SurRoL's ECMReach.

    ## Starting State
    The optical centre is in the middle of the cube's upper face; the goal anywhere in the cube.

    ## Action Space
    `Box(-1, 1, (3,), float32)`: a Cartesian step of the optical centre in the arm's base frame,
    whose origin is the remote centre, at most 6 mm long in any direction (with the preset `surrol`
    10 mm along each axis). The roll stays. Commands are kept within the cube and 2 cm around it.

    ## Observation Space
    `Dict` of float32 in goal form: joints and place of the optical centre; goals are places in the
    base frame, in units of 10 cm.

    ## Episode End
    Terminated when the optical centre is within 5 mm of the goal, unless the preset is `surrol`;
    truncated after `horizon` steps. The dense reward pays 100 for each metre gained.

    Rewards, costs and arguments are those of `EndoscopeEnv`.
    """

    command = Specification(
        (Entry("shift_in_base", 3, "m", 0.006, "Cartesian step of the optical centre"),)
    )
    specification = Specification(
        (*JOINTS_STATE, Entry("tip_in_base", 3, "m", 0.1, "forward kinematics", 4.0))
    )
    goal_scale = 0.1

    @property
    def way_left(self) -> Vector:
        """(3,) from the optical centre to the goal, in the base frame, m."""
        return self._goal_in_base - self._tip

    def _sample_scene(self) -> Scene:
        goal = START_M
        while within(START_M, goal, TOLERANCE_M):
            goal = self.np_random.uniform(GOALS_M[:, 0], GOALS_M[:, 1])
        return {"start": START_M.tolist(), "goal": goal.tolist(), "cavity": self._draw_cavity()}

    def _apply(self, scene: Scene) -> None:
        base, arm = self._mount.base_in_world, self._mount.arm
        for part in ("start", "goal"):
            check_scene(part, scene[part], BOX_M[:, 0], BOX_M[:, 1])
        joints = np.zeros(4)
        start = base[:3, :3].T @ (np.array(scene["start"]) - base[:3, 3])
        if not point_scope(self._table.rows, arm.lower, arm.upper, joints, start):
            raise EnvironmentOptionError(
                f"the endoscope cannot reach the start {scene['start']} of this scene; replay what "
                "info['scene'] gave"
            )
        self._goal_in_world = np.array(scene["goal"])
        self._goal_in_base = base[:3, :3].T @ (self._goal_in_world - base[:3, 3])
        self._start(joints, scene["cavity"][0])

    def _steer(self, action: Vector) -> bool:
        table, arm = self._table, self._mount.arm
        if self.preset.is_round:
            action = action / max(1.0, math.sqrt(action @ action))
        return bool(
            shift_scope(
                table.rows,
                table.tool,
                self._mount.base_in_world,
                arm.lower,
                arm.upper,
                BOX_M,
                self._joints,
                action * self.preset.step_m,
            )
        )

    def _look_around(self) -> None:
        base = self._mount.base_in_world
        self._tip = base[:3, :3].T @ (self._pose[:3, 3] - base[:3, 3])

    def _state(self) -> Vector:
        return np.concatenate((self.world.joints[0], self._tip))

    def _achieved(self) -> Vector:
        return self._tip

    def _desired(self) -> Vector:
        return self._goal_in_base

    def _success(self, achieved: Vector, desired: Vector) -> NDArray[np.bool_]:
        return within(achieved, desired, TOLERANCE_M)

    def _target_in_world(self) -> Vector:
        return self._goal_in_world
