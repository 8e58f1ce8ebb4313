"""What a network is worth on cases it never saw: accuracy, honesty, and what it costs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from halsted.agents.perception.checkpoint import Trained
from halsted.agents.perception.examples import Example
from halsted.agents.perception.inference import mean_logits, probabilities
from halsted.agents.perception.outliers import STRANGE_BELOW, outlier_p
from halsted.agents.perception.reliability import (
    boundary_errors_mm,
    honesty,
    voxels_near_boundaries,
)
from halsted.agents.perception.scores import Score, best_threshold, quality, score_found

FORMAT = "halsted-perception-1"


@dataclass
class _Looks:
    """What is gathered case by case."""

    scores: list[Score] = field(default_factory=list)
    logits: list[NDArray[np.float32]] = field(default_factory=list)
    true: list[NDArray[np.uint8]] = field(default_factory=list)
    held: list[dict[str, bool]] = field(default_factory=list)
    p_values: list[float] = field(default_factory=list)
    inference_cpu_s: float = 0.0


def evaluate_network(
    trained: Trained,
    examples: Sequence[Example],
    samples: int = 0,
    on_case: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Scores over cases and each case's own, ready for JSON.

    Args:
        trained: The network.
        examples: Cases; those that it has learned from are counted in ``seen_in_training``.
        samples: Passes of Monte-Carlo dropout; 0 for one without.
        on_case: Called after each case.
    """
    network, modules = trained.network, trained.modules()
    looks = _Looks()
    for number, one in enumerate(examples):
        _look(trained, modules, one, number, samples, looks)
        on_case()
    known = set(trained.facts.get("real_cases", ()))
    return {
        "format": FORMAT,
        "network": network.name,
        "network_hash": network.content_hash,
        "cases": len(examples),
        "people": len({one.person for one in examples}),
        "seen_in_training": sum(one.digest in known for one in examples),
        "parameters": sum(one.numel() for one in modules[0].parameters()),
        "members": len(modules),
        "overall": _rounded(quality(network, looks.scores)),
        "classes": _by_class(trained, examples, looks.scores),
        "honesty_near_boundary": _honesty(trained, looks),
        "margins_held": _shares(looks.held),
        "strange_cases": _share([value <= STRANGE_BELOW for value in looks.p_values]),
        "inference_cpu_s_a_case": round(looks.inference_cpu_s / max(1, len(examples)), 3),
        "each": [{"name": one.name, **_rounded(one.dice)} for one in looks.scores],
    }


def _look(
    trained: Trained,
    modules: Sequence[nn.Module],
    example: Example,
    number: int,
    samples: int,
    looks: _Looks,
) -> None:
    network = trained.network
    start = time.process_time()
    logits = mean_logits(network, modules, example.image, samples)
    looks.inference_cpu_s += time.process_time() - start
    raw = probabilities(network, logits)
    looks.scores.append(score_found(network, raw, example))
    rows, true = voxels_near_boundaries(network, logits, example, number)
    looks.logits.append(rows)
    looks.true.append(true)
    looks.held.append(_margins_held(trained, raw, example))
    p = outlier_p(trained, modules[0], example.image, example.geometry, raw)
    if p is not None:
        looks.p_values.append(p)


def _by_class(
    trained: Trained, examples: Sequence[Example], scores: Sequence[Score]
) -> dict[str, dict[str, float | None]]:
    network = trained.network
    if network.task in ("minutes", "diagnosis"):
        return {}
    thresholds = best_threshold(network, examples) if network.task == "segmentation" else {}
    told = {}
    for name in scores[0].dice if scores else ():
        values = np.array([one.dice.get(name, math.nan) for one in scores])
        values = values[np.isfinite(values)]
        told[name] = _rounded(
            {
                "dice": float(values.mean()) if len(values) else math.nan,
                "dice_worst": float(values.min()) if len(values) else math.nan,
                "threshold_dice": thresholds.get(name, math.nan),
                "false_alarms": _mean(
                    [one.false_alarms[name] for one in scores if name in one.false_alarms]
                ),
            }
        )
    return told


def _honesty(trained: Trained, looks: _Looks) -> dict[str, Any]:
    logits, true = np.concatenate(looks.logits), np.concatenate(looks.true)
    if not len(true):
        return {}
    temperature = float(trained.reliability.get("temperature", 1.0))
    return {
        "temperature": temperature,
        "raw": _rounded(honesty(logits, true, 1.0)),
        "calibrated": _rounded(honesty(logits, true, temperature)),
    }


def _margins_held(
    trained: Trained, found: NDArray[np.float32], example: Example
) -> dict[str, bool]:
    """By class that the case has, whether its promised margin held."""
    bounds = trained.reliability.get("margins_mm", {})
    if trained.network.task != "segmentation" or not bounds:
        return {}
    errors = boundary_errors_mm(trained.network, found.argmax(axis=0), np.asarray(example.target))
    return {
        name: error <= bounds[name] for name, error in errors.items() if bounds[name] is not None
    }


def _mean(given: Sequence[bool]) -> float:
    return float(np.mean(given)) if given else math.nan


def _shares(held: Sequence[Mapping[str, bool]]) -> dict[str, float | None]:
    names = {name: None for one in held for name in one}
    return {name: _share([one[name] for one in held if name in one]) for name in names}


def _share(given: Sequence[bool]) -> float | None:
    return round(float(np.mean(given)), 4) if given else None


def _rounded(values: Mapping[str, float]) -> dict[str, float | None]:
    return {
        name: round(value, 4) if math.isfinite(value) else None for name, value in values.items()
    }
