"""NIfTI and NRRD, read back by nibabel, by SimpleITK and by us."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from halsted.imaging_bridge.errors import GeometryError, OutputError
from halsted.imaging_bridge.exports import Source, write_labels, write_volume
from halsted.imaging_bridge.labels import LabelMap
from halsted.imaging_bridge.read import read_patient
from halsted.imaging_bridge.volume import Volume

SUFFIXES = [".nii.gz", ".nii", ".nrrd"]


@pytest.fixture
def volume(source: Source) -> Volume:
    voxels = np.random.default_rng(0).integers(-1000, 900, source.grid.shape).astype(np.float32)
    return Volume(voxels, source.grid.affine, "CT", "HU")


def test_nibabel_finds_every_voxel_in_its_place(volume: Volume, tmp_path: Path) -> None:
    path = write_volume(volume, tmp_path / "ct.nii.gz")
    image = nibabel.Nifti1Image.from_filename(path)
    index = np.argwhere(np.ones(volume.shape, bool))
    ras = volume.to_patient(index) * [-1, -1, 1]
    i, j, k = np.rint(nibabel.affines.apply_affine(np.linalg.inv(image.affine), ras)).T.astype(int)
    np.testing.assert_array_equal(np.asarray(image.dataobj)[i, j, k], volume.voxels.ravel())
    assert image.get_data_dtype() == np.int16
    assert image.header["qform_code"] > 0


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_simpleitk_finds_every_voxel_in_its_place(
    volume: Volume, tmp_path: Path, suffix: str
) -> None:
    image = sitk.ReadImage(str(write_volume(volume, tmp_path / f"ct{suffix}")))
    for z, y, x in np.random.default_rng(1).integers(0, volume.shape, (50, 3)).tolist():
        place = image.TransformPhysicalPointToIndex(volume.to_patient((z, y, x)).tolist())
        assert image[place] == volume.voxels[z, y, x]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_names_come_back(volume: Volume, labels: LabelMap, tmp_path: Path, suffix: str) -> None:
    scan = write_volume(volume, tmp_path / f"ct{suffix}")
    path = write_labels(labels, tmp_path / f"ct_labels{suffix}")
    patient = read_patient(scan, path)
    assert patient.labels is not None
    assert dict(patient.labels.names) == dict(labels.names)
    np.testing.assert_array_equal(patient.labels.voxels, labels.voxels)
    np.testing.assert_array_equal(patient.image.voxels, volume.voxels)
    assert patient.image.same_geometry(volume, tolerance_mm=1e-3)


def test_fractions_stay_fractions(volume: Volume, tmp_path: Path) -> None:
    fractional = Volume(volume.voxels.astype(np.float64) + 0.25, volume.affine)
    back = sitk.ReadImage(str(write_volume(fractional, tmp_path / "pet.nrrd")))
    np.testing.assert_allclose(sitk.GetArrayFromImage(back), fractional.voxels)


def test_another_suffix_is_refused(volume: Volume, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"\.nii\.gz"):
        write_volume(volume, tmp_path / "ct.png")
    assert not list(tmp_path.glob("ct*"))


def test_a_picture_of_unknown_size_is_refused(tmp_path: Path) -> None:
    picture = Volume(np.zeros((1, 4, 4)), np.eye(4), "XC", spacing_known=False)
    with pytest.raises(GeometryError, match="how large"):
        write_volume(picture, tmp_path / "a.nii")
    assert not list(tmp_path.iterdir())
