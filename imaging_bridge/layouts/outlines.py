"""Closed outlines as pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.dicom.contours import fill_even_odd

_FARTHEST = 1e9
"""Pixels; far outside of any picture, and far from where arithmetic ends."""


def coordinate(value: Any) -> float:
    """A number of pixels, or of radians, as annotation files have it.

    Raises:
        TypeError: it is no number and no text.
        ValueError: it is no finite number, or lies outside of any picture.
    """
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not abs(number) < _FARTHEST:
        raise ValueError("no place in a picture")
    return number


def paint(
    plane: NDArray[Any], rows: Sequence[float], columns: Sequence[float], value: int | bool
) -> None:
    """Set the pixels whose centres lie in a polygon; whole numbers are centres.

    Args:
        plane: Pixels (y, x), changed in place.
        rows: Of the corners, each a `coordinate`.
        columns: Of the corners; what lies outside of the plane is cut off.
        value: To set.
    """
    corners = np.column_stack([rows, columns]).astype(np.float64)
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
