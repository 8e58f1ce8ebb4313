"""A small world at the bench, with a scenario and an expert."""

from __future__ import annotations

from collections.abc import Iterator

import gymnasium as gym
import pytest

from halsted.agents import scripted
from halsted.scenarios.bench import BenchScenario
from halsted.scenarios.catalogue import parse_scenario
from tests.envs.vector_worlds import Walk, WalkExpert

WALK = "test/Walk-v0"
SCENARIO = f"""
name: walk
title: A walk
environment: {WALK}
scenes: {{train: {{first_seed: 0, count: 1000}}, test: {{first_seed: 5000, count: 12}}}}
task: {{horizon: 12}}
"""


@pytest.fixture
def walk(monkeypatch: pytest.MonkeyPatch) -> Iterator[BenchScenario]:
    """The scenario of the small world, which is registered as long as the test runs."""
    gym.register(WALK, entry_point=f"{Walk.__module__}:Walk")
    expert = f"{WalkExpert.__module__}:WalkExpert"
    monkeypatch.setitem(scripted.EXPERTS, WALK, expert)
    scenario = parse_scenario(SCENARIO, "walk.yaml")
    assert isinstance(scenario, BenchScenario)
    yield scenario
    del gym.registry[WALK]
