"""Pictures and animations of episodes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym

from halsted.agents.episodes import run_episode
from halsted.agents.errors import PolicyError
from halsted.agents.making import make_environment, make_policy
from halsted.imaging_bridge.files import write_whole
from halsted.scenarios.catalogue import scenario_of

_FRAME_MS = 66
_EVERY = 2  # of the 30 Hz control steps


def render_episode(name: str, policy: str, seed: int, out: Path) -> int:
    """Write an episode of a policy on a held-back patient or scene as a picture.

    Args:
        name: A scenario, or the id of an environment.
        policy: See `making.make_policy`.
        seed: Chooses the scene.
        out: ``.png`` for the last view, ``.gif`` for the whole episode.

    Returns:
        Number of views written.

    Raises:
        HalstedError: a name or suffix is unknown, or `out` cannot be written.
    """
    from PIL import Image

    if out.suffix not in (".png", ".gif"):
        raise PolicyError(f"{out} is no picture that can be written; choose a .png or .gif name")
    scenario = scenario_of(name)
    actor = make_policy(policy, scenario)
    cases = scenario.cases("test")
    (start,) = scenario.draw(cases, 1, seed)
    env = make_environment(scenario, cases, actor.environment, render_mode="rgb_array")
    frames: list[Any] = []
    steps = 0

    def look(env: gym.Env[Any, Any]) -> None:
        nonlocal steps
        if out.suffix == ".gif" and steps % _EVERY == 0:
            frames.append(env.render())
        steps += 1

    run_episode(env, actor, start, look)
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
