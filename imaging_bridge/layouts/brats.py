"""BraTS: a folder a case with four MR sequences and a map of the tumour's parts.

Files: ``CASE_t1ce.nii.gz`` to 2021, ``CASE-t1c.nii.gz`` from 2023. Values of the map: Menze
et al. 2015 (doi:10.1109/TMI.2014.2377694) and Baid et al. 2021 (arXiv:2107.02314).
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from halsted.imaging_bridge.errors import GeometryError, ScanError
from halsted.imaging_bridge.formats.volumes import read_labels, read_volume
from halsted.imaging_bridge.labels import LabelMap
from halsted.imaging_bridge.layouts.source import Layout, Source, as_modality, files_below
from halsted.imaging_bridge.patient import Patient

SEQUENCES = {
    "t1c": ("t1ce", "t1c", "t1gd"),
    "t1": ("t1", "t1n"),
    "t2": ("t2", "t2w"),
    "flair": ("flair", "t2f"),
}
"""Images of a case in their order, and what the files call them."""

_TRUTH = re.compile(r"(?P<case>.+?)(?P<mark>[_-])seg\.nii(\.gz)?", re.IGNORECASE)
_TIMEPOINT = re.compile(r"(BraTS-[A-Za-z]+-\d+)-\d{3}")


def _truths(folder: Path) -> list[Path]:
    return [
        one
        for one in files_below(folder, "*seg.nii", "*seg.nii.gz")
        if _TRUTH.fullmatch(one.name) and _sequences(one)
    ]


def _sequences(truth: Path) -> dict[str, Path]:
    """The sequences beside a map, by our names."""
    found = _TRUTH.fullmatch(truth.name)
    assert found is not None
    stem = found["case"] + found["mark"]
    names = {one.name.lower(): one for one in truth.parent.iterdir()}
    beside: dict[str, Path] = {}
    for name, spellings in SEQUENCES.items():
        for spelling in spellings:
            for suffix in (".nii.gz", ".nii"):
                if path := names.get(f"{stem}{spelling}{suffix}".lower()):
                    beside.setdefault(name, path)
    return beside


def _find(folder: Path) -> list[Source]:
    sources = []
    for truth in _truths(folder):
        found = _TRUTH.fullmatch(truth.name)
        assert found is not None
        case = found["case"]
        timepoint = _TIMEPOINT.fullmatch(case)
        person = timepoint[1] if timepoint else case
        sources.append(Source(case, person, partial(_read, truth, found["mark"])))
    return sources


def _read(truth: Path, mark: str) -> Patient:
    paths = _sequences(truth)
    missing = [name for name in SEQUENCES if name not in paths]
    if missing:
        raise ScanError(
            f"the case of {truth} lacks the sequence(s) {', '.join(missing)}, but BraTS has t1c, "
            "t1, t2 and flair of each; get the whole case"
        )
    images = {name: as_modality(read_volume(paths[name]), "MR") for name in SEQUENCES}
    labels = read_labels(truth, _names(truth, mark))
    for name, volume in images.items():
        if not volume.same_geometry(labels):
            raise GeometryError(
                f"{paths[name]} lies on another grid than {truth}, but the sequences of BraTS "
                "share one; get the case again"
            )
    return Patient(images, _present(labels))


def _names(truth: Path, mark: str) -> dict[str, int] | None:
    """Names of the values; None where a JSON file beside the map gives them, as of phantoms."""
    stem = truth.name.partition(".nii")[0]
    if truth.with_name(f"{stem}.json").is_file():
        return None
    names = {"tumour_core": 1, "oedema": 2}
    if mark == "-":  # from 2023 on; 4 is the cavity of a resection, in sets after treatment
        return {**names, "tumour_enhancing": 3, "resection_cavity": 4}
    # To 2016 the part of the core that neither enhances nor is dead had a value of its own, 3.
    return {**names, "tumour_solid_core": 3, "tumour_enhancing": 4}


def _present(labels: LabelMap) -> LabelMap:
    """Without the names that only some years have."""
    rare = {"tumour_solid_core", "resection_cavity"}
    names = {
        name: value
        for name, value in labels.names.items()
        if name not in rare or (labels.voxels == value).any()
    }
    return LabelMap(labels.voxels, labels.affine, names, labels.provenance)


BRATS = Layout(
    "brats",
    "CASE_seg.nii.gz beside CASE_t1.nii.gz, _t1ce, _t2 and _flair, or the same with hyphens",
    lambda folder: bool(_truths(folder)),
    _find,
)
"""See the module."""
