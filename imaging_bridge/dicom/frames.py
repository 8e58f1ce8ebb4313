"""The frames of classic and enhanced DICOM images: where each lies, and what its values mean.

A classic file holds one frame, whose place stands in its main data set. An enhanced file holds
many, whose places stand in functional groups (DICOM PS3.3 C.7.6.16).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from halsted.imaging_bridge.dicom.files import (
    DicomHeader,
    Elements,
    elements_of,
    numbers_needed,
    numbers_of,
    text_of,
)
from halsted.imaging_bridge.dicom.pixels import PIXEL_TAGS, Pixels, pixels_of
from halsted.imaging_bridge.errors import ScanError

PHASE_TAGS = (
    "TemporalPositionIdentifier",
    "TemporalPositionIndex",
    "NominalPercentageOfCardiacPhase",
    "NominalCardiacTriggerDelayTime",
    "TriggerTime",
    "DiffusionBValue",
    "EffectiveEchoTime",
    "EchoTime",
    "EchoNumbers",
    "InversionTime",
    "ImageType",
    "FrameType",
    "AcquisitionNumber",
    "FrameAcquisitionNumber",
    "AcquisitionTime",
)
"""What may tell apart frames at one place: time, heart phase, diffusion weight, echo, kind."""

FRAME_TAGS = (
    *PIXEL_TAGS,
    *PHASE_TAGS,
    *(
        "SeriesInstanceUID FrameOfReferenceUID Modality ImagePositionPatient "
        "ImageOrientationPatient PixelSpacing SliceThickness RescaleSlope RescaleIntercept "
        "RescaleType Units SharedFunctionalGroupsSequence PerFrameFunctionalGroupsSequence "
        "DiffusionGradientOrientation"
    ).split(),
)

# Groups of an enhanced image that hold what a classic one keeps in its main data set.
_GROUPS = (
    "PixelMeasuresSequence PlanePositionSequence PlaneOrientationSequence "
    "PixelValueTransformationSequence FrameContentSequence MREchoSequence MRDiffusionSequence "
    "CardiacSynchronizationSequence MRImageFrameTypeSequence CTImageFrameTypeSequence "
    "PETFrameTypeSequence TemporalPositionSequence RealWorldValueMappingSequence "
    "SegmentIdentificationSequence MRModifierSequence"
).split()

_NEEDS_RESCALE = {"CT", "PT"}


@dataclass(frozen=True)
class Frame:
    """One slice of a scan, as its header describes it.

    Attributes:
        pixels: How its values are stored, shared by all frames of a file.
        number: Index in its file, from 0.
        series: SeriesInstanceUID.
        modality: DICOM's two letters.
        frame_of_reference: UID of the frame that positions are given in; may be empty.
        spacing: Distance in mm between (rows, columns).
        orientation: LPS unit vectors along a row, then along a column, as six numbers.
        position: LPS point, mm, of the centre of the first voxel.
        thickness: SliceThickness in mm; 0 where it is not stated.
        slope: Factor from stored value to `unit`.
        intercept: Offset from stored value to `unit`.
        unit: Unit of the rescaled values.
        phase: What may tell this frame from others at the same place, by keyword.
        is_localizer: Whether it is a scout view.
        segment: Number of the segment that a frame of a segmentation belongs to; else 0.
    """

    pixels: Pixels
    number: int
    series: str
    modality: str
    frame_of_reference: str
    spacing: tuple[float, ...]
    orientation: tuple[float, ...]
    position: tuple[float, ...]
    thickness: float
    slope: float
    intercept: float
    unit: str
    phase: Mapping[str, str]
    is_localizer: bool
    segment: int = 0

    @property
    def path(self) -> Path:
        """The file."""
        return self.pixels.path

    @property
    def name(self) -> str:
        """The file's name, and the frame's number from 1 where there are several."""
        return self.path.name + (f" frame {self.number + 1}" if self.pixels.frames > 1 else "")

    @property
    def rows(self) -> int:
        """Voxels along y of the array."""
        return self.pixels.rows

    @property
    def columns(self) -> int:
        """Voxels along x of the array."""
        return self.pixels.columns


def frames_of(header: DicomHeader, modality: str) -> Iterator[Frame]:
    """The frames of an image file of which `FRAME_TAGS` were read.

    Raises:
        ScanError: an element is missing or nonsense, or the image is of an unsupported kind.
    """
    elements = header.elements
    pixels = pixels_of(header)
    if pixels.is_colour:
        raise ScanError(
            f"{header.path} is a colour image, but a scan has one value a voxel; export the "
            "original series"
        )
    per_frame = elements.get("PerFrameFunctionalGroupsSequence")
    if per_frame is None:
        if pixels.frames > 1:
            raise ScanError(
                f"{header.path} has {pixels.frames} frames but does not say where each lies "
                "(PerFrameFunctionalGroupsSequence is missing); export the scan as classic "
                "single-frame or as enhanced DICOM"
            )
        yield _frame(header, pixels, 0, elements, modality)
        return
    if len(per_frame) != pixels.frames:
        raise ScanError(
            f"{header.path} describes {len(per_frame)} frames but announces {pixels.frames} "
            "(NumberOfFrames); get the file again from where it came"
        )
    shared = _flattened(elements) | _flattened(_first(elements, "SharedFunctionalGroupsSequence"))
    for number, item in enumerate(per_frame):
        place = {**shared, **_flattened(elements_of(item))}
        yield _frame(header, pixels, number, place, modality)


def _first(elements: Elements, tag: str) -> Elements:
    """The elements of a sequence's first item; none where there is no such sequence."""
    sequence = elements.get(tag)
    return elements_of(sequence[0]) if sequence else {}


