"""Doses: every value to a billionth, in its place."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest

from halsted.imaging_bridge.dicom.rtdose import read_rtdose
from halsted.imaging_bridge.errors import OutputError
from halsted.imaging_bridge.exports import Source, write_rtdose
from halsted.imaging_bridge.volume import Volume


@pytest.fixture
def dose(source: Source) -> Volume:
    """On a grid of its own, 3 mm, whose third axis goes against the slices of the scan."""
    direction = source.grid.direction * [-3.0, 3.0, 3.0]
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = direction, source.grid.origin
    voxels = np.random.default_rng(0).random((5, 6, 7)) * 72.34
    return Volume(voxels, affine, "RTDOSE", "Gy")


def test_the_dose_survives(source: Source, dose: Volume, tmp_path: Path) -> None:
    path = write_rtdose(dose, source, tmp_path / "dose.dcm")
    made = pydicom.dcmread(path)
    gray = made.pixel_array.astype(np.float64) * float(made.DoseGridScaling)
    np.testing.assert_allclose(gray[::-1], dose.voxels, atol=72.34e-9)
    back = read_rtdose(path, source.frame_of_reference)
    points = dose.to_patient(np.argwhere(dose.voxels >= 0))
    index = np.rint(back.to_index(points)).astype(int)
    assert np.abs(back.to_index(points) - index).max() < 1e-3
    np.testing.assert_allclose(back.voxels[tuple(index.T)], dose.voxels.ravel(), rtol=1e-6)
    assert back.unit == "Gy"


def test_the_largest_dose_does_not_overflow(source: Source, dose: Volume, tmp_path: Path) -> None:
    voxels = np.zeros((2, 2, 2), np.float32)
    voxels[1, 1, 1] = 60.0
    even = Volume(voxels, dose.affine, "RTDOSE", "Gy")
    made = pydicom.dcmread(write_rtdose(even, source, tmp_path / "dose.dcm"))
    gray = made.pixel_array * float(made.DoseGridScaling)
    assert gray.max() == pytest.approx(60.0, rel=1e-9)
    assert np.count_nonzero(gray) == 1


def test_a_dose_of_nothing_is_written(source: Source, dose: Volume, tmp_path: Path) -> None:
    nothing = Volume(np.zeros((2, 2, 2)), dose.affine, "RTDOSE", "Gy")
    made = pydicom.dcmread(write_rtdose(nothing, source, tmp_path / "dose.dcm"))
    assert made.pixel_array.max() == 0


def test_it_is_valid(
    source: Source, dose: Volume, tmp_path: Path, validator_errors: Callable[[Path], list[str]]
) -> None:
    made = pydicom.dcmread(write_rtdose(dose, source, tmp_path / "dose.dcm"))
    # dciodvfy of 2022 dies of an assertion on 32-bit pixels of any RT Dose, so it is given 16 bits.
    made.PixelData = made.pixel_array.astype("<u2").tobytes()
    made.BitsAllocated, made.BitsStored, made.HighBit = 16, 16, 15
    made.save_as(tmp_path / "dose16.dcm")
    assert validator_errors(tmp_path / "dose16.dcm") == []


def test_dcmtk_reads_it(source: Source, dose: Volume, tmp_path: Path) -> None:
    if shutil.which("dcmdump") is None:
        pytest.skip("dcmdump is not installed (Debian: dcmtk)")
    path = write_rtdose(dose, source, tmp_path / "dose.dcm")
    done = subprocess.run(["dcmdump", str(path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert done.stderr == ""
    assert "=RTDoseStorage" in done.stdout


@pytest.mark.parametrize(
    ("voxels", "unit", "word"), [([[[-1.0]]], "Gy", "negative"), ([[[1.0]]], "HU", "--unit Gy")]
)
def test_what_is_no_dose_is_refused(
    source: Source, tmp_path: Path, voxels: list[object], unit: str, word: str
) -> None:
    with pytest.raises(OutputError, match=word):
        write_rtdose(Volume(np.array(voxels), np.eye(4), "OT", unit), source, tmp_path / "dose.dcm")
    assert not list(tmp_path.glob("*.dcm"))
