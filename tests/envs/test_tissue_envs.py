"""The tissue tasks: what succeeds, what costs, and that arm and tissue feel each other."""

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import halsted  # noqa: F401 - registers the environments
from halsted.agents.scripted.tissue_expert import TissueExpert
from halsted.envs.errors import EnvironmentOptionError
from halsted.envs.surgery.tissue.cut import TissueCutEnv
from halsted.envs.surgery.tissue.retract import TissueRetractEnv
from halsted.envs.surgery.tissue.suture import NEEDLE, SutureEnv
from halsted.envs.surgery.tissue.tissue_env import TissueEnv
from halsted.robot.bodies import LABELS

TASKS = [TissueRetractEnv, TissueCutEnv, SutureEnv]


def play(
    env: TissueEnv, seed: int, look: Callable[[], None] = lambda: None
) -> tuple[dict[str, Any], float]:
    """An episode of the expert: the last info, and the sum of costs."""
    expert, total = TissueExpert(), 0.0
    observation, info = env.reset(seed=seed)
    expert.reset(env, seed)
    is_over = False
    while not is_over:
        observation, _, terminated, truncated, info = env.step(expert.act(observation))
        total += info["cost"]
        is_over = terminated or truncated
        look()
    return info, total


@pytest.mark.parametrize("task", TASKS)
def test_the_expert_succeeds_at_little_cost(task: type[TissueEnv]) -> None:
    env = task()
    for seed in (1000, 1001, 1002):
        info, cost = play(env, seed)
        assert info["is_success"]
        assert cost <= 15.0
    env.close()


@pytest.mark.parametrize("task", TASKS)
def test_rough_play_stays_finite(task: type[TissueEnv]) -> None:
    env = task(horizon=60)
    rng = np.random.default_rng(0)
    for seed in range(3):
        observation, _ = env.reset(seed=seed)
        for number in range(60):
            action = rng.uniform(-1, 1, env.command.size).astype(np.float32)
            action[2] = -1.0 if number % 12 < 6 else 1.0
            observation, _, _, _, info = env.step(action)
            assert env.observation_space.contains(observation)
            assert info["costs"]["instability"] == 0.0
    env.close()


@pytest.mark.parametrize("task", TASKS)
def test_full_commands_held_for_four_steps_stay_finite(task: type[TissueEnv]) -> None:
    env = task(horizon=120)
    for seed in range(4):
        rng = np.random.default_rng(seed)
        observation, _ = env.reset(seed=seed)
        for number in range(120):
            if number % 4 == 0:
                action = rng.choice([-1.0, 1.0], env.command.size).astype(np.float32)
            observation, _, terminated, truncated, info = env.step(action)
            assert env.observation_space.contains(observation)
            assert np.isfinite(env.body.positions).all() and np.isfinite(env.body.velocities).all()
            assert info["costs"]["instability"] == 0.0
            if terminated or truncated:
                break
    env.close()


@pytest.mark.parametrize("task", TASKS)
def test_the_watchdog_ends_what_has_run_away(task: type[TissueEnv]) -> None:
    env = task()
    env.reset(seed=0)
    env.body._nodes.velocities[np.flatnonzero(env.body._nodes.inverse_masses)[-1]] = 1e6
    idle = np.zeros(env.command.size, np.float32)
    observation, reward, terminated, truncated, info = env.step(idle)
    assert truncated and not terminated
    assert info["costs"]["instability"] == 1.0 and not info["is_success"]
    goals = observation["achieved_goal"], observation["desired_goal"]
    assert env.compute_reward(*goals, info) == reward
    assert env.observation_space.contains(observation)
    _, info = env.reset(seed=0)
    assert env.step(idle)[4]["costs"]["instability"] == 0.0
    env.close()


def test_only_the_default_preset_is_offered() -> None:
    with pytest.raises(EnvironmentOptionError, match="preset is 'surrol'"):
        gym.make("halsted/TissueCut-v0", preset="surrol")


# -- Retraction ------------------------------------------------------------------------------------


def test_the_target_comes_into_sight_as_the_goal_says() -> None:
    env = TissueRetractEnv(sight="rgb")
    seen: list[tuple[float, int]] = []

    def look() -> None:
        frame = env._look(env._camera(160, 120))
        seen.append((float(env._achieved()[0]), int((frame.labels == _TARGET).sum())))

    info, _ = play(env, 3, look)
    env.close()
    assert info["is_success"]
    assert seen[0] == (0.0, 0)
    assert seen[-1][0] == 1.0 and seen[-1][1] > 20


_TARGET = LABELS.index("target")


