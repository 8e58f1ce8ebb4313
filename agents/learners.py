"""The learners of stable-baselines3, with settings that suit small networks on a CPU."""

from __future__ import annotations

from typing import Any, Literal

from gymnasium import spaces
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import VecEnv

from halsted.agents.errors import PolicyError
from halsted.agents.features import GoalFeatures, NeedleFrameFeatures
from halsted.agents.guided import GuidedSac
from halsted.agents.replay import CostKeepingHerBuffer

Algorithm = Literal["sac-her", "sac", "ppo"]
LEARNERS: dict[str, Any] = {"sac-her": SAC, "sac": SAC, "ppo": PPO}
"""What loads a stored network of each."""

_GOALS = {"observation", "achieved_goal", "desired_goal"}
_NEEDLE_GOALS = "halsted/NeedleBiopsyGoal-v0"
_OFF_POLICY = {
    "learning_rate": 1e-3,
    "gamma": 0.95,
    "tau": 0.02,
    "batch_size": 256,
    "learning_starts": 1000,
    "buffer_size": 300_000,
}
_GUIDED = {"ent_coef": "auto_0.05", "target_entropy": "auto"}
"""A cautious start: with the usual first temperature of 1, thousands of updates pass in which
entropy outweighs everything that was cloned."""
_STEPS_AN_UPDATE = 8
_SHARE_DEMONSTRATED = 0.25
_ON_POLICY = {
    "n_steps": 2048,
    "batch_size": 256,
    "gae_lambda": 0.95,
    "gamma": 0.98,
}


def uses_hindsight(algorithm: Algorithm) -> bool:
    """Whether the learner needs the goal form of an environment."""
    return algorithm == "sac-her"


def make_learner(
    algorithm: Algorithm,
    env: VecEnv,
    environment: str,
    seed: int,
    log: str | None = None,
    settings: dict[str, Any] | None = None,
) -> Any:
    """A learner with networks of 64 x 64: for ``sac-her`` at the bench a `GuidedSac`.

    Args:
        algorithm: ``sac-her``, ``sac`` or ``ppo``.
        env: Environments to learn in.
        environment: Their id.
        seed: Seed of networks and exploration.
        log: Folder for TensorBoard.
        settings: More arguments of the learner, which go before ours.

    Raises:
        PolicyError: hindsight is asked for where there are no goals, or are pictures.
    """
    space = env.observation_space
    has_goals = isinstance(space, spaces.Dict) and set(space.spaces) >= _GOALS
    if uses_hindsight(algorithm) and not has_goals:
        raise PolicyError(f"{environment} has no goals, which {algorithm} needs; choose sac or ppo")
    if uses_hindsight(algorithm):
        refuse_pictures(space, algorithm)
    arguments = _ON_POLICY if algorithm == "ppo" else _off_policy(algorithm, env)
    learner, features = LEARNERS[algorithm], _features(environment, space)
    if features is GoalFeatures and uses_hindsight(algorithm):
        learner, arguments = GuidedSac, _guided(arguments, env)
    policy: dict[str, Any] = {"net_arch": [64, 64]}
    if features is not None:
        policy["features_extractor_class"] = features
    told = {"policy_kwargs": policy, "seed": seed, "tensorboard_log": log, "device": "cpu"}
    kind = "MultiInputPolicy" if isinstance(space, spaces.Dict) else "MlpPolicy"
    made = learner(kind, env, **arguments | told | (settings or {}))
    if isinstance(made, GuidedSac):
        made.expect_harm(float(env.get_attr("harm_price", [0])[0]))
    return made


def refuse_pictures(space: spaces.Space[Any], what: str) -> None:
    """Refuse observations with pictures for what takes numbers only.

    Raises:
        PolicyError: there are pictures among them.
    """
    parts = space.spaces.values() if isinstance(space, spaces.Dict) else (space,)
    if any(len(part.shape or ()) > 1 for part in parts):
        raise PolicyError(
            f"{what} does not take pictures; choose sight: state, or train sac or ppo without "
            "demonstrations"
        )


def _features(environment: str, space: spaces.Space[Any]) -> type[BaseFeaturesExtractor] | None:
    """What goals are shown through; None for stable-baselines3's own choice."""
    if environment == _NEEDLE_GOALS:
        return NeedleFrameFeatures
    is_state = isinstance(space, spaces.Dict) and set(space.spaces) == _GOALS
    return GoalFeatures if is_state else None


def _off_policy(algorithm: Algorithm, env: VecEnv) -> dict[str, Any]:
    """One gradient step for four of several environments' steps, or for each of a single one."""
    arguments: dict[str, Any] = {**_OFF_POLICY, "gradient_steps": max(1, env.num_envs // 4)}
    if uses_hindsight(algorithm):
        arguments["replay_buffer_class"] = CostKeepingHerBuffer
        arguments["replay_buffer_kwargs"] = {"n_sampled_goal": 4}
        # Hindsight needs an episode that has ended.
        longest = env.num_envs * (env.get_attr("horizon", [0])[0] + 1)
        arguments["learning_starts"] = max(arguments["learning_starts"], longest)
    return arguments


def _guided(arguments: dict[str, Any], env: VecEnv) -> dict[str, Any]:
    """A gradient step for eight steps, of which the bench makes more than a thousand a second."""
    shares = {"share_demonstrated": _SHARE_DEMONSTRATED}
    return {
        **arguments,
        **_GUIDED,
        "train_freq": max(1, _STEPS_AN_UPDATE // env.num_envs),
        "gradient_steps": max(1, env.num_envs // _STEPS_AN_UPDATE),
        "replay_buffer_kwargs": arguments["replay_buffer_kwargs"] | shares,
    }
