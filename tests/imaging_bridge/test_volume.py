"""Grids in the patient: points, indices, and refusal of what is no volume."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from halsted.imaging_bridge import GeometryError, Grid, Volume
from halsted.imaging_bridge.volume import affine_from_sitk


def _affine(rotation=None, spacing=(2.5, 0.8, 0.6), origin=(-20.0, 15.0, 40.0)):
    affine = np.eye(4)
    axes = np.eye(3)[:, ::-1] if rotation is None else rotation
    affine[:3, :3] = axes * spacing
    affine[:3, 3] = origin
    return affine


def _volume(shape=(4, 5, 6), **more):
    voxels = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    return Volume(voxels, _affine(**more))


def test_index_is_z_y_x_and_point_is_x_y_z():
    volume = _volume()
    np.testing.assert_allclose(volume.to_patient((0, 0, 0)), (-20, 15, 40))
    np.testing.assert_allclose(volume.to_patient((1, 0, 0)), (-20, 15, 42.5))
    np.testing.assert_allclose(volume.to_patient((0, 1, 0)), (-20, 15.8, 40))
    np.testing.assert_allclose(volume.to_patient((0, 0, 1)), (-19.4, 15, 40))
    assert volume.orientation == "SPL"
    np.testing.assert_allclose(volume.spacing, (2.5, 0.8, 0.6))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.tuples(*[st.floats(0.1, 8.0)] * 3))
def test_points_and_indices_are_inverse(seed, spacing):
    rng = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    volume = _volume(rotation=rotation, spacing=spacing)
    index = rng.uniform(-50, 50, size=(2, 7, 3))
    np.testing.assert_allclose(volume.to_index(volume.to_patient(index)), index, atol=1e-9)
    np.testing.assert_allclose(volume.spacing, spacing)


def test_simpleitk_puts_every_voxel_at_the_same_point(rotation):
    turned = rotation(5)
    volume = _volume(rotation=turned * np.sign(np.linalg.det(turned[:, ::-1])))
    image = volume.to_sitk()
    for index in np.ndindex(*volume.shape):
        point = image.TransformIndexToPhysicalPoint(index[::-1])
        np.testing.assert_allclose(volume.to_patient(index), point, atol=1e-6)
        assert image[index[::-1]] == volume.voxels[index]
    np.testing.assert_allclose(affine_from_sitk(image), volume.affine, atol=1e-9)


def test_sheared_grid_is_refused_by_simpleitk_only():
    affine = _affine()
    affine[0, 0] = 0.7  # gantry tilt
    volume = Volume(np.zeros((3, 3, 3), np.float32), affine)
    np.testing.assert_allclose(volume.to_index(volume.to_patient((1, 2, 0))), (1, 2, 0), atol=1e-12)
    with pytest.raises(GeometryError, match="perpendicular"):
        volume.to_sitk()


def test_voxels_and_affine_are_read_only():
    given_voxels = np.zeros((2, 2, 2), np.float32)
    volume = Volume(given_voxels, np.eye(4))
    for array in (volume.voxels, volume.affine):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    given_voxels[0, 0, 0] = 1  # the caller's own array stays the caller's


@pytest.mark.parametrize("shape", [(3, 3), (2, 3, 3, 3), (0, 3, 3)])
def test_arrays_of_other_shapes_are_refused(shape):
    with pytest.raises(GeometryError, match="three non-empty axes"):
        Grid(np.zeros(shape), np.eye(4))


def _changed(row, column, value):
    affine = np.eye(4)
    affine[row, column] = value
    return affine


@pytest.mark.parametrize(
    "affine", [np.eye(3), _changed(0, 3, np.nan), _changed(1, 1, 0.0), _changed(3, 0, 1.0)]
)
def test_affines_that_are_none_are_refused(affine):
    with pytest.raises(GeometryError, match="affine"):
        Grid(np.zeros((2, 2, 2)), affine)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_voxels_that_are_no_numbers_are_counted(bad):
    voxels = np.zeros((3, 3, 3), np.float32)
    voxels[0, 0, :2] = bad
    with pytest.raises(GeometryError, match="2 voxels"):
        Volume(voxels, np.eye(4))


def test_same_geometry_looks_at_every_corner():
    volume = _volume(shape=(100, 5, 6))
    assert volume.same_geometry(_volume(shape=(100, 5, 6), origin=(-20.0, 15.09, 40.0)))
    assert not volume.same_geometry(_volume(shape=(100, 5, 6), origin=(-20.0, 15.11, 40.0)))
    assert not volume.same_geometry(_volume(shape=(100, 5, 6), spacing=(2.502, 0.8, 0.6)))
    assert not volume.same_geometry(_volume(shape=(99, 5, 6)))


def test_hash_is_of_content():
    volume = _volume()
    copy = Volume(np.asfortranarray(volume.voxels), volume.affine.copy())
    assert copy.content_hash == volume.content_hash
    assert _volume(origin=(0, 0, 0)).content_hash != volume.content_hash
    assert Volume(volume.voxels + 1, volume.affine).content_hash != volume.content_hash
    assert Volume(volume.voxels.astype("f8"), volume.affine).content_hash != volume.content_hash
