"""Closed-form inverse of the da Vinci's patient-side manipulator.

Yaw, pitch and insertion move a shaft through the remote centre of motion, the base frame's origin;
roll, wrist pitch and wrist yaw turn the jaws. The wrist's pitch axis crosses the shaft, and its yaw
axis lies `a6` farther along the wrist's x axis, which is perpendicular to the yaw axis and, with
the shaft, lies in the plane through the remote centre: so the pose of the last frame gives the
wrist's x axis, hence the point on the shaft, hence every joint.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from halsted.robot.kinematics.dh import (
    ROUND_OFF,
    A,
    D,
    aim_shaft,
    last_frame,
    nearest_turn,
    within_limits,
)
from halsted.robot.kinematics.rigid import is_rigid

QUARTER = np.pi / 2
PSM_ALPHA = (QUARTER, -QUARTER, QUARTER, 0.0, -QUARTER, -QUARTER)
PSM_THETA = (QUARTER, -QUARTER, 0.0, 0.0, -QUARTER, -QUARTER)
"""Alpha and theta at zero of every such arm, rad: what the closed form rests on."""

_SINGULAR_M = 1e-9


@njit(cache=True, error_model="numpy")
def psm_inverse(rows, tool, lower, upper, poses, joints, reached):  # type: ignore[no-untyped-def]
    """Replace joints (m, 6) by those of poses (m, 4, 4) that are nearest; fill reached (m,).

    Joints stay as they are where a pose is not reached.
    """
    frame, found, best, axes = np.empty((3, 4)), np.empty(6), np.empty(6), np.empty((4, 3))
    for m in range(poses.shape[0]):
        reached[m] = False
        if not is_rigid(poses[m]):
            continue
        last_frame(poses[m], tool, frame)
        least = np.inf
        # Behind the remote centre the wrist's x axis may point either way.
        for side in (1.0, -1.0):
            if not _aim(rows, frame, side, lower, upper, axes, found):
                continue
            _turn_wrist(frame, axes, joints[m], lower, upper, found)
            if not within_limits(found, lower, upper):
                continue
            distance = 0.0
            for k in range(6):
                distance += (found[k] - joints[m, k]) ** 2
            if distance < least:
                least = distance
                best[:] = found
        reached[m] = least < np.inf
        if reached[m]:
            joints[m] = best


@njit(cache=True, error_model="numpy")
def _aim(rows, frame, side, lower, upper, axes, joints):  # type: ignore[no-untyped-def]
    """Set yaw, pitch and insertion for the last frame (3, 4), and fill the shaft's frame.

    Args:
        rows: The DH table.
        frame: Axes and origin of the last frame.
        side: Which way the wrist's x axis points, 1 or -1.
        lower: Lower limits.
        upper: Upper limits.
        axes: (4, 3) filled with the shaft's x and y axis, its direction, and the wrist's x axis.
        joints: (6,) of which the first three are set.

    Returns:
        Whether the insertion is within limits; at the remote centre, where no joints follow, not.
    """
    x3, y3, shaft, wrist_x = axes[0], axes[1], axes[2], axes[3]
    along = frame[0, 3] * frame[0, 2] + frame[1, 3] * frame[1, 2] + frame[2, 3] * frame[2, 2]
    length, depth, bend = 0.0, 0.0, 0.0
    for i in range(3):
        wrist_x[i] = frame[i, 3] - along * frame[i, 2]
        length += wrist_x[i] * wrist_x[i]
    length = np.sqrt(length)
    for i in range(3):
        wrist_x[i] *= side / length
        shaft[i] = frame[i, 3] - rows[5, A] * wrist_x[i]
        depth += shaft[i] * shaft[i]
        bend += shaft[i] * wrist_x[i]
    depth = np.sqrt(depth)
    if length < _SINGULAR_M or depth < _SINGULAR_M:
        return False
    if bend < 0.0:  # the wrist bends by less than a quarter turn
        depth = -depth
    joints[2] = depth - rows[2, D] - rows[3, D]
    if not lower[2] - ROUND_OFF <= joints[2] <= upper[2] + ROUND_OFF:
        return False
    for i in range(3):
        shaft[i] /= depth
    aim_shaft(shaft, joints, x3, y3)
    return True


@njit(cache=True, error_model="numpy")
def _turn_wrist(frame, axes, near, lower, upper, joints):  # type: ignore[no-untyped-def]
    """Set roll, wrist pitch and wrist yaw from the last frame's axes in the shaft's frame."""
    zx, zy, sx, sy, sz = 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(3):
        zx += axes[0, i] * frame[i, 2]
        zy += axes[1, i] * frame[i, 2]
        sx += axes[2, i] * frame[i, 0]
        sy += axes[2, i] * frame[i, 1]
        sz += axes[2, i] * frame[i, 2]
    joints[3] = nearest_turn(np.arctan2(zy, zx), near[3], lower[3], upper[3])
    joints[4] = np.arctan2(-sz, np.hypot(sx, sy))
    joints[5] = np.arctan2(sx, sy)
