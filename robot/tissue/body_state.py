"""What a soft body is made of and what can be read from it; `body.SoftBody` handles it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from halsted.robot.tissue.building import (
    checked_nodes,
    constants,
    finite,
    rest_elements,
    rest_nodes,
    sub_step,
)
from halsted.robot.tissue.curved_needle import CurvedNeedle, needle_arrays
from halsted.robot.tissue.elasticity import corner_weights, element_table, measure
from halsted.robot.tissue.exchange import Grip, Snapshot
from halsted.robot.tissue.material import Material
from halsted.robot.tissue.mesh import TetMesh
from halsted.robot.tissue.state import INTACT, find_surface

_GRAVITY = (0.0, 0.0, -9.81)


class BodyState:
    """The state of a soft body: set up, saved, restored, reset and measured.

    Attributes:
        mesh: The mesh as built.
        material: What it is made of.
        period_s: Length of a sub-step, s.
        node_masses: (n,) kg.
    """

    def __init__(
        self,
        mesh: TetMesh,
        material: Material,
        fixed_nodes: ArrayLike = (),
        *,
        substeps_per_s: float | None = None,
        gravity: Sequence[float] = _GRAVITY,
        floor_z: float = -math.inf,
        floor_friction: float = 0.5,
        needle: CurvedNeedle | None = None,
    ) -> None:
        """Lay the body down at rest.

        Args:
            mesh: The mesh at rest, world, m.
            material: What it is made of.
            fixed_nodes: Numbers of the nodes that never move.
            substeps_per_s: Sub-steps per second; by default the fewest that are stable with a
                quarter in hand and a multiple of 240.
            gravity: (3,) m/s^2.
            floor_z: Height of a level floor, world, m.
            floor_friction: Coulomb's coefficient on the floor.
            needle: A suturing needle that will meet the body; place it with `place_needle`.

        Raises:
            TissueError: too few sub-steps for stability, a fixed node that does not exist, or a
                number that cannot be.
        """
        self.mesh, self.material = mesh, material
        self.period_s = sub_step(mesh, material, substeps_per_s)
        fixed = checked_nodes(mesh, fixed_nodes)
        self.node_masses = mesh.node_masses(material.density)
        self._nodes = rest_nodes(mesh, self.node_masses, fixed)
        self._weights = corner_weights(mesh, self._nodes.inverse_masses)
        self._elements = rest_elements(mesh, material, self._weights, self.period_s)
        self._laid = mesh.nodes.copy()
        self._needle = needle_arrays(needle)
        self._needle_wrench = np.zeros(6)
        self._needle_rotation = np.eye(3)
        self._constants = constants(material, self.period_s, gravity, floor_z, floor_friction)
        self._stretches, self._volumes, self._cut_areas = np.empty((3, len(mesh.tets)))
        self._near = np.empty(len(mesh.face_nodes), np.int32)
        self._grips: dict[int, Grip] = {}
        self._next_grip = 0
        find_surface(self._elements)
        self._rest = self.save()

    # -- Time ------------------------------------------------------------------------------

    def reset(
        self, placement: NDArray[np.float64] | None = None, young_pa: float | None = None
    ) -> None:
        """Lay the body down again: nothing gripped, torn, cut or pierced.

        Args:
            placement: 4x4 that lays the mesh, fixed nodes and all, elsewhere, world, m. It may
                stretch it, which the tissue then feels. None for where it was built.
            young_pa: Young's modulus from now on; None for what it is.

        Raises:
            TissueError: a placement is not finite, or tissue this stiff needs more sub-steps.
        """
        material = self.material
        if young_pa is not None and young_pa != material.young_pa:
            material = replace(material, young_pa=young_pa)
            sub_step(self.mesh, material, 1.0 / self.period_s)
        self.restore(replace(self._rest, material=material))
        if placement is not None:
            placement = finite("a placement", placement, (4, 4))
            self._laid[...] = self.mesh.nodes @ placement[:3, :3].T + placement[:3, 3]
            self._nodes.positions[...] = self._laid

    def save(self) -> Snapshot:
        """A copy of all that changes."""
        arrays = tuple(array.copy() for array in self._changing())
        return Snapshot(arrays, tuple(self._grips.items()), self._next_grip, self.material)

    def restore(self, snapshot: Snapshot) -> None:
        """Return to a saved state, exactly."""
        if snapshot.material != self.material:
            self.material = snapshot.material
            self._elements.table[...] = element_table(
                self._weights, snapshot.material, self.period_s
            )
        for array, saved in zip(self._changing(), snapshot.arrays, strict=True):
            array[...] = saved
        self._grips = dict(snapshot.grips)
        self._next_grip = snapshot.next_grip

    # -- Measures --------------------------------------------------------------------------

    @property
    def positions(self) -> NDArray[np.float64]:
        """(n, 3) nodes, world, m; a view that is read-only."""
        return _read_only(self._nodes.positions)

    @property
    def laid_positions(self) -> NDArray[np.float64]:
        """(n, 3) where `reset` laid the nodes, world, m; a view that is read-only."""
        return _read_only(self._laid)

    @property
    def velocities(self) -> NDArray[np.float64]:
        """(n, 3) of the nodes, m/s; a view that is read-only."""
        return _read_only(self._nodes.velocities)

    @property
    def fate(self) -> NDArray[np.int8]:
        """(t,) 0 where a tetrahedron is intact, 1 where torn, 2 where cut; read-only."""
        view = self._elements.fate.view()
        view.flags.writeable = False
        return view

    @property
    def surface(self) -> NDArray[np.int32]:
        """(s, 3) nodes of the surface triangles now, wound outwards."""
        elements = self._elements
        faces = elements.surface[: elements.surface_count[0]]
        triangles: NDArray[np.int32] = elements.face_nodes[faces]
        from_behind = elements.fate[elements.face_tets[faces, 0]] != INTACT
        triangles[from_behind] = triangles[from_behind][:, ::-1]
        return triangles

    @property
    def stretches(self) -> NDArray[np.float64]:
        """(t,) largest principal stretch of each tetrahedron; 1 where it is gone."""
        self._measure()
        return self._stretches.copy()

    @property
    def largest_stretch(self) -> float:
        """The largest of `stretches`."""
        self._measure()
        return float(self._stretches.max())

    @property
    def volume_ratio(self) -> float:
        """Volume of the intact tetrahedra over their volume at rest; 1 where none is left."""
        self._measure()
        intact = self._elements.fate == INTACT
        rest = self.mesh.volumes[intact].sum()
        return float((self._volumes * self.mesh.volumes)[intact].sum() / rest) if rest else 1.0

    @property
    def least_volume_ratio(self) -> float:
        """Least volume of a tetrahedron over that at rest; negative where one is inside out."""
        self._measure()
        return float(self._volumes.min())

    @property
    def elastic_energy(self) -> float:
        """Energy stored in the intact tetrahedra, J."""
        return self._measure() / self.period_s**2

    @property
    def momentum(self) -> NDArray[np.float64]:
        """(3,) of the nodes at which tissue is left, kg m/s."""
        total: NDArray[np.float64] = (
            self.node_masses * (self._nodes.tets_left > 0)
        ) @ self._nodes.velocities
        return total

    def is_within(self, limit_m: float) -> bool:
        """Whether every coordinate is finite and below a limit: a watchdog for runaway nodes.

        It looks at loose pieces too, which fall for ever without a floor.
        """
        return bool(np.abs(self._nodes.positions).max() < limit_m)

    def _measure(self) -> float:
        energy: float = measure(
            self._nodes.positions,
            self._elements.tets,
            self._elements.table,
            self._elements.fate,
            self._constants.gamma,
            self._stretches,
            self._volumes,
        )
        return energy

    def _changing(self) -> tuple[NDArray[np.float64] | NDArray[np.int8] | NDArray[np.int32], ...]:
        nodes, elements, needle = self._nodes, self._elements, self._needle
        return (
            self._laid,
            nodes.positions,
            nodes.velocities,
            nodes.pushed,
            nodes.hold,
            nodes.tets_left,
            elements.stress,
            elements.fate,
            elements.surface,
            elements.surface_count,
            needle.centres,
            needle.rotation,
            needle.turn,
            needle.scalars,
            needle.whole,
            needle.tets,
            needle.weights,
            needle.places,
            self._needle_rotation,
            self._needle_wrench,
        )


def _read_only(array: NDArray[np.float64]) -> NDArray[np.float64]:
    view = array.view()
    view.flags.writeable = False
    return view
