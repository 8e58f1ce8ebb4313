"""Training with stable-baselines3."""

from __future__ import annotations

import contextlib
import functools
import json
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecEnv, VecMonitor

from halsted.agents.cloning import Cloner, fill_replay_buffer
from halsted.agents.curve import Curve, Follow
from halsted.agents.demonstrations import Demonstration, played, read_demonstrations
from halsted.agents.episodes import check_told
from halsted.agents.guided import GuidedSac
from halsted.agents.learners import (
    Algorithm,
    make_learner,
    refuse_pictures,
    uses_hindsight,
)
from halsted.agents.making import make_environment
from halsted.agents.scripted import make_expert
from halsted.agents.trained import CARD, NETWORK
from halsted.agents.vectors import VecEnvAdapter
from halsted.envs.vector import ChunkedVectorEnv
from halsted.imaging_bridge.files import make_folder, write_text, write_whole
from halsted.scenarios.schema import Scenario

_NOISE = 0.1
"""Of the actions' range, added to what an expert demonstrates to a guided learner."""
_PACKAGES = ("halsted", "torch", "stable-baselines3", "gymnasium", "pybullet")


@dataclass(frozen=True)
class Training:
    """How a policy is trained.

    Attributes:
        algorithm: ``sac-her`` (goal form, sparse reward), ``sac`` or ``ppo`` (dense reward).
        steps: Environment steps.
        seed: Seed of networks, exploration and scenes.
        environments: How many are stepped together.
        workers: Processes that they are spread over; 0 steps them in this one.
        demonstrations: Episodes to clone before learning, and to replay where the learner uses
            hindsight: a folder that ``halsted record`` wrote, or how many the expert plays.
        cloning_batches: Steps of the optimiser in which they are cloned before learning.
        settings: More arguments of the learner; see stable-baselines3.
        tensorboard: Whether to write events.
    """

    algorithm: Algorithm = "sac-her"
    steps: int = 20_000
    seed: int = 0
    environments: int = 1
    workers: int = 0
    demonstrations: int | Path = 0
    cloning_batches: int = 1000
    settings: dict[str, Any] = field(default_factory=dict)
    tensorboard: bool = True


