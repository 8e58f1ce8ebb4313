"""Closed-form inverse of the da Vinci's endoscope arm.

Its four joints set the optical centre's position and the picture's roll. The scope passes through
the remote centre of motion, the base frame's origin, so that its direction follows from the
position: what a pose says of it is not used.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from halsted.robot.kinematics.dh import D, aim_shaft, last_frame, nearest_turn, within_limits
from halsted.robot.kinematics.rigid import is_rigid

QUARTER = np.pi / 2
ECM_ALPHA = (QUARTER, -QUARTER, QUARTER, 0.0)
ECM_THETA = (QUARTER, -QUARTER, 0.0, 0.0)
"""Alpha and theta at zero of every such arm, rad: what the closed form rests on."""

_SINGULAR = 1e-9


@njit(cache=True, error_model="numpy")
def ecm_inverse(rows, tool, lower, upper, poses, joints, reached):  # type: ignore[no-untyped-def]
    """Replace joints (m, 4) by those of poses (m, 4, 4) that are nearest; fill reached (m,).

    Joints stay as they are where a pose is not reached.
    """
    frame, found = np.empty((3, 4)), np.empty(4)
    for m in range(poses.shape[0]):
        reached[m] = False
        if not is_rigid(poses[m]):
            continue
        last_frame(poses[m], tool, frame)
        _solve(rows, frame, joints[m], lower, upper, found)
        reached[m] = within_limits(found, lower, upper)
        if reached[m]:
            joints[m] = found


@njit(cache=True, error_model="numpy")
def _solve(rows, frame, near, lower, upper, joints):  # type: ignore[no-untyped-def]
    """Fill joints (4,) for the last frame (3, 4); NaN where its position or roll says nothing."""
    shaft, x3, y3 = np.empty(3), np.empty(3), np.empty(3)
    for i in range(3):
        shaft[i] = frame[i, 3]
    depth = np.sqrt((shaft * shaft).sum())
    shaft /= depth
    aim_shaft(shaft, joints, x3, y3)
    joints[2] = depth - rows[2, D] - rows[3, D]
    x4x, x4y = 0.0, 0.0
    for i in range(3):
        x4x += x3[i] * frame[i, 0]
        x4y += y3[i] * frame[i, 0]
    joints[3] = nearest_turn(np.arctan2(x4y, x4x), near[3], lower[3], upper[3])
    if depth < _SINGULAR or np.hypot(x4x, x4y) < _SINGULAR:
        joints[:] = np.nan
