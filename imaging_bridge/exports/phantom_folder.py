"""A phantom as a folder of files that other programs read, the same bytes for the same seed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.errors import HalstedError, OutputError
from halsted.imaging_bridge.exports.identity import SeededIdentity
from halsted.imaging_bridge.exports.images import write_labels, write_volume
from halsted.imaging_bridge.exports.pictures import (
    write_instances,
    write_mask,
    write_picture,
    write_pixels,
)
from halsted.imaging_bridge.exports.recordings import write_wfdb
from halsted.imaging_bridge.exports.series import SeriesNames, along_normal, write_series
from halsted.imaging_bridge.files import whole_folder, write_text
from halsted.imaging_bridge.labels import LabelMap
from halsted.imaging_bridge.patient import Patient
from halsted.imaging_bridge.phantoms.kinds import check_phantom, make_phantom

_UM = 1000.0
_FIRST_SEG = 100  # what is added to a scan's SeriesNumber for that of its structures


def write_phantom(
    kind: str, seed: int, out: Path, *, phases: int | None = None, frames: int | None = None
) -> Path:
    """Make a phantom and write it, whole or not at all.

    CT becomes a DICOM series with its structures as a DICOM SEG; MR becomes NIfTI, an image a
    sequence, as BraTS lays them out; pictures become PNG with their masks; a recording becomes a
    WFDB record. ``phantom.json`` says what it is.

    Args:
        kind: One of `phantoms.kinds.KINDS`.
        seed: Not negative.
        out: Folder to make; it may exist if it is empty.
        phases: Of ``thorax`` only: write that many phases of a breath, each a folder with a scan.
        frames: Of ``colon`` only: write that many endoscopic pictures beside the CT.

    Raises:
        HalstedError: there is no such kind, an option does not fit it, or the seed is negative.
        OutputError: the folder holds something, or cannot be written.
    """
    check_phantom(kind, seed)
    _check_options(kind, phases, frames)
    _check_free(out)
    if phases is not None:
        from halsted.imaging_bridge.phantoms.trunk_scans import thorax_phases

        patients: Sequence[Patient] = thorax_phases(seed, phases)
    else:
        patients = [make_phantom(kind, seed)]
    with whole_folder(out) as folder:
        if phases is not None:
            _write_phases(patients, f"{kind}-{seed}", folder)
        else:
            _WRITERS.get(kind, _write_ct)(patients[0], f"{kind}-{seed}", folder)
        if frames is not None:
            _write_frames(seed, frames, folder)
        _write_about(patients[0], kind, seed, folder)
    return out


def _check_options(kind: str, phases: int | None, frames: int | None) -> None:
    for option, given, only in (("phases", phases, "thorax"), ("frames", frames, "colon")):
        if given is not None and kind != only:
            raise HalstedError(
                f"a phantom of kind {kind!r} has no {option}, which only {only!r} has; leave the "
                "option out"
            )
    if frames is not None and frames < 1:
        raise HalstedError(f"{frames} frames were asked for; ask for 1 or more")


def _check_free(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise OutputError(f"the output {out} is a file, but a phantom is a folder; name a new one")
    if out.is_dir() and any(out.iterdir()):
        raise OutputError(
            f"the output folder {out} holds files already, and none is overwritten; name a new one"
        )


def _write_ct(
    patient: Patient, name: str, folder: Path, study: str | None = None, number: int = 1
) -> None:
    """A series and its SEG; `study` is what several series have in common."""
    from halsted.imaging_bridge.dicom.series import find_series
    from halsted.imaging_bridge.exports.headers import read_source
    from halsted.imaging_bridge.exports.seg import write_seg

    identity, part = SeededIdentity(f"phantom {study or name}"), f"series {number}"
    person = f"PHANTOM-{(study or name).upper()}"
    image = next(iter(patient.images))
    names = SeriesNames(person, f"{name} {image}", identity, part, number)
    write_series(patient.image, folder / image, names)
    source = read_source(find_series(folder / image))
    write_seg(
        along_normal(_labels(patient)),
        source,
        folder / "structures.dcm",
        identity=replace(identity, series=part),
        number=_FIRST_SEG + number,
    )


def _write_phases(patients: Iterable[Patient], name: str, folder: Path) -> None:
    for number, patient in enumerate(patients):
        phase = patient.facts["phase"].rstrip("%").zfill(3)
        _write_ct(patient, f"{name} {phase}%", folder / f"phase_{phase}", name, number + 1)


def _write_mr(patient: Patient, name: str, folder: Path) -> None:
    for sequence, volume in patient.images.items():
        write_volume(volume, folder / f"{name}_{sequence}.nii.gz")
    write_labels(_labels(patient), folder / f"{name}_seg.nii.gz")


def _write_skin(patient: Patient, name: str, folder: Path) -> None:
    """As ISIC gives images, masks and metadata, with the depth in micrometres."""
    write_picture(patient.images, folder / f"{name}.png")
    write_mask(_labels(patient).mask("lesion")[0], folder / f"{name}_segmentation.png")
    depth_um = np.rint(patient.images["depth"].voxels[0] * _UM).clip(0, 65535)
    write_pixels(depth_um.astype(np.uint16), folder / f"{name}_depth_um.png")
    write_text(
        folder / "metadata.csv",
        f"isic_id,benign_malignant\n{name},{patient.facts['diagnosis']}\n",
    )


def _write_slide(patient: Patient, name: str, folder: Path) -> None:
    write_picture(patient.images, folder / f"{name}.png")
    write_instances(_labels(patient), folder / f"{name}_instances.png")


def _write_sleep(patient: Patient, name: str, folder: Path) -> None:
    assert patient.recording is not None
    write_wfdb(patient.recording, folder, name)


def _write_frames(seed: int, count: int, folder: Path) -> None:
    """Endoscopic pictures as Kvasir-SEG lays them out, with its list of boxes."""
    from halsted.imaging_bridge.phantoms.colon import frames

    boxes = {}
    for number, patient in enumerate(frames(seed, count)):
        name = f"frame_{number:04d}"
        write_picture(patient.images, folder / "images" / f"{name}.png")
        labels = _labels(patient)
        mask = labels.mask("polyp") if "polyp" in labels.names else np.zeros(labels.shape, bool)
        write_mask(mask[0], folder / "masks" / f"{name}.png")
        boxes[name] = _boxes(mask[0])
    write_text(folder / "kavsir_bboxes.json", json.dumps(boxes, indent=1) + "\n")


def _boxes(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """The polyps of a frame, shape (y, x), in the words of Kvasir-SEG."""
    from scipy import ndimage

    height, width = mask.shape
    boxes = [
        {"label": "polyp", "xmin": x.start, "ymin": y.start, "xmax": x.stop, "ymax": y.stop}
        for y, x in ndimage.find_objects(ndimage.label(mask)[0])
    ]
    return {"height": height, "width": width, "bbox": boxes}


def _write_about(patient: Patient, kind: str, seed: int, folder: Path) -> None:
    about = {
        "what": "a phantom: made by a program, with generated truth; of no person",
        "kind": kind,
        "seed": seed,
        "facts": {name: fact for name, fact in patient.facts.items() if name != "phase"},
        "images": {name: [one.modality, one.unit] for name, one in patient.images.items()},
        "spacing_mm": list(patient.image.spacing) if patient.images else None,
    }
    write_text(folder / "phantom.json", json.dumps(about, indent=1) + "\n")


def _labels(patient: Patient) -> LabelMap:
    assert patient.labels is not None, "every phantom with images has its truth"
    return patient.labels


_WRITERS: dict[str, Callable[[Patient, str, Path], None]] = {
    "brain": _write_mr,
    "skin": _write_skin,
    "slide": _write_slide,
    "sleep": _write_sleep,
}
