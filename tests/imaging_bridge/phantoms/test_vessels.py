"""A phantom CT angiography: its tree follows Murray, and its voxels follow the tree."""

from __future__ import annotations

import math
from functools import cache
from itertools import combinations

import numpy as np
import pytest
from scipy import ndimage

from halsted.imaging_bridge.labels import LabelMap
from halsted.imaging_bridge.patient import Patient
from halsted.imaging_bridge.phantoms.vessel_tree import Branch, fork_angles
from halsted.imaging_bridge.phantoms.vessels import (
    Vessels,
    draw_vessels,
    perfect,
    scan,
    vessels,
)
from halsted.imaging_bridge.volume import Volume

SEEDS = (0, 1, 2)


@cache
def record(seed: int) -> Vessels:
    return draw_vessels(seed)


@cache
def painted(seed: int) -> tuple[Volume, LabelMap]:
    return perfect(record(seed))


@cache
def scanned(seed: int) -> Patient:
    return scan(record(seed), *painted(seed))


def forks(tree: tuple[Branch, ...]) -> list[tuple[Branch, Branch, Branch]]:
    found = []
    for index, trunk in enumerate(tree):
        children = [branch for branch in tree if branch.parent == index]
        assert len(children) in (0, 2)
        if children:
            found.append((trunk, children[0], children[1]))
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_cubes_of_the_radii_add_up_at_every_fork(seed: int) -> None:
    for tree in (record(seed).arteries, record(seed).veins):
        for trunk, first, second in forks(tree):
            together = first.radius_mm**3 + second.radius_mm**3
            assert together == pytest.approx(trunk.radius_mm**3, rel=1e-9)
    assert len(record(seed).arteries) >= 15


@pytest.mark.parametrize("seed", SEEDS)
def test_children_start_where_the_parent_ends_at_the_angle_of_least_work(seed: int) -> None:
    for trunk, *children in forks(record(seed).arteries):
        angles = fork_angles(trunk.radius_mm, *(child.radius_mm for child in children))
        for child, angle in zip(children, angles, strict=True):
            assert child.knots[0] == trunk.knots[-1]
            way = np.subtract(child.knots[1], child.knots[0])
            cosine = way @ trunk.heading / np.linalg.norm(way)
            assert cosine == pytest.approx(math.cos(angle), abs=1e-6)


def test_even_children_of_a_fork_part_at_75_degrees() -> None:
    # Murray 1926: equal branches make 74.9 degrees with each other.
    child = 0.5 ** (1.0 / 3.0)
    assert math.degrees(sum(fork_angles(1.0, child, child))) == pytest.approx(74.9, abs=0.1)


def test_arteries_and_veins_keep_apart() -> None:
    drawn = record(0)
    for artery in drawn.arteries:
        for vein in drawn.veins:
            beyond = vein.path[len(vein.path) // 2 :]
            apart = np.linalg.norm(beyond[:, None] - artery.path, axis=2).min()
            assert apart > artery.radius_mm + vein.radius_mm


@pytest.mark.parametrize("seed", SEEDS)
def test_the_lumen_is_one_piece_of_the_volume_drawn(seed: int) -> None:
    _, labels = painted(seed)
    mask = labels.mask("vessel", "aneurysm")
    pieces, count = ndimage.label(mask, np.ones((3, 3, 3)))
    assert np.bincount(pieces.ravel())[1:].max() > 0.98 * mask.sum(), count
    lengths = [
        (np.linalg.norm(np.diff(branch.path, axis=0), axis=1).sum(), branch.radius_mm)
        for branch in record(seed).arteries
    ]
    lumen = sum(math.pi * radius**2 * length for length, radius in lengths) / 1000.0
    assert labels.volumes_ml["vessel"] == pytest.approx(lumen, rel=0.2)


def test_an_aneurysm_hangs_on_an_artery() -> None:
    seed = next(seed for seed in range(20) if record(seed).aneurysm is not None)
    _, labels = painted(seed)
    sac = record(seed).aneurysm
    assert sac is not None
    beside = ndimage.binary_dilation(labels.mask("aneurysm")) & labels.mask("vessel")
    assert beside.any()
    whole = 4.0 / 3.0 * math.pi * sac.radius_mm**3 / 1000.0
    assert 0.2 * whole < labels.volumes_ml["aneurysm"] < 1.1 * whole
    bare = next(seed for seed in range(20) if record(seed).aneurysm is None)
    labels = scanned(bare).labels or painted(bare)[1]
    assert "vessel" in labels.names and "aneurysm" not in labels.names


def test_arteries_are_brighter_than_veins_but_no_threshold_finds_them() -> None:
    volume, labels = painted(0)
    artery, vein = labels.mask("vessel"), labels.mask("vein")
    hu = volume.voxels
    assert np.median(hu[artery]) > np.median(hu[vein]) + 30.0
    best = max(_dice(hu > level, artery) for level in range(100, 700, 50))
    assert best < 0.5


def test_a_seed_gives_the_same_voxels_and_another_gives_others() -> None:
    first = vessels(1)
    assert first.content_hash == scanned(1).content_hash != scanned(2).content_hash
    assert first.facts["phantom"] == "vessels" and first.facts["seed"] == "1"


def test_the_scanner_leaves_the_arteries_where_they_were() -> None:
    _, before = painted(2)
    after = scanned(2).labels
    assert after is not None and after.orientation != before.orientation
    there, then = (
        labels.to_patient(np.argwhere(labels.mask("vessel"))).mean(axis=0)
        for labels in (before, after)
    )
    np.testing.assert_allclose(then, there, atol=1.0)


def test_records_differ_from_seed_to_seed() -> None:
    roots = {record(seed).arteries[0].radius_mm for seed in SEEDS}
    assert len(roots) == len(SEEDS)
    assert all(record(a).artery_hu != record(b).artery_hu for a, b in combinations(SEEDS, 2))


def _dice(found: np.ndarray, true: np.ndarray) -> float:
    return float(2.0 * (found & true).sum() / (found.sum() + true.sum()))
