"""Which labels and doses in a folder belong to the series that is read from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from halsted.imaging_bridge.dicom.elements import items_of, uid_of
from halsted.imaging_bridge.dicom.files import read_header
from halsted.imaging_bridge.dicom.kinds import DOSE, SEGMENTATIONS, STRUCTURE_SET
from halsted.imaging_bridge.dicom.references import referenced_instances, referenced_series
from halsted.imaging_bridge.dicom.series import DicomSeries
from halsted.imaging_bridge.dicom.survey import Survey


@dataclass(frozen=True)
class Companions:
    """What lies beside a series and belongs to it.

    Attributes:
        labels: Structure sets and segmentations.
        doses: Dose grids.
        first_phase: Index of the phase that the labels were drawn on.
        notes: What was left out, a sentence each.
    """

    labels: tuple[Path, ...]
    doses: tuple[Path, ...]
    first_phase: int
    notes: tuple[str, ...]


def companions_of(found: Survey, phases: Sequence[DicomSeries]) -> Companions:
    """Choose what shares the frame of reference of a series and, if it says so, names it.

    Raises:
        ScanError: a file cannot be parsed.
    """
    frame = phases[0].frame_of_reference
    drawn = [
        path
        for kind, paths in found.others.items()
        if kind == STRUCTURE_SET or kind in SEGMENTATIONS
        for path in paths
    ]
    stored = list(found.others.get(DOSE, []))
    # A structure set takes long to read, so its references are looked up once.
    images = {path: referenced_instances(path) for path in drawn if _shares(path, frame)}
    labels = [path for path in images if _names(path, images[path], phases)]
    doses = [path for path in stored if _shares(path, frame)]
    notes = [
        f"{count} {what} of another series or frame of reference were left out"
        for count, what in (
            (len(drawn) - len(labels), "structure set(s) or segmentation(s)"),
            (len(stored) - len(doses), "dose(s)"),
        )
        if count
    ]
    phase = _phase_of(images[labels[0]], phases) if len(labels) == 1 else 0
    return Companions(tuple(labels), tuple(doses), phase, tuple(notes))


def _shares(path: Path, frame: str) -> bool:
    """Whether a file states the frame of reference, or none."""
    header = read_header(path, ("FrameOfReferenceUID", "ReferencedFrameOfReferenceSequence"))
    assert header is not None  # the survey took it for DICOM
    stated = {uid_of(header.elements, "FrameOfReferenceUID")} | {
        uid_of(item, "FrameOfReferenceUID")
        for item in items_of(header.elements, "ReferencedFrameOfReferenceSequence")
    }
    stated.discard("")
    return not frame or not stated or frame in stated


def _names(path: Path, images: set[str], phases: Sequence[DicomSeries]) -> bool:
    """Whether a file refers to the series, and to an image that is read; or to none at all."""
    series = referenced_series(path)
    if series and phases[0].uid not in series:
        return False
    return not images or any(images & _instances(one) for one in phases)


def _phase_of(images: set[str], phases: Sequence[DicomSeries]) -> int:
    """The phase that most of a file's references name; the first where it names none."""
    shared = [len(images & _instances(one)) for one in phases]
    return shared.index(max(shared))


def _instances(series: DicomSeries) -> set[str]:
    return {one.instance for one in series.slices}
