"""EAD, the artefact part of EndoCV 2020: endoscopic frames with a TIFF mask of five pages.

Ali et al. 2020, doi:10.1038/s41598-020-59413-5. Where pages overlap, which one label map cannot
hold, the instrument stays, and of the others the one that comes first. Boxes (YOLO) are not read.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.errors import ScanError
from halsted.imaging_bridge.formats.photographs import read_photograph, same_size
from halsted.imaging_bridge.formats.pixels import PIXEL_BUDGET_BYTES
from halsted.imaging_bridge.formats.tiff import read_tiff_layers
from halsted.imaging_bridge.labels import LabelMap
from halsted.imaging_bridge.layouts.source import Layout, Source, files_below, pictures_in
from halsted.imaging_bridge.patient import Patient

PAGES = ("instrument", "specularity", "artefact", "bubbles", "saturation")
"""What the pages of a mask are of, in their order."""

_END = "_mask"


def _masks(folder: Path) -> dict[str, Path]:
    """Masks by the name of their frame."""
    frames = _frames(folder)
    masks = {one.stem.removesuffix(_END): one for one in files_below(folder, "*.tif", "*.tiff")}
    return {name: mask for name, mask in masks.items() if name in frames}


def _frames(folder: Path) -> dict[str, Path]:
    return pictures_in(files_below(folder, "*.jpg", "*.jpeg", "*.png"))


def _find(folder: Path) -> list[Source]:
    frames = _frames(folder)
    return [
        Source(name, name, partial(_read, frames[name], mask))
        for name, mask in sorted(_masks(folder).items())
    ]


def _read(frame: Path, mask: Path) -> Patient:
    images = read_photograph(frame, modality="ES")
    layers = read_tiff_layers(mask, PIXEL_BUDGET_BYTES)
    if len(layers) != len(PAGES):
        raise ScanError(
            f"{mask} has {len(layers)} pages, but a mask of EAD has {len(PAGES)} "
            f"({', '.join(PAGES)}); pass the masks of its segmentation task"
        )
    reference = same_size(mask, layers.shape[1:], images)
    values = {name: number for number, name in enumerate(PAGES, start=1)}
    labels = LabelMap(_flattened(layers), reference.affine, values, "manual")
    return Patient(images, labels)


def _flattened(layers: NDArray[np.generic]) -> NDArray[np.uint8]:
    """The number, from 1, of the first page that is not black; shape (1, y, x)."""
    lit = layers != 0
    first = np.argmax(lit, axis=0) + 1
    return np.where(lit.any(axis=0), first, 0).astype(np.uint8)[np.newaxis]


def _is_endocv(folder: Path) -> bool:
    """Whether the first mask has the pages; others may be broken, which reading them tells."""
    for mask in _masks(folder).values():
        try:
            return len(read_tiff_layers(mask, PIXEL_BUDGET_BYTES)) == len(PAGES)
        except ScanError:
            return False
    return False


ENDOCV = Layout(
    "endocv",
    "FRAME.jpg with FRAME.tif or FRAME_mask.tif of five pages",
    _is_endocv,
    _find,
)
"""See the module."""
