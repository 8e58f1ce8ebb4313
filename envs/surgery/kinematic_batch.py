"""Many copies of a task of the kinematic tier, stepped together as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from halsted.envs.errors import EnvironmentOptionError
from halsted.envs.surgery.bench import BenchEnv, Scene
from halsted.envs.surgery.bench_task import SPEED_LIMIT_M_S, sparse_reward
from halsted.robot.bullet import RATE_HZ

Array = NDArray[np.float64]
Numbers = NDArray[np.int64]
Flags = NDArray[np.bool_]


class KinematicBatch(VectorEnv[Any, Any, NDArray[Any]]):
    """Base of the batches; a subclass fills in the hooks below.

    It follows `gymnasium.vector.VectorEnv` with `AutoresetMode.SAME_STEP`: where an episode ends,
    the observation is the first of the next one, and ``infos["final_obs"]`` and
    ``infos["final_info"]`` hold the last ones. Scenes are drawn from one generator for all copies;
    `scene` tells one that the environment itself replays.

    Observations, actions, rewards and costs are those of the environment (its kinematic tier).
    """

    metadata: dict[str, Any] = {"autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012

    def __init__(self, num_envs: int, task: BenchEnv) -> None:
        """A batch of copies.

        Args:
            num_envs: How many.
            task: The environment, which tells spaces, scales, success and horizon.
        """
        if num_envs < 1:
            raise EnvironmentOptionError(f"num_envs is {num_envs}; give at least one")
        self.task = task
        self.num_envs = num_envs
        self.single_observation_space = task.observation_space
        self.single_action_space = task.action_space
        self.observation_space = batch_space(task.observation_space, num_envs)
        self.action_space = batch_space(task.action_space, num_envs)
        self._everyone: Numbers = np.arange(num_envs)
        self._all = np.ones(num_envs, np.bool_)
        self._elapsed = np.zeros(num_envs, np.int64)
        self._left = np.zeros(num_envs)
        self._period_s = task.preset.substeps / RATE_HZ

    # -- Hooks ---------------------------------------------------------------------------------

    def _draw(self, who: Numbers) -> None:
        """Draw scenes for these copies and put them there."""
        raise NotImplementedError

    def _move(self, actions: Array) -> tuple[Array, Flags]:
        """Carry out actions (n, size): how far each tip moved, m, and whether it was refused."""
        raise NotImplementedError

    def _states(self) -> Array:
        """(n, size) quantities of the task's specification, SI."""
        raise NotImplementedError

    def _goals(self) -> tuple[Array, Array]:
        """What is achieved and what is wanted, (n, k) each, SI."""
        raise NotImplementedError

    def _potentials(self, achieved: Array, desired: Array) -> Array:
        """(n,) what the dense reward pays for shrinking, m."""
        return np.asarray(np.linalg.norm(achieved - desired, axis=-1))

    def scene(self, number: int) -> Scene:
        """The scene of one copy's present episode, for `reset(options={"scene": ...})`."""
        raise NotImplementedError

    # -- Gymnasium -----------------------------------------------------------------------------

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode in every copy; the seed, or all seeds together, give all the scenes."""
        if options:
            raise EnvironmentOptionError(
                f"a batch takes no options, but {sorted(options)} were given; reset the "
                "environment itself with them"
            )
        if isinstance(seed, int):
            self._np_random = np.random.default_rng(seed)
        elif seed is not None:
            self._np_random = np.random.default_rng([one or 0 for one in seed])
        self._begin(self._everyone)
        achieved, desired = self._goals()
        self._left = self._potentials(achieved, desired)
        nothing = np.zeros(self.num_envs)
        succeeded = self.task._success(achieved, desired)
        return self._observe(achieved, desired), self._infos(nothing, nothing, succeeded)

    def step(self, actions: NDArray[Any]) -> tuple[Any, Array, Flags, Flags, dict[str, Any]]:
        """Carry out an action (n, size) in every copy; numbers beyond [-1, 1] are the bound.

        Raises:
            EnvironmentOptionError: the actions have another shape, or are not finite.
        """
        values = np.asarray(actions, np.float64)
        if values.shape != self.action_space.shape or not np.isfinite(values.sum()):
            raise EnvironmentOptionError(
                f"actions of shape {self.action_space.shape} with finite numbers were expected, "
                f"but their shape is {values.shape}; check the policy"
            )
        moved, refused = self._move(values.clip(-1.0, 1.0))
        self._elapsed += 1
        achieved, desired = self._goals()
        succeeded = self.task._success(achieved, desired)
        fast = moved / self._period_s > SPEED_LIMIT_M_S
        infos = self._infos(fast.astype(np.float64), refused.astype(np.float64), succeeded)
        rewards = self._rewards(achieved, desired, succeeded, infos)
        terminated = succeeded.copy() if self.task.preset.ends_on_success else ~self._all
        truncated = self._elapsed >= self.task.horizon
        observations = self._observe(achieved, desired)
        over = np.flatnonzero(terminated | truncated)
        if len(over):
            infos |= self._last_words(over, observations, infos)
            self._begin(over)
            achieved, desired = self._goals()
            self._left[over] = self._potentials(achieved[over], desired[over])
            observations = self._observe(achieved, desired)
        return observations, rewards, terminated, truncated, infos

    # -- Inside --------------------------------------------------------------------------------

    def _begin(self, who: Numbers) -> None:
        self._elapsed[who] = 0
        self._draw(who)

    def _rewards(
        self, achieved: Array, desired: Array, succeeded: Flags, infos: dict[str, Any]
    ) -> Array:
        if self.task.reward_form == "sparse":
            return np.array(infos["task_reward"])
        left = self._potentials(achieved, desired)
        gained, self._left = self._left - left, left
        return np.asarray(self.task.dense_reward(gained, succeeded, infos["cost"]))

    def _observe(self, achieved: Array, desired: Array) -> dict[str, NDArray[np.float32]]:
        task = self.task
        states = (self._states() * task._unscale).astype(np.float32)
        return {
            "observation": np.clip(states, -task._limit, task._limit, out=states),
            "achieved_goal": task._goal(achieved),
            "desired_goal": task._goal(desired),
        }

    def _infos(self, fast: Array, refused: Array, succeeded: Flags) -> dict[str, Any]:
        cost = fast + refused
        infos: dict[str, Any] = {
            "is_success": succeeded,
            "cost": cost,
            "costs": {"speed": fast, "_speed": self._all, "limits": refused, "_limits": self._all},
            "task_reward": sparse_reward(succeeded, cost, self.task.harm_price),
        }
        return infos | {f"_{name}": self._all for name in infos}

    def _last_words(
        self, over: Numbers, observations: dict[str, Any], infos: dict[str, Any]
    ) -> dict[str, Any]:
        """The last observations and infos of the copies whose episode is over."""
        mask = np.zeros(self.num_envs, np.bool_)
        mask[over] = True
        last = np.full(self.num_envs, None, dtype=object)
        rows = {name: part[over] for name, part in observations.items()}
        for place, number in enumerate(over.tolist()):
            last[number] = {name: part[place] for name, part in rows.items()}
        final = {name: infos[name] for name in ("is_success", "cost", "costs", "task_reward")}
        final |= {f"_{name}": mask for name in final}
        return {"final_obs": last, "_final_obs": mask, "final_info": final, "_final_info": mask}
