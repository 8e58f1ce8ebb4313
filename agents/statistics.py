"""Summaries of episodes with honest intervals.

The interquartile mean and its stratified bootstrap follow Agarwal et al. (2021), "Deep
reinforcement learning at the edge of the statistical precipice", NeurIPS 34, arXiv:2108.13264,
whose library rliable is the oracle of the tests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

_Z95 = 1.959963984540054
_REPETITIONS = 2000
_MEASURES = ("return", "success", "cost", "steps")


def interquartile_mean(scores: ArrayLike, axis: int = -1) -> Any:
    """Mean of what is left when the lowest and highest quarter are cut off.

    A quarter is rounded down to whole scores, as in `scipy.stats.trim_mean`.

    Args:
        scores: Scores; n of them along `axis`.
        axis: The axis that is averaged away.
    """
    ordered = np.sort(np.asarray(scores, dtype=np.float64), axis=axis)
    count = ordered.shape[axis]
    cut = count // 4
    return np.take(ordered, np.arange(cut, count - cut), axis=axis).mean(axis=axis)


def bootstrap_interval(
    scores_by_patient: Sequence[ArrayLike],
    repetitions: int = _REPETITIONS,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile interval of the interquartile mean over all episodes.

    Where patients have several episodes, episodes are drawn anew within each patient (stratified,
    the patients are the tasks of the paper). Where a patient has one only, all episodes are one
    stratum.

    Args:
        scores_by_patient: For each patient, the scores of its episodes.
        repetitions: Bootstrap samples.
        level: Of confidence.
        seed: Of the bootstrap.
    """
    rng = np.random.default_rng(seed)
    strata = [np.asarray(scores, dtype=np.float64).ravel() for scores in scores_by_patient]
    if any(stratum.size == 1 for stratum in strata):
        strata = [np.concatenate(strata)]
    drawn = [
        stratum[rng.integers(stratum.size, size=(repetitions, stratum.size))] for stratum in strata
    ]
    means = interquartile_mean(np.concatenate(drawn, axis=1))
    low, high = np.quantile(means, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return float(low), float(high)


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927, doi:10.1080/01621459.1927.10502953)."""
    share = successes / trials
    spread = _Z95**2 / trials
    middle = (share + spread / 2.0) / (1.0 + spread)
    half = _Z95 * np.sqrt(share * (1.0 - share) / trials + spread / trials / 4.0) / (1.0 + spread)
    return float(max(0.0, middle - half)), float(min(1.0, middle + half))


def paired_gap(
    first: Sequence[Mapping[str, Any]],
    second: Sequence[Mapping[str, Any]],
    repetitions: int = _REPETITIONS,
    seed: int = 0,
) -> dict[str, dict[str, float]]:
    """How much lower or higher the second scores in the same episodes, such as without the truth.

    Args:
        first: Episodes as in `summarise`.
        second: The same episodes, one for one, under another condition.
        repetitions: Bootstrap samples.
        seed: Of the bootstrap.

    Returns:
        For return, success and cost the mean of second less first, and its 95 % percentile
        interval over patients, or over episodes at the bench (`low`, `high`).
    """
    rng = np.random.default_rng(seed)
    who = [row.get("patient") or str(number) for number, row in enumerate(first)]
    _, patient = np.unique(who, return_inverse=True)
    counts = np.bincount(patient)
    drawn = rng.integers(len(counts), size=(repetitions, len(counts)))
    told = {}
    for measure in ("return", "success", "cost"):
        pairs = zip(first, second, strict=True)
        apart = np.array([float(b[measure]) - float(a[measure]) for a, b in pairs])
        means = np.bincount(patient, apart)[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
        low, high = np.quantile(means, (0.025, 0.975))
        told[measure] = {"mean": float(apart.mean()), "low": float(low), "high": float(high)}
    return told


def summarise(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What a table shows of a policy's episodes.

    Args:
        rows: Episodes with `return`, `success`, `cost`, `steps`, `costs` by cause, and `patient`;
            those without a patient are one stratum.

    Returns:
        For each measure the mean, the interquartile mean (`iqm`) and its 95 % interval (`low`,
        `high`); for success also its `rate` with Wilson's interval, because the interquartile
        mean of a yes-or-no score hides rates near 0 and 1; the share of `harmed_episodes`; and
        the mean `cost_by_cause`.
    """
    patients: dict[str | None, list[Mapping[str, Any]]] = {}
    for row in rows:
        patients.setdefault(row.get("patient"), []).append(row)
    summary: dict[str, Any] = {}
    for measure in _MEASURES:
        scores: list[NDArray[np.float64]] = [
            np.array([float(row[measure]) for row in group]) for group in patients.values()
        ]
        low, high = bootstrap_interval(scores)
        every = np.concatenate(scores)
        summary[measure] = {
            "mean": float(every.mean()),
            "iqm": float(interquartile_mean(every)),
            "low": low,
            "high": high,
        }
    successes = sum(bool(row["success"]) for row in rows)
    low, high = wilson_interval(successes, len(rows))
    summary["success"] |= {
        "rate": successes / len(rows),
        "wilson_low": low,
        "wilson_high": high,
    }
    summary["harmed_episodes"] = float(np.mean([row["cost"] > 0.0 for row in rows]))
    summary["cost_by_cause"] = {
        cause: float(np.mean([row["costs"][cause] for row in rows])) for cause in rows[0]["costs"]
    }
    return summary
