"""A volume written as DICOM is the same volume to every reader, and says nothing of a person."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from halsted.imaging_bridge.dicom.series import find_series
from halsted.imaging_bridge.errors import GeometryError, OutputError
from halsted.imaging_bridge.exports import read_source, write_seg
from halsted.imaging_bridge.exports.identity import SeededIdentity
from halsted.imaging_bridge.exports.series import SeriesNames, along_normal, write_series
from halsted.imaging_bridge.labels import LabelMap
from halsted.imaging_bridge.phantoms.shapes import rotation
from halsted.imaging_bridge.read import read_patient
from halsted.imaging_bridge.volume import Volume, affine_from_sitk

NAMES = SeriesNames("PHANTOM-TEST-7", "test", SeededIdentity("test 7"))
SHAPE = (5, 7, 9)


def volume_of(modality: str, turn: bool = False, flip: bool = False) -> Volume:
    rng = np.random.default_rng(0)
    voxels = np.rint(rng.uniform(-1000, 3000, SHAPE)).astype(np.float32)
    if modality == "MR":
        voxels = np.abs(voxels)
    affine = np.eye(4)
    spacing = np.array([2.5, 0.8, 0.7123456789]) * ((-1 if flip else 1), 1, 1)
    axes = rotation((20.0, -7.0, 31.0)) if turn else np.eye(3)
    affine[:3, :3] = axes @ np.eye(3)[:, ::-1] * spacing
    affine[:3, 3] = -12.34567891, 20.0, 987.654321
    return Volume(voxels, affine, modality, "HU" if modality == "CT" else "1")


@pytest.mark.parametrize("modality", ["CT", "MR"])
@pytest.mark.parametrize("turn", [False, True], ids=["straight", "oblique"])
@pytest.mark.parametrize("flip", [False, True], ids=["right-handed", "left-handed"])
def test_our_reader_gives_the_volume_back(
    modality: str, turn: bool, flip: bool, tmp_path: Path
) -> None:
    volume = volume_of(modality, turn, flip)
    write_series(volume, tmp_path, NAMES)
    read = find_series(tmp_path).read()
    assert (read.modality, read.unit) == (volume.modality, volume.unit)
    points = np.array([[0, 0, 0], [4, 6, 8], [2, 3, 1], [4, 0, 5]])
    there = read.to_index(volume.to_patient(points))
    assert np.allclose(there, np.rint(there), atol=1e-5)
    index = tuple(np.rint(there).astype(int).T)
    assert np.array_equal(read.voxels[index], volume.voxels[tuple(points.T)])


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_simpleitk_gives_the_volume_back(modality: str, tmp_path: Path) -> None:
    volume = volume_of(modality, turn=True)
    write_series(volume, tmp_path, NAMES)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path)))
    image = reader.Execute()
    assert np.array_equal(sitk.GetArrayFromImage(image), volume.voxels)
    assert np.allclose(affine_from_sitk(image), volume.affine, atol=1e-4)


def test_fractions_are_kept_to_a_step_of_their_range(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    voxels = rng.uniform(-0.013, 4.7, SHAPE).astype(np.float32)
    volume = Volume(voxels, volume_of("MR").affine, "MR")
    write_series(volume, tmp_path, NAMES)
    read = find_series(tmp_path).read()
    assert np.abs(read.voxels - voxels).max() <= 0.51 * np.ptp(voxels) / 65535 + 1e-6


def test_a_constant_volume_is_kept(tmp_path: Path) -> None:
    volume = Volume(np.full(SHAPE, 0.25, np.float32), volume_of("MR").affine, "MR")
    write_series(volume, tmp_path, NAMES)
    assert np.allclose(find_series(tmp_path).read().voxels, 0.25)


def test_nobody_and_no_day_but_the_seed_is_told(tmp_path: Path) -> None:
    for path in write_series(volume_of("CT"), tmp_path, NAMES):
        dataset = pydicom.dcmread(path)
        assert (dataset.PatientID, str(dataset.PatientName)) == ("PHANTOM-TEST-7", "PHANTOM^TEST-7")
        assert dataset.PatientIdentityRemoved == "YES"
        uids = [one.value for one in dataset.iterall() if one.VR == "UI"]
        made = [uid for uid in uids if not uid.startswith("1.2.840.10008.")]
        assert len(made) == 4
        assert all(uid.startswith("2.25.") and len(uid) <= 64 for uid in made)
        assert {one.value for one in dataset if one.VR == "DA" and one.value} == {
            NAMES.identity.date
        }


def test_dicom_is_valid(tmp_path: Path, validator_errors) -> None:
    for modality in ("CT", "MR"):
        (first, *_) = write_series(volume_of(modality), tmp_path / modality, NAMES)
        assert validator_errors(first) == []
    (first, *_) = write_series(volume_of("CT"), tmp_path / "again", NAMES)
    assert validator_errors(first, ("Error", "Abort", "Warning")) == []


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def write_with_seg(folder: Path, identity: SeededIdentity | None) -> None:
    volume = volume_of("CT", turn=True, flip=True)
    voxels = (volume.voxels > 500).astype(np.uint8) + (volume.voxels > 2000)
    labels = LabelMap(voxels, volume.affine, {"liver": 1, "lesion": 2}, "generated")
    write_series(volume, folder / "ct", NAMES)
    source = read_source(find_series(folder / "ct"))
    write_seg(along_normal(labels), source, folder / "structures.dcm", identity=identity)


def test_truth_beside_the_series_is_read_with_it(tmp_path: Path) -> None:
    write_with_seg(tmp_path, SeededIdentity("seg"))
    volume = along_normal(volume_of("CT", turn=True, flip=True))
    patient = read_patient(tmp_path)
    assert patient.labels is not None
    assert patient.labels.provenance == "generated"
    assert np.array_equal(patient.labels.mask("lesion"), volume.voxels > 2000)
    assert np.array_equal(
        patient.labels.mask("liver"), (volume.voxels > 500) & (volume.voxels <= 2000)
    )


def test_a_seeded_study_is_the_same_bytes_at_another_time(tmp_path: Path) -> None:
    for name in ("once", "again"):
        write_with_seg(tmp_path / name, SeededIdentity("seg"))
        time.sleep(0.01)  # highdicom writes microseconds
    assert bytes_of(tmp_path / "once") == bytes_of(tmp_path / "again")


def test_without_a_seed_every_segmentation_has_its_own_uid(tmp_path: Path) -> None:
    uids = set()
    for name in ("once", "again"):
        write_with_seg(tmp_path / name, None)
        uids.add(pydicom.dcmread(tmp_path / name / "structures.dcm").SOPInstanceUID)
    assert len(uids) == 2


def test_other_texts_give_other_uids_and_days() -> None:
    one, other = SeededIdentity("a 1"), SeededIdentity("a 2")
    assert one.uid("study") == SeededIdentity("a 1").uid("study") != other.uid("study")
    assert one.uid("a", "b") != one.uid("b", "a")
    assert one.moment != other.moment


def test_series_of_a_study_have_their_own_uids_and_one_day() -> None:
    one, other = SeededIdentity("a 1", "series 1"), SeededIdentity("a 1", "series 2")
    assert len({each.uid("seg") for each in (SeededIdentity("a 1"), one, other)}) == 3
    assert one.moment == other.moment == SeededIdentity("a 1").moment


def test_what_dicom_cannot_hold_is_refused(tmp_path: Path) -> None:
    volume = volume_of("CT")
    sheared = volume.affine.copy()
    sheared[0, 0] = 1.0
    with pytest.raises(GeometryError, match="perpendicular"):
        write_series(Volume(volume.voxels, sheared, "CT", "HU"), tmp_path, NAMES)
    with pytest.raises(OutputError, match="modality OT"):
        write_series(Volume(volume.voxels, volume.affine), tmp_path, NAMES)
    with pytest.raises(GeometryError, match="how large"):
        write_series(
            Volume(volume.voxels, volume.affine, "MR", spacing_known=False), tmp_path, NAMES
        )
    assert list(tmp_path.iterdir()) == []
