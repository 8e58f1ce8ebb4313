"""Whether the slices of a DICOM series make one regular grid, and which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.errors import GeometryError

# A slice may lie this far from its place on a regular grid: ten times the rounding of positions
# that are written to a hundredth of a millimetre, and the tolerance of `Grid.same_geometry`.
_PLACE_TOLERANCE_MM = 0.1
_SAME_PLACE_MM = 0.01
# Direction cosines and pixel spacings are often written with four digits.
_HEADER_TOLERANCE = 1e-3


@dataclass(frozen=True)
class DicomSlice:
    """What the header of one file says about its slice.

    Attributes:
        path: The file.
        frame_of_reference: UID of the frame that positions are given in; may be empty.
        rows: Voxels along y of the array.
        columns: Voxels along x of the array.
        spacing: Distance in mm between (rows, columns).
        orientation: LPS unit vectors along a row, then along a column, as six numbers.
        position: LPS point, mm, of the centre of the first voxel.
        slope: Factor from stored value to `unit`.
        intercept: Offset from stored value to `unit`.
        unit: Unit of the rescaled values.
    """

    path: Path
    frame_of_reference: str
    rows: int
    columns: int
    spacing: tuple[float, ...]
    orientation: tuple[float, ...]
    position: tuple[float, ...]
    slope: float
    intercept: float
    unit: str


def check_alike(slices: Sequence[DicomSlice]) -> None:
    """Refuse a series of which one slice differs from the rest in what all must share."""
    _check_same(slices, "Rows x Columns", lambda one: (one.rows, one.columns))
    _check_same(slices, "ImageOrientationPatient", lambda one: one.orientation)
    _check_same(slices, "PixelSpacing", lambda one: one.spacing)
    _check_same(slices, "RescaleType", lambda one: one.unit)
    _check_same(slices, "FrameOfReferenceUID", lambda one: one.frame_of_reference)


def _check_same(
    slices: Sequence[DicomSlice], field: str, value_of: Callable[[DicomSlice], Any]
) -> None:
    usual = Counter(value_of(one) for one in slices).most_common(1)[0][0]
    for one in slices:
        value = value_of(one)
        same = value == usual or (
            not isinstance(value, str) and np.allclose(value, usual, rtol=0, atol=_HEADER_TOLERANCE)
        )
        if not same:
            raise GeometryError(
                f"{one.path} has {field} {_shown(value)}, but other slices of its series have "
                f"{_shown(usual)}; move files that do not belong to the scan (a localizer, say) "
                "to another folder"
            )


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return " x ".join(f"{number:.6g}" for number in value)
    return str(value) or "none"


def place_slices(slices: Sequence[DicomSlice]) -> tuple[list[DicomSlice], NDArray[np.float64]]:
    """The slices in order along their normal, and the affine of their grid.

    Raises:
        GeometryError: the positions are not evenly spaced on a line along the normal.
    """
    along_x, along_y, normal = _axes(slices[0])
    positions = np.array([one.position for one in slices])
    order = np.argsort(positions @ normal, kind="stable")
    ordered, positions = [slices[number] for number in order.tolist()], positions[order]
    along_normal = positions @ normal
    _check_steps(ordered, along_normal)
    _check_tilt(ordered, positions, normal)
    affine = np.eye(4)
    step = (along_normal[-1] - along_normal[0]) / (len(ordered) - 1)
    row_spacing, column_spacing = slices[0].spacing
    affine[:3, :3] = np.column_stack(
        [normal * step, along_y * row_spacing, along_x * column_spacing]
    )
    affine[:3, 3] = positions[0]
    return ordered, affine


def _axes(one: DicomSlice) -> tuple[NDArray[np.float64], ...]:
    """Unit vectors along the array's x and y axes, and the slice's normal, in LPS."""
    along_x, along_y = np.array(one.orientation).reshape(2, 3)
    lengths = np.linalg.norm([along_x, along_y], axis=1)
    if np.abs(lengths - 1).max() > _HEADER_TOLERANCE or abs(along_x @ along_y) > _HEADER_TOLERANCE:
        raise GeometryError(
            f"{one.path} has ImageOrientationPatient {_shown(one.orientation)}, but two "
            "perpendicular unit vectors were expected; export the series again"
        )
    if min(one.spacing) <= 0:
        raise GeometryError(
            f"{one.path} has PixelSpacing {_shown(one.spacing)}, but two positive distances in mm "
            "were expected; export the series again"
        )
    along_x = along_x / lengths[0]
    along_y = along_y - (along_y @ along_x) * along_x  # exact after the header's rounding
    along_y = along_y / np.linalg.norm(along_y)
    return along_x, along_y, np.cross(along_x, along_y)


def _check_steps(slices: Sequence[DicomSlice], along: NDArray[np.float64]) -> None:
    """Refuse doubled, missing and unevenly spaced slices; `along` is sorted, in mm."""
    if len(slices) < 2:
        raise GeometryError(
            f"{slices[0].path} is the only slice of its series, and a volume needs two or more; "
            "export the whole series into one folder"
        )
    steps = np.diff(along)
    for before in np.flatnonzero(steps < _SAME_PLACE_MM).tolist():
        raise GeometryError(
            f"{slices[before].path} and {slices[before + 1].path.name} lie at the same position "
            f"({along[before]:.2f} mm along the slice normal), where one slice was expected; keep "
            "one phase, echo or copy in the folder"
        )
    # The lower median: of two steps, one of them over a gap, the shorter is the usual one.
    usual = float(np.sort(steps)[(len(steps) - 1) // 2])
    tolerance = min(_PLACE_TOLERANCE_MM, usual / 10)
    for before in np.flatnonzero(np.abs(steps - usual) > tolerance).tolist():
        raise GeometryError(_uneven(slices, along, before, usual, tolerance))
    even = np.linspace(along[0], along[-1], len(along))
    worst = int(np.argmax(np.abs(along - even)))
    if abs(along[worst] - even[worst]) > tolerance:
        raise GeometryError(
            f"{slices[worst].path} lies at {along[worst]:.2f} mm along the slice normal, but at "
            f"{even[worst]:.2f} mm if the slices were evenly spaced; resample the series to an "
            "even spacing first"
        )


def _uneven(
    slices: Sequence[DicomSlice],
    along: NDArray[np.float64],
    before: int,
    usual: float,
    tolerance: float,
) -> str:
    """What is wrong between slice `before` and the next."""
    step = float(along[before + 1] - along[before])
    folder = slices[before].path.parent
    between = f"between {slices[before].path.name} and {slices[before + 1].path.name} in {folder} "
    missing = round(step / usual) - 1
    if missing >= 1 and abs(step - (missing + 1) * usual) <= tolerance * (missing + 1):
        places = ", ".join(
            f"{along[before] + n * usual:.2f}" for n in range(1, min(missing, 5) + 1)
        )
        return (
            f"{missing} slice(s) are missing {between}(at {places} mm along the slice normal, "
            f"where the slices are {usual:.2f} mm apart); get the missing files"
        )
    return (
        f"the slice spacing is not uniform: {step:.2f} mm {between}(at {along[before]:.2f} mm "
        f"along the slice normal), but {usual:.2f} mm elsewhere; resample the series to an even "
        "spacing first"
    )


def _check_tilt(
    slices: Sequence[DicomSlice], positions: NDArray[np.float64], normal: NDArray[np.float64]
) -> None:
    """Refuse slices that are displaced sideways against each other."""
    offsets = positions - positions[0]
    sideways = np.linalg.norm(offsets - np.outer(offsets @ normal, normal), axis=1)
    worst = int(np.argmax(sideways))
    if sideways[worst] > _PLACE_TOLERANCE_MM:
        angle = np.degrees(np.arctan2(sideways[worst], offsets[worst] @ normal))
        raise GeometryError(
            f"{slices[worst].path} lies {sideways[worst]:.2f} mm sideways of the first slice's "
            f"normal ({angle:.1f} degrees), but slices must be stacked along it (is it a gantry "
            "tilt?); resample the series to a rectangular grid first"
        )
