"""How an endoscope moves about its remote centre, and what it has in view; numba, closed form.

Joints (4,) are those of the `ecm`: yaw, pitch, insertion, roll. A camera pose (4, 4) has x to the
right of the picture, y down and z along the view.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from halsted.robot.kinematics.dh import ROUND_OFF, D, forward_one, within_limits


@njit(cache=True, error_model="numpy")
def camera_pose(rows, tool, base, joints, pose):  # type: ignore[no-untyped-def]
    """Fill the camera's pose (4, 4) in the world.

    Args:
        rows: The arm's DH table.
        tool: 4x4 pose of the tool in the last frame.
        base: 4x4 pose of the arm's base in the world, m.
        joints: (4,) rad or m.
        pose: Filled.
    """
    local = np.empty((4, 4))
    forward_one(rows, tool, joints, local)
    for i in range(4):
        for j in range(4):
            pose[i, j] = (
                base[i, 0] * local[0, j]
                + base[i, 1] * local[1, j]
                + base[i, 2] * local[2, j]
                + base[i, 3] * local[3, j]
            )


@njit(cache=True, error_model="numpy")
def misorientation(pose, upright):  # type: ignore[no-untyped-def]
    """How far a picture is turned, rad in (-pi, pi], against that of an upright camera.

    Both see the world's x and y axes, by parallel projection. Of the linear map (2, 2) that takes
    these axes in the one picture to those in the other, it is the rotation (its polar factor). It
    is the angle that SurRoL's tracking tasks correct (med-air/SurRoL a903fa6,
    surrol/robots/ecm.py). A roll of the camera adds to it.
    """
    p00, p01, p10, p11 = pose[0, 0], pose[0, 1], pose[1, 0], pose[1, 1]
    u00, u01, u10, u11 = upright[0, 0], upright[0, 1], upright[1, 0], upright[1, 1]
    # Of upright^T (pose^T)^-1 times the determinant, which is negative for neither or for both.
    sine = u00 * p10 - u10 * p00 + u01 * p11 - u11 * p01
    cosine = u00 * p11 - u10 * p01 - u01 * p10 + u11 * p00
    sign = 1.0 if p00 * p11 - p01 * p10 > 0.0 else -1.0
    return np.arctan2(sign * sine, sign * cosine)


@njit(cache=True, error_model="numpy")
def project(pose, point, half_angle_tan):  # type: ignore[no-untyped-def]
    """Where a point (3,), world m, is in a square picture: to the right, down, and its depth, m.

    The edges of the picture are at -1 and 1. A point beside or behind the camera is told at the
    place where its direction leaves a picture of any width.
    """
    dx, dy, dz = point[0] - pose[0, 3], point[1] - pose[1, 3], point[2] - pose[2, 3]
    x = pose[0, 0] * dx + pose[1, 0] * dy + pose[2, 0] * dz
    y = pose[0, 1] * dx + pose[1, 1] * dy + pose[2, 1] * dz
    z = pose[0, 2] * dx + pose[1, 2] * dy + pose[2, 2] * dz
    scale = 1.0 / (max(z, 1e-3) * half_angle_tan)
    return x * scale, y * scale, z


@njit(cache=True, error_model="numpy")
def shift_scope(rows, tool, base, lower, upper, box, joints, shift):  # type: ignore[no-untyped-def]
    """Move the optical centre by `shift` (3,), m, in the arm's base frame; the roll stays.

    Args:
        rows: The arm's DH table.
        tool: 4x4 pose of the tool in the last frame.
        base: 4x4 pose of the arm's base in the world, m.
        lower: (4,) lower limits.
        upper: (4,) upper limits.
        box: (3, 2) bounds, world m, of where the optical centre may go.
        joints: (4,) replaced; left alone where the place is not reached.
        shift: What is asked.

    Returns:
        Whether the step was taken whole: it is cut short at the box's edge.
    """
    pose, place, inside = np.empty((4, 4)), np.empty(3), True
    forward_one(rows, tool, joints, pose)
    for i in range(3):
        place[i] = pose[i, 3] + shift[i]
    held = np.empty(3)
    for i in range(3):
        at = base[i, 0] * place[0] + base[i, 1] * place[1] + base[i, 2] * place[2] + base[i, 3]
        held[i] = min(max(at, box[i, 0]), box[i, 1])
        inside &= abs(held[i] - at) <= ROUND_OFF
    if not inside:
        for i in range(3):
            place[i] = 0.0
            for j in range(3):
                place[i] += base[j, i] * (held[j] - base[j, 3])
    return point_scope(rows, lower, upper, joints, place) and inside


@njit(cache=True, error_model="numpy")
def point_scope(rows, lower, upper, joints, place):  # type: ignore[no-untyped-def]
    """Bring the last frame's origin to a place (3,), m, in the base frame; whether it is reached.

    For a scope whose tool frame has that origin, as the `ecm`'s. Joints (4,) are replaced, but for
    the roll, or left alone.
    """
    found = np.empty(4)
    depth = np.sqrt(place[0] ** 2 + place[1] ** 2 + place[2] ** 2)
    # As `aim_shaft`, which also makes the axes that only a roll needs.
    found[0] = np.arctan2(place[0], -place[2])
    found[1] = np.arctan2(-place[1], np.hypot(place[0], place[2]))
    found[2] = depth - rows[2, D] - rows[3, D]
    found[3] = joints[3]
    if not within_limits(found, lower, upper):
        return False
    joints[:] = found
    return True


@njit(cache=True, error_model="numpy")
def roll_scope(lower, upper, joints, turn):  # type: ignore[no-untyped-def]
    """Roll the scope (4,) by `turn`, rad, or, beyond its limits, not at all; whether it did."""
    roll = joints[3] + turn
    if not lower[3] <= roll <= upper[3]:
        return False
    joints[3] = roll
    return True


@njit(cache=True, error_model="numpy")
def steer_scope(rows, tool, lower, upper, joints, right, down, ahead, turn):  # type: ignore[no-untyped-def]
    """Turn the view to the right and down, rad, move ahead, m, and roll, rad.

    The roll ends at its limits. Joints (4,) are replaced, or left alone where yaw, pitch or
    insertion would be beyond theirs.

    Returns:
        Whether the step was taken.
    """
    pose, place = np.empty((4, 4)), np.empty(3)
    forward_one(rows, tool, joints, pose)
    depth = joints[2] + rows[2, D] + rows[3, D] + ahead
    length = np.sqrt(1.0 + right * right + down * down)
    for i in range(3):
        place[i] = (pose[i, 2] + right * pose[i, 0] + down * pose[i, 1]) * depth / length
    roll = joints[3]
    joints[3] = min(max(roll + turn, lower[3]), upper[3])
    if point_scope(rows, lower, upper, joints, place):
        return True
    joints[3] = roll
    return False
