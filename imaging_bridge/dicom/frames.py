"""The frames of classic and enhanced DICOM images: where each lies, and what its values mean.

A classic file holds one frame, whose place stands in its main data set. An enhanced file holds
many, whose places stand in functional groups (DICOM PS3.3 C.7.6.16).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from halsted.imaging_bridge.dicom.elements import (
    Elements,
    items_of,
    numbers_needed,
    numbers_of,
    term_of,
    text_of,
    uid_of,
    whole_number_of,
)
from halsted.imaging_bridge.dicom.files import DicomHeader
from halsted.imaging_bridge.dicom.kinds import PET_UNITS, RESCALE_TYPES
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
        "SOPInstanceUID SeriesInstanceUID FrameOfReferenceUID Modality ImagePositionPatient "
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
_UCUM = re.compile(r"[A-Za-z0-9*/.{}\[\]%()-]{1,16}")
# A scan lies within this distance of its frame of reference.
_FARTHEST_MM = 1e5

Rescale = Literal["rescale", "real world value", "LUT", "none"]
"""Which part of a header maps stored to measured values."""


@dataclass(frozen=True)
class Frame:
    """One slice of a scan, as its header describes it.

    Attributes:
        pixels: How its values are stored, shared by all frames of a file.
        number: Index in its file, from 0.
        series: SeriesInstanceUID.
        instance: SOPInstanceUID of its file.
        modality: DICOM's two letters.
        frame_of_reference: UID of the frame that positions are given in; may be empty.
        spacing: Distance in mm between (rows, columns).
        orientation: LPS unit vectors along a row, then along a column, as six numbers.
        position: LPS point, mm, of the centre of the first voxel.
        thickness: SliceThickness in mm; 0 where it is not stated.
        rescale: Where slope and intercept come from.
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
    instance: str
    modality: str
    frame_of_reference: str
    spacing: tuple[float, ...]
    orientation: tuple[float, ...]
    position: tuple[float, ...]
    thickness: float
    rescale: Rescale
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
    per_frame = items_of(elements, "PerFrameFunctionalGroupsSequence")
    if not per_frame:
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
        place = {**shared, **_flattened(item)}
        yield _frame(header, pixels, number, place, modality)


def _first(elements: Elements, tag: str) -> Elements:
    """The elements of a sequence's first item; none where there is no such sequence."""
    return next(iter(items_of(elements, tag)), {})


def _flattened(groups: Elements) -> dict[str, Any]:
    """The elements of functional groups in one mapping."""
    flat: dict[str, Any] = {}
    for group in _GROUPS:
        flat.update(_first(groups, group))
    flat.update(_first(flat, "DiffusionGradientDirectionSequence"))
    return flat


def _frame(
    header: DicomHeader, pixels: Pixels, number: int, place: Elements, modality: str
) -> Frame:
    path, elements = header.path, header.elements
    rescale, slope, intercept = _rescale(path, elements, place, modality)
    thickness = numbers_of(place, "SliceThickness", 1) or (0.0,)
    kinds = text_of(elements, "ImageType") + text_of(place, "FrameType")
    position = numbers_needed(path, place, "ImagePositionPatient", 3)
    if max(map(abs, position)) > _FARTHEST_MM:
        raise ScanError(
            f"{path} states an ImagePositionPatient more than 100 m away; export the series again"
        )
    return Frame(
        pixels=pixels,
        number=number,
        series=uid_of(elements, "SeriesInstanceUID"),
        instance=uid_of(elements, "SOPInstanceUID"),
        modality=modality,
        frame_of_reference=uid_of(elements, "FrameOfReferenceUID"),
        spacing=numbers_needed(path, place, "PixelSpacing", 2),
        orientation=numbers_needed(path, place, "ImageOrientationPatient", 6),
        position=position,
        thickness=thickness[0],
        rescale=rescale,
        slope=slope,
        intercept=intercept,
        unit=_unit(elements, place, modality, rescale),
        phase=_phase(elements, place),
        is_localizer="LOCALIZER" in kinds.upper(),
        segment=whole_number_of(place, "ReferencedSegmentNumber") or 0,
    )


def _rescale(
    path: Path, elements: Elements, place: Elements, modality: str
) -> tuple[Rescale, float, float]:
    """Where the rescale of stored values stands, its slope and its intercept."""
    if "RescaleSlope" in place or (modality in _NEEDS_RESCALE and not _has_lut(elements)):
        # Without a rescale a CT would be off by about 1,000 HU; an MR has no absolute scale.
        (slope,) = numbers_needed(path, place, "RescaleSlope", 1)
        (intercept,) = numbers_needed(path, place, "RescaleIntercept", 1)
        return "rescale", slope, intercept
    if "RealWorldValueSlope" in place:
        (slope,) = numbers_needed(path, place, "RealWorldValueSlope", 1)
        (intercept,) = numbers_needed(path, place, "RealWorldValueIntercept", 1)
        return "real world value", slope, intercept
    return "LUT" if _has_lut(elements) else "none", 1.0, 0.0


def _has_lut(elements: Elements) -> bool:
    return "ModalityLUTSequence" in elements


def _unit(elements: Elements, place: Elements, modality: str, rescale: Rescale) -> str:
    if rescale == "real world value":
        code = _first(place, "MeasurementUnitsCodeSequence")
        unit = text_of(code, "CodeValue")
        is_ucum = text_of(code, "CodingSchemeDesignator") == "UCUM" and _UCUM.fullmatch(unit)
        return unit if is_ucum else "1"
    if modality == "CT":
        stated = text_of(place, "RescaleType")
        if stated in ("", "US"):  # unspecified, which many scanners write
            return "HU"
        return stated if stated in RESCALE_TYPES else "1"
    if modality == "PT":
        return term_of(elements, "Units", PET_UNITS) or "1"
    return "1"


def _phase(elements: Elements, place: Elements) -> dict[str, str]:
    found = {}
    for tag in PHASE_TAGS:
        value = text_of(place, tag) or text_of(elements, tag)
        if value:
            found[tag] = value
    direction = numbers_of(place, "DiffusionGradientOrientation", 3)
    weight = numbers_of(place, "DiffusionBValue", 1)
    if direction is not None and weight is not None:
        along = ", ".join(f"{one:.3f}" for one in direction)
        found["DiffusionBValue"] = f"{weight[0]:g} along {along}"
    return found
