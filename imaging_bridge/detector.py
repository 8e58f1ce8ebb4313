"""The joint through which perception of signals is handed to whatever needs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.signals import Annotations, Recording


@dataclass(frozen=True, eq=False)
class Detection:
    """What a detector noted along a recording.

    Attributes:
        notes: One a stretch of time, at its start, such as ``A`` or ``N`` every minute.
        probability: (note,) of the event, in [0, 1].
        provenance: The detector's name and whatever is needed to get the same answer again.
        outlier_p: How often a recording like those that the detector was made for is as strange as
            this one, or None where it cannot tell.
    """

    notes: Annotations
    probability: NDArray[np.float32]
    provenance: Mapping[str, str] = field(default_factory=dict)
    outlier_p: float | None = None


class Detector(Protocol):
    """Anything that finds events in signals.

    Attributes:
        is_oracle: Whether `detect` is to be given the true notes.
    """

    @property
    def is_oracle(self) -> bool:
        """See the class."""
        ...

    def detect(self, recording: Recording, truth: Annotations | None) -> Detection:
        """Note the events; `truth` is None unless the detector is an oracle."""
        ...
