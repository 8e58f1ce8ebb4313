"""The arrays that kinematics is called with. Kernels trust shapes, so they are checked before."""

from __future__ import annotations

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
