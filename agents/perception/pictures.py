"""Pictures of what a network saw: image, truth and answer side by side."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import nn

from halsted.agents.perception.examples import Example
from halsted.agents.perception.inference import mean_logits, probabilities
from halsted.agents.perception.nuclei import find_nuclei
from halsted.agents.perception.specification import Network
from halsted.imaging_bridge.exports.colours import colour_of

_OPACITY = 0.5


def strip(network: Network, module: nn.Module, example: Example) -> NDArray[np.uint8]:
    """(height, 3 x width, 3): the image, its truth, and what the network says.

    Of a volume the slice with most of the truth's rarest class.
    """
    found = probabilities(network, mean_logits(network, [module], example.image))
    image, true = np.asarray(example.image), np.asarray(example.target)
    if network.task == "instances":
        seen = find_nuclei(found).instances.astype(np.int64)
        true = np.asarray(example.instances, np.int64)
    else:
        seen = np.argmax(found, axis=0)
    if network.dimensions == 3:
        place = telling_slice(true)
        image, true, seen = image[:, place], true[place], seen[place]
    base = _grey_or_colour(network, image)
    return np.concatenate([base, overlay(base, true), overlay(base, seen)], axis=1)


def telling_slice(true: NDArray[np.integer]) -> int:
    """The slice with most voxels of the class that is rarest in the case, lesions often."""
    counts = np.bincount(true.ravel())[1:]
    if not counts.any():
        return len(true) // 2
    rarest = int(np.argmin(np.where(counts > 0, counts, counts.max() + 1))) + 1
    return int(np.argmax((true == rarest).sum(axis=(1, 2))))


def overlay(base: NDArray[np.uint8], labels: NDArray[np.integer]) -> NDArray[np.uint8]:
    """A picture (y, x, 3) with labels (y, x) painted over it, each value in a colour of its own."""
    values = np.unique(labels[labels > 0])
    painted = base.astype(np.float32)
    for value in values:
        mask = labels == value
        painted[mask] += _OPACITY * (np.array(colour_of("", int(value))) - painted[mask])
    return painted.astype(np.uint8)


def _grey_or_colour(network: Network, image: NDArray[np.float32]) -> NDArray[np.uint8]:
    if network.dimensions == 2:
        shown = np.moveaxis(image[[0, 1, 2] if len(image) > 2 else [0] * 3], 0, -1) * 64.0 + 127.5
    else:
        chosen = image[1] if network.intensity == "ct" else image[0]
        shown = np.repeat((chosen[..., None] + 2.0) * 64.0, 3, axis=-1)
    return np.asarray(np.clip(shown, 0.0, 255.0), np.uint8)
