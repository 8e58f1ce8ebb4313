"""Slices as radiologists look at them, whichever way the scan was stored."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations, product

import numpy as np
import pytest
from numpy.typing import NDArray

from halsted.imaging_bridge.errors import GeometryError, HalstedError
from halsted.imaging_bridge.labels import LabelMap
from halsted.imaging_bridge.patient import Patient
from halsted.imaging_bridge.views.planes import (
    in_words,
    named,
    point_of_interest,
    shown_image,
    slices_at,
    upright,
)
from halsted.imaging_bridge.views.windows import PRESETS, window_of
from halsted.imaging_bridge.volume import Volume

SHAPE = (5, 7, 9)
# Every way to store a scan along the axes of the patient: which axis is which, and their signs.
STORED = list(product(permutations(range(3)), product((1.0, -1.0), repeat=3)))


def stored(order: tuple[int, ...], signs: tuple[float, ...]) -> NDArray[np.float64]:
    """An affine whose array axes lie along the patient's axes in this order and direction."""
    affine = np.eye(4)
    affine[:3, :3] = 0.0
    for axis, (along, sign) in enumerate(zip(order, signs, strict=True)):
        affine[along, axis] = sign * (3.0, 2.0, 1.5)[axis]
    affine[:3, 3] = (-7.0, 11.0, 300.0)
    return affine


@pytest.mark.parametrize(("order", "signs"), STORED)
def test_sides_are_where_radiologists_expect_them(
    order: tuple[int, ...], signs: tuple[float, ...]
) -> None:
    grid = Volume(np.zeros(SHAPE), stored(order, signs))
    slices = slices_at(upright(grid), grid.to_patient((2, 3, 4)))
    assert slices["axial"].edges == ("R", "L", "A", "P")
    assert slices["coronal"].edges == ("R", "L", "S", "I")
    assert slices["sagittal"].edges == ("A", "P", "S", "I")


@pytest.mark.parametrize(("order", "signs"), STORED)
def test_a_point_is_found_where_it_lies(order: tuple[int, ...], signs: tuple[float, ...]) -> None:
    voxels = np.zeros(SHAPE)
    voxels[1, 2, 3] = 100.0
    grid = Volume(voxels, stored(order, signs))
    marked = grid.to_patient((1, 2, 3))
    middle = grid.to_patient((2, 3, 4))
    for plane in slices_at(upright(grid), marked).values():
        assert plane.pixels[plane.cross] == 100.0
        assert np.count_nonzero(plane.pixels) == 1
    axial = slices_at(upright(grid), (*middle[:2], marked[2]))["axial"]
    (row,), (column,) = np.nonzero(axial.pixels)
    lies = np.array([(column - axial.cross[1]), (row - axial.cross[0])]) * axial.spacing[::-1]
    # To the right of the picture is left in the patient, down is backwards.
    np.testing.assert_allclose(lies, (marked - middle)[:2])


def test_an_oblique_scan_says_so(rotation: Callable[[int], NDArray[np.float64]]) -> None:
    tilt = np.deg2rad(30)
    affine = np.eye(4)
    affine[:3, :3] = [[0, 0, 1], [-np.sin(tilt), np.cos(tilt), 0], [np.cos(tilt), np.sin(tilt), 0]]
    slices = slices_at(upright(Volume(np.zeros(SHAPE), affine)), affine[:3, 3])
    assert slices["axial"].edges == ("R", "L", "AI", "PS")
    for seed in range(20):
        affine[:3, :3] = rotation(seed)
        one = upright(Volume(np.zeros(SHAPE), affine))
        assert np.linalg.det(one.direction) != 0
        up, back, left = one.direction.T
        assert up[2] + back[1] + left[0] > 1.0, "the axes are not paired with the nearest"


