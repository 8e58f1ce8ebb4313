"""Colon phantoms: the CT and the endoscope's pictures show one anatomy, and show it right."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from halsted.imaging_bridge.errors import HalstedError
from halsted.imaging_bridge.labels import LabelMap
from halsted.imaging_bridge.patient import Patient
from halsted.imaging_bridge.phantoms.chance import chance
from halsted.imaging_bridge.phantoms.colon import WALL_HU, colon, frames, perfect
from halsted.imaging_bridge.phantoms.colon_anatomy import FLAT_BELOW_MM, Colon, draw_colon
from halsted.imaging_bridge.phantoms.colon_field import WALL, gap, nearest_index, outline_radius
from halsted.imaging_bridge.phantoms.endoscopy import SIZE, View, directions, draw_view, look
from halsted.imaging_bridge.phantoms.kinds import MOST_FRAMES
from halsted.imaging_bridge.volume import Grid, Volume

COARSE_MM, FINE_MM = 3.0, 2.0
SEEDS = (0, 1, 2)


def labels_of(patient: Patient) -> LabelMap:
    assert patient.labels is not None
    return patient.labels


@cache
def scanned(seed: int) -> Patient:
    return colon(seed)


@cache
def painted(seed: int, spacing_mm: float = COARSE_MM) -> tuple[Volume, LabelMap]:
    return perfect(seed, spacing_mm)


@cache
def anatomy(seed: int) -> Colon:
    return draw_colon(chance(seed, "colon"))


@cache
def view(seed: int, number: int) -> View:
    return draw_view(chance(seed, f"view {number}"), anatomy(seed))


@cache
def pictures() -> tuple[Patient, ...]:
    return tuple(one for seed in range(6) for one in frames(seed, 3))


def level(colon: Colon, number: int, points: np.ndarray) -> np.ndarray:
    """About 1 on a polyp's surface and less inside, from its ellipsoid and stalk alone."""
    polyps = colon.polyps
    local = (points - polyps.centre[number]) @ polyps.axes[number].T / polyps.radii[number]
    head = np.linalg.norm(local, axis=-1)
    if not polyps.stalk[number]:
        return np.asarray(head)
    foot, up = polyps.foot[number], polyps.centre[number] - polyps.foot[number]
    share = np.clip((points - foot) @ up / (up @ up), 0.0, 1.0)
    apart = np.linalg.norm(points - foot - share[..., np.newaxis] * up, axis=-1)
    return np.asarray(np.minimum(head, apart / polyps.stalk[number]))


def test_a_seed_gives_the_same_again_and_another_seed_another():
    assert colon(1).content_hash == scanned(1).content_hash
    assert scanned(2).content_hash != scanned(1).content_hash
    again = [one.content_hash for one in frames(0, 3)]
    assert again == [one.content_hash for one in pictures()[:3]]
    assert len(set(again)) == 3


def test_a_negative_seed_is_refused():
    for made in (colon, lambda seed: frames(seed, 1)):
        with pytest.raises(HalstedError, match="seed of a phantom is -2"):
            made(-2)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_lumen_is_one_tube_of_gas(seed: int):
    volume, labels = painted(seed)
    lumen = labels.mask("colon_lumen")
    values = volume.voxels[lumen]
    assert np.median(values) < -900.0
    assert np.mean(values < -500.0) > 0.75  # the rest is at the wall, or a little fluid
    pieces = sitk.GetArrayFromImage(
        sitk.ConnectedComponent(sitk.GetImageFromArray(lumen.astype(np.uint8)))
    )
    assert np.bincount(pieces.ravel())[1:].max() > 0.995 * lumen.sum()
    # Nowhere do two loops touch: a point of the lumen belongs to one stretch of the centreline.
    centre = anatomy(seed).lumen.centre
    apart = np.linalg.norm(centre[::8, np.newaxis] - centre[np.newaxis, ::8], axis=-1)
    number = np.arange(len(apart))
    elsewhere = np.abs(np.subtract.outer(number, number)) * 8 > 160
    assert apart[elsewhere].min() > 2.0 * 20.0
    assert 400.0 < labels.volumes_ml["colon_lumen"] < 2500.0


@pytest.mark.parametrize("seed", SEEDS)
def test_gas_is_wrapped_in_wall_and_wall_in_the_body(seed: int):
    labels = painted(seed)[1]
    inner = sitk.GetImageFromArray(labels.mask("colon_lumen", "polyp").astype(np.uint8))
    grown = sitk.GetArrayFromImage(sitk.BinaryDilate(inner, (1, 1, 1), sitk.sitkCross)) > 0
    rim = grown & ~labels.mask("colon_lumen", "polyp")
    assert np.mean(labels.mask("colon_wall")[rim]) > 0.95
    wall_hu = painted(seed)[0].voxels[labels.mask("colon_wall")]
    assert -600.0 < np.median(wall_hu) < 80.0  # partial volume with the gas, at 3 mm


