"""Contours of a DICOM RT Structure Set, filled into a label map.

Contours are matched to slices by where they lie in the patient, because the references from
contour to image are missing or wrong in many real files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.dicom.files import read_dicom, sop_class, text_of
from halsted.imaging_bridge.errors import GeometryError, ScanError
from halsted.imaging_bridge.labels import LabelMap, Provenance
from halsted.imaging_bridge.volume import Grid

if TYPE_CHECKING:
    from pydicom import Dataset

RTSTRUCT_CLASS = "1.2.840.10008.5.1.4.1.1.481.3"

_CLOSED = {"CLOSED_PLANAR", "CLOSEDPLANAR_XOR"}
# How far off a slice, as a part of the slice spacing, a contour still belongs to it.
_PLANE_TOLERANCE = 0.1


def is_rtstruct(path: Path) -> bool:
    """Whether a file says that it is a DICOM RT Structure Set."""
    return sop_class(path) == RTSTRUCT_CLASS


def read_rtstruct(
    path: Path | str, reference: Grid, frame_of_reference: str | None = None
) -> LabelMap:
    """Fill the contours of a structure set on the grid of the scan they were drawn on.

    A voxel belongs to a structure where its centre lies inside an odd number of the structure's
    contours in that slice (so a contour inside another is a hole, and keyholes cancel out). A label
    map holds one structure a voxel: **where structures overlap, the smaller one is kept**, and of
    two of one size the earlier. Values are 1, 2, ... in the file's order. Points and open contours
    enclose nothing; a structure with no others is named but empty.

    Args:
        path: The RTSTRUCT file.
        reference: Grid whose slices (array axis z) the contours lie in.
        frame_of_reference: FrameOfReferenceUID of the scan, if known, to be checked.

    Raises:
        ScanError: the file is no readable RTSTRUCT.
        GeometryError: a contour lies off every slice, or in another frame of reference.
    """
    path = Path(path)
    filled = {}
    drawn_by: set[Provenance] = set()
    for name, roi, contours in _structures(path):
        drawn_by.add(_provenance(roi))
        _check_frame(path, name, roi, frame_of_reference)
        if name in filled:
            raise ScanError(
                f"{path} names two structures {name!r}, where names must differ; rename one in "
                "the planning system and export again"
            )
        filled[name] = _fill(contours, reference, f"the structure {name!r} in {path}")
    provenance = drawn_by.pop() if len(drawn_by) == 1 else "unknown"
    values = {name: value for value, name in enumerate(filled, start=1)}
    voxels = np.zeros(reference.shape, dtype=np.uint8 if len(filled) < 256 else np.uint16)
    for name in sorted(filled, key=lambda name: (-filled[name].size, -values[name])):
        voxels.flat[filled[name]] = values[name]
    return LabelMap(voxels, reference.affine, values, provenance)


def _structures(path: Path) -> Iterator[tuple[str, Dataset, list[NDArray[np.float64]]]]:
    """Name, record and closed contours (points in LPS, mm, (n, 3)) of each structure."""
    if not is_rtstruct(path):
        raise ScanError(
            f"{path} is no DICOM RT Structure Set; pass an RTSTRUCT file, or a label map as NIfTI, "
            "NRRD or MetaImage"
        )
    dataset = read_dicom(path, ("StructureSetROISequence", "ROIContourSequence"))
    drawn = {
        _number(path, item, "ReferencedROINumber"): item.get("ContourSequence") or []
        for item in dataset.get("ROIContourSequence") or []
    }
    rois = dataset.get("StructureSetROISequence") or []
    if not rois:
        raise ScanError(
            f"{path} lists no structure in its StructureSetROISequence; export the structure set "
            "again with its contours"
        )
    for roi in rois:
        number = _number(path, roi, "ROINumber")
        name = text_of(roi, "ROIName") or f"roi_{number}"
        contours = [
            _points(path, name, contour)
            for contour in drawn.get(number, [])
            if text_of(contour, "ContourGeometricType") in _CLOSED
        ]
        yield name, roi, contours


def _provenance(roi: Dataset) -> Provenance:
    """Who drew a structure; with an automatic tool in a person's hand it counts as manual."""
    kind = text_of(roi, "ROIGenerationAlgorithm")
    if kind in ("MANUAL", "SEMIAUTOMATIC"):
        return "manual"
    if kind == "AUTOMATIC":
        stated = text_of(roi, "ROIGenerationDescription").lower()
        return "generated" if stated == "generated" else "model"
    return "unknown"


