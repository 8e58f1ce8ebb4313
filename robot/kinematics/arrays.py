"""The arrays that kinematics is called with. Kernels trust shapes, so they are checked before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halsted.robot.errors import ArmError


def joint_array(joints: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Joint values (..., count) as a contiguous array, which may be the given one.

    Raises:
        ArmError: the last dimension is another.
    """
    values = np.ascontiguousarray(joints, dtype=np.float64)
    if values.shape[-1] != count:
        raise ArmError(
            f"joint values of shape {np.shape(joints)} were given to an arm of {count} joints; "
            f"give (..., {count}), without the jaws"
        )
    return values


def pose_array(poses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Poses (..., 4, 4) as a contiguous array, which may be the given one.

    Raises:
        ArmError: the last dimensions are others.
    """
    values = np.ascontiguousarray(poses, dtype=np.float64)
    if values.shape[-2:] != (4, 4):
        raise ArmError(f"poses of shape {np.shape(poses)} were given; give (..., 4, 4)")
    return values


def start_array(near: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Joint values (..., count) of one shape, always a copy: a solution is written into it.

    Raises:
        ArmError: they cannot be broadcast to it.
    """
    values = np.array(near, dtype=np.float64)
    if values.shape == shape:
        return values
    try:
        return np.array(np.broadcast_to(values, shape))
    except ValueError as error:
        raise ArmError(
            f"joint values of shape {values.shape} were given as near, which do not fit the poses' "
            f"{shape}; give one set for all or one a pose, without the jaws"
        ) from error


def poses_by(
    kernel: Callable[..., Any], table: tuple[Any, ...], joints: NDArray[np.float64], count: int
) -> NDArray[np.float64]:
    """Poses (..., 4, 4) that a forward kernel gives for joint values (..., count).

    Args:
        kernel: Called with `table`, joints (m, count) and poses (m, 4, 4), which it fills.
        table: What it needs of the arm.
        joints: The joint values, rad or m.
        count: How many joints the arm has.
    """
    joints = joint_array(joints, count)
    poses = np.empty((*joints.shape[:-1], 4, 4))
    kernel(*table, joints.reshape(-1, count), poses.reshape(-1, 4, 4))
    return poses


def joints_by(
    kernel: Callable[..., Any],
    table: tuple[Any, ...],
    poses: NDArray[np.float64],
    near: NDArray[np.float64],
    count: int,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Joint values (..., count) that an inverse kernel gives for poses, and where they are reached.

    Args:
        kernel: Called with `table`, poses (m, 4, 4), joints (m, count) that begin at `near` and are
            improved in place, and reached (m,), which it fills.
        table: What it needs of the arm.
        poses: (..., 4, 4) of the tool frame, m.
        near: (..., count) joint values to stay close to, rad or m.
        count: How many joints the arm has.
    """
    poses = pose_array(poses)
    shape = poses.shape[:-2]
    joints = start_array(near, (*shape, count))
    reached = np.empty(shape, dtype=np.bool_)
    kernel(*table, poses.reshape(-1, 4, 4), joints.reshape(-1, count), reached.reshape(-1))
    return joints, reached
