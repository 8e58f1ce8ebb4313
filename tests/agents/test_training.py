"""Learning: vectors for stable-baselines3, cloning, and learning from recorded episodes."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from stable_baselines3.common.vec_env import DummyVecEnv

from halsted.agents.cloning import fill_replay_buffer
from halsted.agents.demonstrations import played, read_demonstrations
from halsted.agents.errors import PolicyError
from halsted.agents.evaluation import evaluate
from halsted.agents.features import GoalFeatures
from halsted.agents.learners import make_learner
from halsted.agents.making import make_environment, make_policy
from halsted.agents.recording import Recording, record
from halsted.agents.training import Training, train
from halsted.agents.vectors import VecEnvAdapter
from halsted.envs.vector import ChunkedVectorEnv
from halsted.scenarios.bench import BenchScenario, bare_scenario
from tests.agents.conftest import WALK
from tests.envs.vector_worlds import Corridor, Walk


def adapted(kind: str, makers: list[Any]) -> VecEnvAdapter:
    vector: VectorEnv[Any, Any, Any]
    if kind == "chunked":
        vector = ChunkedVectorEnv(makers, 2)
    else:
        vector = SyncVectorEnv(makers, autoreset_mode=AutoresetMode.SAME_STEP)
    return VecEnvAdapter(vector)


@pytest.mark.parametrize("kind", ["sync", "chunked"])
def test_an_adapted_vector_is_stable_baselines_own(kind: str) -> None:
    makers: list[Any] = [functools.partial(Walk, horizon=5)] * 3
    ours: Any = adapted(kind, makers)
    theirs: Any = DummyVecEnv(makers)
    for one in (ours, theirs):
        one.seed(4)
    rng = np.random.default_rng(0)
    first = (ours.reset(), theirs.reset())
    for key in first[1]:
        np.testing.assert_array_equal(first[0][key], first[1][key])
    for _ in range(20):
        actions = rng.uniform(-1, 1, (3, 2)).astype(np.float32)
        mine, expected = ours.step(actions), theirs.step(actions)
        for key in expected[0]:
            np.testing.assert_array_equal(mine[0][key], expected[0][key])
        np.testing.assert_array_equal(mine[1], expected[1])
        np.testing.assert_array_equal(mine[2], expected[2])
        for row, other in zip(mine[3], expected[3], strict=True):
            assert row.keys() == other.keys()
            assert row["costs"] == other["costs"]
            assert row["TimeLimit.truncated"] == other["TimeLimit.truncated"]
            if "terminal_observation" in other:
                end = other["terminal_observation"]["observation"]
                np.testing.assert_array_equal(row["terminal_observation"]["observation"], end)
    assert [one["scene"] for one in ours.reset_infos] == [
        one["scene"] for one in theirs.reset_infos
    ]
    ours.close()
    theirs.close()


def test_a_vector_that_resets_otherwise_is_refused() -> None:
    vector = SyncVectorEnv([Corridor])
    with pytest.raises(PolicyError, match="SAME_STEP"):
        VecEnvAdapter(vector)
    vector.close()


@pytest.mark.parametrize(("algorithm", "workers"), [("sac-her", 2), ("ppo", 0), ("sac", 0)])
def test_a_policy_is_trained_stored_and_scored(
    walk: BenchScenario, tmp_path: Path, algorithm: Any, workers: int
) -> None:
    settings = {"n_steps": 64} if algorithm == "ppo" else {"learning_starts": 100}
    how = Training(algorithm, 300, 0, 4, workers, settings=settings, tensorboard=False)
    curve = train(walk, tmp_path / "policy", how)
    assert len(curve.steps) >= 20
    assert max(curve.cost) > 0.0
    card = json.loads((tmp_path / "policy" / "policy.json").read_text())
    assert card["cases"] == ["scenes 0 to 999"]
    policy = make_policy(str(tmp_path / "policy"), walk)
    assert len(evaluate(walk, policy, walk.cases("test"))) == 12


@pytest.mark.parametrize("algorithm", ["sac-her", "ppo"])
def test_cloned_episodes_make_a_policy_before_any_learning(
    walk: BenchScenario, tmp_path: Path, algorithm: Any
) -> None:
    folder = record(Recording(WALK, "expert", 60, 0, tmp_path / "walk-v0"))
    settings = {"n_steps": 8, "batch_size": 8} if algorithm == "ppo" else {"learning_starts": 1000}
    how = Training(algorithm, 8, 0, 1, demonstrations=folder, settings=settings, tensorboard=False)
    train(walk, tmp_path / "cloned", how)
    policy = make_policy(str(tmp_path / "cloned"), walk)
    assert "60 demonstrations" in policy.name
    episodes = evaluate(walk, policy, walk.cases("test"))
    assert sum(one.success for one in episodes) >= 11
    beside = evaluate(walk, make_policy("random", walk), walk.cases("test"))
    assert sum(one.success for one in beside) <= 6


def test_what_was_cloned_outlasts_a_critic_that_knows_nothing(
    walk: BenchScenario, tmp_path: Path
) -> None:
    how = Training("sac-her", 800, 0, 1, demonstrations=60, tensorboard=False)
    curve = train(walk, tmp_path / "guided", how)
    assert np.mean(curve.success) > 0.8
    episodes = evaluate(walk, make_policy(str(tmp_path / "guided"), walk), walk.cases("test"))
    assert sum(one.success for one in episodes) >= 11


def test_noise_is_carried_out_but_not_advised(walk: BenchScenario) -> None:
    env = make_environment(walk, walk.cases("train"))
    expert = make_policy("expert", walk)
    (shown,) = played(env, expert, walk.draw(walk.cases("train"), 1, 0), 0.3, 0)
    assert 0.05 < np.abs(shown.actions - shown.advised).max() < 1.5
    before = shown.observation(slice(0, len(shown)))
    way = (before["desired_goal"] - before["achieved_goal"]) / 0.2
    np.testing.assert_allclose(shown.advised, np.clip(way, -0.8, 0.8), atol=1e-5)
    (plain,) = played(env, expert, walk.draw(walk.cases("train"), 1, 0))
    np.testing.assert_array_equal(plain.actions, plain.advised)


def test_a_share_of_every_batch_is_demonstrated_and_rewards_follow_goals(
    walk: BenchScenario,
) -> None:
    env = make_environment(walk, walk.cases("train"))
    shown = played(env, make_policy("expert", walk), walk.draw(walk.cases("train"), 5, 0))
    vector = adapted("sync", [functools.partial(Walk, horizon=12)] * 2)
    model = make_learner("sac-her", vector, WALK, 0, settings={"learning_starts": 10_000})
    fill_replay_buffer(model, shown)
    model.learn(400)
    batch = model.replay_buffer.sample(200)
    demonstrated = torch.as_tensor(np.concatenate([one.actions for one in shown]))
    known = (batch.actions[:, None] == demonstrated).all(dim=2).any(dim=1)
    assert 50 <= known.sum() < 80
    expected = Walk().compute_reward(
        batch.next_observations["achieved_goal"].numpy(),
        batch.observations["desired_goal"].numpy(),
        {},
    )
    np.testing.assert_array_equal(batch.rewards[:, 0].numpy(), expected)
    assert torch.equal(batch.observations["desired_goal"], batch.next_observations["desired_goal"])
    vector.close()


def test_hindsight_without_an_ended_episode_is_refused() -> None:
    vector = adapted("sync", [functools.partial(Walk, horizon=1000)])
    model = make_learner("sac-her", vector, WALK, 0)
    with pytest.raises(PolicyError, match="learning_starts"):
        model.replay_buffer.sample(8)
    vector.close()


def test_the_replay_buffer_holds_whole_episodes(walk: BenchScenario) -> None:
    env = make_environment(walk, walk.cases("train"))
    starts = walk.draw(walk.cases("train"), 7, 0)
    shown = played(env, make_policy("expert", walk), starts)
    vector = adapted("sync", [functools.partial(Walk, horizon=12)] * 3)
    model = make_learner("sac-her", vector, WALK, 0)
    fill_replay_buffer(model, shown)
    buffer = model.replay_buffer
    rows = buffer.pos
    assert rows == max(sum(map(len, shown[start::3])) for start in range(3))
    assert buffer.dones[rows - 1].all()
    first = shown[0]
    ends = np.flatnonzero(buffer.dones[:rows, 0])
    assert ends[0] == len(first) - 1
    assert buffer.rewards[ends[0], 0] == 0.0
    assert not buffer.timeouts[ends[0], 0]
    np.testing.assert_array_equal(
        buffer.next_observations["achieved_goal"][ends[0], 0],
        first.observations["achieved_goal"][-1],
    )
    assert (buffer.ep_length[:rows] > 0).all()
    vector.close()


def test_features_follow_goals_put_in_by_hindsight() -> None:
    space: Any = Walk().observation_space
    features = GoalFeatures(space)
    state = {key: torch.zeros(2, 2) for key in space.spaces}
    state["desired_goal"][1] = torch.tensor([0.05, 3.0])
    at_goal, away = features(state)
    assert features.features_dim == 10 == len(at_goal)
    assert not at_goal.any()
    assert away[4:6].tolist() == pytest.approx([0.05, 3.0])
    assert away[6] > 0.2 and away[7] == pytest.approx(1.0)


def test_wrong_demonstrations_are_told_in_one_sentence(walk: BenchScenario, tmp_path: Path) -> None:
    env = make_environment(walk, walk.cases("train"))
    with pytest.raises(PolicyError, match=r"cannot be read.*'halsted record'"):
        read_demonstrations(tmp_path, env)
    folder = record(Recording(WALK, "expert", 1, 0, tmp_path / "walk-v0"))
    with pytest.raises(PolicyError, match="recorded with other observations"):
        read_demonstrations(folder, Corridor())
    (folder / "data" / "main_data.hdf5").write_bytes(b"no HDF5")
    with pytest.raises(PolicyError, match="cannot be read") as told:
        read_demonstrations(folder, env)
    assert "\n" not in str(told.value)


def test_demonstrations_of_another_task_are_refused(walk: BenchScenario, tmp_path: Path) -> None:
    folder = record(Recording(WALK, "expert", 2, 0, tmp_path / "walk-v0"))
    cases = walk.cases("train")
    # What changes neither actions nor observations may differ.
    rewarded = make_environment(walk, cases, reward="dense", horizon=30)
    assert len(read_demonstrations(folder, rewarded)) == 2
    with pytest.raises(PolicyError, match="recorded with fails '', but 'never' is learned with"):
        read_demonstrations(folder, make_environment(walk, cases, fails="never"))
    gym.register("test/Stroll-v0", entry_point=f"{Walk.__module__}:Walk")
    with pytest.raises(PolicyError, match=r"recorded in test/Walk-v0, but test/Stroll-v0"):
        read_demonstrations(folder, gym.make("test/Stroll-v0", disable_env_checker=True))
    del gym.registry["test/Stroll-v0"]


@pytest.mark.parametrize(
    ("part", "said"), [("observations/desired_goal", "one observation"), ("actions", "finite")]
)
def test_damaged_demonstrations_leave_no_output(
    walk: BenchScenario, tmp_path: Path, part: str, said: str
) -> None:
    import h5py  # type: ignore[import-untyped]

    folder = record(Recording(WALK, "expert", 2, 0, tmp_path / "walk-v0"))
    with h5py.File(folder / "data" / "main_data.hdf5", "r+") as file:
        values = file[f"episode_1/{part}"][:]
        del file[f"episode_1/{part}"]
        values[0] = np.nan
        file[f"episode_1/{part}"] = values if part == "actions" else values[:-1]
    how = Training("sac-her", 8, demonstrations=folder, tensorboard=False)
    with pytest.raises(PolicyError, match=said):
        train(walk, tmp_path / "out", how)
    assert not (tmp_path / "out").exists()


def test_pictures_are_neither_cloned_nor_relabelled(tmp_path: Path) -> None:
    sees = bare_scenario("halsted/NeedleReach-v0").model_copy(update={"task": {"sight": "rgb"}})
    for algorithm, shown in (("sac-her", 0), ("sac", 1)):
        how = Training(algorithm, 8, demonstrations=shown, tensorboard=False)  # type: ignore[arg-type]
        with pytest.raises(PolicyError, match="does not take pictures"):
            train(sees, tmp_path / "out", how)
    assert not (tmp_path / "out").exists()


def test_a_policy_of_other_observations_is_refused(walk: BenchScenario, tmp_path: Path) -> None:
    settings = {"learning_starts": 100}
    train(walk, tmp_path, Training("sac", 20, settings=settings, tensorboard=False))
    policy = make_policy(str(tmp_path), walk)
    with pytest.raises(PolicyError, match="trained with the observation space"):
        policy.reset(Corridor(), 0)
    card = json.loads((tmp_path / "policy.json").read_text())
    (tmp_path / "policy.json").write_text(json.dumps(card | {"environment": "test/Run-v0"}))
    with pytest.raises(PolicyError, match=r"names the environment 'test/Run-v0'"):
        make_policy(str(tmp_path), walk)


def test_a_fixed_temperature_is_refused() -> None:
    vector = adapted("sync", [Walk])
    with pytest.raises(PolicyError, match=r"ent_coef is 0\.05"):
        make_learner("sac-her", vector, WALK, 0, settings={"ent_coef": 0.05})
    vector.close()


def test_values_may_be_as_low_as_rewards_with_harm_make_them() -> None:
    vector = adapted("sync", [Walk])
    vector.set_attr("harm_price", 0.5)
    model = make_learner("sac-her", vector, WALK, 0)
    assert model.least_reward == -1.0 - 0.5 * 3
    vector.close()


def test_options_are_one_for_all_environments() -> None:
    vector = adapted("sync", [Walk, Walk])
    scenes = [{"scene": {"place": [0, 0], "goal": [goal, 1]}} for goal in (1, 2)]
    vector.set_options(scenes[0])
    first: Any = vector.reset()
    assert first["desired_goal"].tolist() == [[1, 1], [1, 1]]
    vector.set_options(scenes)
    with pytest.raises(PolicyError, match="differ between environments"):
        vector.reset()
    vector.close()


def test_hindsight_needs_goals() -> None:
    vector = adapted("sync", [Corridor])
    with pytest.raises(PolicyError, match="no goals, which sac-her needs"):
        make_learner("sac-her", vector, "test/Corridor-v0", 0)
    vector.close()
