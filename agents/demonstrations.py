"""Demonstrations: episodes to learn from, played by an expert or read from a data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from halsted.agents.episodes import begin, play
from halsted.agents.errors import PolicyError
from halsted.agents.policy import Policy
from halsted.scenarios.schema import Start


@dataclass(frozen=True, eq=False)
class Demonstration:
    """An episode of n steps.

    Attributes:
        observations: (n + 1, ...), or a dictionary of such.
        actions: (n, size) carried out.
        advised: (n, size) what the expert would have done; the same, unless noise was added.
        costs: (n,) of each step.
        terminated: Whether it ended by itself, rather than by the horizon.
    """

    observations: Any
    actions: NDArray[np.float32]
    advised: NDArray[np.float32]
    costs: NDArray[np.float64]
    terminated: bool

    def __len__(self) -> int:
        return len(self.actions)

    def observation(self, steps: Any) -> Any:
        """The observations before these steps."""
        if isinstance(self.observations, dict):
            return {key: values[steps] for key, values in self.observations.items()}
        return self.observations[steps]


class _Shaken:
    """A policy whose actions are carried out with noise."""

    def __init__(self, policy: Policy, noise: float, seed: int) -> None:
        self.name, self.environment = policy.name, policy.environment
        self.advised: list[NDArray[np.float32]] = []
        self._policy, self._noise = policy, noise
        self._rng = np.random.default_rng(seed)

    def reset(self, env: gym.Env[Any, Any], seed: int) -> None:
        self.advised.clear()
        self._policy.reset(env, seed)

    def act(self, observation: Any) -> NDArray[np.float32]:
        action = self._policy.act(observation)
        self.advised.append(action)
        shaken = action + self._rng.normal(scale=self._noise, size=action.shape)
        # What is only told by its sign, such as closed jaws, must stay as it is.
        kept = np.where(np.abs(action) < 1.0, shaken, action)
        return np.clip(kept, -1.0, 1.0).astype(np.float32)


def played(
    env: gym.Env[Any, Any],
    policy: Policy,
    starts: Sequence[Start],
    noise: float = 0.0,
    seed: int = 0,
) -> list[Demonstration]:
    """Episodes of a policy.

    Args:
        env: Where they are played.
        policy: Who acts.
        starts: How they begin.
        noise: Standard deviation of what is added to the actions, so that the policy also shows
            how to recover (Laskey et al. 2017, "DART: noise injection for robust imitation
            learning", CoRL, arXiv:1703.09327).
        seed: Of the noise.
    """
    shaken = _Shaken(policy, noise, seed)
    return [_play(env, shaken, start) for start in starts]


def _play(env: gym.Env[Any, Any], policy: _Shaken, start: Start) -> Demonstration:
    first, _ = begin(env, policy, start)
    steps = list(play(env, policy, first))
    observations = [first, *(step.following for step in steps)]
    return Demonstration(
        stacked(observations),
        np.array([step.action for step in steps], np.float32),
        np.array(policy.advised, np.float32),
        np.array([step.info["cost"] for step in steps], np.float64),
        steps[-1].terminated,
    )


def stacked(values: Sequence[Any]) -> Any:
    """Arrays, or nested dictionaries of arrays, one after another along a new first axis."""
    if isinstance(values[0], dict):
        return {key: stacked([one[key] for one in values]) for key in values[0]}
    return np.stack(values)


def read_demonstrations(folder: Path, space: gym.Space[Any]) -> list[Demonstration]:
    """The episodes of a data set that `halsted record` wrote.

    Args:
        folder: The data set's folder.
        space: Observation space of the environment that is learned in.

    Raises:
        PolicyError: it holds no data set, it is damaged, or it was recorded in an environment with
            other observations.
    """
    from minari import MinariDataset

    try:
        dataset = MinariDataset(folder / "data")
        recorded = dataset.observation_space
    except Exception as error:  # Minari raises whatever json, h5py and its assertions raise
        raise PolicyError(_unreadable(folder, error)) from error
    if recorded != space:
        raise PolicyError(
            f"the episodes in {folder} were recorded with other observations ({recorded}) than are "
            f"learned from ({space}); record them in the same form of the environment"
        )
    episodes = []
    try:
        for one in dataset.iterate_episodes():
            costs = np.asarray(one.infos["cost"], np.float64)[1:]
            actions = np.asarray(one.actions, np.float32)
            ended = bool(one.terminations[-1])
            episodes.append(Demonstration(one.observations, actions, actions, costs, ended))
    except Exception as error:
        raise PolicyError(_unreadable(folder, error)) from error
    return episodes


def _unreadable(folder: Path, error: Exception) -> str:
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return (
        f"the data set in {folder} cannot be read ({reason}); give the folder that "
        "'halsted record' wrote"
    )
