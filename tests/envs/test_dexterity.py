"""The dexterity suite: experts, goals, presets, harm, images and shared control."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import halsted  # noqa: F401 - registers the environments
from halsted.agents.scripted import make_expert
from halsted.envs.errors import EnvironmentOptionError
from halsted.envs.surgery.bench_task import CAUSES, SPEED_LIMIT_M_S, harm, sparse_reward
from halsted.envs.surgery.dexterity.needle_pick import NeedlePickEnv
from halsted.robot.bodies import LABELS

TASKS = (
    "NeedleReach",
    "GauzeRetrieve",
    "NeedlePick",
    "NeedleRegrasp",
    "PegTransfer",
    "BiPegTransfer",
    "RingTransfer",
    "MatchBoard",
    "PickAndPlace",
)


def make(task: str, **arguments: Any) -> Any:
    return gym.make(f"halsted/{task}-v0", **arguments).unwrapped


def play(env: Any, seed: int) -> tuple[dict[str, Any], int, float]:
    """Last info, steps and cost of an expert's episode."""
    expert = make_expert(env.spec.id)
    observation, info = env.reset(seed=seed)
    expert.reset(env, seed)
    steps, cost, over = 0, 0.0, False
    while not over:
        observation, _, terminated, truncated, info = env.step(expert.act(observation))
        steps, cost = steps + 1, cost + info["cost"]
        over = terminated or truncated
    return info, steps, cost


@pytest.mark.parametrize("task", TASKS)
def test_the_expert_succeeds_without_harm(task: str) -> None:
    env = make(task)
    for seed in range(100, 106):
        info, steps, cost = play(env, seed)
        assert info["is_success"] and steps < env.horizon
        assert cost == 0.0
    env.close()


@pytest.mark.parametrize("task", TASKS)
def test_surrols_preset_is_surrols(task: str) -> None:
    env = make(task, preset="surrol")
    info, steps, _ = play(env, 3)
    assert steps == 50  # its horizon, which success does not end
    assert info["is_success"]
    assert env.world.control_period_s == pytest.approx(0.2)
    env.close()


@pytest.mark.parametrize("task", TASKS)
def test_rewards_are_those_of_the_goals(task: str) -> None:
    env = make(task)
    observation, _ = env.reset(seed=1)
    observations, infos, rewards = [], [], []
    for _ in range(20):
        observation, reward, _, _, info = env.step(env.action_space.sample())
        observations.append(observation)
        infos.append(info)
        rewards.append(reward)
    achieved = np.array([one["achieved_goal"] for one in observations])
    desired = np.array([one["desired_goal"] for one in observations])
    assert np.allclose(env.compute_reward(achieved, desired, infos), rewards)
    # Hindsight: what was achieved, had it been wanted.
    costs = np.array([info["cost"] for info in infos])
    hindsight = env.compute_reward(achieved, achieved, infos)
    assert np.allclose(hindsight, sparse_reward(np.full(20, True), costs, env.harm_price))
    env.close()


def test_tolerance_is_five_millimetres() -> None:
    env = make("NeedleReach")
    goal = np.array([0.1, -0.2, 0.3], np.float32)
    for away, succeeds in ((0.0049, True), (0.0051, False)):
        reward = env.compute_reward(goal + np.array([0.0, away / 0.05, 0.0]), goal, {})
        assert reward == (0.0 if succeeds else -1.0)


def test_a_peg_needs_both_radius_and_height() -> None:
    env = make("PegTransfer")
    goal = np.zeros(3)
    for away, succeeds in (
        ((0.0049, 0.0, 0.0039), True),
        ((0.0051, 0.0, 0.0), False),
        ((0.0, 0.0, 0.0041), False),
    ):
        assert env.compute_reward(np.array(away) / 0.05, goal, {}) == (0.0 if succeeds else -1.0)


def test_a_piece_fits_by_its_heading() -> None:
    env = make("MatchBoard")
    env.reset(seed=0)
    env._goal_in_world = np.array([0.0, 0.0, 0.003, 0.5])
    for turn, succeeds in ((0.0, True), (9.0, True), (11.0, False), (90.0, False), (180.0, True)):
        env._thing = np.array([0.0, 0.0, 0.003])
        angle = (0.5 + np.deg2rad(turn)) / 2
        env._turn = (0.0, 0.0, np.sin(angle), np.cos(angle))
        assert env.has_succeeded() == succeeds, turn
    env.close()


def test_dense_reward_pays_for_getting_nearer() -> None:
    sparse, dense = make("NeedlePick"), make("NeedlePick", reward="dense")
    expert = make_expert("halsted/NeedlePick-v0")
    dense.reset(seed=5)
    sparse.reset(seed=5)
    expert.reset(dense, 5)
    gained, over = [], False
    while not over:
        action = expert.act(None)
        _, reward, over, _, info = dense.step(action)
        assert info["task_reward"] == sparse.step(action)[1]
        gained.append(reward)
    assert sum(gained) > 10.0 + 5.0  # success, and centimetres of way
    dense.close()
    sparse.close()