def test_a_flap_pushed_back_with_open_jaws_is_no_success() -> None:
    """Pushed from below the target comes into sight, but nothing is held, and tissue tears."""
    env = TissueRetractEnv()
    env.reset(seed=0)
    most_seen = 0.0
    for number in range(150):
        back = -env.placement[:3, 0]
        gap = env.edge - 0.012 * back + [0, 0, 0.011 if number < 12 else -0.004] - env.tool
        way = gap / 0.006 if number < 25 else back
        action = np.clip([*way, 0.0, 1.0], -1, 1).astype(np.float32)
        observation, reward, terminated, _, info = env.step(action)
        goals = observation["achieved_goal"], observation["desired_goal"]
        assert env.compute_reward(*goals, info) == pytest.approx(reward)
        assert not terminated and not info["is_success"]
        most_seen = max(most_seen, float(goals[0][0]))
    env.close()
    assert most_seen == 1.0


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_retraction_needs_sight_hold_and_whole_tissue(missing: int) -> None:
    env = TissueRetractEnv()
    info, _ = play(env, 0)
    achieved = env._achieved()
    assert info["is_success"] and env.compute_reward(achieved, env._desired(), {}) == 0.0
    achieved[missing] = 0.9 if missing == 0 else 0.0
    assert env.compute_reward(achieved, env._desired(), {}) == -1.0
    env.close()


def test_jaws_that_close_beside_tissue_hold_nothing() -> None:
    env = TissueRetractEnv()
    env.reset(seed=0)
    for _ in range(10):
        env.step(np.array([0.0, 0.0, 0.0, 0.0, -1.0], np.float32))
    assert not env.is_holding
    env.close()


def test_held_tissue_pulls_on_the_tool_with_its_weight() -> None:
    env = TissueRetractEnv()
    expert = TissueExpert()
    observation, _ = env.reset(seed=0)
    expert.reset(env, 0)
    while not (env.is_holding and env.tool[2] > 0.02):
        observation, *_ = env.step(expert.act(observation))
    for _ in range(30):
        env.step(np.array([0.0, 0.0, 0.0, 0.0, -1.0], np.float32))
    weight = 9.81 * float(env.body.node_masses.sum())
    assert 0.2 * weight < -env._touch.force[2] < 1.5 * weight
    env.close()


def test_a_force_on_the_tool_beyond_its_motors_moves_the_arm() -> None:
    """Below, PyBullet's position motors give way by less than a thousandth of a millimetre."""
    env = TissueRetractEnv()
    moved = []
    for force in (1.0, 100.0):
        env.reset(seed=0)
        start = env.tool[0]
        for _ in range(20):
            env.world.push(0, np.array([force, 0.0, 0.0]), env.tool)
            env.world.step([env.guide.joints], [0.5], [False])
        env._measure()
        moved.append(env.tool[0] - start)
    env.close()
    assert abs(moved[0]) < 1e-5
    assert moved[1] > 0.005


def test_tissue_torn_out_of_its_edge_costs_strain() -> None:
    env = TissueRetractEnv()
    expert = TissueExpert()
    observation, _ = env.reset(seed=0)
    expert.reset(env, 0)
    while not env.is_holding:
        observation, *_ = env.step(expert.act(observation))
    away = np.array([*env.placement[:3, 0], 0.0, -1.0], np.float32)
    costs = [env.step(away)[4]["costs"] for _ in range(12)]
    assert sum(cost["strain"] for cost in costs) >= 3.0
    env.close()


# -- Cutting ---------------------------------------------------------------------------------------


def above_line(env: TissueCutEnv, power: float, seed: int = 0) -> None:
    """Bring the tip over the line's beginning."""
    env.reset(seed=seed)
    for _ in range(15):
        gap = env.line[0] + [0, 0, 0.003] - env.tip
        env.step(np.array([*np.clip(gap / 0.006, -1, 1), power], np.float32))


def stroke(env: TissueCutEnv, power: float) -> list[dict[str, float]]:
    """Down, and at full speed to the line's end."""
    costs = []
    for target in (env.line[0], env.line[-1]):
        for _ in range(8):
            gap = target - env.tip
            gap[2] = 0.0008 - env.tip[2]
            way = gap / max(float(np.linalg.norm(gap)), 0.006)
            costs.append(env.step(np.array([*way, power], np.float32))[4]["costs"])
    return costs


