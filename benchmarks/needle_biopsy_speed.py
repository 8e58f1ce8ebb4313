"""Speed, reset time, memory and time to the first step of ``halsted/NeedleBiopsy-v0``.

Prints one JSON and writes it to a file. Each part runs in a process of its own::

    python benchmarks/needle_biopsy_speed.py [--quick] [--out FILE]

Steps are counted per second of CPU time, beside bare PyBullet stepping of the same arm in turns,
so that the ratio stands on a busy machine too. ``HALSTED_DATA`` names the folder of real scans;
without it the time to the first step is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from common import RESULTS, data_folder, platform_facts, say, write_and_print

import halsted
from halsted.imaging_bridge.cases import PhantomCase, ScanCase
from halsted.robot.arm import load_arm
from halsted.robot.world import World

ENVIRONMENT = "halsted/NeedleBiopsy-v0"
SCAN = Path("lung_nodule") / "4D-Lung_113"
PATIENTS = 20
RATIO_TARGET = 0.5
RESET_TARGET_MS = 2.0
FIRST_STEP_TARGET_S = 60.0

ADVANCE = np.array([0.0, 0.0, 0.0, 0.0, 1.0], dtype=np.float32)
DEEP_M, SHALLOW_M = 0.06, 0.02  # the diving needle goes up and down between these depths


def make(patients: int) -> gym.Env[Any, Any]:
    """The environment over this many liver phantoms."""
    return gym.make(ENVIRONMENT, patient=[PhantomCase(seed) for seed in range(patients)])


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, least and most."""
    return {
        "median": float(f"{statistics.median(values):.5g}"),
        "min": float(f"{min(values):.5g}"),
        "max": float(f"{max(values):.5g}"),
    }


# -- Steps -----------------------------------------------------------------------------------


Move = tuple[list[float], list[float]]
"""Joint angles before a control step, and those that its motors are commanded to, rad."""
Run = tuple[float, list[Move]]


class BareArm:
    """PyBullet alone, carrying out the joint commands that an environment gave to the same arm.

    A moving arm costs PyBullet more than a resting one, so that only the same motion is fair.
    """

    def __init__(self) -> None:
        """Start the world."""
        self._world = World(load_arm("kuka_lbr"))

    def replay(self, moves: list[Move]) -> float:
        """CPU seconds of the moves; the arm is put back untimed where an episode began."""
        world = self._world
        bullet, client, body = world._bullet, world._client, world._body
        movable, forces, gains = world._movable, world._max_force, world._gains
        used = 0.0
        for before, target in moves:
            for number, angle in zip(movable, before, strict=True):
                now = bullet.getJointState(body, number, physicsClientId=client)[0]
                if abs(now - angle) > 0.01:
                    bullet.resetJointState(body, number, angle, 0.0, physicsClientId=client)
            started = time.process_time()
            bullet.setJointMotorControlArray(
                body,
                movable,
                bullet.POSITION_CONTROL,
                targetPositions=target,
                forces=forces,
                positionGains=gains,
                physicsClientId=client,
            )
            for _ in range(world.substeps):
                bullet.stepSimulation(physicsClientId=client)
            used += time.process_time() - started
        return used


def timed_step(env: gym.Env[Any, Any], action: np.ndarray, moves: list[Move]) -> tuple[float, bool]:
    """CPU seconds of one step, and whether the episode is over; the move is noted."""
    unwrapped: Any = env.unwrapped
    before = unwrapped._world.joints.tolist()
    started = time.process_time()
    _, _, terminated, truncated, _ = env.step(action)
    used = time.process_time() - started
    moves.append((before, unwrapped._guide.joints.tolist()))
    return used, bool(terminated or truncated)


def random_stepper() -> Callable[[int], Run]:
    """CPU seconds of n steps with random actions; resets between episodes are not counted."""
    env = make(1)
    env.reset(seed=0)
    env.action_space.seed(0)
    actions = [env.action_space.sample() for _ in range(1024)]

    def run(steps: int) -> Run:
        used, over, moves = 0.0, True, list[Move]()
        for number in range(steps):
            if over:
                env.reset()
            seconds, over = timed_step(env, actions[number % 1024], moves)
            used += seconds
        return used, moves

    return run


