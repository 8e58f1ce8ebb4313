r"""Steps a second of many environments together: ours, Gymnasium's and stable-baselines3's.

Prints one JSON and writes it to ``benchmarks/results``::

    python benchmarks/vectors.py                        # --quick: a short run, for checking only

The world is a KUKA arm in PyBullet with random joint targets, at 4, 8 and 20 steps of 240 Hz a
control step. All kinds take turns in the same process, round by round, so that a busy moment of the
machine hits all of them; figures are medians of the rounds.
"""

from __future__ import annotations

import argparse
import functools
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pybullet as bullet
import pybullet_data
from common import RESULTS, platform_facts, say, write_and_print
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv

from halsted.envs.vector import ChunkedVectorEnv

SUBSTEPS = (4, 8, 20)
HORIZON = 200
LIMIT_OF_TWO_WORKERS = 1.4
"""Steps a second of two workers beside one, at 20 sub-steps."""


class ArmWorld(gym.Env[Any, Any]):
    """An arm that follows joint targets: what a rigid environment costs, and nothing else."""

    def __init__(self, substeps: int) -> None:
        """Make it with so many simulation steps a control step."""
        self.substeps = substeps
        self.observation_space = gym.spaces.Box(-10.0, 10.0, (14,), np.float32)
        self.action_space = gym.spaces.Box(-1.0, 1.0, (7,), np.float32)
        self._client: int | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Back to the start."""
        super().reset(seed=seed)
        if self._client is None:
            self._client = bullet.connect(bullet.DIRECT)
            path = pybullet_data.getDataPath() + "/kuka_iiwa/model.urdf"
            self._arm = bullet.loadURDF(path, useFixedBase=True, physicsClientId=self._client)
            self._start = bullet.saveState(self._client)
        bullet.restoreState(self._start, physicsClientId=self._client)
        self._steps = 0
        return self._observe(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Follow joint targets, rad."""
        bullet.setJointMotorControlArray(
            self._arm,
            range(7),
            bullet.POSITION_CONTROL,
            np.asarray(action, np.float64),
            positionGains=[0.3] * 7,
            physicsClientId=self._client,
        )
        for _ in range(self.substeps):
            bullet.stepSimulation(self._client)
        self._steps += 1
        info = {"is_success": False, "cost": 0.0, "costs": {"speed": 0.0, "force": 0.0}}
        return self._observe(), 0.0, False, self._steps >= HORIZON, info

    def close(self) -> None:
        """End the physics client."""
        if self._client is not None:
            bullet.disconnect(self._client)
            self._client = None

    def _observe(self) -> Any:
        states = bullet.getJointStates(self._arm, range(7), self._client)
        return np.array([value for one in states for value in one[:2]], np.float32)


def kinds(substeps: int) -> dict[str, Callable[[], Any]]:
    """Makes of each kind of vector, by name."""
    world = functools.partial(ArmWorld, substeps)
    same = AutoresetMode.SAME_STEP
    return {
        "loop: SyncVectorEnv, 8": lambda: SyncVectorEnv([world] * 8, autoreset_mode=same),
        "loop: DummyVecEnv, 8": lambda: DummyVecEnv([world] * 8),
        "process each: SubprocVecEnv, 8": lambda: SubprocVecEnv([world] * 8),
        "process each: SubprocVecEnv, 2": lambda: SubprocVecEnv([world] * 2),
        "process each: AsyncVectorEnv, 8": lambda: AsyncVectorEnv(
            [world] * 8, autoreset_mode=same, context="forkserver"
        ),
        "ours: 1 worker, 8": lambda: ChunkedVectorEnv([world] * 8, 1),
        "ours: 2 workers, 8": lambda: ChunkedVectorEnv([world] * 8, 2),
        "ours: 2 workers, 32": lambda: ChunkedVectorEnv([world] * 32, 2),
    }


def speed(vector: Any, actions: np.ndarray[Any, Any], seconds: float) -> float:
    """Environment steps a second over about so many seconds."""
    started, steps = time.perf_counter(), 0
    while (passed := time.perf_counter() - started) < seconds:
        vector.step(actions[steps % len(actions)])
        steps += 1
    return steps * vector.num_envs / passed


def measure(substeps: int, rounds: int, seconds: float) -> dict[str, Any]:
    """Median speed of each kind, the kinds taking turns."""
    vectors = {name: make() for name, make in kinds(substeps).items()}
    rng = np.random.default_rng(0)
    commands, speeds = {}, {name: [] for name in vectors}  # type: ignore[var-annotated]
    for name, vector in vectors.items():
        vector.reset()
        commands[name] = rng.uniform(-1, 1, (64, vector.num_envs, 7)).astype(np.float32)
        speed(vector, commands[name], seconds / 2)
    for _ in range(rounds):
        for name, vector in vectors.items():
            speeds[name].append(speed(vector, commands[name], seconds))
    for vector in vectors.values():
        vector.close()
    medians = {name: statistics.median(values) for name, values in speeds.items()}
    ratios = [
        two / one
        for one, two in zip(speeds["ours: 1 worker, 8"], speeds["ours: 2 workers, 8"], strict=True)
    ]
    say(f"{substeps} sub-steps: {medians}")
    return {
        "steps_per_s": {name: round(value) for name, value in medians.items()},
        "two_workers_beside_one": {
            "median": round(statistics.median(ratios), 3),
            "lowest": round(min(ratios), 3),
            "highest": round(max(ratios), 3),
        },
    }


def main() -> None:
    """Measure every number of sub-steps."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="a short run, for checking only")
    parser.add_argument("--out", type=Path, default=RESULTS / "vectors.json")
    options = parser.parse_args()
    rounds, seconds = (3, 0.2) if options.quick else (21, 0.5)
    measured = {str(substeps): measure(substeps, rounds, seconds) for substeps in SUBSTEPS}
    content = {
        "benchmark": "vectors",
        "rounds": rounds,
        "seconds_a_round": seconds,
        "platform": platform_facts("gymnasium", "stable-baselines3"),
        "limit_two_workers_beside_one_at_20_substeps": LIMIT_OF_TWO_WORKERS,
        "by_substeps": measured,
    }
    write_and_print(options.out, content)


if __name__ == "__main__":
    main()
