"""Slide phantoms: nuclei of stated sizes, each one instance, stained as the two stains absorb."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import SimpleITK as sitk

from halsted.imaging_bridge.errors import HalstedError
from halsted.imaging_bridge.labels import LabelMap
from halsted.imaging_bridge.patient import Patient
from halsted.imaging_bridge.phantoms.nuclei import KINDS, draw_nucleus
from halsted.imaging_bridge.phantoms.slide import slide
from halsted.imaging_bridge.phantoms.slide_tissue import ORGANS

SEEDS = range(16)
CHANNELS = ("red", "green", "blue")
# Red, green and blue of haematoxylin and of eosin, as Ruifrok and Johnston 2001 measured them.
HAEMATOXYLIN, EOSIN = (0.65, 0.70, 0.29), (0.07, 0.99, 0.11)


def labels_of(patient: Patient) -> LabelMap:
    assert patient.labels is not None
    return patient.labels


@cache
def drawn(seed: int, stain: str = "he") -> Patient:
    return slide(seed, stain)  # type: ignore[arg-type]


def pieces(mask: np.ndarray) -> int:
    found = sitk.ConnectedComponent(sitk.GetImageFromArray(mask.astype(np.uint8)), True)
    return int(sitk.GetArrayFromImage(found).max())


def test_a_seed_gives_the_same_pixels_again_and_another_seed_others():
    for stain in ("he", "fluorescence"):
        assert slide(3, stain).content_hash == drawn(3, stain).content_hash
        assert drawn(4, stain).content_hash != drawn(3, stain).content_hash


def test_a_wrong_seed_or_stain_is_refused():
    with pytest.raises(HalstedError, match="seed of a phantom is -1"):
        slide(-1)
    with pytest.raises(HalstedError, match="'pas'"):
        slide(0, "pas")  # type: ignore[arg-type]


@pytest.mark.parametrize("stain", ["he", "fluorescence"])
def test_each_nucleus_is_one_piece_with_a_value_and_a_kind_of_its_own(stain: str):
    for seed in SEEDS:
        labels = labels_of(drawn(seed, stain))
        assert labels.voxels.dtype == np.uint16 and labels.shape == (1, 256, 256)
        present = set(np.unique(labels.voxels).tolist()) - {0}
        assert present == set(labels.names.values()) == set(range(1, len(present) + 1))
        for name, value in labels.names.items():
            kind, number = name.rsplit("_", 1)
            assert kind in KINDS and int(number) == value
        for value in sorted(present)[:: max(len(present) // 8, 1)]:
            assert pieces(labels.voxels[0] == value) == 1


def test_all_organs_kinds_and_magnifications_occur():
    facts = [drawn(seed).facts for seed in SEEDS]
    assert {one["organ"] for one in facts} == set(ORGANS)
    assert {one["magnification"] for one in facts} == {"20x", "40x"}
    kinds = {name.rsplit("_", 1)[0] for seed in SEEDS for name in labels_of(drawn(seed)).names}
    assert kinds == set(KINDS)
    for seed in SEEDS:
        image = drawn(seed).image
        um = {"40x": 0.25, "20x": 0.5}[drawn(seed).facts["magnification"]]
        assert image.spacing[1:] == pytest.approx(um / 1000.0) and image.spacing_known


def test_nuclei_have_the_diameters_that_are_stated():
    rng = np.random.default_rng(0)
    for kind in ("epithelial", "lymphocyte", "macrophage"):
        areas = [draw_nucleus(rng, kind, 0.25).mask.sum() * 0.25**2 for _ in range(60)]
        diameters = 2.0 * np.sqrt(np.array(areas) / np.pi)
        least, most = KINDS[kind].diameter_um
        assert diameters.min() > 0.8 * least and diameters.max() < 1.15 * most
    lymphocyte, epithelial = KINDS["lymphocyte"].diameter_um, KINDS["epithelial"].diameter_um
    assert lymphocyte[0] >= 5.0 and lymphocyte[1] <= 8.0 < epithelial[1]


def test_neutrophils_have_two_to_five_lobes_that_hang_together():
    rng, counts = np.random.default_rng(1), set()
    for _ in range(40):
        mask = draw_nucleus(rng, "neutrophil", 0.1).mask
        assert pieces(mask) == 1
        image = sitk.GetImageFromArray(mask.astype(np.uint8))
        depth = sitk.SignedMaurerDistanceMap(image, insideIsPositive=True, squaredDistance=False)
        lobes = sitk.GetArrayFromImage(depth) > 0.75 * 13.0  # of the least lobe's radius in pixels
        counts.add(pieces(lobes))
    assert {2, 3, 4, 5} <= counts and max(counts) <= 5


def test_haematoxylin_is_in_the_nuclei():
    """Unmixed after Ruifrok and Johnston, which knows nothing of where the nuclei are."""
    residual = np.cross(HAEMATOXYLIN, EOSIN)
    stains = np.array([HAEMATOXYLIN, EOSIN, residual / np.linalg.norm(residual)])
    for seed in SEEDS:
        patient = drawn(seed)
        picture = np.stack([patient.images[name].voxels[0] for name in CHANNELS], axis=-1)
        density = -np.log(np.clip(picture, 1, 255) / 255.0)
        haematoxylin = (density @ np.linalg.inv(stains))[..., 0]
        inside = labels_of(patient).voxels[0] > 0
        assert haematoxylin[inside].mean() > haematoxylin[~inside].mean() + 0.15


def test_fluorescence_is_grey_and_bright_on_dark():
    for seed in SEEDS:
        patient = drawn(seed, "fluorescence")
        red, green, blue = (patient.images[name].voxels for name in CHANNELS)
        assert (red == green).all() and (green == blue).all()
        inside = labels_of(patient).voxels > 0
        assert red[inside].mean() > 1.3 * red[~inside].mean()
        assert np.median(red[~inside]) < 60


def test_a_threshold_does_not_part_the_nuclei():
    """Average precision at an overlap of a half, of the pieces under each picture's best level."""
    found = []
    for seed in SEEDS:
        red, truth = drawn(seed).images["red"].voxels[0], labels_of(drawn(seed)).voxels[0]
        found.append(max(_precision(red < level, truth) for level in range(60, 230, 20)))
    assert np.mean(found) < 0.6


def _precision(mask: np.ndarray, truth: np.ndarray) -> float:
    image = sitk.ConnectedComponent(sitk.GetImageFromArray(mask.astype(np.uint8)))
    image = sitk.RelabelComponent(image, minimumObjectSize=20)
    pieces = sitk.GetArrayFromImage(image)
    both = np.zeros((pieces.max() + 1, truth.max() + 1))
    np.add.at(both, (pieces.ravel(), truth.ravel()), 1)
    either = both.sum(axis=1, keepdims=True) + both.sum(axis=0, keepdims=True) - both
    hits = int((both[1:, 1:] / either[1:, 1:] > 0.5).sum())
    return float(hits / (pieces.max() + truth.max() - hits))
