"""Write the tables of docs/perception.md anew from the results of the other three scripts.

    python benchmarks/perception_tables.py

A table stands between ``<!-- NAME -->`` and ``<!-- end -->``; what is around it stays.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common import RESULTS

from halsted.imaging_bridge.files import write_text

PAGE = Path(__file__).parent.parent / "docs/perception.md"
_CAPTIONS = {
    "brain": "A brain tumour on one MR sequence",
    "lung": "A tumour of the lung on CT",
    "abdomen": "Organs on CT",
    "skin": "A skin lesion of ISIC",
    "instrument": "An instrument at the end of an endoscope",
    "nuclei": "Nuclei in fluorescence and H&E",
    "apnea": "A night: heart rate less its local median, and apnoea as noted and as seen",
}
_LEGEND = (
    "From left to right: image, truth, before, and after fine-tuning where there were others to "
    "learn from;\neach structure, or each nucleus, has a colour. Of a volume the slice that shows "
    "most of its rarest structure."
)
_SKIPPED = ("apnea_minutes", "apnea_found", "normal_minutes", "normal_found")


def main() -> None:
    """Fill in every table whose results are there."""
    page = PAGE.read_text(encoding="utf-8")
    for name, make in (("phantoms", phantoms), ("real", real), ("coverage", coverage)):
        path = RESULTS / f"perception_{name}.json"
        if path.is_file():
            content = json.loads(path.read_text(encoding="utf-8"))
            text = f"<!-- {name} -->\n\n{make(content)}\n\n<!-- end -->"
            page = re.sub(rf"<!-- {name} -->.*?<!-- end -->", lambda _, t=text: t, page, flags=re.S)
    write_text(PAGE, page)


def phantoms(content: dict[str, Any]) -> str:
    """Two tables: targets, and the classes; and the skin pipeline in a sentence."""
    rows, classes = [], []
    for name, told in content["networks"].items():
        target = told["targets"]
        rows += [
            (name, key, told["test_cases"], _short(one["reached"]), one["target"], _met(one))
            for key, one in target.items()
        ]
        if told["margins_held"]:
            classes += [
                (name, key, *_dices(one), _percent(told["margins_held"].get(key)))
                for key, one in told["classes"].items()
            ]
    costs = [
        (
            name,
            f"{told['parameters'] / 1e6:.2f}",
            told["training"]["cases"],
            told["training"]["steps"],
            _short(told["training"]["cpu_s"], 0),
            _short(told["inference_cpu_s_a_case"]),
        )
        for name, told in content["networks"].items()
    ]
    parts = [
        _table(("network", "figure", "cases", "reached", "target", ""), rows),
        _table(
            ("network", "class", "Dice", "worst", "threshold", "false alarms", "margin held"),
            classes,
        ),
        _table(
            ("network", "million weights", "phantoms", "steps", "training CPU-s", "a case CPU-s"),
            costs,
        ),
    ]
    if "skin_pipeline" in content:
        parts.append(_skin(content["skin_pipeline"]))
    return "\n\n".join(parts)


def _skin(told: dict[str, Any]) -> str:
    areas = [
        (name, _short(one["auroc"]), _between(one["interval_95"]))
        for name, one in told["auroc"].items()
    ]
    gain = told["gain_of_cutting_out"]
    areas.append(("gain of cutting out", _short(gain["auroc"]), _between(gain["interval_95"])))
    head = (f"benign or malignant, {told['cases']} phantoms", "area under ROC", "95 % interval")
    return _table(head, areas) + "\n\n![ROC curves](images/perception_roc.png)"


def real(content: dict[str, Any]) -> str:
    """A row for each score of each case, and the pictures that are there."""
    rows = []
    for told in content["networks"].values():
        for case, one in told["cases"].items():
            for key, score in one["before"].items():
                if key in _SKIPPED:
                    continue
                after = one.get("after", {}).get(key)
                best = one["best_threshold_on_this_image"].get(key)
                strange = _short(one["outlier_p"])
                told_by = one["truth"]
                rows.append(
                    (case, told_by, key, _short(score), _short(after), _short(best), strange)
                )
    head = ("case", "truth", "score", "before", "after", "threshold", "outlier p")
    drawn = [
        f"![{caption}](images/perception_{name}.png)"
        for name, caption in _CAPTIONS.items()
        if (PAGE.parent / f"images/perception_{name}.png").is_file()
    ]
    return "\n\n".join([_table(head, rows), _LEGEND, *drawn])


def coverage(content: dict[str, Any]) -> str:
    """A row for each bound."""
    rows = []
    for name, told in content["networks"].items():
        for kind, label in (("margins_mm", "margin"), ("volume_factors", "volume")):
            for key, one in told[kind].items():
                exact, mean = f"{one['exact']:.3f}", f"{one['mean_coverage']:.3f}"
                rows.append((name, f"{label} of {key}", one["cases"], exact, mean))
        one = told["outliers"]
        exact, mean = f"{one['exact_over_splits']:.3f}", f"{one['phantoms_over_splits']:.3f}"
        rows.append((name, "called strange at p 0.05", told["cases"], exact, mean))
    return _table(("network", "bound", "cases", "exact", "mean over splits"), rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def _dices(row: dict[str, Any]) -> list[str]:
    keys = ("dice", "dice_worst", "threshold_dice", "false_alarms")
    return [_short(row.get(key)) for key in keys]


def _short(value: float | None, digits: int = 2) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.0%}"


def _between(ends: Sequence[float]) -> str:
    return f"{ends[0]:.2f} to {ends[1]:.2f}"


def _met(one: dict[str, Any]) -> str:
    return "met" if one["met"] else "**missed**"


if __name__ == "__main__":
    main()
