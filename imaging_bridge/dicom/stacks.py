"""Which frames of a series belong together: one direction and matrix, and one phase each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, combinations
from typing import Any

import numpy as np

from halsted.imaging_bridge.dicom.frames import PHASE_TAGS, Frame
from halsted.imaging_bridge.dicom.geometry import (
    SAME_PLACE_MM,
    in_order,
    shown,
)
from halsted.imaging_bridge.errors import GeometryError

_DIRECTION = "ImageOrientationPatient"
_SHARED: tuple[tuple[str, Callable[[Frame], Any]], ...] = (
    ("Rows x Columns", lambda one: (one.rows, one.columns)),
    (_DIRECTION, lambda one: one.orientation),
    ("PixelSpacing", lambda one: one.spacing),
    ("rescale", lambda one: one.rescale),
    ("unit", lambda one: one.unit),
    ("FrameOfReferenceUID", lambda one: one.frame_of_reference),
)


_MOST_STACKS = 50
# Of a diffusion weight with its direction, only what `frames` itself put together.
_NUMBER = re.compile(r"-?\d{1,12}(\.\d{1,9})?( along (-?\d\.\d{3}, ){2}-?\d\.\d{3})?")


def one_stack(
    frames: Sequence[Frame], allowed: Sequence[str] = ()
) -> tuple[list[Frame], list[str]]:
    """The frames of a series that share matrix, direction and frame of reference.

    Scout views (ImageType says LOCALIZER) are left out of a series that holds anything else.

    Returns:
        The frames, and what was left out, a sentence each.

    Raises:
        GeometryError: frames differ, and leaving some out is not allowed.
    """
    notes = []
    kept = [one for one in frames if not one.is_localizer] or list(frames)
    if len(kept) < len(frames):
        notes.append(f"{len(frames) - len(kept)} localizer(s) were left out")
    stacks = _alike(kept)
    if len(stacks) > 1 and "largest-stack" not in allowed:
        raise _differs(stacks)
    if len(stacks) > 1:
        notes.append(
            f"largest-stack: {len(kept) - len(stacks[0])} of {len(kept)} images, which differ in "
            "matrix, direction or frame of reference, were left out"
        )
    return stacks[0], notes


def _alike(frames: Sequence[Frame]) -> list[list[Frame]]:
    """Frames grouped by what the slices of a volume share, the largest group first."""
    groups: list[list[Frame]] = []
    for one in frames:
        group = next((group for group in groups if _difference(group[0], one) is None), None)
        if group is not None:
            group.append(one)
            continue
        groups.append([one])
        if len(groups) > _MOST_STACKS:  # this is no series; do not compare everything with all
            break
    return sorted(groups, key=len, reverse=True)


def _difference(one: Frame, other: Frame) -> tuple[str, Any, Any] | None:
    """The first field in which two frames differ, and both values."""
    for field, value_of in _SHARED:
        a, b = value_of(one), value_of(other)
        # Directions and distances are often written with four digits.
        relative, absolute = (0.0, 1e-3) if field == _DIRECTION else (1e-3, 0.0)
        if a != b and (isinstance(a, str) or not np.allclose(a, b, relative, absolute)):
            return field, a, b
    return None


def _differs(stacks: Sequence[Sequence[Frame]]) -> GeometryError:
    odd = stacks[1][0]
    field, usual, found = _difference(stacks[0][0], odd) or ("header", "", "")
    return GeometryError(
        f"{odd.path} has {field} {shown(found)}, but other slices of its series have "
        f"{shown(usual)}; move files that do not belong to the scan (a localizer, say) to another "
        "folder, or allow repair=largest-stack"
    )


def phases_of(frames: Sequence[Frame]) -> dict[str, list[Frame]]:
    """The frames by phase: time, heart phase, diffusion weight or echo, in rising order.

    A series is split where positions are taken more than once and up to three header elements
    tell the frames at each position apart. Else there is one phase, without a name.
    """
    if not _doubled(frames):
        return {"": list(frames)}
    tags = [tag for tag in PHASE_TAGS if len({one.phase.get(tag) for one in frames}) > 1]
    for keys in chain.from_iterable(combinations(tags, count) for count in (1, 2, 3)):
        parts: dict[tuple[str, ...], list[Frame]] = {}
        for one in frames:
            parts.setdefault(tuple(one.phase.get(key, "") for key in keys), []).append(one)
        if not any(_doubled(part) for part in parts.values()):
            return {
                _name(keys, values, parts): parts[values] for values in sorted(parts, key=_order)
            }
    return {"": list(frames)}


def _name(keys: Sequence[str], values: tuple[str, ...], parts: Iterable[tuple[str, ...]]) -> str:
    """What tells a phase apart: numbers as they are, anything else by its rank."""
    told = []
    for place, (key, value) in enumerate(zip(keys, values, strict=True)):
        if key != "AcquisitionTime" and _NUMBER.fullmatch(value):
            told.append(f"{key}={value}")
        else:  # a clock, or words that may say anything
            ranks = sorted({one[place] for one in parts}, key=lambda one: _order((one,)))
            told.append(f"{key} #{ranks.index(value) + 1}")
    return " ".join(told)


def _order(values: tuple[str, ...]) -> list[tuple[float, str]]:
    return [
        (float(value.split(" ")[0]) if _NUMBER.fullmatch(value) else 0.0, value) for value in values
    ]


def _doubled(frames: Sequence[Frame]) -> bool:
    """Whether two frames lie at one place."""
    ordered, positions = in_order(frames)
    steps = np.linalg.norm(np.diff(positions, axis=0), axis=1)
    return len(ordered) > 1 and bool(steps.min() < SAME_PLACE_MM)
