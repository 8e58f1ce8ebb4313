"""The inverse of a straight needle's line, and where its tip is.

A needle is a line: its roll about itself does not matter, so a task has five degrees of freedom,
the tip's position and the needle's direction. The inverse is damped least squares
(Wampler 1986, doi:10.1109/TSMC.1986.289285) with the arm's redundancy spent on staying near its
home posture; it is iterated to a tolerance, unlike PyBullet's own, which ends millimetres short.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from halsted.robot.kinematics.serial_pose import damp, step_within, tool_and_jacobian

_DAMPING = 1e-4
_HOMING = 0.05  # share of the way home that one iteration takes in the null space
_MAX_JOINT_STEP_RAD = 0.3
_POSITION_TOLERANCE_M = 1e-6
_DIRECTION_TOLERANCE = 1e-6


@njit(cache=True, error_model="numpy")
def forward(origins, axes, tool, joints, position, direction, jacobian):  # type: ignore[no-untyped-def]
    """Fill the tip's position (3,), direction (3,) and geometric Jacobian (6, n), base frame."""
    pose = np.empty((4, 4))
    tool_and_jacobian(origins, axes, tool, joints, pose, jacobian)
    for a in range(3):
        position[a] = pose[a, 3]
        direction[a] = pose[a, 2]


@njit(cache=True, error_model="numpy")
def inverse(  # type: ignore[no-untyped-def]
    origins, axes, tool, lower, upper, position, direction, home, iterations, joints
):
    """Improve `joints` in place; return the remaining miss in metres. See `Chain.solve`.

    The five task errors are the tip's position and the needle direction's components along two
    fixed normals of the wanted direction, on a lever of 0.1 m so that both are lengths.
    """
    lever = 0.1
    n = joints.shape[0]
    at, along = np.empty(3), np.empty(3)
    full = np.empty((6, n))
    task = np.empty((5, n))
    error = np.empty(5)
    square, pull = np.empty((5, 5)), np.empty(n)
    # Two normals of the wanted direction; begun from the world axis least along it.
    least = np.argmin(np.abs(direction))
    first = np.zeros(3)
    first[least] = 1.0
    first -= direction * direction[least]
    first /= np.sqrt((first * first).sum())
    second = np.cross(direction, first)
    miss = np.inf
    for iteration in range(iterations + 1):
        forward(origins, axes, tool, joints, at, along, full)
        facing = (along * direction).sum()
        for a in range(3):
            error[a] = position[a] - at[a]
        error[3] = -lever * (first * along).sum()
        error[4] = -lever * (second * along).sum()
        position_miss = np.sqrt(error[0] ** 2 + error[1] ** 2 + error[2] ** 2)
        direction_miss = np.sqrt(error[3] ** 2 + error[4] ** 2)
        if facing < 0.0:
            direction_miss = 2.0 * lever - direction_miss
        miss = position_miss + direction_miss
        if position_miss < _POSITION_TOLERANCE_M and direction_miss < _DIRECTION_TOLERANCE * lever:
            break
        if iteration == iterations:
            break
        for k in range(n):
            for a in range(3):
                task[a, k] = full[a, k]
            # d(along) = w x along, so its component along a normal u is w . (along x u).
            w0, w1, w2 = full[3, k], full[4, k], full[5, k]
            t0, t1, t2 = (
                w1 * along[2] - w2 * along[1],
                w2 * along[0] - w0 * along[2],
                w0 * along[1] - w1 * along[0],
            )
            task[3, k] = lever * (first[0] * t0 + first[1] * t1 + first[2] * t2)
            task[4, k] = lever * (second[0] * t0 + second[1] * t1 + second[2] * t2)
        for k in range(n):
            pull[k] = _HOMING * (home[k] - joints[k])
        damp(task, error, _DAMPING * _DAMPING, square, pull)
        step_within(pull, lower, upper, _MAX_JOINT_STEP_RAD, joints)
    return miss
