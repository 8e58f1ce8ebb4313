"""What was learned when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback


@dataclass
class Curve:
    """One row an episode of training.

    Attributes:
        steps: Environment steps at its end.
        success: Whether it succeeded.
        cost: Its cost.
    """

    steps: list[int] = field(default_factory=list)
    success: list[float] = field(default_factory=list)
    cost: list[float] = field(default_factory=list)


class Follow(BaseCallback):
    """Keeps the curve of a training and tells the progress."""

    def __init__(self, curve: Curve, on_progress: Callable[[int], None] | None) -> None:
        """Take the curve to fill, and who is told the number of steps done."""
        super().__init__()
        self._curve = curve
        self._on_progress = on_progress

    def _on_training_start(self) -> None:
        self._costs = np.zeros(self.training_env.num_envs)

    def _on_step(self) -> bool:
        infos = self.locals["infos"]
        self._costs += [info["cost"] for info in infos]
        for number in np.flatnonzero(self.locals["dones"]):
            self._curve.steps.append(self.num_timesteps)
            self._curve.success.append(float(infos[number]["is_success"]))
            self._curve.cost.append(float(self._costs[number]))
            self.logger.record_mean("rollout/cost", self._costs[number])
            self._costs[number] = 0.0
        if self._on_progress is not None:
            self._on_progress(self.num_timesteps)
        return True


def smoothed(values: list[float], window: int = 20) -> list[float]:
    """Mean of the last `window` values at each place."""
    sums = np.cumsum([0.0, *values])
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - window, 0)
    return [float(value) for value in (sums[ends] - sums[starts]) / (ends - starts)]
