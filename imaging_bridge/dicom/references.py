"""Which images a structure set or a segmentation says that it was drawn on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from halsted.imaging_bridge.dicom.elements import Elements, is_uid, items_of, text_of
from halsted.imaging_bridge.dicom.files import read_header

Chain = Sequence[str]
"""Keywords of sequences, each in an item of the one before."""

_PLANNED: Chain = (  # of an RT Structure Set, PS3.3 C.8.8.5
    "ReferencedFrameOfReferenceSequence",
    "RTReferencedStudySequence",
    "RTReferencedSeriesSequence",
)
_COMMON: Chain = ("ReferencedSeriesSequence",)  # of a segmentation, PS3.3 C.12.2
_SERIES = (_PLANNED, _COMMON)
_OF_SERIES = ((*_PLANNED, "ContourImageSequence"), (*_COMMON, "ReferencedInstanceSequence"))
_OF_DRAWINGS = (
    ("ROIContourSequence", "ContourSequence", "ContourImageSequence"),
    ("SharedFunctionalGroupsSequence", "DerivationImageSequence", "SourceImageSequence"),
    ("PerFrameFunctionalGroupsSequence", "DerivationImageSequence", "SourceImageSequence"),
)


def referenced_series(path: Path) -> set[str]:
    """SeriesInstanceUIDs that an RTSTRUCT or a SEG refers to; empty where it says none.

    Raises:
        ScanError: the file cannot be parsed.
    """
    return _uids(path, _SERIES, "SeriesInstanceUID")


def referenced_instances(path: Path) -> set[str]:
    """SOPInstanceUIDs of the images that contours or frames were drawn on.

    Where no contour and no frame says so, those of the images listed with the referenced series,
    which may be all of its phases; empty where the file lists none. References are wrong in some
    real files, so they may choose between labels, but do not place them.

    Raises:
        ScanError: the file cannot be parsed.
    """
    tag = "ReferencedSOPInstanceUID"
    return _uids(path, _OF_DRAWINGS, tag) or _uids(path, _OF_SERIES, tag)


def _uids(path: Path, chains: Sequence[Chain], tag: str) -> set[str]:
    header = read_header(path, tuple(chain[0] for chain in chains))
    if header is None:
        return set()
    stated = {text_of(item, tag) for chain in chains for item in _ends_of(header.elements, chain)}
    return set(filter(is_uid, stated))


def _ends_of(elements: Elements, chain: Chain) -> Iterator[Elements]:
    """All items that a chain of sequences leads to."""
    if not chain:
        yield elements
        return
    for item in items_of(elements, chain[0]):
        yield from _ends_of(item, chain[1:])
