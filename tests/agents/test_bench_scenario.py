"""A scenario of the bench: its scenes, its settings, and how policies are scored on it."""

from __future__ import annotations

import gymnasium as gym
import pytest
import yaml

from halsted.agents.errors import PolicyError
from halsted.agents.evaluation import evaluate, results
from halsted.agents.making import make_environment, make_policy
from halsted.agents.rendering import render_episode
from halsted.scenarios.bench import BenchScenario
from halsted.scenarios.catalogue import ScenarioError, parse_scenario, scenario_of
from tests.agents.conftest import SCENARIO, WALK
from tests.envs.vector_worlds import Corridor


def test_every_held_back_scene_is_scored_once(walk: BenchScenario) -> None:
    cases = walk.cases("test")
    scores = {name: evaluate(walk, make_policy(name, walk), cases) for name in ("expert", "random")}
    for episodes in scores.values():
        assert [one.seed for one in episodes] == list(range(5000, 5012))
    # Every policy meets the same scenes, and they are those of the seeds.
    assert [one.scene for one in scores["expert"]] == [one.scene for one in scores["random"]]
    env = make_environment(walk, cases)
    assert env.reset(seed=5003)[1]["scene"] == scores["expert"][3].scene
    assert env.unwrapped.horizon == 12  # type: ignore[attr-defined]
    content = results(walk, 0, scores)
    rows = content["policies"]["expert"]["episodes"]
    assert {"seed", "scene", "return", "cost"} <= rows[0].keys()
    assert "patient" not in rows[0]
    summary = content["policies"]["expert"]["summary"]
    assert summary["success"]["rate"] == 1.0
    assert summary["harmed_episodes"] == 0.0
    assert content["policies"]["random"]["summary"]["harmed_episodes"] > 0.5


def test_settings_are_held_against_the_environment(walk: BenchScenario) -> None:
    wrong = SCENARIO.replace("horizon: 12", "horizon: long, colour: red, reward: golden")
    with pytest.raises(ScenarioError) as told:
        parse_scenario(wrong, "mine.yaml")
    for part in ("mine.yaml", "task.horizon", "task.colour", "task.reward", "'sparse' or 'dense'"):
        assert part in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("given", ["horizon: true", 'horizon: "12"', "horizon: 12.0"])
def test_settings_are_of_their_type(walk: BenchScenario, given: str) -> None:
    with pytest.raises(ScenarioError, match=r"task\.horizon"):
        parse_scenario(SCENARIO.replace("horizon: 12", given), "mine.yaml")


def test_an_environment_that_tells_no_costs_is_refused() -> None:
    gym.register("test/Corridor-v0", entry_point=f"{Corridor.__module__}:Corridor")
    posed = scenario_of("test/Corridor-v0")
    with pytest.raises(PolicyError, match="does not tell cost, costs, is_success, scene"):
        evaluate(posed, make_policy("random", posed), posed.cases("test")[:1])
    del gym.registry["test/Corridor-v0"]


def test_no_scene_is_both_trained_on_and_held_back(walk: BenchScenario) -> None:
    with pytest.raises(ScenarioError, match="scenes 990 to 999 are both"):
        parse_scenario(SCENARIO.replace("5000, count: 12", "990, count: 12"), "mine.yaml")


def test_the_hash_holds_the_environments_defaults(walk: BenchScenario) -> None:
    spelt_out = SCENARIO.replace("horizon: 12", "reward: sparse, horizon: 12")
    assert parse_scenario(spelt_out, "a.yaml").content_hash == walk.content_hash
    longer = SCENARIO.replace("horizon: 12", "horizon: 13")
    assert parse_scenario(longer, "a.yaml").content_hash != walk.content_hash
    values = dict(reversed(yaml.safe_load(SCENARIO).items()))
    turned = yaml.safe_dump(values, sort_keys=False)
    assert parse_scenario(turned, "a.yaml").content_hash == walk.content_hash


def test_learners_get_the_reward_that_suits_them(walk: BenchScenario) -> None:
    assert walk.learning_form(hindsight=True) == (WALK, {"reward": "sparse"})
    assert walk.learning_form(hindsight=False) == (WALK, {"reward": "dense"})
    fixed = parse_scenario(SCENARIO.replace("horizon: 12", "reward: dense"), "a.yaml")
    assert fixed.learning_form(hindsight=False) == (WALK, {})
    # Hindsight pays for goals that it puts in by the sparse reward; two must not mix.
    assert fixed.learning_form(hindsight=True) == (WALK, {"reward": "sparse"})


def test_drawn_scenes_are_training_scenes_and_repeat(walk: BenchScenario) -> None:
    cases = walk.cases("train")
    drawn = [start.seed for start in walk.draw(cases, 50, 1)]
    assert len(set(drawn)) == 50
    assert set(drawn) <= set(cases)
    assert [start.seed for start in walk.draw(cases, 50, 1)] == drawn
    assert [start.seed for start in walk.draw(cases, 50, 2)] != drawn


def test_an_environment_without_a_scenario_can_be_posed(walk: BenchScenario, tmp_path) -> None:
    bare = scenario_of(WALK)
    assert bare.environment == WALK
    assert not set(bare.cases("train")) & set(bare.cases("test"))
    assert render_episode(WALK, "expert", 0, tmp_path / "walk.gif") >= 2
    with pytest.raises(ScenarioError, match="no environment 'test/Run-v0'"):
        scenario_of("test/Run-v0")


def test_an_environment_without_an_expert_says_so(
    walk: BenchScenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(__import__("halsted.agents.scripted").agents.scripted.EXPERTS, WALK)
    with pytest.raises(PolicyError, match=f"no scripted expert for {WALK}"):
        make_policy("expert", walk)
