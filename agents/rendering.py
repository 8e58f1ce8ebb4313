"""Pictures and animations of episodes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym

from halsted.agents.errors import PolicyError
from halsted.agents.evaluation import run_episode
from halsted.agents.making import make_environment, make_policy
from halsted.imaging_bridge.files import write_whole
from halsted.scenarios.catalogue import ScenarioError, load_scenario, scenario_names
from halsted.scenarios.schema import Scenario

_FRAME_MS = 66
_EVERY = 2  # of the 30 Hz control steps


def render_episode(name: str, policy: str, seed: int, out: Path) -> int:
    """Write an episode of a policy on the first held-back patient as a picture.

    Args:
        name: A scenario, or the id of an environment that a scenario uses.
        policy: See `making.make_policy`.
        seed: Seed of the scene.
        out: ``.png`` for the last view, ``.gif`` for the whole episode.

    Returns:
        Number of views written.

    Raises:
        HalstedError: a name or suffix is unknown, or `out` cannot be written.
    """
    from PIL import Image

    if out.suffix not in (".png", ".gif"):
        raise PolicyError(f"{out} is no picture that can be written; choose a .png or .gif name")
    scenario = _scenario_of(name)
    actor = make_policy(policy, scenario)
    cases = scenario.cases("test")[:1]
    env = make_environment(scenario, cases, actor.environment, render_mode="rgb_array")
    frames: list[Any] = []
    steps = 0

    def look(env: gym.Env[Any, Any]) -> None:
        nonlocal steps
        if out.suffix == ".gif" and steps % _EVERY == 0:
            frames.append(env.render())
        steps += 1

    run_episode(env, actor, seed, 0, look)
    frames.append(env.render())
    env.close()
    first, *rest = (Image.fromarray(frame) for frame in frames)
    if out.suffix == ".png":
        write_whole(out, lambda path: first.save(path))
        return 1
    write_whole(
        out,
        lambda path: first.save(
            path, save_all=True, append_images=rest, duration=_FRAME_MS, loop=0
        ),
    )
    return len(frames)


def _scenario_of(name: str) -> Scenario:
    """The scenario of this name, or the first that uses the environment of this id."""
    if "/" not in name or name.endswith((".yaml", ".yml")):
        return load_scenario(name)
    known = [load_scenario(scenario) for scenario in scenario_names()]
    for scenario in known:
        if name == scenario.environment:
            return scenario
        if name == scenario.goal_environment:
            return scenario.model_copy(update={"environment": name})
    ids = sorted({one.environment for one in known} | {one.goal_environment for one in known})
    raise ScenarioError(f"there is no environment {name!r}; choose one of: {', '.join(ids)}")