@pytest.mark.parametrize("seed", SEEDS)
def test_polyps_stand_on_the_wall_and_are_in_the_ct(seed: int):
    colon, labels = anatomy(seed), painted(seed)[1]
    for number, paris in enumerate(colon.paris):
        foot = colon.polyps.foot[number]
        near = nearest_index(colon.lumen, foot[0], foot[1], foot[2], int(colon.places[number]))
        off = np.linalg.norm(foot - colon.lumen.centre[near])
        assert off == pytest.approx(colon.lumen.radius[near], rel=0.15)
        rise = np.linalg.norm(colon.polyps.centre[number] - foot)
        high = rise + colon.polyps.radii[number, 2] * (1.0 + colon.polyps.bumps[number, 0])
        assert (high <= FLAT_BELOW_MM + 1e-9) == (paris == "0-IIa")
        assert (colon.polyps.stalk[number] > 0.0) == (paris == "0-Ip")
        if paris != "0-IIa":  # flat ones may be lost at 3 mm
            index = np.rint(
                labels.to_index(colon.polyps.centre[number] + 2.0 * colon.polyps.axes[number, 2])
            )
            z, y, x = index.astype(int)
            assert labels.mask("polyp")[z - 2 : z + 3, y - 2 : y + 3, x - 2 : x + 3].any()


def away_from_gas(grid: Grid, labels: LabelMap, mm: float) -> np.ndarray:
    far = ndimage.distance_transform_edt(~labels.mask("colon_lumen"), sampling=grid.spacing)
    return np.asarray(far >= mm)


def test_polyps_are_solid_soft_tissue_and_end_at_the_wall():
    for seed in (*SEEDS, 5):
        volume, labels = painted(seed, FINE_MM)
        core = volume.voxels[labels.mask("polyp") & away_from_gas(volume, labels, 3.0)]
        assert len(core) > 20
        assert np.median(core) == pytest.approx(WALL_HU, abs=15.0)
        assert np.mean(core < -30.0) < 0.05  # fat around the bowel


def test_folds_are_solid_soft_tissue():
    found = []
    for seed in SEEDS:
        lumen, (volume, _) = anatomy(seed).lumen, painted(seed, FINE_MM)
        for place, angle, _, height, thick in lumen.folds:
            at = int(place)
            if height > 7.0 and thick > 2.5 and 20 < at < len(lumen.centre) - 20:
                out = np.cos(angle) * lumen.normal[at] + np.sin(angle) * lumen.binormal[at]
                foot = lumen.centre[at] + (outline_radius(lumen, place, angle) - 1.0) * out
                found.append(volume.voxels[tuple(np.rint(volume.to_index(foot)).astype(int))])
    assert len(found) > 10
    assert np.median(found) == pytest.approx(WALL_HU, abs=15.0)


def test_scanners_differ_and_show_what_was_painted():
    cores, noise = [], []
    for seed in SEEDS:
        ct, labels = scanned(seed).image, labels_of(scanned(seed))
        assert labels.names.keys() >= {"body", "colon_wall", "colon_lumen", "polyp"}
        assert labels.volumes_ml["colon_lumen"] == pytest.approx(
            painted(seed)[1].volumes_ml["colon_lumen"], rel=0.1
        )
        cores.append(ct.voxels[labels.mask("polyp") & away_from_gas(ct, labels, 3.0)])
        fat = labels.mask("body") & (ct.voxels > -160.0) & (ct.voxels < -40.0)
        noise.append(float(ct.voxels[fat].std()))
    assert np.median(np.concatenate(cores)) == pytest.approx(WALL_HU, abs=15.0)
    assert len({scanned(seed).image.orientation for seed in SEEDS}) > 1
    spacings = [scanned(seed).image.spacing for seed in SEEDS]
    assert np.ptp([one[0] for one in spacings]) > 0.3 and np.ptp([one[2] for one in spacings]) > 0.1
    assert max(noise) > 1.1 * min(noise)


