"""Lift a flap of tissue off what it hides."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from halsted.envs.surgery.bench import Scene, Vector
from halsted.envs.surgery.dexterity.things import RED
from halsted.envs.surgery.tissue.instrument import pads
from halsted.envs.surgery.tissue.tilt_guide import TiltGuide
from halsted.envs.surgery.tissue.tissue_env import EXCHANGE_S, TissueEnv, Touch, placed
from halsted.robot.drawing import Drawing, disc
from halsted.robot.rigid import Mount
from halsted.robot.specification import Entry, Specification
from halsted.robot.tissue import Capsules, Markers, Material, SoftBody, TetMesh, block
from halsted.robot.tissue.visibility import hidden_from_above

LENGTH_M, WIDTH_M, THICKNESS_M, LIP_M = 0.036, 0.024, 0.003, 0.009
_CELLS = (10, 6, 6)
_YOUNG_PA = (5000.0, 8000.0)
_TARGET_RADIUS_M, _MARGIN_M = 0.003, 0.002
_BED_M = 0.001
"""Height of the flap's underside; the target lies below it, on the table."""
_OPEN_SHARE = 0.5
_PAD_RADIUS_M = 0.004
_GRIP_FORCE_N = 1.0
_EDGE_PER_SHARE_M = 0.03


