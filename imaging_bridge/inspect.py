"""What is in a scan, and what is unusual about it, before anything is built from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from halsted.imaging_bridge.errors import HalstedError
from halsted.imaging_bridge.formats.label_names import LabelNames
from halsted.imaging_bridge.labels import LabelMap, Provenance
from halsted.imaging_bridge.patient import Patient
from halsted.imaging_bridge.read import read_patient
from halsted.imaging_bridge.signals import Recording
from halsted.imaging_bridge.structures import Role, role_of
from halsted.imaging_bridge.volume import Volume

_MOST_ANISOTROPY = 3.0
# Air is -1000 HU and dense metal saturates 12-bit scanners at 3071; beyond is padding or an error.
_HU_RANGE = (-1100.0, 4000.0)
# Tissue and fat are above this; air, lung and most of a table's foam are below.
_BODY_HU = -300.0
# A table or a blanket touches a side with less than this part of it.
_CUT_PART = 0.1


@dataclass(frozen=True)
class StructureReport:
    """One structure of a label map: its name, its role in a procedure, its volume in ml."""

    name: str
    role: Role
    volume_ml: float


@dataclass(frozen=True)
class ScanReport:
    """What `describe` found.

    Attributes:
        readable: Whether a patient can be made of the scan; if not, `problems` says why, and
            everything else is empty.
        problems: What is wrong or unusual, a sentence each; empty where nothing is.
        modality: DICOM's name of the modality.
        unit: Unit of the values.
        shape: Voxels along (z, y, x).
        spacing_mm: Distance between voxels along (z, y, x).
        size_mm: Extent along (z, y, x), outer face to outer face.
        orientation: Anatomical direction in which (z, y, x) grow, e.g. ``SPL``.
        value_range: Lowest and highest value, in `unit`.
        labels_provenance: Who drew the labels, or None where there are none.
        structures: In the order of the label map.
        images: Names of all images, of which the first is described.
        signals: Name, rate in Hz and length in s of each signal.
        annotations: Number of annotations by what noted them.
        notes: What was repaired, left out or converted while reading, a sentence each.
    """

    readable: bool
    problems: list[str] = field(default_factory=list)
    modality: str = ""
    unit: str = ""
    shape: tuple[int, ...] = ()
    spacing_mm: tuple[float, ...] = ()
    size_mm: tuple[float, ...] = ()
    orientation: str = ""
    value_range: tuple[float, ...] = ()
    labels_provenance: Provenance | None = None
    structures: list[StructureReport] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    signals: list[tuple[str, float, float]] = field(default_factory=list)
    annotations: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The report as what JSON can hold."""
        return asdict(self)


def describe(
    scan: Path | str,
    labels: Path | str | None = None,
    label_names: LabelNames | None = None,
    series: str | None = None,
    *,
    phase: int | None = None,
    repairs: Sequence[str] = (),
    orientation: str | None = None,
) -> ScanReport:
    """Read a scan as `read_patient` does, and report on it; what cannot be read is reported too."""
    try:
        patient = read_patient(
            scan,
            labels,
            label_names,
            series,
            phase=phase,
            repairs=repairs,
            orientation=orientation,
        )
    except HalstedError as error:
        return ScanReport(readable=False, problems=[str(error)])
    return describe_patient(patient)


def describe_patient(patient: Patient) -> ScanReport:
    """Report on the first image, the labels and the signals of a patient."""
    notes = patient.facts.get("notes", "")
    report = ScanReport(
        readable=True,
        images=list(patient.images),
        notes=notes.splitlines(),
        **_of_recording(patient.recording),
    )
    return replace(report, **_of_image(patient)) if patient.images else report


def _of_recording(recording: Recording | None) -> dict[str, Any]:
    if recording is None:
        return {}
    signals = [(name, one.rate_hz, one.duration_s) for name, one in recording.signals.items()]
    counts = {name: len(one.symbols) for name, one in recording.annotations.items()}
    return {"signals": signals, "annotations": counts}


def _of_image(patient: Patient) -> dict[str, Any]:
    image, label_map = patient.image, patient.labels
    problems = list(_image_problems(image))
    structures = []
    if label_map is not None:
        problems += _label_problems(label_map)
        structures = [
            StructureReport(name, role_of(name), volume)
            for name, volume in label_map.volumes_ml.items()
        ]
    placed: dict[str, Any] = {
        "spacing_mm": tuple(float(distance) for distance in image.spacing),
        "size_mm": tuple(float(extent) for extent in image.spacing * image.shape),
    }
    return {
        **(placed if image.spacing_known else {}),
        "problems": problems,
        "modality": image.modality,
        "unit": image.unit,
        "shape": tuple(int(count) for count in image.shape),
        "orientation": image.orientation,
        "value_range": _value_range(image),
        "labels_provenance": label_map.provenance if label_map is not None else None,
        "structures": structures,
    }


def _value_range(image: Volume) -> tuple[float, float]:
    return float(image.voxels.min()), float(image.voxels.max())


def _image_problems(image: Volume) -> Iterator[str]:
    if not image.spacing_known:
        yield "the file does not say how large a pixel is, so distances and volumes are in pixels"
    ratio = float(image.spacing.max() / image.spacing.min())
    if ratio > _MOST_ANISOTROPY and image.shape[0] > 1:
        yield (
            f"the voxels are {ratio:.1f} times as long as wide, so that small structures may fall "
            f"between slices; {_MOST_ANISOTROPY:g} times or less is usual for planning"
        )
    if image.modality == "OT" and image.shape[0] > 1:
        yield "the file does not say what was measured, and its values do not look like CT"
    if image.unit == "HU":
        yield from _hounsfield_problems(image)


def _hounsfield_problems(image: Volume) -> Iterator[str]:
    low, high = _value_range(image)
    if low < _HU_RANGE[0] or high > _HU_RANGE[1]:
        yield (
            f"values go from {low:g} to {high:g} HU, outside the usual {_HU_RANGE[0]:g} to "
            f"{_HU_RANGE[1]:g}; padding, metal or a wrong rescale may be the reason"
        )
    cut = [side for side, part in _body_at_sides(image).items() if part > _CUT_PART]
    if cut:
        yield (
            f"the field of view cuts the body at its {', '.join(cut)} side, so the skin is not in "
            "the scan there"
        )


def _body_at_sides(image: Volume) -> dict[str, float]:
    """The part of the field of view's left, right, front and back face that is body.

    A scan ends above and below the part of interest by intention, so these faces are left out.
    """
    sides = {"L": "left", "R": "right", "A": "front", "P": "back"}
    opposite = dict(zip("LRAPSI", "RLPAIS", strict=True))
    parts = {}
    for axis, letter in enumerate(image.orientation):
        for index, towards in ((-1, letter), (0, opposite[letter])):
            if towards in sides:
                face = np.take(image.voxels, index, axis=axis)
                parts[sides[towards]] = float(np.mean(face > _BODY_HU))
    return parts


def _label_problems(labels: LabelMap) -> Iterator[str]:
    if unknown := [name for name in labels.names if role_of(name) == "other"]:
        yield (
            f"no role in a procedure is known for {_some(unknown)}; rename what a needle must "
            "reach or avoid"
        )
    if empty := [name for name, volume in labels.volumes_ml.items() if volume == 0]:
        yield f"no voxel belongs to {_some(empty)}"
    if not labels.names:
        yield "the label map holds no structure"


def _some(names: list[str], most: int = 8) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
