"""Damaged and hostile annotations are one sentence, and none stops another data set."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from halsted.imaging_bridge.errors import ScanError
from halsted.imaging_bridge.layouts import find_layout
from halsted.imaging_bridge.layouts.xml_files import read_xml

DEEP = "[" * 200_000


def load_all(folder: Path) -> None:
    for source in find_layout(folder).sources(folder):
        source.load()


def refuse(folder: Path, told: str) -> None:
    with pytest.raises(ScanError, match=told) as error:
        load_all(folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "regions", [None, 7, "arm", [None], [[]], {"0": {"region_attributes": {}}}]
)
def test_regions_of_via_that_are_none(via: Callable[[int], Path], regions: Any) -> None:
    folder = via(2)
    path = folder / "via_region_data.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["left.png123"]["regions"] = regions
    path.write_text(json.dumps(content), encoding="utf-8")
    refuse(folder, r"region of left\.png without shape or attributes")


@pytest.mark.parametrize("shape", [None, [], "circle"])
def test_shapes_of_via_that_are_none(via: Callable[[int], Path], shape: Any) -> None:
    folder = via(2)
    path = folder / "via_region_data.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["left.png123"]["regions"][0]["shape_attributes"] = shape
    path.write_text(json.dumps(content), encoding="utf-8")
    refuse(folder, r"region of left\.png without shape or attributes")


@pytest.mark.parametrize(
    ("find", "put"),
    [
        ('"r": 4', f'"r": 1{"0" * 400}'),
        ('"r": 4', '"r": NaN'),
        ('"cx": 16', '"cx": 1e308'),
        ('"cx": 16', '"cx": null'),
        ("[3, 10, 10, 3]", "[3, 10, [10], 3]"),
        ("[3, 10, 10, 3]", "[3, 1e400, 10, 3]"),
    ],
)
def test_numbers_of_via_that_are_no_place(via: Callable[[int], Path], find: str, put: str) -> None:
    path = via(2) / "via_region_data.json"
    text = path.read_text(encoding="utf-8")
    assert find in text
    path.write_text(text.replace(find, put), encoding="utf-8")
    refuse(path.parent, "that cannot be drawn")


@pytest.mark.parametrize("name", ["a\0b.png", f"{'x' * 300}.png"])
def test_via_names_a_file_that_none_can_be(via: Callable[[int], Path], name: str) -> None:
    path = via(2) / "via_region_data.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["left.png123"]["filename"] = name
    path.write_text(json.dumps(content), encoding="utf-8")
    refuse(path.parent, "which is not beside it")


def test_json_that_is_nested_deeply_stops_no_other_data_set(pairs: Path, msd: Path) -> None:
    (pairs / "deep.json").write_text(DEEP, encoding="utf-8")
    assert find_layout(pairs).name == "images-and-masks"
    (msd / "dataset.json").write_text(DEEP, encoding="utf-8")
    refuse(msd, "RecursionError")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("modality", ["CT"]),
        ("modality", {"zero": "CT"}),
        ("modality", {"0": ["CT"]}),
        ("modality", {}),
        ("labels", ["background", "cancer"]),
        ("labels", {"b": "x"}),
        ("labels", {"whole": [1, 2]}),
        ("training", {"image": "x"}),
        ("training", [None]),
        ("training", [{"image": 1, "label": 2}]),
    ],
)
def test_lists_of_the_decathlon_of_another_form(msd: Path, key: str, value: Any) -> None:
    path = msd / "dataset.json"
    listed = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**listed, key: value}), encoding="utf-8")
    refuse(msd, "not the list of a Decathlon task")


@pytest.mark.parametrize(
    ("name", "told"),
    [("./a\0.nii.gz", "outside of its folder"), (f"./{'x' * 300}.nii.gz", "no file")],
)
def test_the_decathlon_names_a_file_that_none_can_be(msd: Path, name: str, told: str) -> None:
    path = msd / "dataset.json"
    listed = json.loads(path.read_text(encoding="utf-8"))
    listed["training"][0]["image"] = name
    path.write_text(json.dumps(listed), encoding="utf-8")
    refuse(msd, told)


@pytest.mark.parametrize("encoding", ["foo", "shift_jis", "utf-8"])
def test_xml_of_no_known_encoding(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "notes.xml"
    path.write_bytes(
        f'<?xml version="1.0" encoding="{encoding}"?><a>\udc83</a>'.encode(
            "utf-8", "surrogateescape"
        )
    )
    with pytest.raises(ScanError, match="no XML, or a damaged file"):
        read_xml(path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_refused_in_any_encoding(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "notes.xml"
    text = f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'
    path.write_bytes(text.encode(encoding))
    with pytest.raises(ScanError, match="declares entities"):
        read_xml(path)
    path.write_bytes('<a xmlns="http://b"><c d="1">Köln</c></a>'.encode("utf-16"))
    (child,) = read_xml(path)
    assert (child.tag, child.attrib, child.text) == ("c", {"d": "1"}, "Köln")


@pytest.mark.parametrize("value", ["nan", "1e400", "-inf", "1e30", "abc", ""])
def test_corners_of_nuclei_that_are_no_place(monusac: Path, value: str) -> None:
    path = min(monusac.rglob("*.xml"))
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('X="4.5"', f'X="{value}"', 1), encoding="utf-8")
    refuse(monusac, "corner without X and Y in numbers")


@pytest.mark.parametrize("value", ["nan", "1e30", "abc", "", " "])
def test_corners_of_nodules_that_are_no_place(lidc: Path, value: str) -> None:
    (path,) = lidc.rglob("*.xml")
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text.replace("<xCoord>4</xCoord>", f"<xCoord>{value}</xCoord>", 1), encoding="utf-8"
    )
    refuse(lidc, "without xCoord and yCoord in numbers")


def test_a_foreign_table_stops_no_isic(isic: Path) -> None:
    (isic / "rooms.csv").write_bytes("Größe;Ort\n3;Köln\n".encode("latin-1"))
    (isic / "long.csv").write_text("x" * 200_000, encoding="utf-8")
    (isic / "site.csv").write_bytes("image,site\nISIC_0000000,Füße\n".encode("latin-1"))
    assert len(find_layout(isic).sources(isic)) == 3
    (isic / "part3.csv").write_text(f"image,MEL\nISIC_0000000,{'1' * 200_000}\n", encoding="utf-8")
    refuse(isic, r"part3\.csv cannot be read as a table")


@pytest.mark.parametrize(
    ("table", "diagnosis"),
    [
        ("image_id,dx\nISIC_0000000,nv\n", "benign"),
        ("image_id,dx\nISIC_0000000,scc\n", "malignant"),
        ("image_id,dx\nISIC_0000000,naevus sebaceus\n", None),
        ("image,MEL,NV,UNK\nISIC_0000000,0,0,1\n", None),
        ("image,MEL,NV,UNK\nISIC_0000000,0,1,0\n", "benign"),
        ("image_name,target\nISIC_0000000,\n", None),
        ("image_name,target\nISIC_0000000,nan\n", None),
    ],
)
def test_what_is_not_known_is_not_benign(isic: Path, table: str, diagnosis: str | None) -> None:
    (isic / "part3.csv").write_text(table, encoding="utf-8")
    first = find_layout(isic).sources(isic)[0].load()
    assert first.facts.get("diagnosis") == diagnosis
