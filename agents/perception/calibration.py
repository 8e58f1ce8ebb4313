"""Whether a network's confidence is honest, and making it so.

A single temperature is fitted after training (Guo et al. 2017, arXiv:1706.04599). What counts are
voxels near a boundary: far from one nearly every voxel is right, so that any network looks honest.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from monai.metrics.calibration import calibration_binning
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy

NEAR_MM = 5.0
"""How far from a boundary voxels count; of pictures in pixels of the network's grid."""

_BINS = 15
_HOTTEST = 5.0
"""Beyond it, or one over it, a fit says more of its few cases than of the network."""


def near_boundary(
    target: NDArray[np.integer], spacing_mm: float, within_mm: float = NEAR_MM
) -> NDArray[np.bool_]:
    """Voxels (*space) whose centre lies within a distance of a face between two classes.

    Args:
        target: (z, y, x) or (y, x) classes.
        spacing_mm: Of the cubic or square grid; 1 counts in pixels.
        within_mm: The distance.
    """
    edge = np.zeros(target.shape, bool)
    for axis in range(target.ndim):
        first = [slice(None)] * target.ndim
        second = list(first)
        first[axis], second[axis] = slice(None, -1), slice(1, None)
        differs = target[tuple(first)] != target[tuple(second)]
        edge[tuple(first)] |= differs
        edge[tuple(second)] |= differs
    if not edge.any():
        return edge
    from scipy.ndimage import distance_transform_edt

    # The face lies half a voxel beyond the centres of the voxels beside it.
    distance = distance_transform_edt(~edge, sampling=spacing_mm) + spacing_mm / 2.0
    return np.asarray(distance <= within_mm)


def fit_temperature(logits: NDArray[np.float32], target: NDArray[np.integer]) -> float:
    """The temperature of least cross entropy over voxels, by bisection of its slope.

    The cross entropy is convex in one over the temperature.

    Args:
        logits: (n, class), not empty.
        target: (n,).

    Returns:
        From 0.2 to 5.
    """
    given, true = torch.from_numpy(logits).double(), torch.from_numpy(target.astype(np.int64))
    low, high = 1.0 / _HOTTEST, _HOTTEST
    for _ in range(30):
        middle = torch.tensor(math.sqrt(low * high), dtype=torch.double, requires_grad=True)
        (slope,) = torch.autograd.grad(cross_entropy(given * middle, true), middle)
        if slope > 0:
            high = middle.item()
        else:
            low = middle.item()
    return 1.0 / math.sqrt(low * high)


def expected_calibration_error(
    confidence: NDArray[np.floating], correct: NDArray[np.bool_], bins: int = _BINS
) -> float:
    """Mean distance of confidence from the share that is right, over bins of equal width.

    Args:
        confidence: (n,) probability of the answer given.
        correct: (n,) whether it is right.
        bins: How many.
    """
    given = torch.from_numpy(np.asarray(confidence, np.float32))[None, None]
    right = torch.from_numpy(np.asarray(correct, np.float32))[None, None]
    told, true, counts = (one[0, 0].double() for one in calibration_binning(given, right, bins))
    weight = counts / counts.sum()
    return float(torch.nansum(weight * torch.abs(told - true)))


def error_auroc(uncertainty: NDArray[np.floating], wrong: NDArray[np.bool_]) -> float:
    """Probability that a wrong voxel is less certain than a right one; NaN without either.

    Args:
        uncertainty: (n,) such as the entropy.
        wrong: (n,).
    """
    count = int(np.count_nonzero(wrong))
    if count in (0, wrong.size):
        return float("nan")
    _, place, numbers = np.unique(uncertainty, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(numbers) - (numbers - 1) / 2.0)[place]  # ties share their mean rank
    return float((ranks[wrong].sum() - count * (count + 1) / 2) / count / (wrong.size - count))
