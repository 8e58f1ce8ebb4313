"""What every environment at the bench shares: goals, rewards, costs, presets and scenes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import gymnasium as gym
import numpy as np
from gymnasium.utils import EzPickle
from numpy.typing import NDArray

from halsted.envs.errors import EnvironmentOptionError
from halsted.envs.surgery.bench_task import CAUSES, PRESETS, Preset, sparse_reward
from halsted.robot.camera import CAMERA_SIZE, Camera, Frame, mark
from halsted.robot.kinematic import KinematicWorld
from halsted.robot.rigid import RigidWorld
from halsted.robot.specification import Specification

Vector = NDArray[np.float64]
World = RigidWorld | KinematicWorld
Scene = dict[str, list[float]]
"""A drawn scene by name of its parts: small, and enough to replay it."""

Sight = Literal["state", "rgb", "rgbd"]

_GOAL_BOUND = 4.0
_DENSE_PER_M = 100.0
_DENSE_SUCCESS = 10.0


class BenchEnv(gym.Env[Any, NDArray[np.float32]], EzPickle):
    """Base of the bench's environments; a subclass fills in the hooks below.

    Observations are in Gymnasium-Robotics' goal form, `Dict(observation, achieved_goal,
    desired_goal)`, in units that the specifications tell; with `sight` other than ``state``
    also `image` (height, width, 3), `labels` (height, width, 1; see `bodies.LABELS`) and, for
    ``rgbd``, `depth` (height, width, 1), m.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 30}  # noqa: RUF012 - Gymnasium's own

    command: ClassVar[Specification]
    specification: ClassVar[Specification]
    goal_scale: ClassVar[float] = 0.05
    """Metres (or the goal's own unit) that are 1 in an achieved or desired goal."""
    goal_size: ClassVar[int] = 3
    presets: ClassVar[Mapping[str, Preset]] = PRESETS

    def __init__(
        self,
        preset: str = "default",
        reward: Literal["sparse", "dense"] = "sparse",
        horizon: int | None = None,
        harm_price: float | None = None,
        sight: Sight = "state",
        render_mode: str | None = None,
    ) -> None:
        """Choose how the task is simulated, judged and seen. See the class of the task."""
        choose("preset", preset, tuple(self.presets))
        choose("reward", reward, ("sparse", "dense"))
        choose("sight", sight, ("state", "rgb", "rgbd"))
        choose("render_mode", render_mode, (None, "rgb_array"))
        if horizon is not None and (not isinstance(horizon, int) or horizon < 1):
            raise EnvironmentOptionError(
                f"horizon is {horizon!r}; give a whole number of steps, at least one"
            )
        if harm_price is not None and not 0.0 <= harm_price < math.inf:
            raise EnvironmentOptionError(
                f"harm_price is {harm_price!r}; give a reward to lose per unit of cost, 0 or more"
            )
        self.preset = self.presets[preset]
        self.reward_form = reward
        self.horizon = horizon or self.preset.horizon
        self.harm_price = self.preset.harm_price if harm_price is None else harm_price
        self.sight = sight
        self.render_mode = render_mode
        self.action_space = gym.spaces.Box(-1.0, 1.0, (self.command.size,), np.float32)
        self.observation_space = self._observation_space()
        self._limit = self.specification.limits
        self._unscale = 1.0 / self.specification.scales
        self._steps = 0
        self._is_ready = False
        self._is_unstable = False
        self._is_hopeless = False  # nobody would begin: perception missed what the task is about
        self._potential_before = 0.0
        self._world: World | None = None

    # -- Hooks ---------------------------------------------------------------------------------

    def _make_world(self) -> World:
        """The world of the environment's tier; called once, when it is first needed."""
        raise NotImplementedError

    def _sample_scene(self) -> Scene:
        """Draw a scene with `np_random`."""
        raise NotImplementedError

    def _apply(self, scene: Scene) -> None:
        """Set up a drawn scene."""
        raise NotImplementedError

    def _advance(self, action: Vector) -> Vector:
        """Carry out an action (size,), each number in [-1, 1]; return costs (cause,)."""
        raise NotImplementedError

    def _state(self) -> Vector:
        """The quantities of `specification`, SI."""
        raise NotImplementedError

    def _achieved(self) -> Vector:
        """What has been achieved, (goal_size,), SI."""
        raise NotImplementedError

    def _desired(self) -> Vector:
        """What is wanted, (goal_size,), SI."""
        raise NotImplementedError

    def _success(self, achieved: Vector, desired: Vector) -> NDArray[np.bool_]:
        """Whether goals (..., goal_size), SI, are met."""
        raise NotImplementedError

    def _potential(self, achieved: Vector, desired: Vector) -> float:
        """How far there is still to go, m: what the dense reward pays for shrinking."""
        return float(np.linalg.norm(achieved - desired))

    def _look(self, camera: Camera) -> Frame:
        """A camera's view of the scene."""
        raise NotImplementedError

    def _marked(self) -> list[Vector]:
        """Points (3,), world m, that a picture for people marks."""
        return []

    def _perceived(self, achieved: Vector) -> Vector:
        """What the policy is told of what has been achieved: the truth, unless it is perceived."""
        return achieved

    def _sparse_reward(self, observation: Any, info: dict[str, Any]) -> float:
        """The sparse reward of a step; another than the task's where goals are perceived."""
        reward: float = info["task_reward"]
        return reward

    # -- Gymnasium -----------------------------------------------------------------------------

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Draw a scene, or take the one in `options`, and apply it."""
        super().reset(seed=seed)
        self._is_ready = False
        unknown = set(options or {}) - {"scene"}
        if unknown:
            raise EnvironmentOptionError(
                f"reset has no options {sorted(unknown)}; it takes 'scene' only"
            )
        scene = self._checked(options["scene"]) if options else self._sample_scene()
        self._steps = 0
        self._is_unstable = self._is_hopeless = False
        self._apply(scene)
        self._is_ready = True
        achieved, desired = self._achieved(), self._desired()
        self._potential_before = self._potential(achieved, desired)
        info = self._info(np.zeros(len(CAUSES)), bool(self._success(achieved, desired)))
        info["scene"] = scene
        return self._observe(achieved, desired), info

    def step(self, action: NDArray[np.float32]) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Carry out one action; numbers beyond [-1, 1] are taken as the bound.

        Raises:
            EnvironmentOptionError: the action is not of the action space's shape, or not finite.
        """
        if not self._is_ready:
            raise gym.error.ResetNeeded("reset the environment before its first step")
        values = np.asarray(action, dtype=np.float64)
        if values.shape != self.action_space.shape or not math.isfinite(values.sum()):
            raise EnvironmentOptionError(
                f"an action of shape {self.action_space.shape} with finite numbers was expected, "
                f"but it is {values.tolist()}; check the policy"
            )
        costs = self._advance(np.minimum(np.maximum(values, -1.0), 1.0))
        self._steps += 1
        achieved, desired = self._achieved(), self._desired()
        succeeded = bool(self._success(achieved, desired)) and not (
            self._is_unstable or self._is_hopeless
        )
        info = self._info(costs, succeeded)
        observation = self._observe(achieved, desired)
        if self.reward_form == "sparse":
            reward = self._sparse_reward(observation, info)
        else:
            left = self._potential(achieved, desired)
            gained = self._potential_before - left
            reward = self.dense_reward(gained, succeeded, info["cost"])
            self._potential_before = left
        terminated = (succeeded and self.preset.ends_on_success) or self._is_hopeless
        # The watchdog's end is the simulator's, not the task's: no learner may gain by it.
        truncated = self._is_unstable or self._steps >= self.horizon
        return observation, float(reward), terminated, truncated, info

    def dense_reward(self, gained: Any, succeeded: Any, cost: Any) -> Any:
        """The dense reward of one step, or of (n,) steps.

        Args:
            gained: By how much the step shrank what is left, m.
            succeeded: Whether it succeeded.
            cost: Its cost.
        """
        return _DENSE_PER_M * gained + _DENSE_SUCCESS * succeeded - self.harm_price * cost

    def render(self) -> NDArray[np.uint8] | None:
        """A camera's view, (height, width, 3), in mode ``rgb_array``; the goal is a green dot."""
        if self.render_mode is None or not self._is_ready:
            return None
        camera = self._camera(480, 360)
        image = self._look(camera).image
        for point in self._marked():
            mark(image, camera.pixel_of(point))
        return image

    def close(self) -> None:
        """End the physics client."""
        if self._world is not None:
            self._world.close()
            self._world = None
        self._is_ready = False

    @property
    def world(self) -> World:
        """The simulated bench."""
        if self._world is None:
            self._world = self._make_world()
        return self._world

    def has_succeeded(self) -> bool:
        """Whether the goal is met at this moment."""
        return bool(self._success(self._achieved(), self._desired()))

    # -- Inside --------------------------------------------------------------------------------

    def _camera(self, width: int, height: int) -> Camera:
        """The camera that looks on; a subclass may place it elsewhere."""
        return Camera(width, height, eye=(0.15, -0.11, 0.14), target=(0.0, 0.0, 0.025))

    @property
    def _needs_visuals(self) -> bool:
        return self.sight != "state" or self.render_mode is not None

    def _observation_space(self) -> gym.Space[Any]:
        bound = self.specification.limits
        goal = gym.spaces.Box(-_GOAL_BOUND, _GOAL_BOUND, (self.goal_size,), np.float32)
        spaces: dict[str, gym.Space[Any]] = {
            "observation": gym.spaces.Box(-bound, bound, dtype=np.float32),
            "achieved_goal": goal,
            "desired_goal": goal,
        }
        if self.sight != "state":
            size = (CAMERA_SIZE, CAMERA_SIZE)
            spaces["image"] = gym.spaces.Box(0, 255, (*size, 3), np.uint8)
            spaces["labels"] = gym.spaces.Box(0, 255, (*size, 1), np.uint8)
        if self.sight == "rgbd":
            spaces["depth"] = gym.spaces.Box(0.0, 10.0, (*size, 1), np.float32)
        return gym.spaces.Dict(spaces)

    def _observe(self, achieved: Vector, desired: Vector) -> Any:
        state = (self._state() * self._unscale).astype(np.float32)
        observation = {
            "observation": np.minimum(np.maximum(state, -self._limit), self._limit),
            "achieved_goal": self._goal(self._perceived(achieved)),
            "desired_goal": self._goal(desired),
        }
        if self.sight != "state":
            frame = self._look(self._camera(CAMERA_SIZE, CAMERA_SIZE))
            observation["image"] = frame.image
            observation["labels"] = frame.labels[..., None]
            if self.sight == "rgbd":
                observation["depth"] = frame.depth_m[..., None]
        return observation

    def _goal(self, goal: Vector) -> NDArray[np.float32]:
        scaled = (goal / self.goal_scale).astype(np.float32)
        return np.minimum(np.maximum(scaled, np.float32(-_GOAL_BOUND)), np.float32(_GOAL_BOUND))

    def _info(self, costs: Vector, succeeded: bool) -> dict[str, Any]:
        cost = float(costs.sum())
        return {
            "is_success": succeeded,
            "cost": cost,
            "costs": dict(zip(CAUSES, costs.tolist(), strict=True)),
            "task_reward": float(succeeded) - 1.0 - self.harm_price * cost,
        }

    def _checked(self, record: Any) -> Scene:
        """A recorded scene, if it is one of this environment's."""
        state = self.np_random.bit_generator.state
        pattern = self._sample_scene()
        self.np_random.bit_generator.state = state
        try:
            scene = {name: [float(value) for value in record[name]] for name in pattern}
        except (TypeError, KeyError, ValueError) as error:
            raise EnvironmentOptionError(
                f"a recorded scene of {type(self).__name__} has the parts {sorted(pattern)}, but "
                f"{error} is missing or no list of numbers; replay what info['scene'] gave"
            ) from error
        for name, values in scene.items():
            if len(values) != len(pattern[name]) or not all(map(math.isfinite, values)):
                raise EnvironmentOptionError(
                    f"{name} of a recorded scene has {len(pattern[name])} finite numbers, but "
                    f"{values} was given; replay what info['scene'] gave"
                )
        return scene


class GoalBenchEnv(BenchEnv):
    """A task whose reward follows from its goals alone, as hindsight needs it."""

    def compute_reward(
        self,
        achieved_goal: NDArray[np.floating[Any]],
        desired_goal: NDArray[np.floating[Any]],
        info: Any,
    ) -> Any:
        """The sparse reward of goals (k,) or (n, k), in units of `goal_scale`.

        Args:
            achieved_goal: What was achieved.
            desired_goal: What was wanted.
            info: One info, or a sequence of n; `cost` is taken as 0 where it is missing.

        Returns:
            A float, or an array (n,).
        """
        achieved = np.asarray(achieved_goal, np.float64) * self.goal_scale
        desired = np.asarray(desired_goal, np.float64) * self.goal_scale
        infos = [info] if isinstance(info, Mapping) else info
        cost = np.array([one.get("cost", 0.0) for one in infos]).reshape(achieved.shape[:-1])
        reward = sparse_reward(self._success(achieved, desired), cost, self.harm_price)
        return float(reward) if reward.ndim == 0 else reward


def choose(name: str, value: object, known: tuple[object, ...]) -> None:
    """Refuse an option that is none of the known ones."""
    if value not in known:
        raise EnvironmentOptionError(
            f"{name} is {value!r}; choose one of: {', '.join(map(repr, known))}"
        )
