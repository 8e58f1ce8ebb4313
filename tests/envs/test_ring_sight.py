"""Perception at the ring's bench: what the picture tells, when it is taken, what it decides."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from halsted.agents.scripted import make_expert, make_planner
from halsted.envs.errors import EnvironmentOptionError
from halsted.envs.surgery.dexterity.ring_sight import (
    PICTURE_CAMERA,
    locate_ring,
    ring_picture,
    world_points,
)
from halsted.envs.surgery.dexterity.ring_transfer import RingTransferEnv
from halsted.envs.surgery.dexterity.things import RING_RADIUS_M
from halsted.imaging_bridge import (
    LabelMap,
    OracleSegmenter,
    Patient,
    Segmentation,
    Segmenter,
    Volume,
)

RING = "halsted/RingTransfer-v0"
OPEN, CLOSED = 1.0, -1.0


class Watched:
    """A segmenter that counts what it is asked."""

    def __init__(self, inner: Segmenter) -> None:
        self.inner, self.is_oracle, self.calls = inner, inner.is_oracle, 0

    def segment(self, images: Mapping[str, Volume], truth: LabelMap | None) -> Segmentation:
        self.calls += 1
        return self.inner.segment(images, truth)


class Labelled:
    """A segmenter that tells the truth after a change."""

    is_oracle = True

    def __init__(self, change: Any) -> None:
        self.change = change

    def segment(self, images: Mapping[str, Volume], truth: LabelMap | None) -> Segmentation:
        assert truth is not None
        return Segmentation(self.change(truth))


def blind(labels: LabelMap) -> LabelMap:
    return LabelMap(np.zeros_like(labels.voxels), labels.affine, labels.names)


def to_the_right(labels: LabelMap) -> LabelMap:
    return LabelMap(np.roll(labels.voxels, 12, axis=2), labels.affine, labels.names)


def true_ring(env: RingTransferEnv) -> np.ndarray[Any, Any]:
    return np.array(env.world.body_pose("ring")[0])


@pytest.fixture(scope="module")
def bench():
    env = RingTransferEnv(segmenter=OracleSegmenter())
    yield env
    env.close()


@pytest.fixture
def follow():
    """Runs a policy until the episode ends; gives every step's observation, reward and info."""

    def run(env: gym.Env[Any, Any], policy: Any, seed: int, most: int = 150) -> list[Any]:
        observation, info = env.reset(seed=seed)
        policy.reset(env, seed)
        steps: list[Any] = [(observation, 0.0, info)]
        for _ in range(most):
            observation, reward, terminated, truncated, info = env.step(policy.act(observation))
            steps.append((observation, reward, info))
            if terminated or truncated:
                break
        return steps

    return run


def test_the_ring_is_located_within_a_millimetre_by_its_true_labels(bench):
    errors = []
    for seed in range(100):
        bench.reset(seed=seed)
        images, labels = ring_picture(bench)
        found = locate_ring(labels, images["depth"])
        assert found is not None
        errors.append(np.linalg.norm(found - true_ring(bench)))
    assert max(errors) < 0.001
    assert np.mean(errors) < 0.0004


def test_stray_pixels_and_noise_of_depth_hardly_move_the_ring(bench):
    rng = np.random.default_rng(0)
    for seed in range(10):
        bench.reset(seed=seed)
        images, labels = ring_picture(bench)
        voxels = labels.voxels.copy()
        voxels[0][rng.random(voxels.shape[1:]) < 0.002] = labels.names["ring"]
        depth = images["depth"].voxels + rng.normal(0.0, 0.0005, voxels.shape)
        depth[rng.random(voxels.shape) < 0.1] = 0.0
        strayed = LabelMap(voxels, labels.affine, labels.names)
        found = locate_ring(strayed, Volume(depth.astype(np.float32), labels.affine))
        assert found is not None
        assert np.linalg.norm(found - true_ring(bench)) < 0.002


def test_a_ring_of_a_few_pixels_is_not_located(bench):
    bench.reset(seed=0)
    images, labels = ring_picture(bench)
    voxels = labels.voxels.copy()
    places = np.argwhere(voxels == labels.names["ring"])
    voxels[tuple(places[10:].T)] = 0
    few = LabelMap(voxels, labels.affine, labels.names)
    assert locate_ring(few, images["depth"]) is None
    hole = Volume(np.zeros(voxels.shape, np.float32), labels.affine)
    assert locate_ring(labels, hole) is None


