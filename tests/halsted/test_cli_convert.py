"""`halsted convert` as it is run."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom import dcmread

Done = subprocess.CompletedProcess[str]


def convert(*arguments: object) -> Done:
    command = [sys.executable, "-m", "halsted", "convert", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def check_refusal(done: Done, *words: str) -> None:
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    (error,) = done.stderr.splitlines()
    assert error.startswith("error:")
    for word in words:
        assert word in error


@pytest.fixture
def ct(tmp_path: Path) -> Path:
    voxels = np.full((12, 16, 20), -1000.0, np.float32)
    voxels[:, 3:13, 3:17] = 40.0
    return write(tmp_path / "ct.nii.gz", voxels)


@pytest.fixture
def organs(tmp_path: Path) -> Path:
    voxels = np.zeros((12, 16, 20), np.uint8)
    voxels[3:9, 4:12, 4:13] = 5
    (tmp_path / "organs.json").write_text('{"liver": 5}')
    return write(tmp_path / "organs.nii.gz", voxels)


def write(path: Path, voxels: np.ndarray) -> Path:
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing([5.0] * 3)
    sitk.WriteImage(image, str(path))
    return path


def test_images_and_labels_are_written_side_by_side(ct: Path, organs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out" / "scan.nrrd"
    done = convert(ct, "--labels", organs, "--to", "nrrd", "--out", out)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in out.parent.iterdir()) == ["scan.nrrd", "scan_labels.nrrd"]
    labels = sitk.ReadImage(str(out.with_name("scan_labels.nrrd")))
    assert labels.GetMetaData("Segment0_Name") == "liver"
    assert json.loads((tmp_path / "organs.json").read_text()) == {"liver": 5}


@pytest.mark.parametrize(("to", "out"), [("stl", "meshes"), ("obj", "all.obj")])
def test_surfaces_are_written(ct: Path, organs: Path, tmp_path: Path, to: str, out: str) -> None:
    done = convert(ct, "--labels", organs, "--to", to, "--out", tmp_path / out)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / out).exists()


def test_a_real_series_becomes_seg_and_rtstruct(data_folder: Path, tmp_path: Path) -> None:
    scan = data_folder / "lung_nodule" / "4D-Lung_113"
    for to in ("seg", "rtstruct"):
        out = tmp_path / f"{to}.dcm"
        done = convert(scan, "--to", to, "--out", out, "--drawn-by", "model")
        assert done.returncode == 0, done.stderr
        assert "P113" not in done.stderr
        assert dcmread(out, stop_before_pixels=True).Modality in ("SEG", "RTSTRUCT")


def test_a_dose_needs_a_unit_and_a_series(ct: Path, data_folder: Path, tmp_path: Path) -> None:
    dose = write(tmp_path / "dose.nii.gz", np.full((4, 5, 6), 2.5, np.float32))
    series = data_folder / "dicom_hazards" / "rt-utils" / "mock_data"
    out = tmp_path / "dose.dcm"
    check_refusal(convert(dose, "--to", "rtdose", "--out", out), "--reference")
    wanted = (dose, "--to", "rtdose", "--reference", series, "--out", out)
    check_refusal(convert(*wanted), "--unit Gy")
    done = convert(*wanted, "--unit", "Gy")
    assert done.returncode == 0, done.stderr
    made = dcmread(out)
    assert made.pixel_array.max() * float(made.DoseGridScaling) == pytest.approx(2.5)


def test_the_series_that_is_referred_to_may_be_a_zip(data_folder: Path, tmp_path: Path) -> None:
    dose = write(tmp_path / "dose.nii.gz", np.full((4, 5, 6), 2.5, np.float32))
    series = data_folder / "dicom_hazards" / "rt-utils" / "mock_data"
    archive = shutil.make_archive(str(tmp_path / "series"), "zip", series)
    made = []
    for reference in (series, archive):
        out = tmp_path / "dose.dcm"
        done = convert(
            dose, "--to", "rtdose", "--unit", "Gy", "--reference", reference, "--out", out
        )
        assert done.returncode == 0, done.stderr
        made.append(dcmread(out))
    assert made[0].FrameOfReferenceUID == made[1].FrameOfReferenceUID
    assert made[0].StudyInstanceUID == made[1].StudyInstanceUID


@pytest.mark.parametrize(
    ("to", "out", "words"),
    [
        ("seg", "a.dcm", ("--reference",)),
        ("nifti", "a.nrrd", (".nii.gz",)),
        ("dwg", "a.dwg", ("dwg", "rtstruct")),
        ("obj", "a.obj", ("--labels",)),
    ],
)
def test_what_cannot_be_made_is_one_sentence(
    ct: Path, tmp_path: Path, to: str, out: str, words: tuple[str, ...]
) -> None:
    check_refusal(convert(ct, "--to", to, "--out", tmp_path / out), *words)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ct.nii.gz"]
