"""Medical Segmentation Decathlon: ``dataset.json`` lists images, labels, channels and classes.

Antonelli et al. 2022, doi:10.1038/s41467-022-30695-9. A 4-D file holds the channels of one scan.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from halsted.imaging_bridge.errors import ScanError
from halsted.imaging_bridge.formats.volumes import read_labels, read_volume
from halsted.imaging_bridge.layouts.json_files import read_json
from halsted.imaging_bridge.layouts.source import Layout, Source, as_modality, is_there
from halsted.imaging_bridge.patient import Patient

_LIST = "dataset.json"
_CHANNELS = {"t1gd": "t1c", "t1ce": "t1c", "t1w": "t1", "t2w": "t2"}
_STRUCTURES = {
    "edema": "oedema",
    "non-enhancing tumor": "tumour_core",
    "non-enhancing_tumor": "tumour_core",
    "enhancing tumour": "tumour_enhancing",
    "enhancing_tumour": "tumour_enhancing",
}


def _find(folder: Path) -> list[Source]:
    pairs, channels, names = _read_list(folder / _LIST)
    sources = []
    for pair in pairs:
        image, label = (_inside(folder, text) for text in pair)
        name = image.name.partition(".nii")[0]
        sources.append(Source(name, name, partial(_read, image, label, channels, names)))
    return sources


def _read_list(path: Path) -> tuple[list[tuple[str, str]], tuple[str, ...], dict[str, int]]:
    """Images and labels, channels in their order, and values by our names."""
    listed = read_json(path)
    try:
        pairs = [(_text(one["image"]), _text(one["label"])) for one in listed["training"]]
        modality = {int(number): _text(name) for number, name in listed["modality"].items()}
        names = _names(listed["labels"])
        if not modality or not names:
            raise ValueError("empty")
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ScanError(
            f"{path} is not the list of a Decathlon task, which has training (image and label), "
            "modality by number and labels with a number each (not regions of several); get the "
            "file again"
        ) from error
    return pairs, tuple(modality[number] for number in sorted(modality)), names


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def _inside(folder: Path, text: str) -> Path:
    path = folder / text
    try:
        is_inside = path.resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError):  # no name of a file, such as one with a NUL
        is_inside = False
    if not is_inside:
        raise ScanError(f"{folder / _LIST} names a file outside of its folder; do not use it")
    return path


def _names(labels: Mapping[str, Any]) -> dict[str, int]:
    """Values by our names, from {value: name} or {name: value}."""
    pairs = [
        (name, int(value)) if isinstance(value, int) else (_text(value), int(name))
        for name, value in labels.items()
    ]
    return {_structure(name): value for name, value in pairs if value}


def _structure(name: str) -> str:
    """A name that `structures.role_of` understands, where the Decathlon's is a common word."""
    name = name.strip().lower()
    plain = re.sub(r"\s+", "_", name)
    return _STRUCTURES.get(name) or ("lesion" if "cancer" in name else plain)


def _read(image: Path, label: Path, channels: tuple[str, ...], names: Mapping[str, int]) -> Patient:
    for path in (image, label):
        if not is_there(path):
            raise ScanError(f"there is no file {path}, which {_LIST} lists; get the whole task")
    modality = "CT" if channels[0].upper() == "CT" else "MR"
    images = {}
    for number, channel in enumerate(channels):
        phase = number if len(channels) > 1 else None
        plain = channel.strip().lower()
        key = _CHANNELS.get(plain, plain)
        images[key] = as_modality(read_volume(image, phase=phase), modality)
    return Patient(images, read_labels(label, names, provenance="manual"))


MSD = Layout("msd", _LIST, lambda folder: (folder / _LIST).is_file(), _find)
"""See the module."""
