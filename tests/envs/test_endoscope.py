"""The endoscope's tasks: what they promise, and the defects of the suite they come from."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import halsted  # noqa: F401 - registers the environments
from halsted.agents.scripted import make_expert
from halsted.envs.errors import EnvironmentOptionError
from halsted.envs.surgery.bench import GoalBenchEnv
from halsted.envs.surgery.endoscope.active_track import ActiveTrackEnv
from halsted.envs.surgery.endoscope.ecm_reach import BOX_M, ECMReachEnv
from halsted.envs.surgery.endoscope.endoscope_env import EndoscopeEnv
from halsted.envs.surgery.endoscope.mis_orient import MisOrientEnv
from halsted.envs.surgery.endoscope.static_track import StaticTrackEnv

IDS = [f"halsted/{name}-v0" for name in ("ECMReach", "MisOrient", "StaticTrack", "ActiveTrack")]
GOAL_IDS = IDS[:3]


def make(name: str, **options: Any) -> EndoscopeEnv:
    env = gym.make(name, disable_env_checker=True, **options).unwrapped
    assert isinstance(env, EndoscopeEnv)
    return env


def solve(env: EndoscopeEnv, name: str, seed: int) -> tuple[dict[str, Any], float, int]:
    """Last info, return and steps of an episode of the expert."""
    expert, total, steps = make_expert(name), 0.0, 0
    observation, info = env.reset(seed=seed)
    expert.reset(env, seed)
    while True:
        observation, reward, terminated, truncated, info = env.step(expert.act(observation))
        total, steps = total + reward, steps + 1
        if terminated or truncated:
            return info, total, steps


@pytest.mark.parametrize("name", IDS)
@pytest.mark.parametrize("tier", ["kinematic", "rigid"])
def test_checker_finds_nothing(name: str, tier: str) -> None:
    env = make(name, tier=tier)
    check_env(env, skip_render_check=True)
    env.close()


@pytest.mark.parametrize("name", IDS)
def test_checker_finds_nothing_in_pictures(name: str) -> None:
    env = make(name, sight="rgbd", render_mode="rgb_array")
    check_env(env)
    env.reset(seed=0)
    assert env.render().shape == (360, 480, 3)  # type: ignore[union-attr]


@pytest.mark.parametrize("name", IDS)
def test_bad_actions_and_options_are_refused(name: str) -> None:
    env = make(name)
    env.reset(seed=0)
    with pytest.raises(EnvironmentOptionError, match="finite"):
        env.step(np.full(env.action_space.shape, np.nan, np.float32))  # type: ignore[arg-type]
    with pytest.raises(EnvironmentOptionError, match="tier is 'soft'"):
        make(name, tier="soft")


@pytest.mark.parametrize("name", IDS)
@pytest.mark.parametrize("preset", ["default", "surrol"])
def test_the_expert_succeeds_without_cost(name: str, preset: str) -> None:
    env = make(name, preset=preset, harm_price=0.0)
    for seed in range(1 if name == IDS[3] else 12):
        info, total, steps = solve(env, name, 100 + seed)
        assert info["is_success"]
        assert info["cost"] == 0.0
        if name == IDS[3]:
            assert steps == 500
            assert total > 450.0
    env.close()


@pytest.mark.parametrize("name", IDS)
def test_surrols_preset_is_surrols(name: str) -> None:
    env = make(name, preset="surrol")
    assert env.tier == "rigid"
    assert env.world.control_period_s == pytest.approx(0.1)
    assert env.horizon == (500 if name == IDS[3] else 50)
    assert env.preset.step_m == 0.01
    assert math.degrees(env.preset.step_rad) == pytest.approx(3.0)
    assert not env.preset.ends_on_success
    env.close()


@pytest.mark.parametrize("name", GOAL_IDS)
def test_hindsight_rewards_are_those_of_the_steps(name: str) -> None:
    env = make(name)
    assert isinstance(env, GoalBenchEnv)
    env.reset(seed=0)
    for _ in range(5):
        observation, reward, _, _, info = env.step(env.action_space.sample())
        again = env.compute_reward(observation["achieved_goal"], observation["desired_goal"], info)
        assert again == pytest.approx(reward)
        reached = observation["achieved_goal"]
        assert env.compute_reward(reached, reached, {"cost": 0.0}) == 0.0


def test_the_reach_goal_is_the_optical_centre() -> None:
    env = make(IDS[0])
    solve(env, IDS[0], 5)
    assert isinstance(env, ECMReachEnv)
    assert np.linalg.norm(env.camera_in_world[:3, 3] - env._goal_in_world) < 0.005


def test_the_workspace_is_read() -> None:
    """SurRoL's tasks state a workspace that nothing reads."""
    env = make(IDS[0])
    env.reset(seed=0)
    for _ in range(10):
        _, _, _, _, info = env.step(np.array([0.0, 0.0, 1.0], np.float32))
    assert info["costs"]["limits"] == 1.0
    tip = env.camera_in_world[:3, 3]
    assert (tip <= BOX_M[:, 1] + 1e-9).all()
    assert (tip >= BOX_M[:, 0] - 1e-9).all()


