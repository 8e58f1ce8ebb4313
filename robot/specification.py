"""What a surgical policy observes and commands, told once for simulation and bridge alike."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Entry:
    """A group of numbers in an observation or action vector.

    A number in a vector is the quantity divided by `scale`, clipped to [-limit, limit].

    Attributes:
        name: What it is; the frame is in the name.
        size: How many numbers.
        unit: SI unit of the quantity.
        scale: Quantity, in that unit, that becomes 1.
        source: Where a simulator or a real arm takes it from.
        limit: Bound of the number in the vector.
    """

    name: str
    size: int
    unit: str
    scale: float
    source: str
    limit: float = 1.0


@dataclass(frozen=True)
class Specification:
    """The entries of one vector, in their order."""

    entries: tuple[Entry, ...]

    @property
    def size(self) -> int:
        """Length of the vector."""
        return sum(entry.size for entry in self.entries)

    @property
    def scales(self) -> NDArray[np.float64]:
        """(size,) what each number is divided by."""
        return self._spread(entry.scale for entry in self.entries)

    @property
    def limits(self) -> NDArray[np.float32]:
        """(size,) bound of each number."""
        return self._spread(entry.limit for entry in self.entries).astype(np.float32)

    def slice_of(self, name: str) -> slice:
        """Where the entry of this name lies in the vector."""
        start = 0
        for entry in self.entries:
            if entry.name == name:
                return slice(start, start + entry.size)
            start += entry.size
        raise KeyError(name)

    def _spread(self, values: Iterable[float]) -> NDArray[np.float64]:
        return np.repeat(list(values), [entry.size for entry in self.entries]).astype(np.float64)

    def as_markdown(self) -> str:
        """A table of the entries, for documentation."""
        lines = [
            "| numbers | entry | unit | 1 means | bound | source |",
            "|---|---|---|---|---|---|",
        ]
        start = 0
        for e in self.entries:
            span = f"{start}" if e.size == 1 else f"{start} to {start + e.size - 1}"
            lines.append(
                f"| {span} | `{e.name}` | {e.unit} | {e.scale:g} {e.unit} | ±{e.limit:g} "
                f"| {e.source} |"
            )
            start += e.size
        return "\n".join(lines)


LOOKAHEAD_M = (0.02, 0.04, 0.06, 0.08, 0.10, 0.12, 0.14)
"""Distances ahead of the tip, m, at which clearances are probed."""
LOOKAHEAD_BINS = ((0, 2), (2, 4), (4, 7))
"""Which probes are joined (their least clearance) into near, middle and far."""
HAZARDS = ("vessel", "bone", "lung", "risk")

NEEDLE_COMMAND = Specification(
    (
        Entry("lateral_in_workspace", 2, "m", 0.004, "Cartesian step of the tip, x and y"),
        Entry("tilt_in_workspace", 2, "rad", np.deg2rad(1.5).item(), "turn about the tip"),
        Entry("advance_along_needle", 1, "m", 0.005, "Cartesian step along the needle"),
    )
)
"""What a needle policy commands each control step. Lateral motion and tilt act outside the skin
only; inside, the needle is straight and only advances or retracts."""

_STATE = (
    Entry("tip_in_workspace", 3, "m", 0.15, "forward kinematics less the isocentre", 2.0),
    Entry("tilt_in_workspace", 2, "rad", np.deg2rad(60.0).item(), "forward kinematics", 1.5),
    Entry("skin_distance_at_tip", 1, "m", 0.05, "patient registration, distance field", 2.0),
    Entry("is_inserted", 1, "1", 1.0, "contact state"),
    Entry("force_along_needle", 1, "N", 10.0, "force sensor, or joint torques", 2.0),
    Entry("clearance_at_tip", 4, "m", 0.03, f"distance fields of {', '.join(HAZARDS)}"),
    Entry("clearance_ahead", 12, "m", 0.03, "least over near, middle and far probes; by hazard"),
    Entry("breathing_shift", 1, "m", 0.02, "breathing surrogate, along the body"),
    Entry("time_left", 1, "1", 1.0, "share of the horizon"),
)
_TARGET = (
    Entry("target_from_tip_in_workspace", 3, "m", 0.15, "perceived target less the tip", 2.0),
    Entry("target_in_needle", 3, "m", 0.05, "the same along needle normals and needle", 4.0),
)

NEEDLE_STATE = Specification(_STATE)
"""What a needle policy observes beside its goal."""
NEEDLE_STATE_AND_TARGET = Specification(_STATE + _TARGET)
"""What a needle policy observes where the target is part of the vector."""
GOAL_SCALE_M = 0.15
"""Metres that are 1 in an achieved or desired goal."""
