"""What a network is asked to see: its images, classes, grid, and how it is built and trained."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from halsted.agents.errors import PerceptionError
from halsted.imaging_bridge import LabelMap

Task = Literal["segmentation", "instances", "minutes", "diagnosis"]
Intensity = Literal["ct", "mr", "colour", "colour+depth", "stretched", "heart"]

CLASS_UNKNOWN = 255
"""Target value of an instance whose class the truth does not tell."""


@dataclass(frozen=True)
class Network:
    """A network, apart from its weights.

    Attributes:
        name: Short name, as on the command line.
        title: One line for people.
        task: ``segmentation``; ``instances`` with classes; ``minutes`` of a recording; or the
            ``diagnosis`` of a picture.
        modalities: DICOM modalities of images that it was made for.
        channels: Names of the images that it looks at, in order.
        needed: Those of them that a scan must have; the others are trained with them left out at
            times, and are zero where a scan lacks them.
        classes: Pattern of the structures' names (a whole match, any case) by name of the class.
            The value of a class is its place, from 1.
        lesions: Classes that are pathology.
        intensity: How values are brought to a common scale; see `framing`.
        spacing_mm: Of the cubic grid that a 3-D network sees; 0 for pictures.
        size: Edge of the square that a whole picture is brought to, pixels; 0 keeps its pixels.
        patch: Samples, pixels or voxels of a window along time, (y, x) or (z, y, x).
        architecture: Name in `architectures.ARCHITECTURES`.
        features: Channels of each level.
        dropout: Share of features dropped, in training and by Monte-Carlo dropout.
        mirrored: Array axes of the grid along which the anatomy may be mirrored.
        phantoms: Kinds of phantoms that it is trained on.
        steps: Optimiser steps of a default training.
        batch: Windows a step.
        lesion_share: Of the windows, how many are centred on a lesion.
        people: Phantoms that a default training draws.
        learning_rate: At the start; it falls to 0 by a cosine.
        cut_out: Of a diagnosis, whether it sees the lesion alone.
    """

    name: str
    title: str
    modalities: tuple[str, ...]
    channels: tuple[str, ...]
    classes: Mapping[str, str]
    intensity: Intensity
    patch: tuple[int, ...]
    phantoms: tuple[str, ...]
    steps: int
    batch: int
    task: Task = "segmentation"
    needed: tuple[str, ...] = ()
    lesions: tuple[str, ...] = ()
    spacing_mm: float = 0.0
    size: int = 0
    architecture: str = "unet"
    features: tuple[int, ...] = (16, 32, 64, 128)
    dropout: float = 0.05
    mirrored: tuple[int, ...] = ()
    people: int = 64
    lesion_share: float = 0.4
    learning_rate: float = 3e-3
    cut_out: bool = False
    _patterns: Mapping[str, re.Pattern[str]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        patterns = {name: re.compile(text, re.IGNORECASE) for name, text in self.classes.items()}
        object.__setattr__(self, "_patterns", patterns)

    @property
    def dimensions(self) -> int:
        """1 for recordings, 2 for pictures, 3 for volumes."""
        return len(self.patch)

    @property
    def inputs(self) -> int:
        """Arrays that the network takes: a CT is given through two windows."""
        return len(self.channels) * (2 if self.intensity == "ct" else 1)

    @property
    def outputs(self) -> int:
        """Logits a voxel: background and classes; for instances see `nuclei`."""
        return len(self.classes) + (3 if self.task == "instances" else 1)

    @cached_property
    def values(self) -> Mapping[str, int]:
        """Label value by class."""
        return {name: value for value, name in enumerate(self.classes, start=1)}

    def class_of(self, structure: str) -> str | None:
        """The class that a structure of this name belongs to; the first that matches."""
        for name, pattern in self._patterns.items():
            if pattern.fullmatch(structure):
                return name
        return None

    def target(self, labels: LabelMap) -> NDArray[np.uint8]:
        """(z, y, x) class of every voxel; what no class names is background."""
        table = np.zeros(max(labels.names.values(), default=0) + 1, np.uint8)
        for structure, value in labels.names.items():
            name = self.class_of(structure)
            if name is not None:
                table[value] = self.values[name]
            elif self.task == "instances":
                table[value] = CLASS_UNKNOWN
        return np.asarray(table[labels.voxels], np.uint8)

    def as_dict(self) -> dict[str, Any]:
        """Everything that tells this network from others, ready for JSON."""
        record = asdict(self)
        del record["_patterns"]
        return dict(json.loads(json.dumps(record)))

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Network:
        """The network of a record made by `as_dict`.

        Raises:
            PerceptionError: a field is missing, unknown or no pattern.
        """
        try:
            values: dict[str, Any] = {
                key: tuple(value) if isinstance(value, list) else value
                for key, value in record.items()
            }
            return cls(**values)
        except (AttributeError, TypeError, re.error) as error:
            raise PerceptionError(
                f"this is no description of a network ({error}); train the network again"
            ) from error

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of the record; the order of classes and channels counts."""
        return hashlib.sha256(json.dumps(self.as_dict()).encode()).hexdigest()
