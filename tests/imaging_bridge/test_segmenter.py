"""Perception that is handed in: the truth, and the truth with an error of known size."""

from __future__ import annotations

import numpy as np
import pytest

from halsted.imaging_bridge import (
    DegradedSegmenter,
    LabelMap,
    OracleSegmenter,
    Segmenter,
    StructureError,
    Volume,
)


@pytest.fixture
def truth():
    """A ball of 12 mm radius on an anisotropic grid."""
    affine = np.zeros((4, 4))
    affine[[2, 1, 0, 3], [0, 1, 2, 3]] = (2.0, 1.0, 1.0, 1.0)
    affine[:3, 3] = (-30.0, -25.0, 10.0)
    voxels = np.zeros((30, 50, 60), np.uint8)
    grid = LabelMap(voxels, affine)
    points = grid.to_patient(np.moveaxis(np.indices(voxels.shape), 0, -1))
    ball = np.linalg.norm(points - (0.0, 0.0, 40.0), axis=-1) < 12.0
    return LabelMap(ball.astype(np.uint8), affine, {"tumour": 1}, "manual")


def _images(truth):
    return {"ct": Volume(np.zeros(truth.shape, np.float32), truth.affine)}


def _centre(labels):
    return labels.to_patient(np.argwhere(labels.mask("tumour"))).mean(axis=0)


def test_oracle_repeats_the_truth(truth):
    seen = OracleSegmenter().segment(_images(truth), truth)
    assert seen.labels is truth
    assert seen.provenance["segmenter"] == "oracle"


@pytest.mark.parametrize("segmenter", [OracleSegmenter(), DegradedSegmenter()])
def test_oracles_need_the_truth(truth, segmenter: Segmenter):
    assert segmenter.is_oracle
    with pytest.raises(StructureError, match="true labels"):
        segmenter.segment(_images(truth), None)


@pytest.mark.parametrize("shift", [(4.0, 0.0, 0.0), (0.0, -6.0, 0.0), (2.0, 3.0, 4.0)])
def test_shift_is_in_the_patient_frame(truth, shift):
    seen = DegradedSegmenter(shift_mm=shift, noise_mm=0.0).segment(_images(truth), truth).labels
    np.testing.assert_allclose(_centre(seen) - _centre(truth), shift, atol=0.3)
    assert seen.same_geometry(truth)
    assert seen.volumes_ml["tumour"] == pytest.approx(truth.volumes_ml["tumour"], rel=0.05)


def test_noise_displaces_borders_and_no_more(truth):
    segmenter = DegradedSegmenter(shift_mm=(0.0, 0.0, 0.0), noise_mm=1.5)
    seen = segmenter.segment(_images(truth), truth).labels
    wrong = seen.mask("tumour") != truth.mask("tumour")
    assert wrong.any()
    points = truth.to_patient(np.argwhere(wrong))
    from_border = np.abs(np.linalg.norm(points - (0.0, 0.0, 40.0), axis=1) - 12.0)
    assert from_border.max() < 6 * 1.5


def test_without_error_it_is_the_truth(truth):
    segmenter = DegradedSegmenter(shift_mm=(0.0, 0.0, 0.0), noise_mm=0.0)
    seen = segmenter.segment(_images(truth), truth).labels
    np.testing.assert_array_equal(seen.voxels, truth.voxels)
    assert seen.provenance == "generated"
    assert seen.names == truth.names


def test_seed_decides(truth):
    first, again, other = (
        DegradedSegmenter(seed=seed).segment(_images(truth), truth) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first.labels.voxels, again.labels.voxels)
    assert (first.labels.voxels != other.labels.voxels).any()
    assert first.provenance == again.provenance != other.provenance
