"""ISIC: dermoscopic images, ``NAME_segmentation.png`` of each lesion, and tables of diagnoses.

Known are the tables of the challenges from 2016 to 2020, HAM10000 and the archive's own export. A
lesion counts as malignant where it is a melanoma, a basal or squamous cell carcinoma or an actinic
keratosis (AKIEC), as ISIC 2018 and HAM10000 group them (Tschandl et al. 2018,
doi:10.1038/sdata.2018.161, call AKIEC non-invasive variants of squamous cell carcinoma).
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from halsted.imaging_bridge.errors import ScanError
from halsted.imaging_bridge.formats.masks import read_mask
from halsted.imaging_bridge.formats.photographs import read_photograph
from halsted.imaging_bridge.layouts.source import Layout, Source, files_below
from halsted.imaging_bridge.patient import Patient

_END = "_segmentation"
_IMAGES = ("isic_id", "image_id", "image_name", "image")
_PEOPLE = ("patient_id", "lesion_id")
_MALIGNANT = {"mel", "melanoma", "bcc", "akiec", "ak", "scc"}
_OTHERS = {"nv", "bkl", "df", "vasc", "seborrheic_keratosis", "unk"}


def _masks(folder: Path) -> dict[str, Path]:
    return {
        one.stem.removesuffix(_END): one
        for one in files_below(folder, f"*{_END}.png", f"*{_END}.PNG")
    }


def _tables(folder: Path) -> dict[str, dict[str, str]]:
    """Facts of each image: ``diagnosis`` and ``person``, as far as the tables tell."""
    facts: dict[str, dict[str, str]] = {}
    for path in files_below(folder, "*.csv"):
        for name, told in _rows(path):
            facts.setdefault(name, {}).update(told)
    return facts


def _rows(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [[cell.strip() for cell in row] for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ScanError(
            f"{path} cannot be read as a table ({type(error).__name__}); get it again"
        ) from error
    if not rows:
        return
    head = [cell.lower() for cell in rows[0]]
    key = next((head.index(one) for one in _IMAGES if one in head), None)
    if key is None:  # 2016's table has no head
        for row in rows:
            if len(row) == 2 and row[1].lower() in ("benign", "malignant"):
                yield row[0], {"diagnosis": row[1].lower()}
        return
    for row in rows[1:]:
        if len(row) == len(head):
            yield Path(row[key]).stem, _told(dict(zip(head, row, strict=True)))


def _told(row: Mapping[str, str]) -> dict[str, str]:
    told = {}
    if diagnosis := _diagnosis(row):
        told["diagnosis"] = diagnosis
    if person := next((row[one] for one in _PEOPLE if row.get(one)), None):
        told["person"] = person
    return told


def _diagnosis(row: Mapping[str, str]) -> str | None:
    for column in ("benign_malignant", "diagnosis_1"):
        if row.get(column, "").lower() in ("benign", "malignant"):
            return row[column].lower()
    if row.get("dx"):
        return "malignant" if row["dx"].lower() in _MALIGNANT else "benign"
    votes = {name: cell for name, cell in row.items() if name in _MALIGNANT | _OTHERS}
    if "target" in row:
        votes = {"melanoma": row["target"]}
    if not votes:
        return None
    return (
        "malignant" if any(_is_one(votes[one]) for one in votes if one in _MALIGNANT) else "benign"
    )


def _is_one(cell: str) -> bool:
    try:
        return float(cell) == 1.0
    except ValueError:
        return False


def _find(folder: Path) -> list[Source]:
    masks, facts = _masks(folder), _tables(folder)
    pictures = {
        one.stem: one
        for one in files_below(folder, "*.jpg", "*.jpeg", "*.png", "*.JPG")
        if not one.stem.endswith((_END, "_superpixels", "_depth_um"))
    }
    sources = []
    for name in sorted(masks.keys() | (pictures.keys() & facts.keys())):
        known = facts.get(name, {})
        if name not in pictures:
            raise ScanError(
                f"{masks[name]} is the mask of an image {name}, which is not in {folder}; unpack "
                "the images into the same folder"
            )
        if name in masks or "diagnosis" in known:
            read = partial(_read, pictures[name], masks.get(name), known.get("diagnosis"))
            sources.append(Source(name, known.get("person", name), read))
    return sources


def _read(picture: Path, mask: Path | None, diagnosis: str | None) -> Patient:
    images = read_photograph(picture, modality="DMS")
    labels = None
    if mask is not None:
        labels = read_mask(mask, ("lesion",), images, provenance="manual")
    return Patient(images, labels, facts={"diagnosis": diagnosis} if diagnosis else {})


def _is_isic(folder: Path) -> bool:
    """Whether there are its masks or its tables; a table of anything else is no matter."""
    if _masks(folder):
        return True
    try:
        return any(name.startswith("ISIC_") for name in _tables(folder))
    except ScanError:
        return False


ISIC = Layout(
    "isic",
    "NAME_segmentation.png and NAME.jpg, with tables of diagnoses",
    _is_isic,
    _find,
)
"""See the module."""
