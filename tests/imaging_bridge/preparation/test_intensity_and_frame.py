"""Bias, windows, scales and the canonical frame."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest

from halsted.imaging_bridge import GeometryError, LabelMap, Volume, read_volume
from halsted.imaging_bridge.preparation.bias import correct_bias
from halsted.imaging_bridge.preparation.canonical import reorient
from halsted.imaging_bridge.preparation.intensity import (
    clip_percentiles,
    foreground,
    standard_scale,
    standardise,
    to_standard_scale,
    window,
)

AFFINE = np.diag([3.0, 2.0, 2.0, 1.0])[[2, 1, 0, 3]]


def _two_tissues():
    """A ball of one tissue in a ball of another, in noise, and which voxels are which."""
    shape = (40, 64, 64)
    points = np.moveaxis(np.indices(shape), 0, -1) * [3.0, 2.0, 2.0] - [60.0, 64.0, 64.0]
    distance = np.linalg.norm(points, axis=-1)
    inner, outer = distance < 28, (distance >= 28) & (distance < 54)
    rng = np.random.default_rng(0)
    voxels = np.abs(rng.normal(0, 4, shape)) + 300 * inner + 180 * outer
    voxels[inner | outer] += rng.normal(0, 5, np.count_nonzero(inner | outer))
    bias = np.exp(0.5 * np.sin(points[..., 2] / 40 + 0.5) + 0.3 * np.cos(points[..., 0] / 50))
    return np.clip(voxels, 0, None), bias, inner, outer


def test_a_known_bias_field_is_taken_away():
    voxels, bias, inner, outer = _two_tissues()
    spoilt = Volume((voxels * bias).astype(np.float32), AFFINE, "MR")
    found = correct_bias(spoilt).voxels
    for tissue in (inner, outer):
        before = spoilt.voxels[tissue].std() / spoilt.voxels[tissue].mean()
        after = found[tissue].std() / found[tissue].mean()
        assert before > 0.12
        assert after < before / 4
    assert found[inner].mean() == pytest.approx(spoilt.voxels[inner].mean(), rel=0.35)
    np.testing.assert_array_equal(correct_bias(spoilt).voxels, found)


def test_what_has_no_bias_field_is_refused():
    negative = Volume(np.full((5, 6, 7), -1.0, np.float32), AFFINE, "CT", "HU")
    with pytest.raises(GeometryError, match="goes down to -1"):
        correct_bias(negative)
    fine = Volume(np.ones((5, 6, 7), np.float32), AFFINE, "MR")
    with pytest.raises(GeometryError, match="mask has shape"):
        correct_bias(fine, np.zeros((5, 6, 7), bool))
    with pytest.raises(GeometryError, match="every voxel of this volume is 1"):
        correct_bias(fine)


@pytest.mark.parametrize("slices", [1, 3, 4, 6])
def test_a_bias_field_needs_four_slices(slices):
    """And is estimated from as many, also of a scan that is thinner than the estimate's spacing."""
    rng = np.random.default_rng(0)
    values = (100 + rng.random((slices, 32, 32))).astype(np.float32)
    thin = Volume(values, np.eye(4)[[2, 1, 0, 3]], "MR")
    if slices < 4:
        with pytest.raises(GeometryError, match="at least 4 slices"):
            correct_bias(thin)
    else:
        np.testing.assert_allclose(correct_bias(thin).voxels, values, rtol=0.02)


def test_windows():
    values = np.array([-1000.0, -150.0, 50.0, 250.0, 3000.0], np.float32).reshape(1, 1, 5)
    ct = Volume(values, AFFINE, "CT", "HU")
    assert window(ct, "abdomen").voxels.ravel().tolist() == [0.0, 0.0, 0.5, 1.0, 1.0]
    assert window(ct, (50.0, 400.0)).voxels.tolist() == window(ct, "abdomen").voxels.tolist()
    for bad in ("belly", (50.0, 0.0)):
        with pytest.raises(GeometryError, match="window"):
            window(ct, bad)
    with pytest.raises(GeometryError, match="in HU"):
        window(Volume(values, AFFINE, "MR"), "abdomen")


