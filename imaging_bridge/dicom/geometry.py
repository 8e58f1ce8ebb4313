"""Whether the slices of a scan make one regular grid, and which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.dicom.frames import Frame
from halsted.imaging_bridge.errors import GeometryError

REPAIRS = ("drop-duplicates", "interpolate-slices", "correct-tilt", "largest-stack")
"""What a caller may allow to be mended: slices stored twice; missing slices and uneven spacing, by
linear interpolation; a gantry tilt, by resampling; slices that differ in matrix or direction from
most, by leaving them out."""

# A slice may lie this far from its place on a regular grid: ten times the rounding of positions
# that are written to a hundredth of a millimetre, and the tolerance of `Grid.same_geometry`.
_PLACE_TOLERANCE_MM = 0.1
SAME_PLACE_MM = 0.01
"""Slices closer than this lie at the same position."""
# Direction cosines and pixel spacings are often written with four digits.
HEADER_TOLERANCE = 1e-3
"""Within which directions and pixel spacings count as equal."""
# Across a wider gap the anatomy is not known from its two sides.
_WIDEST_GAP_STEPS = 4.0


def shown(value: object) -> str:
    """A header's value, for an error."""
    if isinstance(value, tuple):
        return " x ".join(f"{number:.6g}" for number in value)
    return str(value) or "none"


@dataclass(frozen=True)
class Placement:
    """Slices in their order, and the regular grid that they make, maybe only after a repair.

    Attributes:
        slices: In the order of the array's z axis, the cross product of row and column.
        affine: Array index (z, y, x, 1) to LPS point, mm, shape (4, 4), of the resulting grid.
        shape: Voxels along (z, y, x) of the resulting grid.
        sources: For each slice, its fractional index (z, y, x) in the resulting grid, shape (n, 3);
            None where the slices are the grid.
        repairs: What was mended, a sentence each.
    """

    slices: tuple[Frame, ...]
    affine: NDArray[np.float64]
    shape: tuple[int, int, int]
    sources: NDArray[np.float64] | None = None
    repairs: tuple[str, ...] = ()


def place_slices(slices: Sequence[Frame], allowed: Sequence[str] = ()) -> Placement:
    """The slices in order along their normal, and their grid.

    Raises:
        GeometryError: the positions are not evenly spaced on a line along the normal, and no
            repair of that is allowed.
    """
    along_x, along_y, normal = axes_of(slices[0])
    ordered, positions = in_order(slices)
    along = positions @ normal
    row_spacing, column_spacing = ordered[0].spacing
    if len(ordered) == 1:
        return _single(ordered[0], np.column_stack([normal, along_y, along_x]))
    _check_doubled(ordered, along)
    repairs = []
    step, count = float((along[-1] - along[0]) / (len(ordered) - 1)), len(ordered)
    uneven = _unevenness(ordered, along)
    if uneven is not None:
        if "interpolate-slices" not in allowed:
            raise uneven
        step, count = _even_steps(ordered, along)
        repairs.append(
            f"interpolate-slices: {len(ordered)} slices at uneven distances were interpolated to "
            f"{count} slices {step:.3f} mm apart"
        )
    offsets = positions - positions[0]
    sideways = offsets - np.outer(offsets @ normal, normal)
    tilt = _tilt(ordered, sideways, along)
    if tilt is not None:
        if "correct-tilt" not in allowed:
            raise tilt
        repairs.append(
            f"correct-tilt: slices that lie up to {np.linalg.norm(sideways, axis=1).max():.2f} mm "
            "sideways were resampled to a rectangular grid"
        )
    affine = np.eye(4)
    affine[:3, :3] = np.column_stack(
        [normal * step, along_y * row_spacing, along_x * column_spacing]
    )
    affine[:3, 3] = positions[0]
    shape = (count, ordered[0].rows, ordered[0].columns)
    if not repairs:
        return Placement(tuple(ordered), affine, shape)
    if tilt is None:
        sideways = np.zeros_like(sideways)
    lateral = np.column_stack(
        [sideways @ along_y / row_spacing, sideways @ along_x / column_spacing]
    )
    return _widened(ordered, affine, shape, along, step, lateral, tuple(repairs))


