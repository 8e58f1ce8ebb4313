"""The interface through which anything acts: expert, network or human."""

from __future__ import annotations

from typing import Any, Protocol

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray


class Policy(Protocol):
    """Observation in, action out.

    Attributes:
        name: Short name for tables.
        environment: Id of the environment whose observations it takes, or None for any.
    """

    name: str
    environment: str | None

    def reset(self, env: gym.Env[Any, Any], seed: int) -> None:
        """Start an episode of `env`, which has just been reset."""
        ...

    def act(self, observation: Any) -> NDArray[np.float32]:
        """The action for an observation."""
        ...


class RandomPolicy:
    """Uniformly random actions: the anchor below which nothing has been learned."""

    name = "random"
    environment: str | None = None

    def reset(self, env: gym.Env[Any, Any], seed: int) -> None:
        """Seed a generator of its own."""
        self._space = env.action_space
        self._space.seed(seed)

    def act(self, observation: Any) -> NDArray[np.float32]:
        """A random action."""
        action: NDArray[np.float32] = self._space.sample()
        return action
