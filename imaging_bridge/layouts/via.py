"""VGG Image Annotator: regions in JSON beside the pictures, such as ``arm`` and ``ring``.

Dutta and Zisserman 2019, doi:10.1145/3343031.3350535. Read are annotations of versions 1 (regions
in a dictionary) and 2 (in a list) and version 2's whole project. Where regions overlap, the one
drawn later is there. People and scenes are not told apart, so each picture counts as one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from halsted.imaging_bridge.errors import ScanError
from halsted.imaging_bridge.formats.photographs import read_photograph
from halsted.imaging_bridge.labels import LabelMap
from halsted.imaging_bridge.layouts.json_files import read_json
from halsted.imaging_bridge.layouts.outlines import coordinate, ellipse, paint
from halsted.imaging_bridge.layouts.source import Layout, Source, files_below, is_there
from halsted.imaging_bridge.patient import Patient

_PROJECT = "_via_img_metadata"
_FEWEST_POINTS = 3

_Region = tuple[str, Mapping[str, Any]]  # class, and attributes of its shape


def _lists(folder: Path) -> dict[Path, list[Mapping[str, Any]]]:
    """What each annotation file says of its pictures."""
    found = {}
    for path in files_below(folder, "*.json"):
        try:
            content = read_json(path)
        except ScanError:
            continue
        if entries := _entries(content):
            found[path] = entries
    return found


def _entries(content: Any) -> list[Mapping[str, Any]]:
    """The pictures of annotations or of a project; none where it is something else."""
    if isinstance(content, dict) and isinstance(content.get(_PROJECT), dict):
        content = content[_PROJECT]
    if not isinstance(content, dict):
        return []
    entries = list(content.values())
    is_via = all(isinstance(one, dict) and {"filename", "regions"} <= one.keys() for one in entries)
    return entries if is_via else []


def _find(folder: Path) -> list[Source]:
    read = {
        path: [(str(one["filename"]), list(_regions(path, one))) for one in entries]
        for path, entries in _lists(folder).items()
    }
    kinds = {kind for told in read.values() for _, regions in told for kind, _ in regions}
    names = {kind: number for number, kind in enumerate(sorted(kinds), start=1)}
    sources = []
    for path, told in read.items():
        for file, regions in told:
            if regions:
                picture = _picture(path, file)
                name = picture.stem
                sources.append(Source(name, name, partial(_read, picture, path, regions, names)))
    return sources


def _picture(notes: Path, file: str) -> Path:
    if Path(file).name != file:
        raise ScanError(
            f"{notes} names a picture by a path and not by its name; put the pictures beside it"
        )
    for folder in (notes.parent, notes.parent / "images"):
        if is_there(folder / file):
            return folder / file
    raise ScanError(f"{notes} annotates {file}, which is not beside it; put the pictures there")


def _regions(path: Path, entry: Mapping[str, Any]) -> Iterator[_Region]:
    regions = entry["regions"]
    listed = list(regions.values()) if isinstance(regions, dict) else regions
    for region in listed if isinstance(listed, list) else [listed]:
        told = region if isinstance(region, dict) else {}
        attributes, shape = told.get("region_attributes"), told.get("shape_attributes")
        if not isinstance(attributes, dict) or not isinstance(shape, dict):
            raise ScanError(
                f"{path} has a region of {entry['filename']} without shape or attributes; export "
                "the annotations again"
            )
        yield _kind(attributes), shape


def _kind(attributes: Mapping[str, Any]) -> str:
    """The class: the one text among the attributes, or the one box that is ticked."""
    for value in attributes.values():
        if isinstance(value, str) and value.strip():
            return value.strip().lower().replace(" ", "_")
        if isinstance(value, dict):
            ticked = [name for name, is_ticked in value.items() if is_ticked]
            if ticked:
                return str(ticked[0]).strip().lower().replace(" ", "_")
    return "region"


def _read(picture: Path, notes: Path, regions: list[_Region], names: Mapping[str, int]) -> Patient:
    images = read_photograph(picture, modality="XC")
    reference = next(iter(images.values()))
    voxels = np.zeros(reference.shape, np.uint8 if len(names) < 256 else np.uint16)
    for kind, shape in regions:
        try:
            paint(voxels[0], *_corners(shape), names[kind])
        except (KeyError, TypeError, ValueError) as error:
            raise ScanError(
                f"{notes} has a region of {picture.name} of the shape {shape.get('name')!r} that "
                "cannot be drawn; use polygons, rectangles, circles or ellipses"
            ) from error
    return Patient(images, LabelMap(voxels, reference.affine, names, "manual"))


def _corners(shape: Mapping[str, Any]) -> tuple[list[float], list[float]]:
    """Rows and columns of a region's outline."""
    name = shape["name"]
    if name in ("polygon", "polyline"):
        rows, columns = ([coordinate(one) for one in shape[f"all_points_{axis}"]] for axis in "yx")
        if len(rows) != len(columns) or len(rows) < _FEWEST_POINTS:
            raise ValueError("a polygon has three corners at least")
        return rows, columns
    if name == "rect":
        top, left, height, width = (coordinate(shape[one]) for one in ("y", "x", "height", "width"))
        bottom, right = top + height, left + width
        return [top, top, bottom, bottom], [left, right, right, left]
    centre = coordinate(shape["cy"]), coordinate(shape["cx"])
    if name == "circle":
        return ellipse(centre, (coordinate(shape["r"]), coordinate(shape["r"])), 0.0)
    radii = coordinate(shape["ry"]), coordinate(shape["rx"])
    return ellipse(centre, radii, coordinate(shape.get("theta", 0.0)))


VIA = Layout(
    "via",
    "JSON of the VGG Image Annotator beside its pictures",
    lambda folder: bool(_lists(folder)),
    _find,
)
"""See the module."""
