"""Outlines enclose the centres of exactly the pixels they were drawn around."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from matplotlib.path import Path as Polygon
from numpy.typing import NDArray

from halsted.imaging_bridge.dicom.rtstruct import fill_even_odd
from halsted.imaging_bridge.exports.contours import outlines

masks = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=14))
Polygons = list[NDArray[np.float64]]


def filled_by_matplotlib(polygons: Polygons, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Pixel centres with a winding number other than zero, by another program."""
    centres = np.indices(shape).reshape(2, -1).T
    inside = np.zeros(len(centres), bool)
    for polygon in polygons:
        inside |= Polygon(polygon).contains_points(centres)
    return inside.reshape(shape)


def area(polygon: NDArray[np.float64]) -> float:
    y, x = polygon.T
    return abs(float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))) / 2


@settings(max_examples=300, deadline=None)
@given(masks)
def test_filling_an_outline_gives_the_mask_back(mask: NDArray[np.bool_]) -> None:
    polygons = outlines(mask)
    np.testing.assert_array_equal(fill_even_odd(polygons, mask.shape), mask)
    np.testing.assert_array_equal(filled_by_matplotlib(polygons, mask.shape), mask)


@settings(max_examples=100, deadline=None)
@given(masks)
def test_the_area_is_that_of_the_pixels(mask: NDArray[np.bool_]) -> None:
    assert sum(map(area, outlines(mask))) == np.count_nonzero(mask)


@settings(max_examples=100, deadline=None)
@given(masks, st.integers(0, 3))
def test_there_is_one_polygon_a_region(mask: NDArray[np.bool_], turns: int) -> None:
    import SimpleITK as sitk

    turned = np.ascontiguousarray(np.rot90(mask, turns)).astype(np.uint8)
    regions = sitk.GetArrayFromImage(sitk.ConnectedComponent(sitk.GetImageFromArray(turned))).max()
    assert len(outlines(turned.astype(bool))) == regions


def test_a_large_slice_with_noise_is_exact() -> None:
    y, x = np.mgrid[:512, :512]
    mask = (np.hypot(y - 256, x - 256) < 200) & ~(np.hypot(y - 256, x - 200) < 50)
    mask &= np.random.default_rng(0).random(mask.shape) > 0.01
    np.testing.assert_array_equal(fill_even_odd(outlines(mask), mask.shape), mask)
