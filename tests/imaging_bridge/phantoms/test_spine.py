"""A phantom lumbar spine has the sizes and the curve that were drawn."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from halsted.imaging_bridge.labels import LabelMap
from halsted.imaging_bridge.patient import Patient
from halsted.imaging_bridge.phantoms.shapes import Ellipsoid, rotation
from halsted.imaging_bridge.phantoms.spine import (
    VERTEBRAE,
    Spine,
    draw_spine,
    perfect,
    place_vertebrae,
    scaled,
    scan,
    spine,
)
from halsted.imaging_bridge.phantoms.vertebrae import LEVELS, Moved
from halsted.imaging_bridge.volume import Volume

SEEDS = (0, 1, 2)


@cache
def record(seed: int) -> Spine:
    return draw_spine(seed)


@cache
def painted(seed: int) -> tuple[Volume, LabelMap]:
    return perfect(record(seed))


@cache
def scanned(seed: int) -> Patient:
    return scan(record(seed), *painted(seed))


def centroid(labels: LabelMap, name: str) -> NDArray[np.float64]:
    return np.asarray(labels.to_patient(np.argwhere(labels.mask(name))).mean(axis=0))


def extent(labels: LabelMap, frame: Moved, name: str, axis: int) -> float:
    """Length of a structure along an axis of a vertebra's frame, through its middle, mm."""
    at = np.arange(-60.0, 60.0, 0.25)
    line = np.zeros((len(at), 3))
    line[:, axis] = at
    points = line @ rotation(frame.turn).T + np.array(frame.centre)
    index = np.rint(labels.to_index(points)).astype(int)
    inside = ((index >= 0) & (index < labels.shape)).all(axis=1)
    values = labels.voxels[tuple(index[inside].T)] == labels.names[name]
    pieces, _ = ndimage.label(values)
    middle = pieces[np.argmin(np.abs(at[inside]))]
    return float((pieces == middle).sum() * 0.25)


@pytest.mark.parametrize("seed", SEEDS)
def test_bodies_have_the_published_sizes_that_were_scaled(seed: int) -> None:
    drawn, (_, labels) = record(seed), painted(seed)
    frames = place_vertebrae(drawn)
    for level in LEVELS[1:]:
        size, name = scaled(drawn, level), f"vertebrae_{level}"
        for axis, expected in ((0, size.width), (2, size.height)):
            found = extent(labels, frames[level], name, axis)
            assert found == pytest.approx(expected, abs=2.0 * drawn.spacing_mm + 1.0), (level, axis)


@pytest.mark.parametrize("seed", SEEDS)
def test_vertebrae_follow_each_other_from_the_sacrum_up(seed: int) -> None:
    _, labels = painted(seed)
    heights = [centroid(labels, name)[2] for name in (*VERTEBRAE, "sacrum")]
    steps = -np.diff(heights)
    assert (steps > 20.0).all() and (steps < 65.0).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_curve_is_the_lordosis_drawn(seed: int) -> None:
    drawn = record(seed)
    frames = place_vertebrae(drawn)
    assert frames["sacrum"].turn[0] - frames["T12"].turn[0] == pytest.approx(drawn.lordosis_deg)
    # The belly side is convex: the middle lies in front of the line from end to end.
    top, middle, bottom = (np.array(frames[level].centre) for level in ("T12", "L4", "sacrum"))
    share = (middle[2] - bottom[2]) / (top[2] - bottom[2])
    assert middle[1] < bottom[1] + share * (top[1] - bottom[1]) - 2.0


def test_lordosis_scatters_as_published() -> None:
    # 36.8 (SD 13.2) degrees: Yukawa et al., Asian Spine J 2019;13(4):663-671; draws are cut off.
    drawn = [record(seed).lordosis_deg for seed in range(120)]
    assert np.mean(drawn) == pytest.approx(36.8, abs=3.5)
    assert np.std(drawn) == pytest.approx(12.0, abs=2.5)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_canal_is_one_open_tube_behind_the_bodies(seed: int) -> None:
    drawn, (volume, labels) = record(seed), painted(seed)
    canal = labels.mask("spinal_cord")
    assert ndimage.label(canal)[1] == 1
    frames = place_vertebrae(drawn)
    assert centroid(labels, "spinal_cord")[1] > np.mean([frames[v].centre[1] for v in LEVELS]) + 15
    assert np.percentile(volume.voxels[canal], 90) < 60.0
    for level in LEVELS[1:]:  # a spinous process behind it
        size = scaled(drawn, level)
        behind = frames[level].point(0.0, 0.5 * size.depth + size.canal + 12.0, -10.0)
        index = tuple(np.rint(labels.to_index(behind)).astype(int))
        assert labels.voxels[index] == labels.names[f"vertebrae_{level}"]


@pytest.mark.parametrize("seed", SEEDS)
def test_bone_has_a_dense_rind_and_the_drawn_marrow(seed: int) -> None:
    drawn, (volume, labels) = record(seed), painted(seed)
    for level in LEVELS[1:]:
        index = np.rint(labels.to_index(place_vertebrae(drawn)[level].centre)).astype(int)
        assert volume.voxels[tuple(index)] == pytest.approx(drawn.marrow_hu, abs=1.0)
    bone = labels.mask(*VERTEBRAE)
    rind = bone & ~ndimage.binary_erosion(bone)
    assert volume.voxels[rind].mean() > drawn.marrow_hu + 100.0


def test_young_discs_are_tall_and_worn_ones_low() -> None:
    drawn = [record(seed) for seed in range(60)]
    worn = np.array([one.worn[-1] for one in drawn])
    height = np.array([one.discs_mm[-1] for one in drawn])
    assert np.corrcoef(worn, height)[0, 1] < -0.7
    assert 4.0 < height.min() and height.max() < 14.0  # typical of adults
    assert np.corrcoef(worn, [one.marrow_hu for one in drawn])[0, 1] < -0.2


def test_a_moved_solid_is_the_solid_turned() -> None:
    ball = Moved(Ellipsoid((0.0, 0.0, 5.0), (2.0, 3.0, 4.0)), (10.0, 0.0, 0.0), (0.0, 90.0, 0.0))
    x, y, z = ball.point(0.0, 0.0, 9.0)  # the far pole
    np.testing.assert_allclose((x, y, z), (19.0, 0.0, 0.0), atol=1e-9)
    assert ball.distance(*(np.array(c) for c in (x, y, z))) == pytest.approx(0.0, abs=1e-6)
    np.testing.assert_allclose(ball.bounds, ((11.0, -3.0, -2.0), (19.0, 3.0, 2.0)), atol=1e-9)


def test_a_seed_gives_the_same_voxels_and_another_gives_others() -> None:
    first = spine(0)
    assert first.content_hash == scanned(0).content_hash != scanned(1).content_hash
    assert first.image.modality == "CT" and first.image.unit == "HU"


def test_the_scanner_leaves_every_vertebra_where_it_was() -> None:
    after = scanned(1).labels
    assert after is not None
    for name in VERTEBRAE[1:]:
        np.testing.assert_allclose(centroid(after, name), centroid(painted(1)[1], name), atol=1.2)
