"""A drawn scanner changes what an image looks like, never where things are."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from halsted.imaging_bridge.labels import LabelMap
from halsted.imaging_bridge.phantoms.scanner import (
    CtScanner,
    MrScanner,
    Prescription,
    bias_field,
    correlated_noise,
    draw_ct_scanner,
    draw_mr_scanner,
    mr_image,
    reslice,
    reslice_labels,
    rician,
    scan_ct,
)
from halsted.imaging_bridge.volume import Volume

SHAPE, SPACING_MM = (40, 52, 46), 1.5
PLACE = np.array((9.0, -12.0, 31.0))
PRESCRIPTIONS = (
    Prescription("axial", 5.0, (0.0, 0.0, 0.0), (True, False, True)),
    Prescription("coronal", 2.0, (6.0, -3.0, 4.0), (False, True, False)),
    Prescription("sagittal", 3.0, (-5.0, 4.0, 8.0), (False, False, True)),
)
PLAIN_CT = CtScanner(Prescription(), 0.0, 0.0, 15.0, 0.6, 4.0, 0.0, 0.0)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def on_grid(voxels: NDArray[np.float32]) -> Volume:
    affine = np.eye(4)
    affine[:3, :3] = np.eye(3)[:, ::-1] * SPACING_MM
    affine[:3, 3] = (-30.0, -40.0, 5.0)
    return Volume(voxels, affine, "CT", "HU")


def ball() -> tuple[Volume, LabelMap]:
    """A ball of 9 mm radius around PLACE: 100 in it, 0 outside."""
    empty = on_grid(np.zeros(SHAPE, dtype=np.float32))
    points = empty.to_patient(np.moveaxis(np.indices(SHAPE), 0, -1))
    inside = np.linalg.norm(points - PLACE, axis=-1) < 9.0
    labels = LabelMap(inside.astype(np.uint8), empty.affine, {"lesion": 1}, "generated")
    return on_grid(100.0 * inside.astype(np.float32)), labels


def centre_of_mass(volume: Volume | LabelMap) -> NDArray[np.float64]:
    at = np.argwhere(volume.voxels > 0)
    return np.asarray(np.average(volume.to_patient(at), axis=0, weights=volume.voxels[tuple(at.T)]))


@pytest.mark.parametrize("prescription", PRESCRIPTIONS)
def test_a_structure_lies_where_it_lay_before(prescription: Prescription) -> None:
    volume, labels = ball()
    seen, named = reslice(volume, prescription, 1.5), reslice_labels(labels, prescription)
    assert seen.same_geometry(named) and not seen.same_geometry(volume)
    np.testing.assert_allclose(centre_of_mass(seen), PLACE, atol=0.2)
    np.testing.assert_allclose(centre_of_mass(named), PLACE, atol=0.8)


def test_slices_run_in_the_plane_that_was_prescribed() -> None:
    volume, _ = ball()
    found = [reslice(volume, prescription).orientation for prescription in PRESCRIPTIONS]
    assert found == ["IPR", "PSL", "LIA"]
    assert reslice(volume, PRESCRIPTIONS[0]).spacing == pytest.approx([5.0, SPACING_MM, SPACING_MM])


def test_a_prescription_of_the_images_own_grid_changes_nothing() -> None:
    volume, labels = ball()
    seen = reslice(volume, Prescription())
    assert seen.same_geometry(volume, 1e-9)
    np.testing.assert_array_equal(seen.voxels, volume.voxels)
    np.testing.assert_array_equal(reslice_labels(labels, Prescription()).voxels, labels.voxels)


def test_a_thin_sheet_spreads_over_the_thickness_of_a_slice() -> None:
    sheet = np.zeros(SHAPE, dtype=np.float32)
    sheet[20] = 1.0
    profile = reslice(on_grid(sheet), Prescription(slice_mm=6.0)).voxels[:, 20, 20]
    at = np.arange(len(profile)) * 6.0
    mean = np.average(at, weights=profile)
    width = 2.355 * math.sqrt(np.average((at - mean) ** 2, weights=profile))
    # Half a slice of linear interpolation comes on top of the slice profile.
    assert 5.0 < width < 8.0
    assert profile.max() < 0.5


def test_ct_noise_and_offset_are_as_drawn() -> None:
    flat = on_grid(np.full(SHAPE, 50.0, dtype=np.float32))
    labels = LabelMap(np.ones(SHAPE, dtype=np.uint8), flat.affine, {"body": 1})
    seen, _ = scan_ct(flat, labels, PLAIN_CT, rng())
    assert seen.voxels.std() == pytest.approx(15.0, rel=0.03)
    assert seen.voxels.mean() == pytest.approx(54.0, abs=0.5)
    assert seen.modality == "CT" and seen.unit == "HU"


def test_noise_is_correlated_in_the_slice_and_not_across_slices() -> None:
    noise = correlated_noise(rng(), SHAPE, 10.0, 0.8)
    within = np.corrcoef(noise[:, :, 1:].ravel(), noise[:, :, :-1].ravel())[0, 1]
    across = np.corrcoef(noise[1:].ravel(), noise[:-1].ravel())[0, 1]
    # exp(-d^2 / 4 sigma^2) for white noise through a Gaussian filter
    assert within == pytest.approx(math.exp(-1.0 / (4.0 * 0.8**2)), abs=0.04)
    assert abs(across) < 0.02


def test_contrast_shifts_blood_alone() -> None:
    volume = on_grid(np.full(SHAPE, 100.0, dtype=np.float32))
    blood = np.ones(SHAPE, dtype=np.uint8)
    blood[:20] = 2
    labels = LabelMap(blood, volume.affine, {"body": 1, "aorta": 2})
    scanner = CtScanner(Prescription(), 0.0, 0.0, 1.0, 0.5, 0.0, 30.0, 0.0)
    seen, named = scan_ct(volume, labels, scanner, rng())
    assert np.median(seen.voxels[named.mask("aorta")]) == 130.0
    assert np.median(seen.voxels[named.mask("body")]) == 100.0


def test_noise_of_air_is_rayleighs() -> None:
    air = rician(rng(), np.zeros(SHAPE, dtype=np.float32), 4.0)
    assert air.mean() == pytest.approx(4.0 * math.sqrt(math.pi / 2.0), rel=0.01)
    assert air.std() == pytest.approx(4.0 * math.sqrt(2.0 - math.pi / 2.0), rel=0.02)


def test_mr_noise_and_gain_are_as_drawn() -> None:
    flat = on_grid(np.full(SHAPE, 0.3, dtype=np.float32))
    scanner = MrScanner(Prescription(), 0.0, 0.05, (0.0,) * 19, 1000.0)
    seen = mr_image(flat, 0.3, scanner, rng())
    assert seen.voxels.mean() == pytest.approx(1000.0, rel=0.01)
    assert seen.voxels.std() == pytest.approx(50.0, rel=0.03)


def test_the_bias_field_is_smooth_and_balanced() -> None:
    volume, _ = ball()
    field = bias_field(volume, draw_mr_scanner(rng(4)).bias)
    assert np.log(field).mean() == pytest.approx(0.0, abs=1e-3)
    assert field.min() < 0.95 and field.max() > 1.05
    steps = [np.abs(np.diff(np.log(field), axis=axis)).max() for axis in range(3)]
    assert max(steps) < 0.1
    np.testing.assert_array_equal(bias_field(volume, (0.0,) * 19), 1.0)


def test_drawn_scanners_differ_in_orientation_thickness_and_noise() -> None:
    for draw in (draw_ct_scanner, draw_mr_scanner):
        drawn = [draw(rng(seed)) for seed in range(40)]
        assert draw(rng(3)) == drawn[3]
        grids = [reslice_labels(ball()[1], one.prescription) for one in drawn]
        assert len({grid.orientation for grid in grids}) >= 6
        assert np.ptp([grid.spacing.max() for grid in grids]) > 3.0
