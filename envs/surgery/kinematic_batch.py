"""Many copies of a task of the kinematic tier, stepped together as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from halsted.envs.errors import EnvironmentOptionError
from halsted.envs.surgery.bench import BenchEnv, Scene
from halsted.envs.surgery.bench_task import CAUSES, SPEED_LIMIT_M_S, sparse_reward
from halsted.robot.bullet import RATE_HZ

Array = NDArray[np.float64]
Numbers = NDArray[np.int64]
Flags = NDArray[np.bool_]

_FIXED = {"tier": "kinematic", "sight": "state", "render_mode": None}
"""Options of the environments of which a batch has this value only."""


class KinematicBatch(VectorEnv[Any, Any, NDArray[Any]]):
    """Base of the batches; a subclass fills in the hooks below.

    It follows `gymnasium.vector.VectorEnv` with `AutoresetMode.SAME_STEP`: where an episode ends,
    observation and infos are the first of the next one, and ``infos["final_obs"]`` and
    ``infos["final_info"]`` hold the last ones. Scenes are drawn from one generator for all copies,
    so that there is one seed. Infos hold no scenes, which would be lists in Python; `scene` tells
    one that the environment itself replays.

    Observations, actions, rewards and costs are those of the environment (its kinematic tier).
    """

    metadata: dict[str, Any] = {"autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012

    def __init__(self, num_envs: int, task: BenchEnv, others: Mapping[str, object]) -> None:
        """A batch of copies.

        Args:
            num_envs: How many.
            task: The environment, which tells spaces, scales, success and horizon.
            others: Options of the environment that a batch does not have.

        Raises:
            EnvironmentOptionError: there is no copy, or another option is not what batches are.
        """
        if num_envs < 1:
            raise EnvironmentOptionError(f"num_envs is {num_envs}; give at least one")
        for name, value in others.items():
            if name not in _FIXED or value not in (None, _FIXED[name]):
                raise EnvironmentOptionError(
                    f"{name} is {value!r}, but a batch is of the kinematic tier, with neither "
                    "pictures nor other options; leave it out, or make single environments"
                )
        self.task = task
        self.num_envs = num_envs
        self.single_observation_space = task.observation_space
        self.single_action_space = task.action_space
        self.observation_space = batch_space(task.observation_space, num_envs)
        self.action_space = batch_space(task.action_space, num_envs)
        self._everyone: Numbers = np.arange(num_envs)
        self._all = _constant(np.ones(num_envs, np.bool_))
        self._nothing = _constant(np.zeros(num_envs))
        self._is_ready = False
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
        """Begin an episode in every copy; the seed gives all the scenes.

        Raises:
            EnvironmentOptionError: options were given, or the seed is not one natural number.
        """
        if options:
            raise EnvironmentOptionError(
                f"a batch takes no options, but {sorted(options)} were given; reset the "
                "environment itself with them"
            )
        if seed is not None and (not isinstance(seed, int | np.integer) or seed < 0):
            raise EnvironmentOptionError(
                f"the seed of a batch is {seed!r}; give one natural number, or None, for all "
                "copies together"
            )
        super().reset(seed=None if seed is None else int(seed))
        self._is_ready = True
        achieved, desired = self._begin(self._everyone)
        succeeded = self.task._success(achieved, desired)
        infos = self._infos(self._nothing, self._nothing, succeeded, self._all)
        return self._observe(achieved, desired), infos

    def step(self, actions: NDArray[Any]) -> tuple[Any, Array, Flags, Flags, dict[str, Any]]:
        """Carry out an action (n, size) in every copy; numbers beyond [-1, 1] are the bound.

        Raises:
            ResetNeeded: no episode has begun.
            EnvironmentOptionError: the actions have another shape, or are not finite.
        """
        if not self._is_ready:
            raise ResetNeeded("reset the batch before its first step")
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
        fast = (moved / self._period_s > SPEED_LIMIT_M_S).astype(np.float64)
        held_back = refused.astype(np.float64)
        infos = self._infos(fast, held_back, succeeded, self._all)
        rewards = self._rewards(achieved, desired, succeeded, infos)
        terminated = succeeded.copy() if self.task.preset.ends_on_success else ~self._all
        truncated = self._elapsed >= self.task.horizon
        observations = self._observe(achieved, desired)
        over = np.flatnonzero(terminated | truncated)
        if len(over):
            final = self._last_words(over, observations)
            final["final_info"] = self._infos(fast, held_back, succeeded, final["_final_info"])
            achieved, desired = self._begin(over)
            observations = self._observe(achieved, desired)
            fast[over] = held_back[over] = 0.0
            succeeded[over] = self.task._success(achieved[over], desired[over])
            infos = self._infos(fast, held_back, succeeded, self._all) | final
        return observations, rewards, terminated, truncated, infos

    # -- Inside --------------------------------------------------------------------------------

    def _begin(self, who: Numbers) -> tuple[Array, Array]:
        """Draw scenes whose goal is not met yet; what is then achieved and wanted, by all."""
        self._elapsed[who] = 0
        met = who
        while len(met):
            self._draw(met)
            achieved, desired = self._goals()
            met = who[self.task._success(achieved[who], desired[who])]
        self._left[who] = self._potentials(achieved[who], desired[who])
        return achieved, desired

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

    def _infos(self, fast: Array, refused: Array, succeeded: Flags, who: Flags) -> dict[str, Any]:
        """Infos of those copies, as Gymnasium's own vectors hold them: 0 where a copy has none."""
        by_cause = {"speed": fast * who, "limits": refused * who}
        costs: dict[str, Any] = {cause: by_cause.get(cause, self._nothing) for cause in CAUSES}
        cost = by_cause["speed"] + by_cause["limits"]
        infos: dict[str, Any] = {
            "is_success": succeeded & who,
            "cost": cost,
            "costs": costs | {f"_{cause}": who for cause in CAUSES},
            "task_reward": np.where(who, sparse_reward(succeeded, cost, self.task.harm_price), 0.0),
        }
        return infos | {f"_{name}": who for name in infos}

    def _last_words(self, over: Numbers, observations: dict[str, Any]) -> dict[str, Any]:
        """The last observations of the copies whose episode is over, and which those are."""
        mask = np.zeros(self.num_envs, np.bool_)
        mask[over] = True
        last = np.full(self.num_envs, None, dtype=object)
        rows = {name: part[over] for name, part in observations.items()}
        for place, number in enumerate(over.tolist()):
            last[number] = {name: part[place] for name, part in rows.items()}
        return {"final_obs": last, "_final_obs": mask, "_final_info": mask}

    def _shifts(self, actions: Array) -> Array:
        """Translations (n, 3), m, that the first three numbers of actions ask for."""
        preset, shares = self.task.preset, actions[:, :3]
        if preset.is_round:
            sizes = np.sqrt(np.einsum("ij,ij->i", shares, shares))
            shares = shares / np.maximum(1.0, sizes)[:, None]
        return np.asarray(shares * preset.step_m)


def _constant(values: NDArray[Any]) -> NDArray[Any]:
    """The same array, which nobody can change: infos share it."""
    values.setflags(write=False)
    return values
