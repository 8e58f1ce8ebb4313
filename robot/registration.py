"""Where the patient lies in the world: the one place where millimetres in LPS become metres.

The patient lies supine on a couch before the arm: the world's x axis runs from the arm's base to
the patient's left, y towards the head, and z up (anterior). The couch brings the target to the
isocentre, give or take an offset, as a couch does before a procedure.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

ISOCENTRE_IN_WORLD = (0.6, 0.0, 0.3)
"""Where the couch brings the target, m: well inside the reach of a table-side arm."""

_METRES_PER_MM = 1e-3
# Rows: world x, y, z in terms of LPS x (left), y (posterior), z (superior).
_SUPINE = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])


def patient_to_world(
    target_in_patient: ArrayLike, couch_offset_m: ArrayLike = (0.0, 0.0, 0.0)
) -> NDArray[np.float64]:
    """The 4x4 transform from LPS points (mm) to world points (m).

    Args:
        target_in_patient: The LPS point, mm, that the couch brings to the isocentre.
        couch_offset_m: How far from the isocentre it comes to lie, world (x, y, z), m.
    """
    transform = np.eye(4)
    transform[:3, :3] = _METRES_PER_MM * _SUPINE
    target_in_world = np.add(ISOCENTRE_IN_WORLD, couch_offset_m)
    transform[:3, 3] = target_in_world - transform[:3, :3] @ np.asarray(target_in_patient)
    return transform


def transform_points(transform: NDArray[np.float64], points: ArrayLike) -> NDArray[np.float64]:
    """Points (..., 3) carried by a 4x4 transform."""
    carried = np.asarray(points, dtype=np.float64) @ transform[:3, :3].T + transform[:3, 3]
    return np.asarray(carried, dtype=np.float64)
