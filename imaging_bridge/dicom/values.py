"""What the stored values of frames mean, and whether two frames mean the same."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.dicom.frames import Frame
from halsted.imaging_bridge.dicom.geometry import SAME_PLACE_MM, in_order
from halsted.imaging_bridge.dicom.pixels import read_frames


def measure(one: Frame, stored: NDArray[Any], outside: float, result: NDArray[np.float32]) -> None:
    """Fill `result` with what the stored values of a frame mean."""
    if one.pixels.lut is not None:
        result[:] = one.pixels.lut.measured(stored)
    elif one.slope == 1.0:
        np.add(stored, np.float32(one.intercept), out=result, casting="unsafe")
    else:
        np.multiply(stored, np.float32(one.slope), out=result, casting="unsafe")
        result += np.float32(one.intercept)
    if one.pixels.padding is not None:
        low, high = one.pixels.padding
        result[(stored >= low) & (stored <= high)] = outside


def without_duplicates(frames: list[Frame]) -> tuple[list[Frame], list[str]]:
    """The frames less those that repeat the values of another at the same place and phase."""
    ordered, positions = in_order(frames)
    kept: list[tuple[Frame, NDArray[np.float64]]] = []
    for one, position in zip(ordered, positions, strict=True):
        is_copy = False
        for other, place in reversed(kept):
            if np.linalg.norm(place - position) >= SAME_PLACE_MM:
                break
            is_copy = is_copy or (other.phase == one.phase and _equal(one, other))
        if not is_copy:
            kept.append((one, position))
    dropped = len(frames) - len(kept)
    notes = [f"drop-duplicates: {dropped} copies were left out"] if dropped else []
    return [one for one, _ in kept], notes


def _equal(one: Frame, other: Frame) -> bool:
    """Whether two frames of one size mean the same values."""
    measured = np.empty((2, one.rows, one.columns), dtype=np.float32)
    pair = (one, other)
    read_frames(
        [(frame.pixels, frame.number) for frame in pair],
        lambda place, stored: measure(pair[place], stored, 0.0, measured[place]),
    )
    return np.array_equal(measured[0], measured[1])