def test_harm_is_counted_by_cause() -> None:
    assert harm().tolist() == [0.0] * len(CAUSES)
    fast, slow = SPEED_LIMIT_M_S * 1.01, SPEED_LIMIT_M_S * 0.99
    batch = harm(speed_m_s=np.array([slow, fast]), drops=np.array([0.0, 2.0]))
    assert batch.shape == (2, len(CAUSES))
    assert batch[0].sum() == 0.0
    assert dict(zip(CAUSES, batch[1], strict=True)) == {
        **dict.fromkeys(CAUSES, 0.0),
        "speed": 1.0,
        "drop": 2.0,
    }


def step_costs(env: Any, action: Any, steps: int) -> dict[str, float]:
    total = dict.fromkeys(CAUSES, 0.0)
    for _ in range(steps):
        info = env.step(np.array(action, np.float32))[4]
        for cause, cost in info["costs"].items():
            total[cause] += cost
    return total


def test_leaving_the_workspace_counts_and_stays_inside() -> None:
    env = make("NeedlePick")
    env.reset(seed=0)
    costs = step_costs(env, [-1, 0, 0, 0, 1], 30)
    assert costs["limits"] > 10
    assert env.tool(0)[0] > -0.072
    env.close()


def test_pressing_on_the_table_counts_as_force() -> None:
    env = make("NeedlePick")
    env.reset(options={"scene": record("NeedlePick", tools=[0.0, -0.03, 0.01, 0.0])})
    assert step_costs(env, [0, 0, -1, 0, -1], 20)["force"] > 0
    env.close()


def test_letting_go_in_the_air_counts_as_a_drop() -> None:
    env = make("NeedlePick")
    expert = make_expert("halsted/NeedlePick-v0")
    env.reset(seed=2)
    expert.reset(env, 2)
    while env.world.body_pose("needle")[0][2] < 0.02:
        env.step(expert.act(None))
    assert step_costs(env, [0, 0, 0, 0, 1], 5)["drop"] == 1.0
    env.close()


def test_a_drop_counts_where_a_step_is_longer_than_the_fall() -> None:
    env = make("NeedlePick", preset="surrol")
    expert = make_expert("halsted/NeedlePick-v0")
    env.reset(seed=2)
    expert.reset(env, 2)
    while env.world.body_pose("needle")[0][2] < 0.02:
        env.step(expert.act(None))
    assert step_costs(env, [0, 0, 0, 0, 1], 1)["drop"] == 1.0
    env.close()


@pytest.mark.parametrize("task", ["GauzeRetrieve", "NeedlePick", "PickAndPlace", "PegTransfer"])
def test_jaws_that_never_open_hold_nothing(task: str) -> None:
    env = make(task)
    expert = make_expert(f"halsted/{task}-v0")
    for seed in range(4):
        env.reset(seed=seed)
        expert.reset(env, seed)
        for _ in range(60):
            action = expert.act(None)
            action[4] = -1.0
            _, _, terminated, _, info = env.step(action)
            assert env.world.held == [None]
            assert not info["is_success"] and not terminated
    env.close()


def test_what_is_held_may_not_strike_the_walls() -> None:
    env = make("RingTransfer")
    expert = make_expert("halsted/RingTransfer-v0")
    struck = 0.0
    for seed in range(4):
        env.reset(seed=seed)
        expert.reset(env, seed)
        while env.world.held == [None]:
            env.step(expert.act(None))
        way = env.way_to_goal / np.linalg.norm(env.way_to_goal)
        step_costs(env, [0, 0, 1, 0, -1], 3)
        costs = step_costs(env, [*way[:2], 0, 0, -1], 15)
        struck += costs["force"]
    assert struck > 0
    env.close()


def test_a_diagonal_step_is_no_longer_than_a_straight_one() -> None:
    env = make("NeedlePick")
    env.reset(options={"scene": record("NeedlePick", tools=[-0.05, -0.05, 0.05, 0.0])})
    start = env.guides[0].position.copy()
    assert step_costs(env, [1, 1, 1, 0, 1], 6)["speed"] == 0.0
    assert np.linalg.norm(env.guides[0].position - start) == pytest.approx(6 * 0.006, abs=1e-9)
    env.close()


def test_instruments_that_meet_clash() -> None:
    env = make("NeedleRegrasp")
    scene = record("NeedleRegrasp")
    scene["tools"][4:] = [scene["tools"][0], 0.0, scene["tools"][2], 0.0]
    env.reset(options={"scene": scene})
    costs = step_costs(env, [0, -1, 0, 0, -1, 0, 1, 0, 0, 1], 15)
    assert costs["clash"] > 0 and costs["force"] == 0
    env.close()


