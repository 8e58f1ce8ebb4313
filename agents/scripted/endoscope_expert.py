"""A scripted expert for the tasks of the endoscope: every aim has a closed form."""

from __future__ import annotations

import math
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from halsted.agents.scripted.task import task_of
from halsted.envs.surgery.endoscope.active_track import ActiveTrackEnv
from halsted.envs.surgery.endoscope.ecm_reach import ECMReachEnv
from halsted.envs.surgery.endoscope.endoscope_env import EndoscopeEnv
from halsted.envs.surgery.endoscope.mis_orient import MisOrientEnv
from halsted.envs.surgery.endoscope.stand import scope_mount
from halsted.envs.surgery.endoscope.track_env import TrackEnv

Action = NDArray[np.float32]


class EndoscopeExpert:
    """The scripted expert. It sees where everything is, and where a moving target will be."""

    name = "expert"
    environment: str | None = None

    def reset(self, env: gym.Env[Any, Any], seed: int) -> None:
        """Begin an episode.

        Raises:
            PolicyError: the environment is none of the endoscope's.
        """
        unwrapped = task_of(env, EndoscopeEnv, "moves the endoscope")
        self._env: EndoscopeEnv = unwrapped

    def act(self, observation: Any) -> Action:
        """The step that brings the scope nearest to its aim; the observation is not looked at."""
        env = self._env
        if isinstance(env, ECMReachEnv):
            return _shortened(env.way_left, env.preset.step_m)
        if isinstance(env, MisOrientEnv):
            return _shortened(np.array([-env.misorientation]), env.preset.step_rad)
        assert isinstance(env, TrackEnv)
        return _turn_to(env)


def _turn_to(env: TrackEnv) -> Action:
    """Turn the view to the target. It goes through the remote centre, about which it turns."""
    target = env.next_target if isinstance(env, ActiveTrackEnv) else env.target
    way = target - scope_mount().base_in_world[:3, 3]
    right, down, ahead = (way @ env.camera_in_world[:3, :3]).tolist()
    return _shortened(np.array([right / ahead, down / ahead, 0.0]), env.preset.turn_rad)


def _shortened(way: NDArray[np.float64], step: float) -> Action:
    """A way in steps of this length, its direction kept, at most one step in all."""
    return (way / max(math.sqrt(way @ way), step)).astype(np.float32)
