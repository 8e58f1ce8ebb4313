"""Where a supine patient lies in the world."""

import numpy as np
import pytest

from halsted.robot.registration import ISOCENTRE_IN_WORLD, patient_to_world, transform_points

TARGET = np.array([-40.0, -20.0, 1100.0])


@pytest.mark.parametrize(
    ("lps", "world"),
    [((100, 0, 0), (0.1, 0, 0)), ((0, 0, 100), (0, 0.1, 0)), ((0, -100, 0), (0, 0, 0.1))],
    ids=["left", "superior", "anterior"],
)
def test_directions_of_a_supine_patient(lps: tuple[float, ...], world: tuple[float, ...]) -> None:
    at, moved = transform_points(patient_to_world(TARGET), [TARGET, TARGET + lps])
    assert moved - at == pytest.approx(world, abs=1e-12)


def test_the_couch_brings_the_target_to_the_isocentre() -> None:
    assert transform_points(patient_to_world(TARGET), TARGET) == pytest.approx(ISOCENTRE_IN_WORLD)
    offset = (0.01, -0.02, 0.03)
    moved = transform_points(patient_to_world(TARGET, offset), TARGET)
    assert moved == pytest.approx(np.add(ISOCENTRE_IN_WORLD, offset))


def test_the_way_back_is_exact_and_nothing_is_mirrored() -> None:
    transform = patient_to_world(TARGET, (0.01, 0.02, 0.03))
    points = np.random.default_rng(0).uniform(-500, 500, (20, 3))
    there = transform_points(transform, points)
    assert transform_points(np.asarray(np.linalg.inv(transform), float), there) == pytest.approx(
        points, abs=1e-9
    )
    assert np.linalg.det(transform[:3, :3]) == pytest.approx(1e-9)
