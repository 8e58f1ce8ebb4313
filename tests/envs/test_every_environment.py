"""What every registered environment promises."""

import pickle
import random
import subprocess
import sys
import warnings
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env as gymnasium_check
from stable_baselines3.common.env_checker import check_env as sb3_check

import halsted
from halsted.imaging_bridge.cases import PhantomCase
from halsted.registration import ENVIRONMENTS

IDS = sorted(ENVIRONMENTS)
STEPS = 60


def make(name: str, phantoms: list[PhantomCase]) -> gym.Env[Any, Any]:
    if "Biopsy" in name:
        return gym.make(name, patient=phantoms, breathing_mm=5.0)
    return gym.make(name)


def stirring(env: gym.Env[Any, Any], rng: np.random.Generator, number: int) -> Any:
    """A random action whose last number (advance, or jaws) is held for a while."""
    action = rng.uniform(-1.0, 1.0, size=env.action_space.shape).astype(np.float32)
    action[-1] = 1.0 if number % 20 < 15 else -1.0
    return action


def flat(observation: Any) -> bytes:
    if isinstance(observation, dict):
        return b"".join(observation[key].tobytes() for key in sorted(observation))
    return bytes(observation.tobytes())


def trajectory(env: gym.Env[Any, Any], seed: int, steps: int = STEPS) -> list[Any]:
    """Every observation, reward and cost of an episode that dives and stirs."""
    rng = np.random.default_rng(seed)
    observation, info = env.reset(seed=seed)
    rows: list[Any] = [flat(observation), info["scene"]]
    for number in range(steps):
        action = stirring(env, rng, number)
        observation, reward, terminated, truncated, info = env.step(action)
        rows.append((flat(observation), reward, terminated, truncated, info["costs"]))
        if terminated or truncated:
            break
    return rows


def test_ids_are_registered() -> None:
    assert sorted(name for name in gym.registry if name.startswith("halsted/")) == IDS
    assert halsted.__version__


@pytest.mark.parametrize("name", IDS)
def test_checkers_find_nothing(name: str, phantoms: list[PhantomCase]) -> None:
    env = make(name, phantoms)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gymnasium_check(env.unwrapped, skip_render_check=True)
        sb3_check(env.unwrapped, warn=True)
    env.close()


@pytest.mark.parametrize("name", IDS)
def test_two_copies_agree_bit_for_bit(name: str, phantoms: list[PhantomCase]) -> None:
    one, other = make(name, phantoms), make(name, phantoms)
    assert trajectory(one, 3) == trajectory(other, 3)
    one.close()
    other.close()


@pytest.mark.parametrize("name", IDS)
def test_an_episode_is_the_same_after_others(name: str, phantoms: list[PhantomCase]) -> None:
    env = make(name, phantoms)
    first = trajectory(env, 5)
    for seed in (6, 7, 8):
        trajectory(env, seed)
    assert trajectory(env, 5) == first
    env.close()


@pytest.mark.parametrize("name", IDS)
def test_a_recorded_scene_replays(name: str, phantoms: list[PhantomCase]) -> None:
    env = make(name, phantoms)
    observation, info = env.reset(seed=11)
    scene = info["scene"]
    env.reset(seed=12)
    again, info = env.reset(options={"scene": scene})
    assert flat(again) == flat(observation)
    assert info["scene"] == scene
    env.close()


@pytest.mark.parametrize("name", IDS)
def test_another_process_agrees_bit_for_bit(name: str, phantoms: list[PhantomCase]) -> None:
    env = make(name, phantoms)
    ours = trajectory(env, 9)
    env.close()
    script = (
        "import pickle, sys, runpy\n"
        f"module = runpy.run_path({__file__!r})\n"
        "from halsted.imaging_bridge.cases import PhantomCase\n"
        f"env = module['make']({name!r}, [PhantomCase(5000), PhantomCase(5001)])\n"
        "sys.stdout.buffer.write(pickle.dumps(module['trajectory'](env, 9)))\n"
    )
    theirs = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert pickle.loads(theirs.stdout) == ours


@pytest.mark.parametrize("name", IDS)
def test_worlds_in_one_process_do_not_touch(name: str, phantoms: list[PhantomCase]) -> None:
    alone = make(name, phantoms)
    expected = trajectory(alone, 4)
    alone.close()
    one, other = make(name, phantoms), make(name, phantoms)
    one.reset(seed=4)
    other.reset(seed=40)
    rng, rows = np.random.default_rng(4), []
    for number in range(STEPS):
        action = stirring(one, rng, number)
        observation, reward, terminated, truncated, info = one.step(action)
        other.step(other.action_space.sample())
        rows.append((flat(observation), reward, terminated, truncated, info["costs"]))
        if terminated or truncated:
            break
    assert rows == expected[2:]
    one.close()
    other.close()


@pytest.mark.parametrize("name", IDS)
def test_pickles_to_an_equal_environment(name: str, phantoms: list[PhantomCase]) -> None:
    env = make(name, phantoms)
    copy = pickle.loads(pickle.dumps(env))
    assert trajectory(copy, 2, steps=10) == trajectory(env, 2, steps=10)
    env.close()
    copy.close()


@pytest.mark.parametrize("name", IDS)
def test_global_randomness_is_left_alone(name: str, phantoms: list[PhantomCase]) -> None:
    np.random.seed(1)
    random.seed(1)
    before = (np.random.get_state()[1].tolist(), random.getstate())  # type: ignore[index]
    env = make(name, phantoms)
    trajectory(env, 1, steps=10)
    env.close()
    assert (np.random.get_state()[1].tolist(), random.getstate()) == before  # type: ignore[index]


@pytest.mark.parametrize("name", IDS)
def test_resets_add_and_remove_no_body(name: str, phantoms: list[PhantomCase]) -> None:
    env = make(name, phantoms)
    env.reset(seed=0)
    world = env.unwrapped._world  # type: ignore[attr-defined]
    before = world.body_count()
    for seed in range(20):
        env.reset(seed=seed)
        env.step(env.action_space.sample())
    assert env.unwrapped._world is world  # type: ignore[attr-defined]
    assert world.body_count() == before
    env.close()
