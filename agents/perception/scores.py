"""How well a network sees, beside the truth and beside the best plain threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch import nn

from halsted.agents.perception.apnea import MINUTE, UNNOTED
from halsted.agents.perception.calibration import error_auroc
from halsted.agents.perception.examples import Example
from halsted.agents.perception.inference import mean_logits, probabilities
from halsted.agents.perception.nuclei import average_precision, find_nuclei
from halsted.agents.perception.specification import CLASS_UNKNOWN, Network

_BINS = 64


@dataclass(frozen=True)
class Score:
    """One case.

    Attributes:
        name: Of the case.
        dice: By class; NaN where the truth lacks it. Of instances ``ap50`` too.
        false_alarms: By class that the truth lacks, whether the network saw it all the same.
    """

    name: str
    dice: Mapping[str, float]
    false_alarms: Mapping[str, bool] = field(default_factory=dict)


def score_example(network: Network, modules: Sequence[nn.Module], example: Example) -> Score:
    """Look at an example and score it."""
    logits = mean_logits(network, modules, example.image)
    return score_found(network, probabilities(network, logits), example)


def score_found(network: Network, found: NDArray[np.float32], example: Example) -> Score:
    """Score probabilities (output, *space) of an example."""
    if network.task == "instances":
        return _score_nuclei(network, found, example)
    if network.task == "diagnosis":
        told = {"probability": float(found[1, 0, 0]), "truth": float(example.target[0, 0])}
        return Score(example.name, told)
    if network.task == "minutes":
        return _score_minutes(found, example)
    seen, true = np.argmax(found, axis=0), np.asarray(example.target)
    alarms = {
        name: bool((seen == value).any())
        for name, value in network.values.items()
        if not (true == value).any()
    }
    return Score(example.name, dice_by_class(network.values, seen, true), alarms)


def dice_by_class(
    values: Mapping[str, int], seen: NDArray[np.integer], true: NDArray[np.integer]
) -> dict[str, float]:
    """Dice coefficient of every class; NaN where the truth lacks it.

    Args:
        values: Label value by class.
        seen: Labels of any shape.
        true: The same.
    """
    most = max(values.values()) + 1
    both, size_seen, size_true = (
        np.bincount(part.ravel(), minlength=most) for part in (seen[seen == true], seen, true)
    )
    sizes = size_seen + size_true
    return {
        name: float(2.0 * both[value] / sizes[value]) if size_true[value] else float("nan")
        for name, value in values.items()
    }


def _score_nuclei(network: Network, found: NDArray[np.float32], example: Example) -> Score:
    nuclei, target = find_nuclei(found), np.asarray(example.target)
    seen = np.concatenate([[0], nuclei.classes]).astype(np.uint8)[nuclei.instances]
    known = target != CLASS_UNKNOWN
    scores = {"ap50": average_precision(np.asarray(example.instances), nuclei.instances)}
    if known.all():
        scores |= dice_by_class(network.values, seen, target)
    return Score(example.name, scores)


def _score_minutes(found: NDArray[np.float32], example: Example) -> Score:
    """Sensitivity and specificity over the minutes of one night; NaN where it has none."""
    seen = found[1] > 0.5
    noted = np.asarray(example.target)[::MINUTE][: len(seen)]
    seen, true = seen[: len(noted)][noted != UNNOTED], noted[noted != UNNOTED] == 1
    right = seen == true
    return Score(
        example.name,
        {
            "sensitivity": float(right[true].mean()) if true.any() else float("nan"),
            "specificity": float(right[~true].mean()) if not true.all() else float("nan"),
            "apnea_minutes": float(true.sum()),
            "apnea_found": float((seen & true).sum()),
            "normal_minutes": float((~true).sum()),
            "normal_found": float((~seen & ~true).sum()),
        },
    )


def quality(network: Network, scores: Sequence[Score]) -> dict[str, float]:
    """What a network is chosen by, each from 0 to 1.

    Mean Dice over the cases that have the class; of instances the mean ``ap50``; of a diagnosis the
    area under the ROC curve; of minutes sensitivity and specificity over all of them.
    """
    if network.task == "diagnosis":
        sure = np.array([one.dice["probability"] for one in scores])
        true = np.array([one.dice["truth"] for one in scores]) > 0.5
        area = error_auroc(sure, true)
        return {"auroc": area if np.isfinite(area) else 0.5}
    if network.task == "minutes":
        sums = {key: sum(one.dice[key] for one in scores) for key in scores[0].dice}
        return {
            "sensitivity": sums["apnea_found"] / max(1.0, sums["apnea_minutes"]),
            "specificity": sums["normal_found"] / max(1.0, sums["normal_minutes"]),
        }
    names = ["ap50"] if network.task == "instances" else list(network.classes)
    means = {}
    for name in names:
        values = np.array([one.dice[name] for one in scores])
        means[name] = float(np.nanmean(values)) if np.isfinite(values).any() else 0.0
    return means


def best_threshold(network: Network, examples: Sequence[Example]) -> dict[str, float]:
    """By class, the mean Dice of the best band of values of the best single image.

    The band is chosen on the very cases that it is scored on, so that no threshold can do better:
    what a network gains over it is owed to more than brightness.
    """
    best = dict.fromkeys(network.classes, 0.0)
    for channel in range(examples[0].image.shape[0]):
        for name, value in network.values.items():
            best[name] = max(best[name], _best_band(examples, channel, value))
    return best


def _best_band(examples: Sequence[Example], channel: int, value: int) -> float:
    """Mean Dice over cases of the best band of a channel's values."""
    ends = np.linspace(-2.5, 2.5, _BINS - 1)
    total, count = np.zeros((_BINS + 1, _BINS + 1)), 0
    for one in examples:
        is_class = np.asarray(one.target).ravel() == value
        if not is_class.any():
            continue
        bins = np.digitize(np.asarray(one.image[channel]).ravel(), ends)
        hits = np.concatenate([[0], np.cumsum(np.bincount(bins[is_class], minlength=_BINS))])
        sizes = np.concatenate([[0], np.cumsum(np.bincount(bins, minlength=_BINS))])
        inside, size = hits[None, :] - hits[:, None], sizes[None, :] - sizes[:, None]
        total += np.where(size > 0, 2.0 * inside / (np.maximum(size, 0) + is_class.sum()), 0.0)
        count += 1
    return float(total.max() / count) if count else 0.0
