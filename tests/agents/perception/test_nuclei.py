"""Nuclei told apart, and scored as the field scores them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from halsted.agents.perception.examples import Example
from halsted.agents.perception.nuclei import (
    average_precision,
    find_nuclei,
    instance_loss,
    instance_target,
)


def _touching() -> Example:
    """Two discs that touch, of classes 1 and 2, and one alone of class 2."""
    y, x = np.mgrid[:64, :64]
    instances = np.zeros((64, 64), np.uint16)
    for number, (cy, cx) in enumerate(((20, 16), (20, 36), (48, 48)), start=1):
        instances[np.hypot(y - cy, x - cx) < 10.3] = number
    target = np.array([0, 1, 2, 2], np.uint8)[instances]
    image = np.zeros((3, 64, 64), np.float32)
    return Example("pair", "pair", image, target, instances, np.zeros(2))


def _certain(target: np.ndarray) -> np.ndarray:
    """Probabilities (3 + 2, y, x) of a network that is right and sure."""
    regions = np.eye(3)[target[0]]
    classes = np.eye(2)[np.maximum(target[1].astype(int) - 1, 0)]
    return np.moveaxis(np.concatenate([regions, classes], axis=-1), -1, 0).astype(np.float32)


def test_nuclei_that_touch_are_told_apart_with_their_classes():
    example = _touching()
    nuclei = find_nuclei(_certain(instance_target(example)))
    assert average_precision(example.instances, nuclei.instances) == 1.0
    at = {tuple(place): nuclei.instances[place] for place in ((20, 16), (20, 36), (48, 48))}
    assert [int(nuclei.classes[number - 1]) for number in at.values()] == [1, 2, 2]
    assert nuclei.confidence.min() > 0.99


def test_nothing_is_found_in_nothing():
    empty = np.zeros((5, 32, 32), np.float32)
    empty[0] = 1.0
    nuclei = find_nuclei(empty)
    assert not nuclei.instances.any() and not len(nuclei.classes)


def test_the_average_precision_counts_as_the_bowl_counts():
    true = np.zeros((10, 30), np.uint16)
    true[2:8, 2:8], true[2:8, 12:18], true[2:8, 22:28] = 1, 2, 3
    found = np.zeros_like(true)
    found[2:8, 2:8] = 1  # a hit
    found[2:8, 15:21] = 2  # half beside: 18 of 54 pixels shared, a miss and a false one
    assert average_precision(true, found) == pytest.approx(1 / (1 + 1 + 2))
    assert average_precision(np.zeros((4, 4), int), np.zeros((4, 4), int)) == 1.0
    assert average_precision(true, np.zeros_like(true)) == 0.0


def test_the_loss_is_least_for_the_truth_and_ignores_classes_unknown():
    target = instance_target(_touching())
    right = torch.from_numpy(20.0 * _certain(target) - 10.0)[None]
    truth = torch.from_numpy(target)[None]
    assert instance_loss(right, truth) < 0.01
    assert instance_loss(-right, truth) > 5.0
    unknown = truth.clone()
    unknown[:, 1][unknown[:, 1] > 0] = 255
    other_classes = right.clone()
    other_classes[:, 3:] = -other_classes[:, 3:]
    assert instance_loss(other_classes, unknown) == instance_loss(right, unknown)
