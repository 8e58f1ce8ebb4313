"""A volume as a DICOM series, one file a slice."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.errors import GeometryError, OutputError
from halsted.imaging_bridge.exports.headers import MANUFACTURER, MODEL, save, version
from halsted.imaging_bridge.exports.identity import SeededIdentity
from halsted.imaging_bridge.labels import LabelMap
from halsted.imaging_bridge.volume import Volume

if TYPE_CHECKING:
    from pydicom import Dataset
    from pydicom.dataset import FileDataset

AnyGrid = TypeVar("AnyGrid", Volume, LabelMap)

_LARGEST = 65535
_HU_OF_ZERO = -1024.0


@dataclass(frozen=True)
class SeriesNames:
    """What a series is called.

    Attributes:
        person: PatientID, e.g. ``PHANTOM-THORAX-7``; PatientName is the same with its first word
            as the family name, ``PHANTOM^THORAX-7``.
        description: SeriesDescription.
        identity: Where UIDs and dates come from; the same study and frame of reference for the
            same one.
        part: Tells the series of a study apart.
        number: SeriesNumber.
    """

    person: str
    description: str
    identity: SeededIdentity
    part: str = "image"
    number: int = 1


def write_series(volume: Volume, folder: Path, names: SeriesNames) -> list[Path]:
    """Write a CT or MR volume as single-frame DICOM that says nothing of any person.

    Whole numbers in a range of 65536 are stored as they are, with an intercept; others lose at most
    half of the range's 65535th part.

    Args:
        volume: Modality ``CT`` or ``MR``.
        folder: Where the files ``0001.dcm``, ... go, along the normal of the slices.
        names: What the series is called.

    Returns:
        The files.

    Raises:
        GeometryError: the axes are not perpendicular, or the voxels' size is not known.
        OutputError: another modality, or a file cannot be written.
    """
    if volume.modality not in ("CT", "MR"):
        raise OutputError(
            f"a series of modality {volume.modality} cannot be written as DICOM here; pass a CT or "
            "MR, or write it to nifti"
        )
    _check_place(volume)
    volume = along_normal(volume)
    stored, slope, intercept = _stored(volume)
    written = []
    for number, plane in enumerate(stored):
        made = _slice(volume, number, names)
        made.Rows, made.Columns = plane.shape
        made.RescaleSlope, made.RescaleIntercept = _decimal(slope), _decimal(intercept)
        if volume.modality == "CT":
            made.RescaleType = "HU"
        made.PixelData = plane.tobytes()
        written.append(save(made, folder / f"{number + 1:04d}.dcm"))
    return written


def along_normal(grid: AnyGrid) -> AnyGrid:
    """The same voxels, ordered along the normal of the slices, as readers of DICOM order them."""
    z, y, x = grid.direction.T
    if np.cross(x, y) @ z > 0:
        return grid
    affine = grid.affine.copy()
    affine[:3, 3] = grid.to_patient((grid.shape[0] - 1, 0, 0))
    affine[:3, 0] *= -1.0
    return replace(grid, voxels=np.ascontiguousarray(grid.voxels[::-1]), affine=affine)


def _check_place(volume: Volume) -> None:
    z, y, x = volume.direction.T
    if not np.allclose((x @ y, x @ z, y @ z), 0.0, atol=1e-4):
        raise GeometryError(
            "the axes of this volume are not perpendicular, as those of a DICOM series are; "
            "resample it onto a rectangular grid first"
        )
    if not volume.spacing_known:
        raise GeometryError(
            "this picture does not say how large its pixels are, and a DICOM series would; keep it "
            "as it is"
        )


def _stored(volume: Volume) -> tuple[NDArray[np.uint16], float, float]:
    """Voxels (z, y, x) as they are stored, and the slope and intercept that give them back."""
    voxels = volume.voxels.astype(np.float64)
    low, high = float(voxels.min()), float(voxels.max())
    usual = _HU_OF_ZERO if volume.modality == "CT" else 0.0
    intercept = usual if low >= usual else float(np.floor(low))
    is_whole = bool((voxels == np.rint(voxels)).all())
    if is_whole and high - intercept <= _LARGEST:
        slope = 1.0
    else:
        intercept, slope = low, float(_decimal((high - low) / _LARGEST)) or 1.0
        while (high - low) / slope > _LARGEST:  # what rounding to 16 characters took away
            slope *= 1.0 + 1e-12
    return np.rint((voxels - intercept) / slope).clip(0, _LARGEST).astype("<u2"), slope, intercept


def _slice(volume: Volume, number: int, names: SeriesNames) -> FileDataset:
    made = _named(volume, number, names)
    _place(made, volume, number)
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated = made.BitsStored = 16
    made.HighBit, made.PixelRepresentation = 15, 0
    if volume.modality == "CT":
        made.KVP, made.AcquisitionNumber = "", ""
    else:
        made.ScanningSequence, made.SequenceVariant, made.ScanOptions = "RM", "NONE", ""
        made.MRAcquisitionType, made.EchoTime, made.EchoTrainLength = "", "", ""
        made.RepetitionTime = ""
    return made


def _named(volume: Volume, number: int, names: SeriesNames) -> FileDataset:
    """Who, when and by what, all of it made up or said to be a program's."""
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, MRImageStorage

    identity = names.identity
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage if volume.modality == "CT" else MRImageStorage
    meta.MediaStorageSOPInstanceUID = UID(identity.uid(names.part, "slice", number))
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    made.SpecificCharacterSet = "ISO_IR 192"
    made.SOPClassUID, made.SOPInstanceUID = (
        meta.MediaStorageSOPClassUID,
        meta.MediaStorageSOPInstanceUID,
    )
    made.PatientName, made.PatientID = names.person.replace("-", "^", 1), names.person
    made.PatientBirthDate = made.PatientSex = made.ReferringPhysicianName = ""
    made.PatientIdentityRemoved, made.DeidentificationMethod = "YES", "phantom made by a program"
    made.FrameOfReferenceUID = identity.uid("frame of reference")
    made.StudyInstanceUID, made.StudyID = identity.uid("study"), "1"
    made.AccessionNumber, made.StudyDescription = "", "Phantom"
    made.SeriesInstanceUID = identity.uid(names.part, "series")
    made.SeriesNumber, made.SeriesDescription = names.number, names.description
    made.InstanceNumber, made.Modality = number + 1, volume.modality
    for what in ("Study", "Series", "Content"):
        setattr(made, f"{what}Date", identity.date)
        setattr(made, f"{what}Time", identity.time)
    made.Manufacturer, made.ManufacturerModelName = MANUFACTURER, MODEL
    made.SoftwareVersions = version()
    made.ImageType = ["DERIVED", "SECONDARY", "AXIAL" if volume.modality == "CT" else "OTHER"]
    made.BurnedInAnnotation, made.PatientPosition = "NO", "HFS"
    made.ImageLaterality = "U"  # of no paired part of the body
    return made


def _place(made: Dataset, volume: Volume, number: int) -> None:
    from pydicom.valuerep import DSfloat

    def decimals(numbers: NDArray[np.float64]) -> list[DSfloat]:
        return [DSfloat(float(one), auto_format=True) for one in numbers]

    _, along_y, along_x = volume.direction.T
    made.PositionReferenceIndicator = ""
    made.ImageOrientationPatient = decimals(np.concatenate([along_x, along_y]))
    made.ImagePositionPatient = decimals(volume.to_patient((number, 0, 0)))
    made.PixelSpacing = decimals(volume.spacing[1:])
    made.SliceThickness = decimals(volume.spacing[:1])[0]
    if volume.modality == "MR":
        made.SpacingBetweenSlices = made.SliceThickness


def _decimal(number: float) -> str:
    from pydicom.valuerep import format_number_as_ds

    return format_number_as_ds(float(number))
