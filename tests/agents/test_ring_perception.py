"""From pictures of the bench to a network, and from its labels to a ring that is carried over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from halsted.agents.making import make_environment
from halsted.agents.perception.bench_pictures import ring_scene
from halsted.agents.perception.catalogue import NETWORKS
from halsted.agents.perception.examples import Source, example_of
from halsted.agents.perception.scores import best_threshold, quality, score_example
from halsted.agents.perception.training import Recipe, train_network
from halsted.agents.scripted import make_planner
from halsted.envs.surgery.dexterity.ring_sight import ring_picture
from halsted.envs.surgery.dexterity.ring_transfer import RingTransferEnv
from halsted.imaging_bridge import Patient
from halsted.scenarios.bench import BenchScenario
from halsted.scenarios.catalogue import parse_scenario

SMALL = replace(
    NETWORKS["arm-ring"],
    size=0,
    patch=(64, 64),
    features=(8, 16, 32),
    steps=120,
    batch=8,
    learning_rate=1e-2,
)
TRAINED_ON, HELD_BACK = range(16), range(100, 106)


def _giving(patient: Patient) -> Callable[[], Patient]:
    return lambda: patient


def plain_examples(seeds):
    env = RingTransferEnv(render_mode="rgb_array")
    sources = []
    for seed in seeds:
        env.reset(seed=seed)
        env.action_space.seed(seed)
        for _ in range(seed % 16):
            env.step(env.action_space.sample())
        images, labels = ring_picture(env)
        patient = Patient(images, labels, kind="phantom")
        sources.append(Source(f"ring-{seed}", f"ring-{seed}", _giving(patient)))
    env.close()
    return [example_of(SMALL, source) for source in sources]


@pytest.fixture(scope="module")
def held_back():
    return plain_examples(HELD_BACK)


@pytest.fixture(scope="module")
def trained(held_back, tmp_path_factory):
    """A small network that has learned from a few pictures of the environment's camera."""
    folder = tmp_path_factory.mktemp("networks") / "arm-ring"
    train_network(SMALL, plain_examples(TRAINED_ON), held_back, folder, Recipe(validate_every=60))
    return folder


def scenario_with(perception: Path) -> BenchScenario:
    scenario = parse_scenario(
        "name: seen-ring\n"
        "title: A ring that a network sees\n"
        "environment: halsted/RingTransfer-v0\n"
        f"perception: {perception}\n"
        "scenes: {train: {first_seed: 0, count: 10}, test: {first_seed: 5000, count: 6}}\n",
        "seen-ring.yaml",
    )
    assert isinstance(scenario, BenchScenario)
    return scenario


def test_what_a_network_sees_brings_the_ring_to_its_post(trained):
    scenario = scenario_with(trained)
    env = make_environment(scenario, scenario.cases("test"))
    planner = make_planner(scenario.environment)
    task = env.unwrapped
    assert isinstance(task, RingTransferEnv)
    succeeded, errors = [], []
    for seed in scenario.cases("test"):
        observation, info = env.reset(seed=seed)
        planner.reset(env, seed)
        if not info["ring_missed"]:
            true = task.world.body_pose("ring")[0]
            errors.append(np.linalg.norm(np.subtract(task.seen_pose[0], true)))
        while True:
            observation, _, terminated, truncated, info = env.step(planner.act(observation))
            if terminated or truncated:
                break
        succeeded.append(info["is_success"])
    env.close()
    assert sum(succeeded) >= 4
    assert 0.0 < np.median(errors) < 0.003


def test_the_network_sees_what_no_threshold_does(trained, held_back):
    from halsted.agents.perception.checkpoint import load_trained

    modules = load_trained(trained).modules()
    dice = quality(SMALL, [score_example(SMALL, modules, one) for one in held_back])
    assert min(dice.values()) > 0.7
    assert dice["arm"] > best_threshold(SMALL, held_back)["arm"]


def test_pictures_for_training_are_made_by_their_seed_and_too_hard_for_a_threshold():
    scenes = [ring_scene(seed) for seed in range(12)]
    assert ring_scene(3).content_hash == scenes[3].content_hash
    assert len({one.content_hash for one in scenes}) == len(scenes)
    network = NETWORKS["arm-ring"]
    sources = [Source(str(n), str(n), _giving(one)) for n, one in enumerate(scenes)]
    examples = [example_of(network, source) for source in sources]
    assert {value for one in examples for value in np.unique(one.target).tolist()} == {0, 1, 2}
    assert max(best_threshold(network, examples).values()) < 0.65
