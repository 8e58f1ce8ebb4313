"""What trained networks are worth on phantoms that they never saw, beside what they are to reach.

Prints one JSON and writes it to a file::

    python benchmarks/perception_phantoms.py [--networks NAME ...] [--cases N] [--out FILE]

``HALSTED_NETWORKS`` names the folder of trained networks; without ``--networks`` all that are in it
are measured. Rows of networks that are not measured now stay in the file as they were. Where the
networks ``skin-lesion``, ``skin-diagnosis`` and ``skin-diagnosis-segmented`` are all there, the two
ways of telling benign from malignant are compared and ``docs/images/perception_roc.png`` is drawn.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from common import RESULTS, say, write_and_print
from perception_common import (
    keep,
    merged,
    rounded,
    test_examples,
    trained_named,
    trained_names,
    weights_digest,
)

from halsted.agents.perception.calibration import error_auroc
from halsted.agents.perception.checkpoint import Trained
from halsted.agents.perception.diagnosis import cut_out
from halsted.agents.perception.evaluation import evaluate_network
from halsted.agents.perception.inference import mean_logits, probabilities
from halsted.agents.perception.specification import Network

ORGANS, THINGS, GAIN = 0.90, 0.85, 0.2
NUCLEI, MINUTES, ECE = 0.80, 0.90, 0.05
SKIN = ("skin-lesion", "skin-diagnosis", "skin-diagnosis-segmented")
PICTURE = Path(__file__).parent.parent / "docs/images/perception_roc.png"
_BOOTSTRAPS = 2000


def measure(name: str, cases: int) -> dict[str, Any]:
    """One network on its test phantoms."""
    trained = trained_named(name)
    examples = test_examples(trained, cases)
    say(f"{name}: {len(examples)} cases")
    told = evaluate_network(trained, examples)
    figures = summary(trained.network, told)
    facts = trained.facts
    kept = ("recipe", "cases", "steps", "cpu_s", "validation", "versions")
    return {
        "weights": weights_digest(name),
        "test_cases": len(examples),
        **figures,
        "targets": targets(trained.network, figures),
        "classes": told["classes"],
        "honesty_near_boundary": told["honesty_near_boundary"],
        "margins_held": told["margins_held"],
        "strange_cases": told["strange_cases"],
        "inference_cpu_s_a_case": told["inference_cpu_s_a_case"],
        "parameters": told["parameters"],
        "training": {key: facts.get(key) for key in kept},
    }


def summary(network: Network, told: dict[str, Any]) -> dict[str, Any]:
    """The figures that targets are set for."""
    rows = told["classes"]
    honesty = told["honesty_near_boundary"]
    figures = {
        "ece_near_boundary": honesty["calibrated"]["ece"] if honesty else None,
        "ece_near_boundary_raw": honesty["raw"]["ece"] if honesty else None,
    }
    if network.task != "segmentation":
        figures |= told["overall"]
    else:
        for group, names in groups(network).items():
            figures[f"{group}_dice"] = _mean(rows, names, "dice")
            figures[f"{group}_threshold_dice"] = _mean(rows, names, "threshold_dice")
    return figures


def groups(network: Network) -> dict[str, list[str]]:
    """Classes by what they are held to: organs, or things (lesions, tools, rings)."""
    if network.dimensions == 2:
        return {"things": list(network.classes)}
    lesions = list(network.lesions)
    organs = [name for name in network.classes if name not in lesions]
    return {key: names for key, names in (("organs", organs), ("things", lesions)) if names}


def _mean(rows: dict[str, Any], names: list[str], key: str) -> float | None:
    values = [rows[name][key] for name in names if rows[name][key] is not None]
    return rounded(float(np.mean(values))) if values else None


def targets(network: Network, figures: dict[str, Any]) -> dict[str, Any]:
    """Each target with what was reached and whether that is enough."""
    rows: dict[str, Any] = {}

    def at_least(key: str, least: float) -> None:
        value = figures[key]
        rows[key] = {"target": least, "reached": value, "met": value is not None and value >= least}

    if network.task == "minutes":
        at_least("sensitivity", MINUTES)
        at_least("specificity", MINUTES)
    elif network.task == "instances":
        at_least("ap50", NUCLEI)
    elif network.task == "segmentation":
        for group in groups(network):
            at_least(f"{group}_dice", ORGANS if group == "organs" else THINGS)
            gain = figures[f"{group}_dice"] - figures[f"{group}_threshold_dice"]
            figures[f"{group}_gain_over_threshold"] = rounded(gain)
            at_least(f"{group}_gain_over_threshold", GAIN)
    # A diagnosis has no boundary, and one number a case is too few for bins.
    if figures["ece_near_boundary"] is not None and network.task != "diagnosis":
        value = figures["ece_near_boundary"]
        rows["ece_near_boundary"] = {"target": ECE, "reached": value, "met": value <= ECE}
    return rows


def skin_pipeline(cases: int) -> dict[str, Any]:
    """Benign or malignant: from the whole picture, and from the lesion that a network cut out.

    The true mask's cut stands beside it: what is lost between the two is the segmentation's.
    """
    lesion, whole, alone = (trained_named(name) for name in SKIN)
    pictures, masked = test_examples(whole, cases), test_examples(alone, cases)
    seen = _predicted_masks(lesion, cases, whole.network.size)
    true = np.array([one.target[0, 0] > 0 for one in pictures])
    cut = [cut_out(np.asarray(one.image), mask) for one, mask in zip(pictures, seen, strict=True)]
    odds = {
        "whole picture": _malignant(whole, [one.image for one in pictures]),
        "lesion cut out by the network": _malignant(alone, cut),
        "lesion cut out by the truth": _malignant(alone, [one.image for one in masked]),
    }
    draw_roc(odds, true)
    first, second = list(odds.values())[:2]
    return {
        "weights": {name: weights_digest(name) for name in SKIN},
        "cases": len(true),
        "malignant": int(true.sum()),
        "auroc": {name: _with_interval(one, true) for name, one in odds.items()},
        "gain_of_cutting_out": _gain(first, second, true),
    }


def _predicted_masks(lesion: Trained, cases: int, size: int) -> list[np.ndarray]:
    """(size, size) what the segmentation sees of each picture."""
    modules, masks = lesion.modules(), []
    for one in test_examples(lesion, cases):
        found = probabilities(lesion.network, mean_logits(lesion.network, modules, one.image))
        mask = found.argmax(axis=0) > 0
        places = ((np.arange(size) + 0.5) * mask.shape[0] / size).astype(int)
        masks.append(mask[np.ix_(places, places)])
    return masks


def _malignant(trained: Trained, images: list[np.ndarray]) -> np.ndarray:
    modules, network = trained.modules(), trained.network
    looks = [probabilities(network, mean_logits(network, modules, one)) for one in images]
    return np.array([float(found[1, 0, 0]) for found in looks])


def _with_interval(odds: np.ndarray, true: np.ndarray) -> dict[str, Any]:
    drawn = [error_auroc(odds[some], true[some]) for some in _resampled(len(true))]
    return {"auroc": rounded(error_auroc(odds, true)), "interval_95": _interval(drawn)}


def _gain(first: np.ndarray, second: np.ndarray, true: np.ndarray) -> dict[str, Any]:
    """Area of the second less that of the first, over the same cases."""
    drawn = [
        error_auroc(second[some], true[some]) - error_auroc(first[some], true[some])
        for some in _resampled(len(true))
    ]
    gain = error_auroc(second, true) - error_auroc(first, true)
    return {"auroc": rounded(gain), "interval_95": _interval(drawn)}


def _resampled(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(count, size=count) for _ in range(_BOOTSTRAPS)]


def _interval(drawn: list[float]) -> list[float | None]:
    return [rounded(float(one)) for one in np.nanpercentile(drawn, (2.5, 97.5))]


def draw_roc(odds: dict[str, np.ndarray], true: np.ndarray) -> None:
    """The curves of all ways in one picture."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(4.6, 4.4), layout="constrained")
    for name, one in odds.items():
        order = np.argsort(-one, kind="stable")
        hits = np.concatenate([[0.0], np.cumsum(true[order]) / max(1, true.sum())])
        alarms = np.concatenate([[0.0], np.cumsum(~true[order]) / max(1, (~true).sum())])
        axes.plot(alarms, hits, label=f"{name}: {error_auroc(one, true):.2f}")
    axes.plot([0, 1], [0, 1], ":", color="grey", linewidth=1)
    axes.set(xlabel="1 - specificity", ylabel="sensitivity", aspect="equal")
    axes.legend(loc="lower right", fontsize=8)
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, dpi=100)
    pyplot.close(figure)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="*", help="all that are trained, if left out")
    parser.add_argument("--cases", type=int, default=40, help="test phantoms of each network")
    parser.add_argument("--out", type=Path, default=RESULTS / "perception_phantoms.json")
    given = parser.parse_args()
    names = trained_names(given.networks)
    command = f"python benchmarks/perception_phantoms.py --cases {given.cases}"
    for name in names:
        keep(given.out, name, measure(name, given.cases), command)
    content = merged(given.out, {}, command)
    if set(SKIN) <= set(names):
        content["skin_pipeline"] = skin_pipeline(max(given.cases, 200))
    write_and_print(given.out, content)


if __name__ == "__main__":
    main()
