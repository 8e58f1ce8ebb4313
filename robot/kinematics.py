"""Forward and inverse kinematics of a serial arm that carries a straight needle.

A needle is a line: its roll about itself does not matter, so a task has five degrees of freedom,
the tip's position and the needle's direction. The inverse is damped least squares
(Wampler 1986, doi:10.1109/TSMC.1986.289285) with the arm's redundancy spent on staying near its
home posture; it is iterated to a tolerance, unlike PyBullet's own, which ends millimetres short.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numba import njit
from numpy.typing import NDArray

from halsted.robot.errors import ArmError

_DAMPING = 1e-4
_HOMING = 0.05  # share of the way home that one iteration takes in the null space
_MAX_JOINT_STEP_RAD = 0.3
_POSITION_TOLERANCE_M = 1e-6
_DIRECTION_TOLERANCE = 1e-6


@dataclass(frozen=True, eq=False)
class Chain:
    """Revolute joints in series from an arm's base to a tool frame.

    Attributes:
        names: Joint names, base first.
        origins: (n, 4, 4) pose of each joint's frame, at zero angle, in its parent link, m.
        axes: (n, 3) unit axis of each joint in its own frame.
        lower: (n,) lower limits, rad.
        upper: (n,) upper limits, rad.
        tool: 4x4 pose of the needle tip in the last link, m; its z axis points along the needle.
    """

    names: tuple[str, ...]
    origins: NDArray[np.float64]
    axes: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    tool: NDArray[np.float64]

    def tip(self, joints: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Position (3,), m, and direction (3,) of the needle in the base frame.

        Args:
            joints: (n,) joint angles, rad.
        """
        position, direction = np.empty(3), np.empty(3)
        jacobian = np.empty((6, len(joints)))
        forward(self.origins, self.axes, self.tool, joints, position, direction, jacobian)
        return position, direction

    def solve(
        self,
        position: NDArray[np.float64],
        direction: NDArray[np.float64],
        start: NDArray[np.float64],
        home: NDArray[np.float64],
        iterations: int = 100,
    ) -> tuple[NDArray[np.float64], float]:
        """Joint angles that bring the needle to a position and direction, within limits.

        Args:
            position: (3,) of the tip in the base frame, m.
            direction: (3,) unit vector along the needle in the base frame.
            start: (n,) joint angles to begin at, rad.
            home: (n,) joint angles that redundancy is drawn to, rad.
            iterations: Most steps taken.

        Returns:
            The angles (n,), rad, and the distance, m, by which the tip misses (a direction error
            counts as that of a 0.1 m lever). The caller decides what miss it can accept.
        """
        joints = np.array(start, dtype=np.float64)
        miss = inverse(
            self.origins,
            self.axes,
            self.tool,
            self.lower,
            self.upper,
            position,
            direction,
            home,
            iterations,
            joints,
        )
        return joints, float(miss)


def chain_from_urdf(urdf: Path, flange: str, tool: NDArray[np.float64]) -> Chain:
    """The chain of revolute joints from the root of a URDF to its link `flange`.

    Raises:
        ArmError: the file is no URDF, the link is missing, or a joint between is not revolute.
    """
    try:
        root = ElementTree.parse(urdf).getroot()
    except (OSError, ElementTree.ParseError) as error:
        raise ArmError(f"{urdf} cannot be read as a URDF ({error}); check the arm.yaml") from error
    by_child = {_attribute(joint, "child", "link"): joint for joint in root.iter("joint")}
    joints, link = [], flange
    while link in by_child:
        joints.append(by_child[link])
        link = _attribute(by_child[link], "parent", "link")
    if not joints:
        raise ArmError(f"{urdf} has no link {flange!r} at the end of a joint; check the arm.yaml")
    joints.reverse()
    for joint in joints:
        if joint.get("type") not in ("revolute", "continuous"):
            raise ArmError(
                f"joint {joint.get('name')!r} of {urdf} is {joint.get('type')}, but only revolute "
                "joints are supported between base and flange"
            )
    limits = [joint.find("limit") for joint in joints]
    return Chain(
        names=tuple(str(joint.get("name")) for joint in joints),
        origins=np.array([_origin(joint) for joint in joints]),
        axes=np.array([_numbers(_attribute(joint, "axis", "xyz")) for joint in joints]),
        lower=np.array([-np.pi if x is None else float(x.get("lower", -np.pi)) for x in limits]),
        upper=np.array([np.pi if x is None else float(x.get("upper", np.pi)) for x in limits]),
        tool=tool,
    )


def _attribute(joint: ElementTree.Element, child: str, name: str) -> str:
    element = joint.find(child)
    value = None if element is None else element.get(name)
    if value is None:
        raise ArmError(f"joint {joint.get('name')!r} of the URDF lacks {child}/{name}; complete it")
    return value


def _numbers(text: str) -> list[float]:
    return [float(word) for word in text.split()]


def _origin(joint: ElementTree.Element) -> NDArray[np.float64]:
    element = joint.find("origin")
    pose = np.eye(4)
    if element is not None:
        pose[:3, :3] = rotation_from_rpy(_numbers(element.get("rpy", "0 0 0")))
        pose[:3, 3] = _numbers(element.get("xyz", "0 0 0"))
    return pose


def rotation_from_rpy(rpy: Sequence[float]) -> NDArray[np.float64]:
    """The 3x3 rotation of URDF's fixed-axis roll, pitch and yaw, rad."""
    (cr, cp, cy), (sr, sp, sy) = np.cos(rpy), np.sin(rpy)
    return np.array(
        [
            [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
            [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
            [-sp, cp * sr, cp * cr],
        ]
    )


@njit(cache=True, error_model="numpy")
def forward(origins, axes, tool, joints, position, direction, jacobian):  # type: ignore[no-untyped-def]
    """Fill the tip's position (3,), direction (3,) and geometric Jacobian (6, n), base frame."""
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
        position[a] = p[a] + r[a, 0] * tool[0, 3] + r[a, 1] * tool[1, 3] + r[a, 2] * tool[2, 3]
        direction[a] = r[a, 0] * tool[0, 2] + r[a, 1] * tool[1, 2] + r[a, 2] * tool[2, 2]
    for k in range(n):
        wx, wy, wz = turns[k, 0], turns[k, 1], turns[k, 2]
        lx, ly, lz = (
            position[0] - pivots[k, 0],
            position[1] - pivots[k, 1],
            position[2] - pivots[k, 2],
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
        _step(task, error, lower, upper, home, joints)
    return miss


@njit(cache=True, error_model="numpy")
def _step(task, error, lower, upper, home, joints):  # type: ignore[no-untyped-def]
    """One damped least-squares step towards the task, and in its null space towards home."""
    n = joints.shape[0]
    pull = np.empty(n)
    for k in range(n):
        pull[k] = _HOMING * (home[k] - joints[k])
    rest = np.empty(5)
    square = np.empty((5, 5))
    for a in range(5):
        rest[a] = error[a]
        for k in range(n):
            rest[a] -= task[a, k] * pull[k]
        for b in range(5):
            total = 0.0
            for k in range(n):
                total += task[a, k] * task[b, k]
            square[a, b] = total
        square[a, a] += _DAMPING * _DAMPING
    _solve_in_place(square, rest)
    largest = 0.0
    for k in range(n):
        for a in range(5):
            pull[k] += task[a, k] * rest[a]
        largest = max(largest, abs(pull[k]))
    scale = min(1.0, _MAX_JOINT_STEP_RAD / max(largest, 1e-12))
    for k in range(n):
        joints[k] = min(max(joints[k] + scale * pull[k], lower[k]), upper[k])


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
