"""Folders ``images`` and ``masks`` with files of the same names: Kvasir-SEG, and anybody's own.

Kvasir-SEG: Jha et al. 2020, doi:10.1007/978-3-030-37734-2_37. It tells nobody's frames apart, so
that each counts as a person.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from halsted.imaging_bridge.errors import ScanError
from halsted.imaging_bridge.formats.masks import read_mask
from halsted.imaging_bridge.formats.photographs import PHOTOGRAPH_SUFFIXES, read_photograph
from halsted.imaging_bridge.formats.volumes import image_suffix, read_labels, read_volume
from halsted.imaging_bridge.labels import Provenance
from halsted.imaging_bridge.layouts.source import Layout, Source, existing
from halsted.imaging_bridge.patient import Patient

_IMAGES, _MASKS = "images", "masks"
_ANY = "mask"  # the structure of a mask that does not say what it is of
_BOXES = ("kavsir_bboxes.json", "kvasir_bboxes.json")
_KVASIR_NAME = re.compile(r"c[jk][a-z0-9]{22,24}")  # a collision-resistant identifier


def _has_pairs(folder: Path) -> bool:
    return (folder / _IMAGES).is_dir() and (folder / _MASKS).is_dir()


def _is_kvasir(folder: Path) -> bool:
    if not _has_pairs(folder):
        return False
    names = _files(folder / _IMAGES)
    is_named_so = bool(names) and all(_KVASIR_NAME.fullmatch(one) for one in names)
    return is_named_so or any((folder / one).is_file() for one in _BOXES)


def _files(folder: Path) -> dict[str, Path]:
    """Pictures and scans in a folder by their names without endings."""
    found = {}
    for path in sorted(folder.iterdir()):
        ending = image_suffix(path)
        if ending is None and path.suffix.lower() in PHOTOGRAPH_SUFFIXES:
            ending = path.suffix
        if ending and path.is_file() and not path.name.startswith("."):
            found[path.name[: -len(ending)]] = path
    return found


def _find(folder: Path, structure: str, modality: str) -> list[Source]:
    images, masks = (_files(existing(folder / one)) for one in (_IMAGES, _MASKS))
    lone = sorted(masks.keys() - images.keys()) or sorted(images.keys() - masks.keys())
    if lone:
        has, lacks = (_MASKS, _IMAGES) if lone[0] in masks else (_IMAGES, _MASKS)
        raise ScanError(
            f"{folder} has {lone[0]} in {has} and not in {lacks} (one of {len(lone)}), but each "
            "image has a mask of the same name; complete the folder"
        )
    return [
        Source(name, name, partial(_read, images[name], masks[name], structure, modality))
        for name in sorted(images)
    ]


def _read(image: Path, mask: Path, structure: str, modality: str) -> Patient:
    if image_suffix(image) is not None:
        volume = read_volume(image)
        return Patient({volume.modality.lower(): volume}, read_labels(mask))
    channels = read_photograph(image, modality=modality)
    drawn_by: Provenance = "unknown" if structure == _ANY else "manual"
    labels = read_mask(mask, (structure,), channels, provenance=drawn_by)
    return Patient(channels, labels)


def _find_kvasir(folder: Path) -> list[Source]:
    return _find(folder, "polyp", "ES")


def _find_plain(folder: Path) -> list[Source]:
    return _find(folder, _ANY, "XC")


KVASIR = Layout(
    "kvasir-seg",
    "images/ and masks/ with the names of Kvasir-SEG, or its kavsir_bboxes.json",
    _is_kvasir,
    _find_kvasir,
)
"""Polyps in colonoscopy."""

PLAIN = Layout(
    "images-and-masks", "images/ and masks/ with the same names", _has_pairs, _find_plain
)
"""Pictures with black and white masks, whose structure is ``mask``; or scans with label files."""
