"""Label maps, and what the names of structures mean."""

from __future__ import annotations

import numpy as np
import pytest

from halsted.imaging_bridge import LabelMap, StructureError
from halsted.imaging_bridge.structures import NAMING_SCHEMES, ROLES, names_with_role, role_of


@pytest.fixture
def labels():
    voxels = np.zeros((4, 5, 6), np.uint8)
    voxels[0, 0, :3] = 1
    voxels[1, 2, 3] = 9
    return LabelMap(voxels, np.diag([5.0, 2.0, 1.0, 1.0]), {"liver": 1, "cyst": 9}, "manual")


def test_masks(labels):
    assert labels.mask("liver").sum() == 3
    assert labels.mask("liver", "cyst").sum() == 4
    assert not labels.mask().any()
    with pytest.raises(StructureError, match=r"'spleen'.*cyst, liver"):
        labels.mask("spleen")


def test_volumes_are_in_millilitres(labels):
    assert dict(labels.volumes_ml) == {"liver": pytest.approx(0.03), "cyst": pytest.approx(0.01)}


def test_named_but_absent_structure_has_no_volume(labels):
    absent = LabelMap(labels.voxels, labels.affine, {**labels.names, "spleen": 200})
    assert absent.volumes_ml["spleen"] == 0.0


def test_every_value_needs_a_name(labels):
    with pytest.raises(StructureError, match=r"\[9\]"):
        LabelMap(labels.voxels, labels.affine, {"liver": 1})


@pytest.mark.parametrize("dtype", [np.int16, np.float32, np.uint32, bool])
def test_other_types_are_refused(labels, dtype):
    with pytest.raises(StructureError, match="uint8 or uint16"):
        LabelMap(labels.voxels.astype(dtype), labels.affine, labels.names)


def test_adding_a_structure_leaves_the_original(labels):
    mask = np.zeros(labels.shape, bool)
    mask[3] = True
    more = labels.with_structure("spleen", mask, "generated")
    np.testing.assert_array_equal(more.mask("spleen"), mask)
    np.testing.assert_array_equal(more.mask("liver"), labels.mask("liver"))
    assert more.provenance == "generated"
    assert "spleen" not in labels.names
    again = more.with_structure("spleen", ~mask & (more.voxels == 0))
    assert again.names == more.names
    assert again.mask("spleen").sum() > mask.sum()


def test_adding_the_256th_structure_widens_the_voxels(labels):
    full = LabelMap(labels.voxels, labels.affine, {**labels.names, "last": 255})
    mask = np.zeros(labels.shape, bool)
    mask[3, 4, 5] = True
    wide = full.with_structure("one_more", mask)
    assert wide.voxels.dtype == np.uint16
    np.testing.assert_array_equal(wide.mask("one_more"), mask)


def test_hash_covers_names_and_provenance(labels):
    same = LabelMap(labels.voxels.copy(), labels.affine, dict(labels.names), "manual")
    assert same.content_hash == labels.content_hash
    renamed = LabelMap(labels.voxels, labels.affine, {"liver": 9, "cyst": 1}, "manual")
    unknown = LabelMap(labels.voxels, labels.affine, labels.names)
    assert len({labels.content_hash, renamed.content_hash, unknown.content_hash}) == 3


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("liver", "organ"),
        ("kidney_left", "organ"),
        ("Tumor_c40", "lesion"),
        ("GTV1", "lesion"),
        ("liver_lesion", "lesion"),
        ("Portal vein", "vessel"),
        ("inferior_vena_cava", "vessel"),
        ("rib_left_7", "bone"),
        ("vertebrae_T12", "bone"),
        ("lung_upper_lobe_left", "lung"),
        ("BODY", "body"),
        ("External", "body"),
        ("label_3", "other"),
        ("", "other"),
    ],
)
def test_roles(name, role):
    assert role_of(name) == role
    assert role in ROLES


def test_names_with_role_keep_their_order():
    names = ["liver", "aorta", "tumour", "spleen"]
    assert names_with_role(names, "organ", "lesion") == ["liver", "tumour", "spleen"]


def test_totalsegmentator_scheme():
    scheme = NAMING_SCHEMES["totalsegmentator-v2"]
    assert len(scheme) == 117
    assert sorted(scheme.values()) == list(range(1, 118))
    # A few of the published class map, from its start, middle and end
    for name, value in {
        "spleen": 1,
        "liver": 5,
        "colon": 20,
        "vertebrae_L1": 31,
        "heart": 51,
        "aorta": 52,
        "brain": 90,
        "sternum": 116,
        "costal_cartilages": 117,
    }.items():
        assert scheme[name] == value
