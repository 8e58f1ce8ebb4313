"""Batches of the kinematic tier, against the environments one by one."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

import halsted  # noqa: F401 - registers the environments
from halsted.envs.errors import EnvironmentOptionError

IDS = [f"halsted/{name}-v0" for name in ("NeedleReach", "ECMReach", "MisOrient", "StaticTrack")]
COUNT = 6


def batch(name: str, count: int = COUNT, **options: Any) -> Any:
    return gym.make_vec(name, num_envs=count, vectorization_mode="vector_entry_point", **options)


@pytest.mark.parametrize("name", IDS)
@pytest.mark.parametrize("preset", ["default", "surrol"])
@pytest.mark.parametrize("reward", ["sparse", "dense"])
def test_a_batch_does_what_the_environment_does(name: str, preset: str, reward: str) -> None:
    many = batch(name, preset=preset, reward=reward)
    ones = [
        gym.make(name, preset=preset, reward=reward, tier="kinematic").unwrapped
        for _ in range(COUNT)
    ]
    rng = np.random.default_rng(0)
    observations, _ = many.reset(seed=1)
    singles = [
        one.reset(options={"scene": many.unwrapped.scene(number)})[0]
        for number, one in enumerate(ones)
    ]
    for _ in range(45):
        for key, values in observations.items():
            expected = np.array([single[key] for single in singles])
            np.testing.assert_allclose(values, expected, atol=1e-6, rtol=0)
        actions = rng.uniform(-1.2, 1.2, many.action_space.shape).astype(np.float32)
        observations, rewards, terminated, truncated, infos = many.step(actions)
        singles = []
        for number, one in enumerate(ones):
            observation, reward_of_one, ended, cut, info = one.step(actions[number])
            assert rewards[number] == pytest.approx(reward_of_one, abs=1e-9)
            assert (terminated[number], truncated[number]) == (ended, cut)
            assert infos["cost"][number] == info["cost"]
            assert infos["is_success"][number] == info["is_success"]
            if ended or cut:
                last = infos["final_obs"][number]
                for key, values in observation.items():
                    np.testing.assert_allclose(last[key], values, atol=1e-6, rtol=0)
                observation, _ = one.reset(options={"scene": many.unwrapped.scene(number)})
            singles.append(observation)


@pytest.mark.parametrize("name", IDS)
def test_episodes_follow_one_another_in_the_same_step(name: str) -> None:
    many = batch(name, horizon=5)
    assert many.metadata["autoreset_mode"] == AutoresetMode.SAME_STEP
    many.reset(seed=0)
    for _ in range(5):
        observations, _, terminated, truncated, infos = many.step(
            np.zeros(many.action_space.shape, np.float32)
        )
    over = terminated | truncated
    assert over.all()
    assert infos["_final_obs"].all()
    assert infos["final_info"]["is_success"].shape == (COUNT,)
    fresh = many.unwrapped.scene(0)
    one = gym.make(name, tier="kinematic").unwrapped
    first, _ = one.reset(options={"scene": fresh})
    np.testing.assert_allclose(observations["observation"][0], first["observation"], atol=1e-6)
    assert many.observation_space.contains(observations)


@pytest.mark.parametrize("name", IDS)
def test_seeds_give_the_same_batch(name: str) -> None:
    one, other = batch(name), batch(name)
    first, _ = one.reset(seed=4)
    again, _ = other.reset(seed=4)
    np.testing.assert_array_equal(first["observation"], again["observation"])
    np.testing.assert_array_equal(first["desired_goal"], again["desired_goal"])
    assert one.unwrapped.scene(0) != one.unwrapped.scene(1) or name == IDS[3]


def test_bad_input_is_refused() -> None:
    many = batch(IDS[1])
    many.reset(seed=0)
    with pytest.raises(EnvironmentOptionError, match="finite"):
        many.step(np.full((COUNT, 3), np.nan))
    with pytest.raises(EnvironmentOptionError, match="shape"):
        many.step(np.zeros((COUNT, 2)))
    with pytest.raises(EnvironmentOptionError, match="no options"):
        many.reset(options={"scene": {}})
    with pytest.raises(EnvironmentOptionError, match="num_envs"):
        batch(IDS[1], count=0)