def test_upright_keeps_every_voxel_in_its_place(
    rotation: Callable[[int], NDArray[np.float64]],
) -> None:
    for seed in range(10):
        affine = np.eye(4)
        affine[:3, :3] = rotation(seed) * (3.0, 2.0, 1.5)
        grid = Volume(np.random.default_rng(seed).random(SHAPE), affine)
        index = np.argwhere(np.ones(SHAPE, bool))
        turned = upright(grid)
        there = np.rint(turned.to_index(grid.to_patient(index))).astype(int)
        np.testing.assert_array_equal(turned.voxels[tuple(there.T)], grid.voxels.ravel())


def test_a_point_outside_is_refused() -> None:
    with pytest.raises(GeometryError, match="outside the scan"):
        slices_at(Volume(np.zeros(SHAPE), np.eye(4)), (99.0, 0.0, 0.0))


@pytest.mark.parametrize(("modality", "known"), [("XC", True), ("OT", False)])
def test_a_picture_has_no_sides(modality: str, known: bool) -> None:
    picture = Volume(np.zeros((1, 4, 4)), np.eye(4), modality, spacing_known=known)
    with pytest.raises(GeometryError, match="no three planes"):
        shown_image(Patient({"red": picture}))


def test_words_for_directions_and_points() -> None:
    assert named(np.array([1.0, 0.0, 0.0])) == "L"
    assert named(np.array([-0.8, 0.6, 0.0])) == "RP"
    assert in_words((-12.0, 3.5, -100.0)) == "R 12.0  P 3.5  I 100.0"


def test_the_first_look_is_at_a_lesion() -> None:
    voxels = np.zeros((10, 10, 10), np.uint8)
    voxels[:, :, :8] = 1
    voxels[2:5, 6:9, 1:4] = 2
    names = {"body": 3, "liver": 1, "tumor": 2}
    labels = LabelMap(voxels, np.eye(4), names)
    grid = Volume(np.zeros((10, 10, 10)), np.eye(4))
    np.testing.assert_array_equal(labels.to_index(point_of_interest(grid, labels)), (3, 7, 2))
    without = LabelMap(np.where(voxels == 2, 1, voxels), np.eye(4), names)
    z, y, x = np.rint(without.to_index(point_of_interest(grid, without))).astype(int)
    assert without.voxels[z, y, x] == 1
    np.testing.assert_array_equal(point_of_interest(grid, None), (4, 4, 4))


def test_an_aerated_place_is_shown_for_lungs() -> None:
    voxels = np.full((40, 40, 40), 40.0)
    voxels[:, :, 20:] = -800.0
    ct = Volume(voxels, np.diag([4.0, 4.0, 4.0, 1.0]), "CT", "HU")
    assert window_of(ct, ct.to_patient((20, 20, 35))) == PRESETS["lung"]
    assert window_of(ct, ct.to_patient((20, 20, 2))) == PRESETS["soft"]
    assert window_of(ct, ct.origin, "bone") == (-500, 1300)
    assert window_of(ct, ct.origin, "-10,90.5") == (-10.0, 90.5)


@pytest.mark.parametrize("wanted", ["liver", "5", "9,1", "nan,3", "1,2,3", ""])
def test_a_window_that_is_none_is_refused(wanted: str) -> None:
    ct = Volume(np.zeros((2, 2, 2)), np.eye(4), "CT", "HU")
    with pytest.raises(HalstedError, match="LOW,HIGH"):
        window_of(ct, ct.origin, wanted)


def test_a_scan_without_unit_is_shown_from_its_darkest_to_its_brightest() -> None:
    voxels = np.zeros((10, 10, 10))
    voxels[3:7] = np.linspace(100, 500, 400).reshape(4, 10, 10)
    low, high = window_of(Volume(voxels, np.eye(4), "MR"), (0, 0, 0))
    assert 100 < low < 110
    assert 490 < high < 500
    flat = window_of(Volume(np.ones((3, 3, 3)), np.eye(4), "MR"), (0, 0, 0))
    assert flat[0] < flat[1]
