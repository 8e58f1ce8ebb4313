"""A suturing needle: its shape and forces, and where it is in a soft body."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from halsted.robot.tissue.errors import TissueError
from halsted.robot.tissue.needle_drive import (
    COUNT,
    ENTRIES,
    EXITS,
    LOST,
    PASSED,
    PRESSING,
    TIP_TET,
    Needle,
)

_MOST_POINTS = 64


@dataclass(frozen=True)
class CurvedNeedle:
    """A circular needle and its force law, SI units.

    Its frame has the centre of the arc as origin and z as the arc's axis; the tip is at
    (radius, 0, 0), pointing along +y, and the rest of the needle lies behind it, at negative
    angles. Turning about +z by pose drives it forwards along its own arc.

    The forces were chosen by us to suit the default `Material` (the surface gives way before it
    tears); they are not calibrated, and no clinical meaning should be read into them. Stiffer
    tissue bears, and needs, larger ones.

    Attributes:
        radius_m: Radius of the arc.
        angle_rad: Angle from rear end to tip; pi is a half-circle needle.
        puncture_n: Force at which the surface gives way.
        cutting_n: Force at the tip while it goes forward inside.
        friction_n_per_m: Friction along what is inserted.
        slip_speed_m_s: Speed at which the cutting force is at 76 % of its full value.
        spacing_m: Distance between the material points that are threaded onto the arc.
    """

    radius_m: float = 0.01
    angle_rad: float = math.pi
    puncture_n: float = 0.05
    cutting_n: float = 0.02
    friction_n_per_m: float = 2.0
    slip_speed_m_s: float = 0.002
    spacing_m: float = 0.002

    def __post_init__(self) -> None:
        for name in ("radius_m", "angle_rad", "slip_speed_m_s", "spacing_m"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise TissueError(f"{name} of the needle is {getattr(self, name)}; give it above 0")
        for name in ("puncture_n", "cutting_n", "friction_n_per_m"):
            if not 0.0 <= getattr(self, name) < math.inf:
                raise TissueError(
                    f"{name} of the needle is {getattr(self, name)}; give a finite number of at "
                    "least 0"
                )
        if self.angle_rad * self.radius_m / self.spacing_m > _MOST_POINTS - 2:
            raise TissueError(
                f"a needle {self.angle_rad * self.radius_m:g} m long with points every "
                f"{self.spacing_m:g} m has more than {_MOST_POINTS - 2} of them; space them wider"
            )


@dataclass(frozen=True)
class NeedleState:
    """What a needle is doing in a soft body after a step.

    Attributes:
        force: (3,) mean force on the needle over the step, world, N.
        torque: (3,) the same moment about the centre of the arc, world, N m.
        depth_m: Arc length inserted: from the tip, or from where it came out, to the entry.
        is_pressing: Whether the tip presses on a surface that has not given way yet.
        is_tip_inside: Whether the tip is in tissue.
        entries: Number of times the tip has punctured the surface.
        exits: Number of times it has come out of tissue while going forward.
        passed: Number of threaded points that the rear end has passed.
        lost: Number of threaded points whose tissue was torn or cut.
        points: (m, 3) threaded points, world, m, in the order in which they were threaded.
        laid_points: (m, 3) where the tissue was laid down with them, world, m.
    """

    force: NDArray[np.float64]
    torque: NDArray[np.float64]
    depth_m: float
    is_pressing: bool
    is_tip_inside: bool
    entries: int
    exits: int
    passed: int
    lost: int
    points: NDArray[np.float64]
    laid_points: NDArray[np.float64]


def needle_arrays(needle: CurvedNeedle | None) -> Needle:
    """The arrays of a needle that is outside tissue; of none where it is None."""
    shape = needle or CurvedNeedle()
    whole = np.zeros(8, np.int32)
    whole[1], whole[7] = -1, needle is not None
    return Needle(
        centres=np.zeros((2, 3)),
        rotation=np.eye(3),
        turn=np.zeros(3),
        scalars=np.array(
            [
                shape.radius_m,
                shape.radius_m * shape.angle_rad,
                shape.puncture_n,
                shape.cutting_n,
                shape.friction_n_per_m,
                shape.slip_speed_m_s,
                shape.spacing_m,
                0.0,
            ]
        ),
        whole=whole,
        tets=np.zeros(_MOST_POINTS, np.int32),
        weights=np.zeros((_MOST_POINTS, 4)),
        places=np.zeros(_MOST_POINTS),
        impulses=np.zeros(6),
    )


def needle_state(
    needle: Needle,
    wrench: NDArray[np.float64],
    corners: NDArray[np.float64],
    laid_corners: NDArray[np.float64],
) -> NeedleState:
    """Read a needle's arrays.

    Args:
        needle: Its arrays.
        wrench: (6,) mean force and torque on it.
        corners: (m, 4, 3) corners of the tetrahedra of its threaded points, world, m.
        laid_corners: (m, 4, 3) the same as they were laid down.
    """
    whole, count = needle.whole, int(needle.whole[COUNT])
    is_pressing = bool(whole[PRESSING])
    pierced = needle.places[: count - is_pressing]
    is_inside = bool(whole[TIP_TET] >= 0)
    shallow = 0.0 if is_inside or not len(pierced) else float(max(pierced.min(), 0.0))
    return NeedleState(
        force=wrench[:3].copy(),
        torque=wrench[3:].copy(),
        depth_m=float(pierced.max()) - shallow if len(pierced) else 0.0,
        is_pressing=is_pressing,
        is_tip_inside=is_inside,
        entries=int(whole[ENTRIES]),
        exits=int(whole[EXITS]),
        passed=int(whole[PASSED]),
        lost=int(whole[LOST]),
        points=np.einsum("mc,mci->mi", needle.weights[:count], corners),
        laid_points=np.einsum("mc,mci->mi", needle.weights[:count], laid_corners),
    )


def rotation_vector(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rotation vector (3,), rad, that turns one 3x3 rotation into another."""
    turn = second @ first.T
    axis = np.array([turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]])
    sine = 0.5 * math.sqrt(float(axis @ axis))
    if sine < 1e-12:
        return 0.5 * axis
    return axis * (math.atan2(sine, 0.5 * (turn.trace() - 1.0)) / (2.0 * sine))
