"""Every real image with a truth as the network that looks at it sees it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from halsted.agents.perception.apnea import MINUTE
from halsted.agents.perception.catalogue import network_named
from halsted.agents.perception.examples import Example, Source, example_of
from halsted.agents.perception.making import data_sources
from halsted.agents.perception.specification import CLASS_UNKNOWN
from halsted.imaging_bridge import Patient
from halsted.imaging_bridge.formats.masks import read_instances
from halsted.imaging_bridge.formats.photographs import read_photograph
from halsted.imaging_bridge.formats.volumes import read_labels, read_volume


def _from_folder(network: str, folder: Path) -> dict[str, Example]:
    sources = data_sources([folder])
    return {one.name: example_of(network_named(network), one) for one in sources}


def _loaded(network: str, load: Callable[[], Patient]) -> Example:
    return example_of(network_named(network), Source("case", "case", load))


def _present(network: str, example: Example) -> set[str]:
    """Names of the classes that a truth holds."""
    values = {value: name for name, value in network_named(network).values.items()}
    return {values[int(one)] for one in np.unique(example.target) if one}


def _litres(network: str, example: Example, name: str) -> float:
    spec = network_named(network)
    voxels = int((example.target == spec.values[name]).sum())
    return voxels * spec.spacing_mm**3 / 1e6


def test_the_brain_tumour_is_seen_where_it_enhances(data_folder):
    def load() -> Patient:
        image = read_volume(data_folder / "brain_tumour/brain1_image.nrrd")
        path = data_folder / "brain_tumour/brain1_label.nrrd"
        return Patient({"t1c": image}, read_labels(path, {"tumour_enhancing": 1}))

    example = _loaded("brain", load)
    assert example.image.shape == (4, 81, 100, 100)  # 162.5 x 200 x 200 mm in voxels of 2 mm
    assert not example.image[1:].any()  # the sequences that this patient lacks
    assert _present("brain", example) == {"tumour_enhancing"}
    voxel_ml = 0.78125**2 * 6.5 / 1000.0
    assert _litres("brain", example, "tumour_enhancing") * 1000 == pytest.approx(
        4137 * voxel_ml, rel=0.1
    )
    enhanced = example.image[0][example.target > 0].mean()
    assert enhanced > np.median(example.image[0][example.image[0] > -1.0])


def test_the_lung_tumour_has_the_volume_that_was_outlined(data_folder):
    (example,) = _from_folder("trunk", data_folder / "lung_nodule").values()
    assert len(example.image) == 2
    assert _present("trunk", example) == {"lesion"}
    assert _litres("trunk", example, "lesion") == pytest.approx(0.0676, rel=0.05)


def test_the_abdomens_organs_have_human_sizes(data_folder):
    def load() -> Patient:
        image = read_volume(data_folder / "abdomen_organs/example_ct_sm.nii.gz")
        path = data_folder / "abdomen_organs/example_seg.nii.gz"
        return Patient({"ct": image}, read_labels(path, "totalsegmentator-v2", "model"))

    example = _loaded("trunk", load)
    assert example.image.shape == (2, 30, 101, 122)  # 9 cm of the upper abdomen
    assert {"liver", "spleen", "kidney", "stomach", "colon", "bone"} <= _present("trunk", example)
    assert 0.8 < _litres("trunk", example, "liver") < 2.5
    assert 0.15 < _litres("trunk", example, "kidney") < 0.6
    soft = example.image[1][example.target == network_named("trunk").values["liver"]]
    assert -1.0 < np.median(soft) < 1.0  # between -60 and 180 HU


@pytest.mark.parametrize(
    ("network", "folder", "cases", "thing"),
    [
        ("polyp", "colon_polyp/kvasir", 3, "polyp"),
        ("skin-lesion", "skin_lesion", 1, "lesion"),
        ("arm-ring", "endoscopy", 1, "arm"),
    ],
)
def test_pictures_come_to_a_square_with_their_mask(data_folder, network, folder, cases, thing):
    examples = _from_folder(network, data_folder / folder)
    spec = network_named(network)
    assert len(examples) == cases
    for example in examples.values():
        assert example.image.shape == (len(spec.channels), spec.size, spec.size)
        assert _present(network, example) == {thing}
        assert 0.005 < (example.target > 0).mean() < 0.6
        assert example.image[:3].std() > 0.2


def test_the_instrument_keeps_its_share_of_the_frame_and_no_depth(data_folder):
    (example,) = _from_folder("arm-ring", data_folder / "endoscopy").values()
    assert (example.target > 0).mean() == pytest.approx(25_443 / 512**2, rel=0.02)
    assert not example.image[3].any()


def test_nuclei_are_counted_and_their_classes_unknown(data_folder):
    examples = _from_folder("nuclei", data_folder / "microscopy_nuclei")
    assert len(examples) == 4
    for name, example in examples.items():
        masks = list((data_folder / "microscopy_nuclei" / name / "masks").glob("*.png"))
        assert int(example.instances.max()) == len(np.unique(example.instances)) - 1 == len(masks)
        assert set(np.unique(example.target)) == {0, CLASS_UNKNOWN}
        assert ((example.target > 0) == (example.instances > 0)).all()


def test_a_grey_fluorescence_picture_is_seen_in_colours(data_folder):
    def load() -> Patient:
        image = read_photograph(data_folder / "microscopy_nuclei/img2d.tif", modality="GM")
        path = data_folder / "microscopy_nuclei/mask2d.tif"
        return Patient(image, read_instances(path, "nucleus", image))

    example = _loaded("nuclei", load)
    assert example.image.shape == (3, 512, 512)
    assert len(np.unique(example.instances)) - 1 == 125
    inside = example.instances > 0
    assert example.image[0][inside].mean() > example.image[0][~inside].mean() + 0.5


def test_the_real_night_has_its_420_minutes_of_apnoea(data_folder):
    (example,) = _from_folder("apnea", data_folder / "ecg_apnea").values()
    assert example.image.shape == (2, 528 * MINUTE)
    assert int((example.target[::MINUTE] > 0).sum()) == 420
    assert not example.image[1].any()  # beats alone tell nothing of breathing
