"""One way in for every kind of scan, with its labels on the same grid or not at all."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk

from halsted.imaging_bridge import GeometryError, HalstedError, ScanError, read_patient, read_scan


def _labels_of(patient):
    assert patient.labels is not None
    return patient.labels


def _square(written, number, low, high):
    """A square contour in slice `number`, its corners between voxel centres, LPS mm."""
    corners = [(low, low), (low, high), (high, high), (high, low)]
    index = np.array([(number, y - 0.5, x - 0.5) for y, x in corners])
    return index @ written.affine[:3, :3].T + written.affine[:3, 3]


def _as_file(volume, path, voxels=None):
    image = volume.to_sitk()
    if voxels is not None:
        labels = sitk.GetImageFromArray(voxels)
        labels.CopyInformation(image)
        image = labels
    sitk.WriteImage(image, str(path))
    return path


def _some_labels(shape):
    voxels = np.zeros(shape, np.uint8)
    voxels[2:4, 3:6, 3:7] = 5
    return voxels


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_folder_and_file_give_the_same_scan(tmp_path, write_series, suffix):
    written = write_series(tmp_path / "dicom")
    from_folder = read_scan(tmp_path / "dicom")
    from_file = read_scan(_as_file(from_folder, tmp_path / f"ct{suffix}"))
    assert from_folder.same_geometry(from_file, tolerance_mm=1e-3)
    assert written.largest_error(from_folder) == 0.0
    assert written.largest_error(from_file) == 0.0


def test_structure_set_in_the_folder_becomes_the_labels(tmp_path, write_series, write_rtstruct):
    written = write_series(tmp_path)
    write_rtstruct(
        tmp_path / "rs.dcm", {"Liver": [_square(written, 3, 2, 6)]}, written.frame_of_reference
    )
    patient = read_patient(tmp_path)
    assert patient.kind == "scan"
    assert list(patient.images) == ["ct"]
    expected = np.zeros(written.shape, np.uint8)
    expected[3, 2:6, 2:6] = 1
    np.testing.assert_array_equal(_labels_of(patient).voxels, expected)
    assert not patient.facts


def test_scan_without_labels(tmp_path, write_series):
    write_series(tmp_path, modality="MR", intercept=0)
    patient = read_patient(str(tmp_path))
    assert patient.labels is None
    assert list(patient.images) == ["mr"]


def test_labels_given_win_over_those_in_the_folder(tmp_path, write_series, write_rtstruct):
    written = write_series(tmp_path / "scan")
    inside = {"Liver": [_square(written, 3, 2, 6)]}
    write_rtstruct(tmp_path / "scan" / "rs.dcm", inside)
    other = write_rtstruct(tmp_path / "other.dcm", {"Tumour": [_square(written, 1, 4, 7)]})
    assert list(_labels_of(read_patient(tmp_path / "scan", other)).names) == ["Tumour"]
    path = _as_file(
        read_scan(tmp_path / "scan"), tmp_path / "seg.nii.gz", _some_labels(written.shape)
    )
    patient = read_patient(tmp_path / "scan", path, "totalsegmentator-v2")
    assert dict(_labels_of(patient).names) == {"liver": 5}


def test_structure_set_on_an_image_file(tmp_path, write_series, write_rtstruct):
    written = write_series(tmp_path / "scan")
    path = _as_file(read_scan(tmp_path / "scan"), tmp_path / "ct.nii.gz")
    drawn = write_rtstruct(tmp_path / "rs.dcm", {"Liver": [_square(written, 3, 2, 6)]})
    assert _labels_of(read_patient(path, drawn)).mask("Liver").sum() == 16


def test_two_structure_sets_have_to_be_chosen_from(tmp_path, write_series, write_rtstruct):
    write_series(tmp_path)
    for name in ("a.dcm", "b.dcm"):
        write_rtstruct(tmp_path / name, {"Liver": []})
    with pytest.raises(ScanError, match=r"2 structure sets .*a\.dcm, .*b\.dcm.*labels=PATH"):
        read_patient(tmp_path)
    assert _labels_of(read_patient(tmp_path, tmp_path / "b.dcm")).names == {"Liver": 1}


def test_structure_set_of_another_frame_is_refused(tmp_path, write_series, write_rtstruct):
    write_series(tmp_path)
    write_rtstruct(tmp_path / "rs.dcm", {"Liver": []}, "1.2.3")
    with pytest.raises(GeometryError, match="frame of reference"):
        read_patient(tmp_path)


def test_labels_on_another_grid_name_both_files(tmp_path, write_series):
    write_series(tmp_path / "scan")
    scan = read_scan(tmp_path / "scan")
    image = scan.to_sitk()
    image.SetOrigin((image.GetOrigin()[0] + 1.0, *image.GetOrigin()[1:]))
    path = tmp_path / "moved.nii.gz"
    sitk.WriteImage(sitk.Cast(image > 0, sitk.sitkUInt8), str(path))
    with pytest.raises(GeometryError) as error:
        read_patient(tmp_path / "scan", path)
    assert str(path) in str(error.value)
    assert str(tmp_path / "scan") in str(error.value)


def test_series_is_chosen(tmp_path, write_series):
    write_series(tmp_path)
    second = write_series(tmp_path, shape=(4, 6, 6), name=lambda number: f"b{number}.dcm")
    with pytest.raises(ScanError, match="2 image series"):
        read_patient(tmp_path)
    assert read_patient(tmp_path, series=second.series).image.shape == (4, 6, 6)


def test_paths_that_are_no_scan(tmp_path, write_series):
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "empty").mkdir()
    single = write_series(tmp_path / "scan").files()[0]
    image = _as_file(read_scan(tmp_path / "scan"), tmp_path / "ct.mha")
    for path, words in {
        tmp_path / "nowhere": "no file or folder",
        tmp_path / "notes.txt": "not of a kind",
        tmp_path / "empty": "no DICOM file",
        single: "only slice",
    }.items():
        with pytest.raises((ScanError, GeometryError), match=words) as error:
            read_scan(path)
        assert str(path) in str(error.value)
    with pytest.raises(ScanError, match=r"series=1\.2"):
        read_scan(image, series="1.2")


def test_paths_that_are_no_labels(tmp_path, write_series):
    single = write_series(tmp_path / "scan").files()[0]
    (tmp_path / "notes.txt").write_text("hello")
    for path, words in {
        tmp_path / "nowhere.nii": "no file or folder",
        tmp_path / "notes.txt": "RTSTRUCT",
        tmp_path / "scan": "RTSTRUCT",
        single: "RTSTRUCT",
    }.items():
        with pytest.raises(ScanError, match=words) as error:
            read_patient(tmp_path / "scan", path)
        assert str(path) in str(error.value)


def _damaged(content, rng):
    """A few wrong bytes near the start, where the headers are, and now and then a cut."""
    damaged = bytearray(content)
    for place in rng.integers(0, min(len(content), 1500), rng.choice([1, 2, 8])):
        damaged[place] = rng.integers(256)
    return bytes(damaged[: rng.integers(len(content))] if rng.random() < 0.2 else damaged)


@pytest.mark.filterwarnings("ignore")  # pydicom's, about what was damaged on purpose
@pytest.mark.parametrize("name", ["slice001.dcm", "rs.dcm", "ct.nii", "ct.nii.gz", "ct.nrrd"])
def test_damage_is_told_in_one_line_or_harmless(tmp_path, write_series, write_rtstruct, name):
    written = write_series(tmp_path, shape=(3, 5, 5))
    write_rtstruct(tmp_path / "rs.dcm", {"Liver": [_square(written, 1, 1, 4)]})
    if name.startswith("ct"):
        _as_file(read_scan(tmp_path), tmp_path / name)
    content = (tmp_path / name).read_bytes()
    rng = np.random.default_rng(5)
    refused = 0
    for _ in range(60):
        (tmp_path / name).write_bytes(_damaged(content, rng))
        try:
            read_patient(tmp_path / name if name.startswith("ct") else tmp_path)
        except HalstedError as error:
            refused += 1
            assert str(error).isprintable()
    assert refused > 0


def test_importing_the_storey_loads_no_imaging_library():
    code = (
        "import sys, halsted.imaging_bridge; "
        "print(*sorted({'SimpleITK', 'pydicom', 'vtkmodules'} & set(sys.modules)))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert loaded.stdout.strip() == ""


def test_real_patient(data_folder):
    patient = read_patient(data_folder / "lung_nodule" / "4D-Lung_113")
    assert _labels_of(patient).volumes_ml["Tumor_c40"] == pytest.approx(67.6, rel=0.01)
    tumour = patient.image.voxels[_labels_of(patient).mask("Tumor_c40")]
    assert -200 < np.median(tumour) < 200  # HU of soft tissue amid lung


def test_real_labels_of_another_scan(data_folder):
    folder = data_folder / "abdomen_organs"
    labels = folder / "example_seg.nii.gz"
    assert _labels_of(read_patient(folder / "example_ct_sm.nii.gz", labels)).volumes_ml["liver"] > 0
    with pytest.raises(GeometryError, match=r"example_seg\.nii\.gz .*example_ct\.nii\.gz"):
        read_patient(folder / "example_ct.nii.gz", labels)
