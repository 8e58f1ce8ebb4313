"""Speed at the bench: control steps, solved episodes, resets; beside SurRoL and bare stepping.

    python benchmarks/bench_speed.py            # --quick: a short run, for checking only

SurRoL's figures were measured on another day on a machine of the same kind (see `SURROL`); bare
stepping is measured in turns with ours, in the same run.
"""

from __future__ import annotations

import argparse
import gc
import json
import resource
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import gymnasium as gym
from common import RESULTS, platform_facts, say, write_and_print

import halsted  # noqa: F401 - registers the environments
from halsted.agents.scripted import make_expert
from halsted.agents.statistics import wilson_interval
from halsted.robot.rigid import GRASP_EVERY, RigidWorld


@dataclass(frozen=True)
class Peer:
    """SurRoL's figures for a task, and what is asked of ours.

    Attributes:
        steps: Control steps a CPU-second.
        reset_ms: CPU time of a reset.
        solved: Share of its oracle's episodes that succeed.
        oracle_steps: Mean steps to success.
        faster: By how much ours should be faster, in steps a CPU-second.
    """

    steps: float
    reset_ms: float
    solved: float
    oracle_steps: float
    faster: float

    @property
    def solved_per_s(self) -> float:
        """Episodes that its oracle solves a CPU-second, if each ended with success."""
        return self.solved / (self.oracle_steps / self.steps + self.reset_ms * 1e-3)


SURROL = {
    "NeedleReach": Peer(103, 30, 1.0, 19.5, 8),
    "GauzeRetrieve": Peer(236, 24, 1.0, 34.1, 2),
    "NeedlePick": Peer(100, 28, 1.0, 40.5, 4),
    "PegTransfer": Peer(51, 40, 1.0, 37.1, 6),
    "NeedleRegrasp": Peer(72, 186, 1.0, 37.6, 3),
    "BiPegTransfer": Peer(29, 62, 27 / 30, 43.8, 5),
    "ECMReach": Peer(712, 16, 29 / 30, 30.8, 2),
    "MisOrient": Peer(1164, 15, 29 / 30, 28.1, 2),
    "StaticTrack": Peer(32, 53, 1.0, 19.0, 30),
    "ActiveTrack": Peer(30, 54, 15 / 20, 500.0, 30),
}
"""med-air/SurRoL a903fa6, Python 3.7.16, PyBullet 3.2.7: CPU seconds on 2 shared EPYC vCPUs."""

OURS_ONLY = ("RingTransfer", "MatchBoard", "PickAndPlace")
TISSUE = ("Suture", "TissueRetract", "TissueCut")
"""Tasks that SurRoL cannot have; they have no preset of its."""
LIMIT_OF_EXPERT = 0.97
LIMIT_OF_BARE = 0.7
LIMIT_OF_EPISODES = 10.0
LIMIT_RESET_MS = 2.0


