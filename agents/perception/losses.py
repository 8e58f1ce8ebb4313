"""What a network is taught by, and how fast."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from monai.losses.dice import DiceCELoss
from torch.nn.functional import cross_entropy

from halsted.agents.perception.apnea import minute_loss
from halsted.agents.perception.examples import Example
from halsted.agents.perception.nuclei import instance_loss
from halsted.agents.perception.specification import Network

_HEAVIEST = 10.0


def loss_of(
    network: Network, examples: Sequence[Example], where: torch.device
) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """The loss of logits (batch, output, *space) and targets (batch, target, *space)."""
    if network.task == "instances":
        return instance_loss
    if network.task == "diagnosis":
        return lambda logits, target: cross_entropy(logits, target.flatten().long())
    if network.task == "minutes":
        return minute_loss
    dice = DiceCELoss(
        to_onehot_y=True, softmax=True, include_background=False, batch=True,
        weight=_weights(network, examples).to(where),
    )  # fmt: skip
    return lambda logits, target: torch.as_tensor(dice(logits, target.long()))


def _weights(network: Network, examples: Sequence[Example]) -> torch.Tensor:
    """(output,) weight of each class: small things weigh more, as the root of their rarity."""
    counts = np.zeros(network.outputs)
    for one in examples:
        counts += np.bincount(np.asarray(one.target).ravel(), minlength=network.outputs)
    rarity = np.sqrt(counts.max() / np.maximum(counts, 1.0))
    weights = np.minimum(rarity, _HEAVIEST)
    return torch.tensor(weights / weights.mean(), dtype=torch.float32)


def rate_at(highest: float, step: int, steps: int) -> float:
    """Learning rate: up over the first 5 %, then down to 0 by a cosine."""
    warm = max(1, steps // 20)
    if step < warm:
        return highest * (step + 1) / warm
    return highest * 0.5 * (1.0 + float(np.cos(np.pi * (step - warm) / max(1, steps - warm))))
