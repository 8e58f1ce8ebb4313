"""A classic (single-frame) CT or MR series from a folder of DICOM files.

Most readers return a plausible, wrong volume where a slice is missing, doubled or tilted. This one
reads all headers first and refuses, with an error that names the fault, before it touches a voxel.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.dicom_files import read_dicom, sop_class
from halsted.imaging_bridge.errors import GeometryError, ScanError
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

# A slice may lie this far from its place on a regular grid: ten times the rounding of positions
# that are written to a hundredth of a millimetre, and the tolerance of `Grid.same_geometry`.
_PLACE_TOLERANCE_MM = 0.1
_SAME_PLACE_MM = 0.01
# Direction cosines and pixel spacings are often written with four digits.
_HEADER_TOLERANCE = 1e-3


@dataclass(frozen=True)
class DicomSlice:
    """What the header of one file says about its slice.

    Attributes:
        path: The file.
        frame_of_reference: UID of the frame that positions are given in; may be empty.
        rows: Voxels along y of the array.
        columns: Voxels along x of the array.
        spacing: Distance in mm between (rows, columns).
        orientation: LPS unit vectors along a row, then along a column, as six numbers.
        position: LPS point, mm, of the centre of the first voxel.
        slope: Factor from stored value to `unit`.
        intercept: Offset from stored value to `unit`.
        unit: Unit of the rescaled values.
    """

    path: Path
    frame_of_reference: str
    rows: int
    columns: int
    spacing: tuple[float, ...]
    orientation: tuple[float, ...]
    position: tuple[float, ...]
    slope: float
    intercept: float
    unit: str


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
    _check_alike(slices)
    _check_budget(folder, slices, budget_bytes)
    ordered, affine = _place(slices)
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
        uid = str(header.get("SeriesInstanceUID", ""))
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
        frame_of_reference=str(header.get("FrameOfReferenceUID", "") or ""),
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
    stated = str(header.get("RescaleType") or "HU")
    return "HU" if stated == "US" else stated  # US is "unspecified", which many CT scanners write


def _check_alike(slices: Sequence[DicomSlice]) -> None:
    """Refuse a series of which one slice differs from the rest in what all must share."""
    _check_same(slices, "Rows x Columns", lambda one: (one.rows, one.columns))
    _check_same(slices, "ImageOrientationPatient", lambda one: one.orientation)
    _check_same(slices, "PixelSpacing", lambda one: one.spacing)
    _check_same(slices, "RescaleType", lambda one: one.unit)
    _check_same(slices, "FrameOfReferenceUID", lambda one: one.frame_of_reference)


def _check_same(
    slices: Sequence[DicomSlice], field: str, value_of: Callable[[DicomSlice], Any]
) -> None:
    usual = Counter(value_of(one) for one in slices).most_common(1)[0][0]
    for one in slices:
        value = value_of(one)
        same = value == usual or (
            not isinstance(value, str) and np.allclose(value, usual, rtol=0, atol=_HEADER_TOLERANCE)
        )
        if not same:
            raise GeometryError(
                f"{one.path} has {field} {_shown(value)}, but other slices of its series have "
                f"{_shown(usual)}; move files that do not belong to the scan (a localizer, say) "
                "to another folder"
            )


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return " x ".join(f"{number:.6g}" for number in value)
    return str(value) or "none"


def _check_budget(folder: Path, slices: Sequence[DicomSlice], budget_bytes: int) -> None:
    first = slices[0]
    needed = first.rows * first.columns * len(slices) * 4
    if needed > budget_bytes:
        raise ScanError(
            f"the series in {folder} has {len(slices)} slices of {first.rows} x {first.columns}, "
            f"which take {needed / 2**30:.1f} GiB as float32, over the budget of "
            f"{budget_bytes / 2**30:.1f} GiB; crop or resample it, or raise budget_bytes"
        )


def _place(slices: Sequence[DicomSlice]) -> tuple[list[DicomSlice], NDArray[np.float64]]:
    """The slices in order along their normal, and the affine of their grid.

    Raises:
        GeometryError: the positions are not evenly spaced on a line along the normal.
    """
    along_x, along_y, normal = _axes(slices[0])
    positions = np.array([one.position for one in slices])
    order = np.argsort(positions @ normal, kind="stable")
    ordered, positions = [slices[number] for number in order.tolist()], positions[order]
    along_normal = positions @ normal
    _check_steps(ordered, along_normal)
    _check_tilt(ordered, positions, normal)
    affine = np.eye(4)
    step = (along_normal[-1] - along_normal[0]) / (len(ordered) - 1)
    row_spacing, column_spacing = slices[0].spacing
    affine[:3, :3] = np.column_stack(
        [normal * step, along_y * row_spacing, along_x * column_spacing]
    )
    affine[:3, 3] = positions[0]
    return ordered, affine


def _axes(one: DicomSlice) -> tuple[NDArray[np.float64], ...]:
    """Unit vectors along the array's x and y axes, and the slice's normal, in LPS."""
    along_x, along_y = np.array(one.orientation).reshape(2, 3)
    lengths = np.linalg.norm([along_x, along_y], axis=1)
    if np.abs(lengths - 1).max() > _HEADER_TOLERANCE or abs(along_x @ along_y) > _HEADER_TOLERANCE:
        raise GeometryError(
            f"{one.path} has ImageOrientationPatient {_shown(one.orientation)}, but two "
            "perpendicular unit vectors were expected; export the series again"
        )
    if min(one.spacing) <= 0:
        raise GeometryError(
            f"{one.path} has PixelSpacing {_shown(one.spacing)}, but two positive distances in mm "
            "were expected; export the series again"
        )
    along_x = along_x / lengths[0]
    along_y = along_y - (along_y @ along_x) * along_x  # exact after the header's rounding
    along_y = along_y / np.linalg.norm(along_y)
    return along_x, along_y, np.cross(along_x, along_y)


def _check_steps(slices: Sequence[DicomSlice], along: NDArray[np.float64]) -> None:
    """Refuse doubled, missing and unevenly spaced slices; `along` is sorted, in mm."""
    if len(slices) < 2:
        raise GeometryError(
            f"{slices[0].path} is the only slice of its series, and a volume needs two or more; "
            "export the whole series into one folder"
        )
    steps = np.diff(along)
    for before in np.flatnonzero(steps < _SAME_PLACE_MM).tolist():
        raise GeometryError(
            f"{slices[before].path} and {slices[before + 1].path.name} lie at the same position "
            f"({along[before]:.2f} mm along the slice normal), where one slice was expected; keep "
            "one phase, echo or copy in the folder"
        )
    # The lower median: of two steps, one of them over a gap, the shorter is the usual one.
    usual = float(np.sort(steps)[(len(steps) - 1) // 2])
    tolerance = min(_PLACE_TOLERANCE_MM, usual / 10)
    for before in np.flatnonzero(np.abs(steps - usual) > tolerance).tolist():
        raise GeometryError(_uneven(slices, along, before, usual, tolerance))
    even = np.linspace(along[0], along[-1], len(along))
    worst = int(np.argmax(np.abs(along - even)))
    if abs(along[worst] - even[worst]) > tolerance:
        raise GeometryError(
            f"{slices[worst].path} lies at {along[worst]:.2f} mm along the slice normal, but at "
            f"{even[worst]:.2f} mm if the slices were evenly spaced; resample the series to an "
            "even spacing first"
        )


def _uneven(
    slices: Sequence[DicomSlice],
    along: NDArray[np.float64],
    before: int,
    usual: float,
    tolerance: float,
) -> str:
    """What is wrong between slice `before` and the next."""
    step = float(along[before + 1] - along[before])
    folder = slices[before].path.parent
    between = f"between {slices[before].path.name} and {slices[before + 1].path.name} in {folder} "
    missing = round(step / usual) - 1
    if missing >= 1 and abs(step - (missing + 1) * usual) <= tolerance * (missing + 1):
        places = ", ".join(
            f"{along[before] + n * usual:.2f}" for n in range(1, min(missing, 5) + 1)
        )
        return (
            f"{missing} slice(s) are missing {between}(at {places} mm along the slice normal, "
            f"where the slices are {usual:.2f} mm apart); get the missing files"
        )
    return (
        f"the slice spacing is not uniform: {step:.2f} mm {between}(at {along[before]:.2f} mm "
        f"along the slice normal), but {usual:.2f} mm elsewhere; resample the series to an even "
        "spacing first"
    )


def _check_tilt(
    slices: Sequence[DicomSlice], positions: NDArray[np.float64], normal: NDArray[np.float64]
) -> None:
    """Refuse slices that are displaced sideways against each other."""
    offsets = positions - positions[0]
    sideways = np.linalg.norm(offsets - np.outer(offsets @ normal, normal), axis=1)
    worst = int(np.argmax(sideways))
    if sideways[worst] > _PLACE_TOLERANCE_MM:
        angle = np.degrees(np.arctan2(sideways[worst], offsets[worst] @ normal))
        raise GeometryError(
            f"{slices[worst].path} lies {sideways[worst]:.2f} mm sideways of the first slice's "
            f"normal ({angle:.1f} degrees), but slices must be stacked along it (is it a gantry "
            "tilt?); resample the series to a rectangular grid first"
        )


def _stored_values(one: DicomSlice) -> NDArray[Any]:
    """Values as stored, before slope and intercept, shape (rows, columns)."""
    dataset = read_dicom(one.path)
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
