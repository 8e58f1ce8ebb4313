"""A soft body: what an environment holds, steps, grips, cuts and resets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from halsted.robot.tissue.building import (
    NO_GRIPS,
    checked_nodes,
    finite,
    rest_elements,
    rest_nodes,
    sub_step,
    tool_arrays,
)
from halsted.robot.tissue.curved_needle import (
    CurvedNeedle,
    NeedleState,
    needle_arrays,
    needle_state,
    rotation_vector,
)
from halsted.robot.tissue.elasticity import measure
from halsted.robot.tissue.errors import TissueError
from halsted.robot.tissue.exchange import Capsules, Cut, Grip, Snapshot, StepResult
from halsted.robot.tissue.fracture import sweep_blade
from halsted.robot.tissue.gripping import Grips, between_jaws
from halsted.robot.tissue.material import Material
from halsted.robot.tissue.mesh import TetMesh
from halsted.robot.tissue.needle_drive import COUNT, PRESSING, TIP_TET
from halsted.robot.tissue.state import FREE, HELD, INTACT, find_surface
from halsted.robot.tissue.stepping import Constants, advance

_GRAVITY = (0.0, 0.0, -9.81)


class SoftBody:
    """A block or sheet of soft tissue that rigid tools push, grip, pierce, tear and cut.

    Everything is in the world frame and SI units. There is no self-contact and no contact between
    soft bodies. The same calls give the same numbers, bit for bit, on one machine.

    Attributes:
        mesh: The mesh at rest.
        material: What it is made of.
        period_s: Length of a sub-step, s.
        grips: Handles of the grips that hold, in order.
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
            TissueError: too few sub-steps for stability, or a fixed node that does not exist.
        """
        self.mesh, self.material = mesh, material
        self.period_s = sub_step(mesh, material, substeps_per_s)
        fixed = checked_nodes(mesh, fixed_nodes)
        self.node_masses = mesh.node_masses(material.density)
        self._nodes = rest_nodes(mesh, self.node_masses, fixed)
        self._elements = rest_elements(mesh, material, self._nodes, self.period_s)
        self._needle = needle_arrays(needle)
        self._needle_wrench = np.zeros(6)
        self._needle_rotation = np.eye(3)
        self._constants = Constants(
            self.period_s,
            np.array(gravity, dtype=np.float64),
            1.0 + material.mu / material.bulk,
            math.exp(-material.damping * self.period_s),
            material.tear_stretch,
            floor_z,
            floor_friction,
        )
        self._stretches = np.empty(len(mesh.tets))
        self._volumes = np.empty(len(mesh.tets))
        self._cut_areas = np.empty(len(mesh.tets))
        self._near = np.empty(len(mesh.face_nodes), np.int32)
        self._grips: dict[int, Grip] = {}
        self._next_grip = 0
        find_surface(self._elements)
        self._rest = self.save()

    # -- Time ------------------------------------------------------------------------------

    def reset(self) -> None:
        """Return to rest as built: nothing gripped, torn, cut or pierced."""
        self.restore(self._rest)

    def save(self) -> Snapshot:
        """A copy of all that changes."""
        arrays = tuple(array.copy() for array in self._changing())
        return Snapshot(arrays, tuple(self._grips.items()), self._next_grip)

    def restore(self, snapshot: Snapshot) -> None:
        """Return to a saved state, exactly."""
        for array, saved in zip(self._changing(), snapshot.arrays, strict=True):
            array[...] = saved
        self._grips = dict(snapshot.grips)
        self._next_grip = snapshot.next_grip

    def step(self, duration_s: float, capsules: Capsules | None = None) -> StepResult:
        """Simulate on while tools move along.

        Args:
            duration_s: A whole number of sub-steps, s.
            capsules: Rigid tools that push; None for none.

        Raises:
            TissueError: the duration is no whole number of sub-steps, or a tool's pose is not
                finite.
        """
        substeps = round(duration_s / self.period_s)
        if substeps < 1 or abs(substeps * self.period_s - duration_s) > 1e-6 * duration_s:
            raise TissueError(
                f"a step of {duration_s} s is no whole number of sub-steps of {self.period_s} s; "
                f"choose substeps_per_s accordingly"
            )
        tools, grips = tool_arrays(capsules), self._grip_arrays()
        self._needle.impulses[:] = 0.0
        torn = advance(
            self._nodes,
            self._elements,
            tools,
            grips,
            self._needle,
            self._constants,
            substeps,
            self._near,
        )
        self._needle_wrench = self._needle.impulses / duration_s
        self._settle_poses()
        forces = grips.impulses / duration_s
        slipped = self._let_slip(forces)
        return StepResult(
            tools.impulses[:, :3] / duration_s,
            tools.impulses[:, 3:] / duration_s,
            forces[:, :3],
            forces[:, 3:],
            slipped,
            int(torn),
        )

    # -- Grips -----------------------------------------------------------------------------

    @property
    def grips(self) -> tuple[int, ...]:
        """Handles of the grips that hold, in order."""
        return tuple(self._grips)

    def grip(
        self,
        pose: NDArray[np.float64],
        pads: NDArray[np.float64],
        radius_m: float,
        most_force: float = math.inf,
    ) -> int | None:
        """Close jaws on tissue; see `gripping` for what is held.

        Args:
            pose: 4x4 of the tool, world, m; its nodes move with it from now on.
            pads: (2, 3) where the pads of both jaws are, world, m.
            radius_m: Radius of a pad.
            most_force: Force above which the grip slips off at the end of a step, N.

        Returns:
            A handle, or None where there is no tissue between the pads.
        """
        pose = finite("the pose of a grip", pose, (4, 4))
        pads = finite("the pads of a grip", pads, (2, 3))
        found = between_jaws(self._nodes.positions, self._elements, pads[0], pads[1], radius_m)
        nodes = found[self._nodes.hold[found] == FREE]
        if not len(nodes):
            return None
        local = (self._nodes.positions[nodes] - pose[:3, 3]) @ pose[:3, :3]
        self._nodes.hold[nodes] = HELD
        self._grips[self._next_grip] = Grip(nodes, local, pose, pose, most_force)
        self._next_grip += 1
        return self._next_grip - 1

    def move_grip(self, handle: int, pose: NDArray[np.float64]) -> None:
        """Say where the tool of a grip will be, 4x4 world, m, at the end of the next step."""
        pose = finite("the pose of a grip", pose, (4, 4))
        self._grips[handle] = replace(self._held(handle), next_pose=pose)

    def release(self, handle: int) -> None:
        """Open the jaws of a grip."""
        self._nodes.hold[self._held(handle).nodes] = FREE
        del self._grips[handle]

    def gripped_nodes(self, handle: int) -> NDArray[np.int64]:
        """Numbers (h,) of the nodes that a grip holds."""
        return self._held(handle).nodes

    def _held(self, handle: int) -> Grip:
        if handle not in self._grips:
            raise TissueError(
                f"grip {handle} holds nothing (those that hold: {list(self._grips)}); it was "
                "released or slipped off, so grip again"
            )
        return self._grips[handle]

    def _grip_arrays(self) -> Grips:
        held = list(self._grips.values())
        if not held:
            return NO_GRIPS
        return Grips(
            np.concatenate([grip.nodes for grip in held]).astype(np.int32),
            np.repeat(np.arange(len(held)), [len(grip.nodes) for grip in held]).astype(np.int32),
            np.concatenate([grip.places(grip.pose) for grip in held]),
            np.concatenate([grip.places(grip.next_pose) for grip in held]),
            np.array([grip.next_pose[:3, 3] for grip in held]),
            np.zeros((len(held), 6)),
        )

    def _let_slip(self, forces: NDArray[np.float64]) -> tuple[int, ...]:
        slipped = tuple(
            handle
            for (handle, grip), force in zip(self._grips.items(), forces, strict=True)
            if float(force[:3] @ force[:3]) > grip.most_force**2
        )
        for handle in slipped:
            self.release(handle)
        return slipped

    def _settle_poses(self) -> None:
        for handle, grip in self._grips.items():
            self._grips[handle] = replace(grip, pose=grip.next_pose)
        self._needle.centres[0] = self._needle.centres[1]
        self._needle.rotation[...] = self._needle_rotation
        self._needle.turn[:] = 0.0

    # -- Blade and needle ------------------------------------------------------------------

    def cut(self, start: NDArray[np.float64], end: NDArray[np.float64]) -> Cut:
        """Cut along what a blade's edge sweeps, all at once and without a force.

        Args:
            start: (2, 3) ends of the edge before, world, m.
            end: (2, 3) the same after; equal to `start` for a blade that stands.
        """
        start = finite("a blade", start, (2, 3))
        end = finite("a blade", end, (2, 3))
        centres = self._nodes.positions[self.mesh.tets].mean(axis=1)
        intact = self._elements.fate == INTACT
        sweep_blade(self._nodes, self._elements, start, end, self._cut_areas)
        cut = np.flatnonzero(intact & (self._elements.fate != INTACT))
        areas = self._cut_areas[cut]
        total = float(areas.sum())
        shares = areas / total if total > 0.0 else np.full(len(cut), 1.0 / max(len(cut), 1))
        centre = shares @ centres[cut] if len(cut) else np.full(3, np.nan)
        return Cut(cut, total, centre)

    def place_needle(self, pose: NDArray[np.float64]) -> None:
        """Put the needle, outside tissue, at a 4x4 pose (see `CurvedNeedle`), world, m."""
        pose = finite("the pose of a needle", pose, (4, 4))
        self._needle.whole[COUNT], self._needle.whole[PRESSING] = 0, 0
        self._needle.whole[TIP_TET] = -1
        self._needle.centres[:] = pose[:3, 3]
        self._needle.rotation[...] = self._needle_rotation[...] = pose[:3, :3]

    def move_needle(self, pose: NDArray[np.float64]) -> None:
        """Say where the needle will be, 4x4 world, m, at the end of the next step."""
        pose = finite("the pose of a needle", pose, (4, 4))
        self._needle.centres[1] = pose[:3, 3]
        self._needle.turn[:] = rotation_vector(self._needle.rotation, pose[:3, :3])
        self._needle_rotation[...] = pose[:3, :3]

    @property
    def needle(self) -> NeedleState:
        """What the needle did in the last step."""
        needle = self._needle
        count = int(needle.whole[COUNT])
        corners = self._nodes.positions[self.mesh.tets[needle.tets[:count]]]
        return needle_state(needle, self._needle_wrench, corners)

    # -- Measures --------------------------------------------------------------------------

    @property
    def positions(self) -> NDArray[np.float64]:
        """(n, 3) nodes, world, m; a view that is read-only."""
        return _read_only(self._nodes.positions)

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
        """(3,) kg m/s."""
        total: NDArray[np.float64] = self.node_masses @ self._nodes.velocities
        return total

    @property
    def is_finite(self) -> bool:
        """Whether every position is a finite number; where not, the episode must end."""
        return bool(np.isfinite(self._nodes.positions).all())

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