def test_the_labels_of_a_picture_lie_where_the_things_are(bench):
    bench.reset(seed=3)
    images, labels = ring_picture(bench)
    points = world_points(images["depth"].voxels[0], PICTURE_CAMERA)
    ring = points[labels.mask("ring")[0]] - true_ring(bench)
    around = np.hypot(ring[:, 0], ring[:, 1])
    assert np.abs(around - RING_RADIUS_M).max() < 0.003
    arm = points[labels.mask("arm")[0]]
    nearest = np.linalg.norm(arm - bench.tool(0), axis=1).min()
    assert nearest < 0.005
    ground = points[100:][labels.voxels[0, 100:] == 0]
    assert abs(np.median(ground[:, 2])) < 1e-5
    red, green, blue = (
        images[name].voxels[labels.mask("ring")].mean() for name in images if name != "depth"
    )
    assert red > 2 * max(green, blue)


def test_a_varied_picture_is_made_by_its_seed_and_unlike_others(bench):
    bench.reset(seed=1)
    one, again, other = (ring_picture(bench, np.random.default_rng(seed)) for seed in (5, 5, 6))
    parts = [Patient(images, labels, kind="phantom") for images, labels in (one, again, other)]
    assert parts[0].content_hash == parts[1].content_hash != parts[2].content_hash


def test_without_a_segmenter_nothing_changes():
    plain, seeing = gym.make(RING), gym.make(RING, segmenter=None)
    rng = np.random.default_rng(0)
    for env in (plain, seeing):
        env.reset(seed=4)
    for _ in range(60):
        action = rng.uniform(-1.0, 1.0, 5).astype(np.float32)
        (first, *rest), (second, *same) = plain.step(action), seeing.step(action)
        assert rest == same
        assert all(np.array_equal(first[key], second[key]) for key in first)
    plain.close()
    seeing.close()


def test_perception_leaves_the_world_as_it_is():
    blindfold, seeing = RingTransferEnv(), RingTransferEnv(segmenter=OracleSegmenter())
    rng = np.random.default_rng(1)
    scenes = [env.reset(seed=9)[1]["scene"] for env in (blindfold, seeing)]
    assert scenes[0] == scenes[1]
    for _ in range(60):
        action = rng.uniform(-1.0, 1.0, 5).astype(np.float32)
        infos = [env.step(action)[-1] for env in (blindfold, seeing)]
        assert infos[0]["costs"] == infos[1]["costs"]
        assert np.array_equal(true_ring(blindfold), true_ring(seeing))
    blindfold.close()
    seeing.close()


def test_gymnasium_finds_no_fault_with_perception():
    env = gym.make(RING, segmenter=OracleSegmenter())
    check_env(env.unwrapped, skip_render_check=True)
    again = pickle.loads(pickle.dumps(env.unwrapped))
    observation, _ = again.reset(seed=2)
    first, _ = env.reset(seed=2)
    assert all(np.array_equal(first[key], observation[key]) for key in first)
    env.close()
    again.close()


def test_the_planner_succeeds_on_what_an_oracle_sees(bench, follow):
    planner = make_planner(RING)
    succeeded = [follow(bench, planner, seed)[-1][-1]["is_success"] for seed in range(20)]
    assert sum(succeeded) >= 19


def test_the_planner_goes_by_what_is_seen_and_the_expert_by_the_truth(follow):
    env = RingTransferEnv(segmenter=Labelled(to_the_right))
    assert not follow(env, make_planner(RING), 0)[-1][-1]["is_success"]
    assert follow(env, make_expert(RING), 0)[-1][-1]["is_success"]
    env.close()


def test_the_reward_pays_for_the_goal_that_is_observed(follow):
    env = RingTransferEnv(segmenter=Labelled(to_the_right))
    steps = follow(env, make_expert(RING), 0)[1:]
    for observation, reward, info in steps:
        goals = observation["achieved_goal"], observation["desired_goal"]
        assert reward == env.compute_reward(*goals, info)
        assert info["task_reward"] == info["is_success"] - 1.0 - env.harm_price * info["cost"]
    achieved = steps[-1][0]["achieved_goal"] * env.goal_scale
    assert np.allclose(achieved, env.seen_pose[0], atol=1e-6)
    assert steps[-1][-1]["is_success"]
    assert steps[-1][1] == -1.0
    env.close()


