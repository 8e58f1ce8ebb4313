"""Label maps as DICOM Segmentation, through highdicom."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.errors import OutputError, StructureError
from halsted.imaging_bridge.exports.codes import category_of, code_of, side_of
from halsted.imaging_bridge.exports.colours import colour_of
from halsted.imaging_bridge.exports.headers import (
    MANUFACTURER,
    MODEL,
    Source,
    save,
    take_over,
    version,
    without_person,
)
from halsted.imaging_bridge.exports.identity import SeededIdentity
from halsted.imaging_bridge.exports.names import dicom_names
from halsted.imaging_bridge.formats.extras import extra
from halsted.imaging_bridge.labels import LabelMap, Provenance

if TYPE_CHECKING:
    from highdicom.seg import Segmentation, SegmentDescription
    from pydicom import Dataset

# DICOM has no word for labels of unknown origin; of its three this one claims the least.
_ALGORITHM: dict[Provenance, str] = {
    "manual": "MANUAL",
    "model": "AUTOMATIC",
    "generated": "AUTOMATIC",
    "unknown": "SEMIAUTOMATIC",
}


def write_seg(
    labels: LabelMap,
    source: Source,
    path: Path | str,
    *,
    labelmap: bool = False,
    identity: SeededIdentity | None = None,
    number: int = 1,
) -> Path:
    """Write every structure that has voxels as a segment.

    Args:
        labels: On the grid of the series.
        source: The series that the segments refer to; see `headers.read_source`.
        path: File to write.
        labelmap: Write the Label Map Segmentation of DICOM 2024d, which is smaller and which few
            programs read yet, instead of one binary frame a segment and slice.
        identity: Where UIDs and dates come from; None makes new UIDs and takes the time.
        number: SeriesNumber.

    Raises:
        GeometryError: the labels lie on another grid.
        StructureError: no structure has voxels.
        OutputError: the object cannot be made or written.
        HalstedError: highdicom is not installed.
    """
    source.check_grid(labels)
    names = [name for name, volume in labels.volumes_ml.items() if volume > 0]
    if not names:
        raise StructureError(
            "the labels hold no voxel of any structure, and a DICOM Segmentation needs one; "
            "choose other labels"
        )
    try:
        with extra("export"):
            made = _segmentation(labels, names, source, labelmap, identity)
            made.SeriesNumber = number
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # The text may quote a value of the headers, so only the type is told.
        raise OutputError(
            f"cannot make a DICOM Segmentation of the series in {source.folder}, because its "
            f"headers are not valid DICOM ({type(error).__name__}); repair them or write rtstruct"
        ) from error
    take_over(source.headers[0], made)
    if identity is not None:
        identity.replace_in(made)
    return save(made, path)


def _segmentation(
    labels: LabelMap,
    names: list[str],
    source: Source,
    labelmap: bool,
    identity: SeededIdentity | None,
) -> Segmentation:
    from highdicom.seg import Segmentation
    from pydicom.uid import ExplicitVRLittleEndian, RLELossless, generate_uid

    return Segmentation(
        source_images=[_as_highdicom_wants(header, source) for header in source.headers],
        pixel_array=_numbered(labels, names)[_order(source)],
        segmentation_type="LABELMAP" if labelmap else "BINARY",
        segment_descriptions=[
            _description(number, name, written, labels.provenance)
            for number, (name, written) in enumerate(
                zip(names, dicom_names(names), strict=True), start=1
            )
        ],
        series_instance_uid=identity.uid("seg series") if identity else generate_uid(),
        series_number=1,
        sop_instance_uid=identity.uid("seg") if identity else generate_uid(),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MODEL,
        software_versions=version(),
        device_serial_number="0",
        content_label="STRUCTURES",
        content_creator_name="",
        series_description="Structures",
        transfer_syntax_uid=RLELossless if labelmap else ExplicitVRLittleEndian,
    )


def _as_highdicom_wants(header: Dataset, source: Source) -> Dataset:
    """Without the person, because highdicom quotes unusual names and dates in warnings."""
    plain = without_person(header)
    if "NumberOfFrames" not in plain and not plain.get("SliceThickness"):
        plain.SliceThickness = float(source.grid.spacing[0])
    return plain


def _order(source: Source) -> list[int]:
    """The slices in the order of the files, and of the frames of a file, as highdicom wants."""
    if len(source.headers) == 1 and "NumberOfFrames" in source.headers[0]:
        frames = int(source.headers[0].NumberOfFrames)
        if frames != len(source.slices):
            raise OutputError(
                f"the series in {source.folder} has {frames} frames of which {len(source.slices)} "
                "make the scan, and a DICOM Segmentation refers to all; write rtstruct instead"
            )
    return sorted(range(len(source.slices)), key=source.slices.__getitem__)


def _numbered(labels: LabelMap, names: list[str]) -> NDArray[np.generic]:
    """Voxels (z, y, x) whose values are 1, 2, ... in the order of the names."""
    numbers = np.zeros(max(labels.names.values()) + 1, dtype=labels.voxels.dtype)
    numbers[[labels.names[name] for name in names]] = np.arange(1, len(names) + 1)
    return np.asarray(numbers[labels.voxels])


def _description(
    number: int, name: str, written: str, provenance: Provenance
) -> SegmentDescription:
    from highdicom import AlgorithmIdentificationSequence
    from highdicom.color import CIELabColor
    from highdicom.seg import SegmentDescription
    from highdicom.sr import CodedConcept
    from pydicom.sr.codedict import codes

    algorithm = None
    if provenance != "manual":
        algorithm = AlgorithmIdentificationSequence(
            name=provenance, family=codes.cid7162.ArtificialIntelligence, version="unknown"
        )
    described = SegmentDescription(
        segment_number=number,
        segment_label=written,
        segmented_property_category=category_of(name),
        segmented_property_type=code_of(name),
        algorithm_type=_ALGORITHM[provenance],
        algorithm_identification=algorithm,
        display_color=CIELabColor.from_rgb(*colour_of(name, number)),
    )
    if side := side_of(name):
        kind = described.SegmentedPropertyTypeCodeSequence[0]
        kind.SegmentedPropertyTypeModifierCodeSequence = [CodedConcept.from_code(side)]
    return described
