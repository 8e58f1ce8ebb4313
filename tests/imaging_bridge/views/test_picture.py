"""The picture, looked at pixel by pixel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from halsted.imaging_bridge.errors import OutputError
from halsted.imaging_bridge.labels import LabelMap
from halsted.imaging_bridge.patient import Patient
from halsted.imaging_bridge.views import draw_picture
from halsted.imaging_bridge.volume import Volume

# 60 x 80 x 100 mm; stored downwards, so that a careless picture stands on its head.
SHAPE, AFFINE = (20, 40, 100), np.diag([1.0, 1.0, 1.0, 1.0])
AFFINE[:3, :3] = [[0, 0, 1.0], [0, 2.0, 0], [-3.0, 0, 0]]
MARKED = (4, 10, 80)  # above, in front and on the left of the middle


def panels_of(path: Path) -> list[NDArray[np.int64]]:
    """The grey value in each of the panels from left to right, cut out by their grey ground."""
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
    ground = np.abs(pixels - 128).max(axis=2) < 12
    columns = np.flatnonzero(ground.sum(axis=0) > 40)
    panels = []
    for part in np.split(columns, np.flatnonzero(np.diff(columns) > 8) + 1):
        rows = np.flatnonzero(ground[:, part].sum(axis=1) > len(part) / 3)
        panels.append(pixels[rows[0] : rows[-1] + 1, part[0] : part[-1] + 1])
    return panels


@pytest.fixture
def patient() -> Patient:
    """Middle grey, with one bright block of 3 x 3 x 3 voxels round the marked one."""
    voxels = np.full(SHAPE, 50.0, np.float32)
    z, y, x = MARKED
    voxels[z - 1 : z + 2, y - 1 : y + 2, x - 1 : x + 2] = 100.0
    return Patient({"ct": Volume(voxels, AFFINE, "CT", "HU")})


def bright_middle(panel: NDArray[np.int64]) -> tuple[float, float]:
    """Row and column, as parts of the panel, of what is white and lies not at the edge."""
    height, width = panel.shape[:2]
    white = panel.min(axis=2) > 225
    border = 0.13
    white[: int(height * border)] = white[int(height * (1 - border)) :] = False
    white[:, : int(width * 0.08)] = white[:, int(width * 0.92) :] = False
    rows, columns = np.nonzero(white)
    return (rows.mean() + 0.5) / height, (columns.mean() + 0.5) / width


def test_a_marked_voxel_lies_where_it_should(patient: Patient, tmp_path: Path) -> None:
    point = patient.image.to_patient(MARKED)
    path = draw_picture(patient, tmp_path / "ct.png", point, "0,100")
    panels = panels_of(path)
    assert len(panels) == 3
    z, y, x = (np.array(MARKED) + 0.5) / SHAPE  # stored downwards: row z of SHAPE from above
    for panel, expected in zip(panels, [(y, x), (z, x), (z, y)], strict=True):
        assert bright_middle(panel) == pytest.approx(expected, abs=0.02)


def test_a_millimetre_is_as_long_in_every_direction(patient: Patient, tmp_path: Path) -> None:
    path = draw_picture(patient, tmp_path / "ct.png", window="0,100")
    sizes = np.array([panel.shape[:2] for panel in panels_of(path)])
    expected = np.array([(80, 100), (60, 100), (60, 80)])
    scale = sizes / expected
    np.testing.assert_allclose(scale / scale.mean(), 1.0, atol=0.02)


def test_labels_are_drawn_in_their_colour(patient: Patient, tmp_path: Path) -> None:
    voxels = np.zeros(SHAPE, np.uint8)
    voxels[6:14, 15:30, 30:60] = 1
    labelled = patient.with_labels(LabelMap(voxels, AFFINE, {"tumor": 1, "liver": 2}))
    plain = draw_picture(patient, tmp_path / "plain.png", (45, 44, -30), "0,100")
    drawn = draw_picture(labelled, tmp_path / "drawn.png", (45, 44, -30), "0,100")
    yellow = [
        np.count_nonzero(
            np.abs(np.asarray(Image.open(path).convert("RGB")).astype(int) - (255, 214, 10)).max(
                axis=2
            )
            < 30
        )
        for path in (plain, drawn)
    ]
    assert yellow[0] == 0
    assert yellow[1] > 500


def test_another_suffix_is_refused(patient: Patient, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"\.png"):
        draw_picture(patient, tmp_path / "ct.jpg")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a$\\x$b", "$_$"])
def test_a_name_is_shown_as_it_is(patient: Patient, tmp_path: Path, name: str) -> None:
    """Not read as a formula."""
    voxels = np.zeros(SHAPE, np.uint8)
    voxels[6:14, 15:30, 30:60] = 1
    labelled = patient.with_labels(LabelMap(voxels, AFFINE, {name: 1}))
    assert draw_picture(labelled, tmp_path / "a.png", (45, 44, -30), "0,100").stat().st_size > 0
