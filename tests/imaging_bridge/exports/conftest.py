"""A series with labels that are hard to outline, and Debian's validator of DICOM."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from halsted.imaging_bridge.dicom.series import find_series
from halsted.imaging_bridge.exports import Source, read_source
from halsted.imaging_bridge.labels import LabelMap

OBLIQUE = (0.8, 0.6, 0.0, -0.36, 0.48, 0.8)


@pytest.fixture(params=[(1, 0, 0, 0, 1, 0), OBLIQUE], ids=["axial", "oblique"])
def source(request: pytest.FixtureRequest, write_series: Callable[..., Any], tmp_path: Path) -> Any:
    """A series of 8 x 10 x 12 voxels."""
    written = write_series(tmp_path / "series", orientation=request.param)
    return read_source(find_series(written.folder))


@pytest.fixture
def labels(source: Source) -> LabelMap:
    """A ring with an island, voxels that touch at corners, specks, a face at the border."""
    voxels: NDArray[np.uint8] = np.zeros(source.grid.shape, np.uint8)
    voxels[1:4, 1:8, 1:8] = 1
    voxels[1:4, 2:7, 2:7] = 0
    voxels[1:4, 4, 4] = 1
    voxels[2, 8, 8] = 2
    voxels[2, 9, 9] = 2
    voxels[2, 8, 10] = 2
    voxels[5:, 0:3, 9:] = 3
    names = {"kidney_left": 1, "Tumor": 2, "liver": 3, "spleen": 9}
    return LabelMap(voxels, source.grid.affine, names, "manual")


@pytest.fixture
def validator_errors() -> Callable[..., list[str]]:
    """What Debian's dciodvfy calls an error."""
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy is not installed (Debian: dicom3tools)")

    def run(path: Path, worst: tuple[str, ...] = ("Error", "Abort")) -> list[str]:
        done = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, timeout=60)
        said = done.stdout + done.stderr
        assert done.returncode >= 0, f"dciodvfy was killed: {said}"
        return [line for line in said.splitlines() if line.startswith(worst)]

    return run
