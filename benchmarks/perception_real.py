"""Networks on every real image with a truth: trained on phantoms alone, and then fine-tuned.

Prints one JSON, writes it to a file, and draws ``docs/images/perception_<application>.png``::

    python benchmarks/perception_real.py [--networks NAME ...] [--steps N] [--out FILE]

``HALSTED_NETWORKS`` names the folder of trained networks and ``HALSTED_DATA`` that of real images.
Where there are several images of a kind, the network is fine-tuned on the others of its kind and
scored on the one that was left out; the last step is taken, so that nothing is chosen by it. Rows
of networks that are not measured now stay in the file as they were.
"""

from __future__ import annotations

import argparse
import io
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from common import RESULTS, say, write_and_print
from perception_common import (
    Look,
    RealCase,
    keep,
    look,
    merged,
    real_cases,
    rounded,
    trained_named,
    trained_names,
    weights_digest,
)

from halsted.agents.perception.apnea import MINUTE
from halsted.agents.perception.checkpoint import Trained
from halsted.agents.perception.examples import Example, example_of
from halsted.agents.perception.nuclei import find_nuclei
from halsted.agents.perception.pictures import overlay, strip, telling_slice
from halsted.agents.perception.scores import best_threshold, dice_by_class, score_found
from halsted.agents.perception.training import Recipe, train_network
from halsted.imaging_bridge.files import make_folder, write_whole

PICTURES = Path(__file__).parent.parent / "docs/images"
WIDEST, HEAVIEST_BYTES = 900, 150_000
_NOT_PASSED_ON = ("polyp",)
"""Kvasir-SEG's authors restrict the use of its frames."""
SHOWN = {"nuclei": ("dsb2018_he_0", "dsb2018_fluo_0", "stardist_img2d")}

"""Learning rate of fine-tuning, as a share of the network's own."""

NOT_CHECKED = "not checked"
PUBLISHED: Mapping[str, Mapping[str, str]] = {
    "brain": {
        "level": "Dice 0.82 (enhancing tumour), 0.85 (core)",
        "of": "BraTS 2020, nnU-Net, four sequences",
        "source": "Isensee et al. 2020, arXiv:2011.00848",
    },
    "lung": {"level": NOT_CHECKED},
    "abdomen": {
        "level": "mean Dice 0.94",
        "of": "104 structures, the model that drew this truth, at 1.5 mm, against manual truth",
        "source": "Wasserthal et al. 2023, doi:10.1148/ryai.230024",
    },
    "polyp": {
        "level": "Dice 0.81",
        "of": "Kvasir-SEG, ResUNet++, trained on its frames",
        "source": "Jha et al. 2019, arXiv:1911.07067",
    },
    "skin": {
        "level": "mean Jaccard 0.765",
        "of": "ISIC 2017, first place, trained on 2,000 pictures",
        "source": "Yuan and Lo 2019, arXiv:1709.09780",
    },
    "instrument": {"level": NOT_CHECKED},
    "nuclei": {"level": NOT_CHECKED},
    "apnea": {
        "level": "sensitivity 0.908, specificity 0.927",
        "of": "a detector on the learning set of Apnea-ECG, which sees the ECG too",
        "source": NOT_CHECKED,
    },
}


def measure(name: str, cases: Sequence[RealCase], steps: int) -> dict[str, Any]:
    """One network on its real images, before and after fine-tuning."""
    trained = trained_named(name)
    modules = trained.modules()
    examples = {one.source.name: _as_drawn(trained, one) for one in cases}
    told: dict[str, Any] = {}
    shown: dict[str, list[np.ndarray]] = {}
    for case in cases:
        example = examples[case.source.name]
        say(f"{name}: {example.name}")
        begun = time.process_time()
        before = look(trained, modules, example)
        spent = time.process_time() - begun
        row = {
            "application": case.group,
            "truth": case.truth,
            "seen_shape": list(example.image.shape[1:]),
            "before": scored(trained, case, example, before),
            "outlier_p": rounded(before.outlier_p),
            "strangeness_sd": {key: rounded(one, 1) for key, one in before.strangeness.items()},
            "best_threshold_on_this_image": _thresholds(trained, example),
            "inference_cpu_s": round(spent, 2),
            "published": dict(PUBLISHED[case.group]),
        }
        others = [examples[one.source.name] for one in cases if case.kind and _is_other(one, case)]
        looks = [before]
        if others:
            begun = time.process_time()
            tuned = finetuned(trained, others, steps)
            row["fine_tuning_cpu_s"] = round(time.process_time() - begun, 1)
            row["fine_tuned_on"] = [one.name for one in others]
            looks.append(look(tuned, tuned.modules(), example))
            row["after"] = scored(tuned, case, example, looks[1])
        told[example.name] = row
        if example.name in SHOWN.get(case.group, (example.name,)):
            shown.setdefault(case.group, []).append(_shown(trained, case, example, looks))
    for group, rows in shown.items():
        if group in _NOT_PASSED_ON:
            continue
        write_picture(PICTURES / f"perception_{group}.png", rows)
    return {"weights": weights_digest(name), "cases": told}


def _is_other(one: RealCase, case: RealCase) -> bool:
    return one.kind == case.kind and one.source.person != case.source.person


def _as_drawn(trained: Trained, case: RealCase) -> Example:
    return example_of(trained.network, case.source)


