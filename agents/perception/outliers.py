"""Whether a case is like those that a network was made for.

Groups of features are compared with those of known cases: the grid (spacing and field of view; of a
recording its length, which is no strangeness, is left out), the values, what the network's deepest
layer makes of them, and how unsure its answer is. The score is the largest of the groups' root mean
square distances in standard deviations; its p-value is conformal, so that one known case in twenty
scores 0.05 or less.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from halsted.agents.perception.checkpoint import Trained
from halsted.agents.perception.conformal import p_value
from halsted.agents.perception.inference import entropy
from halsted.agents.perception.specification import Network

STRANGE_BELOW = 0.05
"""P-value at or below which a case is told to be unlike those that a network was made for."""

_PERCENTILES = (5.0, 25.0, 50.0, 75.0, 95.0)
_LEAST_SPREAD = {"grid": 0.1, "values": 0.05, "deep": 0.02, "doubt": 0.01}

Features = Mapping[str, NDArray[np.float64]]


def features_of(
    network: Network,
    module: nn.Module,
    image: NDArray[np.float32],
    geometry: NDArray[np.float64],
    found: NDArray[np.float32],
) -> Features:
    """Features of one case, by group.

    Args:
        network: What it sees.
        module: A member of the ensemble.
        image: (input, *space) the case as the network sees it.
        geometry: Its grid as it was given; see `framing.geometry_of`.
        found: (output, *space) its probabilities.
    """
    doubt = entropy(found)
    groups = {} if network.dimensions == 1 else {"grid": np.asarray(geometry)}
    return groups | {
        "values": np.percentile(image.reshape(len(image), -1), _PERCENTILES, axis=1)
        .ravel()
        .astype(np.float64),
        "deep": _deep_features(network, module, image),
        "doubt": np.array([doubt.mean(), *np.percentile(doubt, (90.0, 99.0))]),
    }


def fit_outliers(known: Sequence[Features], held_back: Sequence[Features]) -> dict[str, Any]:
    """What is needed to score cases, ready for JSON.

    Args:
        known: Features of cases whose mean and spread are the yardstick.
        held_back: Those of others, whose scores a new one is held against.
    """
    yardstick = {
        group: {
            "mean": np.mean([one[group] for one in known], axis=0).round(6).tolist(),
            "spread": np.maximum(
                np.std([one[group] for one in known], axis=0), _LEAST_SPREAD[group]
            )
            .round(6)
            .tolist(),
        }
        for group in known[0]
    }
    scores = sorted(round(outlier_score(one, yardstick), 6) for one in held_back)
    return {"yardstick": yardstick, "scores": scores}


def outlier_score(features: Features, yardstick: Mapping[str, Any]) -> float:
    """The largest of the groups' distances, in standard deviations."""
    distances = []
    for group, values in features.items():
        away = (values - yardstick[group]["mean"]) / yardstick[group]["spread"]
        distances.append(float(np.sqrt(np.mean(away**2))))
    return max(distances)


def outlier_p(
    trained: Trained,
    module: nn.Module,
    image: NDArray[np.float32],
    geometry: NDArray[np.float64],
    found: NDArray[np.float32],
) -> float | None:
    """How often a case like those that a network was calibrated on scores at least as high.

    Args:
        trained: The network.
        module: Its first member; see `features_of` for it and the others.
        image: The case.
        geometry: Its grid.
        found: Its probabilities, at temperature 1.

    Returns:
        None where too few cases calibrated the network to tell.
    """
    if "outliers" not in trained.reliability:
        return None
    known = trained.reliability["outliers"]
    features = features_of(trained.network, module, image, geometry, found)
    return p_value(outlier_score(features, known["yardstick"]), known["scores"])


def _deep_features(
    network: Network, module: nn.Module, image: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Means over space of the channels of the layer that sees most coarsely."""
    edges = network.patch
    tensor = torch.nn.functional.interpolate(torch.from_numpy(np.array(image))[None], edges)
    coarsest: list[torch.Tensor] = []

    def look(_: nn.Module, __: Any, output: Any) -> None:
        if not isinstance(output, torch.Tensor) or output.ndim != tensor.ndim:
            return
        if not coarsest or output[0, 0].numel() <= coarsest[0][0, 0].numel():
            coarsest[:] = [output.detach()]

    hooks = [one.register_forward_hook(look) for one in module.modules()]
    try:
        with torch.inference_mode():
            module(tensor.to(next(module.parameters()).device))
    finally:
        for hook in hooks:
            hook.remove()
    means = coarsest[0][0].flatten(1).mean(dim=1)
    return np.asarray(means.cpu(), np.float64)