def test_a_picture_is_taken_at_reset_and_once_after_each_release(follow):
    watched = Watched(OracleSegmenter())
    env = RingTransferEnv("surrol", segmenter=watched)
    steps = follow(env, make_planner(RING), 0, most=50)
    assert len(steps) == 51
    assert steps[-1][-1]["is_success"]
    assert env.world.held[0] is None
    assert watched.calls == 2
    assert np.linalg.norm(env.seen_pose[0] - true_ring(env)) < 0.001
    env.reset(seed=1)
    for _ in range(10):
        env.step(np.array([0.0, 0.0, 0.0, 0.0, CLOSED], np.float32))
        env.step(np.array([0.0, 0.0, 0.0, 0.0, OPEN], np.float32))
    assert watched.calls == 3
    env.close()


def test_a_ring_that_was_pushed_is_seen_again_once_the_jaws_move(bench):
    bench.reset(seed=0)
    start = true_ring(bench)

    def go(target: Any, jaw: float, steps: int) -> None:
        for _ in range(steps):
            shift = np.clip((target - bench.tool(0)) / 0.006, -1.0, 1.0)
            bench.step(np.array([*shift, 0.0, jaw], np.float32))

    beside = start + np.array([0.025, 0.0, 0.003 - start[2]])  # the jaws just over the table
    go(beside + np.array([0.0, 0.0, 0.03]), CLOSED, 40)
    go(beside, CLOSED, 20)
    go(beside - np.array([0.04, 0.0, 0.0]), CLOSED, 20)
    assert bench.world.held[0] is None
    assert np.linalg.norm(true_ring(bench) - start) > 0.006
    assert np.linalg.norm(bench.seen_pose[0] - true_ring(bench)) > 0.005
    go(beside + np.array([0.0, 0.0, 0.03]), OPEN, 20)
    assert np.linalg.norm(bench.seen_pose[0] - true_ring(bench)) < 0.001


def test_a_held_ring_moves_with_the_tool_as_it_was_seen(bench, follow):
    planner = make_planner(RING)
    observation, _ = bench.reset(seed=5)
    planner.reset(bench, 5)
    errors, moved = [], []
    for _ in range(150):
        observation, _, terminated, _, _ = bench.step(planner.act(observation))
        errors.append(np.linalg.norm(bench.seen_pose[0] - true_ring(bench)))
        moved.append(true_ring(bench)[2])
        if terminated:
            break
    assert max(moved) > 0.03
    assert max(errors) < 0.004  # the jaws pull the ring as they close


def test_nobody_begins_with_a_ring_that_was_missed():
    env = RingTransferEnv(segmenter=Labelled(blind))
    _, info = env.reset(seed=0)
    assert info["ring_missed"]
    assert not info["is_success"]
    _, reward, terminated, truncated, info = env.step(env.action_space.sample())
    assert terminated
    assert not truncated
    assert info["ring_missed"]
    assert not info["is_success"]
    assert reward <= -1.0
    env.close()


@pytest.mark.parametrize("reward", ["sparse", "dense"])
def test_a_ring_that_was_missed_is_at_no_goal(reward):
    env = RingTransferEnv(reward=reward, segmenter=Labelled(blind))
    _, info = env.reset(seed=0)
    scene = {**info["scene"], "goal": [0.0, 0.0, info["scene"]["goal"][2]]}
    env.reset(options={"scene": scene})
    observation, reward_given, terminated, _, info = env.step(np.zeros(5, np.float32))
    goals = observation["achieved_goal"], observation["desired_goal"]
    assert terminated
    assert not info["is_success"]
    assert env.compute_reward(*goals, info) <= -1.0
    assert info["task_reward"] <= -1.0
    if reward == "sparse":
        assert reward_given == env.compute_reward(*goals, info) == info["task_reward"]
    assert not env.seems_to_have_succeeded()
    env.close()


def test_a_segmenter_that_knows_no_rings_is_refused():
    def nameless(labels: LabelMap) -> LabelMap:
        return LabelMap(np.zeros_like(labels.voxels), labels.affine, {"polyp": 1})

    env = RingTransferEnv(segmenter=Labelled(nameless))
    with pytest.raises(EnvironmentOptionError, match=r"polyp.*needs the ring"):
        env.reset(seed=0)
    env.close()
