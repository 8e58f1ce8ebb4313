"""Many environments at once: a process a core, several environments a process.

One process an environment loses to a plain loop, because each step then costs a message for each
environment. Here a step costs one message for each process; observations, actions, rewards and
ends go through shared memory.
"""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import (
    CloudpickleWrapper,
    batch_space,
    concatenate,
    iterate,
)
from numpy.typing import NDArray

from halsted.envs.vector_worker import Failure, MakeEnvironment, Memory, work
from halsted.imaging_bridge import HalstedError

_PATIENCE_S = 5.0


class VectorWorkerError(HalstedError):
    """An environment raised in its worker process, or the process died."""


class ChunkedVectorEnv(VectorEnv[Any, Any, NDArray[Any]]):
    """Environments in worker processes, an even share of them in each.

    It follows `gymnasium.vector.VectorEnv` with `AutoresetMode.SAME_STEP`: where an episode ends,
    the observation is the first of the next one, and ``infos["final_obs"]`` and
    ``infos["final_info"]`` hold the last ones. The same seeds give the same trajectories as in a
    `SyncVectorEnv`.

    Workers are started afresh, not forked, so that neither threads nor physics clients are
    copied; a script that makes one needs ``if __name__ == "__main__":``.
    """

    def __init__(self, env_fns: Sequence[MakeEnvironment], workers: int | None = None) -> None:
        """Start the workers and let them make their environments.

        Args:
            env_fns: Make one environment each; all have the same spaces. They are pickled by
                value (cloudpickle). The first is also called here, to learn the spaces.
            workers: Processes; by default one for each core that this process may use.

        Raises:
            VectorWorkerError: an environment cannot be made, or there is none to make.
        """
        if not env_fns:
            raise VectorWorkerError("a vector needs at least one environment; none was given")
        self.num_envs = len(env_fns)
        self._workers: list[_Worker] = []
        self._learn_spaces(env_fns[0])
        count = min(self.num_envs, max(1, workers or len(os.sched_getaffinity(0))))
        context = multiprocessing.get_context("forkserver")
        memory = Memory.make(self.single_observation_space, self.single_action_space,
                              self.num_envs, context)  # fmt: skip
        self._views = memory.views()
        bounds = np.linspace(0, self.num_envs, count + 1).astype(int).tolist()
        with self._closed_unless_whole():
            for start, stop in itertools.pairwise(bounds):
                numbers = range(start, stop)
                self._workers.append(_start(context, env_fns[start:stop], memory, numbers))
            self._gather()

    def _learn_spaces(self, make: MakeEnvironment) -> None:
        try:
            with contextlib.closing(make()) as env:
                self.metadata = {**env.metadata, "autoreset_mode": AutoresetMode.SAME_STEP}
                self.render_mode = env.render_mode
                self.spec = env.spec
                self.single_observation_space = env.observation_space
                self.single_action_space = env.action_space
        except Exception as error:
            raise VectorWorkerError(
                f"environment 0 of {self.num_envs} failed with {type(error).__name__}: {error}; "
                "none was started"
            ) from error
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)

    # -- Gymnasium ---------------------------------------------------------------------------

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Reset every environment; one seed stands for itself and those that follow it."""
        seeds = _seeds(seed, self.num_envs)
        answers = self._ask(
            "reset", [([seeds[one] for one in worker.numbers], options) for worker in self._workers]
        )
        infos: dict[str, Any] = {}
        for number, info in enumerate(answers):
            infos = self._add_info(infos, info, number)
        return deepcopy(self._views.observations), infos

    def step(
        self, actions: Any
    ) -> tuple[Any, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Step every environment, and reset those whose episode ended."""
        try:
            given = list(iterate(self.action_space, actions))
            concatenate(self.single_action_space, given, self._views.actions)
        except (TypeError, ValueError, KeyError) as error:
            raise VectorWorkerError(
                f"the actions do not fit {self.num_envs} environments ({error}); give one of "
                f"{self.single_action_space} for each"
            ) from error
        answers = self._ask("step", [()] * len(self._workers))
        infos: dict[str, Any] = {}
        for number, told in enumerate(answers):
            for info in told:
                infos = self._add_info(infos, info, number)
        views = self._views
        return (
            deepcopy(views.observations),
            views.rewards.copy(),
            views.terminated.copy(),
            views.truncated.copy(),
            infos,
        )

    def render(self) -> tuple[Any, ...]:
        """A view of every environment."""
        return self.call("render")

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Call a method of every environment, or get an attribute."""
        payloads = [(worker.numbers, name, args, kwargs) for worker in self._workers]
        return tuple(self._ask("call", payloads))

    def call_one(self, number: int, name: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method of one environment, or get an attribute."""
        if not 0 <= number < self.num_envs:
            raise VectorWorkerError(
                f"there is no environment {number}; choose one of 0 to {self.num_envs - 1}"
            )
        asked = [worker for worker in self._workers if number in worker.numbers]
        return self._ask("call", [([number], name, args, kwargs)], asked)[0]

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """An attribute of every environment."""
        return self.call(name)

    def set_attr(self, name: str, values: Any) -> None:
        """Set an attribute, to one value for all or to a list of values."""
        given = values if isinstance(values, list | tuple) else [values] * self.num_envs
        if len(given) != self.num_envs:
            raise VectorWorkerError(
                f"{len(given)} values were given for {self.num_envs} environments; give one for "
                "each"
            )
        payloads = [(name, [given[one] for one in worker.numbers]) for worker in self._workers]
        self._ask("set", payloads)

    def close_extras(self, **kwargs: Any) -> None:
        """End the workers; those that do not end by themselves are killed."""
        workers, self._workers = getattr(self, "_workers", []), []
        for worker in workers:
            with contextlib.suppress(OSError):
                worker.pipe.send(("close", ()))
        for worker in workers:
            worker.process.join(_PATIENCE_S)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            worker.pipe.close()

    # -- Messages ----------------------------------------------------------------------------

    def _ask(
        self, command: str, payloads: Sequence[Any], asked: Sequence[_Worker] | None = None
    ) -> list[Any]:
        """Send each worker its payload; what they answer, in the order of the environments."""
        workers = self._workers if asked is None else asked
        if not self._workers:
            raise VectorWorkerError("the vector of environments is closed; make a new one")
        # Pickled before anything is sent, so that what cannot be leaves every worker as it is.
        messages = [_pickled(command, payload) for payload in payloads]
        with self._closed_unless_whole():
            for worker, message in zip(workers, messages, strict=True):
                self._send(worker, message)
            return self._gather(workers)

    @contextlib.contextmanager
    def _closed_unless_whole(self) -> Iterator[None]:
        """Close where an exchange breaks off: a late answer would be taken for the next one."""
        try:
            yield
        except BaseException:
            self.close()
            raise

    def _send(self, worker: _Worker, message: Any) -> None:
        try:
            worker.pipe.send_bytes(message)
        except OSError:
            self._fail(worker)

    def _gather(self, asked: Sequence[_Worker] | None = None) -> list[Any]:
        workers = self._workers if asked is None else asked
        return [answer for worker in workers for answer in self._receive(worker)]

    def _receive(self, worker: _Worker) -> list[Any]:
        try:
            answer = worker.pipe.recv()
        except (EOFError, OSError):
            self._fail(worker)
        if isinstance(answer, Failure):
            self.close()
            error = VectorWorkerError(
                f"environment {answer.number} of {self.num_envs} failed with {answer.what}; "
                "all of them are closed"
            )
            error.add_note(answer.trace)
            raise error
        return list(answer)

    def _fail(self, worker: _Worker) -> None:
        worker.process.join(_PATIENCE_S)
        self.close()
        raise VectorWorkerError(
            f"the process of environments {worker.numbers.start} to {worker.numbers.stop - 1} "
            f"died (exit code {worker.process.exitcode}); all of them are closed"
        )