def test_standardised_is_centred_in_the_mask():
    voxels, _, inner, outer = _two_tissues()
    volume = Volume(voxels.astype(np.float32), AFFINE, "MR")
    found = standardise(volume, inner | outer).voxels[inner | outer]
    assert found.mean() == pytest.approx(0.0, abs=1e-4)
    assert found.std() == pytest.approx(1.0, abs=1e-4)
    agree = np.mean(foreground(volume) == (inner | outer))
    assert agree > 0.99
    with pytest.raises(GeometryError, match="one value"):
        standardise(Volume(np.ones((3, 3, 3), np.float32), AFFINE), np.ones((3, 3, 3), bool))


def test_scanners_with_other_gains_meet_on_a_standard_scale():
    voxels, _, inner, outer = _two_tissues()
    body = inner | outer
    first = Volume(voxels.astype(np.float32), AFFINE, "MR")
    second = Volume((2.7 * voxels**1.2 + 50).astype(np.float32), AFFINE, "MR")
    scale = standard_scale([first, second], [body, body])
    assert (scale[0], scale[-1]) == (0.0, 100.0)
    ends = [to_standard_scale(one, scale, body).voxels for one in (first, second)]
    for tissue in (inner, outer):
        assert ends[0][tissue].mean() == pytest.approx(ends[1][tissue].mean(), abs=1.0)


def test_outliers_are_clipped():
    voxels = np.arange(1000, dtype=np.float32).reshape(10, 10, 10)
    found = clip_percentiles(Volume(voxels, AFFINE), 10, 90, np.ones(voxels.shape, bool)).voxels
    assert (found.min(), found.max()) == pytest.approx((99.9, 899.1))
    with pytest.raises(GeometryError, match="percentiles"):
        clip_percentiles(Volume(voxels, AFFINE), 90, 10)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_to_the_canonical_frame_and_back_without_loss(order):
    rng = np.random.default_rng(1)
    for signs in product((1, -1), repeat=3):
        affine = np.eye(4)
        affine[:3, :3] = (np.diag(signs) * [0.7, 1.3, 2.9])[:, order]
        affine[:3, :3] = _tilt() @ affine[:3, :3]
        affine[:3, 3] = rng.normal(size=3) * 100
        volume = Volume(rng.normal(size=(4, 5, 6)).astype(np.float32), affine, "MR")
        found = reorient(volume)
        assert found.orientation == "SPL"
        index = rng.integers(0, found.shape, (20, 3))
        there = np.rint(volume.to_index(found.to_patient(index))).astype(int)
        assert (found.voxels[tuple(index.T)] == volume.voxels[tuple(there.T)]).all()
        back = reorient(found, volume.orientation)
        np.testing.assert_array_equal(back.voxels, volume.voxels)
        np.testing.assert_allclose(back.affine, volume.affine, atol=1e-9)


def _tilt():
    """A turn by less than what would change the nearest axes."""
    angle = np.deg2rad(20)
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])


def test_labels_keep_their_names_in_the_canonical_frame():
    voxels = np.zeros((3, 4, 5), np.uint8)
    voxels[0, 1, 2] = 9
    labels = LabelMap(voxels, np.diag([-1.0, 2.0, 3.0, 1.0]), {"node": 9}, "manual")
    found = reorient(labels)
    assert (dict(found.names), found.provenance) == ({"node": 9}, "manual")
    (index,) = np.argwhere(found.voxels == 9)
    np.testing.assert_allclose(found.to_patient(index), labels.to_patient((0, 1, 2)))


@pytest.mark.parametrize("orientation", ["", "SP", "SPX", "SSL", "SIL", "spl"])
def test_an_orientation_that_is_none_is_refused(orientation):
    with pytest.raises(GeometryError, match="three letters"):
        reorient(Volume(np.zeros((3, 3, 3), np.float32), AFFINE), orientation)


def test_real_scans_to_the_canonical_frame_and_back(data_folder):
    volume = read_volume(data_folder / "brain_tumour" / "TCGA-FG-6692" / "t2.nii.gz")
    back = reorient(reorient(volume), volume.orientation)
    np.testing.assert_array_equal(back.voxels, volume.voxels)
    np.testing.assert_allclose(back.affine, volume.affine, atol=1e-9)
