r"""Train policies and score them on held-back phantoms beside the expert and random actions.

Prints one JSON and writes it to ``benchmarks/results``; the policies go to ``runs/benchmarks``::

    python benchmarks/learning.py --scenario liver-biopsy --algorithm sac-her --steps 20000 \
        --seeds 0 1 2 --demonstrations 20 --patients-train 32 --patients 100
"""

from __future__ import annotations

import argparse
import shlex
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common import RESULTS, every_tenth, platform_facts, say, scored, write_and_print

from halsted.agents.evaluation import Episode, evaluate
from halsted.agents.making import make_policy
from halsted.agents.training import Curve, smoothed, train
from halsted.imaging_bridge.cases import Case
from halsted.scenarios.catalogue import load_scenario
from halsted.scenarios.schema import Scenario

EVALUATION_SEED = 0
CURVE_ROWS = 100


def thinned(curve: Curve) -> dict[str, list[float]]:
    """About a hundred rows of the curve: means of the last 20 episodes."""
    episodes = len(curve.steps)
    stride = max(1, episodes // CURVE_ROWS)
    kept = list(range(episodes - 1, -1, -stride))[::-1]
    success, cost = smoothed(curve.success), smoothed(curve.cost)
    return {
        "steps": [curve.steps[row] for row in kept],
        "success": [round(success[row], 3) for row in kept],
        "cost": [round(cost[row], 3) for row in kept],
    }


def progress(label: str, total: int) -> Callable[[int], None]:
    """Tells at every tenth of the steps how long they took."""
    started, share = time.perf_counter(), max(1, total // 10)

    def tell(steps: int) -> None:
        if steps % share == 0:
            say(f"{label}: {steps} of {total} steps after {time.perf_counter() - started:.0f} s")

    return tell


def train_one(
    scenario: Scenario, options: argparse.Namespace, seed: int, cases: list[Case]
) -> tuple[Path, dict[str, Any]]:
    """Train with one seed.

    Returns:
        The folder of the policy, and what is told of the training.
    """
    folder: Path = options.policies / f"{result_name(options)}-seed-{seed}"
    wall, cpu = time.perf_counter(), time.process_time()
    curve = train(
        scenario,
        folder,
        options.algorithm,
        options.steps,
        seed,
        cases,
        options.demonstrations,
        progress(f"training, seed {seed}", options.steps),
        tensorboard=False,
    )
    return folder, {
        "seed": seed,
        "train_wall_s": round(time.perf_counter() - wall, 1),
        "train_cpu_s": round(time.process_time() - cpu, 1),
        "episodes": len(curve.steps),
        "curve_mean_of_last_20_episodes": thinned(curve),
    }


def evaluate_one(scenario: Scenario, policy: str, cases: list[Case], label: str) -> list[Episode]:
    """Episodes of a policy on the held-back phantoms."""
    tell = every_tenth(f"evaluating {label}", len(cases) * scenario.episodes_per_patient)
    return evaluate(scenario, make_policy(policy, scenario), cases, EVALUATION_SEED, tell)


def result_name(options: argparse.Namespace) -> str:
    """E.g. ``learning-liver-biopsy-sac-her-20000``."""
    return f"learning-{options.scenario}-{options.algorithm}-{options.steps}"


def command_line(options: argparse.Namespace) -> str:
    """The command that repeats this run, with defaults filled in and without output folders."""
    words = ["python", "benchmarks/learning.py", "--scenario", options.scenario]
    words += ["--algorithm", options.algorithm, "--steps", str(options.steps)]
    words += ["--seeds", *map(str, options.seeds)]
    words += ["--demonstrations", str(options.demonstrations)]
    for flag, value in (
        ("--patients-train", options.patients_train),
        ("--patients", options.patients),
    ):
        words += [] if value is None else [flag, str(value)]
    return shlex.join(words)


def main() -> None:
    """Train every seed, then evaluate everyone on the same scenes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--scenario", default="liver-biopsy", help="name of a scenario")
    parser.add_argument("--algorithm", choices=("sac-her", "ppo"), default="sac-her")
    parser.add_argument("--steps", type=int, default=20_000, help="environment steps a seed")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="seeds of training")
    parser.add_argument("--demonstrations", type=int, default=0, help="episodes of the expert")
    parser.add_argument("--patients-train", type=int, help="only the first N training phantoms")
    parser.add_argument("--patients", type=int, help="only the first N held-back phantoms")
    parser.add_argument("--policies", type=Path, default=Path("runs") / "benchmarks")
    parser.add_argument("--out", type=Path, help="by default a name in benchmarks/results")
    options = parser.parse_args()
    started = time.perf_counter()
    scenario = load_scenario(options.scenario)
    cases = scenario.cases("test")[: options.patients]
    train_cases = scenario.cases("train")[: options.patients_train]
    runs, learned = [], []
    for seed in options.seeds:
        folder, told = train_one(scenario, options, seed, train_cases)
        episodes = evaluate_one(scenario, str(folder), cases, f"seed {seed}")
        learned += episodes
        runs.append({**told, "evaluation": scored(episodes)})
    pooled = scored(learned)
    del pooled["episodes"]  # each run holds its own
    content = {
        "benchmark": "learning",
        "command": command_line(options),
        "scenario": scenario.name,
        "scenario_hash": scenario.content_hash,
        "algorithm": options.algorithm,
        "steps": options.steps,
        "demonstrations": options.demonstrations,
        "train_patients": len(train_cases),
        "held_back_patients": len(cases),
        "evaluation_seed": EVALUATION_SEED,
        "platform": platform_facts("gymnasium", "stable-baselines3", "torch"),
        "all_seeds": pooled,
        "runs": runs,
        "beside": {
            name: scored(evaluate_one(scenario, name, cases, name)) for name in ("expert", "random")
        },
        "wall_s": round(time.perf_counter() - started, 1),
    }
    write_and_print(options.out or RESULTS / f"{result_name(options)}.json", content)


if __name__ == "__main__":
    main()
