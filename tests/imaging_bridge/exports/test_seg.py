"""DICOM Segmentations, read back by highdicom."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest

from halsted.imaging_bridge.dicom.seg import read_seg
from halsted.imaging_bridge.dicom.series import find_series
from halsted.imaging_bridge.errors import StructureError
from halsted.imaging_bridge.exports import Source, read_source, write_rtstruct, write_seg
from halsted.imaging_bridge.labels import LabelMap, Provenance
from halsted.imaging_bridge.read import read_patient

NAMES = ["kidney_left", "Tumor", "liver"]


@pytest.mark.parametrize("labelmap", [False, True], ids=["binary", "labelmap"])
def test_highdicom_finds_every_voxel_in_its_place(
    source: Source, labels: LabelMap, tmp_path: Path, labelmap: bool
) -> None:
    path = write_seg(labels, source, tmp_path / "seg.dcm", labelmap=labelmap)
    found = hd.seg.segread(path)
    described = [one for one in found.SegmentSequence if one.SegmentNumber != 0]
    assert [one.SegmentLabel for one in described] == NAMES
    volume = found.get_volume(combine_segments=True)
    for number, name in enumerate(NAMES, start=1):
        index = np.argwhere(volume.array == number)
        points = index @ volume.affine[:3, :3].T + volume.affine[:3, 3]
        voxels = labels.to_index(points)
        np.testing.assert_allclose(voxels, np.rint(voxels), atol=1e-3)
        expected = np.argwhere(labels.mask(name))
        np.testing.assert_array_equal(sorted(np.rint(voxels).astype(int).tolist()), expected)


@pytest.mark.parametrize("labelmap", [False, True], ids=["binary", "labelmap"])
def test_our_reader_gives_the_labels_back(
    source: Source, labels: LabelMap, tmp_path: Path, labelmap: bool
) -> None:
    path = write_seg(labels, source, tmp_path / "seg.dcm", labelmap=labelmap)
    back = read_seg(path, source.grid, source.frame_of_reference)
    assert list(back.names) == NAMES
    assert back.provenance == "manual"
    for name in NAMES:
        np.testing.assert_array_equal(back.mask(name), labels.mask(name))


def test_it_is_valid_and_about_the_same_patient(
    source: Source,
    labels: LabelMap,
    tmp_path: Path,
    validator_errors: Callable[[Path], list[str]],
) -> None:
    # Label maps are left out: dciodvfy of 2022 does not know them.
    path = write_seg(labels, source, tmp_path / "seg.dcm")
    assert validator_errors(path) == []
    made = pydicom.dcmread(path)
    for keyword in ("PatientID", "PatientName", "StudyInstanceUID", "FrameOfReferenceUID"):
        assert made[keyword].value == source.headers[0][keyword].value


@pytest.mark.parametrize(
    ("provenance", "kind"),
    [("manual", "MANUAL"), ("model", "AUTOMATIC"), ("unknown", "SEMIAUTOMATIC")],
)
def test_provenance_is_told(
    source: Source, labels: LabelMap, tmp_path: Path, provenance: Provenance, kind: str
) -> None:
    path = write_seg(replace(labels, provenance=provenance), source, tmp_path / "seg.dcm")
    segments = pydicom.dcmread(path).SegmentSequence
    assert {one.SegmentAlgorithmType for one in segments} == {kind}
    assert all(("SegmentAlgorithmName" in one) == (kind != "MANUAL") for one in segments)


def test_segments_have_codes(source: Source, labels: LabelMap, tmp_path: Path) -> None:
    kidney, tumour, liver = pydicom.dcmread(
        write_seg(labels, source, tmp_path / "seg.dcm")
    ).SegmentSequence
    kind = kidney.SegmentedPropertyTypeCodeSequence[0]
    assert (kind.CodeValue, kind.CodingSchemeDesignator) == ("64033007", "SCT")
    assert kind.SegmentedPropertyTypeModifierCodeSequence[0].CodeMeaning == "Left"
    assert liver.SegmentedPropertyTypeCodeSequence[0].CodeValue == "10200004"
    assert tumour.SegmentedPropertyCategoryCodeSequence[0].CodeValue == "49755003"


def test_empty_labels_are_refused(source: Source, tmp_path: Path) -> None:
    empty = LabelMap(np.zeros(source.grid.shape, np.uint8), source.grid.affine, {"liver": 1})
    with pytest.raises(StructureError, match="no voxel"):
        write_seg(empty, source, tmp_path / "seg.dcm")
    assert not list(tmp_path.glob("*.dcm"))


def test_an_enhanced_series_is_referred_to_by_frame(data_folder: Path, tmp_path: Path) -> None:
    scan = data_folder / "dicom_hazards" / "pydicom-data" / "eCT_Supplemental.dcm"
    image = read_patient(scan).image
    voxels = (image.voxels > np.percentile(image.voxels, 80)).astype(np.uint8)
    voxels[0, :256] = 0
    labels = LabelMap(voxels, image.affine, {"bone": 1}, "model")
    source = read_source(find_series(scan))
    for write in (write_seg, write_rtstruct):
        path = write(labels, source, tmp_path / f"{write.__name__}.dcm")
        back = read_patient(scan, path).labels
        assert back is not None
        np.testing.assert_array_equal(back.voxels, voxels)
    structures = pydicom.dcmread(tmp_path / "write_rtstruct.dcm")
    images = structures.ROIContourSequence[0].ContourSequence[0].ContourImageSequence
    assert images[0].ReferencedFrameNumber in (1, 2)
