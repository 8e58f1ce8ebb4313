"""What runs in a worker process of a vector environment, and the memory that it shares."""

from __future__ import annotations

import contextlib
import ctypes
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector.utils import (
    batch_space,
    concatenate,
    create_shared_memory,
    iterate,
    read_from_shared_memory,
)
from numpy.typing import NDArray

MakeEnvironment = Callable[[], gym.Env[Any, Any]]


@dataclass(frozen=True)
class Failure:
    """What a worker tells of an error."""

    number: int
    what: str
    trace: str


@dataclass(frozen=True)
class Views:
    """Arrays on the shared memory; the first axis is the environment."""

    observations: Any
    actions: Any
    rewards: NDArray[np.float64]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]


@dataclass(frozen=True)
class Memory:
    """Shared memory of all environments, as it is handed to the workers."""

    observation_space: gym.Space[Any]
    action_space: gym.Space[Any]
    count: int
    observations: Any
    actions: Any
    rewards: Any
    ends: Any

    @classmethod
    def make(
        cls,
        observation_space: gym.Space[Any],
        action_space: gym.Space[Any],
        count: int,
        context: Any,
    ) -> Memory:
        """Memory for so many environments of these spaces."""
        return cls(
            observation_space,
            action_space,
            count,
            create_shared_memory(observation_space, count, context),
            create_shared_memory(action_space, count, context),
            context.RawArray(ctypes.c_double, count),
            context.RawArray(ctypes.c_bool, 2 * count),
        )

    def views(self) -> Views:
        """Arrays on it."""
        ends = np.frombuffer(self.ends, np.bool_).reshape(2, self.count)
        return Views(
            read_from_shared_memory(self.observation_space, self.observations, self.count),
            read_from_shared_memory(self.action_space, self.actions, self.count),
            np.frombuffer(self.rewards, np.float64),
            ends[0],
            ends[1],
        )


def work(pipe: Connection, makers: Any, memory: Memory, numbers: range) -> None:
    """Serve the environments of one worker until told to close, or until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends the workers
    chunk = _Chunk(memory, numbers)
    try:
        pipe.send(chunk.make(makers.fn))
        while (message := pipe.recv())[0] != "close":
            command, payload = message
            pipe.send(getattr(chunk, command)(*payload))
    except (EOFError, BrokenPipeError):
        pass
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        with contextlib.suppress(OSError):
            pipe.send(Failure(chunk.number, what, traceback.format_exc()))
    finally:
        for env in chunk.envs:
            env.close()


class _Chunk:
    """The environments of one worker; each public method answers a command."""

    def __init__(self, memory: Memory, numbers: range) -> None:
        self.envs: list[gym.Env[Any, Any]] = []
        self.number = numbers.start  # that is at work, for messages
        self._numbers = numbers
        self._space = memory.observation_space
        self._action_space = batch_space(memory.action_space, len(numbers))
        views = memory.views()
        self._observations = _part(views.observations, numbers)
        self._actions = _part(views.actions, numbers)
        self._rewards = _part(views.rewards, numbers)
        self._terminated = _part(views.terminated, numbers)
        self._truncated = _part(views.truncated, numbers)

    def make(self, makers: Sequence[MakeEnvironment]) -> list[Any]:
        for number, make in zip(self._numbers, makers, strict=True):
            self.number = number
            self.envs.append(make())
        return []

    def reset(self, seeds: list[int | None], options: dict[str, Any] | None) -> list[Any]:
        observations, infos = [], []
        for place, env in self._each():
            observation, info = env.reset(seed=seeds[place], options=deepcopy(options))
            observations.append(observation)
            infos.append(info)
        concatenate(self._space, observations, self._observations)
        return infos

    def step(self) -> list[list[dict[str, Any]]]:
        """Of each environment its infos: the last and the first where an episode ended."""
        observations, told = [], []
        actions = list(iterate(self._action_space, deepcopy(self._actions)))
        for place, env in self._each():
            observation, reward, terminated, truncated, info = env.step(actions[place])
            infos = [info]
            if terminated or truncated:
                last = {"final_obs": observation, "final_info": info}
                observation, first = env.reset()
                infos = [last, first]
            observations.append(observation)
            self._rewards[place] = reward
            self._terminated[place], self._truncated[place] = terminated, truncated
            told.append(infos)
        concatenate(self._space, observations, self._observations)
        return told

    def call(
        self, numbers: Sequence[int], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> list[Any]:
        answers = []
        for number in numbers:
            self.number = number
            found = self.envs[number - self._numbers.start].get_wrapper_attr(name)
            answers.append(found(*args, **kwargs) if callable(found) else found)
        return answers

    def set(self, name: str, values: list[Any]) -> list[Any]:
        for place, env in self._each():
            env.set_wrapper_attr(name, values[place])
        return []

    def _each(self) -> Iterator[tuple[int, gym.Env[Any, Any]]]:
        for place, env in enumerate(self.envs):
            self.number = self._numbers[place]
            yield place, env


def _part(arrays: Any, numbers: range) -> Any:
    """Views on the rows of some environments, in nested arrays."""
    if isinstance(arrays, dict):
        return {key: _part(value, numbers) for key, value in arrays.items()}
    if isinstance(arrays, tuple):
        return tuple(_part(value, numbers) for value in arrays)
    return arrays[numbers.start : numbers.stop]
