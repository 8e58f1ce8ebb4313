"""Contours of a DICOM RT Structure Set, filled into a label map.

Contours are matched to slices by where they lie in the patient, because the references from
contour to image are missing or wrong in many real files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.dicom.contours import Filled, fill
from halsted.imaging_bridge.dicom.contours import fill_even_odd as fill_even_odd
from halsted.imaging_bridge.dicom.elements import (
    IDENTITY_TAGS,
    Elements,
    items_of,
    name_of_structure,
    text_of,
    uid_of,
    whole_number_of,
)
from halsted.imaging_bridge.dicom.files import read_header, sop_class
from halsted.imaging_bridge.dicom.provenance import drawn_alike, drawn_by
from halsted.imaging_bridge.errors import GeometryError, ScanError
from halsted.imaging_bridge.labels import LabelMap
from halsted.imaging_bridge.volume import Grid

RTSTRUCT_CLASS = "1.2.840.10008.5.1.4.1.1.481.3"

_CLOSED = {"CLOSED_PLANAR", "CLOSEDPLANAR_XOR"}
# A patient lies within this distance of the origin of the frame of reference.
_FARTHEST_MM = 1e5
_MOST_STRUCTURES = 65_535


@dataclass(frozen=True)
class _Structure:
    """A structure: number, name, record, and closed contours (points in LPS, mm, (n, 3))."""

    number: int
    name: str
    record: Elements
    contours: Sequence[NDArray[np.float64]]


def is_rtstruct(path: Path) -> bool:
    """Whether a file says that it is a DICOM RT Structure Set."""
    return sop_class(path) == RTSTRUCT_CLASS


def read_rtstruct(
    path: Path | str, reference: Grid, frame_of_reference: str | None = None
) -> LabelMap:
    """Fill the contours of a structure set on the grid of the scan they were drawn on.

    A voxel belongs to a structure where its centre lies inside an odd number of the structure's
    contours in that slice (so a contour inside another is a hole, and keyholes cancel out). Slices
    that were regularly skipped, as where only every second slice is contoured, are filled with the
    shape between, as planning systems do; other gaps, and what lies beyond the first and the last
    contour, are left empty (see `contours.fill`). `read_rtstruct_noted` says where.

    A label map holds one structure a voxel: **where structures overlap, the smaller one is kept**,
    and of two of one size the earlier. Values are 1, 2, ... in the file's order. Points and open
    contours enclose nothing; a structure with no others is named but empty.

    Args:
        path: The RTSTRUCT file.
        reference: Grid whose slices (array axis z) the contours lie in.
        frame_of_reference: FrameOfReferenceUID of the scan, if known, to be checked.

    Raises:
        ScanError: the file is no readable RTSTRUCT.
        GeometryError: a contour lies off every slice, or in another frame of reference.
    """
    return read_rtstruct_noted(path, reference, frame_of_reference)[0]


def read_rtstruct_noted(
    path: Path | str, reference: Grid, frame_of_reference: str | None = None
) -> tuple[LabelMap, tuple[str, ...]]:
    """As `read_rtstruct`, and what it made of slices without contours, a sentence each.

    The sentences name structures by ROINumber, and may be told to anyone.
    """
    path = Path(path)
    filled: dict[str, Filled] = {}
    numbers: dict[str, int] = {}
    provenances = set()
    for one in _structures(path):
        what = f"structure {one.number} in {path}"
        _check_frame(what, one.record, frame_of_reference)
        if one.name in filled:
            raise ScanError(
                f"{what} has the name of structure {numbers[one.name]}, where names must differ; "
                "rename one in the planning system and export again"
            )
        filled[one.name] = fill(one.contours, reference, what)
        numbers[one.name] = one.number
        provenances.add(
            drawn_by(
                text_of(one.record, "ROIGenerationAlgorithm"),
                text_of(one.record, "ROIGenerationDescription"),
            )
        )
    labels = _label_map(filled, reference)
    noted = {numbers[name]: one for name, one in filled.items()}
    return replace(labels, provenance=drawn_alike(provenances)), tuple(_notes(noted))


def _label_map(filled: Mapping[str, Filled], reference: Grid) -> LabelMap:
    values = {name: value for value, name in enumerate(filled, start=1)}
    voxels = np.zeros(reference.shape, dtype=np.uint8 if len(filled) < 256 else np.uint16)
    for name in sorted(filled, key=lambda name: (-filled[name].voxels.size, -values[name])):
        voxels.flat[filled[name].voxels] = values[name]
    return LabelMap(voxels, reference.affine, values)


def _notes(filled: Mapping[int, Filled]) -> Iterator[str]:
    """What was made of slices without contours, by ROINumber."""
    interpolated = {number: one.interpolated for number, one in filled.items() if one.interpolated}
    left_empty = {number: one.left_empty for number, one in filled.items() if one.left_empty}
    if interpolated:
        yield (
            f"{_listed(interpolated)} of the structure set skip slices regularly; the "
            f"{sum(interpolated.values())} slices between their contours were filled by shape "
            "interpolation"
        )
    if left_empty:
        yield (
            f"{_listed(left_empty)} of the structure set have gaps between contours; the "
            f"{sum(left_empty.values())} slices there were left empty"
        )


def _listed(numbers: Iterable[int], most: int = 8) -> str:
    """Structures by number, for a sentence that goes on in the plural."""
    known = sorted(numbers)
    more = f" and {len(known) - most} more" if len(known) > most else ""
    return "the structures with ROINumber " + ", ".join(map(str, known[:most])) + more


def _structures(path: Path) -> Iterator[_Structure]:
    tags = (*IDENTITY_TAGS, "StructureSetROISequence", "ROIContourSequence")
    header = read_header(path, tags)
    if header is None or header.sop_class != RTSTRUCT_CLASS:
        raise ScanError(
            f"{path} is no DICOM RT Structure Set; pass an RTSTRUCT file, or a label map as NIfTI, "
            "NRRD or MetaImage"
        )
    drawn: dict[int, list[Elements]] = {}
    for item in _items(path, header.elements, "ROIContourSequence"):
        number = _number(path, item, "ReferencedROINumber")
        drawn.setdefault(number, []).extend(_items(path, item, "ContourSequence"))
    records = _items(path, header.elements, "StructureSetROISequence")
    numbers = [_number(path, record, "ROINumber") for record in records]
    _check_numbers(path, numbers)
    for number, record in zip(numbers, records, strict=True):
        contours = [
            _points(path, number, contour)
            for contour in drawn.get(number, [])
            if text_of(contour, "ContourGeometricType") in _CLOSED
        ]
        stated = text_of(record, "ROIName")
        name = name_of_structure(stated, header.elements, f"roi_{number}")
        yield _Structure(number, name, record, contours)


def _items(path: Path, elements: Elements, tag: str) -> list[Elements]:
    items = items_of(elements, tag)
    if not items and elements.get(tag):  # structures would be empty without a word
        raise ScanError(
            f"{path} has a {tag} that is no sequence of data sets; export the structure set again"
        )
    return items


def _number(path: Path, item: Elements, tag: str) -> int:
    number = whole_number_of(item, tag)
    if number is None:
        raise ScanError(
            f"a structure in {path} has no usable {tag} (one whole number was expected), so its "
            "contours cannot be found; export the structure set again"
        )
    return number


def _check_numbers(path: Path, numbers: Sequence[int]) -> None:
    if not 0 < len(numbers) <= _MOST_STRUCTURES:
        raise ScanError(
            f"{path} lists {len(numbers) or 'no'} structures in its StructureSetROISequence (1 to "
            f"{_MOST_STRUCTURES} were expected); export the structure set again with its contours"
        )
    number, count = Counter(numbers).most_common(1)[0]
    if count > 1:
        raise ScanError(
            f"{path} gives the ROINumber {number} to {count} structures, so that their contours "
            "cannot be told apart; export the structure set again"
        )


def _points(path: Path, number: int, contour: Elements) -> NDArray[np.float64]:
    stated = contour.get("ContourData")
    try:
        coordinates = [] if isinstance(stated, str | bytes | None) else list(map(float, stated))
        points = np.array(coordinates).reshape(-1, 3)
    except (TypeError, ValueError, OverflowError):
        points = np.full((1, 3), np.nan)
    if not len(points) or not (np.abs(points) <= _FARTHEST_MM).all():
        raise ScanError(
            f"a contour of structure {number} in {path} has ContourData that are not triples of "
            "finite numbers in mm, within 100 m; export the structure set again"
        )
    return points


def _check_frame(what: str, record: Elements, expected: str | None) -> None:
    stated = uid_of(record, "ReferencedFrameOfReferenceUID")
    if expected and stated and stated != expected:
        raise GeometryError(
            f"{what} was drawn in the frame of reference {stated}, but the scan is in {expected}; "
            "pass the structure set that belongs to the scan"
        )
