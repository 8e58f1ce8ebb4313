"""Any vector environment of Gymnasium as one of stable-baselines3."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv

from halsted.agents.errors import PolicyError


class VecEnvAdapter(VecEnv):
    """A `gymnasium.vector.VectorEnv` with `AutoresetMode.SAME_STEP` as a `VecEnv`.

    Infos are given an environment each; where an episode ends they are its last, with
    `terminal_observation` and `TimeLimit.truncated`.
    """

    env: Any  # VectorEnv lacks `call`, which all of Gymnasium's have

    def __init__(self, env: VectorEnv[Any, Any, Any]) -> None:
        """Wrap a vector environment, which is closed with the adapter.

        Raises:
            PolicyError: it resets its environments in another way.
        """
        mode = env.metadata.get("autoreset_mode")
        if mode != AutoresetMode.SAME_STEP:
            raise PolicyError(
                f"the vector environment resets with {mode}, but learners need "
                "AutoresetMode.SAME_STEP; make it with autoreset_mode=AutoresetMode.SAME_STEP"
            )
        self.env = env
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)

    def reset(self) -> Any:
        """First observations, with the seeds and options that were set for this reset.

        Raises:
            PolicyError: the options are not the same for all, which Gymnasium's vectors cannot do.
        """
        options = self._options[0]
        if any(one != options for one in self._options):
            raise PolicyError(
                "the options of the reset differ between environments, but a vector environment "
                "takes one for all; set the same for each"
            )
        observations, infos = self.env.reset(seed=self._seeds, options=options or None)
        self.reset_infos = [_row(infos, number) for number in range(self.num_envs)]
        self._reset_seeds()
        self._reset_options()
        return observations

    def step_async(self, actions: NDArray[Any]) -> None:
        """Take the actions for the next `step_wait`."""
        self._actions = actions

    def step_wait(self) -> tuple[Any, NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:
        """Observations, rewards, ends and infos of one step."""
        observations, rewards, terminated, truncated, infos = self.env.step(self._actions)
        ended = terminated | truncated
        rows = [_row(infos, number) for number in range(self.num_envs)]
        for number in np.flatnonzero(ended):
            first = rows[number]
            rows[number] = first.pop("final_info")
            rows[number]["terminal_observation"] = first.pop("final_obs")
            self.reset_infos[number] = first
        for row, was_cut in zip(rows, truncated & ~terminated, strict=True):
            row["TimeLimit.truncated"] = bool(was_cut)
        return observations, rewards.astype(np.float32), ended, rows

    def close(self) -> None:
        """Close the vector environment."""
        self.env.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """An attribute of some environments."""
        return self.env_method(attr_name, indices=indices)

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Set an attribute of some environments."""
        values = list(self.env.call(attr_name))
        for number in self._get_indices(indices):
            values[number] = value
        self.env.set_attr(attr_name, values)

    def env_method(
        self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any
    ) -> list[Any]:
        """Call a method of some environments."""
        chosen: Sequence[int] = list(self._get_indices(indices))
        call_one = getattr(self.env, "call_one", None)
        if call_one is not None:
            return [call_one(one, method_name, *method_args, **method_kwargs) for one in chosen]
        answers = self.env.call(method_name, *method_args, **method_kwargs)
        return [answers[one] for one in chosen]

    def env_is_wrapped(self, wrapper_class: type[Any], indices: Any = None) -> list[bool]:
        """Whether some environments have a wrapper; told of none, for it cannot be asked."""
        return [False for _ in self._get_indices(indices)]

    def get_images(self) -> Sequence[NDArray[np.uint8] | None]:
        """A view of each environment."""
        return list(self.env.render() or ())


def _row(infos: dict[str, Any], number: int) -> dict[str, Any]:
    """What the infos of a vector say of one environment."""
    return {
        key: _row(values, number) if isinstance(values, dict) else values[number]
        for key, values in infos.items()
        if not key.startswith("_") and infos[f"_{key}"][number]
    }
