"""What a network is shown of a goal: the way to it, at two scales."""

from __future__ import annotations

import torch
from gymnasium import spaces
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor

from halsted.robot.specification import GOAL_SCALE_M, NEEDLE_STATE

_COARSE_M = 0.1
_FINE_M = 0.02
_TILT = NEEDLE_STATE.slice_of("tilt_in_workspace")
_TILT_SCALE_RAD = float(NEEDLE_STATE.scales[_TILT][0])


_FINE_GOAL = 0.2
"""Of the goal's unit, about a tolerance: 10 mm where a goal of 1 is 50 mm."""
_FINE_STATE = 0.1
"""Of an entry's unit: 2 mm of the 20 mm that are 1 in the way from tool to grasp."""


class GoalFeatures(BaseFeaturesExtractor):
    """The observation and the way to the goal, plain and squashed near 0, and the goal.

    A grip needs a millimetre, of which the plain observation shows little.

    The way is computed from the goals, so that it is right for goals put in by hindsight too.
    Entries come unit-scaled from the environment's specification, and so do goals.
    """

    def __init__(self, observation_space: spaces.Dict) -> None:
        """Take the space of a goal environment."""
        state = spaces.flatdim(observation_space["observation"])
        goal = spaces.flatdim(observation_space["desired_goal"])
        super().__init__(observation_space, features_dim=2 * state + 3 * goal)

    def forward(self, observations: dict[str, torch.Tensor]) -> torch.Tensor:
        """Features (batch, features) of observations (batch, ...)."""
        desired = observations["desired_goal"]
        way = desired - observations["achieved_goal"]
        near = torch.tanh(way / _FINE_GOAL)
        state = observations["observation"]
        return torch.cat([state, desired, way, near, torch.tanh(state / _FINE_STATE)], dim=1)


class NeedleFrameFeatures(BaseFeaturesExtractor):
    """The observation, and the way from achieved to desired goal in the needle's frame.

    The way is given along two normals of the needle and along the needle itself, divided by
    0.1 m, and squashed at 0.02 m, so that millimetres still count. It is computed from the goals,
    so that it is right for goals put in by hindsight too.
    """

    def __init__(self, observation_space: spaces.Dict) -> None:
        """Take the space of a needle goal environment."""
        observation = observation_space["observation"]
        size = spaces.flatdim(observation)
        super().__init__(observation_space, features_dim=size + 9)

    def forward(self, observations: dict[str, torch.Tensor]) -> torch.Tensor:
        """Features (batch, features) of observations (batch, ...)."""
        state = observations["observation"]
        away = (observations["desired_goal"] - observations["achieved_goal"]) * GOAL_SCALE_M
        tilt = state[:, _TILT] * _TILT_SCALE_RAD
        angle = tilt.norm(dim=1, keepdim=True).clamp_min(1e-6)
        across, down = tilt * torch.sin(angle) / angle, torch.cos(angle)
        along = (away[:, :2] * across).sum(dim=1, keepdim=True) - away[:, 2:] * down
        # Normals that stay near world x and y: both lean with the needle, see NeedleBiopsyEnv.
        drop = away[:, 2:] - (away[:, :2] * across).sum(dim=1, keepdim=True) / (1.0 + down)
        normal = away[:, :2] + across * drop
        way = torch.cat([normal, along], dim=1)
        world = away / _COARSE_M
        return torch.cat([state, world, way / _COARSE_M, torch.tanh(way / _FINE_M)], dim=1)
