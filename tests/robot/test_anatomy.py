"""Distance fields against bodies whose distances are known."""

import numpy as np
import pytest
from numpy.typing import NDArray

from halsted.imaging_bridge import LabelMap, Patient, StructureError, Volume
from halsted.robot.anatomy import (
    BODY,
    BONE,
    FAR_MM,
    LESION,
    LUNG,
    ORGAN,
    RISK,
    VESSEL,
    Anatomy,
    anatomy_of,
)
from halsted.robot.registration import patient_to_world, transform_points

SPACING_MM = 3.0
CENTRE = np.array([12.0, -7.0, 20.0])
NAMES = {"body": 1, "liver": 2, "lesion": 3, "spleen": 4}


def patient() -> Patient:
    """A slab of 90 mm (LPS y) with a ball of liver and a ball of lesion in it, and some spleen."""
    affine = np.zeros((4, 4))
    affine[:3, :3] = SPACING_MM * np.eye(3)[:, ::-1]
    affine[:, 3] = [-75.0, -75.0, -75.0, 1.0]
    points = np.moveaxis(np.indices((51, 51, 51)), 0, -1) @ affine[:3, :3].T + affine[:3, 3]
    voxels = np.zeros((51, 51, 51), np.uint8)
    voxels[np.abs(points[..., 1]) < 45.5] = 1
    voxels[(points[..., 0] < -50) & (voxels == 1)] = 4
    voxels[np.linalg.norm(points - CENTRE, axis=-1) < 30] = 2
    voxels[np.linalg.norm(points - CENTRE, axis=-1) < 12] = 3
    image = Volume(np.zeros((51, 51, 51), np.float32), affine, "CT", "HU")
    return Patient({"ct": image}, LabelMap(voxels, affine, NAMES, "generated"))


@pytest.fixture(scope="module")
def anatomy() -> Anatomy:
    return anatomy_of(patient(), "lesion", "liver")


@pytest.fixture(scope="module")
def registration(anatomy: Anatomy) -> NDArray[np.float64]:
    return patient_to_world(anatomy.target_in_patient, (0.02, 0.0, -0.01))


def distances_mm(
    anatomy: Anatomy,
    registration: NDArray[np.float64],
    points: NDArray[np.float64],
    shift: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    world = transform_points(registration, points)
    return anatomy.distances_m(world, registration, shift) * 1e3


def test_distances_are_those_of_balls_and_a_slab(
    anatomy: Anatomy, registration: NDArray[np.float64]
) -> None:
    points = np.random.default_rng(0).uniform(-55, 55, (2000, 3))
    points[:, 1] = np.clip(points[:, 1], -50, 50)
    found = distances_mm(anatomy, registration, points)
    from_centre = np.linalg.norm(points - CENTRE, axis=1)
    true = {
        LESION: from_centre - 12,
        ORGAN: from_centre - 30,
        BODY: np.abs(points[:, 1]) - 46.5,  # the border runs half-way between voxel centres
        RISK: points[:, 0] + 49.5,
    }
    near = from_centre > 35  # where the ball does not hide part of the spleen from itself
    for field, distance in true.items():
        error = np.abs(found[:, field] - distance)
        if field == RISK:
            error = error[near & (np.abs(points[:, 1]) < 45) & (points[:, 0] > -50)]
        elif field == BODY:
            error = error[np.abs(distance) < 20]
        # Half a voxel's diagonal at the worst, half a voxel on the mean.
        assert error.max() < SPACING_MM * np.sqrt(3) / 2
        assert error.mean() < SPACING_MM / 2


def test_the_target_is_the_middle_of_the_lesion(anatomy: Anatomy) -> None:
    off_centre = np.linalg.norm(anatomy.target_in_patient - CENTRE)
    assert off_centre < SPACING_MM
    corner = SPACING_MM * np.sqrt(3) / 2
    assert anatomy.target_radius_mm == pytest.approx(12 - off_centre, abs=corner)


def test_breathing_moves_what_is_inside_and_not_the_skin(
    anatomy: Anatomy, registration: NDArray[np.float64]
) -> None:
    points = np.random.default_rng(1).uniform(-40, 40, (200, 3))
    shift = np.array([0.0, -0.009, 0.0])  # 9 mm towards the feet
    rest = distances_mm(anatomy, registration, points)
    moved = distances_mm(anatomy, registration, points, shift)
    assert (moved[:, BODY] == rest[:, BODY]).all()
    # Organs 9 mm lower look from a point as they do from 9 mm higher at rest.
    higher = distances_mm(anatomy, registration, np.add(points, (0.0, 0.0, 9.0)))
    assert moved[:, 1:] == pytest.approx(higher[:, 1:], abs=1e-6)
    assert np.abs(moved[:, LESION] - rest[:, LESION]).max() > 5


def test_far_in_front_the_skin_is_far(anatomy: Anatomy, registration: NDArray[np.float64]) -> None:
    heights = np.array([100.0, 200.0, 400.0])
    points = np.column_stack([np.zeros(3), -heights, np.zeros(3)])
    found = distances_mm(anatomy, registration, points)[:, BODY]
    assert found == pytest.approx(heights - 46.5, abs=SPACING_MM / 2)


def test_the_body_goes_on_beyond_the_scan_along_its_axis(
    anatomy: Anatomy, registration: NDArray[np.float64]
) -> None:
    inside, above = distances_mm(
        anatomy, registration, np.array([[0.0, 0.0, 74.0], [0.0, 0.0, 300.0]])
    )[:, BODY]
    assert above == pytest.approx(inside, abs=SPACING_MM)
    assert above < 0


def test_what_a_patient_lacks_is_far(anatomy: Anatomy, registration: NDArray[np.float64]) -> None:
    found = distances_mm(anatomy, registration, CENTRE[None])[0]
    assert found[[VESSEL, BONE, LUNG]] == pytest.approx(FAR_MM)
    assert found[LESION] < -6


def test_what_cannot_be_planned_on_is_refused() -> None:
    made = patient()
    assert made.labels is not None
    with pytest.raises(StructureError, match=r"'tumour'.*lesion"):
        anatomy_of(made, "tumour", "liver")
    with pytest.raises(StructureError, match="body"):
        anatomy_of(Patient(made.images), "lesion", "liver")
    names = {**made.labels.names, "nodule": 9}
    labels = LabelMap(made.labels.voxels, made.labels.affine, names)
    with pytest.raises(StructureError, match="'nodule' has no voxels"):
        anatomy_of(made.with_labels(labels), "nodule", "liver")
