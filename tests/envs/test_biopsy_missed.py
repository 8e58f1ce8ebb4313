"""What a biopsy makes of a segmenter that errs: misses, margins and false lesions."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import gymnasium as gym
import numpy as np
import pytest

from halsted.envs.errors import EnvironmentOptionError
from halsted.envs.surgery.biopsy_patients import touching
from halsted.imaging_bridge import LabelMap, Segmentation
from halsted.imaging_bridge.cases import PhantomCase
from halsted.robot.anatomy import BONE, LESION, LUNG, VESSEL, anatomy_of


@dataclass(frozen=True)
class Errs:
    """The truth with a named structure taken for another, and margins.

    Attributes:
        taken_for: By structure, what it is taken for; None for background.
        margins_mm: What is promised.
    """

    taken_for: dict[str, str | None] = field(default_factory=dict)
    margins_mm: dict[str, float] = field(default_factory=dict)
    is_oracle: bool = True

    def segment(self, images, truth):
        voxels = truth.voxels.copy()
        for name, other in self.taken_for.items():
            voxels[truth.mask(name)] = 0 if other is None else truth.names[other]
        names = {name: value for name, value in truth.names.items() if name not in self.taken_for}
        return Segmentation(
            LabelMap(voxels, truth.affine, names, "model"), margins_mm=self.margins_mm
        )


def _env(segmenter, organ="lung"):
    case = PhantomCase(1001, organ)
    return gym.make("halsted/NeedleBiopsyGoal-v0", patient=case, organ=organ, segmenter=segmenter)


def test_nobody_begins_where_the_lesion_was_missed():
    with _env(Errs({"lesion": "lung_right"})) as env:
        _, info = env.reset(seed=0)
        assert info["lesion_missed"]
        _, reward, terminated, truncated, info = env.step(env.action_space.sample())
        assert (terminated, truncated) == (True, False)
        assert not info["is_success"] and info["lesion_missed"]
        assert reward <= -1.0


def test_a_lesion_that_is_seen_is_not_missed():
    with _env(Errs({"trachea": "body"})) as env:
        _, info = env.reset(seed=0)
        assert not info["lesion_missed"]
        assert not env.step(np.zeros(5, np.float32))[2]


def test_what_is_taken_for_a_lesion_elsewhere_is_not_the_target():
    with _env(Errs({"gallbladder": "lesion"})) as env, _env(None) as true:
        env.reset(seed=0)
        true.reset(seed=0)
        seen, truth = env.unwrapped.patient.seen, true.unwrapped.patient.truth
        assert np.allclose(seen.target_in_patient, truth.target_in_patient)


def test_a_segmenter_that_sees_no_body_is_refused():
    class Blind(Errs):
        def segment(self, images, truth):
            return Segmentation(replace(truth, voxels=np.zeros_like(truth.voxels), names={}))

    with _env(Blind()) as env, pytest.raises(EnvironmentOptionError, match="needs the body"):
        env.reset(seed=0)


def test_hazards_grow_by_the_margins_that_are_promised():
    prepared = PhantomCase(1001, "lung").prepare()
    margins = {"aorta": 6.0, "rib_right_5": 3.0}
    plain = anatomy_of(prepared.patient, "lesion", "lung")
    wide = anatomy_of(prepared.patient, "lesion", "lung", margins)
    labels = prepared.patient.labels
    assert labels is not None
    for field_number, name, margin in ((VESSEL, "aorta", 6.0), (BONE, "rib_right_5", 3.0)):
        inside = labels.to_patient(np.argwhere(labels.mask(name))[::50])
        index = np.rint((inside - wide.affine[:3, 3]) @ np.linalg.inv(wide.affine[:3, :3]).T)
        place = tuple(index.astype(int).T)
        grown = plain.fields[place][:, field_number] - wide.fields[place][:, field_number]
        assert grown.max() == pytest.approx(100.0 * margin, abs=1.0)
        assert grown.min() >= -1.0
    for untouched in (LESION, LUNG):
        assert (plain.fields[..., untouched] == wide.fields[..., untouched]).all()


def test_the_environment_hands_the_margins_on():
    with _env(Errs({}, {"aorta": 6.0})) as env, _env(None) as plain:
        env.reset(seed=0)
        plain.reset(seed=0)
        wide, true = env.unwrapped.patient.seen, plain.unwrapped.patient.seen
        assert (wide.fields[..., VESSEL] < true.fields[..., VESSEL]).any()
        assert (env.unwrapped.patient.truth.fields == true.fields).all()


def test_only_the_parts_that_touch_are_taken():
    parts = np.zeros((1, 5, 9), bool)
    parts[0, 1:4, 1:3] = parts[0, 1:4, 5:8] = True
    other = np.zeros_like(parts)
    other[0, 2, 6] = True
    kept = touching(parts, other)
    assert kept[0, 1:4, 5:8].all() and kept.sum() == 9
