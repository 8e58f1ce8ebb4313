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
        actions: (n, size).
        costs: (n,) of each step.
        terminated: Whether it ended by itself, rather than by the horizon.
    """

    observations: Any
    actions: NDArray[np.float32]
    costs: NDArray[np.float64]
    terminated: bool

    def __len__(self) -> int:
        return len(self.actions)

    def observation(self, steps: Any) -> Any:
        """The observations before these steps."""
        if isinstance(self.observations, dict):
            return {key: values[steps] for key, values in self.observations.items()}
        return self.observations[steps]


def played(env: gym.Env[Any, Any], policy: Policy, starts: Sequence[Start]) -> list[Demonstration]:
    """Episodes of a policy."""
    return [_play(env, policy, start) for start in starts]


def _play(env: gym.Env[Any, Any], policy: Policy, start: Start) -> Demonstration:
    first, _ = begin(env, policy, start)
    steps = list(play(env, policy, first))
    observations = [first, *(step.following for step in steps)]
    return Demonstration(
        stacked(observations),
        np.array([step.action for step in steps], np.float32),
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
            episodes.append(Demonstration(one.observations, actions, costs, ended))
    except Exception as error:
        raise PolicyError(_unreadable(folder, error)) from error
    return episodes


def _unreadable(folder: Path, error: Exception) -> str:
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return (
        f"the data set in {folder} cannot be read ({reason}); give the folder that "
        "'halsted record' wrote"
    )
