"""A network looks at a scan on disk: what `halsted segment` writes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from halsted.agents.errors import PerceptionError
from halsted.agents.perception.checkpoint import Trained
from halsted.agents.perception.detector import NetworkDetector
from halsted.agents.perception.diagnosis import cut_out
from halsted.agents.perception.framing import check_images, frame, lesion_mask, named_for
from halsted.agents.perception.inference import mean_logits, probabilities
from halsted.agents.perception.outliers import STRANGE_BELOW
from halsted.agents.perception.pictures import overlay, telling_slice
from halsted.agents.perception.segmenter import NetworkSegmenter
from halsted.imaging_bridge import Segmentation, Volume, read_patient
from halsted.imaging_bridge.exports.images import write_labels, write_volume
from halsted.imaging_bridge.files import whole_folder, write_text, write_whole
from halsted.imaging_bridge.formats.recordings import read_recording


@dataclass(frozen=True)
class Look:
    """What `halsted segment` was asked for.

    Attributes:
        scan: DICOM, an image file, a picture, or a recording.
        out: New folder to write to.
        samples: Passes of Monte-Carlo dropout; 0 for one pass without.
        series: SeriesInstanceUID where a folder holds several.
        more: Further images of the same person by the names that the network gives them.
        lesions: For a diagnosis from the lesion alone, the network that cuts it out.
    """

    scan: Path
    out: Path
    samples: int = 0
    series: str | None = None
    more: Mapping[str, Path] = field(default_factory=dict)
    lesions: Trained | None = None


def look(trained: Trained, what: Look) -> dict[str, Any]:
    """Let a network look at a scan, and write what it saw to a new folder.

    Of volumes ``labels.nii.gz`` and ``confidence.nii.gz``, of pictures ``labels.png`` and
    ``confidence.png``, and ``picture.png``, the slice that tells most; of a recording
    ``minutes.csv``. ``segmentation.json`` tells volumes with their intervals, the minutes, or the
    diagnosis, and how strange the scan is.

    Returns:
        What ``segmentation.json`` holds.

    Raises:
        PerceptionError: the scan is not what the network looks at, or `out` exists.
        HalstedError: the scan cannot be read, or the folder cannot be written.
    """
    if what.out.exists():
        raise PerceptionError(f"there is already something at {what.out}; name a new folder")
    if trained.network.task == "minutes":
        return _listen(trained, what)
    images = _images(trained, what)
    if trained.network.task == "diagnosis":
        return _diagnose(trained, images, what)
    seen = NetworkSegmenter(trained, what.samples).segment(images, None)
    image = images[trained.network.needed[0]]
    content = report(image, seen)
    with whole_folder(what.out) as folder:
        if image.spacing_known and image.shape[0] > 1:
            write_labels(seen.labels, folder / "labels.nii.gz")
            write_volume(_confidence(seen), folder / "confidence.nii.gz")
        else:
            _write_picture(seen.labels.voxels[0].astype(np.uint16), folder / "labels.png")
            sure = np.rint(_confidence(seen).voxels[0] * 255.0)
            _write_picture(sure.astype(np.uint8), folder / "confidence.png")
        _write_picture(_shown(trained, images, seen), folder / "picture.png")
        _write_report(folder, content)
    return content


def _images(trained: Trained, what: Look) -> Mapping[str, Volume]:
    """The scan's images under the names that the network gives them."""
    images = dict(named_for(trained.network, read_patient(what.scan, series=what.series).images))
    for name, path in what.more.items():
        if name not in trained.network.channels:
            raise PerceptionError(
                f"the network {trained.network.name} looks at no image {name!r}; choose among: "
                f"{', '.join(trained.network.channels)}"
            )
        images[name] = read_patient(path).image
    check_images(trained.network, images)
    return images


def _diagnose(trained: Trained, images: Mapping[str, Volume], what: Look) -> dict[str, Any]:
    """Whether a lesion is malignant, and how sure."""
    network = trained.network
    framed = frame(network, images)
    array = framed.array
    if network.cut_out:
        if what.lesions is None:
            raise PerceptionError(
                f"the network {network.name} sees the lesion alone; name the network that finds "
                "it with --lesions"
            )
        labels = NetworkSegmenter(what.lesions).segment(images, None).labels
        array = cut_out(array, lesion_mask(network, labels))
    logits = mean_logits(network, trained.modules(), array, what.samples)
    temperature = float(trained.reliability.get("temperature", 1.0))
    sure = float(probabilities(network, logits, temperature)[1, 0, 0])
    row = {"volume": round(sure, 4), "interval": None, "unit": "probability"}
    content = {
        "provenance": {"network": network.name, "samples": str(what.samples)},
        "structures": {"malignant": row},
        "summary": {"malignant": row},
        "outlier_p": None,
        "strange_below": STRANGE_BELOW,
    }
    with whole_folder(what.out) as folder:
        _write_report(folder, content)
    return content


