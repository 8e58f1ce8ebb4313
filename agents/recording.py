"""Recording episodes as a Minari data set, with the harm of every step."""

from __future__ import annotations

import copy
import json
import platform
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec

from halsted.agents.demonstrations import is_json, stacked
from halsted.agents.episodes import Step, begin, play
from halsted.agents.errors import PolicyError
from halsted.agents.making import make_environment, make_policy
from halsted.agents.policy import Policy
from halsted.imaging_bridge.errors import OutputError
from halsted.imaging_bridge.files import whole_folder
from halsted.scenarios.catalogue import scenario_of
from halsted.scenarios.schema import Scenario, Start

_PACKAGES = ("halsted", "minari", "gymnasium", "numpy", "pybullet")
_SCALARS = ("cost", "task_reward", "is_success")


@dataclass(frozen=True)
class Recording:
    """What is recorded.

    Attributes:
        name: A scenario, or the id of an environment.
        policy: Who acts; see `making.make_policy`.
        episodes: How many.
        seed: Draws the training cases and scenes.
        out: Folder to write; its name is the data set's.
    """

    name: str
    policy: str
    episodes: int
    seed: int
    out: Path


def record(what: Recording, on_episode: Callable[[bool], None] = lambda _: None) -> Path:
    """Write episodes on training patients or scenes as a Minari data set, whole or not at all.

    ``OUT/data`` holds HDF5 as Minari lays it out, images unpacked. The infos of a step hold `cost`,
    `costs` by cause, `task_reward` and `is_success`; the attributes of an episode its `seed`,
    `scene` (JSON, for ``reset(options={"scene": ...})``), `success` and `cost`; ``metadata.json``
    under `halsted` the scenario, policy, seed and versions.

    Args:
        what: What is recorded.
        on_episode: Called after each episode with its success.

    Returns:
        The folder of the data set.

    Raises:
        HalstedError: a name is unknown, the folder exists, or it cannot be written to.
    """
    scenario = scenario_of(what.name)
    policy = make_policy(what.policy, scenario)
    if what.out.exists():
        raise OutputError(f"{what.out} exists already; choose another folder to record into")
    environment = policy.environment or scenario.environment
    cases = scenario.cases("train")
    with (
        whole_folder(what.out) as partial,
        closing(make_environment(scenario, cases, environment)) as env,
    ):
        storage = _new_storage(partial / "data", env, what, scenario, policy)
        for start in scenario.draw(cases, what.episodes, what.seed):
            succeeded = _record_episode(storage, env, policy, start)
            on_episode(succeeded)
    return what.out


def _new_storage(
    folder: Path, env: gym.Env[Any, Any], what: Recording, scenario: Scenario, policy: Policy
) -> Any:
    import minari
    from minari.dataset.minari_storage import MinariStorage

    storage = MinariStorage.new(
        folder,
        observation_space=env.observation_space,
        action_space=env.action_space,
        env_spec=_recoverable(env),
        jpeg_encoding=False,
    )
    storage.update_metadata(
        {
            "dataset_id": _dataset_id(what.out),
            "minari_version": minari.__version__,
            "algorithm_name": policy.name,
            "description": f"{policy.name} in {scenario.title}",
            "requirements": [f"halsted=={version('halsted')}"],
            "halsted": {
                "scenario": scenario.name,
                "scenario_hash": scenario.content_hash,
                "scenario_content": scenario.shareable(),
                "policy": policy.name,
                "seed": what.seed,
                "versions": {name: version(name) for name in _PACKAGES},
                "python": platform.python_version(),
            },
        }
    )
    return storage


def _recoverable(env: gym.Env[Any, Any]) -> EnvSpec | None:
    """How to make the environment again, without what JSON cannot hold: patients and perception."""
    spec = copy.copy(env.spec)
    if spec is not None:
        spec.kwargs = {name: value for name, value in spec.kwargs.items() if is_json(value)}
    return spec


def _dataset_id(out: Path) -> str:
    """The folder's name, by which Minari finds it, with a version if it has none."""
    from minari.dataset.minari_dataset import parse_dataset_id

    for name in (out.name, f"{out.name}-v0"):
        try:
            parse_dataset_id(name)
        except (TypeError, ValueError):
            continue
        return name
    raise PolicyError(
        f"{out.name!r} is no name for a Minari data set; use letters, digits, '-' and '_' only"
    )


def _record_episode(storage: Any, env: gym.Env[Any, Any], policy: Policy, start: Start) -> bool:
    """Play an episode and append it."""
    from minari.data_collector import EpisodeBuffer

    first, info = begin(env, policy, start)
    steps = list(play(env, policy, first))
    storage.update_episodes(
        [
            EpisodeBuffer(
                seed=start.seed,
                observations=stacked([first, *(step.following for step in steps)]),
                actions=np.stack([step.action for step in steps]),
                rewards=[step.reward for step in steps],
                terminations=[step.terminated for step in steps],
                truncations=[step.truncated for step in steps],
                infos=_infos(info, steps),
            )
        ]
    )
    succeeded = bool(steps[-1].info["is_success"])
    told = {
        "scene": json.dumps(info["scene"]),
        "success": succeeded,
        "cost": sum(step.info["cost"] for step in steps),
    }
    if "patient" in info:
        told["patient"] = info["patient"]
    storage.update_episode_metadata([told], [storage.total_episodes - 1])
    return succeeded


def _infos(first: dict[str, Any], steps: Sequence[Step]) -> dict[str, Any]:
    """Of the reset and of every step, so that they are one more than the actions."""
    infos = [{"task_reward": 0.0, **first}, *(step.info for step in steps)]
    kept: dict[str, Any] = {key: np.array([info[key] for info in infos]) for key in _SCALARS}
    kept["costs"] = {
        cause: np.array([info["costs"][cause] for info in infos]) for cause in first["costs"]
    }
    return kept
