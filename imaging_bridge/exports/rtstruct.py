"""Label maps as contours in a DICOM RT Structure Set."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.dicom.rtstruct import RTSTRUCT_CLASS
from halsted.imaging_bridge.errors import StructureError
from halsted.imaging_bridge.exports.colours import colour_of
from halsted.imaging_bridge.exports.contours import outlines
from halsted.imaging_bridge.exports.headers import Source, new_object, save
from halsted.imaging_bridge.exports.names import dicom_names
from halsted.imaging_bridge.labels import LabelMap, Provenance
from halsted.imaging_bridge.structures import Role, role_of

if TYPE_CHECKING:
    from pydicom import Dataset

_STUDY_CLASS = "1.2.840.10008.3.1.2.3.1"  # Detached Study Management, as RT objects refer to it
_GENERATED: dict[Provenance, str] = {
    "manual": "MANUAL",
    "model": "AUTOMATIC",
    "generated": "AUTOMATIC",
    "unknown": "",
}
_INTERPRETED: dict[Role, str] = {"body": "EXTERNAL", "lesion": "GTV"}


def write_rtstruct(labels: LabelMap, source: Source, path: Path | str) -> Path:
    """Write every structure that has voxels as contours along its voxels' edges.

    Filling the contours gives back the labels voxel for voxel; see `contours.outlines` for holes.

    Args:
        labels: On the grid of the series.
        source: The series that the contours refer to; see `headers.read_source`.
        path: File to write.

    Raises:
        GeometryError: the labels lie on another grid.
        StructureError: no structure has voxels.
        OutputError: the file cannot be written.
    """
    source.check_grid(labels)
    drawn = [name for name, volume in labels.volumes_ml.items() if volume > 0]
    if not drawn:
        raise StructureError(
            "the labels hold no voxel of any structure, so there is no contour to write; choose "
            "other labels"
        )
    made = new_object(source.headers[0], RTSTRUCT_CLASS, "RTSTRUCT", "Structures")
    made.StructureSetLabel = "Structures"
    made.StructureSetDate = made.InstanceCreationDate
    made.StructureSetTime = made.InstanceCreationTime
    made.ApprovalStatus = "UNAPPROVED"
    made.FrameOfReferenceUID = source.frame_of_reference
    made.PositionReferenceIndicator = ""
    made.ReferencedFrameOfReferenceSequence = [_frame_of_reference(source)]
    made.StructureSetROISequence = []
    made.ROIContourSequence = []
    made.RTROIObservationsSequence = []
    for number, (name, written) in enumerate(zip(drawn, dicom_names(drawn), strict=True), start=1):
        made.StructureSetROISequence.append(_roi(number, written, labels.provenance, source))
        made.ROIContourSequence.append(_drawing(number, name, labels, source))
        made.RTROIObservationsSequence.append(_observation(number, name))
    return save(made, path)


def _frame_of_reference(source: Source) -> Dataset:
    from pydicom import Dataset

    frame, study, series = Dataset(), Dataset(), Dataset()
    series.SeriesInstanceUID = source.headers[0].SeriesInstanceUID
    series.ContourImageSequence = [source.image_of(number) for number in range(len(source.slices))]
    study.ReferencedSOPClassUID = _STUDY_CLASS
    study.ReferencedSOPInstanceUID = source.headers[0].StudyInstanceUID
    study.RTReferencedSeriesSequence = [series]
    frame.FrameOfReferenceUID = source.frame_of_reference
    frame.RTReferencedStudySequence = [study]
    return frame


def _roi(number: int, name: str, provenance: Provenance, source: Source) -> Dataset:
    from pydicom import Dataset

    roi = Dataset()
    roi.ROINumber = number
    roi.ReferencedFrameOfReferenceUID = source.frame_of_reference
    roi.ROIName = name
    roi.ROIGenerationAlgorithm = _GENERATED[provenance]
    roi.ROIGenerationDescription = provenance
    return roi


def _observation(number: int, name: str) -> Dataset:
    from pydicom import Dataset

    observation = Dataset()
    observation.ObservationNumber = number
    observation.ReferencedROINumber = number
    observation.RTROIInterpretedType = _INTERPRETED.get(role_of(name), "ORGAN")
    observation.ROIInterpreter = ""
    return observation


def _drawing(number: int, name: str, labels: LabelMap, source: Source) -> Dataset:
    from pydicom import Dataset

    drawing = Dataset()
    drawing.ReferencedROINumber = number
    drawing.ROIDisplayColor = list(colour_of(name, number))
    drawing.ContourSequence = [
        _contour(points, source.image_of(number)) for number, points in _contours(labels, name)
    ]
    return drawing


def _contours(labels: LabelMap, name: str) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Slice number and vertices (n, 3) in LPS, mm, of each contour of a structure."""
    mask = labels.mask(name)
    for number in np.flatnonzero(mask.any(axis=(1, 2))).tolist():
        for polygon in outlines(mask[number]):
            index = np.column_stack([np.full(len(polygon), number), polygon])
            yield number, labels.to_patient(index)


def _contour(points: NDArray[np.float64], image: Dataset) -> Dataset:
    from pydicom import Dataset

    contour = Dataset()
    contour.ContourImageSequence = [image]
    contour.ContourGeometricType = "CLOSED_PLANAR"
    contour.NumberOfContourPoints = len(points)
    # A tenth of a micrometre; a decimal string has 16 characters at most.
    contour.ContourData = [f"{coordinate:.4f}" for coordinate in points.ravel().tolist()]
    return contour
