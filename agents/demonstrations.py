"""Demonstrations: episodes to learn from, played by an expert or read from a data set."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec
from numpy.typing import NDArray

from halsted.agents.episodes import begin, play
from halsted.agents.errors import PolicyError
from halsted.agents.policy import Policy
from halsted.scenarios.bench import default_settings
from halsted.scenarios.schema import Start

_WITHOUT_EFFECT = {"reward", "harm_price", "horizon", "render_mode"}
"""Settings that change neither what actions do nor what is seen."""


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


def read_demonstrations(folder: Path, env: gym.Env[Any, Any]) -> list[Demonstration]:
    """The episodes of a data set that `halsted record` wrote.

    Args:
        folder: The data set's folder.
        env: The environment that is learned in.

    Raises:
        PolicyError: it holds no data set, it is damaged, or it was recorded in another environment
            or with settings under which the same actions do something else.
    """
    from minari import MinariDataset

    try:
        dataset = MinariDataset(folder / "data")
        recorded = dataset.spec.env_spec
        spaces = (dataset.observation_space, dataset.action_space)
    except Exception as error:  # Minari raises whatever json, h5py and its assertions raise
        raise PolicyError(_unreadable(folder, error)) from error
    for what, found, wanted in zip(
        ("observations", "actions"), spaces, (env.observation_space, env.action_space), strict=True
    ):
        if found != wanted:
            raise PolicyError(
                f"the episodes in {folder} were recorded with other {what} ({found}) than are "
                f"learned from ({wanted}); record them in the same form of the environment"
            )
    _check_same_task(folder, recorded, env.spec)
    try:
        episodes = [_episode(one) for one in dataset.iterate_episodes()]
    except Exception as error:
        raise PolicyError(_unreadable(folder, error)) from error
    if not episodes:
        raise PolicyError(f"the data set in {folder} holds no episodes; record some first")
    return episodes


def _check_same_task(folder: Path, recorded: EnvSpec | None, learned: EnvSpec | None) -> None:
    """Spaces may be equal where the tasks are not, so ids and settings are compared."""
    if recorded is None or learned is None:
        return
    if recorded.id != learned.id:
        raise PolicyError(
            f"the episodes in {folder} were recorded in {recorded.id}, but {learned.id} is learned "
            "in; record them there"
        )
    defaults = default_settings(learned.id)
    found, wanted = defaults | recorded.kwargs, defaults | learned.kwargs
    for name, value in wanted.items():
        is_compared = name not in _WITHOUT_EFFECT and is_json(value)
        if is_compared and _as_json(found.get(name)) != _as_json(value):
            raise PolicyError(
                f"the episodes in {folder} were recorded with {name} {found.get(name)!r}, but "
                f"{value!r} is learned with; record them with the same settings"
            )


def _as_json(value: Any) -> str:
    """Tuples as lists, as a file holds them."""
    return json.dumps(value, sort_keys=True, default=str)


def is_json(value: Any) -> bool:
    """Whether JSON can hold a value."""
    try:
        json.dumps(value)
    except TypeError:
        return False
    return True


def _episode(one: Any) -> Demonstration:
    """An episode of a data set, whole.

    Raises:
        ValueError: its parts are not of one length, or hold what is no finite number.
    """
    costs = np.asarray(one.infos["cost"], np.float64)
    actions = np.asarray(one.actions, np.float32)
    count = len(actions)
    observed = list(_arrays(one.observations))
    lengths = {len(part) for part in (*observed, costs)}
    if not count or lengths != {count + 1} or len(one.terminations) != count:
        raise ValueError(f"an episode of {count} actions has not one observation and cost more")
    if not all(np.isfinite(part).all() for part in (*observed, costs, actions)):
        raise ValueError("an episode holds numbers that are not finite")
    return Demonstration(one.observations, actions, actions, costs[1:], bool(one.terminations[-1]))


def _arrays(values: Any) -> Iterator[NDArray[Any]]:
    if isinstance(values, dict):
        for part in values.values():
            yield from _arrays(part)
    else:
        yield np.asarray(values)


def _unreadable(folder: Path, error: Exception) -> str:
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return (
        f"the data set in {folder} cannot be read ({reason}); give the folder that "
        "'halsted record' wrote"
    )
