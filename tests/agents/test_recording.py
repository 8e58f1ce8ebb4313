"""Recorded episodes, as Minari reads them back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from halsted.agents import recording
from halsted.agents.recording import Recording, record
from halsted.imaging_bridge import HalstedError
from halsted.imaging_bridge.errors import OutputError
from halsted.scenarios.bench import BenchScenario
from tests.agents.conftest import WALK


@pytest.fixture
def recorded(walk: BenchScenario, tmp_path: Path) -> Path:
    return record(Recording(WALK, "expert", 6, 3, tmp_path / "walk-expert-v0"))


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # Minari's own
def test_minari_finds_it_and_makes_its_environment(
    recorded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import minari

    monkeypatch.setenv("MINARI_DATASETS_PATH", str(recorded.parent))
    dataset = minari.load_dataset("walk-expert-v0")
    assert dataset.total_episodes == 6
    env = dataset.recover_environment()
    assert env.spec is not None and env.spec.id == WALK
    assert env.observation_space == dataset.observation_space
    told = list(dataset.storage.get_episode_metadata(dataset.episode_indices))
    assert len({one["seed"] for one in told}) == 6
    for episode, one in zip(dataset, told, strict=True):
        # The same scene and the same actions give the same episode.
        observation, _ = env.reset(seed=one["seed"], options={"scene": json.loads(one["scene"])})
        for number, action in enumerate(episode.actions):
            np.testing.assert_array_equal(
                observation["observation"], episode.observations["observation"][number]
            )
            observation, reward, terminated, truncated, info = env.step(action)
            assert reward == episode.rewards[number]
            assert (terminated, truncated) == (
                episode.terminations[number],
                episode.truncations[number],
            )
            assert info["cost"] == episode.infos["cost"][number + 1]
            assert info["costs"]["speed"] == episode.infos["costs"]["speed"][number + 1]
        assert terminated and one["success"]
        assert one["cost"] == episode.infos["cost"].sum()


def test_the_metadata_say_how_it_came_about(recorded: Path) -> None:
    told = json.loads((recorded / "data" / "metadata.json").read_text())
    assert told["dataset_id"] == "walk-expert-v0"
    ours = told["halsted"]
    assert (ours["policy"], ours["seed"]) == ("expert", 3)
    assert ours["scenario_content"]["environment"] == WALK
    assert {"halsted", "minari", "gymnasium"} <= ours["versions"].keys()
    assert [path.name for path in recorded.parent.iterdir()] == ["walk-expert-v0"]


def test_nothing_is_left_of_a_recording_that_fails(
    walk: BenchScenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> bool:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(recording, "_record_episode", fail)
    with pytest.raises(OutputError, match="No space left"):
        record(Recording(WALK, "expert", 2, 0, tmp_path / "walk-v0"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "folder", "said"),
    [
        ("test/Run-v0", "a-v0", "no environment"),
        ("marathon", "a-v0", "no scenario"),
        (WALK, "there", "exists already"),
        (WALK, "file/a-v0", "cannot make the folder"),
        (WALK, "a b", "no name for a Minari data set"),
    ],
)
def test_what_cannot_be_recorded_is_told_in_one_sentence(
    walk: BenchScenario, tmp_path: Path, name: str, folder: str, said: str
) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "file").write_text("in the way")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(HalstedError, match=said) as told:
        record(Recording(name, "expert", 1, 0, tmp_path / folder))
    assert "\n" not in str(told.value)
    assert sorted(tmp_path.iterdir()) == before