@dataclass(frozen=True)
class _Worker:
    process: Any
    pipe: Connection
    numbers: range


def _start(
    context: Any, makers: Sequence[MakeEnvironment], memory: Memory, numbers: range
) -> _Worker:
    ours, theirs = context.Pipe()
    process = context.Process(
        target=work, args=(theirs, _by_value(makers), memory, numbers), daemon=True
    )
    process.start()
    theirs.close()
    return _Worker(process, ours, numbers)


def _seeds(given: Any, count: int) -> list[int | None]:
    """A seed for each environment."""
    if given is None:
        return [None] * count
    if isinstance(given, int | np.integer):
        return list(range(int(given), int(given) + count))
    seeds = [None if one is None else int(one) for one in given]
    if len(seeds) != count:
        raise VectorWorkerError(
            f"{len(seeds)} seeds were given for {count} environments; give one for each"
        )
    return seeds


def _pickled(command: str, payload: Any) -> Any:
    try:
        return ForkingPickler.dumps((command, payload))
    except Exception as error:  # pickle raises whatever an object's own reduction raises
        raise VectorWorkerError(
            f"what was given to {command!r} cannot be sent to a worker process ({error}); give "
            "what can be pickled"
        ) from error


def _by_value(makers: Sequence[MakeEnvironment]) -> CloudpickleWrapper:
    """Makers that may be closures, as a new process can take them."""
    wrapped: Any = list(makers)
    return CloudpickleWrapper(wrapped)