def test_a_stroke_at_full_speed_cuts_without_a_gap() -> None:
    env = TissueCutEnv()
    scene = env.reset(seed=0)[1]["scene"]
    scene["line"][4] = 0.0
    env.reset(options={"scene": scene})
    for _ in range(15):
        gap = env.line[0] + [0, 0, 0.003] - env.tip
        env.step(np.array([*np.clip(gap / 0.006, -1, 1), -1.0], np.float32))
    assert not env.is_cut.any()
    costs = stroke(env, 1.0)
    assert env.is_cut.mean() >= 0.95
    assert all(cost["strain"] == 0.0 for cost in costs)
    env.close()


def test_without_power_the_electrode_pushes_and_cuts_nothing() -> None:
    env = TissueCutEnv()
    above_line(env, -1.0)
    forces = []
    for _ in range(4):
        env.step(np.array([0.0, 0.0, -0.3, -1.0], np.float32))
        forces.append(env._touch.most_force_n)
    assert not (env.body.fate == 2).any()
    assert max(forces) > 0.001
    env.close()


def test_cutting_off_the_line_costs_strain() -> None:
    env = TissueCutEnv()
    above_line(env, -1.0)
    aside = np.cross(env.line[-1] - env.line[0], (0.0, 0.0, 1.0))
    aside /= np.linalg.norm(aside)
    costs = []
    for _ in range(3):
        env.step(np.array([0.0, 0.0, -1.0, 1.0], np.float32))
    for _ in range(6):
        costs.append(env.step(np.array([*0.3 * aside, 1.0], np.float32))[4]["costs"]["strain"])
    assert costs[0] == 0.0 and sum(costs) >= 1.0
    env.close()


# -- Suture ----------------------------------------------------------------------------------------


def test_the_stitch_is_where_the_marks_are() -> None:
    env = SutureEnv()
    info, _ = play(env, 5)
    achieved, desired = env._achieved(), env._desired()
    env.close()
    assert info["is_success"]
    assert np.linalg.norm(achieved[:3] - desired[:3]) < 0.003
    assert np.linalg.norm(achieved[3:6] - desired[3:6]) < 0.003
    assert np.linalg.norm(achieved[:3] - achieved[3:6]) > 0.009


@pytest.mark.parametrize("task", [TissueRetractEnv, SutureEnv])
def test_loose_tissue_falls_no_farther_than_its_bed(task: type[TissueEnv]) -> None:
    env = task()
    env.reset(seed=0)
    low, high = env.body.positions.min(axis=0), env.body.positions.max(axis=0)
    middle = 0.5 * (low[2] + high[2]) + 2e-4
    blade = np.array([[-0.1, -0.1, middle], [0.1, -0.1, middle]])
    env.body.cut(blade, np.add(blade, (0.0, 0.2, 0.0)))
    assert (env.body.fate == 2).any() and (env.body.fate == 0).any()
    for _ in range(40):
        info = env.step(np.array([*np.zeros(env.command.size - 1), -1.0], np.float32))[4]
        assert info["costs"]["instability"] == 0.0
    assert env.body.positions[:, 2].min() >= low[2] - 1e-6
    env.close()


def test_the_jaws_hold_the_needle_on_its_wire() -> None:
    env = SutureEnv()
    for seed in range(5):
        env.reset(seed=seed)
        centre = env._needle_pose()[:3, 3]
        assert np.linalg.norm(env.tool - centre) == pytest.approx(NEEDLE.radius_m, abs=1e-6)
        to_tip, to_tool = env.tip - centre, env.tool - centre
        behind = np.cross(to_tool, to_tip) @ env._needle_pose()[:3, 2]
        angle = np.arctan2(behind, to_tool @ to_tip)
        assert 0.0 < angle < NEEDLE.angle_rad
    env.close()


def test_a_needle_pulled_across_its_arc_strains_tissue() -> None:
    env = SutureEnv()
    expert = TissueExpert()
    observation, _ = env.reset(seed=0)
    expert.reset(env, 0)
    while env.body.needle.depth_m < 0.006:
        observation, *_ = env.step(expert.act(observation))
    gentle = env._strain
    costs = [env.step(np.array([0, 0, 1, 0], np.float32))[4]["costs"] for _ in range(4)]
    assert sum(cost["strain"] for cost in costs) >= 1.0
    assert gentle < 0.5
    env.close()


def test_a_turn_out_of_the_wrists_reach_is_refused_and_costs() -> None:
    env = SutureEnv()
    env.reset(seed=0)
    for _ in range(20):
        info = env.step(np.array([0, 0, 1, -1], np.float32))[4]
    assert info["costs"]["limits"] == 1.0
    assert abs(env.guide.heading) < np.pi / 2 + 0.3
    env.close()
