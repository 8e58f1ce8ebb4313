"""Segments of a DICOM Segmentation, on the grid of the scan they were drawn on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.dicom.files import (
    DicomHeader,
    elements_of,
    numbers_of,
    read_header,
    text_of,
)
from halsted.imaging_bridge.dicom.frames import FRAME_TAGS, Frame, frames_of
from halsted.imaging_bridge.dicom.geometry import axes_of
from halsted.imaging_bridge.dicom.kinds import SEGMENTATIONS
from halsted.imaging_bridge.dicom.pixels import read_frames
from halsted.imaging_bridge.errors import GeometryError, ScanError
from halsted.imaging_bridge.labels import LabelMap, Provenance
from halsted.imaging_bridge.volume import Grid

_TAGS = (*FRAME_TAGS, "SegmentSequence", "SegmentationType", "MaximumFractionalValue")
# How far off a voxel centre, in voxels, a pixel of a segment may lie.
_OFF_GRID = 0.1


def is_seg(path: Path) -> bool:
    """Whether a file says that it is a DICOM Segmentation."""
    header = read_header(path, ())
    return header is not None and header.sop_class in SEGMENTATIONS


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
    kinds = set()
    for item in header.elements.get("SegmentSequence") or []:
        segment = elements_of(item)
        number = numbers_of(segment, "SegmentNumber", 1)
        if number is None or not 0 < number[0] < 65536:
            continue  # 0 is the background of a label map
        name = text_of(segment, "SegmentLabel") or f"segment_{int(number[0])}"
        if name in names.values():
            name = f"{name}_{int(number[0])}"
        names[int(number[0])] = name
        kinds.add(_provenance(segment))
    if not names:
        raise ScanError(
            f"{header.path} lists no segment in its SegmentSequence; export the segmentation again"
        )
    return names, kinds.pop() if len(kinds) == 1 else "unknown"


def _provenance(segment: Mapping[str, Any]) -> Provenance:
    kind = text_of(segment, "SegmentAlgorithmType")
    stated = text_of(segment, "SegmentAlgorithmName").lower()  # exports say it here in our words
    if kind == "MANUAL":
        return "manual"
    if stated.startswith("generated"):
        return "generated"
    if stated != "unknown" and kind in ("AUTOMATIC", "SEMIAUTOMATIC"):
        return "model"
    return "unknown"


def _filled(
    header: DicomHeader, frames: list[Frame], reference: Grid, names: Mapping[int, str]
) -> dict[int, NDArray[np.intp]]:
    """Flat indices of the voxels of each segment."""
    kind = text_of(header.elements, "SegmentationType")
    half = (numbers_of(header.elements, "MaximumFractionalValue", 1) or (1.0,))[0] / 2.0
    parts: dict[int, list[NDArray[np.intp]]] = {number: [] for number in names}
    every = np.arange(np.prod(reference.shape), dtype=np.intp).reshape(reference.shape)

    def fill(place: int, stored: NDArray[Any]) -> None:
        frame = frames[place]
        voxels = _voxels_under(frame, reference, every)
        if kind == "LABELMAP":
            for number in np.unique(stored[stored > 0]).tolist():
                parts.setdefault(number, []).append(voxels[stored == number])
        elif frame.segment in parts:
            inside = stored > 0 if kind == "BINARY" else stored >= half
            parts[frame.segment].append(voxels[inside])
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
    pick: list[Any] = [int(start) for start in nearest[0]]
    axes: list[int] = []
    for end, count in ((nearest[1], frame.rows), (nearest[2], frame.columns)):
        moved = end - nearest[0]
        axis = int(np.argmax(np.abs(moved))) if count > 1 else 3 - sum(axes) if axes else 1
        if np.abs(moved).sum() != count - 1 or axis in axes:
            raise _off_grid(frame)
        step = -1 if moved[axis] < 0 else 1
        start = int(nearest[0][axis])
        stop: int | None = start + step * count
        pick[axis] = slice(start, None if stop == -1 else stop, step)
        axes.append(axis)
    part: NDArray[np.intp] = every[tuple(pick)]
    return part if axes[0] < axes[1] else part.T


def _off_grid(frame: Frame) -> GeometryError:
    return GeometryError(
        f"{frame.name} in {frame.path.parent} does not lie on the voxels of the scan; pass the "
        "scan that the segmentation was drawn on"
    )
