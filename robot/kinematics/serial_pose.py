"""Forward kinematics and Jacobian of revolute joints in series, and the inverse of a whole pose.

The inverse is damped least squares (Wampler 1986, doi:10.1109/TSMC.1986.289285) with a damping that
shrinks with the error (Sugihara 2011, doi:10.1109/TRO.2011.2148230), so that it ends quadratically
where the pose is within reach. It begins at the posture that the answer shall be near to, whose
null space keeps it there, and where it is caught at a joint limit it begins again elsewhere.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from halsted.robot.kinematics.rigid import is_rigid

_STEPS = 100
_STARTS = 32
_LEVER_M = 0.3
"""Length that makes a rotation error one of position, m: about that of a forearm."""
_TOLERANCE_M = 1e-10
_LEAST_DAMPING = 1e-9
_STAYING = 0.02  # share of the way back that one step takes in the null space
_NEAR_M = 0.01
_MAX_JOINT_STEP_RAD = 0.4
# Generators of a sequence that is spread evenly over the ranges of up to 16 joints: powers of the
# root of x^17 = x + 1 (M. Roberts 2018, "The unreasonable effectiveness of quasirandom sequences").
_SPREAD = tuple(1.0429 ** -(number + 1) for number in range(16))


@njit(cache=True, error_model="numpy")
def tool_and_jacobian(origins, axes, tool, joints, pose, jacobian):  # type: ignore[no-untyped-def]
    """Fill the tool's pose (4, 4) and geometric Jacobian (6, n) in the base frame."""
    n = joints.shape[0]
    pivots = np.empty((n, 3))
    turns = np.empty((n, 3))
    r = np.eye(3)
    p = np.zeros(3)
    local = np.empty((3, 3))
    for k in range(n):
        o = origins[k]
        for a in range(3):
            p[a] += r[a, 0] * o[0, 3] + r[a, 1] * o[1, 3] + r[a, 2] * o[2, 3]
        r = _multiply(r, o)
        x, y, z = axes[k, 0], axes[k, 1], axes[k, 2]
        for a in range(3):
            turns[k, a] = r[a, 0] * x + r[a, 1] * y + r[a, 2] * z
            pivots[k, a] = p[a]
        s, c = np.sin(joints[k]), np.cos(joints[k])
        v = 1.0 - c
        local[0, 0], local[0, 1], local[0, 2] = x * x * v + c, x * y * v - z * s, x * z * v + y * s
        local[1, 0], local[1, 1], local[1, 2] = y * x * v + z * s, y * y * v + c, y * z * v - x * s
        local[2, 0], local[2, 1], local[2, 2] = z * x * v - y * s, z * y * v + x * s, z * z * v + c
        r = _multiply(r, local)
    for a in range(3):
        for b in range(3):
            pose[a, b] = r[a, 0] * tool[0, b] + r[a, 1] * tool[1, b] + r[a, 2] * tool[2, b]
        pose[a, 3] = p[a] + r[a, 0] * tool[0, 3] + r[a, 1] * tool[1, 3] + r[a, 2] * tool[2, 3]
        pose[3, a] = 0.0
    pose[3, 3] = 1.0
    _fill_jacobian(turns, pivots, pose, jacobian)


@njit(cache=True, error_model="numpy")
def _fill_jacobian(turns, pivots, pose, jacobian):  # type: ignore[no-untyped-def]
    for k in range(turns.shape[0]):
        wx, wy, wz = turns[k, 0], turns[k, 1], turns[k, 2]
        lx, ly, lz = (
            pose[0, 3] - pivots[k, 0],
            pose[1, 3] - pivots[k, 1],
            pose[2, 3] - pivots[k, 2],
        )
        jacobian[0, k] = wy * lz - wz * ly
        jacobian[1, k] = wz * lx - wx * lz
        jacobian[2, k] = wx * ly - wy * lx
        jacobian[3, k], jacobian[4, k], jacobian[5, k] = wx, wy, wz


@njit(cache=True, error_model="numpy")
def _multiply(a, b):  # type: ignore[no-untyped-def]
    """The product of the upper left 3x3 of two matrices."""
    out = np.empty((3, 3))
    for i in range(3):
        for j in range(3):
            out[i, j] = a[i, 0] * b[0, j] + a[i, 1] * b[1, j] + a[i, 2] * b[2, j]
    return out


@njit(cache=True, error_model="numpy")
def serial_forward(origins, axes, tool, joints, poses):  # type: ignore[no-untyped-def]
    """Fill the tool's poses (m, 4, 4) in the base frame for joints (m, n)."""
    jacobian = np.empty((6, joints.shape[1]))
    for m in range(joints.shape[0]):
        tool_and_jacobian(origins, axes, tool, joints[m], poses[m], jacobian)