def test_joint_limits_are_kept_and_counted() -> None:
    env = make(IDS[1])
    env.reset(seed=0)
    for _ in range(80):
        _, _, _, _, info = env.step(np.ones(1, np.float32))
    assert info["costs"]["limits"] == 1.0
    upper = env._mount.arm.upper[3]
    assert upper - env.preset.step_rad < env.joints[3] <= upper


def test_a_diagonal_command_is_no_faster_than_a_straight_one() -> None:
    env = make(IDS[0])
    env.reset(seed=0)
    for action in ([1.0, 1.0, -1.0], [-1.0, 0.0, 0.0], [0.3, -1.0, -1.0]):
        before = env.camera_in_world[:3, 3].copy()
        _, _, _, _, info = env.step(np.array(action, np.float32))
        moved = np.linalg.norm(env.camera_in_world[:3, 3] - before)
        assert moved == pytest.approx(0.006)
        assert info["cost"] == 0.0
    surrol = make(IDS[0], preset="surrol", tier="kinematic")
    surrol.reset(seed=0)
    before = surrol.camera_in_world[:3, 3].copy()
    surrol.step(np.array([1.0, 1.0, -1.0], np.float32))
    moved = np.linalg.norm(surrol.camera_in_world[:3, 3] - before)
    assert moved == pytest.approx(0.01 * math.sqrt(3.0))


def test_a_fast_tip_is_counted() -> None:
    env = make(IDS[0])
    env.preset = replace(env.preset, step_m=0.01)
    env.reset(seed=0)
    _, _, _, _, info = env.step(np.array([0.0, 0.0, -1.0], np.float32))
    assert info["costs"]["speed"] == 1.0  # 10 mm in a thirtieth of a second
    assert info["cost"] == 1.0


@pytest.mark.parametrize("tier", ["kinematic", "rigid"])
def test_to_stay_at_the_edge_of_the_workspace_costs_nothing(tier: str) -> None:
    env = make(IDS[0], tier=tier, horizon=10_000)
    for seed in range(5):
        env.reset(seed=seed)
        way = np.random.default_rng(seed).uniform(-1.0, 1.0, 3).astype(np.float32)
        for _ in range(40):
            *_, info = env.step(way)
        assert info["costs"]["limits"] == 1.0
        for _ in range(20):
            *_, info = env.step(np.zeros(3, np.float32))
            assert info["costs"]["limits"] == 0.0
    env.close()


def test_a_roll_adds_to_the_misorientation() -> None:
    env = make(IDS[1])
    assert isinstance(env, MisOrientEnv)
    env.reset(seed=1)
    before = env.misorientation
    env.step(np.full(1, 0.5, np.float32))
    assert env.misorientation - before == pytest.approx(0.5 * env.preset.step_rad)


