"""The chest breathes as chests do, and every scan holds the lesion that it is about."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from halsted.imaging_bridge.errors import HalstedError
from halsted.imaging_bridge.labels import LabelMap
from halsted.imaging_bridge.patient import Patient
from halsted.imaging_bridge.phantoms.breathing import EXCURSION_MM, Breath
from halsted.imaging_bridge.phantoms.trunk_scans import abdomen, thorax, thorax_phases

SEEDS = (0, 1)


@cache
def scan_of(kind: str, seed: int) -> Patient:
    return {"thorax": thorax, "abdomen": abdomen}[kind](seed)


@pytest.fixture(scope="module")
def phases() -> tuple[Patient, ...]:
    return thorax_phases(1, 4)


def labels_of(patient: Patient) -> LabelMap:
    assert patient.labels is not None
    return patient.labels


def middle(patient: Patient, *names: str) -> NDArray[np.float64]:
    labels = labels_of(patient)
    return np.asarray(labels.to_patient(np.argwhere(labels.mask(*names))).mean(axis=0))


def lung_ml(patient: Patient) -> float:
    volumes = labels_of(patient).volumes_ml
    return volumes["lung_left"] + volumes["lung_right"]


@pytest.mark.parametrize("kind", ["thorax", "abdomen"])
def test_every_scan_holds_its_lesion(kind: str) -> None:
    for seed in SEEDS:
        patient = scan_of(kind, seed)
        volume = labels_of(patient).volumes_ml["lesion"]
        diameter = 2 * (volume * 1000 * 3 / 4 / np.pi) ** (1 / 3)
        assert 3.0 < diameter < 42.0, (seed, diameter)
        assert patient.kind == "phantom"
        assert patient.facts["phantom"] == kind
        assert patient.facts["seed"] == str(seed)


@pytest.mark.parametrize(("kind", "organs"), [
    ("thorax", ("lung_left", "lung_right", "heart", "aorta", "sternum")),
    ("abdomen", ("liver", "spleen", "kidney_left", "kidney_right", "aorta", "pancreas")),
])  # fmt: skip
def test_the_field_of_view_holds_the_organs_of_its_name(kind: str, organs: tuple[str, ...]) -> None:
    for seed in SEEDS:
        volumes = labels_of(scan_of(kind, seed)).volumes_ml
        assert all(volumes[organ] > 20.0 for organ in organs)


def test_attenuation_is_that_of_the_tissue() -> None:
    chest, belly = scan_of("thorax", 1), scan_of("abdomen", 1)
    for patient, name, low, high in (
        (chest, "lung_left", -900.0, -750.0),
        (chest, "vertebrae_T8", 120.0, 500.0),
        (belly, "liver", 80.0, 140.0),
        (belly, "kidney_left", 130.0, 240.0),
    ):
        inside = patient.images["ct"].voxels[labels_of(patient).mask(name)]
        assert low < float(np.median(inside)) < high, name


def test_scanners_and_grids_differ_between_seeds() -> None:
    scans = [scan_of("thorax", seed).image for seed in SEEDS]
    assert len({tuple(one.spacing.round(3)) for one in scans}) == len(SEEDS)
    assert len({one.orientation for one in scans}) > 1
    noise = []
    for seed in SEEDS:
        patient = scan_of("thorax", seed)
        liver = patient.image.voxels[labels_of(patient).mask("liver")]
        noise.append(float(np.median(np.abs(liver - np.median(liver)))))
    assert max(noise) > 1.3 * min(noise)


def test_the_same_seed_gives_the_same_voxels() -> None:
    assert abdomen(1).content_hash == scan_of("abdomen", 1).content_hash
    assert scan_of("abdomen", 0).content_hash != scan_of("abdomen", 1).content_hash


def test_the_diaphragm_moves_as_far_as_in_quiet_breathing(phases: tuple[Patient, ...]) -> None:
    inhaled, exhaled = phases[0], phases[2]
    apart = middle(exhaled, "liver")[2] - middle(inhaled, "liver")[2]
    low, high = EXCURSION_MM
    assert low - 3.0 < apart < high + 3.0


def test_the_nodule_moves_with_the_lung_and_less_than_the_diaphragm(
    phases: tuple[Patient, ...],
) -> None:
    heights = [middle(one, "lesion")[2] for one in phases]
    assert heights[0] < heights[1] < heights[2]
    assert abs(heights[1] - heights[3]) < 0.5  # the same place on the way out and in
    liver = middle(phases[2], "liver")[2] - middle(phases[0], "liver")[2]
    assert heights[2] - heights[0] < liver
    volumes = [labels_of(one).volumes_ml["lesion"] for one in phases]
    assert max(volumes) < 1.15 * min(volumes)


def test_the_skeleton_stays(phases: tuple[Patient, ...]) -> None:
    still = labels_of(phases[0])
    for other in map(labels_of, phases[1:]):
        for name in ("vertebrae_T8", "rib_left_7", "sternum"):
            assert (still.mask(name) == other.mask(name)).mean() > 0.9999


def test_a_breath_is_of_the_volume_of_a_breath(phases: tuple[Patient, ...]) -> None:
    volumes = [lung_ml(one) for one in phases]
    assert volumes[0] > volumes[1] > volumes[2]
    assert 200.0 < volumes[0] - volumes[2] < 1000.0  # about 0.5 L in textbooks
    assert volumes[1] == pytest.approx((volumes[0] + volumes[2]) / 2, rel=0.02)


def test_air_dilutes_the_lung(phases: tuple[Patient, ...]) -> None:
    """Mass is density times volume: it changes far less than the volume does."""

    def mean_hu(one: Patient) -> float:
        lungs = labels_of(one).mask("lung_left", "lung_right")
        return float(one.image.voxels[lungs].mean())

    inhaled, exhaled = phases[0], phases[2]
    assert mean_hu(inhaled) < mean_hu(exhaled) - 5.0
    mass = [(mean_hu(one) + 1000.0) * lung_ml(one) for one in (inhaled, exhaled)]
    assert mass[0] / mass[1] - 1 < 0.6 * (lung_ml(inhaled) / lung_ml(exhaled) - 1)


@pytest.mark.parametrize("drop", [8.0, -8.0])
@pytest.mark.parametrize("z", [-60.0, -3.0, 0.0, 3.0, 50.0, 120.0, 146.0, 160.0])
def test_a_moved_point_is_where_its_tissue_is(drop: float, z: float) -> None:
    breath = Breath(drop, 146.0)
    moved = breath.moved((1.0, 2.0, z))[2]
    assert moved + float(breath.drop_at(np.array(moved))) == pytest.approx(z, abs=1e-9)


@pytest.mark.parametrize("count", [0, 1, 21])
def test_too_few_or_many_phases_are_refused(count: int) -> None:
    with pytest.raises(HalstedError, match=f"^{count} phases"):
        thorax_phases(1, count)


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(HalstedError, match="seed"):
        thorax(-1)