def scored(trained: Trained, case: RealCase, example: Example, seen: Look) -> dict[str, Any]:
    """Dice of the classes that the truth holds; of nuclei AP; of minutes what is right."""
    network = trained.network
    if network.task != "segmentation":
        told = score_found(network, seen.found, example).dice
        return {name: rounded(value) for name, value in told.items()}
    dice = dice_by_class(network.values, _classes(trained, case, seen), np.asarray(example.target))
    present = set(np.unique(example.target).tolist())
    row = {name: rounded(dice[name]) for name, value in network.values.items() if value in present}
    if len(row) > 1:
        row["mean"] = rounded(float(np.mean(list(row.values()))))
    return row


def _classes(trained: Trained, case: RealCase, seen: Look) -> np.ndarray:
    """(*space) classes that were seen, as far as the truth tells them apart."""
    labels = seen.found.argmax(axis=0)
    for name, standing in case.same.items():
        labels[labels == trained.network.values[name]] = trained.network.values[standing]
    return labels


def _thresholds(trained: Trained, example: Example) -> dict[str, float | None]:
    """Dice of the best band of values, chosen on this very image."""
    if trained.network.task != "segmentation":
        return {}
    present = set(np.unique(example.target).tolist())
    best = best_threshold(trained.network, [example])
    values = trained.network.values
    return {name: rounded(dice) for name, dice in best.items() if values[name] in present}


def finetuned(trained: Trained, examples: Sequence[Example], steps: int) -> Trained:
    """The network after so many steps on these cases; not calibrated."""
    recipe = Recipe(steps=steps, validate_every=steps)
    with tempfile.TemporaryDirectory() as folder:
        tuned = train_network(
            trained.network, examples, examples, Path(folder), recipe, trained.members
        )
    return replace(tuned, reliability={})


def _shown(trained: Trained, case: RealCase, example: Example, looks: Sequence[Look]) -> np.ndarray:
    """(y, x, 3): image, truth, and what was seen before and after fine-tuning."""
    network = trained.network
    if network.task == "minutes":
        return _night(example, looks[0])
    tiles = strip(network, trained.modules()[0], example)
    width = tiles.shape[1] // 3
    base = tiles[:, :width]
    true = np.asarray(example.target)
    place = telling_slice(true) if network.dimensions == 3 else ...
    drawn = example.instances if network.task == "instances" else true[place]
    row = [base, _outlined(base, np.asarray(drawn))]
    for seen in looks:
        if network.task == "instances":
            labels = find_nuclei(seen.found).instances.astype(np.int64)
        else:
            labels = _classes(trained, case, seen)
            labels[~np.isin(labels, np.unique(true))] = 0
        row.append(_outlined(base, labels[place]))
    return np.concatenate(row, axis=1)


def _outlined(base: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The picture with labels painted over it, and a white line inside the edge of each."""
    from skimage.segmentation import find_boundaries

    painted = overlay(base, labels.astype(np.int64))
    painted[find_boundaries(labels, mode="inner") & (labels > 0)] = 255
    return painted


def _night(example: Example, seen: Look) -> np.ndarray:
    """(y, x, 3): heart rate, the odds of apnoea, and the minutes as noted."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    true = np.asarray(example.target)[::MINUTE][: seen.found.shape[1]]
    hours = np.arange(len(true)) / 60.0
    figure, (rate, odds) = pyplot.subplots(2, 1, figsize=(9, 3), sharex=True, layout="constrained")
    series = np.asarray(example.image[0])
    rate.plot(np.arange(len(series)) / MINUTE / 60.0, series, linewidth=0.3, color="black")
    rate.set_ylabel("heart rate")
    odds.fill_between(hours, true, step="post", alpha=0.25, label="noted", color="tab:red")
    odds.step(hours, seen.found[1], where="post", linewidth=0.8, label="seen", color="tab:blue")
    odds.set(xlabel="hours", ylabel="apnoea", xlim=(0, hours[-1]))
    odds.legend(loc="lower right", fontsize=7)
    canvas: Any = figure.canvas
    canvas.draw()
    picture = np.array(canvas.buffer_rgba())[..., :3]
    pyplot.close(figure)
    return picture


def write_picture(path: Path, rows: Sequence[np.ndarray]) -> None:
    """The rows below each other, small enough for a page."""
    from PIL import Image

    width = min(WIDEST, max(row.shape[1] for row in rows))
    images = [Image.fromarray(row) for row in rows]
    sized = [
        np.asarray(one.resize((width, round(one.height * width / one.width)))) for one in images
    ]
    whole = Image.fromarray(np.concatenate(sized))
    while True:
        buffer = io.BytesIO()
        whole.quantize(256).save(buffer, format="png", optimize=True)
        if buffer.tell() <= HEAVIEST_BYTES:
            break
        whole = whole.resize((round(whole.width * 0.9), round(whole.height * 0.9)))
    make_folder(path.parent)
    write_whole(path, lambda temporary: temporary.write_bytes(buffer.getvalue()))


def main() -> None:
    """Measure, draw and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="*", help="all that are trained, if left out")
    parser.add_argument("--steps", type=int, default=60, help="of fine-tuning")
    parser.add_argument("--out", type=Path, default=RESULTS / "perception_real.json")
    given = parser.parse_args()
    names = trained_names(given.networks)
    cases = real_cases(names)
    command = f"python benchmarks/perception_real.py --steps {given.steps}"
    for name in names:
        own = [one for one in cases if one.network == name]
        if own:
            keep(given.out, name, measure(name, own, given.steps), command)
    write_and_print(given.out, merged(given.out, {}, command))


if __name__ == "__main__":
    main()
