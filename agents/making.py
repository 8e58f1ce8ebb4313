"""Environments and policies from scenarios and names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec

from halsted.agents.errors import PolicyError
from halsted.agents.perception import make_segmenter
from halsted.agents.policy import Policy, RandomPolicy
from halsted.agents.scripted import make_expert, make_planner
from halsted.scenarios.schema import Scenario


def make_environment(
    scenario: Scenario,
    cases: Sequence[Any],
    environment: str | EnvSpec | None = None,
    render_mode: str | None = None,
    **arguments: Any,
) -> gym.Env[Any, Any]:
    """An environment of the scenario over some of its cases.

    Args:
        scenario: What is posed.
        cases: Patients, or seeds of scenes.
        environment: Another form of the environment than the scenario's own.
        render_mode: As in `gymnasium.make`.
        arguments: More keyword arguments, which go before the scenario's.

    Raises:
        PolicyError: the environment does not take them, or lacks a package.
    """
    chosen = environment or scenario.environment
    told = scenario.arguments(cases, make_segmenter) | arguments
    if render_mode is not None:
        told["render_mode"] = render_mode
    try:
        return gym.make(chosen, **told)
    except (TypeError, ImportError, gym.error.Error) as error:
        name = chosen if isinstance(chosen, str) else chosen.id
        reason = " ".join(str(error).split())[:200]
        raise PolicyError(
            f"the environment {name} cannot be made ({reason}); correct the scenario's task, or "
            "choose another environment"
        ) from error


def make_policy(name: str, scenario: Scenario) -> Policy:
    """The policy of this name.

    ``expert`` and ``planner`` are scripted, on the truth and on what perception sees; ``random``
    tries anything; any other name is the folder of a trained one.

    Raises:
        PolicyError: there is none, or it was trained for something else.
    """
    if name == "random":
        return RandomPolicy()
    if name == "expert":
        return make_expert(scenario.environment)
    if name == "planner":
        return make_planner(scenario.environment)
    if not Path(name).exists():
        raise PolicyError(
            f"there is no policy {name!r}; choose expert, planner, random, or the folder that "
            "'halsted train' wrote"
        )
    from halsted.agents.trained import load_trained

    return load_trained(Path(name), scenario)
