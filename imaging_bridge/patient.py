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
from halsted.imaging_bridge.volume import Volume


@dataclass(frozen=True, eq=False)
class Patient:
    """A person, real or phantom, as far as a procedure needs one.

    A patient is read-only, and pickles as its content hash: its arrays are put into the cache and
    memory-mapped where they are needed, so that worker processes share one copy.

    Attributes:
        images: Volumes by name; the first is the one that procedures plan on.
        labels: Named structures on the grid of the first image, or None.
        kind: ``scan`` for a real person, ``phantom`` for one made by a seeded program.
        facts: De-identified facts that a report may print (never a name, number or date).

    Raises:
        GeometryError: there is no image, or labels and first image do not share one grid.
    """

    images: Mapping[str, Volume]
    labels: LabelMap | None = None
    kind: Literal["scan", "phantom"] = "scan"
    facts: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "images", MappingProxyType(dict(self.images)))
        object.__setattr__(self, "facts", MappingProxyType(dict(self.facts)))
        if not self.images:
            raise GeometryError("a patient has at least one image; pass the scan it comes from")
        if self.labels is not None and not self.labels.same_geometry(self.image):
            raise GeometryError(
                f"the labels lie on another grid than the scan (shape {self.labels.shape} at "
                f"{np.round(self.labels.origin, 1).tolist()} mm, the scan {self.image.shape} at "
                f"{np.round(self.image.origin, 1).tolist()} mm); resample them onto the scan"
            )

    @property
    def image(self) -> Volume:
        """The first image."""
        return next(iter(self.images.values()))

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of all voxels, geometry, names and facts."""
        parts = [[name, volume.content_hash] for name, volume in self.images.items()]
        parts.append([self.kind, self.labels.content_hash if self.labels else ""])
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
    return _from_arrays(cached_arrays(f"patient-{key}", lambda: _to_arrays(make())))


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
    return f"patient-{content_hash}"


def _to_arrays(patient: Patient) -> dict[str, NDArray[Any]]:
    """The patient's arrays, and everything else as JSON in a byte array."""
    arrays: dict[str, NDArray[Any]] = {}
    images = []
    for number, (name, volume) in enumerate(patient.images.items()):
        arrays[f"image{number}"] = volume.voxels
        images.append([name, volume.affine.tolist(), volume.modality, volume.unit])
    labels = patient.labels
    if labels is not None:
        arrays["labels"] = labels.voxels
    facts = {
        "content_hash": patient.content_hash,
        "kind": patient.kind,
        "facts": dict(patient.facts),
        "images": images,
        "labels": labels and [labels.affine.tolist(), dict(labels.names), labels.provenance],
    }
    arrays["facts"] = np.frombuffer(json.dumps(facts).encode(), dtype=np.uint8)
    return arrays


def _from_arrays(arrays: Mapping[str, NDArray[Any]]) -> Patient:
    facts = json.loads(arrays["facts"].tobytes())
    images = {
        name: Volume(arrays[f"image{number}"], np.array(affine), modality, unit)
        for number, (name, affine, modality, unit) in enumerate(facts["images"])
    }
    labels = None
    if facts["labels"]:
        affine, names, provenance = facts["labels"]
        labels = LabelMap(arrays["labels"], np.array(affine), names, provenance)
    patient = Patient(images, labels, facts["kind"], facts["facts"])
    patient.__dict__["content_hash"] = facts["content_hash"]  # known; spares reading every voxel
    return patient