def diving_stepper() -> Callable[[int], Run]:
    """CPU seconds of n steps with the needle in tissue; the way there is not counted.

    It goes down and up between two depths; where a force stops it, it stays and pushes.
    """
    env = make(1)
    env.reset(seed=0)
    unwrapped: Any = env.unwrapped

    def dive() -> None:
        while True:
            env.reset()
            for _ in range(30):
                _, _, terminated, truncated, _ = env.step(ADVANCE)
                if terminated or truncated:
                    break
                if unwrapped.contact.is_inserted:
                    return

    def run(steps: int) -> Run:
        used, over, action, moves = 0.0, True, ADVANCE, list[Move]()
        for _ in range(steps):
            if over or not unwrapped.contact.is_inserted:
                dive()
                action = ADVANCE
            depth = -unwrapped.contact.distances[0]
            if depth > DEEP_M:
                action = -ADVANCE
            elif depth < SHALLOW_M:
                action = ADVANCE
            seconds, over = timed_step(env, action, moves)
            used += seconds
        return used, moves

    return run


def part_speed(quick: bool) -> dict[str, Any]:
    """Steps per CPU-second of the environment and of the bare arm on the same motion, in turns."""
    rounds, steps = (3, 200) if quick else (15, 2000)
    steppers = {"random_actions": random_stepper(), "diving_needle": diving_stepper()}
    bare = BareArm()
    rates: dict[str, list[float]] = {}
    for run in steppers.values():
        bare.replay(run(100)[1])  # compiles and warms up
    for number in range(rounds):
        for name, run in steppers.items():
            seconds, moves = run(steps)
            rates.setdefault(name, []).append(steps / seconds)
            rates.setdefault(f"bare_{name}", []).append(steps / bare.replay(moves))
        say(f"speed: round {number + 1} of {rounds}")
    ratios = {
        name: [mine / other for mine, other in zip(rates[name], rates[f"bare_{name}"], strict=True)]
        for name in steppers
    }
    return {
        "unit": "control steps (30 Hz, 8 PyBullet steps) per CPU-second",
        "rounds": rounds,
        "steps_per_round": steps,
        "steps_per_cpu_second": {name: spread(values) for name, values in rates.items()},
        "ratio_to_bare": {name: spread(values) for name, values in ratios.items()},
        "target_ratio": RATIO_TARGET,
        "met": all(statistics.median(values) >= RATIO_TARGET for values in ratios.values()),
    }


# -- Resets and memory -------------------------------------------------------------------------


def part_reset(quick: bool) -> dict[str, Any]:
    """Milliseconds of a reset once everything is cached."""
    count = 50 if quick else 500
    content: dict[str, Any] = {"resets": count, "target_ms": RESET_TARGET_MS}
    for patients in (1, PATIENTS):
        env = make(patients)
        env.reset(seed=0)
        for number in range(patients):
            env.reset(options={"patient": number})
        wall, cpu = [], []
        for number in range(count):
            options = {"patient": number % patients}
            before = time.perf_counter(), time.process_time()
            env.reset(options=options)
            wall.append(1e3 * (time.perf_counter() - before[0]))
            cpu.append(1e3 * (time.process_time() - before[1]))
        env.close()
        content[f"patients_{patients}"] = {
            "wall_ms": spread(wall),
            "cpu_ms": spread(cpu),
            "met": statistics.median(wall) < RESET_TARGET_MS,
        }
        say(f"reset: {patients} patients done")
    return content


def memory_mb() -> tuple[float, float]:
    """Resident memory of this process, MB: all of it, and without mapped files."""
    fields = Path("/proc/self/statm").read_text(encoding="ascii").split()
    page = resource.getpagesize() / 1e6
    return int(fields[1]) * page, (int(fields[1]) - int(fields[2])) * page


