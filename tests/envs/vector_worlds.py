"""Small environments for the tests of vectors; workers import them by name."""

from __future__ import annotations

import os
from typing import Any, Literal

import gymnasium as gym
import numpy as np


class Walk(gym.Env[Any, Any]):
    """A seeded random walk towards a goal, in goal form."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 30}  # noqa: RUF012 - Gymnasium's own

    def __init__(
        self,
        horizon: int = 7,
        fails: str = "",
        reward: Literal["sparse", "dense"] = "sparse",
        render_mode: str | None = None,
    ) -> None:
        self.horizon, self.fails, self.render_mode = horizon, fails, render_mode
        self.reward, self.harm_price = reward, 0.0
        box = gym.spaces.Box(-10.0, 10.0, (2,), np.float32)
        self.observation_space = gym.spaces.Dict(
            {"observation": box, "achieved_goal": box, "desired_goal": box}
        )
        self.action_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.label = "walk"
        if fails == "making":
            raise ValueError("no room")

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        drawn = self.np_random.uniform(-1.0, 1.0, (2, 2)).tolist()
        scene = (options or {}).get("scene", {"place": drawn[0], "goal": drawn[1]})
        self.place, self.goal = np.array(scene["place"]), np.array(scene["goal"])
        self.steps = 0
        return self._observe(), {"scene": scene, "is_success": False, **self._costs(0.0)}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        if self.fails == "stepping" and self.steps == 2:
            raise ValueError("a bone in the way")
        if self.fails == "dying" and self.steps == 2:
            os._exit(7)
        self.place = np.clip(self.place + 0.2 * action + self.np_random.normal(0, 0.02, 2), -9, 9)
        self.steps += 1
        near = bool(np.linalg.norm(self.place - self.goal) < 0.2)
        observation = self._observe()
        sparse = float(
            self.compute_reward(observation["achieved_goal"], observation["desired_goal"], {})
        )
        away = float(np.linalg.norm(self.place - self.goal))
        reward = sparse if self.reward == "sparse" else -away
        cost = self._costs(float(np.abs(action).max() > 0.9))
        info = {"is_success": near, "task_reward": sparse, **cost}
        return observation, reward, near, self.steps >= self.horizon, info

    def compute_reward(self, achieved: Any, desired: Any, info: Any) -> Any:
        return -(np.linalg.norm(achieved - desired, axis=-1) > 0.2).astype(np.float32)

    def _costs(self, cost: float) -> dict[str, Any]:
        return {"cost": cost, "costs": {"speed": cost, "force": 0.0}}

    def render(self) -> Any:
        return np.full((4, 4, 3), self.steps, np.uint8)

    def _observe(self) -> dict[str, Any]:
        place, goal = self.place.astype(np.float32), self.goal.astype(np.float32)
        return {"observation": place, "achieved_goal": place, "desired_goal": goal}


class Corridor(gym.Env[Any, Any]):
    """Discrete actions and a plain box."""

    def __init__(self) -> None:
        self.observation_space = gym.spaces.Box(0.0, 10.0, (1,), np.float64)
        self.action_space = gym.spaces.Discrete(3)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.place = self.np_random.integers(3, 8)
        return np.array([self.place], np.float64), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.place = self.place + int(action) - 1
        over = self.place in (0, 10)
        return np.array([self.place], np.float64), float(self.place), over, False, {}


class WalkExpert:
    """Goes straight to the goal."""

    name = "expert"
    environment: str | None = None

    def reset(self, env: gym.Env[Any, Any], seed: int) -> None:
        self._env: Any = env.unwrapped

    def act(self, observation: Any) -> Any:
        way = (self._env.goal - self._env.place) / 0.2
        return np.clip(way, -0.8, 0.8).astype(np.float32)
