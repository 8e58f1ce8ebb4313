"""A soft body's arrays as built, and checks of what callers hand in."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from halsted.robot.tissue.contact import Tools
from halsted.robot.tissue.elasticity import CornerWeights, element_table, longest_period
from halsted.robot.tissue.errors import TissueError
from halsted.robot.tissue.exchange import Capsules
from halsted.robot.tissue.gripping import Grips
from halsted.robot.tissue.material import Material
from halsted.robot.tissue.mesh import TetMesh
from halsted.robot.tissue.state import FIXED, Elements, Nodes
from halsted.robot.tissue.stepping import Constants

_RATE_GRAIN_HZ = 240.0  # PyBullet's step: automatic sub-steps come in whole numbers to it


def finite(what: str, given: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """A copy of an array that must have a shape and finite numbers."""
    array = np.array(given, dtype=np.float64)
    if array.shape != shape or not np.isfinite(array).all():
        raise TissueError(f"{what} must be {shape} finite numbers, but it is {array.tolist()}")
    return array


def not_negative(what: str, given: float) -> float:
    """A number that must be finite and at least 0."""
    if not 0.0 <= given < math.inf:
        raise TissueError(f"{what} is {given}; give a finite number, 0 or more")
    return given


def whole_sub_steps(duration_s: float, period_s: float) -> int:
    """How many sub-steps a duration is."""
    count = round(duration_s / period_s) if 0.0 < duration_s < math.inf else 0
    if count < 1 or abs(count * period_s - duration_s) > 1e-6 * duration_s:
        raise TissueError(
            f"a step of {duration_s} s is no whole number of sub-steps of {period_s} s; "
            f"choose substeps_per_s accordingly"
        )
    return count


def constants(
    material: Material,
    period_s: float,
    gravity: Sequence[float],
    floor_z: float,
    floor_friction: float,
) -> Constants:
    """What stays the same over all steps."""
    if not floor_z < math.inf:
        raise TissueError(
            f"floor_z is {floor_z}; give a height in metres, or minus infinity for no floor"
        )
    return Constants(
        period_s,
        finite("gravity", gravity, (3,)),
        1.0 + material.mu / material.bulk,
        math.exp(-material.damping * period_s),
        material.tear_stretch,
        floor_z,
        not_negative("floor_friction", floor_friction),
    )


def sub_step(mesh: TetMesh, material: Material, substeps_per_s: float | None) -> float:
    """Length of a sub-step, s: the one asked for, or one that is stable with a quarter in hand."""
    longest = longest_period(mesh, material)
    if substeps_per_s is None:
        return 1.0 / (_RATE_GRAIN_HZ * math.ceil(1.25 / (longest * _RATE_GRAIN_HZ)))
    if not (math.isfinite(substeps_per_s) and substeps_per_s * longest >= 1.0):
        raise TissueError(
            f"{substeps_per_s} sub-steps per second are too few for elements this small and "
            f"stiff; give at least {math.ceil(1.0 / longest)}, a coarser mesh or softer tissue"
        )
    return 1.0 / substeps_per_s


def checked_nodes(mesh: TetMesh, fixed_nodes: ArrayLike) -> NDArray[np.int64]:
    """Numbers of nodes, all of which exist."""
    fixed = np.array(fixed_nodes, dtype=np.int64).ravel()
    wrong = fixed[(fixed < 0) | (fixed >= len(mesh.nodes))]
    if len(wrong):
        raise TissueError(
            f"node {wrong[0]} is to be fixed, but the mesh has nodes 0 to {len(mesh.nodes) - 1}"
        )
    return fixed


def rest_nodes(mesh: TetMesh, masses: NDArray[np.float64], fixed: NDArray[np.int64]) -> Nodes:
    """Nodes at rest."""
    inverse_masses = 1.0 / masses
    inverse_masses[fixed] = 0.0
    hold = np.zeros(len(masses), np.int8)
    hold[fixed] = FIXED
    left = np.bincount(mesh.tets.ravel(), minlength=len(masses)).astype(np.int32)
    zeros = np.zeros((3, len(masses), 3))
    return Nodes(mesh.nodes.copy(), zeros[0], zeros[1], zeros[2], inverse_masses, hold, left)


def rest_elements(
    mesh: TetMesh, material: Material, weights: CornerWeights, period_s: float
) -> Elements:
    """Elements at rest, their surface not yet listed."""
    return Elements(
        mesh.tets,
        element_table(weights, material, period_s),
        np.zeros((len(mesh.tets), 9)),
        np.zeros(len(mesh.tets), np.int8),
        mesh.tet_faces,
        mesh.face_nodes,
        mesh.face_tets,
        np.zeros(len(mesh.face_nodes), np.int32),
        np.zeros(1, np.int32),
    )


def tool_arrays(capsules: Capsules | None) -> Tools:
    """Capsules as the compiled steps take them."""
    if capsules is None:
        return NO_TOOLS
    count = len(capsules.radii)
    radii = finite("radii of tools", capsules.radii, (count,))
    if count and radii.min() <= 0.0:
        raise TissueError(f"the radius of a tool is {radii.min()} m; give one above 0")
    return Tools(
        finite("tools at the start of a step", capsules.starts, (count, 2, 3)),
        finite("tools at the end of a step", capsules.ends, (count, 2, 3)),
        radii,
        np.full(count, not_negative("friction of tools", capsules.friction)),
        np.zeros((count, 6)),
    )


NO_TOOLS = Tools(
    np.zeros((0, 2, 3)), np.zeros((0, 2, 3)), np.zeros(0), np.zeros(0), np.zeros((0, 6))
)
NO_GRIPS = Grips(
    np.zeros(0, np.int32),
    np.zeros(0, np.int32),
    np.zeros((0, 3)),
    np.zeros((0, 3)),
    np.zeros((0, 3)),
    np.zeros((0, 6)),
)
