"""Our summaries against rliable's and published intervals."""

import numpy as np
import pytest

from halsted.agents.statistics import (
    bootstrap_interval,
    interquartile_mean,
    summarise,
    wilson_interval,
)


@pytest.mark.parametrize("runs", [3, 4, 7, 10])
def test_interquartile_mean_is_rliables(runs: int) -> None:
    from rliable import metrics

    scores = np.random.default_rng(runs).normal(size=(runs, 5))
    assert interquartile_mean(scores.ravel()) == pytest.approx(metrics.aggregate_iqm(scores))


def test_stratified_interval_is_rliables() -> None:
    from rliable import library, metrics

    scores = np.random.default_rng(1).normal(loc=[0.0, 1.0, 2.0, 4.0], size=(10, 4))
    _, intervals = library.get_interval_estimates(
        {"a": scores}, lambda x: np.array([metrics.aggregate_iqm(x)]), reps=4000
    )
    ours = bootstrap_interval(list(scores.T), repetitions=4000)
    assert ours == pytest.approx(intervals["a"].ravel(), abs=0.05)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(30, 30, 0.886, 1.0), (27, 30, 0.744, 0.965), (29, 30, 0.833, 0.994)],
)
def test_wilson_interval_is_the_published_one(
    successes: int, trials: int, low: float, high: float
) -> None:
    assert wilson_interval(successes, trials) == pytest.approx((low, high), abs=1e-3)


def test_interval_of_one_episode_a_patient_is_not_a_point() -> None:
    low, high = bootstrap_interval([[0.0], [1.0], [2.0], [3.0], [4.0]])
    assert low < 2.0 < high


def test_summary_counts_harm() -> None:
    rows = [
        {"patient": p, "return": 1.0, "success": s, "cost": c, "steps": 10, "costs": {"bone": c}}
        for p, s, c in [("a", True, 0.0), ("b", True, 2.0), ("c", False, 0.0), ("d", True, 0.0)]
    ]
    summary = summarise(rows)
    assert summary["success"]["rate"] == 0.75
    assert summary["harmed_episodes"] == 0.25
    assert summary["cost_by_cause"] == {"bone": 0.5}
