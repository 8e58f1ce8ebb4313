"""What structures are called in files, and the SNOMED CT codes they get."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest

from halsted.imaging_bridge.errors import StructureError
from halsted.imaging_bridge.exports import Source, write_rtstruct, write_seg, write_stl
from halsted.imaging_bridge.exports.codes import code_of
from halsted.imaging_bridge.labels import LabelMap
from halsted.imaging_bridge.read import read_patient

LONG = "a" * 64


def blocks(source: Source, names: dict[str, int]) -> LabelMap:
    """A block of voxels a name."""
    voxels = np.zeros(source.grid.shape, np.uint8)
    for value in names.values():
        voxels[2:5, 2:5, 3 * value - 2 : 3 * value] = value
    return LabelMap(voxels, source.grid.affine, names, "manual")


def written_names(path: Path) -> list[str]:
    made = pydicom.dcmread(path)
    if made.Modality == "SEG":
        return [one.SegmentLabel for one in made.SegmentSequence]
    return [one.ROIName for one in made.StructureSetROISequence]


@pytest.mark.parametrize(
    "names",
    [
        {"a_b_2": 3, "a b": 1, "a_b": 2},
        {"A": 1, "a": 2},
        {"?": 1, "!": 2},
        {"x" * 90: 1, "x" * 91: 2},
    ],
)
def test_every_structure_has_a_file_of_its_own(
    source: Source, tmp_path: Path, names: dict[str, int]
) -> None:
    paths = write_stl(blocks(source, names), tmp_path / "stl")
    assert len({path.name.lower() for path in paths}) == len(names)
    assert sorted(paths) == sorted((tmp_path / "stl").iterdir())


@pytest.mark.parametrize("write", [write_rtstruct, write_seg])
@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ({LONG + "b": 1, LONG + "c": 2}, [LONG, LONG[:62] + "_2"]),
        ({"b\\c": 1, "b_c": 2}, ["b_c", "b_c_2"]),
        ({"liver ": 1, "liver": 2}, ["liver", "liver_2"]),
        ({"Liver": 1, "liver": 2}, ["Liver", "liver"]),
    ],
)
def test_names_that_dicom_cannot_hold_are_written_otherwise_and_come_back(
    source: Source,
    tmp_path: Path,
    write: Callable[..., Path],
    names: dict[str, int],
    expected: list[str],
) -> None:
    labels = blocks(source, names)
    path = write(labels, source, tmp_path / "made.dcm")
    assert written_names(path) == expected
    back = read_patient(source.folder, path).labels
    assert back is not None
    for name, other in zip(expected, names, strict=True):
        np.testing.assert_array_equal(back.mask(name), labels.mask(other))


def test_a_structure_set_of_nothing_is_refused(source: Source, tmp_path: Path) -> None:
    empty = LabelMap(np.zeros(source.grid.shape, np.uint8), source.grid.affine, {"liver": 1})
    with pytest.raises(StructureError, match="no voxel"):
        write_rtstruct(empty, source, tmp_path / "rs.dcm")
    assert not list(tmp_path.glob("*.dcm"))


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("liver", "10200004"),
        ("Kidney-Left", "64033007"),
        ("right kidney", "64033007"),
        ("rib_left_7", "113197003"),
        ("vertebrae_L5", "51282000"),
        ("lung_upper_lobe_left", "45653009"),
        ("liver_vessels", "59820001"),
        ("lung_vessels", "59820001"),
        *(
            (name, "91723000")  # anatomical structure
            for name in (
                "lung_trachea_bronchia",
                "kidney_left_artery",
                "pancreas_duct",
                "heart_chambers",
                "colonoscope",
                "brainstem",
            )
        ),
    ],
)
def test_a_code_says_no_more_than_the_name(name: str, code: str) -> None:
    assert code_of(name).value == code