def test_a_world_that_runs_away_ends_the_episode() -> None:
    env = make("NeedlePick")
    env.reset(seed=0)
    bullet, world = env.world._bullet, env.world
    bullet.resetBaseVelocity(world._numbers["needle"], [500.0, 0, 0], physicsClientId=world._client)
    for _ in range(10):
        _, _, terminated, truncated, info = env.step(np.zeros(5, np.float32))
        if truncated:
            break
    assert truncated and not terminated and not info["is_success"]
    assert info["costs"]["instability"] == 1.0
    env.close()


def record(task: str, **changes: Any) -> Any:
    env = make(task)
    scene = env.reset(seed=0)[1]["scene"]
    env.close()
    return {name: list(values) for name, values in (scene | changes).items()}


def test_bad_input_is_told_in_a_sentence() -> None:
    for arguments, complaint in (
        ({"preset": "fast"}, "preset is 'fast'; choose one of: 'default', 'surrol'"),
        ({"reward": "big"}, "reward is 'big'"),
        ({"sight": "x-ray"}, "sight is 'x-ray'"),
        ({"horizon": 0}, "horizon is 0"),
        ({"arm": "ecm"}, "no gripper"),
    ):
        with pytest.raises(EnvironmentOptionError, match=complaint):
            make("NeedlePick", **arguments)
    with pytest.raises(EnvironmentOptionError, match="render_mode is 'human'"):
        NeedlePickEnv(render_mode="human")
    env = make("NeedlePick")
    with pytest.raises(gym.error.ResetNeeded):
        env.step(np.zeros(5, np.float32))
    env.reset(seed=0)
    for action in (np.full(5, np.nan), np.zeros(4), np.full(5, np.inf)):
        with pytest.raises(EnvironmentOptionError, match="finite numbers was expected"):
            env.step(action)
    with pytest.raises(EnvironmentOptionError, match="reset has no options"):
        env.reset(options={"patient": 3})
    with pytest.raises(EnvironmentOptionError, match="pose_needle"):
        env.reset(options={"scene": record("NeedlePick") | {"pose_needle": [0.0]}})
    for changes, complaint in (
        ({"tools": [0.3, 0.3, 0.0, 0.0]}, "outside the workspace"),
        ({"tools": [0.0, 0.0, 0.05, 3.1]}, "cannot reach the start"),
        ({"pose_needle": [0.0, 0.0, 0.01, 0.0, 0.0, 0.0, 0.0]}, "not of length 1"),
    ):
        with pytest.raises(EnvironmentOptionError, match=complaint):
            env.reset(options={"scene": record("NeedlePick", **changes)})
        with pytest.raises(gym.error.ResetNeeded):
            env.step(np.zeros(5, np.float32))
    apart = record("NeedleRegrasp")
    apart["pose_needle"][0] += 0.01
    with pytest.raises(EnvironmentOptionError, match="10 mm from the tool"):
        make("NeedleRegrasp").reset(options={"scene": apart})
    for wrong in ({"harm_price": float("nan")}, {"harm_price": -1.0}, {"horizon": 1.5}):
        with pytest.raises(EnvironmentOptionError):
            make("NeedlePick", **wrong)
    env.close()


def test_images_show_what_they_label() -> None:
    env = make("RingTransfer", sight="rgbd")
    observation, _ = env.reset(seed=0)
    assert env.observation_space.contains(observation)
    labels = observation["labels"][..., 0]
    ring = labels == LABELS.index("target")
    assert ring.sum() > 10
    assert (labels == LABELS.index("arm")).sum() > 20
    red, green, blue = observation["image"][ring].mean(axis=0)
    assert red > 1.5 * green and red > 1.5 * blue
    depth = observation["depth"][..., 0]
    assert 0.1 < depth[ring].mean() < 0.4
    again, _ = env.reset(seed=0)
    assert all(np.array_equal(observation[key], again[key]) for key in observation)
    env.close()


def test_another_arm_can_take_the_place() -> None:
    env = make("NeedleReach", arm="panda", tier="rigid")
    for seed in range(3):
        info, *_ = play(env, seed)
        assert info["is_success"]
    assert len(env.world.joints[0]) == 7
    env.close()


def test_two_agents_share_a_task() -> None:
    from pettingzoo.test import parallel_api_test

    from halsted.envs.surgery.dexterity.parallel import parallel_env

    env = parallel_env("halsted/NeedleRegrasp-v0")
    parallel_api_test(env, num_cycles=50)
    expert = make_expert("halsted/NeedleRegrasp-v0")
    env.reset(seed=7)
    expert.reset(env.env, 7)
    while env.agents:
        both = expert.act(None).reshape(2, 5)
        *_, infos = env.step(dict(zip(env.possible_agents, both, strict=True)))
    assert set(infos) == {"instrument_1", "instrument_2"}
    assert all(info["is_success"] for info in infos.values())
    env.reset(seed=1)
    with pytest.raises(EnvironmentOptionError, match="instrument_2 was given the action None"):
        env.step({"instrument_1": np.zeros(5, np.float32)})
    env.close()
    with pytest.raises(EnvironmentOptionError, match="no task of two instruments"):
        parallel_env("halsted/NeedlePick-v0")
