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
            told = infos["final_info"] if ended or cut else infos
            for key in ("cost", "is_success", "task_reward"):
                assert told[key][number] == info[key]
            for cause, cost in info["costs"].items():
                assert told["costs"][cause][number] == cost
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
    assert one.unwrapped.scene(0) != one.unwrapped.scene(1)
    assert one.unwrapped.np_random_seed == 4
    for many in (one, other):
        many.reset()  # goes on from where the seed began
    assert one.unwrapped.scene(0) == other.unwrapped.scene(0)
    other.reset(seed=np.int64(4))
    np.testing.assert_array_equal(first["desired_goal"], other.reset(seed=4)[0]["desired_goal"])


@pytest.mark.parametrize("name", IDS)
def test_a_batch_begins_with_a_reset(name: str) -> None:
    many = batch(name)
    with pytest.raises(gym.error.ResetNeeded):
        many.step(np.zeros(many.action_space.shape, np.float32))


def leaves(infos: dict[str, Any], path: str = "") -> dict[str, tuple[Any, Any]]:
    """Type and shape of everything that infos hold, by its path."""
    found: dict[str, tuple[Any, Any]] = {}
    for name, value in infos.items():
        if isinstance(value, dict):
            found |= leaves(value, f"{path}{name}.")
        else:
            found[path + name] = (value.dtype, value.shape)
    return found


def masks_of(infos: dict[str, Any], path: str = "") -> dict[str, list[bool]]:
    found: dict[str, list[bool]] = {}
    for name, value in infos.items():
        if isinstance(value, dict):
            found |= masks_of(value, f"{path}{name}.")
        elif name.startswith("_"):
            found[path + name] = value.tolist()
    return found


@pytest.mark.parametrize("name", IDS)
def test_infos_are_those_of_gymnasiums_own_vector(name: str) -> None:
    """All but the scenes, which a batch tells one by one."""
    many = batch(name, horizon=3)
    same_step = {"autoreset_mode": AutoresetMode.SAME_STEP}
    ones = gym.make_vec(name, COUNT, "sync", vector_kwargs=same_step, horizon=3, tier="kinematic")
    actions = np.zeros(many.action_space.shape, np.float32)
    told: list[tuple[Any, Any]] = [(many.reset(seed=0)[1], ones.reset(seed=0)[1])]
    for step in range(3):
        if step == 2:
            many.unwrapped._elapsed[0] = ones.unwrapped.envs[0].unwrapped._steps = 0  # type: ignore[attr-defined]
        told.append((many.step(actions)[4], ones.step(actions)[4]))
    for ours, theirs in told:
        theirs = {key: part for key, part in theirs.items() if "scene" not in key}
        assert leaves(ours) == leaves(theirs)
        assert masks_of(ours) == masks_of(theirs)
    assert not told[-1][0]["_final_info"].all()
    assert told[-1][0]["_final_info"].any()


def test_costs_of_the_last_step_are_not_those_of_the_next_episode() -> None:
    many = batch(IDS[1], horizon=20)
    many.reset(seed=0)
    up = np.tile(np.array([0.0, 0.0, 1.0], np.float32), (COUNT, 1))
    for _ in range(20):
        *_, infos = many.step(up)
    assert infos["_final_info"].all()
    assert (infos["final_info"]["costs"]["limits"] == 1.0).all()
    assert (infos["final_info"]["cost"] == 1.0).all()
    assert not infos["cost"].any()
    assert not infos["costs"]["limits"].any()


def test_infos_that_are_written_to_change_nothing() -> None:
    many = batch(IDS[1])
    _, infos = many.reset(seed=0)
    for values in (infos["_cost"], infos["costs"]["strain"]):
        with pytest.raises(ValueError, match="read-only"):
            values[:] = 1


def test_bad_input_is_refused() -> None:
    many = batch(IDS[1])
    many.reset(seed=0)
    with pytest.raises(EnvironmentOptionError, match="finite"):
        many.step(np.full((COUNT, 3), np.nan))
    with pytest.raises(EnvironmentOptionError, match="shape"):
        many.step(np.zeros((COUNT, 2)))
    with pytest.raises(EnvironmentOptionError, match="no options"):
        many.reset(options={"scene": {}})
    for seed in ([1, 2, 3, 4, 5, 6], [None] * COUNT, -1, 1.5):
        with pytest.raises(EnvironmentOptionError, match="one natural number"):
            many.reset(seed=seed)
    with pytest.raises(EnvironmentOptionError, match="num_envs"):
        batch(IDS[1], count=0)


@pytest.mark.parametrize("name", IDS)
def test_options_that_batches_do_not_have_are_refused(name: str) -> None:
    for options in ({"tier": "rigid"}, {"sight": "rgb"}, {"speed": 3}):
        with pytest.raises(EnvironmentOptionError, match="kinematic tier"):
            batch(name, **options)
    batch(name, tier="kinematic", sight="state").reset(seed=0)
