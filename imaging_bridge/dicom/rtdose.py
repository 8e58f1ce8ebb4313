"""Dose of radiotherapy (DICOM RT Dose) as a volume in gray."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.dicom.elements import numbers_needed, text_of, uid_of
from halsted.imaging_bridge.dicom.files import DicomHeader, read_header
from halsted.imaging_bridge.dicom.kinds import DOSE
from halsted.imaging_bridge.dicom.pixels import PIXEL_TAGS, pixels_of, read_frames
from halsted.imaging_bridge.errors import GeometryError, ScanError
from halsted.imaging_bridge.volume import Volume

_TAGS = (
    *PIXEL_TAGS,
    *(
        "DoseUnits DoseGridScaling GridFrameOffsetVector ImagePositionPatient SliceThickness "
        "ImageOrientationPatient PixelSpacing FrameOfReferenceUID DoseType DoseSummationType"
    ).split(),
)
_UNITS = {"GY": "Gy", "RELATIVE": "1"}
_PLACE_TOLERANCE_MM = 0.1
_DIRECTION_TOLERANCE = 1e-3
# Of the largest 32-bit number this is still within float32; no plan has a step of a megagray.
_LARGEST_SCALING = 1e6
_PARTS = {  # of DoseSummationType, PS3.3 C.8.8.3.1; not all of what a plan gives
    "FRACTION": "one fraction group of a plan",
    "BEAM": "one or several beams of a plan",
    "BRACHY": "one or several brachytherapy setups of a plan",
    "FRACTION_SESSION": "one session of a plan",
    "BEAM_SESSION": "beams in one session of a plan",
    "BRACHY_SESSION": "brachytherapy setups in one session of a plan",
    "CONTROL_POINT": "some control points of a beam",
    "RECORD": "the sessions in a treatment record",
}
_WHOLE = {"PLAN", "MULTI_PLAN", "PLAN_OVERVIEW"}


def read_rtdose(
    path: Path | str,
    frame_of_reference: str | None = None,
    budget_bytes: int = 2 << 30,
) -> Volume:
    """Read a dose grid.

    It may be the dose of a whole plan, or of a part of it such as one beam, and physical or
    weighted by its biological effect; `dose_notes` says which.

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
    if text_of(header.elements, "DoseType") == "ERROR":
        raise ScanError(
            f"{path} holds the difference of a dose from another (DoseType ERROR), which is no "
            "dose; pass the dose itself"
        )
    _check_frame(header, frame_of_reference)
    pixels = pixels_of(header)
    if pixels.frames * pixels.frame_values * 4 > budget_bytes:
        raise ScanError(f"{path} is larger than the budget of {budget_bytes} bytes; crop it")
    unit = text_of(header.elements, "DoseUnits")
    if unit not in _UNITS:
        raise ScanError(f"{path} states no DoseUnits of GY or RELATIVE; export the dose again")
    (scaling,) = numbers_needed(path, header.elements, "DoseGridScaling", 1)
    if not 0 < scaling <= _LARGEST_SCALING:
        raise ScanError(
            f"{path} states a DoseGridScaling that is not above 0, or is over {_LARGEST_SCALING:g};"
            " export the dose again"
        )
    affine, is_reversed = _affine(header, pixels.frames)
    voxels = np.empty((pixels.frames, pixels.rows, pixels.columns), dtype=np.float32)

    def fill(number: int, stored: NDArray[Any]) -> None:
        # In double precision: 32-bit integers lose digits as float32 before the scaling.
        voxels[number] = stored * np.float64(scaling)

    read_frames([(pixels, number) for number in range(pixels.frames)], fill)
    return Volume(voxels[::-1] if is_reversed else voxels, affine, "RTDOSE", _UNITS[unit])


def dose_notes(path: Path | str) -> tuple[str, ...]:
    """What a dose is, where it is not the physical dose of a whole plan; a sentence each.

    Raises:
        ScanError: the file cannot be parsed.
    """
    header = read_header(Path(path), ("DoseType", "DoseSummationType"))
    return () if header is None else tuple(_notes(header))


def _notes(header: DicomHeader) -> Iterator[str]:
    kind = text_of(header.elements, "DoseType")
    summed = text_of(header.elements, "DoseSummationType")
    if kind == "EFFECTIVE":
        yield "the dose is weighted by its biological effect (DoseType EFFECTIVE)"
    elif kind != "PHYSICAL":
        yield "the dose does not say whether it is physical or effective (DoseType)"
    if summed in _PARTS:
        yield f"the dose is that of {_PARTS[summed]} only (DoseSummationType {summed})"
    elif summed not in _WHOLE:
        yield "the dose does not say whether it is that of a whole plan (DoseSummationType)"


def _check_frame(header: DicomHeader, expected: str | None) -> None:
    stated = uid_of(header.elements, "FrameOfReferenceUID")
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
    if off > _DIRECTION_TOLERANCE or min(row_spacing, column_spacing) <= 0:
        raise GeometryError(
            f"{path} states directions or a PixelSpacing that make no grid; export the dose again"
        )
    step = _step(header, frames, float(corner[2]), float(normal[2]))
    affine = np.eye(4)
    affine[:3, :3] = np.column_stack(
        [normal * abs(step), along_y * row_spacing, along_x * column_spacing]
    )
    affine[:3, 3] = corner + normal * min(step * (frames - 1), 0.0)
    return affine, step < 0


def _step(header: DicomHeader, frames: int, corner_z: float, normal_z: float) -> float:
    """Distance in mm from one plane to the next along the normal; negative against it.

    Offsets that start with 0 are distances along the normal; those that start with the z of the
    first plane are z of each plane, in an axial grid (PS3.3 C.8.8.3.2). The standard has the latter
    only where the normal points to +z; some write it in grids whose normal points to -z, too.
    """
    if frames == 1:
        (thickness,) = numbers_needed(header.path, header.elements, "SliceThickness", 1)
        return abs(thickness)
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
    if abs(offsets[0]) <= _PLACE_TOLERANCE_MM / 10:
        return step
    axial = abs(abs(normal_z) - 1.0) <= _DIRECTION_TOLERANCE
    if not axial or abs(offsets[0] - corner_z) > _PLACE_TOLERANCE_MM:
        raise GeometryError(
            f"{header.path} has a GridFrameOffsetVector that starts neither with 0 nor, in an "
            "axial grid, with the z of ImagePositionPatient, so nobody knows where its planes lie; "
            "export the dose again"
        )
    return step if normal_z > 0 else -step
