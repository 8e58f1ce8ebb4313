"""Planning a straight needle path by casting rays through a patient's distance fields."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from halsted.envs.surgery.biopsy_task import BiopsyLimits
from halsted.robot.anatomy import BODY, BONE, LUNG, RISK, VESSEL, Anatomy
from halsted.robot.arm import Arm
from halsted.robot.guidance import MAX_TILT_RAD, NeedleGuide, direction_of_tilt
from halsted.robot.registration import transform_points
from halsted.robot.specification import NEEDLE_COMMAND

_STEP_M = 0.002
_LONGEST_M = 0.26
_HUB_ROOM_M = 0.02  # of the needle stays outside the skin
_HOVER_M = 0.015
_VESSEL_ROOM_M = 0.005
_BONE_ROOM_M = 0.004
_RISK_ROOM_M = 0.004  # beyond the margin that counts as harm
_LUNG_ROOM_M = 0.004  # where no puncture is allowed
_TILTS = 1500
_ALIGNED_M = 0.0003
_ALIGNED_RAD = 0.002
_SKIN_ROOM_M = 0.012
_REHEARSED_STEPS = 75
_MOST_REHEARSALS = 100


@dataclass(frozen=True, eq=False)
class NeedlePath:
    """A straight way to the target.

    Attributes:
        target: (3,) world m.
        entry: (3,) world m, where it crosses the skin.
        tilt: (2,) rad, of the needle along it.
        price: What it was chosen by; 2 or more where it does harm.
    """

    target: NDArray[np.float64]
    entry: NDArray[np.float64]
    tilt: NDArray[np.float64]
    price: float

    @property
    def direction(self) -> NDArray[np.float64]:
        """(3,) unit vector from entry to target."""
        return direction_of_tilt(self.tilt)

    @property
    def hover(self) -> NDArray[np.float64]:
        """(3,) world m, a little outside the skin on the way."""
        return self.entry - _HOVER_M * self.direction


def plan_path(
    anatomy: Anatomy,
    registration: NDArray[np.float64],
    limits: BiopsyLimits,
    arm: Arm,
    start: NDArray[np.float64],
) -> NeedlePath | None:
    """The cheapest path to the target that the arm can follow; None if there is none.

    Rays leave the target in all directions that the needle may come from. A path that pierces a
    vessel or bone, an organ at risk or more pleura than allowed costs by the length of the harm,
    one that passes close by costs by the want of room, and length costs a little.

    Args:
        anatomy: The patient's fields.
        registration: 4x4, LPS mm to world m.
        limits: What counts as harm.
        arm: Which must be able to follow the path.
        start: (3,) world m, where the tip starts, the needle pointing down.
    """
    target = transform_points(registration, anatomy.target_in_patient)
    tilts = _spread_tilts(_TILTS)
    directions = np.array([direction_of_tilt(tilt) for tilt in tilts])
    along = np.arange(0.0, _LONGEST_M, _STEP_M)
    rays = target - along[None, :, None] * directions[:, None, :]
    distances = anatomy.distances_m(rays.reshape(-1, 3), registration)
    prices, lengths = _price(distances.reshape(*rays.shape[:2], -1), tilts, limits, arm)
    for number in np.argsort(prices, kind="stable")[:_MOST_REHEARSALS]:
        if not np.isfinite(prices[number]):
            return None
        direction = directions[number]
        path = NeedlePath(
            target, target - lengths[number] * direction, tilts[number], float(prices[number])
        )
        if _can_approach(path, anatomy, registration, arm, start):
            return path
    return None


def approach(
    path: NeedlePath,
    tip: NDArray[np.float64],
    tilt: NDArray[np.float64],
    skin_distance: float,
) -> NDArray[np.float64]:
    """The command (5,), SI units, that brings a needle over the skin onto a path, and then in.

    Args:
        path: The path.
        tip: (3,) commanded tip, world m.
        tilt: (2,) commanded tilt, rad.
        skin_distance: Of the tip, m.
    """
    turn = path.tilt - tilt
    from_hover = tip - path.hover
    off_line = from_hover - (from_hover @ path.direction) * path.direction
    advance = float(NEEDLE_COMMAND.scales[4])
    if np.linalg.norm(off_line) < _ALIGNED_M and np.linalg.norm(turn) < _ALIGNED_RAD:
        return np.array([0.0, 0.0, 0.0, 0.0, advance])
    # Lateral steps keep the height, so the line is met where it passes this height.
    on_line = path.hover + path.direction * (from_hover[2] / path.direction[2])
    lateral = (on_line - tip)[:2]
    retreat = 0.0
    if skin_distance < _SKIN_ROOM_M:
        retreat = -advance
        lateral = lateral - retreat * direction_of_tilt(tilt)[:2]
    return np.array([*lateral, *turn, retreat])


def _can_approach(
    path: NeedlePath,
    anatomy: Anatomy,
    registration: NDArray[np.float64],
    arm: Arm,
    start: NDArray[np.float64],
) -> bool:
    """Whether the arm gets from the start onto the path and to the target without being stopped.

    The way is rehearsed step by step with the guide that will carry it out.
    """
    guide = NeedleGuide(arm)
    if not guide.place(start, np.zeros(2)):
        return False
    for _ in range(_REHEARSED_STEPS):
        distance = anatomy.distances_m(guide.tip[None], registration)[0, BODY]
        if (guide.tip - path.target) @ path.direction > 0.0:
            return True
        command = approach(path, guide.tip, guide.tilt, float(distance))
        command = np.clip(command, -NEEDLE_COMMAND.scales, NEEDLE_COMMAND.scales)
        if not guide.move(command, is_inserted=bool(distance < 0.0)):
            return False
    return False


def _spread_tilts(count: int) -> NDArray[np.float64]:
    """Tilts (count, 2), rad, evenly over the cap of directions that the needle may take."""
    number = np.arange(count) + 0.5
    angle = np.arccos(1.0 - number / count * (1.0 - np.cos(0.97 * MAX_TILT_RAD)))
    turn = number * np.pi * (3.0 - np.sqrt(5.0))
    return np.column_stack([angle * np.cos(turn), angle * np.sin(turn)])


def _price(
    distances: NDArray[np.float64], tilts: NDArray[np.float64], limits: BiopsyLimits, arm: Arm
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Price (ray,) and length (ray,), m, for distances (ray, sample, field) from the target."""
    inside = distances[:, :, BODY] < 0.0
    count = inside.shape[1]
    last = count - 1 - np.argmax(inside[:, ::-1], axis=1)
    lengths = (last + 1) * _STEP_M
    within = np.arange(count)[None, :] <= last[:, None]

    def closest(field: int) -> NDArray[np.float64]:
        return np.asarray(np.where(within, distances[:, :, field], np.inf).min(axis=1))

    def pierced(field: int, margin: float = 0.0) -> NDArray[np.float64]:
        return np.asarray((within & (distances[:, :, field] < margin)).sum(axis=1) * _STEP_M)

    margin = limits.risk_margin_mm * 1e-3
    lung = within & (distances[:, :, LUNG] < 0.0)
    # From the skin inwards a puncture is a step into the lung; samples run the other way.
    punctures = (lung[:, :-1] & ~lung[:, 1:]).sum(axis=1) + lung[:, -1]
    excess = np.maximum(punctures - limits.pleura_allowed, 0)
    harm = (
        10.0 * (pierced(VESSEL) > 0)
        + 10.0 * (pierced(BONE) > 0)
        + 2.0 * excess
        + 2.0 * (pierced(RISK, margin) > 0)
        + 100.0 * (pierced(VESSEL) + pierced(BONE))
        + 20.0 * pierced(RISK, margin)
    )
    want = (
        np.clip(1.0 - closest(VESSEL) / _VESSEL_ROOM_M, 0.0, 1.0)
        + np.clip(1.0 - closest(BONE) / _BONE_ROOM_M, 0.0, 1.0)
        + np.clip(1.0 - (closest(RISK) - margin) / _RISK_ROOM_M, 0.0, 1.0)
    )
    if limits.pleura_allowed == 0:
        want += np.clip(1.0 - closest(LUNG) / _LUNG_ROOM_M, 0.0, 1.0)
    angle = np.hypot(tilts[:, 0], tilts[:, 1])
    prices = harm + 0.25 * want + 0.5 * lengths + 0.1 * angle
    too_long = lengths > arm.description.needle_length_m - _HUB_ROOM_M
    return np.where(too_long | inside[:, -1], np.inf, prices), lengths
