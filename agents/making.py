"""Environments and policies from scenarios and names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym

from halsted.agents.errors import PolicyError
from halsted.agents.perception import make_segmenter
from halsted.agents.policy import Policy, RandomPolicy
from halsted.envs.surgery.biopsy_patients import PatientLike
from halsted.scenarios.schema import Scenario


def make_environment(
    scenario: Scenario,
    cases: Sequence[PatientLike],
    environment: str | None = None,
    render_mode: str | None = None,
) -> gym.Env[Any, Any]:
    """An environment of the scenario over some of its patients.

    Args:
        scenario: What is posed.
        cases: The patients.
        environment: Another form of the environment than the scenario's own.
        render_mode: As in `gymnasium.make`.
    """
    return gym.make(
        environment or scenario.environment,
        patient=list(cases),
        segmenter=make_segmenter(scenario.perception),
        render_mode=render_mode,
        **scenario.environment_arguments(),
    )


def make_policy(name: str, scenario: Scenario) -> Policy:
    """The policy of this name: ``expert``, ``random``, or the folder of a trained one.

    Raises:
        PolicyError: there is none, or it was trained for something else.
    """
    if name == "random":
        return RandomPolicy()
    if name == "expert":
        from halsted.agents.scripted.needle_expert import NeedleExpert

        return NeedleExpert()
    if not Path(name).exists():
        raise PolicyError(
            f"there is no policy {name!r}; choose expert, random, or the folder that "
            "'halsted train' wrote"
        )
    from halsted.agents.trained import load_trained

    return load_trained(Path(name), scenario)
