r"""Train policies and score them on held-back cases beside the expert and random actions.

Prints one JSON and writes it to ``benchmarks/results``; the policies go to ``runs/benchmarks``::

    python benchmarks/learning.py --scenario liver-biopsy --algorithm sac-her --steps 20000 \
        --seeds 0 1 2 --demonstrations 20 --environments 1 --train-cases 32 --cases 100
    python benchmarks/learning.py --scenario needle-pick --steps 100000 --seeds 0 1 2 \
        --demonstrations 100

A scenario may also be the id of an environment. A case is a patient, or the seed of a scene. The
file is written after every seed; seeds that it holds already are not trained again.
"""

from __future__ import annotations

import argparse
import json
import shlex
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from common import RESULTS, every_tenth, platform_facts, say, write_and_print

from halsted.agents.curve import Curve, smoothed
from halsted.agents.episodes import Episode
from halsted.agents.evaluation import evaluate
from halsted.agents.making import make_policy
from halsted.agents.statistics import summarise
from halsted.agents.trained import ALGORITHMS
from halsted.agents.training import Training, train
from halsted.scenarios.catalogue import scenario_of
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
    started, share, told = time.perf_counter(), max(1, total // 10), 0

    def tell(steps: int) -> None:
        nonlocal told
        if steps // share > told:
            told = steps // share
            say(f"{label}: {steps} of {total} steps after {time.perf_counter() - started:.0f} s")

    return tell


def train_one(
    scenario: Scenario, options: argparse.Namespace, seed: int, cases: Sequence[Any]
) -> tuple[Path, dict[str, Any]]:
    """Train with one seed.

    Returns:
        The folder of the policy, and what is told of the training.
    """
    folder: Path = options.policies / f"{result_name(options)}-seed-{seed}"
    how = Training(
        options.algorithm,
        options.steps,
        seed,
        options.environments,
        options.workers,
        options.demonstrations,
        settings=json.loads(options.settings),
        tensorboard=False,
    )
    wall, cpu = time.perf_counter(), time.process_time()
    curve = train(scenario, folder, how, cases, progress(f"seed {seed}", options.steps))
    return folder, {
        "seed": seed,
        "train_wall_s": round(time.perf_counter() - wall, 1),
        "train_cpu_s": round(time.process_time() - cpu, 1),
        "episodes": len(curve.steps),
        "curve_mean_of_last_20_episodes": thinned(curve),
    }


def evaluate_one(
    scenario: Scenario, policy: str, cases: Sequence[Any], label: str
) -> list[Episode]:
    """Episodes of a policy on the held-back cases."""
    total = len(scenario.starts(cases, EVALUATION_SEED))
    tell = every_tenth(f"evaluating {label}", total)
    return evaluate(scenario, make_policy(policy, scenario), cases, EVALUATION_SEED, tell)


def scored(episodes: Sequence[Episode]) -> dict[str, Any]:
    """Summary of a policy's episodes, and for each in order its return, success, cost and steps."""
    return {
        "episode_count": len(episodes),
        "summary": summarise([episode.row() for episode in episodes]),
        "return": [round(episode.total_reward, 4) for episode in episodes],
        "success": "".join("01"[episode.success] for episode in episodes),
        "cost": [round(episode.cost, 4) for episode in episodes],
        "steps": [episode.steps for episode in episodes],
    }


def pooled(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Summary over all seeds of training; a seed is a stratum of the bootstrap."""
    rows = []
    for run in runs:
        told = run["evaluation"]
        columns = (told["return"], map(int, told["success"]), told["cost"], told["steps"])
        rows += [
            {"return": r, "success": s, "cost": c, "steps": n, "costs": {}, "patient": run["seed"]}
            for r, s, c, n in zip(*columns, strict=True)
        ]
    summary = summarise(rows)
    del summary["cost_by_cause"]  # stands with each run
    return {"episode_count": len(rows), "summary": summary}


def result_name(options: argparse.Namespace) -> str:
    """E.g. ``learning-needle-pick-sac-her-100000-demonstrations-100``."""
    scenario = options.scenario.split("/")[-1].removesuffix(".yaml")
    name = f"learning-{scenario}-{options.algorithm}-{options.steps}"
    return f"{name}-demonstrations-{options.demonstrations}" if options.demonstrations else name


def command_line(options: argparse.Namespace, seeds: Sequence[int]) -> str:
    """The command that repeats these seeds, with defaults filled in and without output folders."""
    words = ["python", "benchmarks/learning.py", "--seeds", *map(str, seeds)]
    for name, value in vars(options).items():
        if name not in ("seeds", "policies", "out") and value not in (None, "{}"):
            words += [f"--{name.replace('_', '-')}", str(value)]
    return shlex.join(words)


def read_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--scenario", default="liver-biopsy", help="a scenario or environment")
    parser.add_argument("--algorithm", choices=ALGORITHMS, default="sac-her")
    parser.add_argument("--steps", type=int, default=20_000, help="environment steps a seed")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="seeds of training")
    parser.add_argument("--demonstrations", type=int, default=0, help="episodes of the expert")
    parser.add_argument("--environments", type=int, default=8, help="stepped together")
    parser.add_argument("--workers", type=int, default=0, help="processes they are spread over")
    parser.add_argument("--settings", default="{}", help="more arguments of the learner, JSON")
    parser.add_argument("--train-cases", type=int, help="only the first N training cases")
    parser.add_argument("--cases", type=int, help="only the first N held-back cases")
    parser.add_argument("--policies", type=Path, default=Path("runs") / "benchmarks")
    parser.add_argument("--out", type=Path, help="by default a name in benchmarks/results")
    return parser.parse_args()


def head(options: argparse.Namespace, scenario: Scenario) -> dict[str, Any]:
    """What all seeds of a file have in common."""
    return {
        "benchmark": "learning",
        "scenario": scenario.name,
        "scenario_hash": scenario.content_hash,
        "algorithm": options.algorithm,
        "steps": options.steps,
        "demonstrations": options.demonstrations,
        "environments": options.environments,
        "settings": json.loads(options.settings),
        "train_cases": len(scenario.cases("train")[: options.train_cases]),
        "held_back_cases": len(scenario.cases("test")[: options.cases]),
        "evaluation_seed": EVALUATION_SEED,
    }


def earlier(path: Path, same: dict[str, Any]) -> dict[str, Any]:
    """What the file holds already, if it was made in the same way."""
    if not path.exists():
        return {}
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    other = [name for name, value in same.items() if content.get(name) != value]
    if other:
        raise SystemExit(
            f"{path} holds results with another {', '.join(other)}; give another file with --out"
        )
    return content


def run_seed(scenario: Scenario, options: argparse.Namespace, seed: int) -> dict[str, Any]:
    """Train with one seed and score the policy."""
    train_cases = scenario.cases("train")[: options.train_cases]
    cases = scenario.cases("test")[: options.cases]
    folder, told = train_one(scenario, options, seed, train_cases)
    return {
        **told,
        "evaluation": scored(evaluate_one(scenario, str(folder), cases, f"seed {seed}")),
    }


def main() -> None:
    """Train every seed that is missing, then score all on the same scenes."""
    options = read_options()
    scenario = scenario_of(options.scenario)
    same = head(options, scenario)
    path = options.out or RESULTS / f"{result_name(options)}.json"
    content = earlier(path, same)
    runs = content.get("runs", [])
    beside = content.get("beside") or {
        name: scored(evaluate_one(scenario, name, scenario.cases("test")[: options.cases], name))
        for name in ("expert", "random")
    }
    for seed in options.seeds:
        if seed in [run["seed"] for run in runs]:
            say(f"seed {seed}: is in {path} already")
            continue
        runs.append(run_seed(scenario, options, seed))
        facts = {
            "command": command_line(options, [run["seed"] for run in runs]),
            "platform": platform_facts("gymnasium", "stable-baselines3", "torch"),
        }
        ends = {"all_seeds": pooled(runs), "runs": runs, "beside": beside}
        write_and_print(path, same | facts | ends)


if __name__ == "__main__":
    main()
