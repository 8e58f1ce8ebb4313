"""Base of the tasks in which the endoscope keeps a target in the middle of its picture."""

from __future__ import annotations

import math

import numpy as np

from halsted.envs.surgery.bench import Vector
from halsted.envs.surgery.endoscope.endoscope_env import JOINTS_STATE, EndoscopeEnv
from halsted.envs.surgery.endoscope.stand import HALF_ANGLE_TAN
from halsted.robot.scope_motion import misorientation, project, steer_scope
from halsted.robot.specification import Entry, Specification

TARGET_HEIGHT_M = 0.05
UPRIGHT_DECAY = 25.6
"""How fast the arm's own righting fades with the target's distance from the middle of the picture:
a tenth for each of SurRoL's 256 pixels (surrol/robots/ecm.py, `cVc_to_dq`)."""
UPRIGHT_RATE = 25.0
"""Its rate at the middle, 1/s, of SurRoL's control."""


class TrackEnv(EndoscopeEnv):
    """What the tracking tasks share.

    ## Action Space
    `Box(-1, 1, (3,), float32)`: turn of the view to the right and down, and advance. The scope
    rolls by itself towards an upright picture, the faster the nearer the target is to the middle.

    ## Observation Space
    Joints, whether the target is in the picture, where it is (-1 to 1 from edge to edge, to the
    right and down), and the misorientation (see `MisOrient`). The target's place in the picture is
    that of its middle, by projection; no picture is rendered for it.
    """

    command = Specification(
        (
            Entry("turn_in_camera", 2, "rad", 0.02, "turn of the view to the right and down"),
            Entry("ahead_in_camera", 1, "m", 0.0005, "advance along the view"),
        )
    )
    specification = Specification(
        (
            *JOINTS_STATE,
            Entry("in_view", 1, "1", 1.0, "1 while the target is in the picture"),
            Entry(
                "target_in_image", 2, "1", 1.0, "half-widths of the picture from its middle", 4.0
            ),
            Entry("misorientation", 1, "rad", 1.0, "turn of the picture from upright", 4.0),
        )
    )
    goal_scale = 1.0
    _target: Vector
    _seen: tuple[float, float, float]
    _in_view: bool

    @property
    def target(self) -> Vector:
        """(3,) the target's middle, world m."""
        return self._target

    @property
    def in_view(self) -> bool:
        """Whether the target's middle is in the picture."""
        return self._in_view

    def _steer(self, action: Vector) -> bool:
        table, arm, preset = self._table, self._mount.arm, self.preset
        u, v, angle = self._seen
        righting = -preset.upright_gain * angle * math.exp(-UPRIGHT_DECAY * math.hypot(u, v))
        right, down, ahead = action.tolist()
        return bool(
            steer_scope(
                table.rows,
                table.tool,
                arm.lower,
                arm.upper,
                self._joints,
                right * preset.turn_rad,
                down * preset.turn_rad,
                ahead * preset.ahead_m,
                righting,
            )
        )

    def _look_around(self) -> None:
        u, v, depth = project(self._pose, self._target, HALF_ANGLE_TAN)
        self._in_view = depth > 0.0 and -1.0 <= u <= 1.0 and -1.0 <= v <= 1.0
        self._seen = (u, v, misorientation(self._pose, self._upright))

    def _state(self) -> Vector:
        return np.array([*self.world.joints[0].tolist(), float(self._in_view), *self._seen])

    def _target_in_world(self) -> Vector:
        return self._target
