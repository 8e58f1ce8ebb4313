"""Where the endoscope stands and how its tasks are stepped."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from halsted.envs.surgery.bench_task import DEFAULT, Preset
from halsted.robot.arm import load_arm
from halsted.robot.kinematic import Tier
from halsted.robot.kinematics.dh import DhArm
from halsted.robot.rigid import Mount
from halsted.robot.scope_motion import camera_pose

Vector = NDArray[np.float64]

HALF_ANGLE_TAN = math.tan(math.radians(30.0))
"""Of half the field of view of 60 degrees, as SurRoL's (surrol/robots/ecm.py)."""
LEVER_M = 0.02
"""Ahead of the optical centre: the point whose velocity SurRoL's tracking tasks command (the
distance of its camera's two links, surrol/assets/ecm/ecm.urdf)."""

_REMOTE_CENTRE_M = (0.53133, 0.0, 0.78409)
_TILT_RAD = math.radians(30.0)
"""Both as SurRoL's (its base pose and its URDF's remote centre). Ours is turned by half a turn
about its own axis, so that an unrolled picture is upright."""


@dataclass(frozen=True)
class ScopePreset(Preset):
    """A preset that also says how a world is simulated.

    Attributes:
        tier: Which world.
        ahead_m: Advance of the camera that an action of 1 commands in a control step.
        turn_rad: Turn of the view that an action of 1 commands in a control step.
        upright_gain: Share of the misorientation that the arm takes off by itself in a step.
    """

    tier: Tier = "kinematic"
    ahead_m: float = 0.0005
    turn_rad: float = 0.02
    upright_gain: float = 0.4


SCOPE_SURROL = ScopePreset(
    substeps=24,
    step_m=0.01,
    step_rad=math.radians(3.0),
    horizon=50,
    ends_on_success=False,
    harm_price=0.0,
    is_round=False,
    tier="rigid",
    turn_rad=0.05 * 0.01 / LEVER_M,
    upright_gain=0.05 * 25.0,
)
"""SurRoL's endoscope tasks (med-air/SurRoL a903fa6, surrol/tasks/ecm_env.py): 0.1 s a step, 10 mm
or 3 degrees, 50 steps that success does not end, and no harm. Its commanded velocity, 10 mm/s, and
its rate of righting, 25 a second, are taken by a twentieth."""

SCOPE_DEFAULT = ScopePreset(
    substeps=DEFAULT.substeps,
    step_m=DEFAULT.step_m,
    step_rad=math.radians(2.0),
    horizon=DEFAULT.horizon,
)
"""30 Hz; the scope rolls at up to 60 degrees/s and turns its view at up to 34 degrees/s."""


@cache
def scope_mount() -> Mount:
    """The endoscope at its stand."""
    base = np.eye(4)
    c, s = math.cos(_TILT_RAD), math.sin(_TILT_RAD)
    base[:3, :3] = [[0.0, -c, s], [1.0, 0.0, 0.0], [0.0, s, c]]
    base[:3, 3] = _REMOTE_CENTRE_M
    return Mount("ecm1", load_arm("ecm"), base)


def scope_kinematics() -> DhArm:
    """The DH table of the endoscope."""
    kinematics = scope_mount().arm.kinematics
    assert isinstance(kinematics, DhArm)
    return kinematics


@cache
def upright_pose() -> Vector:
    """(4, 4) pose of the camera whose picture counts as upright: that of all joints at zero."""
    mount, table = scope_mount(), scope_kinematics()
    pose = np.empty((4, 4))
    camera_pose(table.rows, table.tool, mount.base_in_world, np.zeros(4), pose)
    return pose
