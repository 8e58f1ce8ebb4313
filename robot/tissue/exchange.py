"""What goes into a soft body's step and what comes out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from halsted.robot.tissue.material import Material


@dataclass(frozen=True, eq=False)
class Capsules:
    """Rigid tools during one step: swept from `starts` to `ends`.

    Attributes:
        starts: (k, 2, 3) ends of each axis at the start of the step, world, m.
        ends: (k, 2, 3) the same at its end.
        radii: (k,) m.
        friction: Coulomb's coefficient on tissue.
    """

    starts: NDArray[np.float64]
    ends: NDArray[np.float64]
    radii: NDArray[np.float64]
    friction: float = 0.3


@dataclass(frozen=True, eq=False)
class StepResult:
    """What a step did to the tools; forces are means over the step, world frame.

    Attributes:
        tool_forces: (k, 3) on each capsule, N.
        tool_torques: (k, 3) on each about the first end of its axis after the step, N m.
        grip_forces: (g, 3) on the tool of each grip, in the order of `SoftBody.grips`, N.
        grip_torques: (g, 3) about the origin of each grip's pose, N m.
        slipped: Grips that were released because their force was over their limit; a grip all of
            whose tissue is torn off is released too, but is not among them.
        torn: Number of tetrahedra torn.
    """

    tool_forces: NDArray[np.float64]
    tool_torques: NDArray[np.float64]
    grip_forces: NDArray[np.float64]
    grip_torques: NDArray[np.float64]
    slipped: tuple[int, ...]
    torn: int


@dataclass(frozen=True, eq=False)
class Cut:
    """What a blade cut.

    Attributes:
        elements: (c,) numbers of the tetrahedra cut.
        area_m2: Area swept within tissue.
        centre: (3,) centre of that area, world, m; NaN where nothing was cut.
    """

    elements: NDArray[np.int64]
    area_m2: float
    centre: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Grip:
    """Nodes that a tool holds.

    Attributes:
        nodes: (h,) their numbers.
        local: (h, 3) their positions in the tool's frame, m.
        pose: 4x4 of the tool now, world, m.
        next_pose: 4x4 at the end of the next step.
        most_force: Force above which the grip slips off, N.
    """

    nodes: NDArray[np.int64]
    local: NDArray[np.float64]
    pose: NDArray[np.float64]
    next_pose: NDArray[np.float64]
    most_force: float

    def places(self, pose: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where a pose has the nodes, (h, 3), world, m."""
        return self.local @ pose[:3, :3].T + pose[:3, 3]


@dataclass(frozen=True, eq=False)
class Snapshot:
    """All that changes in a soft body: what `save` gives and `restore` takes."""

    arrays: tuple[NDArray[np.float64] | NDArray[np.int8] | NDArray[np.int32], ...]
    grips: tuple[tuple[int, Grip], ...]
    next_grip: int
    material: Material
