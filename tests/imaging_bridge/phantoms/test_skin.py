"""Skin phantoms follow the ABCD rule, and no threshold finds their lesions."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy import ndimage

from halsted.imaging_bridge.errors import HalstedError
from halsted.imaging_bridge.labels import LabelMap
from halsted.imaging_bridge.patient import Patient
from halsted.imaging_bridge.phantoms.chance import chance
from halsted.imaging_bridge.phantoms.skin import skin
from halsted.imaging_bridge.phantoms.skin_lesion import draw_lesion
from halsted.imaging_bridge.phantoms.skin_scores import Scores, draw_scores

SEEDS = range(24)
CHANNELS = ("red", "green", "blue")


def labels_of(patient: Patient) -> LabelMap:
    assert patient.labels is not None
    return patient.labels


@cache
def drawn(seed: int) -> Patient:
    return skin(seed)


def dice(found: np.ndarray, truth: np.ndarray) -> float:
    return float(2.0 * (found & truth).sum() / (found.sum() + truth.sum()))


def otsu(grey: np.ndarray) -> int:
    """The threshold that parts a histogram best (Otsu 1979)."""
    share = np.bincount(grey.ravel(), minlength=256) / grey.size
    below, mean = share.cumsum(), (share * np.arange(256)).cumsum()
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (mean[-1] * below - mean) ** 2 / (below * (1.0 - below))
    return int(np.nanargmax(between))


def test_a_seed_gives_the_same_pixels_again_and_another_seed_others():
    assert skin(3).content_hash == drawn(3).content_hash
    assert drawn(4).image.content_hash != drawn(3).image.content_hash


def test_a_negative_seed_is_refused():
    with pytest.raises(HalstedError, match="seed of a phantom is -1"):
        skin(-1)


def test_the_total_score_is_that_of_stolz_1994():
    # 2 axes, 5 sectors, 4 colours and 3 structures: 2.6 + 0.5 + 2.0 + 1.5
    sharp = (True,) * 5 + (False,) * 3
    scores = Scores(
        2, sharp, ("light_brown", "black", "red", "white"), ("network", "dots", "streaks")
    )
    assert scores.total == pytest.approx(6.6)
    assert scores.diagnosis == "malignant"
    assert Scores(0, (False,) * 8, ("light_brown",), ("network",)).total == pytest.approx(1.0)
    assert Scores(0, (False,) * 8, ("light_brown",), ("network",)).diagnosis == "benign"
    doubtful = Scores(2, (False,) * 8, ("red", "white"), ("dots", "streaks", "network"))
    assert doubtful.total == pytest.approx(5.1) and doubtful.diagnosis is None


def test_diagnoses_follow_from_the_scores_and_both_occur():
    found = []
    for seed in SEEDS:
        facts = drawn(seed).facts
        total = 1.3 * int(facts["asymmetry"]) + 0.1 * int(facts["border"])
        total += 0.5 * (len(facts["colours"].split()) + len(facts["structures"].split()))
        assert float(facts["total_dermoscopy_score"]) == pytest.approx(total)
        assert total > 5.45 if facts["diagnosis"] == "malignant" else total < 4.75
        found.append(facts["diagnosis"])
    assert 5 < found.count("malignant") < len(found) - 5


def test_a_symmetric_lesion_is_the_same_upside_down_and_an_asymmetric_one_is_not():
    def likeness(asymmetry: int) -> float:
        scores = Scores(asymmetry, (False,) * 8, ("light_brown", "dark_brown"), ("network",))
        found = []
        for seed in range(6):
            mask = draw_lesion(np.random.default_rng(seed), scores).mask
            rows, columns = np.nonzero(mask)
            turned = np.zeros_like(mask)
            y = np.rint(2 * rows.mean() - rows).astype(int)
            x = np.rint(2 * columns.mean() - columns).astype(int)
            inside = (y >= 0) & (y < 256) & (x >= 0) & (x < 256)
            turned[y[inside], x[inside]] = True  # a half turn flips both axes
            found.append(dice(mask, turned))
        return float(np.mean(found))

    assert likeness(0) > 0.95
    assert likeness(2) < likeness(0) - 0.03


def test_lesions_lie_in_the_picture_with_their_pigment_where_the_label_is():
    for seed in SEEDS:
        patient = drawn(seed)
        mask = labels_of(patient).mask("lesion")
        assert mask.shape == patient.image.shape == (1, 256, 256)
        assert 0.02 < mask.mean() < 0.6
        rows, columns = np.nonzero(mask[0])
        assert np.abs(np.array([rows.mean(), columns.mean()]) - 128).max() < 64
        depth = patient.images["depth"].voxels
        assert not depth[~mask].any() and (depth[mask] > 0.01).all() and depth.max() < 12.0


def test_an_outline_is_one_line():
    for seed in (1, 14, 26, 31, 62, 135):  # whose pigment is in pieces or has holes
        lesion = draw_lesion(chance(seed, "lesion"), draw_scores(chance(seed, "scores")))
        assert ndimage.label(lesion.mask)[1] == 1
        assert np.array_equal(ndimage.binary_fill_holes(lesion.mask), lesion.mask)
        assert not lesion.depth_mm[~lesion.mask].any()


def test_every_colour_that_is_scored_is_there():
    for seed in (36, 46, 109, 141, 146, 147):  # in which one hardly comes up by chance
        scores = draw_scores(chance(seed, "scores"))
        lesion = draw_lesion(chance(seed, "lesion"), scores)
        leads = np.bincount(lesion.colour[lesion.mask], minlength=len(scores.colours))
        assert (leads > 0.005 * lesion.mask.sum()).all()


def test_more_colours_and_streaks_make_a_picture_of_more_contrast():
    plain = Scores(0, (False,) * 8, ("light_brown",), ("structureless",))
    rich = Scores(0, (False,) * 8, ("light_brown", "black", "blue_grey"), ("network", "streaks"))

    def spread(scores: Scores) -> float:
        lesions = [draw_lesion(np.random.default_rng(seed), scores) for seed in range(4)]
        return float(np.mean([one.density[one.mask].std(axis=0).mean() for one in lesions]))

    assert spread(rich) > 1.5 * spread(plain)


@pytest.mark.parametrize("channel", CHANNELS)
def test_no_threshold_finds_the_lesions(channel: str):
    pictures = [drawn(seed).images[channel].voxels for seed in SEEDS]
    masks = [labels_of(drawn(seed)).mask("lesion") for seed in SEEDS]
    for sign in (1, -1):
        best = max(
            np.mean(
                [
                    dice(sign * (p.astype(int) - level) < 0, m)
                    for p, m in zip(pictures, masks, strict=True)
                ]
            )
            for level in range(16, 256, 16)
        )
        assert best < 0.65
    by_otsu = [dice(p <= otsu(p), m) for p, m in zip(pictures, masks, strict=True)]
    assert np.mean(by_otsu) < 0.65


def test_scores_are_never_doubtful():
    scores = [draw_scores(np.random.default_rng(seed)) for seed in range(300)]
    assert all(one.diagnosis is not None for one in scores)
    assert {one.asymmetry for one in scores} == {0, 1, 2}
