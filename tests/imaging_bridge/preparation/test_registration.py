"""Registration recovers what was done, refuses what does not fit, and repeats itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from halsted.imaging_bridge import StructureError, Volume, read_volume
from halsted.imaging_bridge.errors import GeometryError, RegistrationError
from halsted.imaging_bridge.preparation.brain import register_sequences
from halsted.imaging_bridge.preparation.quality import Quality, rotation
from halsted.imaging_bridge.preparation.registration import register
from halsted.imaging_bridge.preparation.transforms import Transform, bring


def _moved(turn_degrees, shift_mm):
    matrix = np.eye(4)
    matrix[:3, :3] = rotation(np.deg2rad(turn_degrees))
    matrix[:3, 3] = shift_mm
    return matrix


def _points(volume, count=100):
    """In the middle part of the field of view, LPS, mm."""
    part = np.random.default_rng(0).uniform(0.2, 0.8, (count, 3))
    return volume.to_patient(part * volume.shape)


def _furthest(first, second):
    return float(np.linalg.norm(first - second, axis=1).max())


def _blobs(seed, shape=(40, 60, 64), spacing=(3.0, 2.5, 2.5)):
    """A body of overlapping balls of several brightnesses, about (0, 0, 0)."""
    rng = np.random.default_rng(seed)
    affine = np.diag([*spacing, 1.0])[[2, 1, 0, 3]]
    affine[:3, 3] = -affine[:3, :3] @ (np.array(shape) / 2)
    points = np.moveaxis(np.indices(shape), 0, -1) @ affine[:3, :3].T + affine[:3, 3]
    voxels = rng.normal(0, 3, shape).astype(np.float32)
    voxels[np.linalg.norm(points / (1.0, 1.2, 0.9), axis=-1) < 50] += 100
    for _ in range(25):
        middle, radius = rng.uniform(-35, 35, 3), rng.uniform(5, 14)
        voxels[np.linalg.norm(points - middle, axis=-1) < radius] += rng.uniform(-60, 90)
    return Volume(voxels, affine, "MR")


@pytest.fixture(scope="module")
def phantom():
    return _blobs(1)


@pytest.fixture(scope="module")
def brain(data_folder):
    folder = data_folder / "brain_tumour" / "TCGA-FG-6692"
    files = {"t1": "t1", "t1c": "t1c", "t2": "t2", "flair": "fla"}
    return {name: read_volume(folder / f"{file}.nii.gz") for name, file in files.items()}


def test_a_rigid_motion_is_recovered(phantom):
    motion = _moved((7.0, -5.0, 6.0), (8.0, -6.0, 5.0))
    moving = replace(phantom, affine=motion @ phantom.affine)
    found = register(phantom, moving)
    points = _points(phantom)
    assert _furthest(found.transform(points), Transform(motion)(points)) < 0.7  # mm
    assert found.quality.sharpness > 0.2
    assert found.quality.overlap > 0.85
    brought = bring(moving, phantom, found.transform)
    inner = (slice(8, -8),) * 3
    assert np.corrcoef(brought.voxels[inner].ravel(), phantom.voxels[inner].ravel())[0, 1] > 0.98


def test_an_affine_change_is_recovered(phantom):
    change = _moved((4.0, 3.0, -5.0), (4.0, -3.0, 2.0)) @ np.diag([1.06, 0.95, 1.04, 1.0])
    found = register(phantom, replace(phantom, affine=change @ phantom.affine), "affine")
    points = _points(phantom)
    assert _furthest(found.transform(points), Transform(change)(points)) < 1.0


def test_the_same_scans_give_the_same_transform(phantom):
    moving = replace(phantom, affine=_moved((3.0, 0.0, 2.0), (2.0, 1.0, 0.0)) @ phantom.affine)
    first, second = (register(phantom, moving) for _ in range(2))
    np.testing.assert_array_equal(first.transform.matrix, second.transform.matrix)
    assert first.quality == second.quality


def test_different_bodies_are_refused(phantom):
    with pytest.raises(RegistrationError, match=r"lie on each other|in common|overlap"):
        register(phantom, _blobs(2))


def test_a_deformation_is_found_without_folding(phantom):
    def warp(points):
        return points + 5.0 * np.sin((points[..., [1, 2, 0]] + 10.0) / 30.0)

    grid = np.moveaxis(np.indices(phantom.shape), 0, -1)
    displacement = (warp(phantom.to_patient(grid)) - phantom.to_patient(grid)).astype(np.float32)
    true = Transform(np.eye(4), displacement, phantom)
    fixed = bring(phantom, phantom, true)
    found = register(fixed, phantom, "deformable", mesh_mm=40.0)
    assert found.quality.least_jacobian > 0.2
    body = fixed.to_patient(np.argwhere(fixed.voxels > 50)[::200])
    before = np.linalg.norm(warp(body) - body, axis=1)
    after = np.linalg.norm(found.transform(body) - warp(body), axis=1)
    assert before.mean() > 4.5
    assert after.mean() < 0.35 * before.mean()
    with pytest.raises(GeometryError, match="no inverse"):
        found.transform.inverse()


def test_each_bad_measure_is_refused():
    good = Quality(shared=0.4, sharpness=0.2, best_misplaced=0.35, overlap=0.9)
    good.check()
    for worse in (
        {"overlap": 0.2},
        {"shared": 0.05, "best_misplaced": 0.04},
        {"sharpness": 0.03},
        {"best_misplaced": 0.41},
        {"least_jacobian": -0.1},
    ):
        with pytest.raises(RegistrationError):
            replace(good, **worse).check()


# Real scans.


def test_four_sequences_of_a_brain_become_one_patient(brain):
    patient = register_sequences(brain, "t1c")
    assert list(patient.images) == ["t1c", "t1", "t2", "flair"]
    assert all(image.same_geometry(brain["t1c"]) for image in patient.images.values())
    assert len(patient.facts) == 4
    # Outside the head all four are dark at the same voxels: heads lie on each other.
    heads = [
        image.voxels > 0.1 * np.percentile(image.voxels, 99) for image in patient.images.values()
    ]
    middle = slice(8, 20)
    reference = heads[0][middle]
    for head in heads[1:]:
        shared = np.count_nonzero(reference & head[middle])
        dice = 2 * shared / (np.count_nonzero(reference) + np.count_nonzero(head[middle]))
        assert dice > 0.9


def test_there_and_back_is_where_it_began(brain):
    there = register(brain["t1c"], brain["t2"]).transform
    back = register(brain["t2"], brain["t1c"]).transform
    points = _points(brain["t1c"])
    # Each sees slices 5.5 mm apart.
    assert _furthest(back(there(points)), points) < 1.2
    np.testing.assert_allclose(there.inverse()(there(points)), points, atol=1e-6)


def test_a_known_motion_between_sequences_is_recovered(brain):
    motion = _moved((8.0, -5.0, 6.0), (7.0, -9.0, 5.0))
    moved = replace(brain["t1c"], affine=motion @ brain["t1c"].affine)
    plain = register(brain["t1"], brain["t1c"]).transform
    found = register(brain["t1"], moved).transform
    points = _points(brain["t1"])
    assert _furthest(found(points), Transform(motion)(plain(points))) < 0.5


def test_unrelated_scans_are_refused(brain, data_folder):
    abdomen = data_folder / "abdomen_organs"
    mr, ct = (read_volume(abdomen / f"example_{kind}_sm.nii.gz") for kind in ("mr", "ct"))
    other = read_volume(data_folder / "brain_tumour" / "brain1_image.nrrd")
    flipped = replace(brain["t1"], affine=np.diag([1.0, -1.0, -1.0, 1.0]) @ brain["t1"].affine)
    for fixed, moving in (
        (brain["t1c"], mr),
        (brain["t1c"], ct),
        (brain["t1c"], other),  # two people
        (brain["t1c"], flipped),  # upside down
    ):
        with pytest.raises(RegistrationError):
            register(fixed, moving, finest_mm=4.0)


def test_a_sequence_that_does_not_fit_is_named(brain, data_folder):
    other = read_volume(data_folder / "abdomen_organs" / "example_mr_sm.nii.gz")
    with pytest.raises(RegistrationError, match=r"^liver is not registered to t1c: "):
        register_sequences({"t1c": brain["t1c"], "liver": other}, "t1c")
    with pytest.raises(StructureError, match="'adc'"):
        register_sequences(brain, "adc")
