"""Nuclei: the Data Science Bowl 2018, a mask a nucleus, and MoNuSAC, a polygon a nucleus.

Caicedo et al. 2019, doi:10.1038/s41592-019-0612-7; Verma et al. 2021, doi:10.1109/TMI.2021.3085712.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.errors import ScanError
from halsted.imaging_bridge.formats.masks import read_instances
from halsted.imaging_bridge.formats.photographs import read_photograph
from halsted.imaging_bridge.labels import LabelMap
from halsted.imaging_bridge.layouts.outlines import coordinate, paint
from halsted.imaging_bridge.layouts.source import Layout, Source, files_below
from halsted.imaging_bridge.layouts.xml_files import read_xml
from halsted.imaging_bridge.patient import Patient
from halsted.imaging_bridge.volume import Volume

_TCGA_PERSON = 12  # characters of TCGA's bar code that name the person
_MOST = 65535
_FEWEST_POINTS = 3


def _dsb_cases(folder: Path) -> dict[str, Path]:
    """Pictures by the name of their folder: NAME/images/NAME.png, or NAME/image.png."""
    cases = {}
    for masks in sorted(folder.rglob("masks")):
        case = masks.parent
        for picture in (case / "images" / f"{case.name}.png", case / "image.png"):
            if masks.is_dir() and picture.is_file():
                cases[case.name] = picture
    return cases


def _find_dsb(folder: Path) -> list[Source]:
    return [
        Source(name, name, partial(_read_dsb, picture))
        for name, picture in sorted(_dsb_cases(folder).items())
    ]


def _read_dsb(picture: Path) -> Patient:
    case = picture.parent.parent if picture.parent.name == "images" else picture.parent
    images = read_photograph(picture, modality="GM")
    return Patient(images, read_instances(case / "masks", "nucleus", images, provenance="manual"))


def _monusac_cases(folder: Path) -> dict[Path, Path]:
    """Pictures by their annotations."""
    cases: dict[Path, Path] = {}
    for notes in files_below(folder, "*.xml"):
        for suffix in (".tif", ".tiff", ".png"):
            if (picture := notes.with_suffix(suffix)).is_file():
                cases.setdefault(notes, picture)
    return cases


def _find_monusac(folder: Path) -> list[Source]:
    return [
        Source(notes.stem, _person(notes.stem), partial(_read_monusac, picture, notes))
        for notes, picture in _monusac_cases(folder).items()
    ]


def _person(name: str) -> str:
    return name[:_TCGA_PERSON] if name.startswith("TCGA-") else name


def _read_monusac(picture: Path, notes: Path) -> Patient:
    images = read_photograph(picture, modality="SM")
    reference = next(iter(images.values()))
    voxels, names = _drawn(notes, read_xml(notes), reference)
    return Patient(images, LabelMap(voxels, reference.affine, names, "manual"))


def _drawn(
    notes: Path, root: Element, reference: Volume
) -> tuple[NDArray[np.uint16], dict[str, int]]:
    """Instances (1, y, x) and their names; where outlines overlap, the later one is there."""
    voxels = np.zeros(reference.shape, np.uint16)
    names: dict[str, int] = {}
    for kind, rows, columns in _outlines(notes, root):
        value = len(names) + 1
        if value > _MOST:
            raise ScanError(
                f"{notes} outlines more than {_MOST} nuclei; cut the picture into parts"
            )
        paint(voxels[0], rows, columns, value)
        names[f"{kind}_{value}"] = value
    return voxels, names


def _outlines(notes: Path, root: Element) -> Iterator[tuple[str, list[float], list[float]]]:
    """Kind in lower case, rows and columns of each nucleus."""
    for annotation in root.iter("Annotation"):
        attribute = annotation.find("./Attributes/Attribute")
        kind = (attribute.get("Name") if attribute is not None else None) or "nucleus"
        for region in annotation.iter("Region"):
            corners = region.findall("./Vertices/Vertex")
            try:
                rows = [coordinate(one.attrib["Y"]) for one in corners]
                columns = [coordinate(one.attrib["X"]) for one in corners]
            except (KeyError, ValueError) as error:
                raise ScanError(
                    f"{notes} has a corner without X and Y in numbers; get the file again"
                ) from error
            if len(rows) >= _FEWEST_POINTS:
                yield kind.strip().lower().replace(" ", "_"), rows, columns


DSB2018 = Layout(
    "dsb2018",
    "NAME/images/NAME.png or NAME/image.png beside NAME/masks/",
    lambda folder: bool(_dsb_cases(folder)),
    _find_dsb,
)
"""Nuclei ``nucleus_1``, ``nucleus_2``, ... ; the set does not tell people apart."""

MONUSAC = Layout(
    "monusac",
    "XML files of outlines beside TIFF pictures of the same names",
    lambda folder: bool(_monusac_cases(folder)),
    _find_monusac,
)
"""Nuclei ``epithelial_1``, ``lymphocyte_2``, ...; a person is a bar code of TCGA."""