def _number(path: Path, item: Dataset, tag: str) -> int:
    try:
        return int(getattr(item, tag))
    except (AttributeError, TypeError, ValueError) as error:
        raise ScanError(
            f"a structure in {path} has no usable {tag} (one whole number was expected), so its "
            "contours cannot be found; export the structure set again"
        ) from error


def _points(path: Path, name: str, contour: Dataset) -> NDArray[np.float64]:
    try:
        points = np.array([float(number) for number in contour.ContourData]).reshape(-1, 3)
    except (AttributeError, TypeError, ValueError):
        points = np.full((1, 3), np.nan)
    if not np.isfinite(points).all():
        raise ScanError(
            f"a contour of the structure {name!r} in {path} has ContourData that are not triples "
            "of finite numbers; export the structure set again"
        )
    return points


def _check_frame(path: Path, name: str, roi: Dataset, expected: str | None) -> None:
    stated = text_of(roi, "ReferencedFrameOfReferenceUID")
    if expected and stated and stated != expected:
        raise GeometryError(
            f"the structure {name!r} in {path} was drawn in the frame of reference {stated}, but "
            f"the scan is in {expected}; pass the structure set that belongs to the scan"
        )


def _fill(contours: Sequence[NDArray[np.float64]], grid: Grid, what: str) -> NDArray[np.intp]:
    """Flat indices of the voxels inside contours given as points in LPS, mm."""
    in_slices: dict[int, list[NDArray[np.float64]]] = {}
    for points in contours:
        index = grid.to_index(points)
        in_slices.setdefault(_slice_of(index, points, grid, what), []).append(index[:, 1:])
    pixels = grid.shape[1] * grid.shape[2]
    inside = [
        number * pixels + np.flatnonzero(fill_even_odd(polygons, grid.shape[1:]))
        for number, polygons in in_slices.items()
    ]
    return np.concatenate(inside) if inside else np.empty(0, dtype=np.intp)


def _slice_of(
    index: NDArray[np.float64], points: NDArray[np.float64], grid: Grid, what: str
) -> int:
    """The slice in whose plane all points lie."""
    nearest = round(float(index[0, 0]))
    off = np.abs(index[:, 0] - nearest)
    if off.max() <= _PLANE_TOLERANCE and 0 <= nearest < grid.shape[0]:
        return nearest
    worst = int(np.argmax(off))
    point = ", ".join(f"{coordinate:.2f}" for coordinate in points[worst])
    raise GeometryError(
        f"a contour of {what} passes through ({point}) mm, which lies in no slice of the scan or "
        f"leaves the contour's own slice (slices are {grid.spacing[0]:.2f} mm apart); pass the "
        "scan that the contours were drawn on"
    )


def fill_even_odd(
    polygons: Sequence[NDArray[np.float64]], shape: tuple[int, int]
) -> NDArray[np.bool_]:
    """Pixels whose centres lie inside an odd number of polygons.

    Args:
        polygons: Closed polygons as vertices (y, x) in pixels, shape (n, 2), not rounded.
        shape: Pixels along (y, x).

    Returns:
        Mask (y, x). Pixels that lie exactly on an edge belong to the side that x and y grow to,
        so that polygons which share an edge neither overlap nor leave a gap.
    """
    height, width = shape
    crossings = np.zeros((height, width + 1), dtype=np.int32)
    for start in polygons:
        end = np.roll(start, -1, axis=0)
        low, high = np.sort([start[:, 0], end[:, 0]], axis=0)
        first, stop = np.clip(np.ceil([low, high]), 0, height).astype(np.intp)
        count = stop - first  # of rows that an edge crosses
        edge = np.repeat(np.arange(len(start)), count)
        row = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count) + first[edge]
        along = (row - start[edge, 0]) / (end[edge, 0] - start[edge, 0])
        x = start[edge, 1] + along * (end[edge, 1] - start[edge, 1])
        np.add.at(crossings, (row, np.clip(np.ceil(x), 0, width).astype(np.intp)), 1)
    return np.asarray(np.cumsum(crossings[:, :-1], axis=1) % 2 == 1)
