"""Every kind of phantom is a patient with its truth, under the name that it has."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from halsted.imaging_bridge.errors import HalstedError
from halsted.imaging_bridge.patient import Patient
from halsted.imaging_bridge.phantoms.brain import brain
from halsted.imaging_bridge.phantoms.colon import colon
from halsted.imaging_bridge.phantoms.kinds import KINDS, make_phantom, what_it_gives
from halsted.imaging_bridge.phantoms.skin import skin
from halsted.imaging_bridge.phantoms.sleep import sleep
from halsted.imaging_bridge.phantoms.slide import slide
from halsted.imaging_bridge.phantoms.spine import spine
from halsted.imaging_bridge.phantoms.thorax_abdomen import phantom
from halsted.imaging_bridge.phantoms.trunk_scans import abdomen, thorax
from halsted.imaging_bridge.phantoms.vessels import vessels

IMAGES = {
    "brain": ["t1c", "t1", "t2", "flair"],
    "thorax": ["ct"],
    "abdomen": ["ct"],
    "colon": ["ct"],
    "spine": ["ct"],
    "vessels": ["ct"],
    "skin": ["red", "green", "blue", "depth"],
    "slide": ["red", "green", "blue"],
    "sleep": [],
}
TRUTH = {
    "brain": {"tumour_core", "oedema", "white_matter", "grey_matter", "csf"},
    "thorax": {"lesion", "lung_left"},
    "abdomen": {"lesion", "liver"},
    "colon": {"colon_wall", "colon_lumen", "polyp"},
    "spine": {"vertebrae_L5", "vertebrae_L4", "spinal_cord"},
    "vessels": {"vessel"},
    "skin": {"lesion"},
}


def test_the_kinds_are_those_that_are_promised() -> None:
    assert list(KINDS) == list(IMAGES)
    assert list(what_it_gives()) == list(KINDS)


@pytest.mark.parametrize("kind", IMAGES)
def test_a_kind_has_its_images_and_truth(kind: str) -> None:
    patient = make_phantom(kind, 1)
    assert list(patient.images) == IMAGES[kind]
    assert patient.kind == "phantom"
    assert (patient.facts["phantom"], patient.facts["seed"]) == (kind, "1")
    if kind == "sleep":
        assert patient.recording is not None
        assert {"ECG", "airflow", "SpO2"} <= set(patient.recording.signals)
        assert {"qrs", "apn"} <= set(patient.recording.annotations)
        assert set(patient.recording.annotations["apn"].symbols) == {"A", "N"}
        return
    labels = patient.labels
    assert labels is not None
    assert labels.provenance == "generated"
    assert all(labels.volumes_ml[name] > 0 for name in TRUTH.get(kind, ()))


def test_an_unknown_kind_names_those_that_there_are() -> None:
    with pytest.raises(HalstedError, match=r"'lung'.*brain, thorax, abdomen"):
        make_phantom("lung", 0)


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(HalstedError, match="seed of a phantom is -3"):
        make_phantom("thorax", -3)


@pytest.mark.parametrize(
    "make", [brain, thorax, abdomen, colon, spine, vessels, skin, slide, sleep, phantom]
)
def test_every_phantom_refuses_a_negative_seed_itself(make: Callable[[int], Patient]) -> None:
    with pytest.raises(HalstedError, match="seed of a phantom is -1; pass a whole number"):
        make(-1)


def test_the_list_of_kinds_imports_no_phantom() -> None:
    program = (
        "import sys; from halsted.imaging_bridge.phantoms import kinds; "
        f"made = {sorted(KINDS.keys() - {'abdomen'})!r} + ['trunk_scans', 'scanner']; "
        "print([one for one in sys.modules if one.rpartition('.phantoms.')[2] in made])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"
