"""Closed outlines as pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.dicom.contours import fill_even_odd


def paint(
    plane: NDArray[Any], rows: Sequence[float], columns: Sequence[float], value: int | bool
) -> None:
    """Set the pixels whose centres lie in a polygon; whole numbers are centres.

    Args:
        plane: Pixels (y, x), changed in place.
        rows: Of the corners.
        columns: Of the corners; what lies outside of the plane is cut off.
        value: To set.
    """
    corners = np.column_stack([rows, columns]).astype(np.float64)
    if not np.isfinite(corners).all():
        raise ValueError("a corner is no number")
    low = np.clip(np.floor(corners.min(axis=0)), 0, plane.shape).astype(int)
    high = np.clip(np.ceil(corners.max(axis=0)) + 1, low, plane.shape).astype(int)
    window = plane[low[0] : high[0], low[1] : high[1]]
    window[fill_even_odd([corners - low], window.shape)] = value


def ellipse(
    centre: tuple[float, float], radii: tuple[float, float], turn: float, count: int = 180
) -> tuple[list[float], list[float]]:
    """Rows and columns of points on an ellipse; its radii along (y, x), turned by radians."""
    angle = np.linspace(0.0, 2.0 * np.pi, count, endpoint=False)
    along, across = radii[1] * np.cos(angle), radii[0] * np.sin(angle)
    rows = centre[0] + along * np.sin(turn) + across * np.cos(turn)
    columns = centre[1] + along * np.cos(turn) - across * np.sin(turn)
    return rows.tolist(), columns.tolist()
