"""Structure sets: voxel for voxel what the labels were, and valid DICOM."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from halsted.imaging_bridge.dicom.rtstruct import read_rtstruct
from halsted.imaging_bridge.dicom.series import find_series
from halsted.imaging_bridge.errors import GeometryError
from halsted.imaging_bridge.exports import Source, read_source, write_rtstruct, write_seg
from halsted.imaging_bridge.labels import LabelMap
from halsted.imaging_bridge.read import read_patient


def test_contours_give_the_labels_back(source: Source, labels: LabelMap, tmp_path: Path) -> None:
    path = write_rtstruct(labels, source, tmp_path / "rs.dcm")
    back = read_rtstruct(path, source.grid, source.frame_of_reference)
    assert list(back.names) == ["kidney_left", "Tumor", "liver"], "a structure without voxels"
    for name in back.names:
        np.testing.assert_array_equal(back.mask(name), labels.mask(name))
    assert back.provenance == "manual"


def test_a_contour_refers_to_the_image_it_lies_in(
    source: Source, labels: LabelMap, tmp_path: Path
) -> None:
    made = pydicom.dcmread(write_rtstruct(labels, source, tmp_path / "rs.dcm"))
    positions = {one.SOPInstanceUID: one.ImagePositionPatient for one in source.headers}
    normal = source.grid.direction[:, 0]
    checked = 0
    for drawing in made.ROIContourSequence:
        for contour in drawing.ContourSequence:
            points = np.array(contour.ContourData, float).reshape(-1, 3)
            image = positions[contour.ContourImageSequence[0].ReferencedSOPInstanceUID]
            np.testing.assert_allclose((points - np.array(image, float)) @ normal, 0, atol=1e-3)
            assert len(points) == contour.NumberOfContourPoints
            checked += 1
    assert checked > 6


def test_it_is_valid_and_about_the_same_patient(
    source: Source,
    labels: LabelMap,
    tmp_path: Path,
    validator_errors: Callable[[Path], list[str]],
) -> None:
    path = write_rtstruct(labels, source, tmp_path / "rs.dcm")
    assert validator_errors(path) == []
    made = pydicom.dcmread(path)
    for keyword in ("PatientID", "PatientName", "StudyInstanceUID"):
        assert made[keyword].value == source.headers[0][keyword].value
    assert made.SeriesInstanceUID != source.headers[0].SeriesInstanceUID
    kinds = [one.RTROIInterpretedType for one in made.RTROIObservationsSequence]
    assert kinds == ["ORGAN", "GTV", "ORGAN"]


@pytest.mark.parametrize("write", [write_rtstruct, write_seg])
def test_names_survive_in_any_alphabet(
    write_series: Callable[..., Any], tmp_path: Path, write: Callable[..., Path]
) -> None:
    def edit(dataset: Any, number: int) -> None:
        dataset.SpecificCharacterSet, dataset.PatientName = "ISO_IR 100", "Müller^Jörg"

    source = read_source(find_series(write_series(tmp_path / "series", edit=edit).folder))
    voxels = np.zeros(source.grid.shape, np.uint8)
    voxels[2:4, 2:4, 2:4] = 1
    labels = LabelMap(voxels, source.grid.affine, {"肝臓 größer": 1}, "manual")
    path = write(labels, source, tmp_path / "made.dcm")
    assert pydicom.dcmread(path).PatientName == "Müller^Jörg"
    back = read_patient(tmp_path / "series", path).labels
    assert back is not None
    assert list(back.names) == ["肝臓 größer"]


def test_labels_on_another_grid_are_refused(
    source: Source, labels: LabelMap, tmp_path: Path
) -> None:
    moved = labels.affine.copy()
    moved[0, 3] += 1.0
    elsewhere = LabelMap(labels.voxels, moved, labels.names)
    with pytest.raises(GeometryError, match="another grid"):
        write_rtstruct(elsewhere, source, tmp_path / "rs.dcm")
    assert not list(tmp_path.glob("*.dcm"))


def test_a_real_structure_set_survives(data_folder: Path, tmp_path: Path) -> None:
    folder = data_folder / "lung_nodule" / "4D-Lung_113"
    labels = read_patient(folder).labels
    assert labels is not None
    source = read_source(find_series(folder))
    back = read_rtstruct(write_rtstruct(labels, source, tmp_path / "rs.dcm"), source.grid)
    np.testing.assert_array_equal(back.voxels, labels.voxels)
    assert back.volumes_ml["Tumor_c40"] == pytest.approx(67.6, rel=0.01)