def test_labels_agree_with_the_polyps_on_each_pixels_ray():
    shown = 0
    for seed, number in ((0, 0), (0, 1), (1, 0), (1, 2), (2, 1), (2, 2)):
        colon, seen = anatomy(seed), view(seed, number)
        scene, ways = look(colon, seen), directions(seen)
        hits = seen.eye + scene.far[..., np.newaxis] * ways
        levels = np.stack([level(colon, k, hits) for k in range(len(colon.places))])
        on_polyp = scene.polyp >= 0
        chosen = np.take_along_axis(levels, np.maximum(scene.polyp, 0)[np.newaxis], 0)[0]
        assert np.count_nonzero(np.abs(chosen[on_polyp] - 1.0) > 0.35) <= 0.01 * on_polyp.sum()
        assert (levels[:, ~on_polyp] > 0.85).mean() > 0.999
        # A polyp that the ray passes earlier would have been met.
        earlier = seen.eye + (0.8 * scene.far)[..., np.newaxis] * ways
        passed = np.stack([level(colon, k, earlier) for k in range(len(colon.places))])
        assert (passed.min(axis=0) > 0.9).mean() > 0.99
        shown += on_polyp.sum() > 400
    assert shown >= 3


def share(labels: LabelMap, points: np.ndarray, *wanted: str) -> float:
    """Share of points whose voxel is of one of the structures."""
    index = np.rint(labels.to_index(points)).astype(int).reshape(-1, 3)
    z, y, x = np.clip(index, 0, np.array(labels.shape) - 1).T
    return float(np.isin(labels.voxels[z, y, x], [labels.names[name] for name in wanted]).mean())


def test_pictures_show_the_wall_that_the_ct_has():
    for seed in SEEDS:
        labels, seen = painted(seed)[1], view(seed, 0)
        ways = directions(seen)[::16, ::16]
        far = look(anatomy(seed), seen).far[::16, ::16, np.newaxis]
        beyond, within = seen.eye + (far + 1.5) * ways, seen.eye + np.maximum(far - 4.0, 0.0) * ways
        assert share(labels, beyond, "colon_wall", "polyp") > 0.6  # a wall thinner than a voxel
        assert share(labels, within, "colon_lumen") > 0.8


def test_the_field_is_zero_on_the_wall_and_positive_on_the_centreline():
    colon = anatomy(0)
    for index in range(20, len(colon.lumen.centre) - 20, 40):
        x, y, z = colon.lumen.centre[index]
        free, what = gap(colon.lumen, colon.polyps, x, y, z, index)
        assert 0.0 < free <= colon.lumen.radius[index]
        out = (
            colon.lumen.centre[index] + colon.lumen.normal[index] * colon.lumen.radius[index] * 1.2
        )
        beyond, what = gap(colon.lumen, colon.polyps, out[0], out[1], out[2], index)
        assert beyond < 0.0 or what != WALL


def test_texture_lies_evenly_on_the_blind_end():
    colon = anatomy(3)
    scene, seen = look(colon, view(3, 11)), view(3, 11)
    hits = seen.eye + scene.far[..., np.newaxis] * directions(seen)
    beyond = (hits - colon.lumen.centre[-1]) @ (colon.lumen.centre[-1] - colon.lumen.centre[-2]) > 1
    on_end = ndimage.binary_erosion(beyond & (scene.polyp < 0), iterations=2)
    assert on_end.sum() > 2000
    down, across = np.gradient(hits, axis=(0, 1))
    surface = np.linalg.norm(np.cross(down, across), axis=-1)
    (a, b), (c, d) = np.gradient(scene.along), np.gradient(scene.around)
    stretched = np.abs(a * d - b * c)[on_end] / surface[on_end]
    assert np.mean(stretched > 0.2) > 0.8  # mm2 of texture on each mm2 of mucosa
    assert np.percentile(stretched, 95) < 2.0


def test_more_pictures_than_are_made_are_refused():
    for count in (-1, MOST_FRAMES + 1):
        with pytest.raises(HalstedError, match="ask for up to 1000"):
            frames(0, count)


def test_most_pictures_show_a_polyp_and_some_none():
    shares = np.array([labels_of(one).mask("polyp").mean() for one in pictures()])
    assert 0.05 < np.mean(shares == 0.0) < 0.5
    assert 0.01 < np.median(shares[shares > 0.0]) < 0.25
    for one in pictures():
        assert one.image.shape == labels_of(one).shape == (1, SIZE, SIZE)
        assert one.image.modality == "ES" and not one.image.spacing_known
        assert labels_of(one).names == {"polyp": 1}


@pytest.mark.parametrize("channel", ["red", "green", "blue"])
def test_no_threshold_finds_the_polyps(channel: str):
    shown = [one for one in pictures() if labels_of(one).voxels.any()]
    found = []
    for threshold in range(16, 256, 16):
        for sign in (1, -1):
            each = []
            for one in shown:
                bright = sign * (one.images[channel].voxels.astype(int) - threshold) > 0
                mask = labels_of(one).mask("polyp")
                each.append(2.0 * (bright & mask).sum() / (bright.sum() + mask.sum()))
            found.append(np.mean(each))
    assert max(found) < 0.65