def part_memory(quick: bool) -> dict[str, Any]:
    """Resident memory before and after many resets, each followed by one step."""
    count = 100 if quick else 2000
    env = make(PATIENTS)
    env.reset(seed=0)
    unwrapped: Any = env.unwrapped
    for number in range(PATIENTS):
        env.reset(options={"patient": number})
        env.step(ADVANCE)
    content: dict[str, Any] = {
        "unit": "MB; resident holds mapped cache files too, own does not",
        "resets": count,
        "patients_warmed_up": PATIENTS,
    }
    for patients in (1, PATIENTS):
        before, bodies = memory_mb(), unwrapped._world.body_count()
        for number in range(count):
            env.reset(options={"patient": number % patients})
            env.step(ADVANCE)
        after = memory_mb()
        content[f"patients_{patients}"] = {
            "resident_before": round(before[0], 2),
            "resident_after": round(after[0], 2),
            "resident_growth": round(after[0] - before[0], 2),
            "own_growth": round(after[1] - before[1], 2),
            "bodies_before": bodies,
            "bodies_after": unwrapped._world.body_count(),
        }
        say(f"memory: {patients} patients done")
    env.close()
    return content


# -- First step --------------------------------------------------------------------------------


def part_first_step(quick: bool) -> dict[str, Any]:
    """Environment from a DICOM folder, one reset and one step, in this fresh process."""
    folder = data_folder()
    assert folder is not None
    started = time.perf_counter()
    case = ScanCase(str(folder / SCAN), organ="lung")
    env = gym.make(ENVIRONMENT, patient=case, organ="lung")
    env.reset(seed=0)
    ready = time.perf_counter()
    env.step(ADVANCE)
    stepped = time.perf_counter()
    env.close()
    return {"to_reset_s": ready - started, "first_step_s": stepped - ready}


def time_to_first_step() -> dict[str, Any]:
    """Wall seconds from the start of Python to the first step, everything uncached."""
    folder = data_folder()
    if folder is None:
        return {"note": "skipped: HALSTED_DATA is not set to the folder of real scans"}
    content: dict[str, Any] = {"scan": SCAN.name, "target_s": FIRST_STEP_TARGET_S}
    for name, is_compiled in (("empty_cache", True), ("empty_cache_and_uncompiled", False)):
        with tempfile.TemporaryDirectory() as cache, tempfile.TemporaryDirectory() as compiled:
            changes = {"HALSTED_CACHE": cache}
            if not is_compiled:
                changes["NUMBA_CACHE_DIR"] = compiled
            started = time.perf_counter()
            inside = run_part("first-step", False, changes)
            total = time.perf_counter() - started
        content[name] = {
            "process_s": round(total, 2),
            **{key: round(value, 3) for key, value in inside.items()},
            "met": total < FIRST_STEP_TARGET_S,
        }
        say(f"first step: {name} done")
    return content


# -- All ---------------------------------------------------------------------------------------

PARTS = {
    "speed": part_speed,
    "reset": part_reset,
    "memory": part_memory,
    "first-step": part_first_step,
}


def run_part(name: str, quick: bool, changes: dict[str, str] | None = None) -> dict[str, Any]:
    """A part's content, measured in a fresh process."""
    command = [sys.executable, __file__, "--part", name, *(["--quick"] if quick else [])]
    done = subprocess.run(
        command, env={**os.environ, **(changes or {})}, stdout=subprocess.PIPE, check=True
    )
    content: dict[str, Any] = json.loads(done.stdout)
    return content


def main() -> None:
    """Run all parts, or the one that a parent process asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="a short run, for checking only")
    parser.add_argument("--out", type=Path, default=RESULTS / "needle_biopsy_speed.json")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        print(json.dumps(PARTS[options.part](options.quick)))
        return
    content = {
        "benchmark": "needle_biopsy_speed",
        "environment": ENVIRONMENT,
        "quick": options.quick,
        "platform": platform_facts("gymnasium", "numba"),
        "speed": run_part("speed", options.quick),
        "reset": run_part("reset", options.quick),
        "memory": run_part("memory", options.quick),
        "time_to_first_step": time_to_first_step(),
    }
    assert content["platform"]["versions"]["halsted"] == halsted.__version__
    write_and_print(options.out, content)


if __name__ == "__main__":
    main()
