"""Speed of the kinematic tier, of the endoscope's tasks, and of the scope's pictures.

Prints one JSON and writes it to a file::

    python benchmarks/kinematic_tier.py [--quick] [--out FILE]

Times are CPU time of one process; each figure is the median over rounds. Beside each task stands
what SurRoL gave on the same kind of machine, one core (its versions: Python 3.7, PyBullet 3.2.7).
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gymnasium as gym
from common import RESULTS, platform_facts, say, write_and_print

import halsted  # noqa: F401 - registers the environments
from halsted.agents.making import make_policy
from halsted.agents.statistics import wilson_interval
from halsted.envs.surgery.endoscope.endoscope_env import EndoscopeEnv
from halsted.scenarios.catalogue import scenario_of

BATCHED = ("NeedleReach", "ECMReach", "MisOrient", "StaticTrack")
# Steps a CPU-second, and steps that its oracle takes to solve an episode, of SurRoL.
SURROL = {
    "ECMReach": (712, 30.8),
    "MisOrient": (1164, 28.1),
    "StaticTrack": (32, 19.0),
    "ActiveTrack": (30, None),
}
BATCH_SIZES = (256, 1024, 4096)
PICTURE_EDGES = (84, 128, 224)
ROUNDS = 5


def seconds(work: Callable[[], Any], rounds: int = ROUNDS) -> float:
    """Median CPU time, s, of doing something, after once to warm up."""
    work()
    times = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return statistics.median(times)


def batch_rates(task: str, steps: int) -> dict[str, float]:
    """Millions of environment steps a second, by size of the batch."""
    rates = {}
    for size in BATCH_SIZES:
        many = gym.make_vec(
            f"halsted/{task}-v0", num_envs=size, vectorization_mode="vector_entry_point"
        )
        many.reset(seed=0)
        actions = [many.action_space.sample() for _ in range(16)]
        calls = max(steps // size, 16)

        def work(many: Any = many, actions: Any = actions, calls: int = calls) -> None:
            for number in range(calls):
                many.step(actions[number % 16])

        rates[str(size)] = round(calls * size / seconds(work) / 1e6, 3)
    say(f"{task}: {rates} M steps/s")
    return rates


def step_rate(env: EndoscopeEnv, steps: int) -> float:
    """Steps a CPU-second by random actions, resets included."""
    return steps / seconds(lambda: walk(env, steps))


def walk(env: EndoscopeEnv, steps: int) -> None:
    """Take the same random actions each time, an episode after another."""
    env.action_space.seed(0)
    actions = [env.action_space.sample() for _ in range(64)]
    env.reset(seed=0)
    for number in range(steps):
        _, _, terminated, truncated, _ = env.step(actions[number % 64])
        if terminated or truncated:
            env.reset()


def bare_rate(env: EndoscopeEnv, steps: int) -> tuple[float, float]:
    """Control steps a CPU-second of PyBullet's stepping alone, and its share of the whole.

    It is timed from inside while the environment goes through the same random actions.
    """
    world: Any = env.world
    bullet, spent = world._bullet, 0.0
    advance = bullet.stepSimulation

    def timed(physicsClientId: int) -> None:
        nonlocal spent
        start = time.perf_counter()
        advance(physicsClientId=physicsClientId)
        spent += time.perf_counter() - start

    world._bullet = SimpleNamespace(**vars(bullet) | {"stepSimulation": timed})
    rates, shares = [], []
    for _ in range(ROUNDS):
        spent, start = 0.0, time.perf_counter()
        walk(env, steps)
        shares.append(spent / (time.perf_counter() - start))
        rates.append(steps / spent)
    world._bullet = bullet
    return statistics.median(rates), statistics.median(shares)


def expert_episodes(task: str, preset: str, count: int) -> dict[str, Any]:
    """How the expert does over seeds 100000 and on, and how many it solves a CPU-second."""
    name = f"halsted/{task}-v0"
    env = gym.make(name, preset=preset, disable_env_checker=True).unwrapped
    policy = make_policy("expert", scenario_of(name))
    env.reset(seed=0)
    solved, steps, harmed, returns = 0, 0, 0, []
    start = time.process_time()
    for seed in range(100_000, 100_000 + count):
        observation, info = env.reset(seed=seed)
        policy.reset(env, seed)
        total, cost, over = 0.0, 0.0, False
        while not over:
            observation, reward, terminated, truncated, info = env.step(policy.act(observation))
            total, cost, steps = total + float(reward), cost + info["cost"], steps + 1
            over = terminated or truncated or (info["is_success"] and task != "ActiveTrack")
        solved += info["is_success"]
        harmed += cost > 0.0
        returns.append(total)
    spent = time.process_time() - start
    env.close()
    low, high = wilson_interval(solved, count)
    return {
        "episodes": count,
        "solved": solved,
        "interval": [round(low, 3), round(high, 3)],
        "harmed_episodes": harmed,
        "mean_steps": round(steps / count, 1),
        "mean_return": round(statistics.fmean(returns), 2),
        "solved_per_cpu_s": round(solved / spent, 1),
    }


def endoscope(task: str, steps: int, episodes: int) -> dict[str, Any]:
    """All figures of one of the endoscope's tasks."""
    theirs, oracle_steps = SURROL[task]
    row: dict[str, Any] = {"surrol_steps_per_cpu_s": theirs}
    for preset in ("surrol", "default"):
        env = gym.make(f"halsted/{task}-v0", preset=preset, disable_env_checker=True).unwrapped
        assert isinstance(env, EndoscopeEnv)
        rate = step_rate(env, steps)
        figures: dict[str, Any] = {"tier": env.tier, "steps_per_cpu_s": round(rate)}
        if env.tier == "rigid":
            bare, share = bare_rate(env, steps)
            figures |= {
                "bare_steps_per_cpu_s": round(bare),
                "share_of_bare": round(share, 2),
                "times_surrol": round(rate / theirs, 1),
            }
        env.close()
        figures["expert"] = expert_episodes(task, preset, episodes)
        if oracle_steps:
            figures["solved_times_surrol"] = round(
                figures["expert"]["solved_per_cpu_s"] / (theirs / oracle_steps), 1
            )
        row[preset] = figures
        say(f"{task} {preset}: {figures}")
    return row


def picture_times(rounds: int) -> dict[str, float]:
    """Milliseconds a picture (colour, depth and labels), by its edge in pixels."""
    env = gym.make("halsted/StaticTrack-v0", sight="rgbd", disable_env_checker=True).unwrapped
    assert isinstance(env, EndoscopeEnv)
    env.reset(seed=0)
    times = {}
    for edge in PICTURE_EDGES:
        camera = env._camera(edge, edge)
        times[str(edge)] = round(1e3 * seconds(lambda camera=camera: env._look(camera), rounds), 2)
    say(f"pictures: {times} ms")
    return times


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few steps and episodes")
    parser.add_argument("--out", type=Path, default=RESULTS / "kinematic_tier.json")
    given = parser.parse_args()
    quick = given.quick
    result = {
        "platform": platform_facts("gymnasium", "numba"),
        "batch_million_steps_per_cpu_s": {
            task: batch_rates(task, 50_000 if quick else 400_000) for task in BATCHED
        },
        "endoscope": {
            task: endoscope(task, 200 if quick else 2000, 5 if quick else 100) for task in SURROL
        },
        "picture_ms": picture_times(5 if quick else 41),
    }
    write_and_print(given.out, result)


if __name__ == "__main__":
    main()
