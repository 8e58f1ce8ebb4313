"""Training with stable-baselines3."""

from __future__ import annotations

import contextlib
import json
import platform
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np

from halsted.agents.making import make_environment
from halsted.agents.trained import CARD, NETWORK
from halsted.imaging_bridge.cases import Case
from halsted.imaging_bridge.files import make_folder, write_text, write_whole
from halsted.scenarios.schema import Scenario

Algorithm = Literal["sac-her", "ppo"]

_PACKAGES = ("halsted", "torch", "stable-baselines3", "gymnasium", "pybullet")


@dataclass
class Curve:
    """What was learned when: one row an episode.

    Attributes:
        steps: Environment steps at its end.
        success: Whether it succeeded.
        cost: Its cost.
    """

    steps: list[int] = field(default_factory=list)
    success: list[float] = field(default_factory=list)
    cost: list[float] = field(default_factory=list)


def train(
    scenario: Scenario,
    folder: Path,
    algorithm: Algorithm = "sac-her",
    steps: int = 20_000,
    seed: int = 0,
    cases: list[Case] | None = None,
    demonstrations: int = 0,
    on_progress: Callable[[int], None] | None = None,
    tensorboard: bool = True,
) -> Curve:
    """Train a policy on the scenario's training patients and write it to a folder.

    The folder gets ``policy.zip`` and ``policy.json`` (whole, at the end), and TensorBoard's
    events while training goes on. One torch thread: more slow small networks down.

    Args:
        scenario: What is posed.
        folder: Where to write.
        algorithm: ``sac-her`` (goal form, sparse reward) or ``ppo`` (dense reward).
        steps: Environment steps.
        seed: Seed of networks, exploration and scenes.
        cases: Other patients than the scenario's.
        demonstrations: Episodes of the scripted expert, on training patients, that are put into
            the replay buffer of ``sac-her`` before it starts.
        on_progress: Called with the number of steps done.
        tensorboard: Whether to write events.

    Raises:
        OutputError: the folder cannot be written to.
    """
    import torch
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.monitor import Monitor

    make_folder(folder)
    torch.set_num_threads(1)
    environment = scenario.goal_environment if algorithm == "sac-her" else scenario.environment
    trained_on = cases or scenario.cases("train")
    env = Monitor(make_environment(scenario, trained_on, environment))
    curve = Curve()

    class Follow(BaseCallback):
        """Keeps the curve and tells the progress."""

        def __init__(self) -> None:
            super().__init__()
            self._cost = 0.0

        def _on_step(self) -> bool:
            info, done = self.locals["infos"][0], self.locals["dones"][0]
            self._cost += info["cost"]
            if done:
                curve.steps.append(self.num_timesteps)
                curve.success.append(float(info["is_success"]))
                curve.cost.append(self._cost)
                self.logger.record("rollout/cost", self._cost)
                self._cost = 0.0
            if on_progress is not None:
                on_progress(self.num_timesteps)
            return True

    log = str(folder / "tensorboard") if tensorboard else None
    model = _learner(algorithm, env, seed, log)
    with contextlib.closing(env):
        if demonstrations and algorithm == "sac-her":
            _demonstrate(model, env, demonstrations, seed)
        model.learn(total_timesteps=steps, callback=Follow(), log_interval=20)
    write_whole(folder / NETWORK, model.save)
    card = {
        "scenario": scenario.name,
        "scenario_hash": scenario.content_hash,
        "environment": environment,
        "algorithm": algorithm,
        "steps": int(model.num_timesteps),
        "demonstrations": demonstrations if algorithm == "sac-her" else 0,
        "patients": [case.name for case in trained_on],
        "seed": seed,
        "versions": {name: version(name) for name in _PACKAGES},
        "python": platform.python_version(),
    }
    write_text(folder / CARD, json.dumps(card, indent=1))
    return curve


def _learner(algorithm: Algorithm, env: Any, seed: int, log: str | None) -> Any:
    from stable_baselines3 import PPO, SAC

    from halsted.agents.features import NeedleFrameFeatures
    from halsted.agents.replay import CostKeepingHerBuffer

    if algorithm == "ppo":
        return PPO(
            "MlpPolicy",
            env,
            n_steps=2048,
            batch_size=256,
            gae_lambda=0.95,
            gamma=0.98,
            policy_kwargs={"net_arch": [64, 64]},
            seed=seed,
            tensorboard_log=log,
            device="cpu",
        )
    return SAC(
        "MultiInputPolicy",
        env,
        learning_rate=1e-3,
        gamma=0.95,
        tau=0.02,
        batch_size=256,
        learning_starts=1000,
        buffer_size=300_000,
        replay_buffer_class=CostKeepingHerBuffer,
        # Infos carry each step's cost into the relabelled reward.
        replay_buffer_kwargs={"n_sampled_goal": 4, "copy_info_dict": True},
        policy_kwargs={
            "net_arch": [64, 64],
            "features_extractor_class": NeedleFrameFeatures,
        },
        seed=seed,
        tensorboard_log=log,
        device="cpu",
    )


def _demonstrate(model: Any, env: Any, episodes: int, seed: int) -> None:
    """Put episodes of the scripted expert into an off-policy learner's replay buffer."""
    from halsted.agents.scripted.needle_expert import NeedleExpert

    expert = NeedleExpert()
    for number in range(episodes):
        observation, _ = env.reset(seed=seed + number)
        expert.reset(env, seed)
        over = False
        while not over:
            action = expert.act(observation)
            following, reward, terminated, truncated, info = env.step(action)
            over = terminated or truncated
            info["TimeLimit.truncated"] = truncated and not terminated
            model.replay_buffer.add(
                {key: value[None] for key, value in observation.items()},
                {key: value[None] for key, value in following.items()},
                action[None],
                np.array([reward]),
                np.array([over]),
                [info],
            )
            observation = following


def smoothed(values: list[float], window: int = 20) -> list[float]:
    """Mean of the last `window` values at each place."""
    sums = np.cumsum([0.0, *values])
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - window, 0)
    return [float(value) for value in (sums[ends] - sums[starts]) / (ends - starts)]
