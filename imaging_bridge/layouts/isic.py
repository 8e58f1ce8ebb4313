"""ISIC: dermoscopic images, ``NAME_segmentation.png`` of each lesion, and tables of diagnoses.

Known are the tables of the challenges from 2016 to 2020, HAM10000 and the archive's own export. A
lesion counts as malignant where it is a melanoma, a basal or squamous cell carcinoma or an actinic
keratosis (AKIEC), as ISIC 2018 and HAM10000 group them (Tschandl et al. 2018,
doi:10.1038/sdata.2018.161, call AKIEC non-invasive variants of squamous cell carcinoma).
"""

from __future__ import annotations

import csv
import math
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
_BENIGN = {"nv", "bkl", "df", "vasc", "seborrheic_keratosis"}
_UNKNOWN = "unk"


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
    """Images and what a table tells of them; of a table of anything else, nothing."""
    rows: list[list[str]] = []
    try:
        # What is asked for is plain ASCII; other columns may be in any encoding.
        with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
            for row in csv.reader(file):
                rows += [[cell.strip() for cell in row]] if row else []
    except (OSError, csv.Error) as error:
        if isinstance(error, csv.Error) and (not rows or _key(rows[0]) is None):
            return
        raise ScanError(
            f"{path} cannot be read as a table ({type(error).__name__}); get it again"
        ) from error
    if not rows:
        return
    head, key = [cell.lower() for cell in rows[0]], _key(rows[0])
    if key is None:  # 2016's table has no head
        for row in rows:
            if len(row) == 2 and row[1].lower() in ("benign", "malignant"):
                yield row[0], {"diagnosis": row[1].lower()}
        return
    for row in rows[1:]:
        if len(row) == len(head):
            yield Path(row[key]).stem, _told(dict(zip(head, row, strict=True)))


def _key(head: list[str]) -> int | None:
    """The column that names the image."""
    plain = [cell.lower() for cell in head]
    return next((plain.index(one) for one in _IMAGES if one in plain), None)


def _told(row: Mapping[str, str]) -> dict[str, str]:
    told = {}
    if diagnosis := _diagnosis(row):
        told["diagnosis"] = diagnosis
    if person := next((row[one] for one in _PEOPLE if row.get(one)), None):
        told["person"] = person
    return told


def _diagnosis(row: Mapping[str, str]) -> str | None:
    if row.get(_UNKNOWN, "").startswith("1"):  # 2019's column for what is none of the others
        return None
    for column in ("benign_malignant", "diagnosis_1"):
        if row.get(column, "").lower() in ("benign", "malignant"):
            return row[column].lower()
    if row.get("dx"):
        return _by_name(row["dx"].lower())
    if "target" in row:
        return _by_votes({"melanoma": row["target"]})
    return _by_votes({name: cell for name, cell in row.items() if name in _MALIGNANT | _BENIGN})


def _by_name(diagnosis: str) -> str | None:
    if diagnosis in _MALIGNANT:
        return "malignant"
    return "benign" if diagnosis in _BENIGN else None


def _by_votes(votes: Mapping[str, str]) -> str | None:
    """From a 0 or a 1 for each diagnosis; none is 1 where it is one that has no column."""
    try:
        numbers = {name: float(cell) for name, cell in votes.items()}
    except ValueError:
        return None
    if not numbers or not all(map(math.isfinite, numbers.values())):
        return None
    is_malignant = any(numbers[one] == 1.0 for one in numbers.keys() & _MALIGNANT)
    return "malignant" if is_malignant else "benign"


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
