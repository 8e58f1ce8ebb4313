"""`halsted view` as it is run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image


def view(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "halsted", "view", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.fixture
def ct(tmp_path: Path) -> Path:
    voxels = np.full((12, 16, 20), -1000.0, np.float32)
    voxels[:, 3:13, 3:17] = 40.0
    sitk.WriteImage(sitk.GetImageFromArray(voxels), str(tmp_path / "ct.nii.gz"))
    return tmp_path / "ct.nii.gz"


def test_a_picture_is_drawn(ct: Path, tmp_path: Path) -> None:
    done = view(ct, "--out", tmp_path / "ct.png", "--at", "5,6,7", "--window", "bone")
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "ct.png") as picture:
        width, height = picture.size
    assert width > height > 300


def test_a_page_is_written(ct: Path, tmp_path: Path) -> None:
    done = view(ct, "--out", tmp_path / "ct.html")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "ct.html").read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--out", "ct.pdf"), ".html page"),
        (("--at", "1,2"), "X,Y,Z"),
        (("--at", "nan,0,0"), "X,Y,Z"),
        (("--at", "900,0,0"), "outside the scan"),
        (("--window", "sharp"), "LOW,HIGH"),
    ],
)
def test_a_wrong_request_is_one_sentence(
    ct: Path, tmp_path: Path, arguments: tuple[str, ...], word: str
) -> None:
    given = arguments if "--out" in arguments else (*arguments, "--out", tmp_path / "ct.png")
    done = view(ct, *given)
    assert done.returncode == 2
    (error,) = done.stderr.splitlines()
    assert error.startswith("error:")
    assert word in error
    assert [path.name for path in tmp_path.iterdir()] == ["ct.nii.gz"]
