"""What a trained network is worth on cases that it never saw: told once, kept on its card."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from halsted.agents.perception.apnea import MINUTE, UNNOTED
from halsted.agents.perception.augmentation import target_of
from halsted.agents.perception.calibration import (
    NEAR_MM,
    error_auroc,
    expected_calibration_error,
    fit_temperature,
    near_boundary,
)
from halsted.agents.perception.checkpoint import Trained
from halsted.agents.perception.conformal import (
    boundary_error_mm,
    conformal_quantile,
    volume_error,
)
from halsted.agents.perception.examples import Example
from halsted.agents.perception.inference import entropy, mean_logits, probabilities
from halsted.agents.perception.nuclei import REGIONS
from halsted.agents.perception.outliers import Features, features_of, fit_outliers
from halsted.agents.perception.specification import Network

COVERAGE = 0.9
"""Share of cases in which a margin or interval is to hold."""

_VOXELS_A_CASE = 20_000
LEAST_FOR_TEMPERATURE = 5
"""A temperature of fewer cases tells of these cases only."""
LEAST_FOR_MARGINS = 9
"""With fewer no bound holds in nine cases of ten."""
LEAST_FOR_OUTLIERS = 19
"""With fewer no p-value could be as low as 0.05."""


@dataclass(frozen=True, eq=False)
class _Case:
    """What is kept of one case while calibrating."""

    logits: NDArray[np.float32]
    true: NDArray[np.uint8]
    boundary_mm: dict[str, float]
    volume: dict[str, float]
    features: Features


def calibrated(
    trained: Trained,
    known: Sequence[Example],
    held_back: Sequence[Example],
    on_case: Callable[[], None] = lambda: None,
) -> Trained:
    """The network with temperature, margins, intervals and outlier scores on its card.

    Args:
        trained: The network.
        known: Cases that set the yardstick of outliers, such as those it was validated on.
        held_back: Cases that it has never seen, of which one a person counts. What too few of them
            cannot promise is left out; see the `LEAST_FOR_...` of this module.
        on_case: Called after each case.
    """
    held_back = list({one.person: one for one in reversed(held_back)}.values())[::-1]
    if not held_back:
        return trained
    network, modules = trained.network, trained.modules()
    yardstick, cases = [], []
    for one in known:
        found = probabilities(network, mean_logits(network, modules, one.image))
        yardstick.append(features_of(network, modules[0], one.image, one.geometry, found))
        on_case()
    for number, one in enumerate(held_back):
        cases.append(_look(network, modules, one, number))
        on_case()
    return replace(trained, reliability=_summary(network, cases, yardstick))


def _look(
    network: Network, modules: Sequence[torch.nn.Module], example: Example, number: int
) -> _Case:
    logits = mean_logits(network, modules, example.image)
    found = probabilities(network, logits)
    features = features_of(network, modules[0], example.image, example.geometry, found)
    rows = voxels_near_boundaries(network, logits, example, number)
    if network.task != "segmentation":
        return _Case(*rows, {}, {}, features)
    true, seen = np.asarray(example.target), found.argmax(axis=0)
    volume = {
        name: volume_error(seen == value, true == value)
        for name, value in network.values.items()
        if (true == value).any()
    }
    return _Case(*rows, boundary_errors_mm(network, seen, true), volume, features)


def boundary_errors_mm(
    network: Network, seen: NDArray[np.integer], true: NDArray[np.integer]
) -> dict[str, float]:
    """By class that the truth has, how far its surface lies outside what was seen.

    Args:
        network: What it sees.
        seen: (z, y, x) or (y, x) classes.
        true: The same.
    """
    return {
        name: boundary_error_mm(seen == value, true == value, network.spacing_mm or 1.0)
        for name, value in network.values.items()
        if (true == value).any()
    }


def voxels_near_boundaries(
    network: Network, logits: torch.Tensor, example: Example, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Logits (n, class) and true classes (n,) of voxels drawn near boundaries.

    Of instances the classes are background, core and rim. Of a recording all minutes count,
    of a diagnosis the case.
    """
    if network.task == "diagnosis":
        return logits.flatten(1).T.numpy(), np.asarray(example.target).ravel()
    if network.task == "minutes":
        noted = np.asarray(example.target)[::MINUTE][: logits.shape[1]]
        return logits.T.numpy()[: len(noted)][noted != UNNOTED], noted[noted != UNNOTED]
    true = target_of(network, example)[0]
    near = np.flatnonzero(near_boundary(true, network.spacing_mm or 1.0))
    rng = np.random.default_rng(seed)
    chosen = rng.choice(near, min(len(near), _VOXELS_A_CASE), replace=False)
    kept = logits[:REGIONS] if network.task == "instances" else logits
    return kept.flatten(1).T.numpy()[chosen], true.ravel()[chosen]


def _summary(
    network: Network, cases: Sequence[_Case], yardstick: Sequence[Features]
) -> dict[str, Any]:
    told: dict[str, Any] = {"cases": len(cases), "coverage": COVERAGE, "temperature": 1.0}
    if len(cases) >= LEAST_FOR_OUTLIERS:
        told["outliers"] = fit_outliers(yardstick, [one.features for one in cases])
    logits = np.concatenate([one.logits for one in cases])
    true = np.concatenate([one.true for one in cases])
    if len(cases) >= LEAST_FOR_TEMPERATURE and len(true):
        told["temperature"] = round(fit_temperature(logits, true), 4)
        told["near_boundary_mm"] = NEAR_MM
    if network.task != "segmentation":
        return told
    for name, kind in (("margins_mm", "boundary_mm"), ("volume_factors", "volume")):
        told[name] = {}
        for structure in network.classes:
            scores = [
                getattr(one, kind)[structure] for one in cases if structure in getattr(one, kind)
            ]
            bound = conformal_quantile(scores, COVERAGE)
            if kind == "volume":
                bound = math.exp(bound)
            # Rounded up: a bound that is a hair too small does not hold where scores tie.
            told[name][structure] = math.ceil(bound * 1e4) / 1e4 if math.isfinite(bound) else None
    return told


def honesty(
    logits: NDArray[np.float32], true: NDArray[np.uint8], temperature: float
) -> dict[str, float]:
    """Calibration error and entropy-error AUROC of voxels (n, class) at a temperature."""
    found = torch.softmax(torch.from_numpy(logits) / temperature, dim=1).numpy()
    seen = found.argmax(axis=1)
    return {
        "ece": expected_calibration_error(found.max(axis=1), seen == true),
        "entropy_error_auroc": error_auroc(entropy(found.T), seen != true),
    }