def test_static_track_wants_the_picture_upright() -> None:
    """SurRoL's check subtracts the misorientation from itself."""
    env = make(IDS[2])
    assert isinstance(env, StaticTrackEnv)
    goal = np.zeros(3)
    assert env._success(np.zeros(3), goal)
    assert not env._success(np.array([0.0, 0.0, 0.02]), goal)
    assert not env._success(np.array([0.0, 0.02, 0.0]), goal)


def test_the_picture_rights_itself_where_the_target_is_in_the_middle() -> None:
    env = make(IDS[2])
    assert isinstance(env, StaticTrackEnv)
    _, info = env.reset(seed=2)
    info["scene"]["joints"][3] = 0.3
    env.reset(options={"scene": info["scene"]})
    expert = make_expert(IDS[2])
    expert.reset(env, 0)
    for _ in range(40):
        *_, last = env.step(expert.act(None))
    assert last["is_success"]
    assert abs(env._seen[2]) < 0.001


def test_the_target_is_in_the_picture_where_it_is_projected() -> None:
    env = make(IDS[2], sight="rgbd")
    assert isinstance(env, StaticTrackEnv)
    seen = 0
    for seed in range(8):
        observation, _ = env.reset(seed=seed)
        u, v, _ = env._seen
        rows, columns = np.nonzero(observation["labels"][..., 0] == 2)
        if max(abs(u), abs(v)) < 0.9:
            seen += 1
            middle = (np.array([columns.mean(), rows.mean()]) + 0.5) / 42.0 - 1.0
            np.testing.assert_allclose(middle, (u, v), atol=0.03)
            depth = observation["depth"][rows, columns, 0]
            way = env.target - env.camera_in_world[:3, 3]
            assert abs(depth.min() - way @ env.camera_in_world[:3, 2]) < 0.03
        elif max(abs(u), abs(v)) > 1.1:
            assert len(rows) == 0
    assert seen >= 3


def test_a_lost_target_ends_active_track() -> None:
    env = make(IDS[3])
    env.reset(seed=0)
    for _ in range(500):
        _, reward, terminated, truncated, info = env.step(np.array([0, -1, 0], np.float32))
        if terminated:
            break
    assert terminated
    assert not truncated
    assert not info["is_success"]
    assert reward < 0.5


def test_the_target_keeps_its_pace_and_its_way() -> None:
    ways = {}
    for preset in ("default", "surrol"):
        env = make(IDS[3], preset=preset, tier="kinematic")
        assert isinstance(env, ActiveTrackEnv)
        env.reset(seed=7)
        expert, places = make_expert(IDS[3]), []
        expert.reset(env, 0)
        for _ in range(round(3.0 / env.world.control_period_s)):
            env.step(expert.act(None))
            places.append(env.target)
        ways[preset] = places[-1]
    np.testing.assert_allclose(ways["default"], ways["surrol"], atol=1e-9)


@pytest.mark.parametrize("name", IDS)
def test_slow_commands_end_alike_in_both_tiers(name: str) -> None:
    """The kinematic tier stands for the rigid one: within 1 mm at the optical centre."""
    one, other = make(name, tier="kinematic"), make(name, tier="rigid")
    one.reset(seed=5)
    other.reset(seed=5)
    rng = np.random.default_rng(0)
    for _ in range(6):
        action = 0.2 * rng.uniform(-1, 1, one.action_space.shape).astype(np.float32)
        for _ in range(4):
            one.step(action)
            other.step(action)
    np.testing.assert_allclose(
        one.camera_in_world[:3, 3], other.camera_in_world[:3, 3], atol=1e-3, rtol=0
    )
    np.testing.assert_allclose(one.camera_in_world, other.camera_in_world, atol=0.01)
    other.close()
