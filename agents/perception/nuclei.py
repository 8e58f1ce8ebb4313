"""Nuclei one by one: what is core, what is rim, and of which class.

A network tells background, core and rim apart, much as the winners of the 2018 Data Science Bowl
told inside and border (Caicedo et al. 2019, doi:10.1038/s41592-019-0612-7), and beside that the
class of every pixel. The cores of nuclei that touch lie apart, and are the seeds of a watershed; a
nucleus is of the class that most of it belongs to.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy

from halsted.agents.perception.examples import Example
from halsted.agents.perception.specification import CLASS_UNKNOWN

REGIONS = 3
"""Logits before those of the classes: background, core, rim."""

_CORE_DEPTH = 0.3
"""Share of a nucleus's greatest depth that its core lies deeper than."""
_MASK_BELOW = 0.5
_SMALLEST_SEED = 12
_SMALLEST = 30


@dataclass(frozen=True, eq=False)
class Nuclei:
    """What was found in a picture.

    Attributes:
        instances: uint16 (y, x), numbered from 1.
        classes: (n,) class of each, from 1.
        confidence: (n,) mean probability of its pixels to be no background.
    """

    instances: NDArray[np.uint16]
    classes: NDArray[np.uint8]
    confidence: NDArray[np.float32]


def instance_target(example: Example) -> NDArray[np.uint8]:
    """(2, y, x): region (0 background, 1 core, 2 rim) and class (0 background)."""
    from scipy.ndimage import distance_transform_edt, maximum
    from skimage.segmentation import find_boundaries

    instances = np.asarray(example.instances)
    depth = distance_transform_edt((instances > 0) & ~find_boundaries(instances, mode="inner"))
    deepest = np.zeros(int(instances.max()) + 1)
    numbers = np.unique(instances)
    deepest[numbers] = maximum(depth, instances, numbers)
    is_core = depth > _CORE_DEPTH * deepest[instances]
    region = np.where(instances == 0, 0, np.where(is_core, 1, 2)).astype(np.uint8)
    return np.stack([region, np.asarray(example.target)])


def instance_loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Cross entropy of regions, soft Dice of the cores, and cross entropy of known classes.

    Every class weighs the same, however rare.

    Args:
        logits: (batch, 3 + classes, y, x).
        targets: (batch, 2, y, x); see `instance_target`.
    """
    region, kind = targets[:, 0].long(), targets[:, 1].long()
    loss = cross_entropy(logits[:, :REGIONS], region)
    inside = torch.softmax(logits[:, :REGIONS], dim=1)[:, 1]
    truth = (region == 1).float()
    loss = loss + 1.0 - 2.0 * (inside * truth).sum() / (inside.sum() + truth.sum() + 1.0)
    known = torch.where((kind > 0) & (kind != CLASS_UNKNOWN), kind - 1, -100)
    if (known >= 0).any():
        counts = torch.bincount(known[known >= 0], minlength=logits.shape[1] - REGIONS)
        weight = 1.0 / counts.clamp(min=1)
        loss = loss + cross_entropy(logits[:, REGIONS:], known, weight.float())
    return loss


def find_nuclei(found: NDArray[np.float32]) -> Nuclei:
    """The nuclei in probabilities (3 + classes, y, x)."""
    from skimage.measure import label
    from skimage.morphology import remove_small_objects
    from skimage.segmentation import relabel_sequential, watershed

    background, core, rim = found[:REGIONS]
    seeds = label(core > np.maximum(rim, background))
    seeds = remove_small_objects(seeds, max_size=_SMALLEST_SEED)
    grown = watershed(-core, seeds, mask=background < _MASK_BELOW)
    grown = remove_small_objects(grown, max_size=_SMALLEST)
    instances = relabel_sequential(grown)[0].astype(np.uint16)
    count = int(instances.max())
    sizes = np.maximum(np.bincount(instances.ravel(), minlength=count + 1), 1)

    def mean(values: NDArray[np.float32]) -> NDArray[np.float64]:
        sums = np.bincount(instances.ravel(), values.ravel(), minlength=count + 1)
        return np.asarray((sums / sizes)[1:], np.float64)

    classes = np.stack([mean(kind) for kind in found[REGIONS:]])
    return Nuclei(
        instances,
        (np.argmax(classes, axis=0) + 1).astype(np.uint8) if count else np.zeros(0, np.uint8),
        mean(1.0 - background).astype(np.float32),
    )


def average_precision(
    true: NDArray[np.integer], found: NDArray[np.integer], overlap: float = 0.5
) -> float:
    """TP / (TP + FP + FN) of instances that share more than `overlap` of their union.

    So the 2018 Data Science Bowl and StarDist score. 1 where there is nothing and nothing was
    found.
    """
    count_true, count_found = int(true.max()), int(found.max())
    pairs = true.astype(np.int64) * (count_found + 1) + found
    shared = np.bincount(pairs.ravel(), minlength=(count_true + 1) * (count_found + 1))
    shared = shared.reshape(count_true + 1, count_found + 1)
    sizes = shared.sum(axis=1, keepdims=True) + shared.sum(axis=0, keepdims=True) - shared
    matched = int((shared[1:, 1:] > overlap * np.maximum(sizes[1:, 1:], 1)).sum())
    numbers = len(np.unique(true[true > 0])) + len(np.unique(found[found > 0]))
    return matched / (numbers - matched) if numbers else 1.0
