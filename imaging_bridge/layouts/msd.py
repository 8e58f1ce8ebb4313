"""Medical Segmentation Decathlon: ``dataset.json`` lists images, labels, channels and classes.

Antonelli et al. 2022, doi:10.1038/s41467-022-30695-9. A 4-D file holds the channels of one scan.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from halsted.imaging_bridge.errors import ScanError
from halsted.imaging_bridge.formats.volumes import read_labels, read_volume
from halsted.imaging_bridge.layouts.source import Layout, Source, as_modality
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
    listed = _read_list(folder / _LIST)
    channels = [str(one) for _, one in sorted(listed["modality"].items(), key=lambda k: int(k[0]))]
    names = _names(listed["labels"])
    sources = []
    for pair in listed["training"]:
        image, label = (_inside(folder, pair[key]) for key in ("image", "label"))
        name = image.name.partition(".nii")[0]
        sources.append(Source(name, name, partial(_read, image, label, tuple(channels), names)))
    return sources


def _read_list(path: Path) -> dict[str, Any]:
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))
        pairs = all(isinstance(one["image"] + one["label"], str) for one in listed["training"])
        if not pairs or not listed["modality"] or not listed["labels"]:
            raise ValueError("empty")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ScanError(
            f"{path} is not the list of a Decathlon task, which has training (image and label), "
            f"modality and labels ({type(error).__name__}); get the file again"
        ) from error
    return dict(listed)


def _inside(folder: Path, text: str) -> Path:
    path = folder / text
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ScanError(f"{folder / _LIST} names a file outside of its folder; do not use it")
    return path


def _names(labels: Mapping[str, Any]) -> dict[str, int]:
    """Values by our names, from {value: name} or {name: value}."""
    pairs = [
        (name, int(value)) if isinstance(value, int) else (str(value), int(name))
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
        if not path.is_file():
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
