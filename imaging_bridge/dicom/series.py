"""A classic (single-frame) CT or MR series from a folder of DICOM files.

Most readers return a plausible, wrong volume where a slice is missing, doubled or tilted. This one
reads all headers first and refuses, with an error that names the fault, before it touches a voxel.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.dicom.files import read_dicom, sop_class, text_of
from halsted.imaging_bridge.dicom.geometry import DicomSlice, check_alike, place_slices
from halsted.imaging_bridge.errors import ScanError
from halsted.imaging_bridge.volume import Volume

if TYPE_CHECKING:
    from pydicom import Dataset

VOXEL_BUDGET_BYTES = 2 << 30
"""Default limit on the size of a volume in float32."""

_CLASSES = {"1.2.840.10008.5.1.4.1.1.2": "CT", "1.2.840.10008.5.1.4.1.1.4": "MR"}

_TAGS = (
    "SeriesInstanceUID FrameOfReferenceUID ImagePositionPatient ImageOrientationPatient "
    "PixelSpacing Rows Columns NumberOfFrames SamplesPerPixel RescaleSlope RescaleIntercept "
    "RescaleType ModalityLUTSequence"
).split()

_PIXEL_TAGS = (
    "PixelData Rows Columns NumberOfFrames SamplesPerPixel PhotometricInterpretation "
    "PlanarConfiguration PixelRepresentation BitsAllocated BitsStored HighBit"
).split()


@dataclass(frozen=True)
class DicomSeries:
    """A series whose headers are known to make one regular grid.

    Attributes:
        uid: SeriesInstanceUID.
        modality: ``CT`` or ``MR``.
        slices: In the order of the array's z axis, which is the cross product of row and column.
        affine: Array index (z, y, x, 1) to LPS point, mm, shape (4, 4).
    """

    uid: str
    modality: str
    slices: tuple[DicomSlice, ...]
    affine: NDArray[np.float64]

    @property
    def frame_of_reference(self) -> str:
        """FrameOfReferenceUID that all slices share; may be empty."""
        return self.slices[0].frame_of_reference

    def read(self) -> Volume:
        """The voxels, float32, with each slice's own slope and intercept applied.

        Raises:
            ScanError: a file is truncated, or compressed in a way that no decoder here knows.
        """
        from concurrent.futures import ThreadPoolExecutor

        first = self.slices[0]
        voxels = np.empty((len(self.slices), first.rows, first.columns), dtype=np.float32)

        def fill(number: int) -> None:
            one = self.slices[number]
            np.multiply(_stored_values(one), np.float32(one.slope), out=voxels[number])
            voxels[number] += np.float32(one.intercept)

        with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
            list(pool.map(fill, range(len(self.slices))))
        return Volume(voxels, self.affine, self.modality, first.unit)


def read_dicom_series(
    folder: Path | str, series: str | None = None, budget_bytes: int = VOXEL_BUDGET_BYTES
) -> Volume:
    """Read the one CT or MR series of a folder.

    Args:
        folder: Folder that holds the files; subfolders are not looked into, and files that are not
            DICOM (no ``DICM`` after the preamble), or hold other DICOM objects, are passed over.
        series: SeriesInstanceUID to read where there are several.
        budget_bytes: Most bytes that the float32 voxels may take.

    Returns:
        float32 voxels (z, y, x) in HU for CT (or in the RescaleType that the file states), without
        unit for MR; the z axis grows along the cross product of row and column direction.

    Raises:
        ScanError: no such series, a choice to be made, or files that cannot be read.
        GeometryError: slices that do not make one regular grid.
    """
    return find_series(folder, series, budget_bytes).read()


def find_series(
    folder: Path | str, series: str | None = None, budget_bytes: int = VOXEL_BUDGET_BYTES
) -> DicomSeries:
    """Find and check the series that `read_dicom_series` would read; no voxel is touched."""
    folder = Path(folder)
    uid, modality, headers = _choose(folder, series)
    slices = [_slice_of(path, header, modality) for path, header in headers]
    check_alike(slices)
    _check_budget(folder, slices, budget_bytes)
    ordered, affine = place_slices(slices)
    return DicomSeries(uid, modality, tuple(ordered), affine)


Headers = list[tuple[Path, "Dataset"]]


def _choose(folder: Path, wanted: str | None) -> tuple[str, str, Headers]:
    """UID, modality and headers of the series to read."""
    found, others = _headers_by_series(folder)
    if not found:
        raise ScanError(_nothing_readable(folder, others))
    listing = "; ".join(
        f"{uid} ({modality}, {len(headers)} files)" for (uid, modality), headers in found.items()
    )
    chosen = [key for key in found if wanted in (None, key[0])]
    if not chosen:
        raise ScanError(
            f"{folder} holds no CT or MR series with the SeriesInstanceUID {wanted}; choose one of "
            f"these with series=UID: {listing}"
        )
    if len(chosen) > 1:
        raise ScanError(
            f"{folder} holds {len(chosen)} image series where one was expected; choose one with "
            f"series=UID: {listing}"
        )
    uid, modality = chosen[0]
    return uid, modality, found[chosen[0]]


def _headers_by_series(folder: Path) -> tuple[dict[tuple[str, str], Headers], Counter[str]]:
    """Headers of CT and MR files by (UID, modality), and how many files hold something else."""
    found: dict[tuple[str, str], Headers] = {}
    others: Counter[str] = Counter()
    for path in _files_in(folder):
        kind = sop_class(path)
        if kind is None:
            continue
        if kind not in _CLASSES:
            others[kind.name] += 1
            continue
        header = read_dicom(path, _TAGS)
        uid = text_of(header, "SeriesInstanceUID")
        found.setdefault((uid, _CLASSES[kind]), []).append((path, header))
    return found, others


def _files_in(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_file())
    except OSError as error:
        raise ScanError(
            f"cannot list the folder {folder} ({error.strerror}); pass a folder of DICOM files "
            "that you may read"
        ) from error


def _nothing_readable(folder: Path, others: Counter[str]) -> str:
    if not others:
        return (
            f"{folder} holds no DICOM file; pass the folder in which the files of a CT or MR "
            "series lie (subfolders are not searched)"
        )
    listing = ", ".join(f"{count} x {name}" for name, count in sorted(others.items()))
    return (
        f"{folder} holds no single-frame CT or MR image, only {listing}, which is not supported; "
        "export the scan as classic single-frame CT or MR, or convert it to NIfTI"
    )


def _slice_of(path: Path, header: Dataset, modality: str) -> DicomSlice:
    """The checked header of one file.

    Raises:
        ScanError: an element is missing or nonsense, or the image is of an unsupported kind.
    """
    _check_kind(path, header)
    rows, columns = (int(_numbers(path, header, tag, 1)[0]) for tag in ("Rows", "Columns"))
    if min(rows, columns) < 1:
        raise ScanError(
            f"{path} states Rows x Columns of {rows} x {columns}; both must be at least 1, so get "
            "the file again from where it came"
        )
    # Without a rescale a CT would be off by about 1,000 HU; an MR has no absolute scale.
    slope, intercept = 1.0, 0.0
    if modality == "CT" or "RescaleSlope" in header:
        slope = _numbers(path, header, "RescaleSlope", 1)[0]
        intercept = _numbers(path, header, "RescaleIntercept", 1)[0]
    return DicomSlice(
        path=path,
        frame_of_reference=text_of(header, "FrameOfReferenceUID"),
        rows=rows,
        columns=columns,
        spacing=_numbers(path, header, "PixelSpacing", 2),
        orientation=_numbers(path, header, "ImageOrientationPatient", 6),
        position=_numbers(path, header, "ImagePositionPatient", 3),
        slope=slope,
        intercept=intercept,
        unit=_unit(header, modality),
    )


def _check_kind(path: Path, header: Dataset) -> None:
    frames = str(header.get("NumberOfFrames") or 1)
    samples = str(header.get("SamplesPerPixel") or 1)
    if frames != "1":
        raise ScanError(
            f"{path} is multi-frame (NumberOfFrames is {frames}), and only single-frame files are "
            "read; export the scan as classic single-frame CT or MR"
        )
    if samples != "1":
        raise ScanError(
            f"{path} is a colour image (SamplesPerPixel is {samples}), but a scan has one value a "
            "voxel; export the original series"
        )
    if "ModalityLUTSequence" in header:
        raise ScanError(
            f"{path} maps its values with a ModalityLUTSequence where a RescaleSlope and "
            "RescaleIntercept were expected; export the original series"
        )


def _numbers(path: Path, header: Dataset, tag: str, count: int) -> tuple[float, ...]:
    """The finite numbers, `count` of them, that an element holds."""
    try:
        value = getattr(header, tag)
        numbers = tuple(float(one) for one in np.atleast_1d(value))
    except (AttributeError, TypeError, ValueError):  # missing, None, or no number
        numbers = ()
    if len(numbers) != count or not np.isfinite(numbers).all():
        raise ScanError(
            f"{path} states no usable {tag} ({count} finite numbers were expected); export the "
            "series again with complete headers"
        )
    return numbers


def _unit(header: Dataset, modality: str) -> str:
    if modality != "CT":
        return "1"
    stated = text_of(header, "RescaleType") or "HU"
    return "HU" if stated == "US" else stated  # US is "unspecified", which many CT scanners write


def _check_budget(folder: Path, slices: Sequence[DicomSlice], budget_bytes: int) -> None:
    first = slices[0]
    needed = first.rows * first.columns * len(slices) * 4
    if needed > budget_bytes:
        raise ScanError(
            f"the series in {folder} has {len(slices)} slices of {first.rows} x {first.columns}, "
            f"which take {needed / 2**30:.1f} GiB as float32, over the budget of "
            f"{budget_bytes / 2**30:.1f} GiB; crop or resample it, or raise budget_bytes"
        )


def _stored_values(one: DicomSlice) -> NDArray[Any]:
    """Values as stored, before slope and intercept, shape (rows, columns)."""
    dataset = read_dicom(one.path, _PIXEL_TAGS)
    if "PixelData" not in dataset:
        raise ScanError(
            f"{one.path} has no PixelData where {one.rows} x {one.columns} voxels were expected, "
            "so it is truncated; get the file again from where it came"
        )
    if dataset.file_meta.TransferSyntaxUID.is_compressed:
        return _decoded(one, dataset)
    bits = _bits_allocated(one, dataset)
    raw = dataset.PixelData
    needed = one.rows * one.columns * bits // 8
    if len(raw) < needed:
        raise ScanError(
            f"{one.path} is truncated: its PixelData has {len(raw)} bytes, but Rows x Columns x "
            f"BitsAllocated need {needed}; get the file again from where it came"
        )
    order = "<" if dataset.file_meta.TransferSyntaxUID.is_little_endian else ">"
    sign = "i" if dataset.get("PixelRepresentation") == 1 else "u"
    values = np.frombuffer(raw, f"{order}{sign}{bits // 8}", one.rows * one.columns)
    unused = bits - int(dataset.get("BitsStored") or bits)
    if 0 < unused < bits:
        # Bits above BitsStored may hold an overlay, and the sign has to be carried into them.
        values = (values << unused) >> unused
    return values.reshape(one.rows, one.columns)


def _bits_allocated(one: DicomSlice, dataset: Dataset) -> int:
    bits = dataset.get("BitsAllocated")
    if bits not in (8, 16, 32):
        raise ScanError(
            f"{one.path} states BitsAllocated of {bits}, but 8, 16 or 32 were expected; export "
            "the original series"
        )
    return int(bits)


def _decoded(one: DicomSlice, dataset: Dataset) -> NDArray[Any]:
    syntax = dataset.file_meta.TransferSyntaxUID.name
    try:
        values = np.asarray(dataset.pixel_array)
    except Exception as error:  # each decoder has its own types
        raise ScanError(
            f"{one.path} is compressed ({syntax}) and cannot be decoded here "
            f"({type(error).__name__}); install a decoder (pip install pylibjpeg "
            "pylibjpeg-openjpeg python-gdcm) or decompress the series, and get the file again if "
            "that does not help"
        ) from error
    if values.shape != (one.rows, one.columns):
        raise ScanError(
            f"{one.path} ({syntax}) decodes to shape {values.shape}, but Rows x Columns are "
            f"{one.rows} x {one.columns}; get the file again from where it came"
        )
    return values
