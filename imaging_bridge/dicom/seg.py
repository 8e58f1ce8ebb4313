"""Segments of a DICOM Segmentation, on the grid of the scan they were drawn on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.dicom.elements import (
    IDENTITY_TAGS,
    items_of,
    name_of_structure,
    numbers_of,
    text_of,
    whole_number_of,
)
from halsted.imaging_bridge.dicom.files import DicomHeader, read_header
from halsted.imaging_bridge.dicom.frames import FRAME_TAGS, Frame, frames_of
from halsted.imaging_bridge.dicom.geometry import axes_of
from halsted.imaging_bridge.dicom.kinds import SEGMENTATIONS
from halsted.imaging_bridge.dicom.pixels import read_frames
from halsted.imaging_bridge.dicom.provenance import drawn_alike, drawn_by
from halsted.imaging_bridge.errors import GeometryError, ScanError
from halsted.imaging_bridge.labels import LabelMap, Provenance
from halsted.imaging_bridge.volume import Grid

_TAGS = (
    *FRAME_TAGS,
    *IDENTITY_TAGS,
    "SegmentSequence",
    "SegmentationType",
    "MaximumFractionalValue",
)
# How far off a voxel centre, in voxels, a pixel of a segment may lie.
_OFF_GRID = 0.1


def read_seg(path: Path | str, reference: Grid, frame_of_reference: str | None = None) -> LabelMap:
    """Read binary, fractional and label-map segments onto the grid of their scan.

    Frames are matched to slices by where they lie in the patient, so frames that were left out
    because they are empty are no fault. A label map holds one structure a voxel: **where segments
    overlap, the smaller one is kept**, as for structure sets. A voxel of a fractional segment
    belongs to it from one half on. Values are the segment numbers.

    Args:
        path: The file.
        reference: Grid of the scan; a segment may cover a part of it.
        frame_of_reference: FrameOfReferenceUID of the scan, if known, to be checked.

    Raises:
        ScanError: the file is no readable segmentation.
        GeometryError: a frame lies off the grid, or in another frame of reference.
    """
    path = Path(path)
    header = read_header(path, _TAGS)
    if header is None or header.sop_class not in SEGMENTATIONS:
        raise ScanError(f"{path} is no DICOM Segmentation; pass one")
    names, provenance = _segments(header)
    frames = list(frames_of(header, "SEG"))
    stated = frames[0].frame_of_reference
    if frame_of_reference and stated and stated != frame_of_reference:
        raise GeometryError(
            f"{path} was drawn in the frame of reference {stated}, but the scan is in "
            f"{frame_of_reference}; pass the segmentation that belongs to the scan"
        )
    filled = _filled(header, frames, reference, names)
    dtype = np.uint8 if max(names) < 256 else np.uint16
    voxels = np.zeros(reference.shape, dtype=dtype)
    for number in sorted(filled, key=lambda number: (-filled[number].size, -number)):
        voxels.flat[filled[number]] = number
    return LabelMap(voxels, reference.affine, {name: n for n, name in names.items()}, provenance)


def _segments(header: DicomHeader) -> tuple[dict[int, str], Provenance]:
    """Names by number, and who drew the segments."""
    names: dict[int, str] = {}
    provenances = set()
    for segment in items_of(header.elements, "SegmentSequence"):
        number = whole_number_of(segment, "SegmentNumber")
        if number is None or not 0 < number < 65536:
            continue  # 0 is the background of a label map
        stated = text_of(segment, "SegmentLabel")
        name = name_of_structure(stated, header.elements, f"segment_{number}")
        while name in names.values():
            name = f"{name}_{number}"
        names[number] = name
        provenances.add(
            drawn_by(
                text_of(segment, "SegmentAlgorithmType"), text_of(segment, "SegmentAlgorithmName")
            )
        )
    if not names:
        raise ScanError(
            f"{header.path} lists no segment in its SegmentSequence; export the segmentation again"
        )
    return names, drawn_alike(provenances)


def _filled(
    header: DicomHeader, frames: list[Frame], reference: Grid, names: Mapping[int, str]
) -> dict[int, NDArray[np.intp]]:
    """Flat indices of the voxels of each segment."""
    kind = text_of(header.elements, "SegmentationType")
    least = _least_inside(header, kind)
    parts: dict[int, list[NDArray[np.intp]]] = {number: [] for number in names}
    every = np.arange(np.prod(reference.shape), dtype=np.intp).reshape(reference.shape)

    def fill(place: int, stored: NDArray[Any]) -> None:
        frame = frames[place]
        voxels = _voxels_under(frame, reference, every)
        if kind == "LABELMAP":
            for number in np.unique(stored[stored > 0]).tolist():
                parts.setdefault(number, []).append(voxels[stored == number])
        elif frame.segment in parts:
            parts[frame.segment].append(voxels[stored >= least])
        else:
            raise ScanError(
                f"{frame.path} has a frame of segment {frame.segment}, which its SegmentSequence "
                "does not list; export the segmentation again"
            )

    read_frames([(one.pixels, one.number) for one in frames], fill)
    if unnamed := sorted(set(parts) - set(names)):
        raise ScanError(
            f"{header.path} holds the value {unnamed[0]}, which its SegmentSequence does not list; "
            "export the segmentation again"
        )
    return {
        number: np.unique(np.concatenate(found)) if found else np.empty(0, dtype=np.intp)
        for number, found in parts.items()
    }


def _least_inside(header: DicomHeader, kind: str) -> float:
    """The least stored value of a voxel inside a segment."""
    if kind in ("BINARY", "LABELMAP"):
        return 1.0
    most = numbers_of(header.elements, "MaximumFractionalValue", 1)
    if kind != "FRACTIONAL" or most is None or most[0] <= 0:
        raise ScanError(
            f"{header.path} states no SegmentationType of BINARY, LABELMAP or FRACTIONAL (with a "
            "MaximumFractionalValue above 0); export the segmentation again"
        )
    return most[0] / 2.0


def _voxels_under(frame: Frame, reference: Grid, every: NDArray[np.intp]) -> NDArray[np.intp]:
    """The part of `every`, which has the shape of `reference`, that a frame's pixels lie on."""
    along_x, along_y, _ = axes_of(frame)
    row_spacing, column_spacing = frame.spacing
    corner = np.array(frame.position)
    points = corner + np.array(
        [
            np.zeros(3),
            along_y * row_spacing * (frame.rows - 1),
            along_x * column_spacing * (frame.columns - 1),
        ]
    )
    index = reference.to_index(points)
    nearest = np.rint(index).astype(int)
    inside = (nearest >= 0).all() and (nearest < np.array(reference.shape)).all()
    if np.abs(index - nearest).max() > _OFF_GRID or not inside:
        raise _off_grid(frame)
    moved = nearest[1:] - nearest[0]
    axes = _axes_along(frame, moved)
    pick: list[Any] = [int(start) for start in nearest[0]]
    for axis, end, count in zip(axes, moved, (frame.rows, frame.columns), strict=True):
        step = -1 if end[axis] < 0 else 1
        start = int(nearest[0][axis])
        stop: int | None = start + step * count
        pick[axis] = slice(start, None if stop == -1 else stop, step)
    part: NDArray[np.intp] = every[tuple(pick)]
    return part if axes[0] < axes[1] else part.T


def _axes_along(frame: Frame, moved: NDArray[np.intp]) -> tuple[int, int]:
    """Axes of the scan along a frame's (rows, columns), which end `moved` voxels from its start."""
    counts = (frame.rows, frame.columns)
    along = [int(axis) for axis in np.argmax(np.abs(moved), axis=1)]
    for number, count in enumerate(counts):
        steps = np.abs(moved[number])
        if not steps.sum() == steps.max() == count - 1:
            raise _off_grid(frame)
        if count == 1:  # of one row or column the axis is any other
            along[number] = next(axis for axis in (2, 1, 0) if axis != along[1 - number])
    if along[0] == along[1]:
        raise _off_grid(frame)
    return along[0], along[1]


def _off_grid(frame: Frame) -> GeometryError:
    return GeometryError(
        f"{frame.name} in {frame.path.parent} does not lie on the voxels of the scan; pass the "
        "scan that the segmentation was drawn on"
    )
