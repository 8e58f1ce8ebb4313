"""Scoring a policy on patients that it never saw."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from halsted.agents.making import make_environment
from halsted.agents.policy import Policy
from halsted.agents.statistics import summarise
from halsted.envs.surgery.biopsy_patients import PatientLike
from halsted.imaging_bridge.files import write_text
from halsted.scenarios.schema import Scenario


@dataclass
class Episode:
    """One episode's score.

    Attributes:
        patient: Name of the patient.
        seed: Seed of the scene.
        scene: The scene, as it can be replayed.
        total_reward: Sum of `info["task_reward"]`, which is the same in every form of the task.
        success: Whether the tip reached the lesion.
        cost: Sum of costs.
        costs: The same by cause.
        steps: Control steps.
    """

    patient: str
    seed: int
    scene: dict[str, Any]
    total_reward: float
    success: bool
    cost: float
    costs: dict[str, float]
    steps: int

    def row(self) -> dict[str, Any]:
        """The episode as statistics and results files take it."""
        values = asdict(self)
        return {"return": values.pop("total_reward"), **values}


def run_episode(
    env: gym.Env[Any, Any],
    policy: Policy,
    seed: int,
    patient: int,
    on_step: Callable[[gym.Env[Any, Any]], None] | None = None,
) -> Episode:
    """One episode of a policy.

    Args:
        env: The environment.
        policy: Who acts.
        seed: Seed of the scene and of the policy's own chance.
        patient: Number of the patient among the environment's.
        on_step: Called after the reset and after every step.
    """
    observation, info = env.reset(seed=seed, options={"patient": patient})
    policy.reset(env, seed)
    episode = Episode(
        info["patient"], seed, info["scene"], 0.0, False, 0.0, dict.fromkeys(info["costs"], 0.0), 0
    )
    over = False
    while not over:
        if on_step is not None:
            on_step(env)
        observation, _, terminated, truncated, info = env.step(policy.act(observation))
        episode.total_reward += info["task_reward"]
        episode.cost += info["cost"]
        for cause, cost in info["costs"].items():
            episode.costs[cause] += cost
        episode.steps += 1
        over = terminated or truncated
    if on_step is not None:
        on_step(env)
    episode.success = bool(info["is_success"])
    return episode


def evaluate(
    scenario: Scenario,
    policy: Policy,
    cases: Sequence[PatientLike],
    seed: int = 0,
    on_episode: Callable[[Episode], None] | None = None,
) -> list[Episode]:
    """Episodes of a policy on every patient, `episodes_per_patient` each.

    Scenes depend on the seed alone, so that every policy meets the same ones.
    """
    env = make_environment(scenario, cases, policy.environment)
    episodes = []
    with contextlib.closing(env):
        for patient in range(len(cases)):
            for repetition in range(scenario.episodes_per_patient):
                scene_seed = _scene_seed(seed, patient, repetition)
                episodes.append(run_episode(env, policy, scene_seed, patient))
                if on_episode is not None:
                    on_episode(episodes[-1])
    return episodes


def _scene_seed(seed: int, patient: int, repetition: int) -> int:
    sequence = np.random.SeedSequence((seed, patient, repetition))
    return int(sequence.generate_state(1)[0])


def results(scenario: Scenario, seed: int, episodes: dict[str, list[Episode]]) -> dict[str, Any]:
    """What a results file holds.

    Args:
        scenario: What was posed.
        seed: Seed of the evaluation.
        episodes: By name of the policy.
    """
    policies = {}
    for name, scored in episodes.items():
        rows = [episode.row() for episode in scored]
        policies[name] = {"summary": summarise(rows), "episodes": rows}
    return {
        "format": "halsted-results-1",
        "version": version("halsted"),
        "scenario": scenario.name,
        "scenario_hash": scenario.content_hash,
        "scenario_content": scenario.model_dump(mode="json"),
        "seed": seed,
        "policies": policies,
    }


def write_results(path: Path, content: dict[str, Any]) -> Path:
    """Write a results file, whole or not at all.

    Raises:
        OutputError: it cannot be written there.
    """
    return write_text(path, json.dumps(content, indent=1) + "\n")
