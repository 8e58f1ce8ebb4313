"""Cut a sheet of tissue along a line that is drawn on it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from halsted.envs.surgery.bench import Scene, Vector
from halsted.envs.surgery.dexterity.bench_arms import WORKSPACE_M
from halsted.envs.surgery.tissue.tilt_guide import TiltGuide
from halsted.envs.surgery.tissue.tissue_env import EXCHANGE_S, TissueEnv, Touch, placed
from halsted.robot.drawing import Drawing, ball, tube
from halsted.robot.rigid import Mount
from halsted.robot.specification import Entry, Specification
from halsted.robot.tissue import Capsules, Markers, Material, SoftBody, block

LENGTH_M, WIDTH_M, THICKNESS_M = 0.04, 0.026, 0.0024
_CELLS = (18, 12, 1)
_YOUNG_PA = (1800.0, 2900.0)
_BED_M = 0.001
ELECTRODE_M = 0.012
"""From the grasp point to the electrode's tip."""
_ELECTRODE_RADIUS_M = 0.0005
_BARE_M = 0.006
_DOT_M = 0.0004
SAMPLES = 25
_ON_LINE_M, _OFF_LINE_M = 0.002, 0.004
_GOAL_SHARE = 0.95
_TIP = np.array([0.0, 0.0, ELECTRODE_M])


