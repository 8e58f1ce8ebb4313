"""The scripted expert on held-back phantoms, with random actions beside it, and on real scans.

Prints one JSON and writes it to a file::

    python benchmarks/expert.py [--patients N] [--out FILE]

``HALSTED_DATA`` names the folder of real scans; without it only phantoms are run.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common import (
    RESULTS,
    data_folder,
    every_tenth,
    platform_facts,
    say,
    scored,
    write_and_print,
)

from halsted.agents.evaluation import evaluate
from halsted.agents.making import make_policy
from halsted.imaging_bridge.cases import Case, ScanCase
from halsted.scenarios.catalogue import load_scenario
from halsted.scenarios.schema import Scenario

SEED = 0
LESION_SEEDS = range(5)
SCENES_PER_SCAN = 10
NAMING_SCHEME = "totalsegmentator-v2"


def real_cases(folder: Path) -> dict[str, list[Case]]:
    """Real scans by the scenario whose task is posed on them."""
    abdomen = folder / "abdomen_organs"
    thorax = folder / "lung_nodule" / "4D-Lung_113"
    return {
        "liver-biopsy": [
            ScanCase(
                str(abdomen / "example_ct_sm.nii.gz"),
                str(abdomen / "example_seg.nii.gz"),
                NAMING_SCHEME,
                organ="liver",
                lesion_seed=seed,
            )
            for seed in LESION_SEEDS
        ],
        "lung-biopsy": [ScanCase(str(thorax), organ="lung")],
    }


def run(scenario: Scenario, cases: Sequence[Case], policy: str, label: str) -> dict[str, Any]:
    """Score a policy and say how long it took."""
    started = time.perf_counter()
    total = len(cases) * scenario.episodes_per_patient
    tell = every_tenth(f"{label}, {policy}", total)
    episodes = evaluate(scenario, make_policy(policy, scenario), cases, SEED, tell)
    return {"wall_s": round(time.perf_counter() - started, 1), **scored(episodes)}


def main() -> None:
    """Run phantoms, then real scans."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--patients", type=int, help="only the first N phantoms, and N scenes")
    parser.add_argument("--out", type=Path, default=RESULTS / "expert.json")
    options = parser.parse_args()
    phantoms: dict[str, Any] = {}
    real: dict[str, Any] = {}
    folder = data_folder()
    for name in ("liver-biopsy", "lung-biopsy"):
        scenario = load_scenario(name)
        cases = scenario.cases("test")[: options.patients]
        phantoms[name] = {
            "scenario_hash": scenario.content_hash,
            "policies": {
                policy: run(scenario, cases, policy, name) for policy in ("expert", "random")
            },
        }
        if folder is None:
            say("real scans: skipped, because HALSTED_DATA is not set")
            continue
        scenes = min(SCENES_PER_SCAN, options.patients or SCENES_PER_SCAN)
        on_scan = scenario.model_copy(update={"episodes_per_patient": scenes})
        cases = real_cases(folder)[name]
        real[name] = {
            "episodes_per_patient": scenes,
            "policies": {"expert": run(on_scan, cases, "expert", f"{name} on real scans")},
        }
    content = {
        "benchmark": "expert",
        "seed": SEED,
        "platform": platform_facts("gymnasium", "numba"),
        "held_back_phantoms": phantoms,
        "real_scans": real or {"note": "skipped: HALSTED_DATA is not set"},
    }
    write_and_print(options.out, content)


if __name__ == "__main__":
    main()
