"""Phantoms are people as far as a needle is concerned, and the same ones every time."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from halsted.imaging_bridge.errors import HalstedError, StructureError
from halsted.imaging_bridge.labels import LabelMap
from halsted.imaging_bridge.patient import Patient
from halsted.imaging_bridge.phantoms import ThoraxAbdomen, build, phantom, sample_anatomy
from halsted.imaging_bridge.phantoms.grids import blurred_noise, refine
from halsted.imaging_bridge.phantoms.lesion import lump, place, sphere_directions
from halsted.imaging_bridge.phantoms.shapes import (
    Capsule,
    Drum,
    Ellipsoid,
    Intersection,
    Offset,
    Outside,
    Section,
    Shape,
    Union,
    curve,
)
from halsted.imaging_bridge.phantoms.thorax_abdomen import STRUCTURES, VALUES
from halsted.imaging_bridge.phantoms.tissue import TISSUES, hu
from halsted.imaging_bridge.phantoms.waves import draw_waves
from halsted.imaging_bridge.structures import role_of

SEEDS = (0, 1, 2, 3, 1000, 1001)
COARSE_MM = 4.0

# Millilitres. Liver: 1.0 to 2.2 L covers healthy adults of most body sizes; spleen, kidneys, heart
# with its blood and lungs at rest: common textbook ranges, wide because the draws are.
VOLUMES_ML = {
    "liver": (1000, 2200),
    "lung_right": (1200, 3500),
    "lung_left": (1200, 3500),
    "heart": (400, 1000),
    "spleen": (60, 350),
    "kidney_right": (80, 260),
    "kidney_left": (80, 260),
    "stomach": (150, 600),
    "aorta": (80, 260),
}


@cache
def drawn(seed: int, organ: str = "liver") -> ThoraxAbdomen:
    return replace(sample_anatomy(np.random.default_rng(seed), organ), seed=seed)


@cache
def coarse(seed: int, organ: str = "liver") -> Patient:
    return build(drawn(seed, organ), COARSE_MM)


@pytest.fixture(scope="module")
def fine() -> Patient:
    return phantom(7, "liver")


def labels_of(patient: Patient) -> LabelMap:
    assert patient.labels is not None
    return patient.labels


def centroid(labels: LabelMap, *names: str) -> NDArray[np.float64]:
    return np.asarray(labels.to_patient(np.argwhere(labels.mask(*names))).mean(axis=0))


def eroded(mask: NDArray[np.bool_], steps: int) -> NDArray[np.bool_]:
    for _ in range(steps):
        inner = mask.copy()
        for axis in range(3):
            inner &= np.roll(mask, 1, axis) & np.roll(mask, -1, axis)
        mask = inner
    return mask


# The same every time


def test_a_seed_gives_the_same_voxels_and_leaves_global_chance_alone() -> None:
    np.random.seed(3)
    before = np.random.get_state(legacy=False)["state"]["key"]
    first, second = phantom(0, "lung", COARSE_MM), coarse(0, "lung")
    assert first.content_hash == second.content_hash
    assert np.array_equal(first.image.voxels, second.image.voxels)
    np.testing.assert_array_equal(np.random.get_state(legacy=False)["state"]["key"], before)


def test_another_process_makes_the_same_voxels() -> None:
    program = (
        "from halsted.imaging_bridge.phantoms import phantom;"
        f"print(phantom(0, 'liver', {COARSE_MM}).content_hash)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == coarse(0).content_hash


def test_a_record_survives_json_and_replays_the_same_phantom() -> None:
    anatomy = drawn(0)
    back = ThoraxAbdomen.from_dict(json.loads(json.dumps(anatomy.as_dict())))
    assert back == anatomy
    assert build(back, COARSE_MM).content_hash == coarse(0).content_hash


def test_every_seed_is_another_person() -> None:
    volumes = [labels_of(coarse(seed)).volumes_ml for seed in SEEDS]
    for organ in VOLUMES_ML:
        assert len({round(each[organ], 1) for each in volumes}) == len(SEEDS), organ
    assert len({coarse(seed).image.shape for seed in SEEDS}) > 1


def test_lesion_organ_changes_the_lesion_and_not_the_person() -> None:
    in_liver, in_lung = drawn(2, "liver"), drawn(2, "lung")
    assert in_liver.body == in_lung.body
    assert in_liver.lesion.organ == "liver" and in_lung.lesion.organ == "lung"


# What it is


def test_it_is_a_phantom_ct_that_says_so(fine: Patient) -> None:
    assert fine.kind == "phantom"
    assert dict(fine.facts) == {"phantom": "thorax_abdomen", "lesion_organ": "liver", "seed": "7"}
    assert (fine.image.modality, fine.image.unit) == ("CT", "HU")
    assert fine.image.voxels.dtype == np.float32
    assert np.array_equal(fine.image.voxels, np.rint(fine.image.voxels))
    assert fine.image.orientation == "SPL"
    assert labels_of(fine).provenance == "generated"
    np.testing.assert_allclose(fine.image.spacing, 2.5)


def test_values_are_fixed_and_every_name_has_the_role_of_its_tissue(fine: Patient) -> None:
    names = labels_of(fine).names
    assert all(VALUES[name] == value for name, value in names.items())
    assert all(role_of(name) != "other" for name in STRUCTURES)
    by_role = {role: {n for n in names if role_of(n) == role} for role in map(role_of, STRUCTURES)}
    assert by_role["body"] == {"body"} and by_role["lesion"] == {"lesion"}
    assert by_role["lung"] == {"lung_left", "lung_right"}
    assert {"aorta", "portal_vein_and_splenic_vein", "lung_vessel"} <= by_role["vessel"]
    assert {"rib_left_7", "rib_right_12", "sternum", "vertebrae_T9"} <= by_role["bone"]
    assert {"liver", "heart", "spinal_cord", "stomach"} <= by_role["organ"]


@pytest.mark.parametrize("seed", SEEDS)
def test_body_and_organs_are_of_human_size(seed: int) -> None:
    labels = labels_of(coarse(seed))
    for name, (least, most) in VOLUMES_ML.items():
        assert least <= labels.volumes_ml[name] <= most, name
    inside = labels.voxels > 0
    deep = np.count_nonzero(inside.any(axis=(0, 2))) * COARSE_MM
    wide = np.count_nonzero(inside.any(axis=(0, 1))) * COARSE_MM
    assert 296 <= wide <= 424 and 196 <= deep <= 284
    assert 280 <= labels.shape[0] * COARSE_MM <= 350


@pytest.mark.parametrize("seed", SEEDS)
def test_everything_is_where_it_belongs_in_lps(seed: int) -> None:
    labels = labels_of(coarse(seed))
    at = {name: centroid(labels, name) for name in labels.names}
    assert at["liver"][0] < -30 and at["gallbladder"][0] < 0 and at["kidney_right"][0] < 0
    assert at["heart"][0] > 0 and at["stomach"][0] > 0 and at["spleen"][0] > 50
    assert at["lung_left"][0] > 30 and at["lung_right"][0] < -30
    assert at["rib_left_8"][0] > 0 > at["rib_right_8"][0]
    assert at["inferior_vena_cava"][0] < at["aorta"][0]
    assert at["spinal_cord"][1] > at["vertebrae_T9"][1] > at["heart"][1] > at["sternum"][1]
    assert at["vertebrae_T6"][2] > at["vertebrae_L2"][2]
    assert at["heart"][2] > at["liver"][2] > at["kidney_right"][2]
    right = labels.to_patient(np.argwhere(labels.mask("liver")))
    assert np.mean(right[:, 0] < 0) > 0.75


@pytest.mark.parametrize("seed", SEEDS)
def test_the_body_is_all_that_is_not_air_around_it(seed: int) -> None:
    patient = coarse(seed)
    inside = labels_of(patient).voxels > 0
    assert not inside[:, [0, -1]].any() and not inside[:, :, [0, -1]].any()
    assert patient.image.voxels[eroded(~inside, 1)].mean() == pytest.approx(-1000, abs=5)
    # The skin closes: walking inwards from the front, the first label of a column is soft tissue.
    first = np.take_along_axis(
        labels_of(patient).voxels, inside.argmax(axis=1, keepdims=True), axis=1
    )
    assert set(np.unique(first)) == {0, VALUES["body"]}


def test_ribs_leave_gaps_that_a_needle_passes() -> None:
    labels = labels_of(build(drawn(1)))
    gaps = []
    for side in ("left", "right"):
        for number in range(5, 10):
            upper, lower = (
                labels.to_patient(np.argwhere(labels.mask(f"rib_{side}_{n}")))
                for n in (number, number + 1)
            )
            flank = [rib[np.abs(rib[:, 1]) < 1.3] for rib in (upper, lower)]
            gaps.append(flank[0][:, 2].min() - flank[1][:, 2].max() - 2.5)
    assert 12.5 <= min(gaps) and max(gaps) <= 27.5
    assert 15.0 <= np.mean(gaps) <= 25.0


# What a scanner sees


@pytest.mark.parametrize(
    ("name", "tissue", "steps"),
    [
        ("liver", "liver", 2),
        ("spleen", "spleen", 2),
        ("lung_left", "lung", 2),
        ("lung_right", "lung", 2),
        ("aorta", "artery", 2),
        ("inferior_vena_cava", "vein", 2),
        ("spinal_cord", "spinal_canal", 1),
        ("gallbladder", "bile", 2),
        ("pancreas", "pancreas", 2),
    ],
)
def test_structures_measure_what_the_table_says(
    fine: Patient, name: str, tissue: str, steps: int
) -> None:
    inner = eroded(labels_of(fine).mask(name), steps)
    assert inner.sum() > 20
    values = fine.image.voxels[inner]
    assert values.mean() == pytest.approx(hu(tissue), abs=4.0 + 12.0 / math.sqrt(len(values)))


def test_bone_is_denser_than_the_marrow_in_it(fine: Patient) -> None:
    for name in ("rib_left_7", "vertebrae_T10", "sternum"):
        assert np.percentile(fine.image.voxels[labels_of(fine).mask(name)], 60) > 180
    spine = eroded(labels_of(fine).mask("vertebrae_L1"), 3)
    assert fine.image.voxels[spine].mean() == pytest.approx(hu("vertebral_bone"), abs=12)


def test_noise_has_its_standard_deviation_and_neighbours_resemble_each_other() -> None:
    noise = blurred_noise(np.random.default_rng(0), (20, 80, 80), 12.0)
    assert noise.std() == pytest.approx(12.0, rel=0.02)
    assert np.corrcoef(noise[:, :, 1:].ravel(), noise[:, :, :-1].ravel())[0, 1] > 0.4


def test_tissue_table_is_ordered_as_tissues_are_and_names_its_sources() -> None:
    ladder = ("air", "lung", "fat", "bile", "muscle", "liver", "portal_vein", "cortical_bone")
    values = [hu(tissue) for tissue in ladder]
    assert values == sorted(values)
    assert all(tissue.source for tissue in TISSUES.values())


# The lesion


@pytest.mark.parametrize("organ", ["liver", "lung"])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_lesion_is_inside_its_organ_and_of_the_size_drawn(seed: int, organ: str) -> None:
    lesion = drawn(seed, organ).lesion
    labels = labels_of(coarse(seed, organ))
    mask = labels.mask("lesion")
    assert 6.0 <= lesion.radius_mm <= 15.0
    ball = 4.0 / 3.0 * math.pi * lesion.radius_mm**3
    eighth_voxel_shell = 4.0 * math.pi * lesion.radius_mm**2 * COARSE_MM / 8.0
    found = np.count_nonzero(mask) * COARSE_MM**3
    assert found == pytest.approx(ball, abs=0.03 * ball + eighth_voxel_shell)
    np.testing.assert_allclose(centroid(labels, "lesion"), lesion.centre_in_patient, atol=2.0)
    hosts = ("liver",) if organ == "liver" else ("lung_left", "lung_right")
    touching = ~eroded(~mask, 1) & ~mask
    assert np.isin(labels.voxels[touching], [VALUES[host] for host in hosts]).all()


def test_lesion_contrast() -> None:
    for organ, least, most in (("liver", 60.0, 80.0), ("lung", 30.0, 30.0)):
        patient, lesion = build(drawn(3, organ)), drawn(3, organ).lesion
        assert least <= lesion.hu <= most
        core = eroded(labels_of(patient).mask("lesion"), 1)
        assert patient.image.voxels[core].mean() == pytest.approx(lesion.hu, abs=5.0)


def open_paths(patient: Patient, forbidden: set[str]) -> tuple[int, int]:
    """Straight paths to the skin, of those within 60 degrees of the front, and those kept clear.

    A path is at most 150 mm long and is read off the labels at every millimetre.
    """
    labels = labels_of(patient)
    towards = sphere_directions(600)
    towards = towards[-towards[:, 1] >= 0.5]
    steps = np.arange(0.0, 150.5, 1.0)
    points = centroid(labels, "lesion") + towards[:, None, :] * steps[:, None]
    index = np.rint(labels.to_index(points)).astype(int)
    seen = ((index >= 0) & (index < labels.shape)).all(axis=-1)
    index = np.clip(index, 0, np.array(labels.shape) - 1)
    values = labels.voxels[tuple(np.moveaxis(index, -1, 0))]
    skin = (values == 0) & seen
    before = ~np.maximum.accumulate(skin, axis=1)
    barred = np.isin(values, [labels.names[name] for name in forbidden & set(labels.names)])
    clear = skin.any(axis=1) & ~((barred | ~seen) & before).any(axis=1)
    return int(skin.any(axis=1).sum()), int(clear.sum())


@pytest.mark.parametrize("organ", ["liver", "lung"])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_needle_can_reach_the_lesion(seed: int, organ: str) -> None:
    patient = coarse(seed, organ)
    barred = {name for name in STRUCTURES if role_of(name) in ("bone", "vessel")}
    barred |= {"heart"} if organ == "lung" else {"lung_left", "lung_right"}
    all_paths, clear = open_paths(patient, barred)
    assert 0 < clear < all_paths  # there is a way, and it must be looked for


# What can be wrong


def test_errors_say_what_to_do() -> None:
    with pytest.raises(HalstedError, match="choose 'liver' or 'lung'"):
        phantom(0, "spleen")
    with pytest.raises(HalstedError, match="whole number from 0"):
        phantom(-1)
    anatomy = drawn(0)
    with pytest.raises(HalstedError, match=r"voxel spacing is 0\.1 mm"):
        build(anatomy, 0.1)
    for broken in ({}, {**anatomy.as_dict(), "body": {"torso": 3}}):
        with pytest.raises(HalstedError, match="no record of a thorax-abdomen phantom"):
            ThoraxAbdomen.from_dict(broken)
    waves = draw_waves(np.random.default_rng(0), 1.0)
    box = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    with pytest.raises(StructureError, match="draw a smaller lesion"):
        place(np.random.default_rng(0), [], ("liver",), waves, box, 10.0)


# The solids


BALL = Ellipsoid((1.0, 2.0, 3.0), (10.0, 10.0, 10.0))
SOLIDS: list[Shape] = [
    Ellipsoid((5.0, 0.0, 0.0), (30.0, 20.0, 12.0), (10.0, 20.0, 30.0)),
    Drum((0.0, 5.0, 0.0), (20.0, 15.0, 11.0)),
    Capsule((-20.0, 0.0, 0.0), (20.0, 10.0, 5.0), 8.0, 4.0),
    Capsule((-20.0, 0.0, 0.0), (20.0, 10.0, 5.0), 5.0, 5.0, (1.0, 1.0, 2.0)),
    Union((BALL, Offset(BALL, 3.0)), smooth=4.0),
    Intersection((BALL, Outside(Offset(BALL, -4.0))), smooth=2.0),
]


@pytest.mark.parametrize("solid", SOLIDS)
def test_solids_lie_within_their_bounds_and_have_slope_one_at_their_surface(solid: Shape) -> None:
    x, y, z = np.meshgrid(*[np.arange(-45.0, 45.5, 1.5)] * 3, indexing="ij")
    distance = solid.distance(x, y, z)
    (inside,) = np.nonzero((distance < 0).ravel())
    points = np.stack([x, y, z], axis=-1).reshape(-1, 3)[inside]
    low, high = np.array(solid.bounds)
    assert len(points) > 0
    assert (points >= low - 2.0).all() and (points <= high + 2.0).all()
    slopes = np.linalg.norm(np.gradient(distance, 1.5), axis=0)[np.abs(distance) < 1.0]
    assert 0.5 < np.median(slopes) < 1.3


def test_a_ball_is_measured_exactly() -> None:
    point = [np.array([c]) for c in (1.0, 2.0, 18.0)]
    assert BALL.distance(*point)[0] == pytest.approx(5.0, abs=1e-3)
    assert Offset(BALL, 2.0).distance(*point)[0] == pytest.approx(3.0, abs=1e-3)
    assert Outside(BALL).distance(*point)[0] == pytest.approx(-5.0, abs=1e-3)


def test_points_of_a_section_lie_on_it() -> None:
    section = Section((130.0, -8.0, -10.0), (80.0, -9.0, 0.0), (90.0, 0.0, 0.0))
    angle, z = np.linspace(-3.0, 3.0, 25), np.linspace(-150.0, 150.0, 25)
    on, beyond = section.surface(angle, z), section.surface(angle, z, outside=6.0)
    np.testing.assert_allclose(section.distance(*on.T), 0.0, atol=1e-3)
    np.testing.assert_allclose(section.distance(*beyond.T), 6.0, atol=0.1)


def test_a_lump_has_the_volume_of_its_ball() -> None:
    shape = lump(np.random.default_rng(1), (0.0, 0.0, 0.0), 12.0, 0.1)
    x, y, z = np.meshgrid(*[np.arange(-18.0, 18.5, 0.5)] * 3, indexing="ij")
    distance = shape.distance(x, y, z)
    volume = np.count_nonzero(distance < 0) * 0.5**3
    assert volume == pytest.approx(4.0 / 3.0 * math.pi * 12.0**3, rel=0.02)
    assert np.std(np.sqrt(x * x + y * y + z * z)[np.abs(distance) < 0.3]) > 0.4  # no ball


def test_a_curve_passes_through_its_knots() -> None:
    knots = np.array([[0.0, 0, 0], [10, 5, 0], [20, 0, 3], [35, 0, 0]])
    path = curve(knots, 4)
    np.testing.assert_allclose(path[::4], knots, atol=1e-12)


def test_waves_on_a_grid_are_those_at_points() -> None:
    waves = draw_waves(np.random.default_rng(2), 3.0)
    axes = [np.arange(-60.0, 60.1, 2.5)] * 3
    x, y, z = waves.displace_grid(*axes)
    zs, ys, xs = np.meshgrid(*axes, indexing="ij")
    exact = waves.displace(xs, ys, zs)
    for found, wanted in zip((x, y, z), exact, strict=True):
        np.testing.assert_allclose(found, wanted, atol=0.35)
    moved = np.stack([e - h for e, h in zip(exact, (xs, ys, zs), strict=True)])
    assert np.abs(moved).max() <= waves.reach


def test_refining_is_exact_for_what_is_linear() -> None:
    coarse_axes: list[NDArray[Any]] = [np.array([0, 2, 4, 5]), np.array([0, 3]), np.array([7])]
    fine_axes: list[NDArray[Any]] = [np.arange(6), np.arange(4), np.array([7])]

    def plane(axes: list[NDArray[Any]]) -> NDArray[np.float64]:
        z, y, x = np.meshgrid(*axes, indexing="ij")
        return np.asarray(2.0 * z - y + 0.5 * x)

    found = refine(plane(coarse_axes), coarse_axes, fine_axes)
    np.testing.assert_allclose(found, plane(fine_axes))
