"""Arms described by a table of modified Denavit-Hartenberg parameters.

The convention is that of Craig (Introduction to Robotics, 1989): frame i is reached from frame
i - 1 by a rotation alpha about x, a translation a along x, a rotation theta about z and a
translation d along z. A revolute joint adds its value to theta, a prismatic one to d.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from halsted.robot.kinematics.arrays import joints_by, poses_by

# Columns of a table's rows.
COS_ALPHA, SIN_ALPHA, A, THETA, D, PRISMATIC = range(6)

ROUND_OFF = 1e-9
"""Excess over a joint's limit, rad or m, that is rounding and no violation."""


@dataclass(frozen=True, eq=False)
class DhArm:
    """An arm of a DH table whose inverse has a closed form.

    Attributes:
        names: (n) joint names, base first.
        rows: (n, 6) the table: cosine and sine of alpha, a (m), theta (rad) and d (m) of the joint
            at zero, and 1 where it is prismatic.
        lower: (n,) lower limits, rad or m.
        upper: (n,) upper limits, rad or m.
        tool: 4x4 pose of the tool frame in the last frame, m.
        kernel: The closed form, which improves joints (m, n) in place and fills reached (m,).
    """

    names: tuple[str, ...]
    rows: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    tool: NDArray[np.float64]
    kernel: Callable[..., Any]

    def forward(self, joints: NDArray[np.float64]) -> NDArray[np.float64]:
        """Poses (..., 4, 4) of the tool frame in the base frame, m, at joints (..., n)."""
        return poses_by(forward_batch, (self.rows, self.tool), joints, len(self.lower))

    def inverse(
        self, poses: NDArray[np.float64], near: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Joints (..., n) of tool poses (..., 4, 4), and where they are reached; see `Arm`."""
        table = self.rows, self.tool, self.lower, self.upper
        return joints_by(self.kernel, table, poses, near, len(self.lower))


def dh_row(alpha: float, a: float, d: float, offset: float, prismatic: bool) -> list[float]:
    """A row of `DhArm.rows`.

    Args:
        alpha: Rotation about x, rad.
        a: Translation along x, m.
        d: Translation along z, m.
        offset: What is added to the joint's value, rad or m.
        prismatic: Whether the joint slides along z, or turns about it.
    """
    theta, along = (0.0, d + offset) if prismatic else (offset, d)
    return [np.cos(alpha), np.sin(alpha), a, theta, along, float(prismatic)]


@njit(cache=True, error_model="numpy")
def forward_batch(rows, tool, joints, poses):  # type: ignore[no-untyped-def]
    """Fill the tool's poses (m, 4, 4) in the base frame for joints (m, n)."""
    for m in range(joints.shape[0]):
        forward_one(rows, tool, joints[m], poses[m])


@njit(cache=True, error_model="numpy")
def forward_one(rows, tool, joints, pose):  # type: ignore[no-untyped-def]
    """Fill the tool's pose (4, 4) in the base frame for joints (n,)."""
    # Columns x, y, z and origin o of the frame reached so far.
    x0, x1, x2, y0, y1, y2, z0, z1, z2 = 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0
    o0, o1, o2 = 0.0, 0.0, 0.0
    for k in range(rows.shape[0]):
        ca, sa, a = rows[k, COS_ALPHA], rows[k, SIN_ALPHA], rows[k, A]
        slides = rows[k, PRISMATIC]
        theta = rows[k, THETA] + (1.0 - slides) * joints[k]
        d = rows[k, D] + slides * joints[k]
        v0, v1, v2 = ca * y0 + sa * z0, ca * y1 + sa * z1, ca * y2 + sa * z2
        z0, z1, z2 = ca * z0 - sa * y0, ca * z1 - sa * y1, ca * z2 - sa * y2
        o0, o1, o2 = o0 + a * x0 + d * z0, o1 + a * x1 + d * z1, o2 + a * x2 + d * z2
        c, s = np.cos(theta), np.sin(theta)
        y0, y1, y2 = c * v0 - s * x0, c * v1 - s * x1, c * v2 - s * x2
        x0, x1, x2 = c * x0 + s * v0, c * x1 + s * v1, c * x2 + s * v2
    for j in range(4):
        t0, t1, t2, t3 = tool[0, j], tool[1, j], tool[2, j], tool[3, j]
        pose[0, j] = x0 * t0 + y0 * t1 + z0 * t2 + o0 * t3
        pose[1, j] = x1 * t0 + y1 * t1 + z1 * t2 + o1 * t3
        pose[2, j] = x2 * t0 + y2 * t1 + z2 * t2 + o2 * t3
        pose[3, j] = t3


@njit(cache=True, error_model="numpy")
def last_frame(pose, tool, frame):  # type: ignore[no-untyped-def]
    """Fill the last DH frame (3, 4) in the base frame from the tool's pose."""
    for i in range(3):
        for j in range(3):
            frame[i, j] = (
                pose[i, 0] * tool[j, 0] + pose[i, 1] * tool[j, 1] + pose[i, 2] * tool[j, 2]
            )
        frame[i, 3] = pose[i, 3] - (
            frame[i, 0] * tool[0, 3] + frame[i, 1] * tool[1, 3] + frame[i, 2] * tool[2, 3]
        )


@njit(cache=True, error_model="numpy")
def aim_shaft(shaft, joints, x3, y3):  # type: ignore[no-untyped-def]
    """Set yaw and pitch so that the shaft points along `shaft` (3,), and fill its frame's axes.

    The arms of the da Vinci share their first three rows, by which the shaft points along
    (cos q2 sin q1, -sin q2, -cos q2 cos q1). Of its two solutions that with a pitch within a
    quarter turn is taken; the other lies beyond every such arm's limits.
    """
    joints[0] = np.arctan2(shaft[0], -shaft[2])
    joints[1] = np.arctan2(-shaft[1], np.hypot(shaft[0], shaft[2]))
    s1, c1 = np.sin(joints[0]), np.cos(joints[0])
    s2, c2 = np.sin(joints[1]), np.cos(joints[1])
    x3[0], x3[1], x3[2] = -s2 * s1, -c2, s2 * c1
    y3[0] = shaft[1] * x3[2] - shaft[2] * x3[1]
    y3[1] = shaft[2] * x3[0] - shaft[0] * x3[2]
    y3[2] = shaft[0] * x3[1] - shaft[1] * x3[0]


@njit(cache=True, error_model="numpy")
def nearest_turn(angle, near, lower, upper):  # type: ignore[no-untyped-def]
    """The angle plus that whole turn within limits which is nearest to `near`; else the angle."""
    best, distance = angle, np.inf
    for turn in range(-1, 2):
        other = angle + turn * 2.0 * np.pi
        if lower - ROUND_OFF <= other <= upper + ROUND_OFF and abs(other - near) < distance:
            best, distance = other, abs(other - near)
    return best


@njit(cache=True, error_model="numpy")
def within_limits(joints, lower, upper):  # type: ignore[no-untyped-def]
    """Whether all joints are within limits (NaN is not); excess by rounding is taken off."""
    for k in range(joints.shape[0]):
        if not lower[k] - ROUND_OFF <= joints[k] <= upper[k] + ROUND_OFF:
            return False
        joints[k] = min(max(joints[k], lower[k]), upper[k])
    return True
