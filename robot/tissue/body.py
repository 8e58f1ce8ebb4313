"""A soft body: what an environment steps, grips, cuts and pierces."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from halsted.robot.tissue.body_state import BodyState
from halsted.robot.tissue.building import (
    NO_GRIPS,
    finite,
    not_negative,
    tool_arrays,
    whole_sub_steps,
)
from halsted.robot.tissue.curved_needle import (
    NeedleState,
    needle_state,
    rotation_vector,
)
from halsted.robot.tissue.errors import TissueError
from halsted.robot.tissue.exchange import Capsules, Cut, Grip, StepResult
from halsted.robot.tissue.fracture import sweep_blade
from halsted.robot.tissue.gripping import Grips, between_jaws
from halsted.robot.tissue.needle_drive import COUNT, PRESSING, TIP_TET
from halsted.robot.tissue.state import FREE, HELD, INTACT
from halsted.robot.tissue.stepping import advance


class SoftBody(BodyState):
    """A block or sheet of soft tissue that rigid tools push, grip, pierce, tear and cut.

    Everything is in the world frame and SI units. There is no self-contact and no contact between
    soft bodies. The same calls give the same numbers, bit for bit, on one machine.

    Attributes:
        mesh: The mesh at rest.
        material: What it is made of.
        period_s: Length of a sub-step, s.
        grips: Handles of the grips that hold, in order.
    """

    def step(self, duration_s: float, capsules: Capsules | None = None) -> StepResult:
        """Simulate on while tools move along.

        Args:
            duration_s: A whole number of sub-steps, s.
            capsules: Rigid tools that push; None for none.

        Raises:
            TissueError: the duration is no whole number of sub-steps, or a tool's pose or
                friction cannot be.
        """
        substeps = whole_sub_steps(duration_s, self.period_s)
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
        if torn:
            self._drop_gone()
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
        radius_m = not_negative("the radius of pads", radius_m)
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

    def _drop_gone(self) -> None:
        """Let go of held nodes at which no tissue is left, and of grips that hold no other."""
        for handle, grip in list(self._grips.items()):
            is_left = self._nodes.tets_left[grip.nodes] > 0
            if is_left.all():
                continue
            self._nodes.hold[grip.nodes[~is_left]] = FREE
            if is_left.any():
                nodes, local = grip.nodes[is_left], grip.local[is_left]
                self._grips[handle] = replace(grip, nodes=nodes, local=local)
            else:
                del self._grips[handle]

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
        intact = self._elements.fate == INTACT
        sweep_blade(self._nodes, self._elements, start, end, self._cut_areas)
        cut = np.flatnonzero(intact & (self._elements.fate != INTACT))
        if len(cut):
            self._drop_gone()
        areas = self._cut_areas[cut]
        total = float(areas.sum())
        shares = areas / total if total > 0.0 else np.full(len(cut), 1.0 / max(len(cut), 1))
        centres = self._nodes.positions[self.mesh.tets[cut]].mean(axis=1)
        centre = shares @ centres if len(cut) else np.full(3, np.nan)
        return Cut(cut, total, centre)

    def place_needle(self, pose: NDArray[np.float64]) -> None:
        """Put the needle, outside tissue, at a 4x4 pose (see `CurvedNeedle`), world, m."""
        pose = finite("the pose of a needle", pose, (4, 4))
        self._needle.whole[COUNT], self._needle.whole[PRESSING] = 0, 0
        self._needle.whole[TIP_TET] = -1
        self._needle.centres[:] = pose[:3, 3]
        self._needle.turn[:] = 0.0
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
        corners = self.mesh.tets[needle.tets[:count]]
        return needle_state(
            needle, self._needle_wrench, self._nodes.positions[corners], self._laid[corners]
        )
