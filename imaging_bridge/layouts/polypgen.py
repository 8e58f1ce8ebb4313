"""PolypGen, the polyps of EndoCV 2021: a folder ``images_C1`` beside ``masks_C1`` for each centre.

Ali et al. 2023, doi:10.1038/s41597-023-01981-y. Pairs are NAME.jpg and NAME_mask.jpg. Frames of a
sequence (``images_seq1``) count as one person; of a centre's single frames nobody is told apart.
Sequences without polyps, which have no masks, and boxes are not read.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from halsted.imaging_bridge.errors import ScanError
from halsted.imaging_bridge.formats.masks import read_mask
from halsted.imaging_bridge.formats.photographs import read_photograph
from halsted.imaging_bridge.layouts.source import Layout, Source, files_below, pictures_in
from halsted.imaging_bridge.patient import Patient

_IMAGES, _MASKS, _END = "images_", "masks_", "_mask"
_SEQUENCE = "seq"


def _masks(folder: Path) -> list[Path]:
    """NAME_mask.jpg in every masks_PART that has an images_PART beside it."""
    return [
        one
        for one in files_below(folder, f"*{_END}.jpg", f"*{_END}.png")
        if one.parent.name.startswith(_MASKS) and _images_of(one).is_dir()
    ]


def _part(mask: Path) -> str:
    return mask.parent.name.removeprefix(_MASKS)


def _images_of(mask: Path) -> Path:
    return mask.parent.with_name(_IMAGES + _part(mask))


def _find(folder: Path) -> list[Source]:
    masks = _masks(folder)
    pictures = {
        # One name ends with a line that its mask's does not: C3_EndoCV2021_00489_.jpg.
        place: {name.rstrip("_"): one for name, one in pictures_in(place.iterdir()).items()}
        for place in {_images_of(one) for one in masks}
    }
    sources = []
    for mask in masks:
        picture = pictures[_images_of(mask)].get(mask.stem.removesuffix(_END).rstrip("_"))
        if picture is None:
            raise ScanError(
                f"{mask} is the mask of a frame that is not in {_images_of(mask)}; complete the "
                "folder"
            )
        name = f"{_part(mask)} {picture.stem}"
        person = _part(mask) if _part(mask).startswith(_SEQUENCE) else name
        sources.append(Source(name, person, partial(_read, picture, mask)))
    return sources


def _read(picture: Path, mask: Path) -> Patient:
    images = read_photograph(picture, modality="ES")
    return Patient(images, read_mask(mask, ("polyp",), images, provenance="manual"))


POLYPGEN = Layout(
    "polypgen",
    "images_C1/NAME.jpg beside masks_C1/NAME_mask.jpg",
    lambda folder: bool(_masks(folder)),
    _find,
)
"""See the module."""