def axes_of(one: Frame) -> tuple[NDArray[np.float64], ...]:
    """Unit vectors along the array's x and y axes, and the slice's normal, in LPS.

    Raises:
        GeometryError: the header does not state two perpendicular directions and two distances.
    """
    along_x, along_y = np.array(one.orientation).reshape(2, 3)
    lengths = np.linalg.norm(along_x), np.linalg.norm(along_y)
    off = max(abs(lengths[0] - 1), abs(lengths[1] - 1), abs(along_x @ along_y))
    if off > HEADER_TOLERANCE:
        raise GeometryError(
            f"{one.path} has ImageOrientationPatient {shown(one.orientation)}, but two "
            "perpendicular unit vectors were expected; export the series again"
        )
    if min(one.spacing) <= 0:
        raise GeometryError(
            f"{one.path} has PixelSpacing {shown(one.spacing)}, but two positive distances in mm "
            "were expected; export the series again"
        )
    along_x = along_x / lengths[0]
    along_y = along_y - (along_y @ along_x) * along_x  # exact after the header's rounding
    along_y = along_y / np.linalg.norm(along_y)
    return along_x, along_y, np.cross(along_x, along_y)


def in_order(slices: Sequence[Frame]) -> tuple[list[Frame], NDArray[np.float64]]:
    """The slices sorted along their normal, and their positions (n, 3), LPS, mm."""
    normal = axes_of(slices[0])[2]
    positions = np.array([one.position for one in slices])
    order = np.argsort(positions @ normal, kind="stable")
    return [slices[number] for number in order.tolist()], positions[order]


def _single(one: Frame, directions: NDArray[np.float64]) -> Placement:
    if one.thickness <= 0:
        raise GeometryError(
            f"{one.path} is the only slice of its series and states no SliceThickness, but a "
            "volume needs a slice distance; pass a folder with all slices"
        )
    affine = np.eye(4)
    affine[:3, :3] = directions * (one.thickness, *one.spacing)
    affine[:3, 3] = one.position
    note = "single slice: the slice distance is its SliceThickness"
    return Placement((one,), affine, (1, one.rows, one.columns), None, (note,))


def _check_doubled(slices: Sequence[Frame], along: NDArray[np.float64]) -> None:
    steps = np.diff(along)
    doubled = np.flatnonzero(steps < SAME_PLACE_MM)
    if doubled.size:
        first = int(doubled[0])
        raise GeometryError(
            f"{slices[first].name} and {slices[first + 1].name} in {slices[first].path.parent} lie "
            f"at the same position ({along[first]:.2f} mm along the slice normal), and nothing in "
            "their headers tells them apart as phases; remove the doubled files, or allow "
            "repair=drop-duplicates where they are the same image"
        )


def _unevenness(slices: Sequence[Frame], along: NDArray[np.float64]) -> GeometryError | None:
    """What is wrong with the distances between slices, if anything is."""
    steps = np.diff(along)
    usual = float(np.median(steps))
    tolerance = min(_PLACE_TOLERANCE_MM, usual / 4)
    wrong = np.flatnonzero(np.abs(steps - usual) > tolerance)
    if wrong.size:
        return GeometryError(_uneven(slices, along, int(wrong[0]), usual, tolerance))
    even = np.linspace(along[0], along[-1], len(along))
    worst = int(np.argmax(np.abs(along - even)))
    if abs(along[worst] - even[worst]) <= tolerance:
        return None
    return GeometryError(
        f"{slices[worst].path} lies at {along[worst]:.2f} mm along the slice normal, but at "
        f"{even[worst]:.2f} mm if the slices were evenly spaced; resample the series to an even "
        "spacing, or allow repair=interpolate-slices"
    )