def _flattened(groups: Elements) -> dict[str, Any]:
    """The elements of functional groups in one mapping."""
    flat: dict[str, Any] = {}
    for group in _GROUPS:
        flat.update(_first(groups, group))
    return flat


def _frame(
    header: DicomHeader, pixels: Pixels, number: int, place: Elements, modality: str
) -> Frame:
    path, elements = header.path, header.elements
    slope, intercept, unit = _rescale(path, elements, place, modality)
    thickness = numbers_of(place, "SliceThickness", 1) or (0.0,)
    kinds = f"{elements.get('ImageType', '')}{place.get('FrameType', '')}"
    segment = numbers_of(place, "ReferencedSegmentNumber", 1) or (0,)
    return Frame(
        pixels=pixels,
        number=number,
        series=text_of(elements, "SeriesInstanceUID"),
        modality=modality,
        frame_of_reference=text_of(elements, "FrameOfReferenceUID"),
        spacing=numbers_needed(path, place, "PixelSpacing", 2),
        orientation=numbers_needed(path, place, "ImageOrientationPatient", 6),
        position=numbers_needed(path, place, "ImagePositionPatient", 3),
        thickness=thickness[0],
        slope=slope,
        intercept=intercept,
        unit=unit,
        phase=_phase(elements, place),
        is_localizer="LOCALIZER" in kinds.upper(),
        segment=int(segment[0]),
    )


def _rescale(
    path: Path, elements: Elements, place: Elements, modality: str
) -> tuple[float, float, str]:
    """Slope, intercept and unit from stored to measured values."""
    if "RealWorldValueSlope" in place and "RescaleSlope" not in place:
        code = _first(place, "MeasurementUnitsCodeSequence")
        (slope,) = numbers_needed(path, place, "RealWorldValueSlope", 1)
        (intercept,) = numbers_needed(path, place, "RealWorldValueIntercept", 1)
        return slope, intercept, text_of(code, "CodeValue") or "1"
    slope, intercept = 1.0, 0.0
    # Without a rescale a CT would be off by about 1,000 HU; an MR has no absolute scale.
    has_lut = "ModalityLUTSequence" in elements
    if not has_lut and (modality in _NEEDS_RESCALE or "RescaleSlope" in place):
        (slope,) = numbers_needed(path, place, "RescaleSlope", 1)
        (intercept,) = numbers_needed(path, place, "RescaleIntercept", 1)
    return slope, intercept, _unit(elements, place, modality)


def _unit(elements: Elements, place: Elements, modality: str) -> str:
    if modality == "CT":
        stated = text_of(place, "RescaleType") or "HU"
        return "HU" if stated == "US" else stated  # US is "unspecified", which many scanners write
    if modality == "PT":
        return text_of(elements, "Units") or "1"
    return "1"


def _phase(elements: Elements, place: Elements) -> dict[str, str]:
    found = {}
    for tag in PHASE_TAGS:
        value = text_of(place, tag) or text_of(elements, tag)
        if value:
            found[tag] = value
    direction = numbers_of(place, "DiffusionGradientOrientation", 3)
    if direction is not None and "DiffusionBValue" in found:
        found["DiffusionBValue"] += " along " + ", ".join(f"{one:.3f}" for one in direction)
    return found
