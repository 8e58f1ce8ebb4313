"""What a soft body hides from above."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from halsted.robot.tissue.body import SoftBody


def hidden_from_above(body: SoftBody, points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """For points (k, 3), world, m, whether a ray straight up from each meets tissue."""
    hidden: NDArray[np.bool_] = _hidden(body.positions, body.surface, points)
    return hidden


@njit(cache=True, error_model="numpy")
def _hidden(positions, triangles, points):  # type: ignore[no-untyped-def]
    hidden = np.zeros(len(points), np.bool_)
    for number in range(len(triangles)):
        a = positions[triangles[number, 0]]
        b = positions[triangles[number, 1]]
        c = positions[triangles[number, 2]]
        area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        if area == 0.0:
            continue
        for k in range(len(points)):
            x, y, z = points[k]
            u = ((b[0] - x) * (c[1] - y) - (b[1] - y) * (c[0] - x)) / area
            v = ((c[0] - x) * (a[1] - y) - (c[1] - y) * (a[0] - x)) / area
            w = 1.0 - u - v
            if u >= 0.0 and v >= 0.0 and w >= 0.0:
                hidden[k] |= u * a[2] + v * b[2] + w * c[2] > z
    return hidden
