"""One person's images, labels and de-identified facts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.cache import cached_arrays, find_cached
from halsted.imaging_bridge.errors import GeometryError, HalstedError
from halsted.imaging_bridge.labels import LabelMap
from halsted.imaging_bridge.signals import Annotations, Recording, Signal
from halsted.imaging_bridge.volume import Volume

_LAYOUT = 2  # raise when what is stored of a patient changes


@dataclass(frozen=True, eq=False)
class Patient:
    """A person, real or phantom, as far as a procedure needs one.

    A patient is read-only, and pickles as its content hash: its arrays are put into the cache and
    memory-mapped where they are needed, so that worker processes share one copy.

    Attributes:
        images: Volumes by name; the first is the one that procedures plan on. Empty only where
            there is a recording.
        labels: Named structures on the grid of the first image, or None.
        kind: ``scan`` for a real person, ``phantom`` for one made by a seeded program.
        facts: De-identified facts that a report may print (never a name, number or date).
        recording: Signals over time, or None.

    Raises:
        GeometryError: there is neither image nor recording, or labels and first image do not share
            one grid.
    """

    images: Mapping[str, Volume]
    labels: LabelMap | None = None
    kind: Literal["scan", "phantom"] = "scan"
    facts: Mapping[str, str] = field(default_factory=dict)
    recording: Recording | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "images", MappingProxyType(dict(self.images)))
        object.__setattr__(self, "facts", MappingProxyType(dict(self.facts)))
        if not self.images and (self.recording is None or self.labels is not None):
            raise GeometryError("a patient has at least one image; pass the scan it comes from")
        if self.labels is not None and not self.labels.same_geometry(self.image):
            raise GeometryError(
                f"the labels lie on another grid than the scan (shape {self.labels.shape} at "
                f"{np.round(self.labels.origin, 1).tolist()} mm, the scan {self.image.shape} at "
                f"{np.round(self.image.origin, 1).tolist()} mm); resample them onto the scan"
            )

    @property
    def image(self) -> Volume:
        """The first image.

        Raises:
            GeometryError: there is none, only a recording.
        """
        for volume in self.images.values():
            return volume
        raise GeometryError("this patient has a recording, but no image; pass a scan")

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of all voxels, geometry, names and facts."""
        parts: list[list[Any]] = [
            [name, one.content_hash, one.modality, one.unit, one.spacing_known]
            for name, one in self.images.items()
        ]
        parts.append([self.kind, self.labels.content_hash if self.labels else ""])
        if self.recording is not None:
            parts.append([self.recording.content_hash])
        return hashlib.sha256(json.dumps([parts, sorted(self.facts.items())]).encode()).hexdigest()

    def with_labels(self, labels: LabelMap) -> Patient:
        """The same patient with other labels."""
        return replace(self, labels=labels)

    def stored(self) -> Patient:
        """The same patient with its arrays in the cache and memory-mapped from there.

        Raises:
            OutputError: the cache folder is read-only or full.
        """
        return _from_arrays(cached_arrays(_key(self.content_hash), lambda: _to_arrays(self)))

    def __reduce__(self) -> tuple[Any, ...]:
        self.stored()
        return load_stored, (self.content_hash,)


def stored_under(key: str, make: Callable[[], Patient]) -> Patient:
    """The patient kept in the cache under `key`, made by `make` where it is not there yet.

    Raises:
        OutputError: the cache folder is read-only or full.
    """
    return _from_arrays(cached_arrays(_key(key), lambda: _to_arrays(make())))


def load_stored(content_hash: str) -> Patient:
    """The patient that `Patient.stored` put into the cache under this hash.

    Raises:
        HalstedError: the cache no longer holds it.
    """
    arrays = find_cached(_key(content_hash))
    if arrays is None:
        raise HalstedError(
            f"the cache holds no patient {content_hash[:12]}; read the scan again, and let all "
            "processes share one HALSTED_CACHE"
        )
    return _from_arrays(arrays)


def _key(content_hash: str) -> str:
    return f"patient{_LAYOUT}-{content_hash}"


def _to_arrays(patient: Patient) -> dict[str, NDArray[Any]]:
    """The patient's arrays, and everything else as JSON in a byte array."""
    arrays: dict[str, NDArray[Any]] = {}
    images = []
    for number, (name, volume) in enumerate(patient.images.items()):
        arrays[f"image{number}"] = volume.voxels
        grid = [volume.affine.tolist(), volume.modality, volume.unit, volume.spacing_known]
        images.append([name, *grid])
    labels = patient.labels
    if labels is not None:
        arrays["labels"] = labels.voxels
    facts = {
        "content_hash": patient.content_hash,
        "kind": patient.kind,
        "facts": dict(patient.facts),
        "images": images,
        "labels": labels and [labels.affine.tolist(), dict(labels.names), labels.provenance],
        "recording": None,
    }
    if patient.recording is not None:
        more, facts["recording"] = _recording_to_arrays(patient.recording)
        arrays.update(more)
    arrays["facts"] = np.frombuffer(json.dumps(facts).encode(), dtype=np.uint8)
    return arrays


def _from_arrays(arrays: Mapping[str, NDArray[Any]]) -> Patient:
    facts = json.loads(arrays["facts"].tobytes())
    images = {
        name: Volume(arrays[f"image{number}"], np.array(affine), modality, unit, known)
        for number, (name, affine, modality, unit, known) in enumerate(facts["images"])
    }
    labels = None
    if facts["labels"]:
        affine, names, provenance = facts["labels"]
        labels = LabelMap(arrays["labels"], np.array(affine), names, provenance)
    recording = facts["recording"] and _recording_from_arrays(arrays, facts["recording"])
    patient = Patient(images, labels, facts["kind"], facts["facts"], recording)
    patient.__dict__["content_hash"] = facts["content_hash"]  # known; spares reading every voxel
    return patient


def _recording_to_arrays(recording: Recording) -> tuple[dict[str, NDArray[Any]], Any]:
    """The arrays of a recording, and everything else as what JSON can hold."""
    arrays: dict[str, NDArray[Any]] = {}
    for number, signal in enumerate(recording.signals.values()):
        arrays[f"signal{number}"] = signal.samples
    for number, noted in enumerate(recording.annotations.values()):
        arrays[f"times{number}"] = noted.times_s
    signals = [[name, one.rate_hz, one.unit] for name, one in recording.signals.items()]
    annotations = [[name, list(one.symbols)] for name, one in recording.annotations.items()]
    return arrays, [signals, annotations]


def _recording_from_arrays(arrays: Mapping[str, NDArray[Any]], facts: Any) -> Recording:
    signals, annotations = facts
    return Recording(
        {
            name: Signal(arrays[f"signal{number}"], rate, unit)
            for number, (name, rate, unit) in enumerate(signals)
        },
        {
            name: Annotations(arrays[f"times{number}"], tuple(symbols))
            for number, (name, symbols) in enumerate(annotations)
        },
    )
