"""Tasks of two instruments as PettingZoo parallel environments: an agent an arm."""

from __future__ import annotations

import copy
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from pettingzoo import ParallelEnv

from halsted.envs.errors import EnvironmentOptionError
from halsted.envs.surgery.dexterity.instrument_env import InstrumentEnv

Actions = dict[str, NDArray[np.float32]]


def parallel_env(name: str, **arguments: Any) -> InstrumentsParallelEnv:
    """The parallel form of a task of several instruments.

    Args:
        name: Id of the environment, such as ``halsted/NeedleRegrasp-v0``.
        arguments: As `gymnasium.make` takes them.

    Raises:
        EnvironmentOptionError: the task has one instrument only.
    """
    env = gym.make(name, disable_env_checker=True, **arguments).unwrapped
    if not isinstance(env, InstrumentEnv) or env.arms < 2:
        raise EnvironmentOptionError(
            f"{name} is no task of two instruments; choose halsted/NeedleRegrasp-v0 or "
            "halsted/BiPegTransfer-v0"
        )
    return InstrumentsParallelEnv(env)


class InstrumentsParallelEnv(ParallelEnv):  # type: ignore[misc]
    """Each instrument of a task is an agent; all see the same and share reward, cost and fate.

    An agent's action is the five numbers of its instrument, see `InstrumentEnv`.
    """

    metadata = {"name": "halsted_instruments_v0", "render_modes": ["rgb_array"]}  # noqa: RUF012

    def __init__(self, env: InstrumentEnv) -> None:
        """Share an environment out; see `parallel_env`."""
        self.env = env
        self.render_mode = env.render_mode
        self.possible_agents = [f"instrument_{number + 1}" for number in range(env.arms)]
        self.agents: list[str] = []
        self._size = env.command.size // env.arms
        self._action_space = gym.spaces.Box(-1.0, 1.0, (self._size,), np.float32)

    def observation_space(self, agent: str) -> gym.Space[Any]:
        """What an agent observes."""
        return self.env.observation_space

    def action_space(self, agent: str) -> gym.Space[Any]:
        """What an agent commands."""
        return self._action_space

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Draw a scene, or take the one in `options`; as PettingZoo asks, others are ignored."""
        known = {"scene": options["scene"]} if options and "scene" in options else None
        observation, info = self.env.reset(seed=seed, options=known)
        self.agents = list(self.possible_agents)
        return self._for_all(observation), self._for_all(info)

    def step(self, actions: Actions) -> tuple[dict[str, Any], ...]:
        """Carry out one action of every agent.

        Raises:
            EnvironmentOptionError: an agent's action is missing, or of another shape.
            ResetNeeded: the episode is over, or has not begun.
        """
        if not self.agents:
            raise gym.error.ResetNeeded("reset the environment before its first step, or its next")
        for agent in self.agents:
            action = actions.get(agent)
            if action is None or np.shape(action) != self._action_space.shape:
                raise EnvironmentOptionError(
                    f"{agent} was given the action {action}; give every agent {self._size} numbers"
                )
        joint = np.concatenate([actions[agent] for agent in self.possible_agents])
        observation, reward, terminated, truncated, info = self.env.step(joint)
        outcome = tuple(map(self._for_all, (observation, reward, terminated, truncated, info)))
        if terminated or truncated:
            self.agents = []
        return outcome

    def render(self) -> NDArray[np.uint8] | None:
        """As `BenchEnv.render`."""
        return self.env.render()

    def close(self) -> None:
        """End the physics client."""
        self.env.close()

    def _for_all(self, value: Any) -> dict[str, Any]:
        return {agent: copy.deepcopy(value) for agent in self.agents}
