"""A phantom head has the sizes of heads, the contrasts of MR, and a tumour that has to be found."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from halsted.imaging_bridge.labels import LabelMap
from halsted.imaging_bridge.patient import Patient
from halsted.imaging_bridge.phantoms.brain import SEQUENCES, Brain, brain, draw_brain, perfect, scan
from halsted.imaging_bridge.phantoms.tissue_mr import (
    TISSUES,
    draw_protocol,
    draw_tissues,
    inversion_recovery,
    nulling_time,
    signals,
    spin_echo,
    with_contrast,
)
from halsted.imaging_bridge.volume import Volume

SEEDS = (0, 1, 5)
ENHANCING = (0, 5)
TUMOUR = ("tumour_core", "tumour_enhancing")
LESION = (*TUMOUR, "oedema")
BRAIN = ("grey_matter", "white_matter", "eloquent_cortex", *LESION)


@cache
def record(seed: int) -> Brain:
    return draw_brain(seed)


@cache
def painted(seed: int) -> tuple[dict[str, Volume], LabelMap]:
    return perfect(record(seed))


@cache
def scanned(seed: int) -> Patient:
    return scan(record(seed), *painted(seed))


def truth(seed: int) -> LabelMap:
    labels = scanned(seed).labels
    assert labels is not None
    return labels


def median(seed: int, sequence: str, *names: str) -> float:
    """Median of the perfect image over the insides of structures."""
    images, labels = painted(seed)
    mask = labels.mask(*names)
    inner = ndimage.binary_erosion(mask)
    return float(np.median(images[sequence].voxels[inner if inner.any() else mask]))


def around(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.asarray(ndimage.binary_dilation(mask) & ~mask)


# Sizes


@pytest.mark.parametrize("seed", SEEDS)
def test_volumes_are_those_of_adults(seed: int) -> None:
    _, labels = painted(seed)
    ml = labels.volumes_ml
    # Allen, Damasio and Grabowski, Am J Phys Anthropol 2002;118(4):341-358: whole brains of
    # 46 adults, 975 to 1499 ml.
    assert 975.0 < sum(ml[name] for name in BRAIN) < 1499.0
    # Typical: cortex and nuclei outweigh white matter or nearly so; ventricles from the slim
    # ones of the young to the wide ones of the old.
    grey = ml["grey_matter"] + ml["eloquent_cortex"]
    white = ml["white_matter"] + ml["oedema"]
    assert 0.75 < grey / white < 1.6
    assert 10.0 < ml["ventricle"] < 90.0
    assert 120.0 < ml["csf"] < 450.0


@pytest.mark.parametrize("seed", SEEDS)
def test_cortex_is_folded(seed: int) -> None:
    _, labels = painted(seed)
    whole = labels.mask(*BRAIN, "ventricle")
    filled = ndimage.binary_closing(whole, iterations=6)
    hull = filled & ~ndimage.binary_erosion(filled)
    cortex = labels.mask("grey_matter", "eloquent_cortex")
    surface = cortex & ndimage.binary_dilation(labels.mask("csf"))
    # About two thirds of the human cortex lie in sulci (Zilles et al., Anat Embryol
    # 1988;179(2):173-179: gyrification index 2.55); voxels of this size lose the narrowest.
    assert surface.sum() > 1.6 * hull.sum()


# Contrasts


@pytest.mark.parametrize("seed", range(12))
def test_healthy_tissues_are_ordered_as_each_sequence_orders_them(seed: int) -> None:
    rng = np.random.default_rng(seed)
    of = signals(draw_tissues(rng), draw_protocol(rng))
    csf, grey, white = of["csf"], of["grey_matter"], of["white_matter"]
    assert white["t1"] > grey["t1"] > csf["t1"]
    assert csf["t2"] > grey["t2"] > white["t2"]
    assert csf["flair"] < 0.25 * min(grey["flair"], white["flair"])
    assert of["oedema"]["flair"] > 1.2 * max(grey["flair"], white["flair"])
    assert of["enhancing"]["t1c"] > 1.3 * white["t1c"]
    assert of["fat"]["t1"] > white["t1"]
    assert of["blood"]["t1c"] > 2.0 * of["blood"]["t1"]


@pytest.mark.parametrize("seed", SEEDS)
def test_painted_tissues_are_ordered_so_too(seed: int) -> None:
    grey, white, fluid = "grey_matter", "white_matter", "ventricle"
    assert median(seed, "t1", white) > median(seed, "t1", grey) > median(seed, "t1", fluid)
    assert median(seed, "t2", fluid) > median(seed, "t2", grey) > median(seed, "t2", white)
    assert median(seed, "flair", fluid) < 0.3 * median(seed, "flair", white)
    assert median(seed, "flair", "oedema") > 1.15 * median(seed, "flair", white)


@pytest.mark.parametrize("seed", ENHANCING)
def test_contrast_agent_lights_the_rim_alone(seed: int) -> None:
    rim, core = (median(seed, "t1c", name) for name in ("tumour_enhancing", "tumour_core"))
    assert rim > 1.3 * median(seed, "t1c", "white_matter") and rim > 1.3 * core
    gain = rim / median(seed, "t1", "tumour_enhancing")
    assert gain > 1.3
    assert median(seed, "t1c", "white_matter") / median(seed, "t1", "white_matter") < 1.1


def test_signals_follow_the_equations() -> None:
    csf = TISSUES["csf"]
    assert inversion_recovery(csf, 9000.0, 100.0, nulling_time(csf, 9000.0)) == pytest.approx(0.0)
    long = spin_echo(csf, 1e6, 0.0)
    assert long == pytest.approx(csf.density)
    # T1 of enhancing glioblastoma falls by 838 (SD 210) ms, of oedema by 123 (SD 74) ms.
    for name, low, high in (("enhancing", 628.0, 1048.0), ("oedema", 49.0, 197.0)):
        tissue = TISSUES[name]
        assert low < tissue.t1_ms - with_contrast(tissue).t1_ms < high


# The tumour


@pytest.mark.parametrize("seed", ENHANCING)
def test_the_rim_encloses_the_core(seed: int) -> None:
    _, labels = painted(seed)
    shell = around(labels.mask("tumour_core"))
    assert labels.mask("tumour_enhancing")[shell].mean() > 0.98


def test_tumours_without_enhancement_occur_and_have_oedema_too() -> None:
    bare = [seed for seed in range(24) if record(seed).glioma.rim_mm == 0.0]
    assert 2 <= len(bare) <= 12
    ml = painted(1)[1].volumes_ml
    assert record(1).glioma.rim_mm == 0.0 and ml["tumour_enhancing"] == 0.0
    assert ml["tumour_core"] > 1.0 and ml["oedema"] > 1.0
    assert scanned(1).facts["tumour"] == "non-enhancing glioma"


@pytest.mark.parametrize("seed", SEEDS)
def test_the_tumour_lies_inside_the_brain(seed: int) -> None:
    _, labels = painted(seed)
    tumour = labels.mask(*TUMOUR)
    inside = labels.mask(*BRAIN, "ventricle", "csf", "vessel")
    assert inside[around(tumour)].all()
    assert (
        labels.mask("skull", "scalp")[ndimage.binary_dilation(tumour, iterations=2)].mean() < 0.01
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_oedema_follows_white_matter(seed: int) -> None:
    """Close to the tumour white matter is mostly wet, and cortex is not."""
    _, labels = painted(seed)
    apart = ndimage.distance_transform_edt(~labels.mask(*TUMOUR), sampling=labels.spacing)
    near = (apart > 0) & (apart < 0.6 * record(seed).glioma.oedema_mm)
    wet, dry = labels.mask("oedema") & near, labels.mask("white_matter") & near
    assert wet.sum() > dry.sum()
    assert labels.mask("grey_matter", "eloquent_cortex")[near].sum() > 50


def test_no_threshold_on_one_sequence_finds_the_lesion() -> None:
    for sequence in SEQUENCES:
        best = []
        for seed in SEEDS:
            image, lesion = scanned(seed).images[sequence].voxels, truth(seed).mask(*LESION)
            levels = np.quantile(image, np.linspace(0.5, 0.999, 40))
            best.append(max(_dice(image > level, lesion) for level in levels))
        assert np.mean(best) < 0.65, sequence


def _dice(found: NDArray[np.bool_], true: NDArray[np.bool_]) -> float:
    return float(2.0 * (found & true).sum() / (found.sum() + true.sum()))


# The patient


@pytest.mark.parametrize("seed", SEEDS)
def test_four_sequences_lie_on_one_grid_where_the_head_lay(seed: int) -> None:
    patient, labels = scanned(seed), truth(seed)
    assert tuple(patient.images) == SEQUENCES
    assert all(image.same_geometry(labels, 1e-9) for image in patient.images.values())
    assert {image.modality for image in patient.images.values()} == {"MR"}
    for name in ("ventricle", "tumour_core", "eloquent_cortex"):
        before, after = (
            one.to_patient(np.argwhere(one.mask(name))).mean(axis=0)
            for one in (painted(seed)[1], labels)
        )
        np.testing.assert_allclose(after, before, atol=1.5)


def test_a_seed_gives_the_same_voxels_and_another_gives_others() -> None:
    assert brain(1).content_hash == scanned(1).content_hash != scanned(0).content_hash
    assert len({scanned(seed).image.orientation for seed in SEEDS}) > 1
