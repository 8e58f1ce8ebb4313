"""Dose of radiotherapy (DICOM RT Dose) as a volume in gray."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.dicom.files import (
    DicomHeader,
    numbers_needed,
    read_header,
    text_of,
)
from halsted.imaging_bridge.dicom.kinds import DOSE
from halsted.imaging_bridge.dicom.pixels import PIXEL_TAGS, pixels_of, read_frames
from halsted.imaging_bridge.errors import GeometryError, ScanError
from halsted.imaging_bridge.volume import Volume

_TAGS = (
    *PIXEL_TAGS,
    *(
        "DoseUnits DoseGridScaling GridFrameOffsetVector ImagePositionPatient SliceThickness "
        "ImageOrientationPatient PixelSpacing FrameOfReferenceUID"
    ).split(),
)
_UNITS = {"GY": "Gy", "RELATIVE": "1"}
_PLACE_TOLERANCE_MM = 0.1


def is_rtdose(path: Path) -> bool:
    """Whether a file says that it is a DICOM RT Dose."""
    header = read_header(path, ())
    return header is not None and header.sop_class == DOSE


def read_rtdose(
    path: Path | str,
    frame_of_reference: str | None = None,
    budget_bytes: int = 2 << 30,
) -> Volume:
    """Read a dose grid.

    Args:
        path: The file.
        frame_of_reference: FrameOfReferenceUID of the scan, if known, to be checked.
        budget_bytes: Most bytes that the float32 voxels may take.

    Returns:
        float32 voxels (z, y, x) in Gy, of modality ``RTDOSE``; without unit where the file says
        that the dose is relative.

    Raises:
        ScanError: the file is no readable dose.
        GeometryError: planes that are not evenly spaced, or another frame of reference.
    """
    path = Path(path)
    header = read_header(path, _TAGS)
    if header is None or header.sop_class != DOSE:
        raise ScanError(f"{path} is no DICOM RT Dose; pass one")
    _check_frame(header, frame_of_reference)
    pixels = pixels_of(header)
    if pixels.frames * pixels.frame_values * 4 > budget_bytes:
        raise ScanError(f"{path} is larger than the budget of {budget_bytes} bytes; crop it")
    unit = text_of(header.elements, "DoseUnits")
    if unit not in _UNITS:
        raise ScanError(f"{path} states no DoseUnits of GY or RELATIVE; export the dose again")
    (scaling,) = numbers_needed(path, header.elements, "DoseGridScaling", 1)
    if scaling <= 0:
        raise ScanError(f"{path} states a DoseGridScaling that is not above 0; export it again")
    affine, is_reversed = _affine(header, pixels.frames)
    voxels = np.empty((pixels.frames, pixels.rows, pixels.columns), dtype=np.float32)

    def fill(number: int, stored: NDArray[Any]) -> None:
        # In double precision: 32-bit integers lose digits as float32 before the scaling.
        voxels[number] = stored * np.float64(scaling)

    read_frames([(pixels, number) for number in range(pixels.frames)], fill)
    return Volume(voxels[::-1] if is_reversed else voxels, affine, "RTDOSE", _UNITS[unit])


def _check_frame(header: DicomHeader, expected: str | None) -> None:
    stated = text_of(header.elements, "FrameOfReferenceUID")
    if expected and stated and stated != expected:
        raise GeometryError(
            f"{header.path} is in the frame of reference {stated}, but the scan is in {expected}; "
            "pass the dose that belongs to the scan"
        )


def _affine(header: DicomHeader, frames: int) -> tuple[NDArray[np.float64], bool]:
    """The affine of the grid, and whether its planes are stored against their normal."""
    path, elements = header.path, header.elements
    orientation = numbers_needed(path, elements, "ImageOrientationPatient", 6)
    along_x, along_y = np.array(orientation).reshape(2, 3)
    row_spacing, column_spacing = numbers_needed(path, elements, "PixelSpacing", 2)
    corner = np.array(numbers_needed(path, elements, "ImagePositionPatient", 3))
    normal = np.cross(along_x, along_y)
    off = max(abs(float(along_x @ along_y)), abs(float(np.linalg.norm(normal)) - 1.0))
    if off > 1e-3 or min(row_spacing, column_spacing) <= 0:
        raise GeometryError(
            f"{path} states directions or a PixelSpacing that make no grid; export the dose again"
        )
    step = _step(header, frames)
    affine = np.eye(4)
    affine[:3, :3] = np.column_stack(
        [normal * abs(step), along_y * row_spacing, along_x * column_spacing]
    )
    # PS3.3 C.8.8.3.2: offsets are along the normal, or absolute z of an axial grid; both from the
    # first plane on.
    affine[:3, 3] = corner + normal * min(step * (frames - 1), 0.0)
    return affine, step < 0


def _step(header: DicomHeader, frames: int) -> float:
    """Distance in mm from one plane to the next; negative against the normal."""
    if frames == 1:
        (thickness,) = numbers_needed(header.path, header.elements, "SliceThickness", 1)
        return thickness
    offsets = np.array(
        numbers_needed(header.path, header.elements, "GridFrameOffsetVector", frames)
    )
    steps = np.diff(offsets)
    step = float(steps.mean())
    if np.abs(steps - step).max() > _PLACE_TOLERANCE_MM or abs(step) <= _PLACE_TOLERANCE_MM / 10:
        raise GeometryError(
            f"{header.path} has planes at uneven distances (GridFrameOffsetVector), but a volume's "
            "are even; export the dose on an even grid"
        )
    return step