@njit(cache=True, error_model="numpy")
def serial_inverse(origins, axes, tool, lower, upper, poses, joints, reached):  # type: ignore[no-untyped-def]
    """Replace joints (m, n) by those of poses (m, 4, 4); fill reached (m,).

    Joints stay as they are where a pose is not reached.
    """
    n = joints.shape[1]
    found, rest = np.empty(n), np.empty(n)
    for m in range(poses.shape[0]):
        reached[m] = False
        if not is_rigid(poses[m]):
            continue
        for k in range(n):
            rest[k] = min(max(joints[m, k], lower[k]), upper[k])
        found[:] = rest
        for start in range(_STARTS):
            if start > 0:
                for k in range(n):
                    share = (0.5 + start * _SPREAD[k % len(_SPREAD)]) % 1.0
                    found[k] = lower[k] + share * (upper[k] - lower[k])
            if _descend(origins, axes, tool, lower, upper, poses[m], rest, found):
                reached[m] = True
                joints[m] = found
                break


@njit(cache=True, error_model="numpy")
def _descend(origins, axes, tool, lower, upper, wanted, rest, joints):  # type: ignore[no-untyped-def]
    """Improve joints (n,) in place until they give the wanted pose; whether they do."""
    n = joints.shape[0]
    pose, jacobian, error = np.empty((4, 4)), np.empty((6, n)), np.empty(6)
    square, pull = np.empty((6, 6)), np.empty(n)
    for _ in range(_STEPS):
        tool_and_jacobian(origins, axes, tool, joints, pose, jacobian)
        _pose_error(pose, wanted, error)
        size = 0.0
        for a in range(6):
            size += error[a] * error[a]
        if size < _TOLERANCE_M * _TOLERANCE_M:
            return True
        # It fades with the error, or the null space would keep the task from converging.
        staying = _STAYING * min(1.0, np.sqrt(size) / _NEAR_M)
        for k in range(n):
            for a in range(3, 6):
                jacobian[a, k] *= _LEVER_M
            pull[k] = staying * (rest[k] - joints[k])
        damp(jacobian, error, min(size, 1.0) * 1e-2 + _LEAST_DAMPING, square, pull)
        step_within(pull, lower, upper, _MAX_JOINT_STEP_RAD, joints)
    return False


@njit(cache=True, error_model="numpy")
def _pose_error(pose, wanted, error):  # type: ignore[no-untyped-def]
    """Fill the error (6,), m: of position, and of the rotation vector times the lever.

    The rotation vector comes from the antisymmetric part, or from a frame's axis where the turn is
    near to a half one, which the antisymmetric part does not see.
    """
    for a in range(3):
        error[a] = wanted[a, 3] - pose[a, 3]
        error[3 + a] = 0.0
    trace = 0.0
    for c in range(3):
        for a in range(3):
            b, d = (a + 1) % 3, (a + 2) % 3
            error[3 + a] += 0.5 * (pose[b, c] * wanted[d, c] - pose[d, c] * wanted[b, c])
            trace += pose[a, c] * wanted[a, c]
    sine = np.sqrt(error[3] ** 2 + error[4] ** 2 + error[5] ** 2)
    angle = np.arctan2(sine, 0.5 * (trace - 1.0))
    scale = _LEVER_M * (angle / sine if sine > 1e-9 else 1.0)
    for a in range(3, 6):
        error[a] *= scale
    if sine <= 1e-9 and trace < 0.0:
        error[3] = _LEVER_M * np.pi


@njit(cache=True, error_model="numpy")
def damp(task, error, damping, square, pull):  # type: ignore[no-untyped-def]
    """Turn a pull (n,) in the null space of a task (t, n) into the damped least-squares step.

    Args:
        task: Jacobian of the task.
        error: (t,) what the step shall remove; overwritten.
        damping: Added to the diagonal of the normal equations.
        square: (t, t) scratch.
        pull: (n,) what the null space may do; becomes the step.
    """
    t, n = task.shape
    for a in range(t):
        for k in range(n):
            error[a] -= task[a, k] * pull[k]
        for b in range(t):
            total = 0.0
            for k in range(n):
                total += task[a, k] * task[b, k]
            square[a, b] = total
        square[a, a] += damping
    _solve_in_place(square, error)
    for k in range(n):
        for a in range(t):
            pull[k] += task[a, k] * error[a]


@njit(cache=True, error_model="numpy")
def step_within(step, lower, upper, longest, joints):  # type: ignore[no-untyped-def]
    """Move joints by a step, shortened to `longest` in its largest entry, within limits."""
    largest = 1e-12
    for k in range(step.shape[0]):
        largest = max(largest, abs(step[k]))
    scale = min(1.0, longest / largest)
    for k in range(step.shape[0]):
        joints[k] = min(max(joints[k] + scale * step[k], lower[k]), upper[k])


@njit(cache=True, error_model="numpy")
def _solve_in_place(matrix, vector):  # type: ignore[no-untyped-def]
    """Solve a small symmetric positive definite system by Cholesky; the answer is in `vector`."""
    n = vector.shape[0]
    for i in range(n):
        for j in range(i + 1):
            total = matrix[i, j]
            for k in range(j):
                total -= matrix[i, k] * matrix[j, k]
            if i == j:
                matrix[i, i] = np.sqrt(max(total, 1e-18))
            else:
                matrix[i, j] = total / matrix[j, j]
    for i in range(n):
        for k in range(i):
            vector[i] -= matrix[i, k] * vector[k]
        vector[i] /= matrix[i, i]
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            vector[i] -= matrix[k, i] * vector[k]
        vector[i] /= matrix[i, i]
