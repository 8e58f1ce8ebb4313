"""Patients as a network learns from them: images and truth on its grid, cached by content."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halsted.agents.errors import PerceptionError
from halsted.agents.perception.apnea import minutes_of, series_of
from halsted.agents.perception.diagnosis import cut_out, diagnosis_target
from halsted.agents.perception.framing import (
    Framed,
    frame,
    framed_target,
    geometry_of,
    lesion_mask,
)
from halsted.agents.perception.specification import Network
from halsted.imaging_bridge import Patient
from halsted.imaging_bridge.cache import cache_key, cached_arrays

_VERSION = 4  # raise when the example of the same patient changes


@dataclass(frozen=True, eq=False)
class Example:
    """One patient, ready to be learned from or scored on.

    Attributes:
        name: Short name for tables.
        person: Who it is: examples of one person never stand on both sides of a split.
        image: float32 (input, z, y, x), (input, y, x) or, of a recording, (input, n).
        target: uint8 (z, y, x), (y, x) or (n,) true class; (1, 1) of a diagnosis.
        instances: uint16 (y, x), numbered things; one zero where there are none.
        geometry: Spacing and extent as they were given; see `framing.geometry_of`.
        is_real: Whether it is no phantom.
    """

    name: str
    person: str
    image: NDArray[np.float32]
    target: NDArray[np.uint8]
    instances: NDArray[np.uint16]
    geometry: NDArray[np.float64]
    is_real: bool = False

    @cached_property
    def digest(self) -> str:
        """SHA-256 of image and truth."""
        digest = hashlib.sha256(np.ascontiguousarray(self.image).data)
        for part in (self.target, self.instances):
            digest.update(np.ascontiguousarray(part).data)
        return digest.hexdigest()


@dataclass(frozen=True)
class Source:
    """Where an example comes from.

    Attributes:
        name: Short name; tells nothing of a person.
        person: Who it is.
        key: What the patient is made from, for the cache; None where only its content tells.
        load: Makes or reads the patient.
    """

    name: str
    person: str
    load: Callable[[], Patient]
    key: str | None = None


def example_of(network: Network, source: Source) -> Example:
    """The example of a source, from the cache where it is there.

    Raises:
        HalstedError: the patient cannot be read, has no labels, or does not fit the network.
    """
    given = None if source.key else source.load()
    part = source.key if given is None else given.content_hash
    grid = [
        *(network.task, network.classes, network.channels, network.intensity),
        *(network.spacing_mm, network.size, network.cut_out),
    ]
    key = cache_key("example", _VERSION, part, *map(str, grid))
    arrays = cached_arrays(key, lambda: _arrays(network, given or source.load(), source.name))
    parts = {name: arrays[name] for name in _ARRAYS}
    return Example(source.name, source.person, **parts, is_real=source.key is None)


_ARRAYS = ("image", "target", "instances", "geometry")


def _arrays(network: Network, patient: Patient, name: str) -> Mapping[str, NDArray[Any]]:
    if network.task == "minutes":
        return _recorded(network, patient, name)
    if patient.labels is None:
        raise PerceptionError(
            f"{name} has no labels to learn from or to be scored on; give masks with the images"
        )
    framed: Framed = frame(network, patient.images)
    geometry = geometry_of(network, framed.original)
    none = np.zeros((1, 1), np.uint16)
    if network.task == "diagnosis":
        image = framed.array
        if network.cut_out:
            image = cut_out(image, lesion_mask(network, patient.labels))
        target = diagnosis_target(network, patient)
        return {"image": image, "target": target, "instances": none, "geometry": geometry}
    target = framed_target(network, patient.labels, framed.grid)
    if target.shape != framed.array.shape[1:]:
        raise PerceptionError(
            f"the labels of {name} lie on another grid than the image that {network.name} looks "
            f"at ({target.shape} against {framed.array.shape[1:]}); label the image "
            f"{network.needed[0]!r}"
        )
    instances = none
    if network.task == "instances":
        instances = patient.labels.voxels[0].astype(np.uint16)
    return {"image": framed.array, "target": target, "instances": instances, "geometry": geometry}


def _recorded(network: Network, patient: Patient, name: str) -> Mapping[str, NDArray[Any]]:
    """A night: series, minutes and its length."""
    if patient.recording is None:
        raise PerceptionError(
            f"{name} has no recording, but {network.name} looks at one; give an ECG or beat times"
        )
    image = series_of(patient.recording)
    return {
        "image": image,
        "target": minutes_of(patient.recording, image.shape[1]),
        "instances": np.zeros((1, 1), np.uint16),
        "geometry": np.log([float(image.shape[1])]),
    }


def check_classes(network: Network, examples: Sequence[Example]) -> None:
    """Refuse examples in which a class never occurs.

    Raises:
        PerceptionError: it names the classes.
    """
    seen = set()
    for one in examples:
        seen |= set(np.unique(one.target).tolist())
    never = [name for name, value in network.values.items() if value not in seen]
    if 0 not in seen and network.task in ("minutes", "diagnosis"):
        never.append(f"not {next(iter(network.classes))}")
    if never and network.task != "instances":
        raise PerceptionError(
            f"the classes {', '.join(never)} never occur in the {len(examples)} cases to learn "
            "from, so that they cannot be learned; give cases that have them, or name the classes "
            "to learn"
        )
