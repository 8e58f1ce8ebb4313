"""One way in: a path becomes a `Volume` or a `Patient`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from halsted.imaging_bridge.dicom.archives import unpacked
from halsted.imaging_bridge.dicom.companions import companions_of
from halsted.imaging_bridge.dicom.files import read_header
from halsted.imaging_bridge.dicom.kinds import (
    DIRECTORY,
    DOSE,
    PICTURES,
    SEGMENTATIONS,
    STRUCTURE_SET,
    name_of,
)
from halsted.imaging_bridge.dicom.pictures import read_picture
from halsted.imaging_bridge.dicom.rtdose import dose_notes, read_rtdose
from halsted.imaging_bridge.dicom.rtstruct import read_rtstruct_noted
from halsted.imaging_bridge.dicom.seg import read_seg
from halsted.imaging_bridge.dicom.series import find_phases, find_series, notes_of
from halsted.imaging_bridge.dicom.survey import Survey, survey
from halsted.imaging_bridge.errors import GeometryError, ScanError
from halsted.imaging_bridge.formats.label_names import LabelNames
from halsted.imaging_bridge.formats.masks import read_mask
from halsted.imaging_bridge.formats.photographs import PHOTOGRAPH_SUFFIXES, read_photograph
from halsted.imaging_bridge.formats.recordings import RECORDING_SUFFIXES, read_recording
from halsted.imaging_bridge.formats.volumes import (
    IMAGE_SUFFIXES,
    image_suffix,
    read_labels,
    read_volume,
)
from halsted.imaging_bridge.labels import LabelMap
from halsted.imaging_bridge.patient import Patient
from halsted.imaging_bridge.signals import Recording
from halsted.imaging_bridge.volume import Volume

NO_LABELS = "none"
"""What is passed for labels where those that lie beside a scan are not wanted."""


@dataclass(frozen=True)
class ReadOptions:
    """What a caller chooses and allows where a scan leaves it open.

    Attributes:
        series: SeriesInstanceUID to read where there are several.
        phase: Index, from 0, of the phase of a 4-D series or the frame of a cine; None for all
            phases of a series.
        repairs: Faults of a DICOM series that may be mended; see `dicom.geometry.REPAIRS`.
        orientation: Where the axes of an Analyze file point; see `formats.volumes.read_volume`.
    """

    series: str | None = None
    phase: int | None = None
    repairs: Sequence[str] = ()
    orientation: str | None = None


@dataclass(frozen=True)
class _Read:
    """What was read, before labels are put on it."""

    images: Mapping[str, Volume]
    frame_of_reference: str | None = None
    notes: tuple[str, ...] = ()
    recording: Recording | None = None
    labels: Sequence[Path] = field(default_factory=list)


def read_scan(
    path: Path | str,
    series: str | None = None,
    *,
    phase: int | None = None,
    repairs: Sequence[str] = (),
    orientation: str | None = None,
) -> Volume:
    """Read a scan as one volume.

    Args:
        path: DICOM (folder, DICOMDIR, ZIP archive or file), or a NIfTI, NRRD, MetaImage, MINC or
            Analyze file.
        series: SeriesInstanceUID to read where there are several.
        phase: Index, from 0, of the phase to read where there are several.
        repairs: Faults of a DICOM series that may be mended; by default none is.
        orientation: Where the axes of an Analyze file point; see `formats.volumes.read_volume`.

    Raises:
        ScanError: there is no such path, or it cannot be read as a scan.
        GeometryError: its voxels do not make one regular grid of numbers.
    """
    path = Path(path)
    with unpacked(path) as place:
        if place.is_dir():
            return find_series(place, series, repairs=repairs, phase=phase).read()
        images = list(
            _read(place, ReadOptions(series, phase, repairs, orientation)).images.values()
        )
    if len(images) != 1:
        raise ScanError(
            f"{path} holds {len(images)} images (phases, or the colours of a picture) where one "
            "volume was expected; choose a phase, or read it as a patient"
        )
    return images[0]


def read_patient(
    scan: Path | str,
    labels: Path | str | None = None,
    label_names: LabelNames | None = None,
    series: str | None = None,
    *,
    phase: int | None = None,
    repairs: Sequence[str] = (),
    orientation: str | None = None,
) -> Patient:
    """Read a scan, picture or recording and its labels as a patient of kind ``scan``.

    An image is named after its modality in lower case (``ct``, ``mr``, ``ot``); phases of a 4-D
    series carry what tells them apart behind it, a colour picture is ``red``, ``green`` and
    ``blue``, and a dose in the scan's frame of reference is ``rtdose``. No fact about the person is
    taken from the files; ``facts`` says what was repaired or converted.

    Args:
        scan: DICOM (folder, DICOMDIR, ZIP archive or file); a NIfTI, NRRD, MetaImage, MINC or
            Analyze file; a PNG, JPEG or TIFF picture; or a WFDB or EDF recording.
        labels: RTSTRUCT, DICOM SEG, image file of labels, or mask of a picture, on the scan's grid.
            Where it is None, the RTSTRUCT or SEG in a DICOM folder that belongs to the series is
            taken; ``"none"`` takes none.
        label_names: Names of the values of an image file; see `formats.volumes.read_labels`.
        series: SeriesInstanceUID to read where a folder holds several series.
        phase: Index, from 0, of the phase or frame to read; None for all phases of a series.
        repairs: Faults of a DICOM series that may be mended; by default none is.
        orientation: Where the axes of an Analyze file point; see `formats.volumes.read_volume`.

    Raises:
        ScanError: a path does not exist or cannot be read, or a choice has to be made.
        GeometryError: the scan is no regular grid, or the labels lie on another one.
        StructureError: a label value has no name.
    """
    scan = Path(scan)
    with unpacked(scan) as place:
        read = _read(place, ReadOptions(series, phase, repairs, orientation))
        path = _only_labels(scan, read) if labels is None else Path(labels)
        if labels == NO_LABELS:
            path = None
        label_map, notes = None, list(read.notes)
        if path is not None:
            label_map, of_labels = _read_labels(path, label_names, scan, read)
            notes += of_labels
    facts = {"notes": "\n".join(notes)} if notes else {}
    return Patient(read.images, label_map, "scan", facts, read.recording)


def _read(path: Path, options: ReadOptions) -> _Read:
    if path.is_dir():
        return _read_dicom(survey(path), options)
    if not path.is_file():
        raise ScanError(f"there is no file or folder {path}; check the path")
    suffix = path.suffix.lower()
    if image_suffix(path) is not None:
        _refuse_series(path, options)
        volume = read_volume(path, phase=options.phase, orientation=options.orientation)
        return _Read({volume.modality.lower(): volume})
    if suffix in PHOTOGRAPH_SUFFIXES:
        return _Read(read_photograph(path))
    if suffix in RECORDING_SUFFIXES:
        return _Read({}, recording=read_recording(path))
    if read_header(path, ()) is not None:
        return _read_dicom(survey(path), options)
    known = (*IMAGE_SUFFIXES, *PHOTOGRAPH_SUFFIXES, *RECORDING_SUFFIXES)
    raise ScanError(
        f"{path} is not of a kind that is read here; pass a folder, archive or file of DICOM, or a "
        f"file that ends with {', '.join(known)}"
    )


def _refuse_series(path: Path, options: ReadOptions) -> None:
    if options.series is not None:
        raise ScanError(
            f"{path} is one file, but series={options.series} chooses from a folder of DICOM "
            "files; leave the series out, or pass the folder"
        )


def _read_dicom(found: Survey, options: ReadOptions) -> _Read:
    others = {kind: paths for kind, paths in found.others.items() if kind != DIRECTORY}
    if not found.series:
        pictures = [path for kind in others if kind in PICTURES for path in others[kind]]
        doses = others.get(DOSE, [])
        if len(pictures) == 1:
            return _Read(read_picture(pictures[0], options.phase))
        if not pictures and len(doses) == 1:
            return _Read({"rtdose": read_rtdose(doses[0])}, notes=dose_notes(doses[0]))
        if pictures:
            raise ScanError(
                f"{found.folder} holds {len(pictures)} pictures where one was expected; pass the "
                "file of one"
            )
        _refuse_labels(found)
    if options.phase is None:
        phases = find_phases(found, options.series, repairs=options.repairs)
    else:
        phases = [find_series(found, options.series, repairs=options.repairs, phase=options.phase)]
    beside = companions_of(found, phases)
    labelled = phases.pop(beside.first_phase)  # labels lie on the first image's grid
    phases.insert(0, labelled)
    images = {f"{one.modality.lower()} {one.phase}".strip(): one.read() for one in phases}
    notes = [*notes_of(phases), *beside.notes]
    for number, path in enumerate(beside.doses):
        name = "rtdose" if number == 0 else f"rtdose {number + 1}"
        images[name] = read_rtdose(path, phases[0].frame_of_reference or None)
        notes += [f"{name}: {note}" for note in dose_notes(path)]
    frame = phases[0].frame_of_reference or None
    return _Read(images, frame, tuple(notes), None, beside.labels)


def _refuse_labels(found: Survey) -> None:
    for kind in found.others:
        if found.folder.is_file() and (kind == STRUCTURE_SET or kind in SEGMENTATIONS):
            raise ScanError(
                f"{found.folder} is a {name_of(kind)}, which needs the scan that it was drawn on; "
                "pass that as the scan, and this as its labels"
            )


def _only_labels(scan: Path, read: _Read) -> Path | None:
    """The one RTSTRUCT or SEG of a DICOM folder, if there is any."""
    if len(read.labels) > 1:
        raise ScanError(
            f"{scan} holds {len(read.labels)} structure sets or segmentations "
            f"({', '.join(map(str, read.labels))}) where one was expected; choose one with "
            "labels=PATH, or labels=none"
        )
    return read.labels[0] if read.labels else None


def _read_labels(
    path: Path, names: LabelNames | None, scan: Path, read: _Read
) -> tuple[LabelMap, Sequence[str]]:
    """The labels on the grid of the first image, and what is to be known of them."""
    if not path.exists():
        raise ScanError(f"there is no file or folder {path}; check the path")
    if not read.images:
        raise ScanError(
            f"{scan} is a recording, which has no voxels to label; leave the labels out"
        )
    image = next(iter(read.images.values()))
    found, notes = _labels_on(path, names, image, read)
    if not found.same_geometry(image):
        raise GeometryError(
            f"the labels {path} lie on another grid ({_grid(found)}) than the scan {scan} "
            f"({_grid(image)}); resample them onto the scan with nearest-neighbour interpolation"
        )
    return found, notes


def _labels_on(
    path: Path, names: LabelNames | None, image: Volume, read: _Read
) -> tuple[LabelMap, Sequence[str]]:
    if image_suffix(path) is not None:
        return read_labels(path, names), ()
    if path.suffix.lower() in PHOTOGRAPH_SUFFIXES:
        return read_mask(path, reference=read.images), ()
    header = read_header(path, ()) if path.is_file() else None
    if header is not None and header.sop_class == STRUCTURE_SET:
        return read_rtstruct_noted(path, image, read.frame_of_reference)
    if header is not None and header.sop_class in SEGMENTATIONS:
        return read_seg(path, image, read.frame_of_reference), ()
    what = (
        f"a single DICOM file ({name_of(header.sop_class)})" if header else "of no kind read here"
    )
    raise ScanError(
        f"{path} is {what}; pass an RTSTRUCT or a DICOM SEG, or a file that ends with "
        f"{', '.join((*IMAGE_SUFFIXES, *PHOTOGRAPH_SUFFIXES))}"
    )


def _grid(grid: Volume | LabelMap) -> str:
    shape = " x ".join(map(str, grid.shape))
    corner = ", ".join(f"{number:.1f}" for number in grid.origin)
    spacing = " x ".join(f"{number:.3g}" for number in grid.spacing)
    return f"{shape} voxels along z, y, x, {spacing} mm apart, from ({corner})"
