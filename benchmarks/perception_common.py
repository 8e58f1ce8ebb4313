"""What the benchmarks of perception share: trained networks, their test cases, real cases."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from common import as_json, data_folder, platform_facts, say

from halsted.agents.perception.catalogue import NETWORKS
from halsted.agents.perception.checkpoint import Trained, find_trained
from halsted.agents.perception.conformal import p_value
from halsted.agents.perception.examples import Example, Source, example_of
from halsted.agents.perception.folders import CARD, WEIGHTS, networks_folder
from halsted.agents.perception.inference import mean_logits, probabilities
from halsted.agents.perception.outliers import features_of, outlier_score
from halsted.agents.perception.phantom_sources import phantom_sources
from halsted.imaging_bridge import Patient
from halsted.imaging_bridge.files import write_text

STRANGE = 0.05
PACKAGES = ("torch", "monai")


def trained_names(wanted: Sequence[str] | None) -> list[str]:
    """Networks to measure: those asked for, or all that are trained."""
    return list(wanted or [one for one in NETWORKS if (networks_folder() / one / CARD).is_file()])


def weights_digest(name: str) -> str:
    """First digits of the SHA-256 of a network's weights, to tell which were measured."""
    return hashlib.sha256((networks_folder() / name / WEIGHTS).read_bytes()).hexdigest()[:12]


def test_examples(trained: Trained, count: int) -> list[Example]:
    """Phantoms that no training and no calibration saw."""
    sources = phantom_sources(trained.network, "test", count)
    return [example_of(trained.network, one) for one in sources]


@dataclass(frozen=True, eq=False)
class Look:
    """What a network makes of a case.

    Attributes:
        found: (output, *space) probabilities.
        strangeness: Outlier score, in standard deviations, by group of features.
        outlier_p: P-value of the largest of them; NaN of a network that is not calibrated.
    """

    found: np.ndarray
    strangeness: Mapping[str, float]
    outlier_p: float

    @property
    def score(self) -> float:
        """The outlier score."""
        return max(self.strangeness.values())


def look(trained: Trained, modules: Sequence[Any], example: Example) -> Look:
    """Look at a case, with confidence as calibrated."""
    network, told = trained.network, trained.reliability
    logits = mean_logits(network, modules, example.image)
    found = probabilities(network, logits, float(told.get("temperature", 1.0)))
    if "outliers" not in told:
        return Look(found, {}, float("nan"))
    raw = probabilities(network, logits)
    features = features_of(network, modules[0], example.image, example.geometry, raw)
    yardstick = told["outliers"]["yardstick"]
    groups = {name: outlier_score({name: part}, yardstick) for name, part in features.items()}
    return Look(found, groups, p_value(max(groups.values()), told["outliers"]["scores"]))


def merged(path: Path, rows: Mapping[str, Any], command: str) -> dict[str, Any]:
    """What a results file holds, in which these rows take the place of their predecessors.

    So a network that was trained again is measured alone; a row tells by the digest of its weights
    which were measured.

    Args:
        path: The file, which need not be there.
        rows: By network.
        command: That makes the file.
    """
    old = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return {
        "command": command,
        "platform": platform_facts(*PACKAGES),
        **{key: value for key, value in old.items() if key not in ("command", "platform")},
        "networks": {**old.get("networks", {}), **rows},
    }


def keep(path: Path, name: str, row: Any, command: str) -> None:
    """Write one network's row into a results file at once, for a run may be cut short."""
    write_text(path, as_json(merged(path, {name: row}, command)) + "\n")


@dataclass(frozen=True)
class RealCase:
    """A real image with a truth.

    Attributes:
        source: How it is read.
        network: Name of the network that looks at it.
        group: Application, which a picture shows.
        truth: Who drew it.
        same: Classes that this truth does not tell apart, by the one that stands for them.
        kind: Cases of one kind are fine-tuned on each other; empty where there is no other.
    """

    source: Source
    network: str
    group: str
    truth: str
    same: Mapping[str, str]
    kind: str = ""


def real_cases(wanted: Sequence[str]) -> list[RealCase]:
    """Every real image with a truth for these networks; empty without ``HALSTED_DATA``."""
    folder = data_folder()
    if folder is None:
        say("HALSTED_DATA is not set: real images are left out")
        return []
    cases = [
        _case("brain1", "brain", "brain", partial(_brain, folder), same=_TUMOUR),
        *_of_layout(folder / "lung_nodule", "trunk", "lung"),
        _case("example_ct_sm", "trunk", "abdomen", partial(_abdomen, folder), truth="model"),
        *_of_layout(folder / "colon_polyp/kvasir", "polyp", "polyp", lambda _: "kvasir"),
        *_of_layout(folder / "skin_lesion", "skin-lesion", "skin"),
        *_of_layout(folder / "endoscopy", "arm-ring", "instrument"),
        *_of_layout(folder / "microscopy_nuclei", "nuclei", "nuclei", _stain),
        _case("stardist_img2d", "nuclei", "nuclei", partial(_stardist, folder)),
        *_of_layout(folder / "ecg_apnea", "apnea", "apnea"),
    ]
    return [one for one in cases if one.network in wanted]


_TUMOUR = {"tumour_core": "tumour_enhancing"}


def _case(
    name: str,
    network: str,
    group: str,
    load: Callable[[], Patient],
    truth: str = "manual",
    same: Mapping[str, str] | None = None,
) -> RealCase:
    return RealCase(Source(name, name, load), network, group, truth, same or {})


def _of_layout(
    folder: Path, network: str, group: str, kind: Callable[[str], str] = lambda _: ""
) -> list[RealCase]:
    from halsted.agents.perception.making import data_sources

    sources = data_sources([folder])
    return [RealCase(one, network, group, "manual", {}, kind(one.name)) for one in sources]


def _stain(name: str) -> str:
    return "H&E" if "_he_" in name else "fluorescence"


def _brain(folder: Path) -> Patient:
    """One MR with one tumour, taken to be T1 with contrast: fat and vessels are bright, CSF dark.

    The mask holds what is enhanced and what lies inside it; the network's core and rim together
    are scored against it.
    """
    from halsted.imaging_bridge.formats.volumes import read_labels, read_volume

    image = read_volume(folder / "brain_tumour/brain1_image.nrrd")
    names = {"tumour_enhancing": 1}
    path = folder / "brain_tumour/brain1_label.nrrd"
    return Patient({"t1c": image}, read_labels(path, names, "manual"))


def _abdomen(folder: Path) -> Patient:
    from halsted.imaging_bridge.formats.volumes import read_labels, read_volume

    image = read_volume(folder / "abdomen_organs/example_ct_sm.nii.gz")
    path = folder / "abdomen_organs/example_seg.nii.gz"
    return Patient({"ct": image}, read_labels(path, "totalsegmentator-v2", "model"))


def _stardist(folder: Path) -> Patient:
    from halsted.imaging_bridge.formats.masks import read_instances
    from halsted.imaging_bridge.formats.photographs import read_photograph

    image = read_photograph(folder / "microscopy_nuclei/img2d.tif", modality="GM")
    masks = folder / "microscopy_nuclei/mask2d.tif"
    return Patient(image, read_instances(masks, "nucleus", image, provenance="manual"))


def rounded(value: float | None, digits: int = 4) -> float | None:
    """For JSON, which knows no NaN and no infinity."""
    return None if value is None or not np.isfinite(value) else round(float(value), digits)


def trained_named(name: str) -> Trained:
    """The network in ``HALSTED_NETWORKS``."""
    return find_trained(str(networks_folder() / name))
