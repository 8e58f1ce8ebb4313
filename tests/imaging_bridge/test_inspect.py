"""What `halsted scan` prints."""

from __future__ import annotations

import json

import numpy as np
import pytest

from halsted.imaging_bridge import LabelMap, Patient, Volume, describe
from halsted.imaging_bridge.inspect import describe_patient


def _affine(spacing=(2.0, 1.0, 1.0), axes=((0, 0, 1), (0, 1, 0), (1, 0, 0))):
    affine = np.eye(4)
    affine[:3, :3] = np.array(axes, dtype=float).T * spacing
    return affine


def _ct(voxels=None, **more):
    """A body, 20 x 30 x 30, that touches no side of its field of view."""
    if voxels is None:
        voxels = np.full((20, 30, 30), -1000.0, np.float32)
        voxels[:, 5:-5, 5:-5] = 40.0
    return Volume(voxels, _affine(**more), "CT", "HU")


def _problems(image, labels=None):
    return describe_patient(Patient({"ct": image}, labels)).problems


def test_report_of_a_clean_scan():
    image = _ct()
    voxels = np.zeros(image.shape, np.uint8)
    voxels[4:6, 10:15, 10:20] = 2
    voxels[4:6, 10:12, 10:12] = 7
    labels = LabelMap(voxels, image.affine, {"liver": 2, "tumour": 7}, "manual")
    report = describe_patient(Patient({"ct": image}, labels))
    assert report.readable
    assert report.problems == []
    assert json.loads(json.dumps(report.as_dict())) == {
        "readable": True,
        "problems": [],
        "modality": "CT",
        "unit": "HU",
        "shape": [20, 30, 30],
        "spacing_mm": [2.0, 1.0, 1.0],
        "size_mm": [40.0, 30.0, 30.0],
        "orientation": "SPL",
        "images": ["ct"],
        "signals": [],
        "annotations": {},
        "notes": [],
        "value_range": [-1000.0, 40.0],
        "labels_provenance": "manual",
        "structures": [
            {"name": "liver", "role": "organ", "volume_ml": pytest.approx(0.184)},
            {"name": "tumour", "role": "lesion", "volume_ml": pytest.approx(0.016)},
        ],
    }


def test_structures_that_nothing_can_be_done_with():
    image = _ct()
    voxels = np.zeros(image.shape, np.uint8)
    voxels[3, 10, 10] = 1
    labels = LabelMap(voxels, image.affine, {"label_1": 1, "aorta": 2})
    unknown, empty = _problems(image, labels)
    assert "no role" in unknown and "label_1" in unknown and "aorta" not in unknown
    assert "no voxel" in empty and "aorta" in empty


def test_label_map_without_structures():
    image = _ct()
    labels = LabelMap(np.zeros(image.shape, np.uint8), image.affine)
    assert _problems(image, labels) == ["the label map holds no structure"]


@pytest.mark.parametrize(("ratio", "unusual"), [(3.0, False), (3.1, True)])
def test_anisotropy(ratio, unusual):
    problems = _problems(_ct(spacing=(ratio, 1.0, 1.0)))
    assert [f"{ratio} times as long" in problem for problem in problems] == [True] * unusual


@pytest.mark.parametrize(
    ("value", "unusual"), [(-1100.0, False), (-1101.0, True), (4000.0, False), (4001.0, True)]
)
def test_hounsfield_range(value, unusual):
    voxels = np.array(_ct().voxels)
    voxels[10, 15, 15] = value
    problems = _problems(_ct(voxels))
    assert [f"{value:g}" in problem for problem in problems] == [True] * unusual


@pytest.mark.parametrize(
    ("where", "side"),
    [
        (np.s_[:, 5:-5, 20:], "left"),
        (np.s_[:, 5:-5, :10], "right"),
        (np.s_[:, :10, 5:-5], "front"),
        (np.s_[:, 20:, 5:-5], "back"),
    ],
)
def test_body_cut_at_a_side(where, side):
    voxels = np.array(_ct().voxels)
    voxels[where] = 40.0
    (problem,) = _problems(_ct(voxels))
    assert f"at its {side} side" in problem


def test_sides_follow_the_orientation():
    voxels = np.array(_ct().voxels)
    voxels[:, 5:-5, 20:] = 40.0  # the last columns, which lie at the right here
    turned = ((0, 0, 1), (0, -1, 0), (-1, 0, 0))
    (problem,) = _problems(_ct(voxels, axes=turned))
    assert "at its right side" in problem


def test_scan_of_unknown_modality():
    (problem,) = _problems(Volume(np.ones((4, 5, 6), np.float32), _affine()))
    assert "does not say what was measured" in problem


def test_scan_that_cannot_be_read(tmp_path, write_series):
    report = describe(tmp_path / "nowhere")
    assert not report.readable
    (problem,) = report.problems
    assert "nowhere" in problem
    write_series(tmp_path).files()[3].unlink()
    (problem,) = describe(tmp_path).problems
    assert "missing" in problem
    assert json.dumps(report.as_dict())


def test_scan_as_files(tmp_path, write_series):
    write_series(tmp_path)
    report = describe(tmp_path)
    assert report.readable
    assert report.shape == (8, 10, 12)
    assert report.labels_provenance is None
    assert report.structures == []


def test_real_scan(data_folder):
    report = describe(data_folder / "lung_nodule" / "4D-Lung_113")
    assert report.readable
    assert report.labels_provenance == "manual"
    roles = {structure.name: structure.role for structure in report.structures}
    assert roles["Tumor_c40"] == "lesion"
    assert roles["Vertebra_c40"] == "bone"
    assert any("LN_c40" in problem for problem in report.problems)
