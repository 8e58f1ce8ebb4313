"""Dose distributions as DICOM RT Dose."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.errors import GeometryError, OutputError
from halsted.imaging_bridge.exports.headers import Source, new_object, save
from halsted.imaging_bridge.volume import Volume

if TYPE_CHECKING:
    from pydicom import Dataset

RTDOSE_CLASS = "1.2.840.10008.5.1.4.1.1.481.2"

_LARGEST = 2**32 - 1
_PERPENDICULAR = 1e-4  # largest cosine between two axes


def write_rtdose(dose: Volume, source: Source, path: Path | str, plan: str | None = None) -> Path:
    """Write a dose as unsigned 32-bit numbers with one scaling.

    The largest dose becomes the largest number, so that the rounding error is less than 1.2e-10 of
    it. Scaled in float64: float32 has no number near 2**32 - 1 and would overflow.

    Args:
        dose: In Gy, none of it negative; on any grid in the frame of reference of the source.
        source: A series of the patient whom the dose was planned for; see `headers.read_source`.
        path: File to write.
        plan: SOPInstanceUID of the RT Plan. DICOM demands one, so where it is None the dose refers
            to a plan of which there is no more than a new UID.

    Raises:
        OutputError: the unit is not Gy, a dose is negative, or the file cannot be written.
        GeometryError: the axes are not perpendicular.
    """
    _check(dose)
    voxels, affine = _upwards(dose)
    made = new_object(source.headers[0], RTDOSE_CLASS, "RTDOSE", "Dose")
    made.ContentDate, made.ContentTime = made.InstanceCreationDate, made.InstanceCreationTime
    made.FrameOfReferenceUID = source.frame_of_reference
    made.PositionReferenceIndicator = ""
    _place(made, voxels.shape, affine)
    made.DoseUnits, made.DoseType, made.DoseSummationType = "GY", "PHYSICAL", "PLAN"
    made.ReferencedRTPlanSequence = [_plan(plan)]
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 32, 32, 31, 0
    scaling = _scaling(float(voxels.max()))
    made.DoseGridScaling = scaling
    stored = np.rint(voxels.astype(np.float64) / float(scaling))
    made.PixelData = np.clip(stored, 0, _LARGEST).astype("<u4").tobytes()
    return save(made, path)


def _plan(uid: str | None) -> Dataset:
    from pydicom import Dataset
    from pydicom.uid import RTPlanStorage, generate_uid

    plan = Dataset()
    plan.ReferencedSOPClassUID = RTPlanStorage
    plan.ReferencedSOPInstanceUID = uid or generate_uid()
    return plan


def _check(dose: Volume) -> None:
    if dose.unit != "Gy":
        raise OutputError(
            f"an RT Dose holds a dose in Gy, but this volume's unit is {dose.unit!r}; pass a dose, "
            "or say that it is one with --unit Gy"
        )
    lowest = float(dose.voxels.min())
    if lowest < 0:
        raise OutputError(
            f"the lowest value of this dose is {lowest:g} Gy, and a dose is never negative; set "
            "negative values to zero first"
        )
    cosines = dose.direction.T @ dose.direction - np.eye(3)
    if np.abs(cosines).max() > _PERPENDICULAR:
        raise GeometryError(
            "the axes of this dose are not perpendicular (a sheared affine); resample it onto a "
            "rectangular grid first"
        )


def _upwards(dose: Volume) -> tuple[NDArray[np.generic], NDArray[np.float64]]:
    """Voxels and affine whose z axis is the cross product of row and column direction."""
    if np.linalg.det(dose.direction[:, ::-1]) > 0:
        return dose.voxels, dose.affine
    affine = dose.affine.copy()
    affine[:3, 3] += affine[:3, 0] * (dose.shape[0] - 1)
    affine[:3, 0] *= -1
    return dose.voxels[::-1], affine


def _place(made: Dataset, shape: tuple[int, ...], affine: NDArray[np.float64]) -> None:
    """The elements that say where the frames lie; see PS3.3, C.8.8.3.2."""
    slice_step, row_step, column_step = np.linalg.norm(affine[:3, :3], axis=0)
    along_row = affine[:3, 2] / column_step
    along_column = affine[:3, 1] / row_step
    made.NumberOfFrames, made.Rows, made.Columns = shape
    made.ImagePositionPatient = _decimals(affine[:3, 3])
    made.ImageOrientationPatient = _decimals([*along_row, *along_column])
    made.PixelSpacing = _decimals([row_step, column_step])
    made.SliceThickness = _decimals([slice_step])[0]
    made.FrameIncrementPointer = 0x3004000C
    made.GridFrameOffsetVector = _decimals(np.arange(shape[0]) * slice_step)


def _scaling(largest: float) -> str:
    """Gy of one step, as the decimal string that will be in the file."""
    from pydicom.valuerep import format_number_as_ds

    if largest == 0:
        return "1"
    return format_number_as_ds(largest / _LARGEST)


def _decimals(numbers: NDArray[np.float64] | list[float]) -> list[str]:
    from pydicom.valuerep import format_number_as_ds

    return [format_number_as_ds(float(number)) for number in numbers]
