"""A network as a segmenter: on the right grid, of the right images, and once."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch

from halsted.agents.errors import PerceptionError
from halsted.agents.perception.architectures import ARCHITECTURES, build
from halsted.agents.perception.catalogue import NETWORKS
from halsted.agents.perception.checkpoint import Trained
from halsted.agents.perception.compound import CompoundSegmenter
from halsted.agents.perception.framing import frame, framed_target, onto_original
from halsted.agents.perception.segmenter import NetworkSegmenter
from halsted.imaging_bridge import LabelMap, OracleSegmenter, Segmentation, Volume
from halsted.imaging_bridge.phantoms.thorax_abdomen import STRUCTURES, phantom
from halsted.imaging_bridge.preparation.canonical import reorient
from halsted.imaging_bridge.structures import NAMING_SCHEMES, role_of
from tests.agents.perception.conftest import disc_patient

TRUNK = replace(NETWORKS["trunk"], spacing_mm=6.0, patch=(32, 32, 32), features=(4, 8, 16))


@pytest.fixture(scope="module")
def chest():
    return phantom(3, "lung", spacing_mm=5.0)


@pytest.fixture(scope="module")
def trunk():
    torch.manual_seed(0)
    return NetworkSegmenter(Trained(TRUNK, [build(TRUNK).state_dict()]))


def test_every_structure_of_the_phantom_and_of_the_public_scheme_has_its_class():
    trunk = NETWORKS["trunk"]
    assert {name for name in STRUCTURES if trunk.class_of(name) is None} == set()
    for name in NAMING_SCHEMES["totalsegmentator-v2"]:
        kind = trunk.class_of(name)
        if kind is not None:
            same = {"vessel", "bone", "lung", "lesion"}
            assert role_of(kind) == role_of(name) or role_of(kind) not in same


def test_a_label_map_survives_the_way_to_the_network_and_back(chest):
    target = framed_target(TRUNK, chest.labels)
    framed = frame(TRUNK, chest.images)
    assert target.shape == framed.array.shape[1:]
    value = TRUNK.values["lung"]
    back = onto_original(framed, (target == value).astype(np.float32)) > 0.5
    true = chest.labels.mask("lung_left", "lung_right")
    assert 2 * (back & true).sum() / (back.sum() + true.sum()) > 0.93


def test_a_scan_is_seen_alike_in_whatever_order_its_axes_are_stored(chest, trunk):
    straight = trunk.segment(chest.images, None).labels
    turned = reorient(chest.image, "LAI")
    seen = trunk.segment({"ct": turned}, None).labels
    assert seen.same_geometry(turned)
    assert (reorient(seen).voxels == reorient(straight).voxels).mean() > 0.999


def test_the_grid_of_the_first_image_is_kept_and_confidence_is_one(chest, trunk):
    seen = trunk.segment(chest.images, None)
    assert seen.labels.same_geometry(chest.image)
    assert seen.labels.provenance == "model"
    assert seen.confidence is not None
    assert 1 / 18 <= float(seen.confidence.min()) <= float(seen.confidence.max()) <= 1.0
    assert set(seen.probabilities) == {"lesion"}


def test_an_image_is_looked_at_once(chest, trunk, monkeypatch):
    first = trunk.segment(chest.images, None)
    monkeypatch.setattr(NetworkSegmenter, "_look", lambda *_: pytest.fail("it looked again"))
    again = pickle.loads(pickle.dumps(trunk)).segment(chest.images, None)
    assert (again.labels.voxels == first.labels.voxels).all()


def test_another_network_has_answers_of_its_own(chest, trunk):
    torch.manual_seed(1)
    other = NetworkSegmenter(Trained(TRUNK, [build(TRUNK).state_dict()]))
    first, second = (one.segment(chest.images, None).labels.voxels for one in (trunk, other))
    assert (first != second).any()


def test_images_that_a_network_was_not_made_for_are_refused(chest, trunk):
    magnetic = replace(chest.image, modality="MR", unit="1")
    with pytest.raises(PerceptionError, match="made for CT"):
        trunk.segment({"ct": magnetic}, None)
    with pytest.raises(PerceptionError, match="needs a CT in HU"):
        trunk.segment({"ct": replace(chest.image, unit="1")}, None)
    brain = NETWORKS["brain"]
    with pytest.raises(PerceptionError, match="needs the images t1c, but this patient has t1, t2"):
        frame(brain, {name: magnetic for name in ("t1", "t2")})
    with pytest.raises(PerceptionError, match="looks at pictures"):
        slices = replace(chest.image, modality="ES")
        frame(NETWORKS["polyp"], {name: slices for name in ("red", "green", "blue")})


def test_a_sequence_that_may_be_missing_is_left_out(chest):
    magnetic = replace(chest.image, modality="MR", unit="1")
    framed = frame(NETWORKS["brain"], {"t1c": magnetic})
    assert framed.array.shape[0] == 4
    assert framed.array[0].any() and not framed.array[1:].any()


def test_a_picture_of_any_size_comes_back_in_its_own(trained_discs):
    patient = disc_patient(5)
    large = np.kron(patient.images["red"].voxels[0], np.ones((3, 2), np.uint8))[None]
    affine = patient.images["red"].affine
    seen = NetworkSegmenter(trained_discs[0]).segment({"red": Volume(large, affine, "ES")}, None)
    assert patient.labels is not None
    truth = np.kron(patient.labels.voxels[0], np.ones((3, 2), np.uint8)) > 0
    found = seen.labels.voxels[0] > 0
    assert found.shape == truth.shape
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.75


def test_promises_reach_whoever_is_handed_the_segmenter(trained_discs):
    trained, _ = trained_discs
    seen = NetworkSegmenter(trained).segment(disc_patient(7).images, None)
    assert seen.margins_mm["disc"] == trained.reliability["margins_mm"]["disc"]
    assert seen.volume_factors["disc"] > 1.0
    assert seen.outlier_p is not None and 0.0 < seen.outlier_p <= 1.0


@pytest.mark.parametrize("architecture", [name for name in ARCHITECTURES if name != "densenet"])
def test_every_architecture_sees_volumes_and_pictures(architecture, chest):
    for network in (TRUNK, replace(NETWORKS["polyp"], size=32, patch=(32, 32))):
        chosen = replace(network, architecture=architecture, features=(8, 16, 32))
        with torch.inference_mode():
            shape = (1, chosen.inputs, *chosen.patch)
            assert build(chosen)(torch.zeros(shape)).shape == (1, chosen.outputs, *chosen.patch)


def test_an_unknown_architecture_is_told():
    with pytest.raises(PerceptionError, match="no architecture 'vit'"):
        build(replace(TRUNK, architecture="vit"))


def test_labels_of_lesions_are_cut_out_of_pictures():
    from halsted.agents.perception.diagnosis import cut_out

    image = np.ones((3, 64, 64), np.float32)
    mask = np.zeros((64, 64), bool)
    mask[10:20, 30:40] = True
    alone = cut_out(image, mask)
    assert alone.shape == image.shape
    assert alone[0].mean() == pytest.approx(1 / 1.3**2, rel=0.1)  # a margin of 15 % on each side
    assert (cut_out(image, np.zeros_like(mask)) == image).all()


def test_labels_without_the_class_are_background():
    labels = LabelMap(np.full((2, 2, 2), 3, np.uint8), np.eye(4), {"hat": 3})
    assert not TRUNK.target(labels).any()


def test_a_later_network_is_painted_over_an_earlier_one(chest):
    class Sees:
        is_oracle = False

        def __init__(self, *names: str) -> None:
            self.names = names

        def segment(self, images, truth):
            labels = chest.labels
            kept = {name: labels.names[name] for name in self.names}
            voxels = np.where(labels.mask(*self.names), labels.voxels, 0).astype(np.uint8)
            return Segmentation(LabelMap(voxels, labels.affine, kept, "model"), outlier_p=0.5)

    whole = Sees("body", "lung_left", "lung_right", "heart", "lesion")
    seen = CompoundSegmenter([whole, Sees("lesion")]).segment(chest.images, None)
    assert (seen.labels.mask("lesion") == chest.labels.mask("lesion")).all()
    blind = Sees("heart")
    without = CompoundSegmenter([whole, blind, Sees("liver")]).segment(chest.images, None)
    assert (without.labels.mask("lesion") == chest.labels.mask("lesion")).all()
    elsewhere = Sees("lesion")
    elsewhere.segment = lambda images, truth: Segmentation(  # type: ignore[method-assign]
        LabelMap(np.zeros_like(chest.labels.voxels), chest.labels.affine, {"lesion": 9}, "model")
    )
    missed = CompoundSegmenter([whole, elsewhere]).segment(chest.images, None).labels
    assert not missed.mask("lesion").any()
    host = missed.mask("lung_left", "lung_right") & chest.labels.mask("lesion")
    assert host.sum() > 0.5 * chest.labels.mask("lesion").sum()


def test_an_oracle_is_no_part_of_a_compound():
    with pytest.raises(PerceptionError, match="oracle knows every structure"):
        CompoundSegmenter([OracleSegmenter()])
