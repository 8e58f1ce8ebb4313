"""Scoring a policy on patients and scenes that it never saw."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from halsted.agents.episodes import Episode, run_episode
from halsted.agents.errors import PolicyError
from halsted.agents.making import make_environment
from halsted.agents.policy import Policy
from halsted.agents.statistics import paired_gap, summarise
from halsted.imaging_bridge.files import write_text
from halsted.scenarios.schema import Scenario

AnyScenario = TypeVar("AnyScenario", bound=Scenario)


def evaluate(
    scenario: Scenario,
    policy: Policy,
    cases: Sequence[Any],
    seed: int = 0,
    on_episode: Callable[[Episode], None] | None = None,
) -> list[Episode]:
    """Episodes of a policy on every case, as the scenario says.

    Args:
        scenario: What is posed.
        policy: Who acts.
        cases: Patients, or seeds of scenes.
        seed: Of what is left to chance; every policy meets the same scenes.
        on_episode: Called after each episode.
    """
    episodes = []
    with contextlib.closing(make_environment(scenario, cases, policy.environment)) as env:
        for start in scenario.starts(cases, seed):
            episodes.append(run_episode(env, policy, start))
            if on_episode is not None:
                on_episode(episodes[-1])
    return episodes


def results(
    scenario: Scenario,
    seed: int,
    episodes: dict[str, list[Episode]],
    gap: tuple[str, str] | None = None,
    perception: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """What a results file holds.

    Args:
        scenario: What was posed.
        seed: Seed of the evaluation.
        episodes: By name of the policy.
        gap: Names of a policy's episodes with and without the truth, to tell the perception gap.
        perception: What tells the segmenter without the truth from others.
    """
    policies: dict[str, dict[str, Any]] = {}
    for name, scored in episodes.items():
        rows = [episode.row() for episode in scored]
        policies[name] = {"summary": summarise(rows), "episodes": rows}
    content = {
        "format": "halsted-results-1",
        "version": version("halsted"),
        "scenario": scenario.name,
        "scenario_hash": scenario.content_hash,
        "scenario_content": scenario.shareable(),
        "seed": seed,
        "policies": policies,
    }
    if gap is not None:
        first, second = (policies[name]["episodes"] for name in gap)
        content["perception_gap"] = {"between": list(gap), **paired_gap(first, second)}
        content["perception"] = dict(perception or {})
    return content


def with_perception(scenario: AnyScenario, name: str) -> AnyScenario:
    """The scenario as another segmenter sees it.

    Raises:
        PolicyError: its environment is not handed any perception.
    """
    if not scenario.sees_by_perception:
        raise PolicyError(
            f"perception is not handed to the environment of {scenario.name}; evaluate it without"
        )
    return scenario.model_copy(update={"perception": name})


def write_results(path: Path, content: dict[str, Any]) -> Path:
    """Write a results file, whole or not at all.

    Raises:
        OutputError: it cannot be written there.
    """
    return write_text(path, json.dumps(content, indent=1) + "\n")
