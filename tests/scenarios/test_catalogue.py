"""Scenario files: those that ship, and what is said of wrong ones."""

from pathlib import Path

import gymnasium as gym
import pytest
import yaml

import halsted  # noqa: F401 - registers the environments
from halsted.imaging_bridge.cases import ScanCase
from halsted.scenarios.catalogue import (
    ScenarioError,
    load_scenario,
    parse_scenario,
    scenario_names,
    scenario_of,
)
from halsted.scenarios.patients import PatientScenario

PLAIN = """
name: two-phantoms
title: Two phantoms
environment: halsted/NeedleBiopsy-v0
goal_environment: halsted/NeedleBiopsyGoal-v0
organ: liver
patients:
  train: [{phantom: thorax_abdomen, first_seed: 0, count: 4}]
  test: [{phantom: thorax_abdomen, first_seed: 10, count: 2}]
task: {horizon: 60}
"""


@pytest.mark.parametrize("name", ["liver-biopsy", "lung-biopsy"])
def test_a_shipped_scenario_can_be_posed(name: str) -> None:
    assert name in scenario_names()
    scenario = load_scenario(name)
    assert isinstance(scenario, PatientScenario)
    assert scenario.name == name
    assert name.startswith(scenario.organ)
    train, test = scenario.cases("train"), scenario.cases("test")
    assert len(train) >= 20
    assert len(test) == 100
    assert not set(train) & set(test)
    for environment in (scenario.environment, scenario.goal_environment):
        assert gym.spec(environment).id == environment


def test_an_unknown_scenario_is_named_with_those_there_are() -> None:
    with pytest.raises(ScenarioError, match=r"'knee'.*liver-biopsy, lung-biopsy"):
        load_scenario("knee")


def test_a_scenario_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(PLAIN)
    scenario = load_scenario(str(path))
    assert isinstance(scenario, PatientScenario)
    assert [case.name for case in scenario.cases("test")] == [
        "phantom-liver-10",
        "phantom-liver-11",
    ]
    assert scenario.task.horizon == 60
    assert scenario.task.tolerance_mm == 5.0
    with pytest.raises(ScenarioError, match=r"cannot be read.*check the path"):
        load_scenario(str(tmp_path / "yours.yaml"))
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ScenarioError, match="no text file"):
        load_scenario(str(path))


def test_all_that_is_wrong_is_told_in_one_sentence() -> None:
    text = PLAIN.replace("horizon: 60", "horizon: -1").replace("organ: liver", "organ: knee")
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(text + "colour: red\n", "mine.yaml")
    said = str(caught.value)
    for part in ("mine.yaml", "organ", "task.horizon", "colour"):
        assert part in said
    assert "\n" not in said


@pytest.mark.parametrize("text", ["", "just words", "[1, 2]"])
def test_a_file_that_holds_no_fields_is_refused(text: str) -> None:
    with pytest.raises(ScenarioError, match=r"mine\.yaml"):
        parse_scenario(text, "mine.yaml")


@pytest.mark.parametrize("field", ["environment", "goal_environment"])
def test_an_environment_that_is_not_there_is_named(field: str) -> None:
    values = yaml.safe_load(PLAIN) | {field: "halsted/Knee-v0"}
    with pytest.raises(ScenarioError, match=rf"{field}: .*Knee-v0.*halsted/NeedleBiopsy-v0"):
        parse_scenario(yaml.safe_dump(values), "mine.yaml")


@pytest.mark.parametrize("name", ["CartPole-v1", "phys2d/CartPole-v1"])
def test_gymnasiums_own_environments_are_refused(name: str) -> None:
    values = yaml.safe_load(PLAIN) | {"environment": name}
    with pytest.raises(ScenarioError, match=rf"environment: .*{name} is Gymnasium's own"):
        parse_scenario(yaml.safe_dump(values), "mine.yaml")


def test_an_id_of_gymnasiums_own_is_refused() -> None:
    with pytest.raises(ScenarioError, match="Gymnasium's own"):
        scenario_of("phys2d/CartPole-v1")


def test_broken_yaml_names_its_line() -> None:
    with pytest.raises(ScenarioError, match=r"mine\.yaml is no valid YAML at line 4"):
        parse_scenario("name: a\ntitle: b\norgan: [liver\n  x: }\n", "mine.yaml")


def test_a_patient_is_never_both_trained_on_and_held_back() -> None:
    with pytest.raises(ScenarioError, match="held back: phantom 3"):
        parse_scenario(PLAIN.replace("first_seed: 10", "first_seed: 3"), "mine.yaml")
    scans = yaml.safe_load(PLAIN)
    scans["patients"] = {"train": [{"scan": "ct.nii.gz"}], "test": [{"scan": "ct.nii.gz"}]}
    with pytest.raises(ScenarioError, match=r"ct\.nii\.gz"):
        parse_scenario(yaml.safe_dump(scans), "mine.yaml")


def test_the_hash_is_that_of_the_content() -> None:
    values = yaml.safe_load(PLAIN)
    one = parse_scenario(PLAIN, "a.yaml").content_hash
    turned = yaml.safe_dump(dict(reversed(values.items())), sort_keys=False)
    assert parse_scenario(turned, "b.yaml").content_hash == one
    spelt_out = PLAIN + "episodes_per_patient: 1\n"
    assert parse_scenario(spelt_out, "a.yaml").content_hash == one
    longer = PLAIN.replace("horizon: 60", "horizon: 61")
    assert parse_scenario(longer, "a.yaml").content_hash != one


def test_a_scan_is_one_person_whatever_its_lesion_or_the_spelling_of_its_path() -> None:
    one = ScanCase("scans/a.nii.gz")
    assert ScanCase("./scans/../scans/a.nii.gz", lesion_seed=3).person == one.person
    assert ScanCase("scans/b.nii.gz").person != one.person