class BareBench:
    """The stepping alone of what an environment did: same bodies, commands, contacts and grasps.

    A world repeats itself bit for bit, so replaying the commands meets the same contacts; only the
    motors' commands and PyBullet's steps are timed.
    """

    def __init__(self, world: RigidWorld) -> None:
        """Note what a world is told from now on."""
        self._world = world
        self._reset, self._attach, self._step = world.reset, world.attach, world.step
        self._start: tuple[Any, ...] = ()
        self._attached: list[tuple[int, str]] = []
        self._moves: list[tuple[list[Any], list[float], list[bool]]] = []
        world.reset = self._noted_reset  # type: ignore[method-assign]
        world.attach = self._noted_attach  # type: ignore[method-assign]
        world.step = self._noted_step  # type: ignore[method-assign]

    def _noted_reset(self, *start: Any) -> None:
        self._start, self._attached, self._moves = start, [], []
        self._reset(*start)

    def _noted_attach(self, number: int, name: str) -> None:
        self._attached.append((number, name))
        self._attach(number, name)

    def _noted_step(self, joints: Any, openings: Any, closing: Any) -> Any:
        self._moves.append(([one.copy() for one in joints], list(openings), list(closing)))
        return self._step(joints, openings, closing)

    def replay(self) -> float:
        """CPU seconds of the stepping since the last reset."""
        world = self._world
        bullet, client, used = world._bullet, world._client, 0.0
        self._reset(*self._start)
        for number, name in self._attached:
            self._attach(number, name)
        for joints, openings, closing in self._moves:
            started = time.process_time()
            for limb, angles, opening in zip(world._limbs, joints, openings, strict=True):
                limb.command(angles, opening)
            used += time.process_time() - started
            for _ in range(world.substeps // GRASP_EVERY):
                started = time.process_time()
                for _ in range(GRASP_EVERY):
                    bullet.stepSimulation(physicsClientId=client)
                used += time.process_time() - started
                for number, closes in enumerate(closing):
                    world._update_grasp(number, closes)
            for limb in world._limbs:
                limb.measure()
        return used


def step_speed(task: str, episodes: int) -> dict[str, Any]:
    """Control steps a CPU-second under random actions in SurRoL's preset, beside bare stepping."""
    env: Any = gym.make(f"halsted/{task}-v0", preset="surrol").unwrapped
    env.reset(seed=0)
    env.action_space.seed(0)
    actions = [env.action_space.sample() for _ in range(env.horizon)]
    bare = BareBench(env.world)
    rounds = []
    for seed in range(episodes):
        env.reset(seed=seed)
        started = time.process_time()
        for action in actions:
            env.step(action)
        ours = time.process_time() - started
        rounds.append((len(actions) / ours, bare.replay() / ours))
    env.close()
    rates = [rate for rate, _ in rounds]
    shares = [share for _, share in rounds]
    result: dict[str, Any] = {
        "steps_per_cpu_s": round(median(rates)),
        "range": [round(min(rates)), round(max(rates))],
        "share_of_bare_stepping": round(median(shares), 3),
        "substeps": env.preset.substeps,
    }
    peer = SURROL.get(task)
    if peer is not None:
        ratio = median(rates) / peer.steps
        result |= {
            "surrol": peer.steps,
            "times_surrol": round(ratio, 2),
            "asked": peer.faster,
            "met": ratio >= peer.faster and median(shares) >= LIMIT_OF_BARE,
        }
    return result


def episode_speed(task: str, episodes: int) -> dict[str, Any]:
    """Episodes that the expert solves a CPU-second in the default preset, everything counted."""
    name = f"halsted/{task}-v0"
    env: Any = gym.make(name).unwrapped
    expert = make_expert(name)
    env.reset(seed=0)
    solved, steps, harmed = 0, 0, 0
    used = []
    for seed in range(episodes):
        started = time.process_time()
        observation, info = env.reset(seed=seed)
        expert.reset(env, seed)
        over, cost = False, 0.0
        while not over:
            observation, _, terminated, truncated, info = env.step(expert.act(observation))
            steps, cost = steps + 1, cost + info["cost"]
            over = terminated or truncated
        used.append(time.process_time() - started)
        solved += bool(info["is_success"])
        harmed += cost > 0.0
    env.close()
    rate = solved / sum(used)
    low, high = wilson_interval(solved, episodes)
    result: dict[str, Any] = {
        "episodes": episodes,
        "solved": solved,
        "wilson": [round(low, 3), round(high, 3)],
        "reliable": solved >= LIMIT_OF_EXPERT * episodes,
        "with_harm": harmed,
        "mean_steps": round(steps / episodes, 1),
        "solved_per_cpu_s": round(rate, 2),
    }
    peer = SURROL.get(task)
    if peer is not None:
        ratio = rate / peer.solved_per_s
        result |= {
            "surrol": round(peer.solved_per_s, 2),
            "times_surrol": round(ratio, 1),
            "asked": LIMIT_OF_EPISODES,
            "met": ratio >= LIMIT_OF_EPISODES,
        }
    return result


def resets(task: str, count: int) -> dict[str, Any]:
    """CPU milliseconds of a reset, and growth of resident memory over many."""
    env: Any = gym.make(f"halsted/{task}-v0").unwrapped
    for seed in range(20):
        env.reset(seed=seed)
        env.step(env.action_space.sample())
    gc.collect()
    before, used = resident_kib(), []
    for seed in range(count):
        started = time.process_time()
        env.reset(seed=seed)
        used.append(time.process_time() - started)
        env.step(env.action_space.sample())
    gc.collect()
    grown = resident_kib() - before
    env.close()
    milliseconds = median(used) * 1e3
    return {
        "resets": count,
        "reset_ms": round(milliseconds, 3),
        "limit_ms": LIMIT_RESET_MS,
        "grown_kib": grown,
        "met": milliseconds < LIMIT_RESET_MS and grown < 1024,
    }


def resident_kib() -> int:
    """Resident memory of this process now, KiB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return pages * resource.getpagesize() // 1024


def main() -> None:
    """Measure, write and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    tasks = [*SURROL, *OURS_ONLY]
    content: dict[str, Any] = {
        "command": "python benchmarks/bench_speed.py" + (" --quick" if quick else ""),
        "platform": platform_facts(),
        "steps": {},
        "episodes": {},
    }
    for task in tasks:
        content["steps"][task] = step_speed(task, 2 if quick else 8)
        say(f"{task}: {json.dumps(content['steps'][task])}")
    for task in [*tasks, *TISSUE]:
        content["episodes"][task] = episode_speed(task, 10 if quick else 100)
        say(f"{task}: {json.dumps(content['episodes'][task])}")
    content["resets"] = {
        task: resets(task, 200 if quick else 10_000) for task in ("NeedlePick", "BiPegTransfer")
    }
    name = "bench_speed_quick" if quick else "bench_speed"
    write_and_print(RESULTS / f"{name}.json", content)


if __name__ == "__main__":
    main()
