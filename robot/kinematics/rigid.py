"""What a pose has to be before joints are sought for it."""

from __future__ import annotations

import numpy as np
from numba import njit

_TOLERANCE = 1e-5  # of single precision, with some to spare


@njit(cache=True, error_model="numpy")
def is_rigid(pose):  # type: ignore[no-untyped-def]
    """Whether a pose (4, 4) is finite, its rotation a right-handed one, its last row 0, 0, 0, 1."""
    for i in range(3):
        if not abs(pose[i, 3]) < np.inf:
            return False
        for j in range(3):
            product = 0.0
            for k in range(3):
                product += pose[k, i] * pose[k, j]
            if not abs(product - (1.0 if i == j else 0.0)) < _TOLERANCE:
                return False
    for j in range(4):
        if not abs(pose[3, j] - (1.0 if j == 3 else 0.0)) < _TOLERANCE:
            return False
    determinant = 0.0
    for j in range(3):
        k, m = (j + 1) % 3, (j + 2) % 3
        determinant += pose[0, j] * (pose[1, k] * pose[2, m] - pose[2, k] * pose[1, m])
    return determinant > 0.0
