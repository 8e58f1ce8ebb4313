"""Drive a curved needle through tissue, from one mark to another."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from halsted.envs.surgery.bench import Scene, Vector
from halsted.envs.surgery.bench_task import within
from halsted.envs.surgery.dexterity.bench_arms import WORKSPACE_M
from halsted.envs.surgery.tissue.tilt_guide import TiltGuide
from halsted.envs.surgery.tissue.tissue_env import EXCHANGE_S, TissueEnv, Touch, placed
from halsted.robot.drawing import Drawing, ball, tube
from halsted.robot.rigid import Mount
from halsted.robot.specification import Entry, Specification
from halsted.robot.tissue import Capsules, CurvedNeedle, Markers, Material, SoftBody, block

LENGTH_M, WIDTH_M, THICKNESS_M = 0.03, 0.02, 0.0075
_CELLS = (9, 6, 3)
_YOUNG_PA = (4000.0, 6000.0)
NEEDLE = CurvedNeedle(
    radius_m=0.01,
    angle_rad=math.radians(170.0),
    puncture_n=0.007,
    cutting_n=0.004,
    friction_n_per_m=0.5,
)
_GRIPPED_RAD = math.radians(150.0)
"""Angle on the needle from its tip back to where the jaws hold it."""
_WIRE_M = 0.0004
_OPEN_SHARE = 0.02
_TOLERANCE_M = 0.003
_EMERGED_M = 0.05
"""Makes a length of "has emerged", longer than any tolerance."""
_TO_ARC_M = NEEDLE.radius_m * np.array([math.sin(_GRIPPED_RAD), 0.0, -math.cos(_GRIPPED_RAD)])


class SutureEnv(TissueEnv):
    """Drive a curved needle through tissue, in at one mark and out at the other.

    ## Description
    A block of tissue of 30 x 20 x 7.5 mm lies on its bed. The instrument holds a needle: an arc of
    170 degrees and 10 mm radius. Its tip must go in at the entry mark and come out at the exit
    mark, 12 to 15 mm farther on, which it does when the needle is turned about the centre of its
    arc. The needle punctures, cuts and rubs; turned about another point it drags the tissue aside.

    ## Action Space
    `Box(-1, 1, (4,), float32)`: a Cartesian step of the centre of the needle's arc (3), and a turn
    of the needle about that centre, in its own plane, which is upright. At a turn of 0 the tip is
    lowest and the tool points down. A step beyond the workspace is cut short, one out of reach of
    the wrist is not taken; both count as cost.

    ## Observation Space
    `Dict` of float32 in goal form. A goal is, in units of 5 cm, a point of exit (3), a point of
    entry (3), and 1 for a tip that has emerged. Achieved are the points where the tip went
    in and came out, followed back to where that tissue was at rest; the tip itself as long as it
    has not. With `sight` other than `state` also images, see `BenchEnv`.

    ## Starting State
    The tip stands 4 to 10 mm over the entry mark, up to 5 mm aside. Place and stiffness (4 to
    6 kPa) of the tissue, and place, distance and direction (up to 25 degrees) of the marks are
    drawn.

    ## Episode End
    Terminated when the tip has emerged, and both went in and came out within 3 mm of the marks;
    truncated after `horizon` steps.

    Coupling, rewards, costs and arguments are those of `TissueEnv`. Tearing counts as `strain`.
    """

    command = Specification(
        (
            Entry("shift_in_world", 3, "m", 0.006, "Cartesian step of the needle's centre"),
            Entry("turn", 1, "rad", np.deg2rad(12.0).item(), "step about the needle's axis"),
        )
    )
    specification = Specification(
        (
            Entry("centre_in_world", 3, "m", 0.05, "forward kinematics, centre of the arc", 4.0),
            Entry("turn", 2, "1", 1.0, "cosine and sine of the needle's turn"),
            Entry("azimuth", 2, "1", 1.0, "cosine and sine of the heading of the needle's plane"),
            Entry("entry_from_tip", 3, "m", 0.02, "entry mark, where it is now, less tip", 10.0),
            Entry("exit_from_tip", 3, "m", 0.02, "exit mark, where it is now, less tip", 10.0),
            Entry("depth", 1, "m", 0.01, "length of needle in tissue", 10.0),
            Entry("is_tip_inside", 1, "1", 1.0, "contact state"),
            Entry("has_emerged", 1, "1", 1.0, "contact state"),
            Entry("force_on_tool", 3, "N", 0.1, "force sensor, or joint torques", 10.0),
            Entry("strain", 1, "1", 0.5, "greatest stretch of tissue, by stereo vision", 10.0),
        )
    )
    goal_size = 7
    workspace_m = np.array([*WORKSPACE_M[:2], (NEEDLE.radius_m + 0.001, 0.15)])

    # -- What an expert may look at --------------------------------------------------------------

    @property
    def tip(self) -> Vector:
        """(3,) the needle's tip, world m."""
        pose = self._needle_pose()
        return pose[:3, 3] + NEEDLE.radius_m * pose[:3, 0]

    @property
    def marks(self) -> Vector:
        """(2, 3) entry and exit mark where they are now, world m."""
        return self._marks.positions

    # -- TissueEnv's hooks -----------------------------------------------------------------------

    def _new_guide(self, mount: Mount, lead_m: float) -> TiltGuide:
        axis = np.array([0.0, 1.0, 0.0])
        return TiltGuide(mount, lead_m, self.workspace_m, axis, _TO_ARC_M)

    def _new_body(self) -> SoftBody:
        mesh = block((LENGTH_M, WIDTH_M, THICKNESS_M), _CELLS, (-LENGTH_M / 2, -WIDTH_M / 2, 0.0))
        held = np.flatnonzero(mesh.nodes[:, 2] < 1e-9)
        material = Material(young_pa=_YOUNG_PA[1], poisson=0.4)
        body = SoftBody(mesh, material, held, floor_z=0.0, needle=NEEDLE)
        self._marks = Markers(body)
        self._entered: Vector | None = None
        self._emerged: Vector | None = None
        return body

    def _follow(self, tools: Capsules, touch: Touch) -> tuple[Vector, Vector]:
        body = self.body
        body.move_needle(self._needle_pose())
        before = body.needle
        result = body.step(EXCHANGE_S, tools)
        touch.torn += result.torn
        needle = body.needle
        if needle.entries > before.entries:
            self._entered = needle.laid_points[0] if len(needle.laid_points) else self.tip
        if needle.exits > before.exits and self._emerged is None:
            self._emerged = self._laid(self.tip)
        if self._entered is not None and not len(needle.points):
            self._entered = self._emerged = None
        return result.tool_forces.sum(axis=0) + needle.force, self.tip

    def _drawings(self) -> Sequence[Drawing]:
        pose = self._needle_pose()
        angles = np.linspace(-NEEDLE.angle_rad, 0.0, 24)[:, None]
        arc = np.cos(angles) * pose[:3, 0] + np.sin(angles) * pose[:3, 1]
        points = pose[:3, 3] + NEEDLE.radius_m * arc
        entry, leaving = self.marks.tolist()
        return [
            tube(points, pose[:3, 2], _WIRE_M, (0.75, 0.77, 0.8), "object"),
            ball(entry, 0.001, (0.1, 0.5, 0.2), "target"),
            ball(leaving, 0.001, (0.15, 0.2, 0.7), "target"),
        ]

    # -- BenchEnv's hooks ------------------------------------------------------------------------

    def _sample_scene(self) -> Scene:
        rng = self.np_random
        bite = float(rng.uniform(0.012, 0.015))
        return {
            "block": rng.uniform((-0.01, -0.01), (0.01, 0.01)).tolist(),
            "young_pa": [float(rng.uniform(*_YOUNG_PA))],
            "marks": [*rng.uniform((-0.002, -0.003, -0.43), (0.002, 0.003, 0.43)).tolist(), bite],
            "tip_from_entry": rng.uniform((-0.005, -0.005, 0.004), (0.005, 0.005, 0.01)).tolist(),
            "turn": [float(rng.uniform(-1.2, -0.9))],
        }

    def _apply(self, scene: Scene) -> None:
        x, y = scene["block"]
        self.body.reset(placed(x, y, 0.0, 0.0), scene["young_pa"][0])
        x, y, azimuth, bite = scene["marks"]
        way = np.array([math.cos(azimuth), math.sin(azimuth), 0.0]) * bite / 2
        middle = np.array([x, y, THICKNESS_M])
        self._marks.place(np.array([middle - way, middle + way]))
        self._entered = self._emerged = None
        self._desired_goal = np.concatenate([self.marks[::-1].ravel(), [_EMERGED_M]])
        self._guide.azimuth = azimuth
        (turn,) = scene["turn"]
        to_tip = NEEDLE.radius_m * _in_plane(azimuth, turn)
        self._place_guide(self.marks[0] + scene["tip_from_entry"] - to_tip, turn)
        self._begin(_OPEN_SHARE)
        self.body.place_needle(self._needle_pose())

    def _advance(self, action: Vector) -> Vector:
        preset = self.preset
        centre, _ = self._guide.measured_pose(self.world.joints[0])
        reached = self._guide.move(preset.step_m * action[:3], preset.step_rad * action[3], centre)
        to_tip = NEEDLE.radius_m * np.array([0.0, 0.0, 1.0])
        costs = self._carry_out(not reached, _TO_ARC_M + to_tip)
        if self._is_unstable:
            self._entered = self._emerged = None
        return costs

    def _state(self) -> Vector:
        centre, turn = self._guide.measured_pose(self.world.joints[0])
        needle, azimuth = self.body.needle, self._guide.azimuth
        return np.concatenate(
            [
                centre,
                (math.cos(turn), math.sin(turn), math.cos(azimuth), math.sin(azimuth)),
                (self.marks - self.tip).ravel(),
                (needle.depth_m, needle.is_tip_inside, self._emerged is not None),
                self._touch.force,
                (self._strain,),
            ]
        )

    def _achieved(self) -> Vector:
        tip = self.tip
        entered = tip if self._entered is None else self._entered
        emerged = tip if self._emerged is None else self._emerged
        return np.array([*emerged, *entered, _EMERGED_M * (self._emerged is not None)])

    def _desired(self) -> Vector:
        return self._desired_goal

    def _success(self, achieved: Vector, desired: Vector) -> NDArray[np.bool_]:
        near = within(achieved[..., :3], desired[..., :3], _TOLERANCE_M)
        near &= within(achieved[..., 3:6], desired[..., 3:6], _TOLERANCE_M)
        return np.asarray(near & (np.abs(achieved[..., 6] - desired[..., 6]) < _TOLERANCE_M))

    def _potential(self, achieved: Vector, desired: Vector) -> float:
        """The way to the entry, and from there to the exit."""
        leaving = float(np.linalg.norm(achieved[:3] - desired[:3]))
        missed = float(np.linalg.norm(achieved[3:6] - desired[3:6]))
        if self._entered is None:
            return missed + float(np.linalg.norm(desired[:3] - desired[3:6]))
        return missed + leaving

    # -- Inside --------------------------------------------------------------------------------

    def _needle_pose(self) -> NDArray[np.float64]:
        """4x4 of the needle in the world, see `CurvedNeedle`: it is held where the tool is."""
        pose: NDArray[np.float64] = self._pose @ _NEEDLE_IN_TOOL
        return pose

    def _laid(self, point: Vector) -> Vector:
        """Where the tissue at a point (3,) was laid down, by the nearest node."""
        gaps = self.body.positions - point
        nearest = int(np.einsum("ni,ni->n", gaps, gaps).argmin())
        laid: Vector = point + self.body.laid_positions[nearest] - self.body.positions[nearest]
        return laid


def _in_plane(azimuth: float, turn: float) -> Vector:
    """Unit vector (3,) from the centre of the arc to its tip."""
    return np.array(
        [
            math.sin(turn) * math.cos(azimuth),
            math.sin(turn) * math.sin(azimuth),
            -math.cos(turn),
        ]
    )


def _needle_in_tool() -> NDArray[np.float64]:
    """4x4 of the needle's frame: its tip lies along the tool's z axis, its way along x."""
    pose = np.eye(4)
    pose[:3, :3] = np.column_stack([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    pose[:3, 3] = _TO_ARC_M
    return pose


_NEEDLE_IN_TOOL = _needle_in_tool()