class TissueCutEnv(TissueEnv):
    """Cut a sheet of tissue along the line that is drawn on it.

    ## Description
    A sheet of 40 x 26 x 2.4 mm is held at two edges, drawn taut by up to 6 %, on its bed. The
    instrument carries an electrosurgical needle electrode, 12 mm long. While it is powered, its
    last 6 mm cut what they meet without a force, whichever way it moves and however fast;
    unpowered they push. A point of the line is cut once tissue within 2 mm of it is, in the upper
    and in the lower half of the sheet.

    ## Action Space
    `Box(-1, 1, (4,), float32)`: a Cartesian step of the tool (3), which points down, and the
    power, which is on above 0. A step beyond the workspace, whose floor lies 0.5 mm under the
    sheet, is cut short, one out of reach is not taken; both count as cost.

    ## Observation Space
    `Dict` of float32 in goal form. The goal is one number: the share of the line that is cut. With
    `sight` other than `state` also images, see `BenchEnv`.

    ## Starting State
    The electrode stands 5 to 15 mm over the sheet near the line's beginning. Place, heading,
    tautness and stiffness (1.8 to 2.9 kPa) of the sheet, and the line's ends and bow are drawn.

    ## Episode End
    Terminated when 95 % of the line is cut; truncated after `horizon` steps.

    Coupling, rewards, costs and arguments are those of `TissueEnv`. Tissue that tears, or is cut
    farther than 4 mm from the line, counts as `strain`.
    """

    command = Specification(
        (
            Entry("shift_in_world", 3, "m", 0.006, "Cartesian step of the tool"),
            Entry("power", 1, "1", 1.0, "above 0 the electrode cuts"),
        )
    )
    specification = Specification(
        (
            Entry("tip_in_world", 3, "m", 0.05, "forward kinematics, electrode's tip", 4.0),
            Entry("power", 1, "1", 1.0, "1 while the electrode is powered"),
            Entry("next_from_tip", 3, "m", 0.02, "first uncut point of the line less tip", 10.0),
            Entry("after_from_tip", 3, "m", 0.02, "the uncut point 3 samples on, less tip", 10.0),
            Entry("end_from_tip", 3, "m", 0.02, "the line's end less the tip", 10.0),
            Entry("force_on_tool", 3, "N", 0.5, "force sensor, or joint torques", 10.0),
            Entry("strain", 1, "1", 0.5, "greatest stretch of tissue, by stereo vision", 10.0),
        )
    )
    goal_size = 1
    goal_scale: ClassVar[float] = 1.0
    workspace_m = np.array([*WORKSPACE_M[:2], (ELECTRODE_M + _BED_M / 2, 0.15)])

    # -- What an expert may look at --------------------------------------------------------------

    @property
    def tip(self) -> Vector:
        """(3,) the electrode's tip, world m."""
        return self._at_tool(_TIP)

    @property
    def line(self) -> Vector:
        """(25, 3) points of the line where they are now, world m."""
        return self._line.positions

    @property
    def is_cut(self) -> NDArray[np.bool_]:
        """(25,) which of them are cut."""
        return self._is_cut

    # -- TissueEnv's hooks -----------------------------------------------------------------------

    def _new_guide(self, mount: Mount, lead_m: float) -> TiltGuide:
        axis = np.array([1.0, 0.0, 0.0])
        return TiltGuide(mount, lead_m, self.workspace_m, axis, np.zeros(3))

    def _new_body(self) -> SoftBody:
        mesh = block((LENGTH_M, WIDTH_M, THICKNESS_M), _CELLS, (-LENGTH_M / 2, -WIDTH_M / 2, 0.0))
        held = np.flatnonzero(np.abs(mesh.nodes[:, 0]) > LENGTH_M / 2 - 1e-9)
        material = Material(young_pa=_YOUNG_PA[1], poisson=0.4)
        body = SoftBody(mesh, material, held, floor_z=_BED_M)
        self._line = Markers(body)
        self._centres = mesh.nodes[mesh.tets].mean(axis=1)
        self._is_upper = self._centres[:, 2] > THICKNESS_M / 2 + 1e-6
        self._is_lower = self._centres[:, 2] < THICKNESS_M / 2 - 1e-6
        self._is_cut = np.zeros(SAMPLES, np.bool_)
        self._is_powered = False
        self._strayed = False
        return body

    def _follow(self, tools: Capsules, touch: Touch) -> tuple[Vector, Vector]:
        if self._is_powered:
            self._burn()
        else:
            tools = self._with_electrode(tools)
        result = self.body.step(EXCHANGE_S, tools)
        self._electrode_before = self._electrode
        touch.torn += result.torn + self._strayed
        return result.tool_forces.sum(axis=0), self.tip

    def _measure(self) -> None:
        super()._measure()
        bare = np.array([0.0, 0.0, ELECTRODE_M - _BARE_M])
        self._electrode = np.array([self._at_tool(bare), self.tip])

    def _drawings(self) -> Sequence[Drawing]:
        across = np.array([0.0, 0.0, 1.0])
        line = self.line + across * _DOT_M
        left = line[~self._is_cut]
        shown = [ball(point.tolist(), _DOT_M, (0.1, 0.1, 0.5), "target") for point in left]
        electrode = np.linspace(self.tool, self.tip, 5)
        side = np.cross(self._pose[:3, 2], across)
        side = self._pose[:3, 0] if np.linalg.norm(side) < 1e-6 else side / np.linalg.norm(side)
        colour = (1.0, 0.85, 0.2) if self._is_powered else (0.6, 0.6, 0.65)
        return [*shown, tube(electrode, side, _ELECTRODE_RADIUS_M, colour, "arm")]

    # -- BenchEnv's hooks ------------------------------------------------------------------------

    def _sample_scene(self) -> Scene:
        rng = self.np_random
        side = float(rng.choice([-1.0, 1.0]))
        start = [float(rng.uniform(-0.006, 0.006)), side * float(rng.uniform(0.008, 0.010))]
        end = [float(rng.uniform(-0.006, 0.006)), -side * float(rng.uniform(0.006, 0.010))]
        return {
            "sheet": rng.uniform((-0.01, -0.01, -0.5, 1.0), (0.01, 0.01, 0.5, 1.06)).tolist(),
            "young_pa": [float(rng.uniform(*_YOUNG_PA))],
            "line": [*start, *end, float(rng.uniform(-0.003, 0.003))],
            "tip_from_start": rng.uniform((-0.008, -0.008, 0.005), (0.008, 0.008, 0.015)).tolist(),
        }

    def _apply(self, scene: Scene) -> None:
        x, y, yaw, stretch = scene["sheet"]
        self.body.reset(placed(x, y, _BED_M, yaw, stretch), scene["young_pa"][0])
        line = _line(scene["line"])
        self._line.place(np.column_stack([line, np.full(SAMPLES, THICKNESS_M)]))
        aside = self._centres[:, :2].T[:, None] - line.T[:, :, None]
        squares = aside[0] ** 2 + aside[1] ** 2
        is_near = squares < _ON_LINE_M**2
        self._upper, self._lower = is_near & self._is_upper, is_near & self._is_lower
        self._is_far = squares.min(axis=0) > _OFF_LINE_M**2
        self._length_m = float(np.linalg.norm(np.diff(line, axis=0), axis=1).sum())
        self._is_cut = np.zeros(SAMPLES, np.bool_)
        self._is_powered = self._strayed = False
        tip = self.line[0] + scene["tip_from_start"]
        self._place_guide(tip - (0.0, 0.0, -ELECTRODE_M), 0.0)
        self._begin(0.0)
        self._electrode_before = self._electrode

    def _advance(self, action: Vector) -> Vector:
        reached = self._guide.move(self.preset.step_m * action[:3], 0.0, self.tool)
        self._is_powered, self._strayed = bool(action[3] > 0.0), False
        costs = self._carry_out(not reached, _TIP)
        gone = self.body.fate != 0
        self._is_cut = (self._upper & gone).any(axis=1) & (self._lower & gone).any(axis=1)
        return costs

    def _state(self) -> Vector:
        tip, line = self.tip, self.line
        left = np.flatnonzero(~self._is_cut)
        first = int(left[0]) if len(left) else SAMPLES - 1
        after = int(left[min(3, len(left) - 1)]) if len(left) else SAMPLES - 1
        return np.concatenate(
            [
                tip,
                (float(self._is_powered),),
                line[first] - tip,
                line[after] - tip,
                line[-1] - tip,
                self._touch.force,
                (self._strain,),
            ]
        )

    def _achieved(self) -> Vector:
        return np.array([self._is_cut.mean()])

    def _desired(self) -> Vector:
        return np.array([_GOAL_SHARE])

    def _success(self, achieved: Vector, desired: Vector) -> NDArray[np.bool_]:
        return np.asarray(achieved[..., 0] >= desired[..., 0] - 1e-6)

    def _potential(self, achieved: Vector, desired: Vector) -> float:
        """The length still to be cut, and the way to its beginning."""
        left = np.flatnonzero(~self._is_cut)
        if not len(left):
            return 0.0
        reach = float(np.linalg.norm(self.line[left[0]] - self.tip))
        return 2.0 * self._length_m * float(1.0 - achieved[0]) + reach

    # -- Inside --------------------------------------------------------------------------------

    def _burn(self) -> None:
        """Cut what the bare part of the electrode has swept."""
        cut = self.body.cut(self._electrode_before, self._electrode)
        self._strayed |= bool(self._is_far[cut.elements].any())

    def _with_electrode(self, tools: Capsules) -> Capsules:
        """The tools and the unpowered electrode, which pushes."""
        return Capsules(
            np.concatenate([tools.starts, self._electrode_before[None]]),
            np.concatenate([tools.ends, self._electrode[None]]),
            np.append(tools.radii, _ELECTRODE_RADIUS_M),
        )


def _line(drawn: Sequence[float]) -> Vector:
    """(25, 2) points of the line, in the frame of the sheet, m: a parabola between its ends."""
    start, end, bow = np.array(drawn[:2]), np.array(drawn[2:4]), drawn[4]
    share = np.linspace(0.0, 1.0, SAMPLES)[:, None]
    way = end - start
    aside = np.array([-way[1], way[0]]) / math.hypot(*way)
    line: Vector = start + share * way + 4.0 * bow * share * (1.0 - share) * aside
    return line
