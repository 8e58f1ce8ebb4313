"""Numbered instances beside their picture: NAME.png, NAME_instances.png, NAME_instances.json.

So `halsted phantom slide` writes them. A pixel's value is that of its instance, and the JSON says
which kind each is of: {value: kind}.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from halsted.imaging_bridge.errors import ScanError
from halsted.imaging_bridge.formats.masks import read_instances
from halsted.imaging_bridge.formats.photographs import read_photograph
from halsted.imaging_bridge.labels import LabelMap
from halsted.imaging_bridge.layouts.json_files import read_json
from halsted.imaging_bridge.layouts.source import Layout, Source, files_below
from halsted.imaging_bridge.patient import Patient

_END = "_instances"


def _pictures(folder: Path) -> dict[Path, Path]:
    """Pictures by their instances."""
    found = {}
    for numbered in files_below(folder, f"*{_END}.png"):
        picture = numbered.with_stem(numbered.stem.removesuffix(_END))
        if picture.is_file() and numbered.with_suffix(".json").is_file():
            found[numbered] = picture
    return found


def _find(folder: Path) -> list[Source]:
    return [
        Source(picture.stem, picture.stem, partial(_read, picture, numbered))
        for numbered, picture in _pictures(folder).items()
    ]


def _read(picture: Path, numbered: Path) -> Patient:
    images = read_photograph(picture, modality="SM")
    labels = read_instances(numbered, "instance", images)
    return Patient(images, _named(labels, numbered.with_suffix(".json")))


def _named(labels: LabelMap, path: Path) -> LabelMap:
    """The instances as ``kind_1``, ``kind_2``, ..."""
    kinds = read_json(path)
    if not isinstance(kinds, Mapping) or not all(isinstance(one, str) for one in kinds.values()):
        raise ScanError(
            f"{path} does not give the kind of each instance ({{value: kind}}); get it again"
        )
    for value in labels.names.values():
        if not kinds.get(str(value)):
            raise ScanError(
                f"{path} gives no kind of the instance {value} of its picture; get both again"
            )
    names = {f"{kinds[str(value)]}_{value}": value for value in labels.names.values()}
    return replace(labels, names=names)


INSTANCES = Layout(
    "instances",
    "NAME_instances.png and NAME_instances.json beside NAME.png",
    lambda folder: bool(_pictures(folder)),
    _find,
)
"""Nuclei ``epithelial_1``, ``lymphocyte_2``, ...; a picture is a person."""
