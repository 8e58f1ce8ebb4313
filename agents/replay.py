"""Hindsight replay that lets each step's cost into the relabelled reward."""

from __future__ import annotations

from typing import Any

from stable_baselines3 import HerReplayBuffer

_NEEDED = ("cost", "TimeLimit.truncated")


class _Kept(dict[str, Any]):
    """What is kept of an info. It is never changed, so that a copy of it is itself."""

    def __deepcopy__(self, memo: dict[int, Any]) -> _Kept:
        return self


class CostKeepingHerBuffer(HerReplayBuffer):
    """stable-baselines3's buffer, keeping of each info only what `compute_reward` needs.

    Infos are copied for every relabelled sample, so that whole ones halve the speed of training.
    """

    def add(self, obs: Any, next_obs: Any, action: Any, reward: Any, done: Any, infos: Any) -> None:
        """Store one step; see `HerReplayBuffer.add`."""
        kept: Any = [_Kept({key: info[key] for key in _NEEDED if key in info}) for info in infos]
        super().add(obs, next_obs, action, reward, done, kept)
