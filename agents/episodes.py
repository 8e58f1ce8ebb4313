"""Playing episodes: one loop for scoring, recording, rendering and demonstrating."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from halsted.agents.errors import PolicyError
from halsted.agents.policy import Policy
from halsted.scenarios.schema import Start, known_ids

_TOLD = ("cost", "costs", "is_success", "scene")


@dataclass(frozen=True)
class Step:
    """One control step of an episode.

    Attributes:
        observation: Before the action.
        action: What the policy commanded.
        reward: Of the environment.
        following: The observation after the action.
        terminated: As in Gymnasium.
        truncated: As in Gymnasium.
        info: After the action.
    """

    observation: Any
    action: NDArray[np.float32]
    reward: float
    following: Any
    terminated: bool
    truncated: bool
    info: dict[str, Any]


@dataclass
class Episode:
    """One episode's score.

    Attributes:
        patient: Name of the patient; None at the bench.
        seed: Seed of the scene.
        scene: The scene, as it can be replayed.
        total_reward: Sum of `info["task_reward"]`, which is the same in every form of the task.
        success: Whether it ended in success.
        cost: Sum of costs.
        costs: The same by cause.
        steps: Control steps.
    """

    patient: str | None
    seed: int
    scene: dict[str, Any]
    total_reward: float
    success: bool
    cost: float
    costs: dict[str, float]
    steps: int

    def row(self) -> dict[str, Any]:
        """The episode as statistics and results files take it."""
        values = asdict(self)
        if self.patient is None:
            del values["patient"]
        return {"return": values.pop("total_reward"), **values}


def begin(env: gym.Env[Any, Any], policy: Policy, start: Start) -> tuple[Any, dict[str, Any]]:
    """Reset environment and policy; the first observation and info."""
    observation, info = env.reset(seed=start.seed, options=dict(start.options) or None)
    check_told(env, info)
    policy.reset(env, start.policy_seed)
    return observation, info


def check_told(env: gym.Env[Any, Any], info: dict[str, Any]) -> None:
    """Hold the info of a reset against what every environment of Halsted tells.

    Raises:
        PolicyError: something is missing.
    """
    missing = [name for name in _TOLD if name not in info]
    if missing:
        name = env.spec.id if env.spec else type(env.unwrapped).__name__
        raise PolicyError(
            f"{name} does not tell {', '.join(missing)} in its info, which scores need; choose one "
            f"of Halsted's environments: {', '.join(known_ids())}"
        )


def play(env: gym.Env[Any, Any], policy: Policy, observation: Any) -> Iterator[Step]:
    """The steps of an episode that has begun, to its end."""
    over = False
    while not over:
        action = policy.act(observation)
        following, reward, terminated, truncated, info = env.step(action)
        yield Step(observation, action, float(reward), following, terminated, truncated, info)
        observation, over = following, terminated or truncated


def run_episode(
    env: gym.Env[Any, Any],
    policy: Policy,
    start: Start,
    on_step: Callable[[gym.Env[Any, Any]], None] = lambda _: None,
) -> Episode:
    """One episode of a policy.

    Args:
        env: The environment.
        policy: Who acts.
        start: How it begins.
        on_step: Called after the reset and after every step.
    """
    observation, info = begin(env, policy, start)
    costs = dict.fromkeys(info["costs"], 0.0)
    episode = Episode(info.get("patient"), start.seed, info["scene"], 0.0, False, 0.0, costs, 0)
    on_step(env)
    for step in play(env, policy, observation):
        on_step(env)
        add_step(episode, step)
    return episode


def add_step(episode: Episode, step: Step) -> None:
    """Take a step into an episode's score."""
    info = step.info
    episode.total_reward += info["task_reward"]
    episode.cost += info["cost"]
    for cause, cost in info["costs"].items():
        episode.costs[cause] += cost
    episode.steps += 1
    episode.success = bool(info["is_success"])
