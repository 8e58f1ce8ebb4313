"""One scan, with its labels, into any of the formats."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from halsted.imaging_bridge.dicom.archives import unpacked
from halsted.imaging_bridge.dicom.series import find_series
from halsted.imaging_bridge.errors import OutputError
from halsted.imaging_bridge.exports.headers import Source, read_source
from halsted.imaging_bridge.exports.images import image_suffix, write_labels, write_volume
from halsted.imaging_bridge.exports.meshes import MAX_FACES, write_obj, write_stl
from halsted.imaging_bridge.exports.rtdose import write_rtdose
from halsted.imaging_bridge.exports.rtstruct import write_rtstruct
from halsted.imaging_bridge.exports.seg import write_seg
from halsted.imaging_bridge.formats.label_names import LabelNames
from halsted.imaging_bridge.formats.volumes import image_suffix as known_suffix
from halsted.imaging_bridge.labels import LabelMap, Provenance
from halsted.imaging_bridge.patient import Patient
from halsted.imaging_bridge.read import read_patient, read_scan

Format = Literal["nifti", "nrrd", "seg", "rtstruct", "rtdose", "stl", "obj"]
FORMATS: tuple[Format, ...] = get_args(Format)
"""What a scan is converted to."""

_SUFFIXES: dict[Format, tuple[str, ...]] = {
    "nifti": (".nii.gz", ".nii"),
    "nrrd": (".nrrd",),
    "seg": (".dcm",),
    "rtstruct": (".dcm",),
    "rtdose": (".dcm",),
    "stl": ("",),
    "obj": (".obj",),
}


@dataclass(frozen=True)
class Conversion:
    """What is converted to what.

    Attributes:
        scan: Folder of DICOM files, or an image file; see `read_scan`.
        to: One of `FORMATS`.
        out: File to write, with the format's suffix; for ``stl`` a folder.
        labels: As for `read_patient`; None takes those that lie in the scan's folder.
        label_names: As for `read_patient`.
        series: SeriesInstanceUID where a folder holds several series.
        phase: Index, from 0, of the phase to read where there are several.
        repairs: Faults of a DICOM series that may be mended; see `dicom.geometry.REPAIRS`.
        reference: Folder, or ZIP archive, of the DICOM series that a SEG, RTSTRUCT or RTDOSE refers
            to, where it is not the scan itself.
        unit: ``Gy`` says that the scan is a dose, which image files do not tell.
        provenance: Who drew the labels, where their file does not tell.
        labelmap: Whether a SEG is of the newer kind LABELMAP.
        max_faces: Most triangles of one structure in STL and OBJ.
    """

    scan: Path
    to: Format
    out: Path
    labels: Path | None = None
    label_names: LabelNames | None = None
    series: str | None = None
    phase: int | None = None
    repairs: Sequence[str] = ()
    reference: Path | None = None
    unit: str | None = None
    provenance: Provenance | None = None
    labelmap: bool = False
    max_faces: int = MAX_FACES


def convert(what: Conversion) -> list[Path]:
    """Read the scan and write it in the other format.

    Returns:
        The files written.

    Raises:
        ScanError: the scan cannot be read.
        GeometryError: scan and labels do not fit together.
        StructureError: the labels are empty or have no names.
        OutputError: the request cannot be fulfilled, or a file cannot be written.
    """
    _check(what)
    return _WRITERS[what.to](what)


def _check(what: Conversion) -> None:
    suffixes = _SUFFIXES[what.to]
    if not what.out.name.lower().endswith(suffixes) or (what.to != "stl" and what.out.is_dir()):
        raise OutputError(
            f"{what.to} is written to a file that ends with {' or '.join(suffixes)}, but the "
            f"output is {what.out}; name such a file"
        )
    if what.to == "stl" and what.out.is_file():
        raise OutputError(
            f"stl is written to a folder, one file a structure, but {what.out} is a file; name a "
            "folder"
        )


def _images(what: Conversion) -> list[Path]:
    """The first image under the name that was asked for, others and the labels beside it."""
    patient = _patient(what)
    suffix = image_suffix(what.out)
    stem = what.out.name[: -len(suffix)]
    written = [write_volume(patient.image, what.out)]
    for name, image in list(patient.images.items())[1:]:
        written.append(write_volume(image, what.out.with_name(f"{stem}_{name}{suffix}")))
    if patient.labels is not None:
        path = what.out.with_name(f"{stem}_labels{suffix}")
        written.append(write_labels(patient.labels, path))
    return written


def _patient(what: Conversion) -> Patient:
    return read_patient(
        what.scan,
        what.labels,
        what.label_names,
        what.series,
        phase=what.phase,
        repairs=what.repairs,
    )


def _seg(what: Conversion) -> list[Path]:
    source = _source(what)
    return [write_seg(_labels(what), source, what.out, labelmap=what.labelmap)]


def _rtstruct(what: Conversion) -> list[Path]:
    source = _source(what)
    return [write_rtstruct(_labels(what), source, what.out)]


def _rtdose(what: Conversion) -> list[Path]:
    source = _source(what)
    dose = read_scan(what.scan, what.series, phase=what.phase, repairs=what.repairs)
    if what.unit is not None:
        dose = replace(dose, unit=what.unit, modality="RTDOSE")
    return [write_rtdose(dose, source, what.out)]


def _stl(what: Conversion) -> list[Path]:
    return write_stl(_labels(what), what.out, what.max_faces)


def _obj(what: Conversion) -> list[Path]:
    return [write_obj(_labels(what), what.out, what.max_faces)]


_WRITERS: dict[Format, Callable[[Conversion], list[Path]]] = {
    "nifti": _images,
    "nrrd": _images,
    "seg": _seg,
    "rtstruct": _rtstruct,
    "rtdose": _rtdose,
    "stl": _stl,
    "obj": _obj,
}


def _source(what: Conversion) -> Source:
    if what.reference is not None:
        with unpacked(what.reference) as folder:
            return read_source(find_series(folder))
    scan = what.scan
    if scan.is_file() and known_suffix(scan) is not None:
        raise OutputError(
            f"{what.to} refers to the DICOM series that the scan came from, but {what.scan} is no "
            "DICOM; name the folder of that series with --reference"
        )
    with unpacked(scan) as folder:
        found = find_series(folder, what.series, repairs=what.repairs, phase=what.phase)
        return read_source(found)


def _labels(what: Conversion) -> LabelMap:
    labels = _patient(what).labels
    if labels is None:
        raise OutputError(
            f"{what.to} is made from labels, and {what.scan} comes without any; name a label map "
            "or an RTSTRUCT with --labels"
        )
    if what.provenance is None:
        return labels
    return replace(labels, provenance=what.provenance)