class TissueRetractEnv(TissueEnv):
    """Lift a flap of tissue off the target that it hides.

    ## Description
    A flap of 36 x 24 x 3 mm lies on its bed, fixed along one edge. Its other edge is turned up by
    6 mm. The instrument takes that edge between its jaws, lifts it and folds it back until the
    target beneath can be seen from above: until no vertical ray to the target's disc, 3 mm in
    radius, or to a margin of 2 mm around it, meets tissue. The instrument itself is not counted.
    The flap must be held then, and nothing of it torn.

    ## Action Space
    `Box(-1, 1, (5,), float32)`: a Cartesian step of the tool (3), its tilt about the line of its
    jaws, and its jaws, which close below 0 and open otherwise. At a tilt of 0 the tool points down;
    its jaws lie along the free edge and open across it. A step beyond the workspace is cut short,
    one out of reach is not taken; both count as cost. Closing jaws grip tissue once both of them
    press on it; see `halsted.robot.tissue.gripping`. A grip slips off above 1 N.

    ## Observation Space
    `Dict` of float32 in goal form. A goal is the share of the target and its margin that can be
    seen, 1 for a flap that is held, and 1 for one of which nothing is torn; all are wanted to be 1.
    With `sight` other than `state` also images, see `BenchEnv`.

    ## Starting State
    The tool stands 2 to 3 cm over the turned-up edge, 1 cm aside. Place and heading of the flap,
    its stiffness (5 to 8 kPa) and the target's place are drawn.

    ## Episode End
    Terminated when all of the target and its margin is exposed by a flap that is held and whole;
    truncated after `horizon` steps.

    Coupling, rewards, costs and arguments are those of `TissueEnv`. Tearing counts as `strain`, a
    grip that slips off as `drop`.
    """

    command = Specification(
        (
            Entry("shift_in_world", 3, "m", 0.006, "Cartesian step of the tool"),
            Entry("tilt", 1, "rad", np.deg2rad(12.0).item(), "step about the line of the jaws"),
            Entry("jaw", 1, "1", 1.0, "below 0 closes the jaws, else they open"),
        )
    )
    specification = Specification(
        (
            Entry("tool_in_world", 3, "m", 0.05, "forward kinematics", 4.0),
            Entry("tilt", 2, "1", 1.0, "cosine and sine of the tool's tilt"),
            Entry("opening", 1, "1", 1.0, "measured share of the jaws' opening", 2.0),
            Entry("holding", 1, "1", 1.0, "1 while tissue is held"),
            Entry("edge_from_tool", 3, "m", 0.02, "middle of the free edge less the tool", 10.0),
            Entry("edge_heading", 2, "1", 1.0, "cosine and sine of the edge's heading"),
            Entry("target_from_tool", 3, "m", 0.02, "target less the tool", 10.0),
            Entry("force_on_tool", 3, "N", 0.5, "force sensor, or joint torques", 10.0),
            Entry("strain", 1, "1", 0.5, "greatest stretch of tissue, by stereo vision", 10.0),
        )
    )
    goal_size = 3
    goal_scale: ClassVar[float] = 1.0

    # -- What an expert may look at --------------------------------------------------------------

    @property
    def is_holding(self) -> bool:
        """Whether tissue is held."""
        return bool(self.body.grips)

    @property
    def edge(self) -> Vector:
        """(3,) middle of the turned-up edge's upper side, world m."""
        middle: Vector = self._edge.positions[0]
        return middle

    @property
    def placement(self) -> NDArray[np.float64]:
        """4x4 of the flap in the world: x from the fixed to the free edge."""
        return self._placement

    @property
    def target(self) -> Vector:
        """(3,) world m."""
        return self._target

    # -- TissueEnv's hooks -----------------------------------------------------------------------

    def _new_guide(self, mount: Mount, lead_m: float) -> TiltGuide:
        # Tilted forwards, the tool leans back over the fixed part.
        axis = np.array([-1.0, 0.0, 0.0])
        return TiltGuide(mount, lead_m, self.workspace_m, axis, np.zeros(3))

    def _new_body(self) -> SoftBody:
        mesh = _flap()
        fixed = np.flatnonzero(mesh.nodes[:, 0] < 1e-9)
        material = Material(young_pa=_YOUNG_PA[1], poisson=0.4)
        body = SoftBody(mesh, material, fixed, floor_z=_BED_M)
        self._edge = Markers(body)
        self._edge.place(np.array([[LENGTH_M - THICKNESS_M / 2, 0.0, LIP_M]]))
        self._closing = False
        return body

    def _follow(self, tools: Capsules, touch: Touch) -> tuple[Vector, Vector]:
        is_held = self.is_holding
        for grip in self.body.grips:
            self.body.move_grip(grip, self._pose)
        if is_held:
            tools = Capsules(tools.starts[2:], tools.ends[2:], tools.radii[2:])  # without the jaws
        result = self.body.step(EXCHANGE_S, tools)
        touch.torn += result.torn
        force: Vector = result.tool_forces.sum(axis=0)
        if is_held:
            force = force + result.grip_forces[0]
            touch.slipped += len(result.slipped)
        elif self._closing:
            self._close_on(result.tool_forces[:2])
        return force, self.tool

    def _drawings(self) -> Sequence[Drawing]:
        return [disc(self._target, _TARGET_RADIUS_M, RED[:3], "target")]

    # -- BenchEnv's hooks ------------------------------------------------------------------------

    def _sample_scene(self) -> Scene:
        rng = self.np_random
        x, y = rng.uniform(-0.01, 0.01), LENGTH_M / 2 + rng.uniform(-0.005, 0.005)
        yaw = -math.pi / 2 + rng.uniform(-0.25, 0.25)
        edge = placed(x, y, 0.0, yaw) @ (LENGTH_M, 0.0, 0.0, 1.0)
        start = edge[:2] + rng.uniform(-0.01, 0.01, 2)
        return {
            "tool": [*start.tolist(), LIP_M + float(rng.uniform(0.02, 0.03))],
            "flap": [float(x), float(y), float(yaw)],
            "young_pa": [float(rng.uniform(*_YOUNG_PA))],
            "target": [float(rng.uniform(0.016, 0.022)), float(rng.uniform(-0.003, 0.003))],
        }

    def _apply(self, scene: Scene) -> None:
        x, y, yaw = scene["flap"]
        self._placement = placed(x, y, _BED_M, yaw)
        self.body.reset(self._placement, scene["young_pa"][0])
        self._target = (self._placement @ (*scene["target"], 0.0, 1.0))[:3]
        self._target[2] = _BED_M / 2
        self._spots = self._target + _SPOTS
        self._closing = False
        self._guide.azimuth = yaw + math.pi / 2
        self._place_guide(np.array(scene["tool"]), 0.0)
        self._begin(_OPEN_SHARE)

    def _advance(self, action: Vector) -> Vector:
        preset = self.preset
        reached = self._guide.move(
            preset.step_m * action[:3], preset.step_rad * action[3], self.tool
        )
        self._closing = bool(action[4] < 0.0)
        if not self._closing:
            for grip in self.body.grips:
                self.body.release(grip)
        if not self.is_holding:
            self._opening = 0.0 if self._closing else _OPEN_SHARE
        return self._carry_out(not reached, np.zeros(3))

    def _state(self) -> Vector:
        _, tilt = self._guide.measured_pose(self.world.joints[0])
        return np.concatenate(
            [
                self.tool,
                (math.cos(tilt), math.sin(tilt)),
                (self.world.opening(0), float(self.is_holding)),
                self.edge - self.tool,
                self._placement[:2, 1],
                self._target - self.tool,
                self._touch.force,
                (self._strain,),
            ]
        )

    def _achieved(self) -> Vector:
        seen = 1.0 - hidden_from_above(self.body, self._spots).mean()
        return np.array([seen, self.is_holding, not self.body.fate.any()], np.float64)

    def _desired(self) -> Vector:
        return np.ones(3)

    def _success(self, achieved: Vector, desired: Vector) -> NDArray[np.bool_]:
        return np.asarray((achieved > desired - 1e-6).all(axis=-1))

    def _potential(self, achieved: Vector, desired: Vector) -> float:
        """The share still hidden, as a way of the edge, and the way to the edge till it is held."""
        left = _EDGE_PER_SHARE_M * float(desired[0] - achieved[0])
        if self.is_holding:
            return left
        return left + float(np.linalg.norm(self.edge - self.tool)) + 0.02

    # -- Inside --------------------------------------------------------------------------------

    def _close_on(self, jaw_forces: Vector) -> None:
        """Grip what is between the jaws, if both press on it."""
        if not (np.abs(jaw_forces).max(axis=1) > 0.0).all():
            return
        self.body.grip(self._pose, pads(self._pose, self._angle), _PAD_RADIUS_M, _GRIP_FORCE_N)
        if self.is_holding:
            self._opening = self.world.opening(0)


def _flap() -> TetMesh:
    """A sheet with its far edge turned up; x along it, from the middle of the fixed edge."""
    grid = block((LENGTH_M, WIDTH_M, LIP_M), _CELLS, (0.0, -WIDTH_M / 2, 0.0))
    centres = grid.nodes[grid.tets].mean(axis=1)
    kept = grid.tets[
        (centres[:, 2] < THICKNESS_M) | (centres[:, 0] > LENGTH_M * (1 - 1 / _CELLS[0]))
    ]
    used, tets = np.unique(kept, return_inverse=True)
    return TetMesh(grid.nodes[used], tets.reshape(-1, 4).astype(np.int32))


def _spots() -> NDArray[np.float64]:
    """(19, 3) points of the target's disc and its margin, from its middle, m."""
    rings = [(0.0, 1), (0.5, 6), (1.0, 12)]
    radius = _TARGET_RADIUS_M + _MARGIN_M
    return np.array(
        [
            (
                radius * r * math.cos(2 * math.pi * k / n),
                radius * r * math.sin(2 * math.pi * k / n),
                0.0,
            )
            for r, n in rings
            for k in range(n)
        ]
    )


_SPOTS = _spots()
