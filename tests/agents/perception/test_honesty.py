"""Calibration, conformal bounds and outliers, held against known answers and peers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from crepes import ConformalRegressor
from monai.metrics.rocauc import compute_roc_auc
from numpy.typing import NDArray

from halsted.agents.perception.calibration import (
    error_auroc,
    expected_calibration_error,
    fit_temperature,
    near_boundary,
)
from halsted.agents.perception.conformal import (
    boundary_error_mm,
    conformal_quantile,
    p_value,
    volume_error,
)
from halsted.agents.perception.evaluation import evaluate_network
from halsted.agents.perception.inference import mean_logits, probabilities
from halsted.agents.perception.reliability import calibrated
from halsted.agents.perception.segmenter import NetworkSegmenter
from tests.agents.perception.conftest import DISCS, disc_example, disc_examples, disc_patient


def _ball(radius: float) -> NDArray[np.bool_]:
    z, y, x = np.mgrid[-20:21, -20:21, -20:21]
    return np.asarray(np.sqrt(z**2 + y**2 + x**2) <= radius)


def test_the_temperature_undoes_too_much_confidence():
    rng = np.random.default_rng(0)
    honest = rng.normal(0.0, 2.0, (20_000, 3))
    odds = torch.softmax(torch.from_numpy(honest), dim=1).numpy()
    true = np.array([rng.choice(3, p=row) for row in odds])
    assert fit_temperature((3.0 * honest).astype(np.float32), true) == pytest.approx(3.0, rel=0.05)


def test_the_calibration_error_is_the_share_by_which_confidence_lies():
    confidence = np.array([0.9] * 100 + [0.6] * 100)
    correct = np.array([True] * 70 + [False] * 30 + [True] * 60 + [False] * 40)
    assert expected_calibration_error(confidence, correct) == pytest.approx(0.5 * 0.2, abs=1e-6)


def test_the_area_under_the_curve_is_a_peers():
    rng = np.random.default_rng(1)
    wrong = rng.random(500) < 0.3
    doubt = np.round(rng.normal(size=500) + wrong, 1)  # with ties
    peer = compute_roc_auc(torch.from_numpy(doubt), torch.from_numpy(wrong.astype(int)))
    assert error_auroc(doubt, wrong) == pytest.approx(peer, abs=1e-9)


def test_voxels_near_a_boundary_lie_near_it():
    near = near_boundary(_ball(10.0).astype(np.uint8), 1.0, 3.0)
    z, y, x = np.nonzero(near)
    distance = np.abs(np.sqrt((z - 20.0) ** 2 + (y - 20.0) ** 2 + (x - 20.0) ** 2) - 10.0)
    assert distance.max() < 3.6
    assert near[20, 20, 29] and not near[20, 20, 20]


def test_within_five_millimetres_of_a_plane_are_two_layers_of_three_on_each_side():
    halves = np.zeros((12, 12, 12), np.uint8)
    halves[6:] = 1
    near = near_boundary(halves, 3.0, 5.0)  # centres lie 1.5, 4.5 and 7.5 mm from the face
    assert [int(layer.all()) for layer in near] == [0] * 4 + [1] * 4 + [0] * 4
    assert near.sum() == 4 * 144


def test_a_temperature_is_no_wild_guess():
    sure = np.array([[9.0, -9.0], [-9.0, 9.0]] * 20, np.float32)
    assert fit_temperature(sure, np.array([0, 1] * 20)) == pytest.approx(0.2, rel=0.05)


def test_too_few_cases_leave_their_promises_out(trained_discs):
    trained, _ = trained_discs
    few = calibrated(trained, disc_examples(200, 4), disc_examples(300, 7)).reliability
    assert "outliers" not in few
    assert few["margins_mm"] == {"disc": None}
    assert few["temperature"] != 1.0
    fewer = calibrated(trained, disc_examples(200, 4), disc_examples(300, 3)).reliability
    assert fewer["temperature"] == 1.0


def test_a_structure_without_a_promise_is_given_the_most_room(trained_discs):
    trained, _ = trained_discs
    told = {**trained.reliability, "margins_mm": {"disc": None, "square": 4.0}}
    seen = NetworkSegmenter(replace(trained, reliability=told)).segment(
        disc_patient(1).images, None
    )
    assert seen.margins_mm == {"disc": 4.0, "square": 4.0}
    sampled = NetworkSegmenter(trained, samples=2).segment(disc_patient(1).images, None)
    assert not sampled.margins_mm  # it was calibrated without


def test_cases_that_were_trained_on_are_told(trained_discs):
    trained, _ = trained_discs
    known = disc_examples(0, 3)
    told = replace(trained, facts={**trained.facts, "real_cases": [one.digest for one in known]})
    assert evaluate_network(told, [*known, *disc_examples(900, 2)])["seen_in_training"] == 3


def test_the_boundary_error_of_a_ball_seen_too_small_is_what_it_lacks():
    assert boundary_error_mm(_ball(8.0), _ball(12.0), 1.0) == pytest.approx(4.0, abs=0.6)
    assert boundary_error_mm(_ball(8.0), _ball(12.0), 2.0) == pytest.approx(8.0, abs=1.2)
    assert boundary_error_mm(_ball(12.0), _ball(8.0), 1.0) == 0.0
    assert boundary_error_mm(np.zeros_like(_ball(1.0)), _ball(8.0), 1.0) == np.inf


def test_the_volume_error_is_the_logarithm_of_the_ratio():
    seen, true = _ball(8.0), _ball(10.0)
    assert volume_error(seen, true) == pytest.approx(np.log(true.sum() / seen.sum()))
    assert volume_error(seen, true) == pytest.approx(volume_error(true, seen))


def test_the_conformal_quantile_is_a_peers():
    rng = np.random.default_rng(2)
    residuals = np.abs(rng.normal(size=95))
    peer = ConformalRegressor().fit(residuals)
    interval = peer.predict_int(np.zeros(1), confidence=0.9)
    assert conformal_quantile(residuals.tolist(), 0.9) == pytest.approx(interval[0, 1])


def test_conformal_bounds_hold_as_often_as_they_say():
    rng = np.random.default_rng(3)
    held = []
    for _ in range(400):
        scores = rng.gamma(2.0, size=60)
        held.append(scores[30:] <= conformal_quantile(scores[:30].tolist(), 0.9))
    # With 30 cases the bound is the 28th score, which holds in 28 of 31 cases.
    assert np.mean(held) == pytest.approx(28 / 31, abs=0.01)


def test_too_few_cases_promise_nothing():
    assert conformal_quantile([1.0] * 8, 0.9) == np.inf
    assert conformal_quantile([1.0] * 9, 0.9) == 1.0


def test_p_values_are_uniform_for_cases_alike():
    rng = np.random.default_rng(4)
    values = [p_value(float(rng.normal()), rng.normal(size=19).tolist()) for _ in range(2000)]
    assert np.mean(np.array(values) <= 0.05) == pytest.approx(0.05, abs=0.015)


def test_calibration_makes_the_network_honest(trained_discs):
    trained, _ = trained_discs
    told = evaluate_network(trained, disc_examples(2000, 30))
    honesty = told["honesty_near_boundary"]
    assert honesty["calibrated"]["ece"] < 0.05
    assert honesty["calibrated"]["entropy_error_auroc"] > 0.7
    assert told["margins_held"]["disc"] > 0.75
    assert told["strange_cases"] < 0.2


def test_strange_pictures_are_told(trained_discs):
    trained, _ = trained_discs
    dark = [disc_example(number, brightness=-60.0) for number in range(8)]
    assert evaluate_network(trained, dark)["strange_cases"] == 1.0


def test_monte_carlo_dropout_doubts_more_and_still_sees(trained_discs):
    trained, _ = trained_discs
    examples = disc_examples(3000, 20)
    still, sampled = (evaluate_network(trained, examples, samples=count) for count in (0, 4))
    assert sampled["classes"]["disc"]["dice"] > 0.8
    assert sampled["honesty_near_boundary"]["raw"] != still["honesty_near_boundary"]["raw"]


def test_bounds_hold_where_scores_tie(trained_discs):
    """Boundary errors are a few numbers only, so that a bound rounded down would hold for none."""
    trained, _ = trained_discs
    held_back = disc_examples(300, 40)
    bound = calibrated(trained, disc_examples(200, 4), held_back).reliability["margins_mm"]["disc"]
    errors = []
    for one in held_back:
        seen = probabilities(DISCS, mean_logits(DISCS, trained.modules(), one.image)).argmax(axis=0)
        errors.append(boundary_error_mm(seen == 1, np.asarray(one.target) == 1, 1.0))
    assert np.mean(np.array(errors) <= bound) >= 0.9
