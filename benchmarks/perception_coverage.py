"""Whether conformal margins, volume intervals and outlier p-values keep what they promise.

Prints one JSON and writes it to a file::

    python benchmarks/perception_coverage.py [--networks NAME ...] [--cases N] [--out FILE]

A pool of test phantoms is looked at once, and then split at random, many times over, into cases
that calibrate and cases that are held against the bound. Over such splits the mean coverage of n
calibrating cases is ceil((n + 1) c) / (n + 1) exactly where no two scores are alike, and at least
that where some are. Rows of networks that are not measured now stay in the file as they were.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from common import RESULTS, every_tenth, write_and_print
from perception_common import (
    STRANGE,
    Look,
    keep,
    look,
    merged,
    real_cases,
    rounded,
    test_examples,
    trained_named,
    trained_names,
    weights_digest,
)

from halsted.agents.perception.checkpoint import Trained
from halsted.agents.perception.conformal import (
    boundary_error_mm,
    conformal_quantile,
    p_value,
    volume_error,
)
from halsted.agents.perception.examples import Example, example_of
from halsted.agents.perception.reliability import COVERAGE

SPLITS = 200
WITHIN = 0.02
_FEWEST = 20
"""Cases with a class, below which its bound is not measured."""


def measure(name: str, cases: int) -> dict[str, Any]:
    """One network."""
    trained = trained_named(name)
    modules = trained.modules()
    begun = time.process_time()
    tell = every_tenth(name, cases)
    errors: dict[str, dict[str, list[float]]] = {"margins_mm": {}, "volume_factors": {}}
    looks: list[Look] = []
    for example in test_examples(trained, cases):
        looks.append(look(trained, modules, example))
        _add_errors(errors, trained, example, looks[-1])
        tell(None)
    told: dict[str, Any] = {"weights": weights_digest(name), "cases": cases, "splits": SPLITS}
    for kind, by_class in errors.items():
        told[kind] = {
            one: coverage_over_splits(scores)
            for one, scores in by_class.items()
            if len(scores) >= _FEWEST
        }
    told["outliers"] = strange_shares(trained, modules, looks)
    told["cpu_s"] = round(time.process_time() - begun, 1)
    return told


def _add_errors(
    errors: dict[str, dict[str, list[float]]], trained: Trained, example: Example, seen: Look
) -> None:
    """The errors of every class that the case has."""
    network = trained.network
    if network.task != "segmentation":
        return
    labels, true = seen.found.argmax(axis=0), np.asarray(example.target)
    for name, value in network.values.items():
        mask = true == value
        if not mask.any():
            continue
        margin = boundary_error_mm(labels == value, mask, network.spacing_mm or 1.0)
        errors["margins_mm"].setdefault(name, []).append(margin)
        volume = volume_error(labels == value, mask)
        errors["volume_factors"].setdefault(name, []).append(volume)


def coverage_over_splits(scores: Sequence[float], coverage: float = COVERAGE) -> dict[str, Any]:
    """Mean coverage of a bound from half of the scores over the other half, over many splits."""
    rng = np.random.default_rng(0)
    half = len(scores) // 2
    shares = []
    for _ in range(SPLITS):
        drawn = rng.permutation(scores)
        bound = conformal_quantile(drawn[:half].tolist(), coverage)
        shares.append(float(np.mean(drawn[half:] <= bound)))
    exact = min(1.0, math.ceil((half + 1) * coverage - 1e-9) / (half + 1))
    mean = float(np.mean(shares))
    return {
        "cases": len(scores),
        "calibrated_on": half,
        "target": coverage,
        "exact": rounded(exact),
        "mean_coverage": rounded(mean),
        "off_exact": rounded(mean - exact),
        "within_two_points_of_exact": abs(mean - exact) <= WITHIN,
        "within_two_points_of_target": abs(mean - coverage) <= WITHIN,
        "alike": rounded(1.0 - len(set(scores)) / len(scores)),
        "missed_whole": int(np.isinf(scores).sum()),
    }


def strange_shares(
    trained: Trained, modules: Sequence[Any], looks: Sequence[Look]
) -> dict[str, Any]:
    """How many cases are called strange: phantoms by the card and over splits, and real images."""
    scores = np.array([one.score for one in looks])
    rng = np.random.default_rng(0)
    half, shares = len(scores) // 2, []
    for _ in range(SPLITS):
        drawn = rng.permutation(scores)
        known = drawn[:half].tolist()
        shares.append(float(np.mean([p_value(one, known) <= STRANGE for one in drawn[half:]])))
    real = {}
    for case in real_cases([trained.network.name]):
        seen = look(trained, modules, example_of(trained.network, case.source))
        real[case.source.name] = rounded(seen.outlier_p)
    return {
        "p_at_most": STRANGE,
        "phantoms_by_the_card": rounded(float(np.mean([o.outlier_p <= STRANGE for o in looks]))),
        "phantoms_over_splits": rounded(float(np.mean(shares))),
        "exact_over_splits": rounded(math.floor(STRANGE * (half + 1) + 1e-9) / (half + 1)),
        "least_p_of_the_card": rounded(1 / (len(trained.reliability["outliers"]["scores"]) + 1)),
        "real_p": real,
        "real_called_strange": sum(one is not None and one <= STRANGE for one in real.values()),
    }


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="*", help="all that are trained, if left out")
    parser.add_argument("--cases", type=int, default=98, help="test phantoms in the pool")
    parser.add_argument("--out", type=Path, default=RESULTS / "perception_coverage.json")
    given = parser.parse_args()
    command = f"python benchmarks/perception_coverage.py --cases {given.cases}"
    for name in trained_names(given.networks):
        keep(given.out, name, measure(name, given.cases), command)
    write_and_print(given.out, merged(given.out, {}, command))


if __name__ == "__main__":
    main()
