"""What a CT gives away by its numbers: body, lungs, bone and mediastinum."""

import numpy as np
import pytest
from numpy.typing import NDArray

from halsted.imaging_bridge import LabelMap, Patient, StructureError, Volume
from halsted.imaging_bridge.derived import body_mask, with_derived_structures

SHAPE = (40, 70, 90)  # (z, y, x) at 4 mm
AFFINE = np.array([[0, 0, 4, -178], [0, 4, 0, -138], [4, 0, 0, 0], [0, 0, 0, 1.0]])


def parts() -> dict[str, NDArray[np.bool_]]:
    """Voxels of an elliptic trunk, two lungs, a rib, and a couch 8 mm below the back."""
    z, y, x = np.indices(SHAPE)
    left, back = x * 4.0 - 178, y * 4.0 - 138
    body = (left / 150) ** 2 + (back / 100) ** 2 < 1
    lungs = {
        side: ((left - sign * 80) / 45) ** 2 + (back / 65) ** 2 + ((z - 20) * 4 / 60) ** 2 < 1
        for side, sign in (("left", 1), ("right", -1))
    }
    rib = body & (np.abs(left) < 60) & (np.abs(back + 82) < 6) & (np.abs(z - 20) < 3)
    couch = (np.abs(back - 114) < 5) & (np.abs(left) < 170)
    return {"body": body, "rib": rib, "couch": couch, **lungs}


def ct() -> Volume:
    found = parts()
    voxels = np.full(SHAPE, -1000.0, np.float32)
    voxels[found["couch"]] = 100.0
    voxels[found["body"]] = 40.0
    voxels[found["left"] | found["right"]] = -800.0
    voxels[found["rib"]] = 600.0
    return Volume(voxels, AFFINE, "CT", "HU")


def overlap(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Dice's coefficient."""
    return 2.0 * float((one & other).sum()) / float(one.sum() + other.sum())


def derived(labels: LabelMap | None = None) -> tuple[Patient, LabelMap]:
    patient = with_derived_structures(Patient({"ct": ct()}, labels))
    assert patient.labels is not None
    return patient, patient.labels


def test_the_couch_is_no_part_of_the_body() -> None:
    found, mask = parts(), body_mask(ct())
    assert not (mask & found["couch"]).any()
    assert overlap(mask, found["body"]) > 0.98
    assert mask[found["left"]].all()  # filled, lungs and all


def test_lungs_bone_and_what_lies_between_are_found() -> None:
    patient, labels = derived()
    found = parts()
    assert set(labels.names) == {"lung", "bone", "mediastinum", "body"}
    assert overlap(labels.mask("lung"), found["left"] | found["right"]) > 0.95
    assert overlap(labels.mask("bone"), found["rib"]) > 0.95
    between = labels.mask("mediastinum")
    assert between[20, 34, 44]  # the very middle
    assert not (between & (found["left"] | found["right"])).any()
    assert overlap(labels.voxels > 0, found["body"]) > 0.98
    for name in ("lung", "bone", "mediastinum", "body"):
        assert name in patient.facts["derived"]


def test_given_labels_are_never_overwritten() -> None:
    voxels = np.zeros(SHAPE, np.uint8)
    voxels[15:25, 25:45, 20:30] = 7  # a tumour within the right lung and beyond
    voxels[parts()["rib"]] = 9
    given = LabelMap(voxels, AFFINE, {"lung_nodule": 7, "rib_left_5": 9}, "manual")
    patient, labels = derived(given)
    assert (labels.voxels[voxels > 0] == voxels[voxels > 0]).all()
    assert labels.names["lung_nodule"] == 7
    assert "bone" not in labels.names  # all of it was drawn
    assert "bone" not in patient.facts["derived"]
    assert labels.provenance == "manual"


def test_the_body_is_derived_beside_given_organs_only_where_it_lacks() -> None:
    drawn = LabelMap(parts()["body"].astype(np.uint8), AFFINE, {"body": 1}, "manual")
    patient, labels = derived(drawn)
    assert labels.names == {"body": 1}
    assert "derived" not in patient.facts


def test_an_mr_without_a_body_is_refused_and_with_one_is_left_alone() -> None:
    image = Volume(np.ones(SHAPE, np.float32), AFFINE, "MR", "1")
    with pytest.raises(StructureError, match="'body'"):
        with_derived_structures(Patient({"mr": image}))
    body = LabelMap(parts()["body"].astype(np.uint8), AFFINE, {"body": 1}, "manual")
    patient = Patient({"mr": image}, body)
    assert with_derived_structures(patient) is patient


def test_a_ct_of_air_is_refused() -> None:
    air = Volume(np.full(SHAPE, -1000.0, np.float32), AFFINE, "CT", "HU")
    with pytest.raises(StructureError, match="no body"):
        with_derived_structures(Patient({"ct": air}))