def _uneven(
    slices: Sequence[Frame],
    along: NDArray[np.float64],
    before: int,
    usual: float,
    tolerance: float,
) -> str:
    """What is wrong between slice `before` and the next."""
    step = float(along[before + 1] - along[before])
    folder = slices[before].path.parent
    between = f"between {slices[before].name} and {slices[before + 1].name} in {folder} "
    missing = round(step / usual) - 1
    if missing >= 1 and abs(step - (missing + 1) * usual) <= tolerance * (missing + 1):
        places = ", ".join(
            f"{along[before] + n * usual:.2f}" for n in range(1, min(missing, 5) + 1)
        )
        return (
            f"{missing} slice(s) are missing {between}(at {places} mm along the slice normal, "
            f"where the slices are {usual:.2f} mm apart); get the missing files, or allow "
            "repair=interpolate-slices"
        )
    return (
        f"the slice spacing is not uniform: {step:.2f} mm {between}(at {along[before]:.2f} mm "
        f"along the slice normal), but {usual:.2f} mm elsewhere; resample the series to an even "
        "spacing, or allow repair=interpolate-slices"
    )


def _even_steps(slices: Sequence[Frame], along: NDArray[np.float64]) -> tuple[float, int]:
    """Distance and number of evenly spaced slices from the first to the last."""
    steps = np.diff(along)
    widest = int(np.argmax(steps))
    usual = float(np.median(steps))
    if steps[widest] > _WIDEST_GAP_STEPS * usual:
        raise GeometryError(
            f"the gap of {steps[widest]:.2f} mm between {slices[widest].name} and "
            f"{slices[widest + 1].name} in {slices[widest].path.parent} is too wide to interpolate "
            f"(at most {_WIDEST_GAP_STEPS:g} times the usual {usual:.2f} mm); get the missing files"
        )
    # The finest of the distances that occur, so that no slice is passed over.
    finest = float(steps.min())
    count = round(float(along[-1] - along[0]) / max(finest, usual / _WIDEST_GAP_STEPS)) + 1
    return float(along[-1] - along[0]) / (count - 1), count


def _tilt(
    slices: Sequence[Frame], sideways: NDArray[np.float64], along: NDArray[np.float64]
) -> GeometryError | None:
    """What to say of slices that are displaced sideways against each other, if any are."""
    distance = np.linalg.norm(sideways, axis=1)
    worst = int(np.argmax(distance))
    if distance[worst] <= _PLACE_TOLERANCE_MM:
        return None
    angle = np.degrees(np.arctan2(distance[worst], along[worst] - along[0]))
    return GeometryError(
        f"{slices[worst].path} lies {distance[worst]:.2f} mm sideways of the first slice's "
        f"normal ({angle:.1f} degrees), but slices must be stacked along it (is it a gantry "
        "tilt?); resample the series to a rectangular grid, or allow repair=correct-tilt"
    )


def _widened(
    slices: Sequence[Frame],
    affine: NDArray[np.float64],
    shape: tuple[int, int, int],
    along: NDArray[np.float64],
    step: float,
    lateral: NDArray[np.float64],
    repairs: tuple[str, ...],
) -> Placement:
    """The grid made as wide as slices displaced by `lateral` (rows, columns) need."""
    lateral = np.round(lateral, 5)  # parts of a voxel; a rounding error is no displacement
    low = np.floor(lateral.min(axis=0))
    more = np.ceil(lateral.max(axis=0)) - low
    sources = np.column_stack([(along - along[0]) / step, lateral - low])
    moved = affine.copy()
    moved[:3, 3] += affine[:3, 1:3] @ low
    size = (shape[0], shape[1] + int(more[0]), shape[2] + int(more[1]))
    return Placement(tuple(slices), moved, size, sources, repairs)
