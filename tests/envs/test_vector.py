"""The chunked vector environment beside Gymnasium's plain loop, and what it does in trouble."""

from __future__ import annotations

import functools
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from halsted.envs.vector import ChunkedVectorEnv, VectorWorkerError
from tests.envs.vector_worlds import Corridor, Walk

Make = Callable[..., ChunkedVectorEnv]


@pytest.fixture
def chunked() -> Iterator[Make]:
    """Makes vectors, and checks at the end that no process of theirs is left."""
    made: list[ChunkedVectorEnv] = []

    def make(env_fns: Any, workers: int = 2) -> ChunkedVectorEnv:
        made.append(ChunkedVectorEnv(env_fns, workers))
        return made[-1]

    yield make
    for one in made:
        one.close()
    assert multiprocessing.active_children() == []


def check_same(one: Any, other: Any) -> None:
    """Nested dictionaries of arrays are equal, dtypes too."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            check_same(one[key], other[key])
    elif isinstance(one, tuple):
        for a, b in zip(one, other, strict=True):
            check_same(a, b)
    elif one.dtype == object:
        for a, b in zip(one.tolist(), other.tolist(), strict=True):
            if isinstance(a, np.ndarray | dict):
                check_same(a, b)
            else:
                assert a == b
    else:
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("world", [Walk, Corridor])
@pytest.mark.parametrize("workers", [1, 2, 5])
def test_trajectories_are_those_of_a_plain_loop(
    chunked: Make, world: type[gym.Env[Any, Any]], workers: int
) -> None:
    ours = chunked([world] * 5, workers)
    plain = SyncVectorEnv([world] * 5, autoreset_mode=AutoresetMode.SAME_STEP)
    assert ours.observation_space == plain.observation_space
    assert ours.action_space == plain.action_space
    assert ours.metadata["autoreset_mode"] == AutoresetMode.SAME_STEP
    check_same(ours.reset(seed=3), plain.reset(seed=3))
    plain.action_space.seed(0)
    ends = 0
    for _ in range(30):
        actions = plain.action_space.sample()
        mine, theirs = ours.step(actions), plain.step(actions)
        check_same(mine, theirs)
        ends += int((mine[2] | mine[3]).sum())
    assert ends > 5
    check_same(ours.reset(seed=[9, 8, 7, 6, 5]), plain.reset(seed=[9, 8, 7, 6, 5]))
    plain.close()


def test_what_was_returned_is_not_overwritten(chunked: Make) -> None:
    vector = chunked([Walk] * 2)
    before, _ = vector.reset(seed=0)
    kept = before["observation"].copy()
    vector.step(np.ones((2, 2), np.float32))
    np.testing.assert_array_equal(before["observation"], kept)


def test_attributes_and_methods_reach_every_environment(chunked: Make) -> None:
    vector = chunked([functools.partial(Walk, render_mode="rgb_array")] * 3)
    vector.reset(seed=0)
    assert vector.get_attr("horizon") == (7, 7, 7)
    vector.set_attr("label", ["a", "b", "c"])
    assert vector.call("label") == ("a", "b", "c")
    assert vector.call_one(2, "label") == "c"
    far = np.array([[0.0, 0.0], [5.0, 0.0]])
    assert vector.call_one(1, "compute_reward", far, np.zeros((2, 2)), {}).tolist() == [0.0, -1.0]
    assert [frame.shape for frame in vector.render()] == [(4, 4, 3)] * 3


def test_an_environment_that_raises_ends_with_one_error(chunked: Make) -> None:
    vector = chunked([Walk, Walk, Walk, functools.partial(Walk, fails="stepping")])
    vector.reset(seed=0)
    with pytest.raises(VectorWorkerError, match=r"environment 3 of 4 .* a bone in the way") as told:
        for _ in range(5):
            vector.step(np.zeros((4, 2), np.float32))
    assert "\n" not in str(told.value)
    assert multiprocessing.active_children() == []
    with pytest.raises(VectorWorkerError, match="closed"):
        vector.reset()


@pytest.mark.parametrize("by", ["itself", "signal"])
def test_a_worker_that_dies_ends_with_one_error(chunked: Make, by: str) -> None:
    fails = "dying" if by == "itself" else ""
    vector = chunked([Walk, Walk, functools.partial(Walk, fails=fails), Walk])
    vector.reset(seed=0)
    if by == "signal":
        victim = vector._workers[1].process
        os.kill(victim.pid, signal.SIGKILL)
        victim.join()
    with pytest.raises(VectorWorkerError, match=r"environments 2 to 3 died \(exit code (7|-9)\)"):
        for _ in range(5):
            vector.step(np.zeros((4, 2), np.float32))
    assert multiprocessing.active_children() == []


def test_an_environment_that_cannot_be_made(chunked: Make) -> None:
    with pytest.raises(VectorWorkerError, match=r"environment 1 of 2 .*no room"):
        chunked([Walk, functools.partial(Walk, fails="making")])
    assert multiprocessing.active_children() == []
    with pytest.raises(VectorWorkerError, match="at least one"):
        chunked([])


def test_seeds_of_another_number_are_refused(chunked: Make) -> None:
    vector = chunked([Walk] * 2)
    with pytest.raises(VectorWorkerError, match="3 seeds were given for 2"):
        vector.reset(seed=[1, 2, 3])


def test_closing_twice_is_closing_once(chunked: Make) -> None:
    vector = chunked([Walk] * 2)
    vector.close()
    vector.close()
    assert multiprocessing.active_children() == []


def test_an_interrupted_call_closes_the_vector(
    chunked: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    vector = chunked([Walk] * 2)
    vector.reset(seed=0)

    def interrupt(_: object) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(vector, "_receive", interrupt)
        with pytest.raises(KeyboardInterrupt):
            vector.step(np.zeros((2, 2), np.float32))
    with pytest.raises(VectorWorkerError, match="closed"):
        vector.get_attr("horizon")


def test_what_does_not_fit_is_refused_and_the_workers_stay(chunked: Make) -> None:
    vector = chunked([Walk] * 2)
    vector.reset(seed=0)
    with pytest.raises(VectorWorkerError, match="1 values were given for 2"):
        vector.set_attr("label", ["a"])
    with pytest.raises(VectorWorkerError, match="actions do not fit 2"):
        vector.step(np.zeros((3, 2), np.float32))
    with pytest.raises(VectorWorkerError, match="cannot be sent"):
        vector.call("render", lambda: None)
    with pytest.raises(VectorWorkerError, match="no environment 9; choose one of 0 to 1"):
        vector.call_one(9, "horizon")
    assert vector.get_attr("horizon") == (7, 7)
    assert vector.get_attr("label") == ("walk", "walk")
    vector.close()
    with pytest.raises(VectorWorkerError, match="closed"):
        vector.call_one(0, "horizon")


def test_the_first_environment_cannot_be_made(chunked: Make) -> None:
    with pytest.raises(VectorWorkerError, match=r"environment 0 of 2 .*no room"):
        chunked([functools.partial(Walk, fails="making"), Walk])


def test_seeds_may_be_numpys(chunked: Make) -> None:
    vector = chunked([Walk] * 2)
    plain = vector.reset(seed=3)
    check_same(vector.reset(seed=np.int64(3)), plain)  # type: ignore[arg-type]
    check_same(vector.reset(seed=np.array([3, 4])), plain)  # type: ignore[arg-type]
