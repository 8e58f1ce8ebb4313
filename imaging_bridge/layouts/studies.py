"""Folders of DICOM, a study each, with the SEG or RTSTRUCT that was drawn on it beside the scan."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from halsted.imaging_bridge.dicom.files import read_header
from halsted.imaging_bridge.dicom.kinds import SEGMENTATIONS, STRUCTURE_SET
from halsted.imaging_bridge.dicom.survey import files_in
from halsted.imaging_bridge.layouts.source import Layout, Source
from halsted.imaging_bridge.patient import Patient
from halsted.imaging_bridge.read import read_patient


def _studies(folder: Path) -> list[Path]:
    """Folders in this one that hold labels, or else this one if it does."""
    inner = [one for one in sorted(folder.iterdir()) if one.is_dir() and not one.is_symlink()]
    return [one for one in inner if _has_labels(one)] or [folder] * _has_labels(folder)


def _has_labels(folder: Path) -> bool:
    for path in files_in(folder):
        header = read_header(path, ())
        if header and (header.sop_class == STRUCTURE_SET or header.sop_class in SEGMENTATIONS):
            return True
    return False


def _find(folder: Path) -> list[Source]:
    return [Source(one.name, one.name, partial(_read, one)) for one in _studies(folder)]


def _read(folder: Path) -> Patient:
    return read_patient(folder)


STUDIES = Layout(
    "dicom-studies",
    "folders of DICOM, each a scan with its SEG or RTSTRUCT",
    lambda folder: bool(_studies(folder)),
    _find,
)
"""See the module."""
