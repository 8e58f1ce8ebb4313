"""One way in: a path becomes a `Volume` or a `Patient`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from halsted.imaging_bridge.dicom.files import sop_class
from halsted.imaging_bridge.dicom.rtstruct import is_rtstruct, read_rtstruct
from halsted.imaging_bridge.dicom.series import find_series
from halsted.imaging_bridge.errors import GeometryError, ScanError
from halsted.imaging_bridge.formats.label_names import LabelNames
from halsted.imaging_bridge.formats.volumes import (
    IMAGE_SUFFIXES,
    image_suffix,
    read_labels,
    read_volume,
)
from halsted.imaging_bridge.labels import LabelMap
from halsted.imaging_bridge.patient import Patient
from halsted.imaging_bridge.volume import Volume


@dataclass(frozen=True)
class _Scan:
    volume: Volume
    frame_of_reference: str | None = None


def read_scan(path: Path | str, series: str | None = None) -> Volume:
    """Read a scan from a folder of DICOM files, or from a NIfTI, NRRD or MetaImage file.

    Args:
        path: Folder or file.
        series: SeriesInstanceUID to read where a folder holds several series.

    Raises:
        ScanError: there is no such path, or it cannot be read as a scan.
        GeometryError: its voxels do not make one regular grid of numbers.
    """
    return _read(Path(path), series).volume


def read_patient(
    scan: Path | str,
    labels: Path | str | None = None,
    label_names: LabelNames | None = None,
    series: str | None = None,
) -> Patient:
    """Read a scan and its labels as a patient of kind ``scan``.

    The image is named after its modality in lower case (``ct``, ``mr``, ``ot``). No fact about the
    person is taken from the files.

    Args:
        scan: Folder of DICOM files, or an image file; see `read_scan`.
        labels: RTSTRUCT or image file of labels on the scan's grid. Where it is None, an RTSTRUCT
            in a DICOM folder is taken.
        label_names: Names of the values of an image file; see `formats.volumes.read_labels`.
        series: SeriesInstanceUID to read where a folder holds several series.

    Raises:
        ScanError: a path does not exist or cannot be read, or there are several RTSTRUCTs.
        GeometryError: the scan is no regular grid, or the labels lie on another one.
        StructureError: a label value has no name.
    """
    scan = Path(scan)
    read = _read(scan, series)
    path = Path(labels) if labels is not None else _rtstruct_in(scan)
    label_map = None if path is None else _read_labels(path, label_names, scan, read)
    return Patient({read.volume.modality.lower(): read.volume}, label_map, "scan")


def _read(path: Path, series: str | None) -> _Scan:
    if path.is_dir():
        found = find_series(path, series)
        return _Scan(found.read(), found.frame_of_reference or None)
    _check_file(path, "a folder of DICOM files")
    if series is not None:
        raise ScanError(
            f"{path} is one file, but series={series} chooses from a folder of DICOM files; leave "
            "the series out, or pass the folder"
        )
    return _Scan(read_volume(path))


def _check_file(path: Path, otherwise: str) -> None:
    """Refuse what is not an image file, and say what could be passed instead."""
    if not path.exists():
        raise ScanError(f"there is no file or folder {path}; check the path")
    if image_suffix(path) is not None and path.is_file():
        return
    if path.is_file() and (kind := sop_class(path)) is not None:
        raise ScanError(f"{path} is a single DICOM file ({kind.name}); pass {otherwise}")
    raise ScanError(
        f"{path} is not of a kind that is read here; pass {otherwise}, or a file that ends with "
        f"{', '.join(IMAGE_SUFFIXES)}"
    )


def _rtstruct_in(scan: Path) -> Path | None:
    """The one RTSTRUCT of a DICOM folder, if there is any."""
    if not scan.is_dir():
        return None
    found = [path for path in sorted(scan.iterdir()) if path.is_file() and is_rtstruct(path)]
    if len(found) > 1:
        raise ScanError(
            f"{scan} holds {len(found)} structure sets ({', '.join(one.name for one in found)}) "
            "where one was expected; choose one with labels=PATH"
        )
    return found[0] if found else None


def _read_labels(path: Path, names: LabelNames | None, scan: Path, read: _Scan) -> LabelMap:
    if path.is_file() and image_suffix(path) is None and is_rtstruct(path):
        return read_rtstruct(path, read.volume, read.frame_of_reference)
    _check_file(path, "an RTSTRUCT file")
    found = read_labels(path, names)
    if not found.same_geometry(read.volume):
        raise GeometryError(
            f"the labels {path} lie on another grid ({_grid(found)}) than the scan {scan} "
            f"({_grid(read.volume)}); resample them onto the scan with nearest-neighbour "
            "interpolation"
        )
    return found


def _grid(grid: Volume | LabelMap) -> str:
    shape = " x ".join(map(str, grid.shape))
    corner = ", ".join(f"{number:.1f}" for number in grid.origin)
    spacing = " x ".join(f"{number:.3g}" for number in grid.spacing)
    return f"{shape} voxels along z, y, x, {spacing} mm apart, from ({corner})"
