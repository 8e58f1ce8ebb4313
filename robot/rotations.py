"""Small conversions between rotation matrices, quaternions and angles."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def quaternion_of(rotation: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """The unit quaternion (x, y, z, w), w >= 0, of a rotation matrix (3, 3).

    After Shepperd 1978 (doi:10.2514/3.55767b): the largest component is found first, so that no
    rotation is ill-conditioned.
    """
    m = rotation.tolist()
    trace = m[0][0] + m[1][1] + m[2][2]
    squares = (m[0][0], m[1][1], m[2][2], trace)
    largest = squares.index(max(squares))
    if largest == 3:
        q = [m[2][1] - m[1][2], m[0][2] - m[2][0], m[1][0] - m[0][1], 1.0 + trace]
    else:
        i, j, k = largest, (largest + 1) % 3, (largest + 2) % 3
        q = [0.0] * 4
        q[i] = 1.0 - trace + 2.0 * m[i][i]
        q[j] = m[j][i] + m[i][j]
        q[k] = m[k][i] + m[i][k]
        q[3] = m[k][j] - m[j][k]
    size = math.copysign(math.sqrt(sum(value * value for value in q)), q[3] if q[3] else 1.0)
    x, y, z, w = (value / size for value in q)
    return x, y, z, w


def rotation_of(quaternion: Sequence[float]) -> NDArray[np.float64]:
    """The rotation matrix (3, 3) of a unit quaternion (x, y, z, w)."""
    x, y, z, w = quaternion
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def yaw_of(quaternion: Sequence[float]) -> float:
    """Heading, rad, in (-pi, pi], of a body's x axis about the world's z axis."""
    x, y, z, w = quaternion
    return math.atan2(2 * (x * y + z * w), 1 - 2 * (y * y + z * z))


def quaternion_of_yaw(yaw: float) -> tuple[float, float, float, float]:
    """The quaternion (x, y, z, w) of a turn about the z axis, rad."""
    return 0.0, 0.0, math.sin(yaw / 2), math.cos(yaw / 2)


def wrapped(angle: float) -> float:
    """The same angle in [-pi, pi), rad."""
    return (angle + math.pi) % (2 * math.pi) - math.pi
