"""Made-up lesions: seeded, inside their organ, clear of vessels, and told."""

import numpy as np
import pytest
from numpy.typing import NDArray

from halsted.imaging_bridge import LabelMap, Patient, StructureError, Volume
from halsted.imaging_bridge.cases import prepare_patient
from halsted.imaging_bridge.lesions import with_synthetic_lesion

SHAPE = (36, 40, 44)
AFFINE = np.array([[0, 0, 3, -66], [0, 3, 0, -60], [3, 0, 0, 0], [0, 0, 0, 1.0]])
NAMES = {"body": 1, "liver": 2, "aorta": 3, "spleen": 4}


def patient() -> Patient:
    """A box of liver with a vessel through it, and a sheet of spleen 6 mm thick."""
    voxels = np.ones(SHAPE, np.uint8)
    voxels[4:32, 5:35, 5:30] = 2
    voxels[:, 19:21, 16:18] = 3
    voxels[4:32, 5:35, 36:38] = 4
    image = Volume(np.full(SHAPE, 60.0, np.float32), AFFINE, "CT", "HU")
    return Patient({"ct": image}, LabelMap(voxels, AFFINE, NAMES, "manual"))


def lesion_of(made: Patient) -> NDArray[np.bool_]:
    assert made.labels is not None
    return made.labels.mask("lesion")


def test_the_seed_decides() -> None:
    first, again, other = (with_synthetic_lesion(patient(), "liver", s) for s in (3, 3, 4))
    assert first.content_hash == again.content_hash
    assert (lesion_of(first) != lesion_of(other)).any()


@pytest.mark.parametrize("seed", range(8))
def test_a_lesion_lies_in_its_organ_clear_of_vessels(seed: int) -> None:
    before = patient()
    made = with_synthetic_lesion(before, "liver", seed)
    mask = lesion_of(made)
    assert before.labels is not None
    assert made.labels is not None
    assert (before.labels.voxels[mask] == NAMES["liver"]).all()
    assert (made.labels.voxels[~mask] == before.labels.voxels[~mask]).all()
    volume = made.labels.volumes_ml["lesion"] * 1e3
    assert 4.19 * 6.0**3 * 0.85 < volume < 4.19 * 14.0**3 * 1.15
    own = made.labels.to_patient(np.argwhere(mask))
    vessel = made.labels.to_patient(np.argwhere(before.labels.mask("aorta")))
    apart = np.linalg.norm(own[:, None] - vessel[None], axis=-1)
    assert apart.min() > 5.0 - 3.0  # the clearance less a voxel
    assert made.facts["lesion"].startswith("synthetic")
    assert "liver" in made.facts["lesion"]


def test_the_lesion_is_seen_in_the_image_and_nowhere_else() -> None:
    before = patient()
    made = with_synthetic_lesion(before, "liver", 0)
    mask = lesion_of(made)
    assert made.image.voxels[mask].mean() < 50.0
    changed = made.image.voxels != before.image.voxels
    assert (changed & mask).sum() > 0.95 * mask.sum()
    assert changed.sum() < 2.5 * mask.sum()
    assert (before.image.voxels == 60.0).all()


def test_an_organ_that_is_not_there_is_named() -> None:
    with pytest.raises(StructureError, match=r"'lung'.*liver"):
        with_synthetic_lesion(patient(), "lung", 0)
    with pytest.raises(StructureError, match="liver"):
        with_synthetic_lesion(Patient(patient().images), "liver", 0)


def test_an_organ_too_thin_is_refused() -> None:
    with pytest.raises(StructureError, match="no point of the spleen has room"):
        with_synthetic_lesion(patient(), "spleen", 0)


def test_an_organ_that_is_named_but_empty_is_refused() -> None:
    before = patient().labels
    assert before is not None
    empty = LabelMap(before.voxels, AFFINE, {**NAMES, "kidney_left": 9})
    with pytest.raises(StructureError, match="kidney"):
        with_synthetic_lesion(patient().with_labels(empty), "kidney", 0)


def test_a_target_is_taken_named_or_made_up() -> None:
    before = patient()
    assert before.labels is not None
    made_up = prepare_patient(before, "liver")
    assert made_up.lesion == "lesion"
    assert "lesion" in made_up.patient.facts
    mask = np.zeros(SHAPE, bool)
    mask[10:14, 10:14, 8:12] = True
    one = before.labels.with_structure("liver_tumor", mask)
    drawn = prepare_patient(before.with_labels(one), "liver")
    assert drawn.lesion == "liver_tumor"
    assert "lesion" not in drawn.patient.facts
    two = before.with_labels(one.with_structure("gtv", np.roll(mask, 12, axis=0)))
    with pytest.raises(StructureError, match=r"several lesions.*liver_tumor"):
        prepare_patient(two, "liver")
    assert prepare_patient(two, "liver", "gtv").lesion == "gtv"
    with pytest.raises(StructureError, match=r"'nonsense'.*liver_tumor"):
        prepare_patient(two, "liver", "nonsense")
