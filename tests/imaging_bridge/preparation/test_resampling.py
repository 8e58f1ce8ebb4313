"""Resampling against SimpleITK, against values that are known everywhere, and against aliasing."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from halsted.imaging_bridge import GeometryError, LabelMap, Volume
from halsted.imaging_bridge.preparation.resampling import (
    AIR_HU,
    Interpolation,
    resample,
    resample_labels,
    target_with_spacing,
)


def _affine(turn, spacing=(2.0, 0.8, 1.1), origin=(-40.0, 25.0, 300.0)):
    affine = np.eye(4)
    affine[:3, :3] = turn * np.array(spacing)
    affine[:3, 3] = origin
    return affine


def _linear(affine, shape=(14, 30, 26)):
    """A value that grows linearly over the patient, so that interpolation makes no error."""
    points = np.moveaxis(np.indices(shape), 0, -1) @ affine[:3, :3].T + affine[:3, 3]
    return Volume((points @ [3.0, -5.0, 7.0]).astype(np.float32), affine, "CT", "HU")


@pytest.mark.parametrize("spacing", [(1.0, 0.5, 0.7), (4.0, 2.4, 1.9), 1.3])
def test_values_stay_at_their_place_in_the_patient(rotation, spacing):
    volume = _linear(_affine(rotation(3)))
    found = resample(volume, spacing)
    np.testing.assert_allclose(found.spacing, np.broadcast_to(spacing, 3))
    inner = np.moveaxis(np.indices(found.shape), 0, -1)[2:-2, 3:-3, 3:-3]
    points = found.to_patient(inner)
    np.testing.assert_allclose(found.voxels[2:-2, 3:-3, 3:-3], points @ [3.0, -5.0, 7.0], atol=0.02)


def test_the_field_of_view_is_kept(rotation):
    volume = _linear(_affine(rotation(5)))
    target = target_with_spacing(volume, (4.0, 1.6, 2.2))
    assert target.shape == (7, 15, 13)
    middle = (np.array(target.shape) - 1) / 2
    np.testing.assert_allclose(
        target.affine[:3, :3] @ middle + target.affine[:3, 3],
        volume.to_patient((np.array(volume.shape) - 1) / 2),
    )


@pytest.mark.parametrize("turn", [None, 7])
def test_finer_linear_and_nearest_agree_with_simpleitk(rotation, turn):
    """Half a grid step aside, on a parallel grid and on an oblique one."""
    rng = np.random.default_rng(0)
    volume = Volume(rng.normal(size=(12, 15, 17)).astype(np.float32), _affine(np.eye(3)[::-1]))
    turned = np.eye(3)[::-1] if turn is None else rotation(turn)
    onto = Volume(
        np.zeros((10, 20, 22), np.float32), _affine(turned, (1.7, 0.7, 0.9), (-38, 27, 303))
    )
    kinds: dict[Interpolation, int] = {
        "linear": sitk.sitkLinear,
        "nearest": sitk.sitkNearestNeighbor,
    }
    for name, kind in kinds.items():
        found = resample(volume, onto, name, fill=-7.0, antialias=False)
        peer = sitk.Resample(volume.to_sitk(), onto.to_sitk(), sitk.Transform(), kind, -7.0)
        assert found.same_geometry(onto)
        np.testing.assert_allclose(found.voxels, sitk.GetArrayFromImage(peer), atol=2e-5)


def test_outside_of_the_field_of_view_is_air_or_the_lowest_value():
    affine = _affine(np.eye(3)[::-1])
    ct = Volume(np.full((5, 6, 7), 40.0, np.float32), affine, "CT", "HU")
    onto = Volume(np.zeros((5, 6, 70), np.float32), affine)
    assert resample(ct, onto).voxels[0, 0, -1] == AIR_HU
    assert resample(ct, onto).voxels[0, 0, 6] == 40.0
    mr = Volume(ct.voxels, affine, "MR")
    assert resample(mr, onto).voxels[0, 0, -1] == 40.0
    assert resample(mr, onto, fill=0.0).voxels[0, 0, -1] == 0.0


@pytest.mark.parametrize("turn", [None, 4])
def test_a_fine_pattern_does_not_alias(rotation, turn):
    """Stripes of 2 voxels sampled every 3.7th become grey, not coarse stripes."""
    array = np.zeros((150, 150, 150), np.float32)
    array[:, :, ::2] = 100.0
    volume = Volume(array, _affine(np.eye(3)[::-1], (1.0, 1.0, 1.0)))
    if turn is None:
        smooth, rough = (resample(volume, (1.0, 3.7, 3.7), antialias=on) for on in (True, False))
    else:
        tilted = _affine(rotation(turn), (3.7, 3.7, 3.7))
        onto = Volume(np.zeros((21, 21, 21), np.float32), tilted)
        onto = Volume(onto.voxels, _inside(volume, onto))
        smooth, rough = (resample(volume, onto, antialias=on) for on in (True, False))
    inner = (slice(6, -6),) * 3
    assert rough.voxels[inner].std() > 15.0
    assert smooth.voxels[inner].std() < 5.0
    assert smooth.voxels[inner].mean() == pytest.approx(50.0, abs=3.0)


def _inside(volume, onto):
    """The affine of `onto`, moved so that both grids share their centre."""
    affine = np.array(onto.affine)
    middle = volume.to_patient((np.array(volume.shape) - 1) / 2)
    affine[:3, 3] = middle - affine[:3, :3] @ ((np.array(onto.shape) - 1) / 2)
    return affine


def test_labels_keep_their_volume():
    shape, spacing = (40, 60, 60), np.array([2.0, 1.0, 1.0])
    points = np.moveaxis(np.indices(shape), 0, -1) * spacing
    voxels = (np.linalg.norm(points - [41.0, 31.0, 30.0], axis=-1) < 20).astype(np.uint8) * 3
    voxels[np.linalg.norm(points - [41.0, 31.0, 30.0], axis=-1) < 9] = 7
    affine = np.diag([*spacing, 1.0])[[2, 1, 0, 3]]
    labels = LabelMap(voxels, affine, {"shell": 3, "core": 7}, "generated")
    for found in (resample_labels(labels, 2.7), resample_labels(labels, 2.7, "majority")):
        assert found.voxels.dtype == np.uint8
        assert found.provenance == "generated"
        for name, volume in labels.volumes_ml.items():
            assert found.volumes_ml[name] == pytest.approx(volume, rel=0.06)
    same = resample_labels(labels, labels)
    np.testing.assert_array_equal(same.voxels, voxels)


@pytest.mark.parametrize("spacing", [0.0, -1.0, np.nan, 1e-6])
def test_a_useless_spacing_is_refused(spacing):
    with pytest.raises(GeometryError, match="spacing of"):
        resample(_linear(_affine(np.eye(3))), spacing)


@pytest.mark.parametrize("spacing", [[1, 2], [], [1, 2, 3, 4], [[1, 2, 3]]])
def test_a_spacing_has_one_or_three_numbers(spacing):
    volume = _linear(_affine(np.eye(3)))
    with pytest.raises(GeometryError, match="one number or three"):
        resample(volume, spacing)