def train(
    scenario: Scenario,
    folder: Path,
    how: Training,
    cases: Sequence[Any] | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Curve:
    """Train a policy on the scenario's training cases and write it to a folder.

    The folder gets ``policy.zip`` and ``policy.json`` (whole, at the end), and TensorBoard's
    events while training goes on. One torch thread: more slow small networks down.

    Args:
        scenario: What is posed.
        folder: Where to write.
        how: How to train.
        cases: Other patients or scenes than the scenario's.
        on_progress: Called with the number of steps done.

    Raises:
        HalstedError: the folder cannot be written, or algorithm or demonstrations do not fit.
    """
    torch.set_num_threads(1)
    trained_on = scenario.cases("train") if cases is None else cases
    form, arguments = scenario.learning_form(uses_hindsight(how.algorithm))
    spec = gym.spec(form)  # a worker process may not know an id that was registered here
    make = functools.partial(make_environment, scenario, trained_on, spec, **arguments)
    curve = Curve()
    shown = _recorded(make, how)
    log = str(folder / "tensorboard") if how.tensorboard else None
    with contextlib.closing(_together(scenario, trained_on, make, how)) as env:
        if how.demonstrations:
            refuse_pictures(env.observation_space, "cloning demonstrations")
        model = make_learner(how.algorithm, env, form, how.seed, log, how.settings)
        make_folder(folder)
        noise = _NOISE if isinstance(model, GuidedSac) else 0.0
        shown = shown or _played(scenario, trained_on, make, how, noise)
        callbacks: list[BaseCallback] = [Follow(curve, on_progress)]
        if shown:
            _learn_from(model, shown, how)
        model.learn(how.steps, callback=callbacks, log_interval=20)
    write_whole(folder / NETWORK, model.save)
    card = {
        "environment": form,
        "steps": int(model.num_timesteps),
        "demonstrations": len(shown),
        "cases": _names(trained_on),
    }
    write_text(folder / CARD, json.dumps(_card(scenario, how) | card, indent=1))
    return curve


def _card(scenario: Scenario, how: Training) -> dict[str, Any]:
    """What tells a trained policy from others."""
    return {
        "scenario": scenario.name,
        "scenario_hash": scenario.content_hash,
        "algorithm": how.algorithm,
        "seed": how.seed,
        "versions": {name: version(name) for name in _PACKAGES},
        "python": platform.python_version(),
    }


class _TrainingScenes(gym.Wrapper[Any, Any, Any, Any]):
    """Begins every episode on a case drawn from those that are trained on."""

    def __init__(self, env: gym.Env[Any, Any], scenario: Scenario, cases: Sequence[Any]) -> None:
        super().__init__(env)
        self._scenario, self._cases = scenario, cases
        self._rng = np.random.default_rng()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        if seed is not None:
            self._rng = np.random.default_rng(seed)
        (start,) = self._scenario.draw(self._cases, 1, int(self._rng.integers(2**31)))
        observation, info = self.env.reset(seed=start.seed, options=dict(start.options) or None)
        check_told(self.env, info)
        return observation, info


def _together(
    scenario: Scenario,
    cases: Sequence[Any],
    make: Callable[[], gym.Env[Any, Any]],
    how: Training,
) -> VecEnv:
    """The environments to learn in, as stable-baselines3 takes them."""

    def make_one() -> gym.Env[Any, Any]:
        return _TrainingScenes(make(), scenario, cases)

    makers = [make_one] * how.environments
    vector: gym.vector.VectorEnv[Any, Any, Any]
    if how.workers:
        vector = ChunkedVectorEnv(makers, how.workers)
    else:
        vector = SyncVectorEnv(makers, autoreset_mode=AutoresetMode.SAME_STEP)
    return VecMonitor(VecEnvAdapter(vector))


def _recorded(make: Callable[[], gym.Env[Any, Any]], how: Training) -> list[Demonstration]:
    """The episodes of a data set, if one is given."""
    if not isinstance(how.demonstrations, Path):
        return []
    with contextlib.closing(make()) as env:
        return read_demonstrations(how.demonstrations, env)


def _played(
    scenario: Scenario,
    cases: Sequence[Any],
    make: Callable[[], gym.Env[Any, Any]],
    how: Training,
    noise: float,
) -> list[Demonstration]:
    """Episodes that the expert plays on training cases, if they are asked for."""
    if not isinstance(how.demonstrations, int) or not how.demonstrations:
        return []
    with contextlib.closing(make()) as env:
        starts = scenario.draw(cases, how.demonstrations, how.seed)
        return played(env, make_expert(scenario.environment), starts, noise, how.seed)


def _learn_from(model: Any, shown: Sequence[Demonstration], how: Training) -> None:
    """Give a learner what was shown: `GuidedSac` clones and replays it, plain SAC+HER replays it.

    Plain SAC begins so full of entropy that it loses what it cloned: with cloning, 15,000 steps of
    the needle biopsy's recipe ended at 0 of 12 held-back phantoms; without, at 11 of 12.
    """
    hindsight = uses_hindsight(how.algorithm)
    if hindsight:
        fill_replay_buffer(model, shown)
    if hindsight and not isinstance(model, GuidedSac):
        return
    cloner = Cloner(model, shown, how.seed)
    cloner.clone(how.cloning_batches)
    if hindsight:
        model.cloner, model.learning_starts = cloner, 0


def _names(cases: Sequence[Any]) -> list[str]:
    """Names of patients; of scenes, which are many, the first and last seed."""
    if isinstance(cases, range):
        return [f"scenes {cases.start} to {cases.stop - 1}"]
    return [getattr(case, "name", str(case)) for case in cases]