def _listen(trained: Trained, what: Look) -> dict[str, Any]:
    """Minutes of apnoea in a recording."""
    found = NetworkDetector(trained, what.samples).detect(read_recording(what.scan), None)
    count = found.notes.symbols.count("A")
    minutes = {"volume": float(count), "interval": None, "unit": "min"}
    content = {
        "provenance": dict(found.provenance),
        "structures": {"apnea": minutes},
        "summary": {"apnea": minutes},
        "minutes": len(found.notes.symbols),
        "outlier_p": found.outlier_p,
        "strange_below": STRANGE_BELOW,
    }
    rows = zip(found.notes.times_s, found.notes.symbols, found.probability, strict=True)
    lines = [f"{time:.0f},{symbol},{sure:.4f}" for time, symbol, sure in rows]
    with whole_folder(what.out) as folder:
        write_text(folder / "minutes.csv", "\n".join(["start_s,note,probability", *lines]) + "\n")
        _write_report(folder, content)
    return content


def _write_report(folder: Path, content: dict[str, Any]) -> None:
    write_text(folder / "segmentation.json", json.dumps(content, indent=1) + "\n")


def report(image: Volume, seen: Segmentation) -> dict[str, Any]:
    """Volumes, or areas of a picture, with their intervals, and whether to trust them."""
    names = seen.labels.names
    counts = np.bincount(seen.labels.voxels.ravel(), minlength=max(names.values(), default=0) + 1)
    one, unit = _unit(image)
    structures: dict[str, Any] = {}
    for name, value in names.items():
        size = float(counts[value]) * one
        factor = seen.volume_factors.get(name)
        interval = (
            None
            if factor is None or not size
            else [round(size / factor, 3), round(size * factor, 3)]
        )
        structures[name] = {"volume": round(size, 3), "interval": interval, "unit": unit}
    return {
        "provenance": dict(seen.provenance),
        "structures": structures,
        "summary": structures if seen.instances is None else _counted(names),
        "margins_mm": dict(seen.margins_mm),
        "outlier_p": seen.outlier_p,
        "strange_below": STRANGE_BELOW,
    }


def _counted(names: Mapping[str, int]) -> dict[str, Any]:
    """How many things of each class, whose names end in numbers."""
    kinds = Counter(name.rpartition("_")[0] for name in names)
    return {
        kind: {"volume": float(count), "interval": None, "unit": "count"}
        for kind, count in sorted(kinds.items())
    }


def _unit(image: Volume) -> tuple[float, str]:
    """Size of a voxel and its unit: ml, mm2 of a picture of known scale, else pixels."""
    if image.shape[0] > 1:
        return float(np.prod(image.spacing)) / 1000.0, "ml"
    if image.spacing_known:
        return float(np.prod(image.spacing[1:])), "mm2"
    return 1.0, "px"


def _confidence(seen: Segmentation) -> Volume:
    assert seen.confidence is not None  # a network always tells it
    return Volume(np.asarray(seen.confidence, np.float32), seen.labels.affine)


def _shown(
    trained: Trained, images: Mapping[str, Volume], seen: Segmentation
) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The slice that tells most, without and with what was seen."""
    labels = seen.labels.voxels
    place = telling_slice(labels) if len(labels) > 1 else 0
    base = _as_colours([images[name] for name in trained.network.needed], place)
    return np.concatenate([base, overlay(base, labels[place])], axis=1)


def _as_colours(images: Sequence[Volume], place: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    planes = [np.asarray(one.voxels[place], np.float64) for one in images]
    planes = planes if len(planes) == 3 else planes[:1] * 3
    is_picture = images[0].voxels.dtype == np.uint8
    low, high = (0.0, 255.0) if is_picture else np.percentile(planes, (1.0, 99.0))
    shown = np.stack(planes, axis=-1) - low
    return np.clip(shown * (255.0 / max(high - low, 1e-6)), 0.0, 255.0).astype(np.uint8)


def _write_picture(pixels: np.ndarray[Any, Any], path: Path) -> None:
    from PIL import Image

    write_whole(path, lambda temporary: Image.fromarray(pixels).save(temporary, format="png"))
