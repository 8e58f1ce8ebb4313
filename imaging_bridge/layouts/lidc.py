"""LIDC-IDRI: chest CT as DICOM with an XML file of the nodules that four radiologists outlined.

Armato et al. 2011, doi:10.1118/1.3528204. A voxel belongs to ``lesion`` where at least half of the
readers of the scan outlined it. Nodules under 3 mm, which have one point and no outline, and
non-nodules are left out. An outline's points are taken to be the first pixels outside of the
nodule.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.dicom.series import DicomSeries, find_series
from halsted.imaging_bridge.errors import ScanError
from halsted.imaging_bridge.labels import LabelMap
from halsted.imaging_bridge.layouts.outlines import coordinate, paint
from halsted.imaging_bridge.layouts.source import Layout, Source, files_below
from halsted.imaging_bridge.layouts.xml_files import read_xml
from halsted.imaging_bridge.patient import Patient

_PERSON = re.compile(r"LIDC-IDRI-\d{4}")
_ROOT = b"LidcReadMessage"
_FEWEST_POINTS = 3


def _annotations(folder: Path) -> list[Path]:
    """XML files of CT readings; those of radiographs have another root."""
    return [one for one in files_below(folder, "*.xml") if _ROOT in _start(one)]


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(2000)


def _find(folder: Path) -> list[Source]:
    sources = []
    for path in _annotations(folder):
        found = _PERSON.search(str(path.relative_to(folder.parent)))
        person = found[0] if found else path.parent.name
        sources.append(Source(f"{person} {path.stem}", person, partial(_read, path)))
    return sources


def _read(path: Path) -> Patient:
    root = read_xml(path)
    uid = _text(root, ".//ResponseHeader/SeriesInstanceUid")
    readers = root.findall(".//readingSession")
    if not uid or not readers:
        raise ScanError(
            f"{path} names no series or has no reading of it, but an LIDC annotation has both; get "
            "the file again"
        )
    series = find_series(path.parent, uid)
    volume = series.read()
    votes = np.zeros(volume.shape, np.uint8)
    places = {one.instance: number for number, one in enumerate(series.slices)}
    for reader in readers:
        votes += _reading(path, reader, places, series, volume.shape)
    lesion = (2 * votes >= len(readers)) & (votes > 0)
    labels = LabelMap(lesion.astype(np.uint8), volume.affine, {"lesion": 1}, "manual")
    return Patient({"ct": volume}, labels, facts={"readers": str(len(readers))})


def _reading(
    path: Path,
    reader: Element,
    places: Mapping[str, int],
    series: DicomSeries,
    shape: tuple[int, int, int],
) -> NDArray[np.bool_]:
    """What one reader outlined, (z, y, x)."""
    marked = np.zeros(shape, bool)
    for instance, is_included, rows, columns in _outlines(path, reader):
        if instance not in places:
            raise ScanError(
                f"{path} outlines a nodule on an image that is not in its series ({series.uid}); "
                "get the series again"
            )
        marked[places[instance]][_within(rows, columns, shape[1:])] = is_included
    return marked


def _outlines(path: Path, reader: Element) -> Iterator[tuple[str, bool, list[float], list[float]]]:
    """Image, whether it belongs, and rows and columns; what is cut out comes last."""
    regions = reader.findall("./unblindedReadNodule/roi")
    for region in sorted(regions, key=lambda one: _text(one, "inclusion").upper() != "TRUE"):
        try:
            rows = [coordinate(one.text) for one in region.findall("./edgeMap/yCoord")]
            columns = [coordinate(one.text) for one in region.findall("./edgeMap/xCoord")]
        except (TypeError, ValueError) as error:
            raise ScanError(
                f"{path} has a corner of an outline without xCoord and yCoord in numbers of "
                "pixels; get the annotations again"
            ) from error
        if len(rows) >= _FEWEST_POINTS and len(rows) == len(columns):
            is_included = _text(region, "inclusion").upper() == "TRUE"
            yield _text(region, "imageSOP_UID"), is_included, rows, columns


def _within(rows: list[float], columns: list[float], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Pixels inside an outline, without its own."""
    at = np.rint([rows, columns]).astype(int)
    if (at < 0).any() or (at >= np.array(shape)[:, None]).any():
        raise ScanError(
            f"an outline of a nodule leaves its image of {shape[0]} x {shape[1]} pixels; get the "
            "annotations again"
        )
    region = np.zeros(shape, bool)
    paint(region, rows, columns, True)
    region[at[0], at[1]] = False
    return region


def _text(element: Element, path: str) -> str:
    found = element.find(path)
    return (found.text or "").strip() if found is not None else ""


LIDC = Layout(
    "lidc-idri",
    "XML files of LidcReadMessage beside the DICOM files of their series",
    lambda folder: bool(_annotations(folder)),
    _find,
)
"""See the module."""
